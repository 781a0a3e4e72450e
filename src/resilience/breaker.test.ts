import { expect, test } from 'vitest'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { createBreakerRegistry } from './breaker-registry.ts'
import { CircuitBreakerOpenError, createBreaker, type Breaker, type BreakerEvent } from './breaker.ts'
import { type BreakerSettings } from './breaker-state.ts'
import { TimeoutError } from './deadline.ts'
import { SettingsError } from './resilience-error.ts'

const SETTINGS: BreakerSettings = { name: 'ai-agent', errorThreshold: 50, resetTimeout: 1_000, volumeThreshold: 2 }

interface Bench {
  readonly clock: SimulatedClock
  readonly breaker: Breaker
  readonly events: BreakerEvent[]
  readonly types: () => readonly string[]
}

function bench(settings: Partial<BreakerSettings> = {}): Bench {
  const clock = createSimulatedClock()
  const events: BreakerEvent[] = []
  const breaker = createBreaker({ ...SETTINGS, ...settings }, { clock, onEvent: (event) => events.push(event) })
  return { clock, breaker, events, types: () => events.map(({ type }) => type) }
}

const fail = async (): Promise<never> => {
  throw new Error('no')
}
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )
async function trip({ breaker }: Bench): Promise<void> {
  await Promise.all([errorOf(breaker.execute(fail)), errorOf(breaker.execute(fail))])
}

test('[R6] open, it runs nothing and says who is away and for how long, with an error of each call’s own', async () => {
  const world = bench()
  await trip(world)
  await world.clock.advance(400)
  let calls = 0
  const refuse = (): Promise<unknown> => errorOf(world.breaker.execute(() => (calls += 1)))
  const errors = [await refuse(), await refuse()]
  expect(calls).toBe(0)
  expect(errors[0]).not.toBe(errors[1])
  for (const error of errors) {
    expect(error).toBeInstanceOf(CircuitBreakerOpenError)
    expect(error).toMatchObject({
      code: 'CIRCUIT_BREAKER_OPEN',
      statusCode: 503,
      isRetryable: true,
      service: 'ai-agent',
      reason: 'open',
      retryAfterMs: 600,
    })
  }
})

test('[R6] a refusal carries no stack, and other errors keep theirs', async () => {
  const world = bench()
  await trip(world)
  const refusal = await errorOf(world.breaker.execute(() => 1))
  expect(refusal instanceof Error ? refusal.stack : undefined).toBe('CircuitBreakerOpenError: ai-agent: circuit breaker is open')
  expect(new Error('later').stack).toContain('breaker.test')
})

test('[R7] it lets a call through at resetTimeout and not before, whatever the wall clock does', async () => {
  const world = bench()
  await trip(world)
  world.clock.jump(3_600_000)
  await world.clock.advance(999)
  expect(await errorOf(world.breaker.execute(() => 'early'))).toBeInstanceOf(CircuitBreakerOpenError)
  world.clock.jump(-7_200_000)
  await world.clock.advance(1)
  expect(await world.breaker.execute(() => 'in time')).toBe('in time')
  expect(world.breaker.stats().state).toBe('closed')
})

test('[R4] calls that have not ended, and calls it refused, are not in the window', async () => {
  const { breaker, clock } = bench({ volumeThreshold: 4 })
  const hanging = Array.from({ length: 30 }, () => errorOf(breaker.execute(() => clock.sleep(10_000, new AbortController().signal))))
  for (let index = 0; index < 3; index += 1) await errorOf(breaker.execute(fail))
  expect(breaker.stats()).toMatchObject({ state: 'closed', window: { calls: 3, failures: 3 } })
  await errorOf(breaker.execute(fail))
  expect(breaker.stats().state).toBe('open')
  await clock.advance(10_000)
  await Promise.all(hanging)
})

