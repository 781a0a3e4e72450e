/** The part of the contract that is about turns: claiming, writing, ending. */
import { expect, test } from 'vitest'
import type { TurnBody } from '../conversation/entry.ts'
import { ANSWER_PART_CHARS_MAX, WRITE_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Claim, NewQuestion } from './conversation-log.ts'
import {
  answer,
  createWorld,
  ended,
  expectAccepted,
  expectWritten,
  LEASE_MS,
  part,
  started,
  superseded,
  told,
  type OpenLog,
  type World,
} from './world.contract.ts'

export function describeTurnsOfLog(open: OpenLog): void {
  describeClaims(open)
  describeUntold(open)
  describeFences(open)
  describeWrites(open)
}

function describeClaims(open: OpenLog): void {
  test('[L16] turns are claimed oldest first, one of each session, as many as asked for', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const visitor = world.newVisitor()
    const [a, b, c] = [await world.begin(visitor), await world.begin(), await world.begin()]
    const asked = []
    for (const id of [b, a, b, c, a]) {
      clock.advanceSync(1)
      asked.push({ ...(await world.ask(id)), session: id, askedAt: clock.now() })
    }
    const [first, second, , fourth] = asked
    expect(await log.claim('one', LEASE_MS, 0)).toEqual([])
    const claims = [...(await log.claim('one', LEASE_MS, 2)), ...(await log.claim('two', LEASE_MS, 9))]
    expect(claims.map(({ session, turnId, askedAt }) => ({ session, turnId, askedAt }))).toEqual(
      [first, second, fourth].map((turn) => ({ session: turn?.session, turnId: turn?.turnId, askedAt: turn?.askedAt })),
    )
    expect(claims[1]?.visitor).toBe(visitor)
    expect(await log.claim('three', LEASE_MS, 9)).toEqual([])
  })

  test('[L16] claimed at the same moment, a turn has one owner', async () => {
    await using world = await createWorld(open)
    const ids = await Promise.all([world.begin(), world.begin(), world.begin()])
    for (const id of ids) await world.ask(id)
    const claims = (await Promise.all(['a', 'b', 'c', 'd'].map((owner) => world.log.claim(owner, LEASE_MS, 2)))).flat()
    expect(claims.map(({ session }) => session).toSorted()).toEqual(ids.toSorted())
  })

  test('[L17] a lease that ran out lets another owner in, and no sooner', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    await world.ask(await world.begin())
    const first = await world.claimOne('one')
    clock.advanceSync(LEASE_MS - 1)
    expect(await log.claim('two', LEASE_MS, 1)).toEqual([])
    clock.advanceSync(1)
    const second = await world.claimOne('two')
    expect(second).toEqual({ ...first, fence: first.fence + 1 })
  })

  test('[L17] a renewed lease counts from the renewal', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    await world.ask(await world.begin())
    const claim = await world.claimOne('one')
    clock.advanceSync(LEASE_MS - 1)
    expect(await log.renew(claim, LEASE_MS)).toBe(true)
    clock.advanceSync(LEASE_MS - 1)
    expect(await log.claim('two', LEASE_MS, 1)).toEqual([])
    clock.advanceSync(1)
    expect(await log.claim('two', LEASE_MS, 1)).toHaveLength(1)
    expect(await log.renew(claim, LEASE_MS)).toBe(false)
  })

  test('[L17] an owner that was paused and missed by nobody goes on', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    await world.ask(await world.begin())
    const claim = await world.claimOne()
    clock.advanceSync(LEASE_MS * 3)
    expect(await log.write(claim, [started(claim)])).toMatchObject({ type: 'written' })
    expect(await log.renew(claim, LEASE_MS)).toBe(true)
    expect(await log.claim('other', LEASE_MS, 1)).toEqual([])
  })

  test('[L17] a jump of the wall clock neither ends nor lengthens a lease', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    await world.ask(await world.begin())
    await world.claimOne()
    clock.jump(LEASE_MS * 2)
    expect(await log.claim('other', LEASE_MS, 1)).toEqual([])
    clock.jump(-LEASE_MS * 10)
    clock.advanceSync(LEASE_MS)
    expect(await log.claim('other', LEASE_MS, 1)).toHaveLength(1)
  })

  test('[L19] a turn given back can be claimed at once, and only its new owner writes', async () => {
    await using world = await createWorld(open)
    const { log } = world
    await world.ask(await world.begin())
    const claim = await world.claimOne('one')
    await log.release(claim)
    expect(await log.write(claim, [started(claim)])).toEqual({ type: 'fenced' })
    expect(await log.renew(claim, LEASE_MS)).toBe(false)
    const next = await world.claimOne('two')
    await log.release(claim)
    expect(await log.claim('three', LEASE_MS, 1)).toEqual([])
    expect(await log.write(next, answer(next))).toMatchObject({ type: 'written' })
    await log.release(next)
    expect(await log.claim('three', LEASE_MS, 1)).toEqual([])
  })
}

