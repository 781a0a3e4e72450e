/**
 * What every adapter of the conversation log must do: the rules [L1] to [L26] and [L110] to [L113] of SPEC §3.
 */
import { createHash } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import type { Cursor } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { describeAgainstMemory } from './model.contract.ts'
import { describeQuestionsOfLog } from './questions.contract.ts'
import { describeSessionsOfLog } from './sessions.contract.ts'
import { describeTallyOfLog } from './tally.contract.ts'
import { describeTurnsOfLog } from './turns.contract.ts'
import {
  answer,
  createBell,
  createWorld,
  cursorAt,
  expectAccepted,
  expectEntries,
  LEASE_MS,
  part,
  started,
  told,
  TTL_MS,
  type OpenLog,
} from './world.contract.ts'

const SHA256_OF_NOTHING = createHash('sha256').update('').digest('hex')

/** Runs the contract. `open` gives an empty log each time; the suite closes it. */
export function describeConversationLog(name: string, open: OpenLog): void {
  describe(`the log in ${name}`, () => {
    describeSessionsOfLog(open)
    describeQuestionsOfLog(open)
    describeReading(open)
    describeTurnsOfLog(open)
    describeTallyOfLog(open)
    describeRest(open)
    describeAgainstMemory(open)
  })
}

function describeReading(open: OpenLog): void {
  test('[L13] reading in pieces gives every entry once, in order', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const empty = expectEntries(await log.read(id, undefined, 10))
    expect(empty).toMatchObject({ entries: [], head: undefined })
    for (let count = 0; count < 7; count += 1) await world.ask(id)
    const seen: number[] = []
    let cursor: Cursor | undefined
    for (let reads = 0; reads < 4; reads += 1) {
      const read = expectEntries(await log.read(id, cursor, 2))
      expect(read.head?.seq).toBe(7)
      seen.push(...read.entries.map(({ seq }) => seq))
      cursor = cursorAt(read.entries, read.logId)
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(expectEntries(await log.read(id, cursor, 2)).entries).toEqual([])
  })

  test('[L13] a read that asks for no entries, or for too many, is refused', async () => {
    await using world = await createWorld(open)
    const id = await world.begin()
    for (const limit of [0, -1, 1.5, Number.NaN, READ_ENTRIES_MAX + 1]) {
      await expect(world.log.read(id, undefined, limit)).rejects.toThrow(RangeError)
    }
    expect(await world.log.read(id, undefined, READ_ENTRIES_MAX)).toMatchObject({ type: 'entries' })
  })

  test('[L14] a cursor that is not on this log is a fork, and says where the log is', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const none = (await world.ask(await world.begin())).cursor
    const { logId } = expectEntries(await log.read(id, undefined, 1))
    expect(await log.read(id, { ...none, logId }, 1)).toMatchObject({ type: 'fork', logId, head: undefined })
    const { cursor } = await world.ask(id)
    const head = (await world.ask(id)).cursor
    const fork = { type: 'fork', logId, head: { seq: 2, id: head.id } }
    const strangers: readonly Cursor[] = [
      none,
      { ...cursor, logId: none.logId },
      { ...cursor, id: head.id },
      { ...cursor, id: none.id },
      { ...head, seq: 3 },
      { ...head, seq: 1_000_000 },
      { ...cursor, seq: 0 },
    ]
    for (const stranger of strangers) expect(await log.read(id, stranger, 1)).toMatchObject(fork)
    expect(await log.read(id, cursor, 1)).toMatchObject({ type: 'entries', entries: [{ seq: 2 }] })
    expect(await log.read(id, head, 1)).toMatchObject({ type: 'entries', entries: [] })
  })

  test('[L15] what is settled is what the store says it keeps', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const { cursor } = await world.ask(id)
    const { durability, store } = log.profile
    expect(durability === 'memory').toBe(store === 'memory')
    const settled = durability === 'memory' ? 0 : 1
    // With replicas it comes a moment later.
    await vi.waitFor(async () => expect(await log.read(id, undefined, 1)).toMatchObject({ type: 'entries', settled }), 5_000)
    expect(await log.read(id, { ...cursor, seq: 2 }, 1)).toMatchObject({ type: 'fork', settled })
  })
}