test('[R11] results of calls that began before the last change of state change nothing, and are reported as stale', async () => {
  const world = bench()
  const old = Promise.withResolvers<string>()
  const oldBad = Promise.withResolvers<string>()
  const first = world.breaker.execute(() => old.promise)
  const second = errorOf(world.breaker.execute(() => oldBad.promise))
  await trip(world)
  await world.clock.advance(1_000)
  const probe = Promise.withResolvers<string>()
  const probing = world.breaker.execute(() => probe.promise)
  old.resolve('old')
  expect(await first).toBe('old')
  expect(world.breaker.stats().state).toBe('half-open')
  oldBad.reject(new Error('old'))
  await second
  expect(world.breaker.stats().state).toBe('half-open')
  probe.resolve('new')
  await probing
  expect(world.breaker.stats()).toMatchObject({ state: 'closed', window: { calls: 0, failures: 0 } })
  expect(world.events.filter((event) => 'isStale' in event && event.isStale).map(({ type }) => type)).toEqual(['success', 'failure'])
})

test('[R13] failures that come together open it once, and do not make it last longer', async () => {
  const world = bench()
  await Promise.all(Array.from({ length: 6 }, () => errorOf(world.breaker.execute(fail))))
  expect(world.types().filter((type) => type === 'open')).toEqual(['open'])
  await world.clock.advance(1_000)
  expect(await world.breaker.execute(() => 'back')).toBe('back')
})

test('[R14] a caller that aborts has learnt nothing about the service', async () => {
  const { breaker, clock, types } = bench()
  for (let index = 0; index < 5; index += 1) {
    const aborter = new AbortController()
    const call = errorOf(breaker.execute((signal) => clock.sleep(1_000, signal), aborter.signal))
    aborter.abort(new Error('left'))
    expect(await call).toEqual(new Error('left'))
  }
  expect(breaker.stats()).toMatchObject({ state: 'closed', window: { calls: 0 }, counts: { ignored: 5 } })
  expect(types()).toEqual(Array.from({ length: 5 }, () => 'ignored'))
})

test('[R14] a signal that has aborted already is refused without a call', async () => {
  const { breaker, events } = bench()
  let calls = 0
  expect(await errorOf(breaker.execute(() => (calls += 1), AbortSignal.abort('gone')))).toBe('gone')
  expect({ calls, events }).toEqual({
    calls: 0,
    events: [{ type: 'reject', service: 'ai-agent', reason: 'abort', retryAfterMs: undefined }],
  })
})

test('[R10] a probe that is cancelled, or ends in an error that is not the service’s fault, gives its place back', async () => {
  class NotFound extends Error {}
  const world = bench({ isFailure: (error) => !(error instanceof NotFound) })
  await trip(world)
  await world.clock.advance(1_000)
  const aborter = new AbortController()
  const cancelled = errorOf(world.breaker.execute((signal) => world.clock.sleep(50, signal), aborter.signal))
  aborter.abort()
  await cancelled
  expect(world.breaker.stats()).toMatchObject({ state: 'half-open', retryAfterMs: 0 })
  await errorOf(
    world.breaker.execute(() => {
      throw new NotFound()
    }),
  )
  expect(world.breaker.stats()).toMatchObject({ state: 'half-open', retryAfterMs: 0 })
  await world.breaker.execute(() => 'well')
  expect(world.breaker.stats().state).toBe('closed')
})

test('[R10] a probe that hangs loses its place, so the breaker never sticks', async () => {
  const world = bench({ probeLeaseMs: 500 })
  await trip(world)
  await world.clock.advance(1_000)
  void world.breaker.execute(() => new Promise(() => {}))
  expect(await errorOf(world.breaker.execute(() => 1))).toMatchObject({ reason: 'half-open-full', retryAfterMs: 500 })
  await world.clock.advance(500)
  expect(await world.breaker.execute(() => 1)).toBe(1)
  expect(world.breaker.stats().state).toBe('closed')
})

