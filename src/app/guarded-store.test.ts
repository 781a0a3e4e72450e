import { expect, test } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import { createWorld } from '../conversation-log/world.contract.ts'
import { createResilience } from '../plugins/resilience.ts'
import { createFaultyLog } from '../testing/faulty-log.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { readConfig, type Environment } from './config.ts'
import { guardStore, storeBackoff } from './guarded-store.ts'

const REDIS = { REDIS_URL: 'redis://127.0.0.1', SESSION_SECRET: 's'.repeat(32) }

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

/** A service with only its store: a log in memory that says it is Redis or SQLite, and that can be broken. */
async function createStoreWorld(env: Environment) {
  const events = createRecordedEvents()
  const config = readConfig(env)
  const store = config.redis === undefined ? 'sqlite' : 'redis'
  const opened: { made?: Awaited<ReturnType<typeof make>> } = {}
  const make = async (ports: Parameters<typeof createMemoryLog>[0]) => {
    const { clock } = ports
    const memory = createMemoryLog(ports)
    const faulty = createFaultyLog({ ...memory, profile: { ...memory.profile, store } })
    const resilience = createResilience({ clock, events, health: {} })
    const { health } = resilience
    health.registerHealthCheck(store, () => faulty.probe())
    health.registerHealthCheck('websocket', () => undefined)
    health.registerHealthCheck('aiAgent', () => undefined)
    const guarded = guardStore(faulty, config, { chance: () => 1, resilience, events })
    health.start()
    return { faulty, resilience, guarded }
  }
  const world = await createWorld(async (ports) => {
    opened.made = await make(ports)
    return opened.made.guarded.forPeople
  })
  if (opened.made === undefined) throw new Error('nothing was opened')
  await world.clock.settle()
  return { ...world, ...opened.made, events, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

test('[O71] the breaker of Redis has the settings’ thresholds, and its name', async () => {
  await using world = await createStoreWorld({ ...REDIS, BREAKER_REDIS_VOLUME_THRESHOLD: '4', BREAKER_REDIS_RESET_TIMEOUT_MS: '5000' })
  const breaker = world.resilience.breakers.get('redis')
  expect(breaker?.rules).toMatchObject({
    name: 'redis',
    timeout: 2_000,
    errorThreshold: 50,
    volumeThreshold: 4,
    resetTimeout: 5_000,
    resetTimeoutMax: 300_000,
  })
})

test('[O71] when Redis keeps failing its breaker opens, the level is offline, and both come back by themselves', async () => {
  await using world = await createStoreWorld(REDIS)
  const { log, faulty, clock, resilience, events } = world
  const id = await world.begin()
  expect(resilience.health.getCurrentLevel()).toBe('full')
  faulty.fault('refuses')
  for (let count = 0; count < 5; count += 1) {
    const failing = failureOf(log.findSession(id))
    await clock.advance(500)
    expect(await failing).toMatchObject({ kind: 'unavailable' })
  }
  expect(resilience.health.getCurrentLevel()).toBe('offline')
  expect(events.of('breakerChanged')).toMatchObject([{ service: 'redis', to: 'open' }])
  await clock.advance(8_000)
  faulty.fault(undefined)
  // The next check finds it working, long before the breaker's time is over.
  await clock.advance(5_000)
  expect(await log.findSession(id)).toMatchObject({ id })
  await clock.advance(20_000)
  expect(resilience.health.getCurrentLevel()).toBe('full')
  expect(events.of('breakerChanged').map(({ to }) => to)).toEqual(['open', 'half-open', 'closed'])
})

test('[O71] the embedded store has retries and no breaker', async () => {
  await using world = await createStoreWorld({})
  const { log, faulty, clock, resilience, events } = world
  const id = await world.begin()
  faulty.fault('refuses', ['findSession'])
  const found = log.findSession(id)
  await clock.settle()
  faulty.fault(undefined, ['findSession'])
  await clock.advance(500)
  expect(await found).toMatchObject({ id })
  expect([resilience.breakers.allStats(), events.of('storeAttemptFailed').length]).toEqual([[], 1])
})

test('[O71] work in the background keeps the schedule of the settings', async () => {
  const env = { ...REDIS, RETRY_DATABASE_ATTEMPTS: '3', RETRY_DATABASE_BASE_DELAY_MS: '100', RETRY_DATABASE_MAX_DELAY_MS: '150' }
  await using world = await createStoreWorld(env)
  const { faulty, clock, guarded } = world
  faulty.fault('refuses', ['deleteExpired'])
  const failing = failureOf(guarded.inBackground.deleteExpired(1))
  await clock.advance(250)
  expect(await failing).toMatchObject({ kind: 'unavailable' })
  expect(faulty.count('deleteExpired')).toBe(3)
  expect(storeBackoff(readConfig(env))).toEqual({ baseMs: 100, capMs: 150 })
})
