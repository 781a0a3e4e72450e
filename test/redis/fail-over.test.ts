/** A replica takes its master's place: what was promised stays, what was only acknowledged may go, and pages put it back. */
import { expect, test } from 'vitest'
import type { ConversationLog } from '../../src/conversation-log/conversation-log.ts'
import { answer, createWorld, expectAccepted, readAll, type World } from '../../src/conversation-log/world.contract.ts'
import { SERVER_DEVICE, type SessionId } from '../../src/conversation/ids.ts'
import { REDIS_SETTLED_SOON_MS } from '../../src/conversation/limits.ts'
import { createRecordedEvents } from '../../src/testing/recorded-events.ts'
import { ENGLISH } from '../../src/gateway/words.ts'
import { ChatTown, NOTHING_WRONG } from './chat-town.ts'
import { network, newPrefix, openLog } from './open-log.ts'
import { linked, startPair, type RedisPair } from './redis-cluster.ts'
import { addressOf, isBack, startRedis, until } from './redis-process.ts'
import { startProxy } from './tcp-proxy.ts'

const LEASE_MS = 60_000

const onPair = ({ proxy }: RedisPair, options: Partial<Parameters<typeof openLog>[0]> = {}): Parameters<typeof openLog>[0] => ({
  addresses: [addressOf(proxy.port)],
  waitReplicas: 1,
  ...options,
})

const worldOn = (pair: RedisPair, options: Partial<Parameters<typeof openLog>[0]> = {}): Promise<World> =>
  createWorld(() => openLog(onPair(pair, options)))

/** Up to where the session's log is settled. */
async function settledIn(log: ConversationLog, session: SessionId): Promise<number> {
  const read = await log.read(session, undefined, 1)
  return read.type === 'gone' ? 0 : read.settled
}

const settles = (log: ConversationLog, session: SessionId, seq: number): Promise<true> =>
  until(async () => ((await settledIn(log, session)) >= seq ? true : undefined))

test('[L70] what every replica has is settled; while one is missing nothing is, and that is told once', async () => {
  await using pair = await startPair()
  const events = createRecordedEvents()
  await using world = await createWorld(() => openLog(onPair(pair), { events }))
  const { log } = world
  const id = await world.begin()
  await world.ask(id)
  await settles(log, id, 1)
  // A replica that has only just come may have been waited for.
  const toldBefore = events.of('storeSettling').length
  pair.proxy.holdReplicas()
  const stalls = events.next('storeSettling')
  await world.ask(id)
  await stalls
  expect(await settledIn(log, id)).toBe(1)
  const goesOn = events.next('storeSettling')
  pair.proxy.releaseReplicas()
  await goesOn
  await settles(log, id, 2)
  const told = events
    .of('storeSettling')
    .slice(toldBefore)
    .map(({ isStalled, replicas, needed }) => ({ isStalled, replicas, needed }))
  expect(told).toEqual([
    { isStalled: true, replicas: 0, needed: 1 },
    { isStalled: false, replicas: 1, needed: 1 },
  ])
})

test('[L70] a replica that was seen counts, whatever was asked for: it may be the one that is promoted', async () => {
  await using pair = await startPair()
  await using second = await startRedis('--replicaof', '127.0.0.1', String(pair.proxy.port))
  await linked(second)
  const events = createRecordedEvents()
  await using world = await createWorld(() => openLog(onPair(pair), { events }))
  const id = await world.begin()
  await world.ask(id)
  await settles(world.log, id, 1)
  // The master forgets it as soon as it has gone.
  const stalls = events.next('storeSettling')
  await second.kill()
  await world.ask(id)
  await stalls
  expect(events.of('storeSettling').at(-1)).toMatchObject({ isStalled: true, replicas: 1, needed: 2 })
  expect(await settledIn(world.log, id)).toBe(1)
})

test('[L73] who asks by form, begins or deletes is answered once that is settled, or after a second', async () => {
  await using pair = await startPair()
  await using world = await worldOn(pair)
  const { log } = world
  const byForm = (id: SessionId): Promise<unknown> => log.ask(id, { ...world.question(), device: SERVER_DEVICE, number: undefined })
  const id = await world.begin()
  await byForm(id)
  expect(await settledIn(log, id)).toBe(1)
  pair.proxy.holdReplicas()
  const { clock } = network
  const since = clock.monotonic()
  expect(await byForm(id)).toMatchObject({ type: 'accepted' })
  expect(clock.monotonic() - since).toBeGreaterThanOrEqual(REDIS_SETTLED_SOON_MS - 5)
  expect(await settledIn(log, id)).toBe(1)
})