function describeUntold(open: OpenLog): void {
  test('[T51] turns whose questions were given no other help are claimed wherever they stand in their session, oldest first', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const [a, b] = [await world.begin(), await world.begin()]
    const turns = [await world.ask(a), await world.ask(b), await world.ask(a), await world.ask(a)].map(({ turnId }) => turnId)
    const answering = await log.claim('answering', LEASE_MS, 1)
    expect(answering.map(({ turnId }) => turnId)).toEqual(turns.slice(0, 1))
    expect(await log.claimUntold('telling', LEASE_MS, 0)).toEqual([])
    const claims = [...(await log.claimUntold('telling', LEASE_MS, 2)), ...(await log.claimUntold('other', LEASE_MS, 9))]
    expect(claims.map(({ turnId }) => turnId)).toEqual(turns.slice(1))
    expect(new Set([...answering, ...claims].filter(({ session }) => session === a).map(({ fence }) => fence)).size).toBe(3)
    expect([await log.claim('late', LEASE_MS, 9), await log.claimUntold('late', LEASE_MS, 9)]).toEqual([[], []])
    clock.advanceSync(LEASE_MS)
    expect((await log.claimUntold('late', LEASE_MS, 9)).map(({ turnId }) => turnId)).toEqual(turns)
  })

  test('[T51] a question that was given other help, or has its outcome, is not claimed for that again', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const questions = [world.question(), world.question(), world.question()]
    for (const question of questions) await log.ask(id, question)
    const [one, two, three] = (await log.claimUntold('telling', LEASE_MS, 9)) as [Claim, Claim, Claim]
    const tell = (claim: Claim, index: number): TurnBody => told(claim, questions[index]?.messageId ?? world.question().messageId)
    expect(await log.write(one, [tell(one, 0)])).toMatchObject({ type: 'written' })
    await expect(log.write(one, [tell(one, 0)])).rejects.toThrow(RangeError)
    const end = ended(two, { attempt: 0, outcome: 'failed', reason: 'agent-error' })
    expect(await log.write(two, [end, tell(two, 1)])).toMatchObject({ type: 'written' })
    for (const claim of [one, two, three]) await log.release(claim)
    expect((await log.claimUntold('telling', LEASE_MS, 9)).map(({ turnId }) => turnId)).toEqual([three.turnId])
    // What was given stays given, whoever takes the turn up.
    const next = await world.claimOne()
    expect(next.turnId).toBe(one.turnId)
    await expect(log.write(next, [tell(next, 0)])).rejects.toThrow(RangeError)
    expect(await log.write(next, answer(next))).toMatchObject({ type: 'written' })
  })
}

