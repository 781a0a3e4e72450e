/** The rules about what became of every question that was ever accepted: [L110] to [L113]. */
import { expect, test } from 'vitest'
import type { TurnEndedBody } from '../conversation/entry.ts'
import { missingIn, type QuestionTally } from './conversation-log.ts'
import { answer, createWorld, ended, LEASE_MS, started, TTL_MS, type OpenLog, type World } from './world.contract.ts'

const NOTHING: QuestionTally = {
  accepted: 0,
  ended: { answered: 0, stopped: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 },
  waiting: 0,
  unstarted: 0,
  oldestUnstartedAt: undefined,
  sessions: 0,
  lost: 0,
  lostAt: undefined,
  found: 0,
}

/** Ends the one turn that can be claimed. */
async function endOne({ log, claimOne }: World, outcome: TurnEndedBody['outcome'], attempt: 0 | 1): Promise<void> {
  const claim = await claimOne()
  await log.write(claim, [...(attempt === 0 ? [] : [started(claim)]), ended(claim, { outcome, attempt })])
}

export function describeTallyOfLog(open: OpenLog): void {
  test('[L110] an empty log has nothing to count', async () => {
    await using world = await createWorld(open)
    expect(await world.log.tally()).toEqual(NOTHING)
  })

  test('[L110] a question that is accepted waits, and once only however often it is sent', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    const askedAt = clock.now()
    const question = world.question()
    await log.ask(id, question)
    await clock.advance(5)
    await log.ask(id, question)
    await log.ask(id, { ...question, text: 'Another text' })
    await world.ask(id)
    expect(await log.tally()).toEqual({ ...NOTHING, accepted: 2, waiting: 2, unstarted: 2, oldestUnstartedAt: askedAt, sessions: 1 })
  })

  test.each([
    ['complete', 1, 'answered'],
    ['stopped', 1, 'stopped'],
    ['stopped', 0, 'cancelled'],
    ['failed', 1, 'failed'],
    ['failed', 0, 'failed'],
    ['interrupted', 1, 'interrupted'],
    ['expired', 0, 'expired'],
  ] as const)('[L110] a turn that ends %s in attempt %i makes its question %s', async (outcome, attempt, end) => {
    await using world = await createWorld(open)
    await world.ask(await world.begin())
    await endOne(world, outcome, attempt)
    expect(await world.log.tally()).toEqual({ ...NOTHING, accepted: 1, ended: { ...NOTHING.ended, [end]: 1 }, sessions: 1 })
  })

  test('[L110] the sums agree while a question is claimed, asked, given back, taken over and refused to an older owner', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    await world.ask(await world.begin())
    const agrees = async (waiting: number, unstarted: number): Promise<void> => {
      const tally = await log.tally()
      expect([tally.accepted, tally.waiting, tally.unstarted, missingIn(tally), tally.found]).toEqual([1, waiting, unstarted, 0, 0])
    }
    const first = await world.claimOne()
    await agrees(1, 1)
    await log.write(first, [started(first)])
    await agrees(1, 0)
    await log.release(first)
    await agrees(1, 0)
    const second = await world.claimOne()
    clock.advanceSync(LEASE_MS)
    const third = await world.claimOne('another')
    await log.write(second, [ended(second, { attempt: 1 })])
    await agrees(1, 0)
    await log.write(third, [ended(third, { attempt: 1 })])
    await log.write(third, [ended(third, { attempt: 1 })])
    await agrees(0, 0)
  })

  test('[L112] deleting a session cancels what waits in it, and only that', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const [id, other] = [await world.begin(), await world.begin()]
    await world.ask(id)
    const claim = await world.claimOne()
    await log.write(claim, answer(claim))
    await world.ask(id)
    await world.ask(id)
    await world.ask(other)
    await log.deleteSession(id)
    await log.deleteSession(id)
    const { sessions, waiting, ended: ends } = await log.tally()
    expect({ sessions, waiting, ends }).toEqual({ sessions: 1, waiting: 1, ends: { ...NOTHING.ended, answered: 1, cancelled: 2 } })
  })

  test('[L112] a session that expires takes what waits in it along as expired, however it is removed', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const visitor = world.newVisitor()
    const ids = [await world.begin(visitor), await world.begin(visitor), await world.begin(visitor)] as const
    for (const id of ids) await world.ask(id)
    clock.advanceSync(TTL_MS)
    expect(await log.tally()).toMatchObject({ accepted: 3, waiting: 3, unstarted: 0, sessions: 0 })
    await log.createSession({ id: ids[1], visitor, ttlMs: TTL_MS })
    await log.deleteSession(ids[2])
    await log.deleteExpired(1)
    expect(await log.tally()).toMatchObject({
      accepted: 3,
      waiting: 0,
      ended: { ...NOTHING.ended, expired: 3 },
      sessions: 1,
      found: 0,
    })
  })
}
