import { expect, test } from 'vitest'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { CircuitBreakerOpenError, createBreaker } from './breaker.ts'
import { type BreakerSettings } from './breaker-state.ts'
import { BulkheadFullError, createBulkhead } from './bulkhead.ts'
import { TimeoutError } from './deadline.ts'
import { createPolicy, type Policy, type PolicyEvent, type PolicyPorts, type PolicySettings } from './policy.ts'
import { createRetryBudget } from './retry-budget.ts'
import { SettingsError } from './resilience-error.ts'

const BREAKER: BreakerSettings = { name: 'agent', errorThreshold: 50, resetTimeout: 30_000, volumeThreshold: 5 }
const RETRY = { attempts: 3, backoff: { baseMs: 100, capMs: 1_000 }, shouldRetry: () => true }
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )
const never = (): Promise<never> => new Promise(() => {})
const fail = async (): Promise<never> => {
  throw new Error('no')
}

interface Bench {
  readonly clock: SimulatedClock
  readonly policy: Policy
  readonly events: PolicyEvent[]
}

function bench(settings: Partial<PolicySettings>, ports: (clock: SimulatedClock) => Partial<PolicyPorts> = () => ({})): Bench {
  const clock = createSimulatedClock()
  const events: PolicyEvent[] = []
  const policy = createPolicy(
    { service: 'agent', ...settings },
    { clock, chance: () => 0.5, onEvent: (event) => events.push(event), ...ports(clock) },
  )
  return { clock, policy, events }
}
/** The outcome of each call, in one word. */
const outcomes = (events: readonly PolicyEvent[]): readonly string[] =>
  events.flatMap((event) => (event.type === 'settled' ? [event.outcome === 'reject' ? event.reason : event.outcome] : []))

test('[R36] with no part but the call it is the call', async () => {
  const { policy, clock } = bench({})
  expect(await policy.execute(({ attempt, remainingMs, signal }) => [attempt, remainingMs, signal.aborted])).toEqual([
    1,
    Number.POSITIVE_INFINITY,
    false,
  ])
  expect(await errorOf(policy.execute(fail))).toEqual(new Error('no'))
  expect(clock.waiting).toBe(0)
})

test('[R36] the breaker sees every attempt and ends the loop when it opens', async () => {
  const { policy, clock } = bench({ retry: RETRY }, (time) => ({ breaker: createBreaker(BREAKER, { clock: time }) }))
  let calls = 0
  const call = (): Promise<never> => {
    calls += 1
    return fail()
  }
  const errors: unknown[] = []
  for (let index = 0; index < 3; index += 1) {
    const run = errorOf(policy.execute(call))
    await clock.advance(2_000)
    errors.push(await run)
  }
  expect([calls, errors]).toEqual([5, [new Error('no'), expect.any(CircuitBreakerOpenError), expect.any(CircuitBreakerOpenError)]])
})

test('[R36] the time limit of an attempt covers its wait for a permit, and the permit is held until the call has ended', async () => {
  const bulkhead = createBulkhead({ service: 'agent', concurrency: 2, queue: 10 })
  const { policy, clock } = bench({ attemptTimeoutMs: 100 }, () => ({ bulkhead }))
  let running = 0
  let most = 0
  const stubborn = async (): Promise<void> => {
    running += 1
    most = Math.max(most, running)
    await clock.sleep(1_000, new AbortController().signal)
    running -= 1
  }
  const runs = Array.from({ length: 8 }, () => errorOf(policy.execute(stubborn)))
  await clock.advance(100)
  expect(await Promise.all(runs)).toEqual(Array.from({ length: 8 }, () => expect.any(TimeoutError)))
  expect([most, bulkhead.stats()]).toEqual([2, { running: 2, queued: 0, abandoned: 2, rejected: 0 }])
  await clock.advance(1_000)
  expect(bulkhead.stats()).toMatchObject({ running: 0, abandoned: 0 })
})

test('[R36] a full bulkhead tells the breaker nothing', async () => {
  const clock = createSimulatedClock()
  const breaker = createBreaker(BREAKER, { clock })
  const { policy, events } = bench({ retry: RETRY }, () => ({
    breaker,
    bulkhead: createBulkhead({ service: 'agent', concurrency: 1, queue: 0 }),
  }))
  void policy.execute(never)
  const errors = await Promise.all(Array.from({ length: 10 }, () => errorOf(policy.execute(never))))
  expect(errors).toEqual(Array.from({ length: 10 }, () => expect.any(BulkheadFullError)))
  expect(breaker.stats()).toMatchObject({ state: 'closed', window: { calls: 0 }, counts: { ignored: 10 } })
  expect(outcomes(events)).toEqual(Array.from({ length: 10 }, () => 'bulkhead'))
})

test('[R37] the deadline bounds all attempts, and each is told what is left', async () => {
  const { policy, clock, events } = bench({ deadlineMs: 1_000, attemptTimeoutMs: 600, retry: RETRY })
  const left: number[] = []
  const run = errorOf(
    policy.execute(({ remainingMs }) => {
      left.push(remainingMs)
      return never()
    }),
  )
  await clock.advance(1_000)
  expect(await run).toMatchObject({ name: 'TimeoutError', kind: 'deadline' })
  expect([left, outcomes(events), clock.waiting]).toEqual([[600, 350], ['deadline'], 0])
})