function describeFences(open: OpenLog): void {
  test('[L18] fences grow over all turns of a session', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    await world.ask(id)
    await world.ask(id)
    const fences: number[] = []
    for (let claims = 0; claims < 3; claims += 1) {
      fences.push((await world.claimOne()).fence)
      clock.advanceSync(LEASE_MS)
    }
    const claim = await world.claimOne()
    await log.write(claim, answer(claim))
    fences.push(claim.fence, (await world.claimOne()).fence)
    expect(fences).toEqual(fences.toSorted((a, b) => a - b))
    expect(new Set(fences).size).toBe(5)
    expect(fences[0]).toBeGreaterThan(0)
  })

  test('[L18] a paused owner that wakes up late writes nothing', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    await world.ask(id)
    const old = await world.claimOne('old')
    await log.write(old, [started(old), part(old, 'Half ')])
    clock.advanceSync(LEASE_MS)
    const fresh = await world.claimOne('fresh')
    const before = await world.entries(id)
    expect(await log.write(old, [part(old, 'an answer', 1)])).toEqual({ type: 'fenced' })
    expect(await log.renew(old, LEASE_MS)).toBe(false)
    await log.release(old)
    expect(await world.entries(id)).toEqual(before)
    expect(await log.write(fresh, [superseded(fresh), started(fresh, 2)])).toMatchObject({ type: 'written' })
    expect(await log.write(old, [ended(old, { parts: 1, chars: 5 })])).toEqual({ type: 'fenced' })
  })

  test('[L18] a claim that was made up is worth nothing', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const other = await world.begin()
    await world.ask(id)
    const claim = await world.claimOne()
    const forged: readonly Claim[] = [
      { ...claim, fence: claim.fence + 1 },
      { ...claim, fence: 0 },
      { ...claim, session: other },
      { ...claim, session: world.newSessionId() },
      { ...claim, turnId: world.newTurnId() },
    ]
    for (const each of forged) {
      expect(await log.write(each, [started(each)])).toEqual({ type: 'fenced' })
      expect(await log.renew(each, LEASE_MS)).toBe(false)
      await log.release(each)
    }
    expect(await log.write(claim, answer(claim))).toMatchObject({ type: 'written' })
  })
}