function describeRest(open: OpenLog): void {
  test('[L12] a wish to stop is appended once, while the turn is open', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const [one, two] = [await world.ask(id), await world.ask(id)]
    const claim = await world.claimOne()
    expect(await log.stop(id, one.turnId)).toEqual({ type: 'requested' })
    expect(await log.stop(id, one.turnId)).toEqual({ type: 'already' })
    await log.write(claim, answer(claim))
    const next = await world.claimOne()
    await log.write(next, answer(next))
    expect(await log.stop(id, two.turnId)).toEqual({ type: 'already' })
    expect(await log.stop(id, world.newTurnId())).toEqual({ type: 'gone' })
    expect(await log.stop(await world.begin(), one.turnId)).toEqual({ type: 'gone' })
    const stops = (await world.entries(id)).filter(({ kind }) => kind === 'stop-requested')
    expect(stops).toMatchObject([{ seq: 3, turnId: one.turnId }])
  })

  test('[T50] a turn that nobody holds and that has shown nothing ends with the wish to stop it', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    const [session, work] = [createBell(), createBell()]
    const askedAt = clock.now()
    const [one, two, three] = [await world.ask(id), await world.ask(id), await world.ask(id)]
    log.onAppend(id, session.bell)
    log.onWork(work.bell)
    clock.advanceSync(10)
    // The second is nobody's as long as the first one runs; the first was begun by an owner that is gone, and has shown nothing.
    const claim = await world.claimOne('gone')
    await log.write(claim, [started(claim)])
    expect(await log.stop(id, two.turnId)).toEqual({ type: 'stopped', askedAt })
    expect([session.count(), work.count()]).toEqual([2, 1])
    clock.advanceSync(LEASE_MS)
    expect(await log.stop(id, one.turnId)).toEqual({ type: 'stopped', askedAt })
    expect(await log.stop(id, one.turnId)).toEqual({ type: 'already' })
    expect(await log.write(claim, [part(claim, 'Late')])).toEqual({ type: 'fenced' })
    expect((await world.claimOne()).turnId).toBe(three.turnId)
    const end = { kind: 'turn-ended', outcome: 'stopped', reason: 'asked-to-stop', parts: 0, chars: 0, sha256: SHA256_OF_NOTHING }
    expect((await world.entries(id)).slice(4)).toMatchObject([
      { kind: 'stop-requested', turnId: two.turnId },
      { ...end, turnId: two.turnId, attempt: 0 },
      { kind: 'stop-requested', turnId: one.turnId },
      { ...end, turnId: one.turnId, attempt: 1 },
    ])
    expect((await log.tally()).ended).toMatchObject({ cancelled: 1, stopped: 1 })
  })

  test('[T50] a turn that has shown text is ended by its owner, or by the next', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const { turnId } = await world.ask(id)
    const claim = await world.claimOne()
    await log.write(claim, [started(claim), part(claim, 'Well, ')])
    await log.release(claim)
    expect(await log.stop(id, turnId)).toEqual({ type: 'requested' })
    expect((await world.claimOne()).turnId).toBe(turnId)
  })

  test('[L23] listeners of a session ring after what is appended to it, and can then read it', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const [id, other] = [await world.begin(), await world.begin()]
    const [bell, elsewhere] = [createBell(), createBell()]
    const reads: Promise<unknown>[] = []
    const stopReading = log.onAppend(id, () => void reads.push(log.read(id, undefined, 10)))
    log.onAppend(id, bell.bell)
    log.onAppend(other, elsewhere.bell)
    const question = world.question()
    const { turnId } = expectAccepted(await log.ask(id, question))
    await log.ask(id, question)
    expect([bell.count(), elsewhere.count()]).toEqual([1, 0])
    expect(await Promise.all(reads)).toMatchObject([{ entries: [{ seq: 1 }] }])
    stopReading()
    stopReading()
    const claim = await world.claimOne()
    await log.write(claim, [])
    expect(bell.count()).toBe(1)
    await log.stop(id, turnId)
    await log.stop(id, turnId)
    expect(bell.count()).toBe(2)
    await log.write(claim, [told(claim, question.messageId)])
    expect(bell.count()).toBe(3)
    await log.deleteSession(id)
    expect([bell.count(), elsewhere.count(), reads.length]).toEqual([4, 0, 1])
  })

  test('[L23] listeners for work ring when a turn may have become claimable', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const bell = createBell()
    const stop = log.onWork(bell.bell)
    const { turnId } = await world.ask(id)
    expect(bell.count()).toBe(1)
    const claim = await world.claimOne()
    await log.renew(claim, TTL_MS)
    expect(bell.count()).toBe(1)
    await log.stop(id, turnId)
    expect(bell.count()).toBe(2)
    await log.release(claim)
    expect(bell.count()).toBe(3)
    const again = await world.claimOne()
    await log.write(again, answer(again).slice(0, 2))
    expect(bell.count()).toBe(3)
    await log.write(again, answer(again).slice(2))
    expect(bell.count()).toBe(4)
    stop()
    await world.ask(id)
    expect(bell.count()).toBe(4)
  })

  test('[L24] a probe leaves no trace', async () => {
    await using world = await createWorld(open)
    const id = await world.begin()
    const bell = createBell()
    world.log.onAppend(id, bell.bell)
    world.log.onWork(bell.bell)
    await world.log.probe()
    await world.log.probe()
    expect(await world.entries(id)).toEqual([])
    expect(bell.count()).toBe(0)
  })

  test('[L26] a closed log refuses every command, and closing again is harmless', async () => {
    const world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    await log[Symbol.asyncDispose]()
    await log[Symbol.asyncDispose]()
    const unavailable = { name: 'LogError', kind: 'unavailable', isRetryable: true }
    await expect(log.ask(id, world.question())).rejects.toMatchObject(unavailable)
    await expect(log.read(id, undefined, 1)).rejects.toMatchObject(unavailable)
    await expect(log.probe()).rejects.toMatchObject(unavailable)
  })
}