test('[R15] it stays isolated until everyone who isolated it has let go, and says so', async () => {
  const world = bench()
  await trip(world)
  await world.clock.advance(1_000)
  const letGo = [world.breaker.isolate(), world.breaker.isolate()]
  expect(await errorOf(world.breaker.execute(() => 1))).toMatchObject({ reason: 'open', retryAfterMs: 1_000 })
  letGo[0]?.()
  letGo[0]?.()
  await world.clock.advance(3_600_000)
  expect(world.breaker.stats()).toMatchObject({ state: 'isolated', holds: 1 })
  letGo[1]?.()
  expect(await world.breaker.execute(() => 'on')).toBe('on')
  expect(world.types().filter((type) => !['failure', 'success'].includes(type))).toEqual([
    'open',
    'isolate',
    'isolate',
    'reject',
    'release',
    'release',
    'close',
  ])
})

test('[R16] whatever a call gives back or throws is handled', async () => {
  const { breaker } = bench({ volumeThreshold: 100 })
  // oxlint-disable-next-line unicorn/no-thenable -- the point of the test
  const thenable: PromiseLike<string> = { then: (...handlers) => Promise.resolve('then').then(...handlers) }
  expect([
    await breaker.execute(() => undefined),
    await breaker.execute(() => 7),
    await breaker.execute(() => thenable),
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the point of the test
    await errorOf(breaker.execute(() => Promise.reject('text'))),
    await errorOf(
      breaker.execute(() => {
        throw new RangeError('at once')
      }),
    ),
  ]).toEqual([undefined, 7, 'then', 'text', new RangeError('at once')])
  expect(breaker.stats().counts).toMatchObject({ success: 3, failure: 2 })
})

test('[R17] a listener or a judge that throws changes nothing but the count of such faults', async () => {
  const clock = createSimulatedClock()
  const broken = (): never => {
    throw new Error('listener')
  }
  const breaker = createBreaker({ ...SETTINGS, isFailure: broken }, { clock, onEvent: broken })
  expect(await breaker.execute(() => 'fine')).toBe('fine')
  expect(await errorOf(breaker.execute(fail))).toEqual(new Error('no'))
  // success, failure, open
  expect(breaker.stats()).toMatchObject({ state: 'open', counts: { success: 1, failure: 1 }, listenerFaults: 3 })
})

test('[R17] a listener whose promise rejects is counted, not left unhandled', async () => {
  const clock = createSimulatedClock()
  const breaker = createBreaker(SETTINGS, { clock, onEvent: () => fail() as never })
  await breaker.execute(() => 1)
  await clock.settle()
  expect(breaker.stats().listenerFaults).toBe(1)
})

test('[R32] a call that takes longer than the timeout ends with a TimeoutError, which is a failure of the service', async () => {
  const { breaker, clock } = bench({ timeout: 200 })
  const seen: unknown[] = []
  const call = errorOf(
    breaker.execute((signal) => {
      signal.addEventListener('abort', () => seen.push(signal.reason))
      return new Promise(() => {})
    }),
  )
  await clock.advance(200)
  expect(await call).toMatchObject({ name: 'TimeoutError', code: 'TIMEOUT', kind: 'attempt', timeoutMs: 200, service: 'ai-agent' })
  expect(seen[0]).toBeInstanceOf(TimeoutError)
  expect(breaker.stats()).toMatchObject({ window: { calls: 1, failures: 1 } })
  expect(clock.waiting).toBe(0)
})

test('[R9] a hung probe with a timeout re-opens it', async () => {
  const world = bench({ timeout: 200 })
  await trip(world)
  await world.clock.advance(1_000)
  const probe = errorOf(world.breaker.execute(() => new Promise(() => {})))
  await world.clock.advance(200)
  await probe
  expect(world.breaker.stats()).toMatchObject({ state: 'open', retryAfterMs: 2_000 })
})

