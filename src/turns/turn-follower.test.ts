import { describe, expect, test } from 'vitest'
import { mintLogId, type LogId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Claim, ConversationLog, ReadResult } from '../conversation-log/conversation-log.ts'
import { createTurnWorld } from '../testing/turn-world.ts'
import { createTurnFollower } from './turn-follower.ts'
import { askedQuestion, historyBefore, viewTurn } from './turn-log.ts'

/** A claimed turn in a log with `parts` parts of its answer. */
async function claimed(parts: number) {
  const world = createTurnWorld()
  const session = await world.newSession()
  const turnId = await world.ask(session, 'Is it long?')
  const [claim] = await world.log.claim('one', 60_000, 1)
  if (claim === undefined) throw new Error('nothing to claim')
  const write = (...bodies: Parameters<ConversationLog['write']>[1]) => world.log.write(claim, bodies)
  await write({ kind: 'turn-started', turnId, attempt: 1, fence: claim.fence })
  for (let index = 0; index < parts; index += 1)
    await write({ kind: 'answer-part', turnId, attempt: 1, index, persona: undefined, text: `${index} ` })
  return { world, session, turnId, claim, write }
}

/** The log, with another answer to `read`. */
const reading = (log: ConversationLog, read: ConversationLog['read']): ConversationLog => ({ ...log, read })