test('[R37] work that has expired on arrival is refused', async () => {
  const { policy, events } = bench({ deadlineMs: 1_000 })
  let calls = 0
  expect(await errorOf(policy.execute(() => (calls += 1), undefined, { deadlineMs: 0 }))).toMatchObject({ kind: 'deadline' })
  expect([calls, outcomes(events)]).toEqual([0, ['deadline']])
})

test('[R37] an attempt that the deadline cuts short before its own limit is not held against the service', async () => {
  const clock = createSimulatedClock()
  const breaker = createBreaker(BREAKER, { clock })
  const policy = createPolicy({ service: 'agent', attemptTimeoutMs: 600 }, { clock, chance: () => 0.5, breaker })
  const run = errorOf(policy.execute(never, undefined, { deadlineMs: 50 }))
  await clock.advance(50)
  expect(await run).toMatchObject({ kind: 'deadline' })
  expect(breaker.stats().counts).toMatchObject({ failure: 0, ignored: 1 })
  const whole = createPolicy({ service: 'agent', deadlineMs: 50 }, { clock, chance: () => 0.5, breaker })
  const second = errorOf(whole.execute(never))
  await clock.advance(50)
  await second
  expect(breaker.stats().counts).toMatchObject({ failure: 1, ignored: 1 })
})

test('[R37] the breaker’s own timeout limits each attempt unless the policy sets one', async () => {
  const { policy, clock } = bench({}, (time) => ({ breaker: createBreaker({ ...BREAKER, timeout: 80 }, { clock: time }) }))
  const run = errorOf(policy.execute(never))
  await clock.advance(80)
  expect([await run, clock.waiting]).toEqual([expect.objectContaining({ kind: 'attempt', timeoutMs: 80 }), 0])
})

test('[R38] each call settles in exactly one event, with the reason when it was refused or given up', async () => {
  const clock = createSimulatedClock()
  const events: PolicyEvent[] = []
  const breaker = createBreaker({ ...BREAKER, volumeThreshold: 1 }, { clock })
  const budget = createRetryBudget({ service: 'agent', ratio: 0, reservePerSecond: 0 }, clock)
  const ports = { clock, chance: () => 0.5, onEvent: (event: PolicyEvent) => events.push(event) }
  const plain = createPolicy({ service: 'agent', retry: RETRY, deadlineMs: 1_000 }, ports)
  const broke = createPolicy({ service: 'agent', retry: RETRY }, { ...ports, budget })
  const guarded = createPolicy({ service: 'agent' }, { ...ports, breaker })
  await plain.execute(() => 1)
  await errorOf(plain.execute(() => 1, AbortSignal.abort()))
  await errorOf(broke.execute(fail))
  await errorOf(guarded.execute(fail))
  await errorOf(guarded.execute(() => 1))
  clock.advanceSync(30_000)
  void guarded.execute(never)
  await errorOf(guarded.execute(() => 1))
  expect(outcomes(events)).toEqual(['success', 'abort', 'budget', 'failure', 'open', 'half-open-full'])
})

test('[R38] a listener that throws changes nothing but the count of such faults', async () => {
  const { policy } = bench({}, () => ({
    onEvent: () => {
      throw new Error('listener')
    },
  }))
  expect([await policy.execute(() => 'fine'), policy.listenerFaults]).toEqual(['fine', 1])
})

test('[R39] the fallback sees the final error, and what it does never reaches the breaker', async () => {
  const clock = createSimulatedClock()
  const breaker = createBreaker({ ...BREAKER, volumeThreshold: 1 }, { clock })
  const { policy } = bench({}, () => ({ breaker, clock }))
  const seen: unknown[] = []
  const fallback = (error: unknown): string => {
    seen.push(error)
    return 'guidance'
  }
  expect([
    await policy.execute<string>(fail, undefined, { fallback }),
    await policy.execute<string>(fail, undefined, { fallback }),
  ]).toEqual(['guidance', 'guidance'])
  expect(seen).toEqual([new Error('no'), expect.any(CircuitBreakerOpenError)])
  expect(breaker.stats().counts).toMatchObject({ success: 0, failure: 1, rejected: 1 })
  const broken = (): never => {
    throw new Error('fallback')
  }
  expect(await errorOf(policy.execute(fail, undefined, { fallback: broken }))).toEqual(new Error('fallback'))
})

test('[R39] a caller that gave up gets its own reason and no fallback', async () => {
  const { policy } = bench({ attemptTimeoutMs: 100 })
  const aborter = new AbortController()
  const run = errorOf(policy.execute<string>(never, aborter.signal, { fallback: () => 'guidance' }))
  aborter.abort('left')
  expect(await run).toBe('left')
})

test('[R26] a call that has committed its answer is not tried again under a policy either', async () => {
  const { policy } = bench({ retry: { ...RETRY, isIdempotent: true } })
  let calls = 0
  const run = policy.execute(({ sent, commit }) => {
    calls += 1
    sent()
    commit()
    return fail()
  })
  expect([await errorOf(run), calls]).toEqual([new Error('no'), 1])
})

test('[R19] policy settings that cannot work are refused', () => {
  expect(() => bench({ deadlineMs: -1, attemptTimeoutMs: 0 })).toThrow(SettingsError)
})