test('[R19] settings that cannot work are refused, and those given are neither kept nor changed', async () => {
  const clock = createSimulatedClock()
  expect(() => createBreaker({ ...SETTINGS, errorThreshold: 120, resetTimeout: 0 }, { clock })).toThrow(SettingsError)
  const shared = Object.freeze({ ...SETTINGS, window: Object.freeze({ type: 'count' as const, calls: 4 }) })
  const one = createBreaker(shared, { clock })
  const other = createBreaker(shared, { clock })
  await errorOf(one.execute(fail))
  await errorOf(one.execute(fail))
  expect([one.stats().state, other.stats().state, other.stats().window.calls]).toEqual(['open', 'closed', 0])
})

test('[R20] the registry makes a breaker for each service, finds it, and gives the stats of one or all', async () => {
  const registry = createBreakerRegistry({ clock: createSimulatedClock() })
  const agent = registry.create({ name: 'ai-agent', timeout: 10_000, errorThreshold: 50, resetTimeout: 30_000, volumeThreshold: 1 })
  const redis = registry.create({ name: 'redis', timeout: 2_000, errorThreshold: 50, resetTimeout: 30_000 })
  expect([registry.get('ai-agent') === agent, registry.get('nobody'), registry.stats('nobody')]).toEqual([true, undefined, undefined])
  expect(redis.rules.volumeThreshold).toBe(10)
  await errorOf(agent.execute(fail))
  expect(registry.stats('ai-agent')).toMatchObject({ name: 'ai-agent', state: 'open', counts: { failure: 1, opened: 1 } })
  expect(registry.allStats().map(({ name, state }) => [name, state])).toEqual([
    ['ai-agent', 'open'],
    ['redis', 'closed'],
  ])
  expect(() => registry.create({ name: 'redis', errorThreshold: 50, resetTimeout: 1 })).toThrow('redis is taken')
})

test('[R20][V18] the registry passes on the events of every breaker, to every listener apart, until it is no longer wanted', async () => {
  const faults: unknown[] = []
  const registry = createBreakerRegistry({ clock: createSimulatedClock(), onListenerFault: (error) => faults.push(error) })
  const heard: string[] = []
  registry.subscribe(() => {
    throw new Error('listener')
  })
  const stop = registry.subscribe(({ service, type }) => heard.push(`${service} ${type}`))
  const redis = registry.create({ name: 'redis', errorThreshold: 50, resetTimeout: 30_000 })
  await redis.execute(() => 1)
  expect([heard, registry.listenerFaults(), faults.map(String)]).toEqual([['redis success'], 1, ['Error: listener']])
  stop()
  await redis.execute(() => 1)
  expect(heard).toEqual(['redis success'])
})

test('[R42] a failure told after the call had settled is one more result of the closed window', async () => {
  const world = bench({ volumeThreshold: 4 })
  for (let call = 0; call < 2; call += 1) {
    await world.breaker.execute(() => 'begun')
    world.breaker.followUp()(new Error('broke off'))
  }
  expect([world.breaker.stats().state, world.breaker.stats().counts.failure]).toEqual(['open', 2])
})

test('[R42] told when the breaker has changed its state since, it changes nothing', async () => {
  const world = bench()
  await world.breaker.execute(() => 'begun')
  const early = world.breaker.followUp()
  await trip(world)
  const whileOpen = world.breaker.followUp()
  early(new Error('late'))
  await world.clock.advance(1_000)
  await world.breaker.execute(() => 'probe')
  for (let told = 0; told < 5; told += 1) {
    early(new Error('late'))
    whileOpen(new Error('late'))
  }
  expect([world.breaker.stats().state, world.breaker.stats().window.calls]).toEqual(['closed', 0])
  world.breaker.followUp()(new Error('of now'))
  expect(world.breaker.stats().window).toMatchObject({ calls: 1, failures: 1 })
})

test('[R42] while half-open it takes nothing from the probe that runs', async () => {
  const world = bench()
  await trip(world)
  await world.clock.advance(1_000)
  const { promise, resolve } = Promise.withResolvers<void>()
  const probe = world.breaker.execute(() => promise)
  world.breaker.followUp()(new Error('of another'))
  expect(world.breaker.stats().state).toBe('half-open')
  resolve()
  await probe
  expect(world.breaker.stats().state).toBe('closed')
})