test('[L72][L74] pages put back all that a fail-over took, once and in order; what was settled it did not take', async () => {
  await using pair = await startPair()
  await using town = await ChatTown.found({ ...onPair(pair), processes: 2, people: 12 })
  await town.everybodyAsks(2)
  await town.isQuiet()
  pair.proxy.holdReplicas()
  await town.everybodyAsks(3)
  // Seen by their people, on the server that is about to be lost.
  await until(async () => town.pages.every(({ turns }) => turns.size === 5) || undefined)
  await pair.failOver()
  await town.everybodyAsks(1)
  await pair.rejoin()
  await town.isQuiet()
  const outcome = await town.outcome()
  expect(outcome).toEqual({ asked: 72, ...NOTHING_WRONG, repaired: 36 })
  expect(town.pages.every(({ said }) => said.has(ENGLISH.live.restored))).toBe(true)
})

test('[L83] two servers that both count as the master settle nothing, and when one is left pages put back what only the other had', async () => {
  await using pair = await startPair()
  await using entrance = await startProxy(pair.master.port)
  const entrances = [addressOf(pair.proxy.port), addressOf(entrance.port)]
  await using town = await ChatTown.found({ ...onPair(pair), entrances, processes: 2, people: 8 })
  await town.everybodyAsks(2)
  await town.isQuiet()
  pair.proxy.holdReplicas()
  await pair.replica.send('REPLICAOF', 'NO', 'ONE')
  // From here on one process writes to the old master and the other to the new one.
  entrance.leadTo(pair.replica.port)
  await town.everybodyAsks(2)
  await until(async () => town.pages.every(({ turns }) => turns.size === 4) || undefined)
  expect(town.pages.map(({ unsettled }) => unsettled)).toEqual(town.pages.map(() => 2))
  pair.proxy.leadTo(pair.replica.port)
  await pair.rejoin()
  await town.isQuiet()
  const outcome = await town.outcome()
  expect(outcome).toMatchObject({ ...NOTHING_WRONG, asked: 32 })
  expect(outcome.repaired).toBeGreaterThan(0)
  const forked = town.pages.filter(({ forks }) => forks > 0)
  expect(forked.length).toBeGreaterThan(0)
  expect(forked.every(({ said }) => said.has(ENGLISH.live.restored))).toBe(true)
})

test('[L72] where no replica is waited for, the same fail-over loses what counted as settled', async () => {
  await using pair = await startPair()
  await using town = await ChatTown.found({ ...onPair(pair, { waitReplicas: 0 }), processes: 1, people: 3 })
  expect(town.log.profile.durability).toBe('best-effort')
  await town.everybodyAsks(1)
  await town.isQuiet()
  await pair.replicaHasAll()
  pair.proxy.holdReplicas()
  await town.everybodyAsks(1)
  await town.isQuiet()
  await pair.failOver()
  await until(async () => town.pages.every(({ forks }) => forks > 0) || undefined)
  const outcome = await town.outcome()
  expect([outcome.asked, outcome.lost.length, outcome.broken]).toEqual([6, 3, 3])
})

test('[L75] a claim that the fail-over took back is worth nothing, though the next has the same fence', async () => {
  await using pair = await startPair()
  const keyPrefix = newPrefix()
  await using here = await worldOn(pair, { keyPrefix })
  await using there = await worldOn(pair, { keyPrefix })
  const id = await here.begin()
  await here.ask(id)
  await settles(here.log, id, 1)
  pair.proxy.holdReplicas()
  const [lost] = await here.log.claim('here', LEASE_MS, 1)
  await pair.failOver()
  await Promise.all([isBack(here.log), isBack(there.log)])
  const [found] = await there.log.claim('there', LEASE_MS, 1)
  expect(found).toEqual(lost)
  if (lost === undefined || found === undefined) throw new Error('nothing was claimed')
  expect(await here.log.renew(lost, LEASE_MS)).toBe(false)
  expect(await here.log.write(lost, answer(lost))).toEqual({ type: 'fenced' })
  expect(await there.log.write(found, answer(found))).toMatchObject({ type: 'written', head: { seq: 4 } })
})

test('[L74] a follower of what was lost is told so at its next read, and a device is told which number is expected', async () => {
  await using pair = await startPair()
  await using world = await worldOn(pair)
  const { log } = world
  const id = await world.begin()
  const kept = await world.ask(id)
  await settles(log, id, 1)
  pair.proxy.holdReplicas()
  const question = { ...world.question(), number: 2 }
  const lost = expectAccepted(await log.ask(id, question))
  await pair.failOver()
  await isBack(log)
  expect(await log.read(id, lost.cursor, 10)).toMatchObject({ type: 'fork', head: { seq: kept.cursor.seq, id: kept.cursor.id } })
  expect(await log.ask(id, { ...world.question(), number: 3 })).toEqual({ type: 'order', expected: 2 })
  expect(expectAccepted(await log.ask(id, question))).toMatchObject({ duplicate: false, number: 2 })
  expect(await log.read(id, lost.cursor, 10)).toMatchObject({ type: 'fork' })
  expect((await readAll(log, id)).map(({ seq }) => seq)).toEqual([1, 2])
})