function describeWrites(open: OpenLog): void {
  test('[L20] a write appends its bodies one after another and says where the log then ends', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    const question = world.question()
    const { cursor } = expectAccepted(await log.ask(id, question))
    const claim = await world.claimOne()
    const bodies: readonly TurnBody[] = [
      started(claim),
      { ...part(claim, 'Tea \u{1F375}\u0000\u2028'), persona: 'adviser' } as TurnBody,
      part(claim, ' or coffee', 1),
      ended(claim, { outcome: 'interrupted', reason: 'agent-broke-off', parts: 2, chars: 18, sha256: 'ab' }),
      told(claim, question.messageId),
    ]
    const head = expectWritten(await log.write(claim, bodies))
    const [, ...written] = await world.entries(id)
    expect(head).toEqual({ seq: 6, id: written.at(-1)?.id })
    const ids = [cursor.id, ...written.map((entry) => entry.id)]
    expect(written).toEqual(
      bodies.map((body, index) => ({ ...body, seq: index + 2, id: ids[index + 1], prev: ids[index], at: clock.now() })),
    )
    expect(new Set(ids).size).toBe(6)
  })

  test('[L20] an empty write only asks whether the claim still holds', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const { cursor } = await world.ask(await world.begin())
    const claim = await world.claimOne()
    expect(await log.write(claim, [])).toEqual({ type: 'written', head: { seq: 1, id: cursor.id } })
    await log.release(claim)
    expect(await log.write(claim, [])).toEqual({ type: 'fenced' })
  })

  test('[L20][L21] a write with one wrong body appends none of them', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const { messageId } = await askedAndClaimed(world, id)
    const claim = await reclaim(world)
    await log.write(claim, [started(claim), part(claim, 'Well, ')])
    const before = await world.entries(id)
    const stranger: Claim = { ...claim, turnId: world.newTurnId() }
    const wrong: readonly (readonly TurnBody[])[] = [
      [part(claim, 'x', 0)],
      [part(claim, 'x', 2)],
      [part(claim, 'x', 1, 2)],
      [part(claim, 'x', 1, 0)],
      [part(claim, '', 1)],
      [part(claim, 'x'.repeat(ANSWER_PART_CHARS_MAX + 1), 1)],
      [part(claim, 'ok', 1), part(claim, 'x', 1)],
      [part(stranger, 'x', 1)],
      [started(claim, 2)],
      [started(claim, 1)],
      [superseded(claim), started(claim, 3)],
      [superseded(claim), { ...started(claim, 2), fence: claim.fence + 1 } as TurnBody],
      [superseded(claim), superseded(claim)],
      [superseded(claim), part(claim, 'x', 1)],
      [superseded(claim), started(claim, 2), superseded(claim, 2)],
      [superseded(claim, 0)],
      [ended(claim)],
      [ended(claim, { parts: 1, chars: 5 })],
      [ended(claim, { parts: 1, chars: 6, attempt: 0 })],
      [ended(claim, { parts: 1, chars: 6 }), ended(claim, { parts: 1, chars: 6 })],
      [ended(claim, { parts: 1, chars: 6 }), part(claim, 'x', 1)],
      [told(stranger, messageId)],
      [told(claim, world.question().messageId)],
      [told(claim, messageId), told(claim, messageId)],
      [ended(claim, { parts: 1, chars: 6 }), told(claim, messageId), told(claim, messageId)],
      Array.from({ length: WRITE_ENTRIES_MAX + 1 }, (_unused, index) => part(claim, 'x', index + 1)),
    ]
    for (const bodies of wrong) await expect(log.write(claim, bodies)).rejects.toThrow(RangeError)
    expect(await world.entries(id)).toEqual(before)
    expect(await log.write(claim, [part(claim, 'yes.', 1), ended(claim, { parts: 2, chars: 10 })])).toMatchObject({ type: 'written' })
  })

  test('[L21] a turn that has not started takes no text and no second attempt', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    await world.ask(id)
    const claim = await world.claimOne()
    for (const bodies of [[part(claim, 'x', 0, 0)], [part(claim, 'x')], [started(claim, 2)], [superseded(claim, 0)], [ended(claim)]]) {
      await expect(log.write(claim, bodies)).rejects.toThrow(RangeError)
    }
    expect(await log.write(claim, [ended(claim, { attempt: 0, outcome: 'expired', reason: 'expired' })])).toMatchObject({ type: 'written' })
  })

  test('[L21] shown text is superseded before the next attempt; an attempt that showed nothing is just followed', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    await askedAndClaimed(world, id)
    const claims: Claim[] = []
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const claim = await reclaim(world)
      claims.push(claim)
      await log.write(claim, attempt === 3 ? [superseded(claim, 2), started(claim, 3)] : [started(claim, attempt)])
      if (attempt === 2) await log.write(claim, [part(claim, 'Cut', 0, 2)])
    }
    const last = claims[2] as Claim
    await log.write(last, [part(last, 'Whole', 0, 3), ended(last, { attempt: 3, parts: 1, chars: 5 })])
    expect((await world.entries(id)).map(({ kind }) => kind)).toEqual([
      'message',
      'turn-started',
      'turn-started',
      'answer-part',
      'turn-superseded',
      'turn-started',
      'answer-part',
      'turn-ended',
    ])
  })

  test('[L22] a turn ends once, whoever else tries', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    await world.ask(id)
    const claim = await world.claimOne()
    const results = await Promise.all(Array.from({ length: 5 }, () => log.write(claim, answer(claim))))
    expect(results.map(({ type }) => type).toSorted()).toEqual(['fenced', 'fenced', 'fenced', 'fenced', 'written'])
    clock.advanceSync(LEASE_MS)
    expect(await log.claim('other', LEASE_MS, 1)).toEqual([])
    expect(await log.renew(claim, LEASE_MS)).toBe(false)
    expect((await world.entries(id)).filter(({ kind }) => kind === 'turn-ended')).toHaveLength(1)
  })

  test("[L16][L22] a session's next turn can be claimed once the one before has ended", async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const turns = [await world.ask(id), await world.ask(id), await world.ask(id)].map(({ turnId }) => turnId)
    const order = []
    for (let count = 0; count < 3; count += 1) {
      const claim = await world.claimOne()
      order.push(claim.turnId)
      expect(await log.claim('other', LEASE_MS, 5)).toEqual([])
      await log.write(claim, answer(claim))
    }
    expect(order).toEqual(turns)
  })
}

/** Asks in the session and lets a first owner claim the turn and do nothing. */
async function askedAndClaimed(world: World, session: Claim['session']): Promise<{ readonly messageId: NewQuestion['messageId'] }> {
  const question = world.question()
  await world.log.ask(session, question)
  await world.claimOne('first')
  return { messageId: question.messageId }
}

/** The next owner, after the lease of the one before has run out. */
async function reclaim(world: World): Promise<Claim> {
  world.clock.advanceSync(LEASE_MS)
  return world.claimOne('next')
}
