import { expect, test } from 'vitest'
import { SERVER_DEVICE } from '../conversation/ids.ts'
import { createBreaker } from '../resilience/breaker.ts'
import { createRetryBudget } from '../resilience/retry-budget.ts'
import { createFaultyLog } from '../testing/faulty-log.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { createMemoryLog } from './memory-log.ts'
import {
  ASKED_BY_PEOPLE,
  createResilientLog,
  DONE_IN_BACKGROUND,
  isStoreFailure,
  RETRY_FOR_PEOPLE,
  type LogRetry,
} from './resilient-log.ts'
import { createWorld, LEASE_MS, started } from './world.contract.ts'

const FULL: LogRetry = { attempts: 4, backoff: { baseMs: 2_000, capMs: 10_000 } }

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

/** A log whose store can be broken, under the given retries and a breaker that opens at ten failures. */
async function createResilientWorld(retry: LogRetry, repeated = retry === FULL ? DONE_IN_BACKGROUND : ASKED_BY_PEOPLE) {
  const events = createRecordedEvents()
  const parts: { faulty?: ReturnType<typeof createFaultyLog>; breaker?: ReturnType<typeof createBreaker> } = {}
  const world = await createWorld(async (ports) => {
    const { clock } = ports
    const faulty = createFaultyLog(createMemoryLog(ports))
    const settings = {
      name: 'redis',
      errorThreshold: 50,
      volumeThreshold: 10,
      resetTimeout: 30_000,
      timeout: 2_000,
      isFailure: isStoreFailure,
    }
    const breaker = createBreaker(settings, { clock })
    Object.assign(parts, { faulty, breaker })
    const budget = createRetryBudget({ service: 'redis' }, clock)
    // Always the longest wait.
    return createResilientLog(faulty, { service: 'redis', clock, chance: () => 1, breaker, budget, events, retry, repeated })
  })
  if (parts.faulty === undefined || parts.breaker === undefined) throw new Error('no log was opened')
  return { ...world, faulty: parts.faulty, breaker: parts.breaker, events, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

test('[L80] what a person waits for is tried once more within a second, and then answered honestly', async () => {
  await using world = await createResilientWorld(RETRY_FOR_PEOPLE)
  const { log, faulty, clock, events } = world
  const id = await world.begin()
  faulty.fault('refuses', ['ask'])
  const failing = failureOf(log.ask(id, world.question()))
  await clock.advance(1_000)
  expect(await failing).toMatchObject({ name: 'LogError', kind: 'unavailable' })
  expect(faulty.count('ask')).toBe(2)
  expect(events.of('storeAttemptFailed')).toMatchObject([
    { command: 'ask', attempt: 1, retriesLeft: 1, delayMs: 500, stop: undefined },
    { command: 'ask', attempt: 2, retriesLeft: 0, delayMs: undefined, stop: 'attempts' },
  ])
})

test('[L80] a question whose answer was lost is asked again under its id, and stands once', async () => {
  await using world = await createResilientWorld(RETRY_FOR_PEOPLE)
  const { log, faulty, clock, events } = world
  const id = await world.begin()
  faulty.fault('loses', ['ask'])
  const asked = log.ask(id, world.question())
  await clock.settle()
  faulty.fault(undefined)
  await clock.advance(500)
  expect(await asked).toMatchObject({ type: 'accepted', duplicate: true, number: 1 })
  expect(await world.entries(id)).toHaveLength(1)
  expect(events.of('storeRecovered')).toEqual([{ command: 'ask', attempts: 2 }])
})

test('[L80] a session whose deletion was lost on the way back is deleted, not missing', async () => {
  await using world = await createResilientWorld(RETRY_FOR_PEOPLE)
  const { log, faulty, clock } = world
  const id = await world.begin()
  faulty.fault('loses', ['deleteSession'])
  const deleted = log.deleteSession(id)
  await clock.settle()
  faulty.fault(undefined)
  await clock.advance(500)
  expect([await deleted, await log.deleteSession(id)]).toEqual([true, false])
})

test('[L80] what is wrong in itself is not tried again and says nothing about the store', async () => {
  await using world = await createResilientWorld(RETRY_FOR_PEOPLE)
  const { log, faulty, breaker, events } = world
  const id = await world.begin()
  await expect(log.read(id, undefined, 0)).rejects.toThrow(RangeError)
  faulty.fault('refuses', ['read'])
  faulty.rejectWith('corrupt')
  await expect(log.read(id, undefined, 1)).rejects.toMatchObject({ kind: 'corrupt' })
  expect([faulty.count('read'), breaker.stats().counts.failure, events.of('storeAttemptFailed').length]).toEqual([2, 0, 0])
})

test('[L81] in the background the full schedule is kept', async () => {
  await using world = await createResilientWorld(FULL)
  const { log, faulty, clock, events } = world
  faulty.fault('refuses', ['deleteExpired'])
  const failing = failureOf(log.deleteExpired(10))
  await clock.advance(14_000)
  expect(await failing).toMatchObject({ kind: 'unavailable' })
  expect(faulty.count('deleteExpired')).toBe(4)
  expect(events.of('storeAttemptFailed').map(({ delayMs }) => delayMs)).toEqual([2_000, 4_000, 8_000, undefined])
})

test('[L81] a turn decides itself: a write that failed is not repeated, nor is what is polled', async () => {
  await using world = await createResilientWorld(FULL)
  const { log, faulty } = world
  await world.ask(await world.begin())
  const claim = await world.claimOne()
  faulty.fault('loses', ['write', 'claim', 'renew'])
  await expect(log.write(claim, [started(claim)])).rejects.toMatchObject({ kind: 'unavailable' })
  await expect(log.renew(claim, LEASE_MS)).rejects.toMatchObject({ kind: 'unavailable' })
  await expect(log.claim('owner', LEASE_MS, 1)).rejects.toMatchObject({ kind: 'unavailable' })
  expect([faulty.count('write'), faulty.count('renew'), faulty.count('claim')]).toEqual([1, 1, 2])
})

test('[L81] closing ends a wait at once', async () => {
  const world = await createResilientWorld(FULL)
  const { log, faulty, clock } = world
  faulty.fault('refuses', ['deleteExpired'])
  const failing = failureOf(log.deleteExpired(10))
  await clock.settle()
  await log[Symbol.asyncDispose]()
  expect(await failing).toMatchObject({ kind: 'unavailable', message: 'the log is closed' })
})

test('[L82] a store that keeps failing is left alone, and refused at once with the breaker as the cause', async () => {
  await using world = await createResilientWorld(RETRY_FOR_PEOPLE)
  const { log, faulty, clock, breaker } = world
  const id = await world.begin()
  faulty.fault('refuses')
  for (let count = 0; count < 5; count += 1) {
    const failing = failureOf(log.findSession(id))
    await clock.advance(500)
    expect(await failing).toMatchObject({ kind: 'unavailable' })
  }
  expect(breaker.stats().state).toBe('open')
  const asked = faulty.count('findSession')
  await expect(log.findSession(id)).rejects.toMatchObject({
    name: 'LogError',
    kind: 'unavailable',
    code: 'STORE_UNAVAILABLE',
    cause: { name: 'CircuitBreakerOpenError' },
  })
  expect(faulty.count('findSession')).toBe(asked)
  // A check goes past it.
  faulty.fault(undefined)
  await log.probe()
  expect(breaker.stats().state).toBe('open')
  breaker.invite()
  expect(await log.findSession(id)).toMatchObject({ id })
  expect(breaker.stats().state).toBe('closed')
})

test('[L82] bells, profile and every command reach the log behind it', async () => {
  await using world = await createResilientWorld(RETRY_FOR_PEOPLE)
  const { log, faulty } = world
  const id = await world.begin()
  let rung = 0
  const stops = [log.onAppend(id, () => (rung += 1)), log.onWork(() => (rung += 1))]
  const { turnId } = await world.ask(id, { device: SERVER_DEVICE })
  for (const stop of stops) stop()
  const claim = await world.claimOne()
  expect(await log.renew(claim, LEASE_MS)).toBe(true)
  await log.release(claim)
  expect(await log.claimUntold('owner', LEASE_MS, 1)).toHaveLength(1)
  expect(await log.stop(id, turnId)).toEqual({ type: 'requested' })
  expect(await log.keepSession(id)).toMatchObject({ id })
  expect(await log.lastNumber(id, SERVER_DEVICE)).toBe(1)
  expect((await log.tally()).accepted).toBe(1)
  expect([rung, log.profile, faulty.listeners]).toEqual([2, faulty.profile, 0])
})