describe('following', () => {
  test('[T14] reads to the head, in as many reads as it takes, and then only what is new', async () => {
    const { world, claim, write, turnId, session } = await claimed(READ_ENTRIES_MAX)
    const follower = createTurnFollower(world.log, claim)
    const log = await follower.refresh()
    const text = Array.from({ length: READ_ENTRIES_MAX }, (_unused, index) => `${index} `).join('')
    const question = { messageId: expect.any(String), text: 'Is it long?', isTold: false }
    const view = {
      isOpen: true,
      isStopping: false,
      attempt: 1,
      fence: claim.fence,
      parts: READ_ENTRIES_MAX,
      text,
      isSuperseded: false,
      question,
    }
    expect([log && viewTurn(log), world.log.count('read')]).toEqual([view, 2])
    await write({ kind: 'answer-part', turnId, attempt: 1, index: READ_ENTRIES_MAX, persona: undefined, text: 'end' })
    await world.log.stop(session, turnId)
    await follower.refresh()
    expect(viewTurn(follower.current)).toEqual({ ...view, parts: READ_ENTRIES_MAX + 1, text: `${text}end`, isStopping: true })
    expect(world.log.count('read')).toBe(3)
  })

  test('[T14] sees all that was durable when it was asked, however many ask at once', async () => {
    const { world, claim, write, turnId } = await claimed(1)
    const follower = createTurnFollower(world.log, claim)
    const before = follower.refresh()
    await write({ kind: 'answer-part', turnId, attempt: 1, index: 1, persona: undefined, text: 'more' })
    const [, log] = await Promise.all([before, follower.refresh()])
    expect(log && viewTurn(log)?.text).toBe('0 more')
  })

  test('[T14] begins again on a log that was rolled back, and gives up on one that never holds still', async () => {
    const { world, claim, turnId } = await claimed(3)
    let forks = 1
    const head = undefined
    const fork = (logId: LogId): ReadResult => ({ type: 'fork', logId, head, settled: 0 })
    const rolledBack = reading(world.log, async (session, after, limit) => {
      if (after === undefined || forks === 0) return world.log.read(session, after, limit)
      forks -= 1
      return fork(after.logId)
    })
    const follower = createTurnFollower(rolledBack, claim)
    await follower.refresh()
    await follower.refresh()
    expect([viewTurn(follower.current)?.text, forks]).toEqual(['0 1 2 ', 0])

    const restless = reading(world.log, async () => fork(mintLogId((count) => new Uint8Array(count))))
    await expect(createTurnFollower(restless, claim).refresh()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(turnId).toBe(claim.turnId)
  })

  test('[T14] shows what it had until it has read the log anew', async () => {
    const { world, claim } = await claimed(3)
    const shown: (string | undefined)[] = []
    let isRolledBack = false
    const log = reading(world.log, async (session, after, limit) => {
      shown.push(viewTurn(follower.current)?.text)
      if (!isRolledBack || after === undefined) return world.log.read(session, after, isRolledBack ? 2 : limit)
      return { type: 'fork', logId: after.logId, head: undefined, settled: 0 }
    })
    const follower = createTurnFollower(log, claim)
    await follower.refresh()
    isRolledBack = true
    await expect(follower.refresh()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(shown).toEqual([undefined, '0 1 2 ', '0 1 2 ', '0 1 2 ', '0 1 2 ', '0 1 2 '])
  })

  test('[T18] tells a log that breaks its own rules from one that is gone', async () => {
    const { world, claim, session } = await claimed(3)
    const torn = reading(world.log, async (id, after, limit) => {
      const read = await world.log.read(id, after, limit)
      return read.type === 'entries' ? { ...read, entries: read.entries.filter((entry) => entry.seq !== 2) } : read
    })
    const empty = reading(world.log, async (id, after, limit) => {
      const read = await world.log.read(id, after, limit)
      return read.type === 'entries' ? { ...read, entries: [] } : read
    })
    await expect(createTurnFollower(torn, claim).refresh()).rejects.toMatchObject({ kind: 'corrupt' })
    await expect(createTurnFollower(empty, claim).refresh()).rejects.toMatchObject({ kind: 'corrupt' })
    await world.log.deleteSession(session)
    await expect(createTurnFollower(world.log, claim).refresh()).resolves.toBeUndefined()
  })

  test('[T14] goes on after a read that failed', async () => {
    const { world, claim } = await claimed(1)
    const follower = createTurnFollower(world.log, claim)
    world.log.fault('refuses')
    await expect(follower.refresh()).rejects.toMatchObject({ kind: 'unavailable' })
    world.log.fault(undefined)
    const log = await follower.refresh()
    expect(log && viewTurn(log)?.text).toBe('0 ')
  })
})

describe('what a log says about a turn', () => {
  test('[W42] holds what was shown of the answer that the question goes on from', async () => {
    const { world, session, turnId, write, claim } = await claimed(1)
    const ended = { kind: 'turn-ended', turnId, attempt: 1, outcome: 'interrupted', reason: 'agent-broke-off' } as const
    await write({ ...ended, parts: 1, chars: 2, sha256: world.ports.digest('0 ') })
    const first = await createTurnFollower(world.log, claim).refresh()
    const inReplyTo = first && askedQuestion(first)?.messageId
    const rest = await world.ask(session, 'Give me the rest.', inReplyTo)
    const log = await createTurnFollower(world.log, { ...claim, turnId: rest }).refresh()
    expect(log && historyBefore(log).map(({ role, text }) => [role, text])).toEqual([
      ['user', expect.any(String)],
      ['assistant', '0 '],
    ])
  })

  test('[T25] is nothing for a turn it does not hold', async () => {
    const { world, claim, session } = await claimed(0)
    const other = await world.ask(await world.newSession())
    const stranger: Claim = { ...claim, session, turnId: other }
    const log = await createTurnFollower(world.log, stranger).refresh()
    expect(log && [viewTurn(log), askedQuestion(log), historyBefore(log)]).toEqual([undefined, undefined, []])
  })

  test('[T25] holds neither unfinished exchanges nor later ones', async () => {
    const { world, session, turnId, write, claim } = await claimed(1)
    const ended = { kind: 'turn-ended', turnId, attempt: 1, outcome: 'interrupted', reason: 'agent-broke-off' } as const
    await write({ ...ended, parts: 1, chars: 2, sha256: world.ports.digest('0 ') })
    const second = await world.ask(session, 'Again?')
    await world.ask(session, 'And later?')
    const log = await createTurnFollower(world.log, { ...claim, turnId: second }).refresh()
    expect(log && [askedQuestion(log)?.text, historyBefore(log)]).toEqual(['Again?', []])
  })
})
