import { expect, test } from 'vitest'
import { AgentError } from '../agent/agent-error.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { backoffMs } from './backoff.ts'
import { CircuitBreakerOpenError } from './breaker.ts'
import { BulkheadFullError } from './bulkhead.ts'
import { TimeoutError } from './deadline.ts'
import { SettingsError } from './resilience-error.ts'
import { parseRetryAfter, retryAfterOf } from './retry-after.ts'
import { createRetryBudget } from './retry-budget.ts'
import { RETRY_RULES } from './retry-rules.ts'
import { createRetry, retryFaults, type FailedAttempt, type Retry, type RetryPorts, type RetrySettings } from './retry.ts'

const half = (): number => 0.5
const lost = (): Error => Object.assign(new Error('lost'), { code: 'ECONNRESET' })
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

interface Bench {
  readonly clock: SimulatedClock
  readonly retry: Retry
  readonly failed: FailedAttempt[]
}

function bench(settings: Partial<RetrySettings> = {}, ports: Partial<RetryPorts> = {}): Bench {
  const clock = createSimulatedClock()
  const failed: FailedAttempt[] = []
  const retry = createRetry(
    { service: 'api', attempts: 3, backoff: { baseMs: 100, capMs: 1_000 }, shouldRetry: () => true, ...settings },
    { clock, chance: half, onFailedAttempt: (attempt) => failed.push(attempt), ...ports },
  )
  return { clock, retry, failed }
}

/** Runs a call that fails with `error` every time, to its end. */
async function exhaust(
  { clock, retry, failed }: Bench,
  error: unknown,
): Promise<{ readonly calls: number; readonly error: unknown; readonly stop: unknown }> {
  let calls = 0
  const run = errorOf(
    retry.execute(() => {
      calls += 1
      throw error
    }),
  )
  await clock.advance(60_000)
  return { calls, error: await run, stop: failed.at(-1)?.stop }
}

test('[R21] attempts counts the first try, and each is told its number', async () => {
  const { clock, retry } = bench()
  const numbers: number[] = []
  const run = errorOf(
    retry.execute(({ attempt }) => {
      numbers.push(attempt)
      throw lost()
    }),
  )
  await clock.advance(10_000)
  expect(await run).toEqual(lost())
  expect(numbers).toEqual([1, 2, 3])
  expect(clock.waiting).toBe(0)
})

test('[R21] a call that works is made once', async () => {
  const { retry, failed } = bench()
  expect([await retry.execute(() => 'fine'), failed]).toEqual(['fine', []])
})

test('[R22] the delay is spread over everything from nothing to the ceiling, at the cap too', () => {
  const { next } = seededRandom(7)
  const backoff = { baseMs: 1_000, capMs: 30_000 }
  for (const [failures, ceiling] of [
    [1, 1_000],
    [3, 4_000],
    [6, 30_000],
    [5_000, 30_000],
  ] as const) {
    const draws = Array.from({ length: 10_000 }, () => backoffMs(backoff, failures, next))
    const mean = draws.reduce((sum, delay) => sum + delay, 0) / draws.length
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...draws)).toBeLessThanOrEqual(ceiling)
    expect(Math.abs(mean / (ceiling / 2) - 1)).toBeLessThan(0.05)
    expect(new Set(draws).size).toBeGreaterThan(100)
  }
})

test('[R22] without jitter the delay is the ceiling itself', () => {
  expect([1, 2, 3, 9].map((failures) => backoffMs({ baseMs: 1_000, capMs: 5_000, jitter: false }, failures, half))).toEqual([
    1_000, 2_000, 4_000, 5_000,
  ])
})

test.each([
  ['an open breaker', new CircuitBreakerOpenError('api', 'open', 10)],
  ['a full bulkhead', new BulkheadFullError('api')],
  ['a deadline', new TimeoutError({ service: 'api', kind: 'deadline', ms: 10 })],
  ['an abort', new DOMException('left', 'AbortError')],
  ['a wrong program', new TypeError('x is not a function')],
])('[R23] %s is never tried again, whatever the predicate says', async (_name, error) => {
  expect(await exhaust(bench(), error)).toEqual({ calls: 1, error, stop: 'not-retryable' })
})

test('[R23] a lost network that fetch reports as a TypeError is no wrong program', async () => {
  const error = new TypeError('fetch failed', { cause: lost() })
  expect(await exhaust(bench(), error)).toMatchObject({ calls: 3, stop: 'attempts' })
})

test('[R23] the predicate is asked for every other failure, and one that throws counts as no', async () => {
  const asked: unknown[] = []
  const error = new Error('anything')
  const shouldRetry = (failure: unknown): boolean => asked.push(failure) < 2
  expect(await exhaust(bench({ shouldRetry }), error)).toEqual({ calls: 2, error, stop: 'not-retryable' })
  expect(asked).toEqual([error, error])
  const broken = (): never => {
    throw new Error('predicate')
  }
  expect(await exhaust(bench({ shouldRetry: broken }), error)).toEqual({ calls: 1, error, stop: 'not-retryable' })
})

test('[R24] the settings of each kind of service are those of the requirements', () => {
  expect(Object.entries(RETRY_RULES).map(([kind, { attempts, backoff }]) => [kind, attempts, backoff.baseMs, backoff.capMs])).toEqual([
    ['websocket', 5, 1_000, 30_000],
    ['api', 3, 500, 5_000],
    ['database', 4, 2_000, 10_000],
  ])
})

test('[R24] each kind of service is tried again for its own failures and no others', () => {
  const coded = (code: string): Error => Object.assign(new Error('x'), { code })
  const status = (statusCode: number): Error => Object.assign(new Error('x'), { statusCode })
  const timeout = new TimeoutError({ service: 'x', kind: 'attempt', ms: 1 })
  const yes = {
    websocket: [
      coded('WEBSOCKET_CONNECTION_ERROR'),
      coded('ECONNRESET'),
      timeout,
      new AgentError('unreachable', 'x', { isRetryable: true }),
    ],
    api: [
      coded('ECONNRESET'),
      coded('ETIMEDOUT'),
      coded('ENOTFOUND'),
      coded('ECONNREFUSED'),
      status(408),
      status(425),
      status(429),
      status(500),
      status(503),
      timeout,
    ],
    database: [coded('ECONNREFUSED'), coded('ECONNRESET'), coded('ETIMEDOUT'), timeout],
  }
  const no = {
    websocket: [new Error('x'), status(404), new AgentError('protocol', 'x', { isRetryable: false })],
    api: [new Error('x'), coded('EACCES'), status(400), status(401), status(404), status(422), 'text', undefined],
    database: [new Error('x'), coded('WRONGTYPE')],
  }
  for (const kind of ['websocket', 'api', 'database'] as const) {
    expect(yes[kind].map(RETRY_RULES[kind].shouldRetry)).toEqual(yes[kind].map(() => true))
    expect(no[kind].map(RETRY_RULES[kind].shouldRetry)).toEqual(no[kind].map(() => false))
  }
})

test('[R25] Retry-After is read as seconds or an HTTP date, and anything else is no wish', () => {
  const now = Date.UTC(2026, 0, 5, 9, 0, 0)
  const read = (header: string | null | undefined): number | undefined => parseRetryAfter(header, now)
  expect(['0', '120', ' 7 '].map(read)).toEqual([0, 120_000, 7_000])
  expect([read('Mon, 05 Jan 2026 09:01:30 GMT'), read('Mon, 05 Jan 2026 08:00:00 GMT')]).toEqual([90_000, 0])
  expect(['-5', '1.5', 'soon', '', '2026-01-05', 'Mon, 99 Jan 2026 09:00:00 GMT', '99999999999', null, undefined].map(read)).toEqual(
    Array.from({ length: 9 }, () => undefined),
  )
  expect(
    [{ retryAfterMs: 5 }, { retryAfterMs: -5 }, { retryAfterMs: Number.NaN }, { retryAfterMs: '5' }, {}, null].map(retryAfterOf),
  ).toEqual([5, ...Array.from({ length: 5 }, () => undefined)])
})

test('[R25] a wish to wait longer is granted up to five seconds over the backoff, and never makes the wait shorter', async () => {
  const delays = async (retryAfterMs: number): Promise<unknown> => {
    const world = bench({ attempts: 2 })
    await exhaust(world, Object.assign(lost(), { retryAfterMs }))
    return world.failed[0]?.delayMs
  }
  expect([await delays(10), await delays(2_000), await delays(60_000), await delays(-1)]).toEqual([50, 2_000, 5_050, 50])
})

test('[R25] an agent that says no is not asked again', async () => {
  const no = new AgentError('error', 'x', { isRetryable: false, retryAfterMs: 5 })
  expect(await exhaust(bench({ shouldRetry: RETRY_RULES.api.shouldRetry }), no)).toMatchObject({ calls: 1, stop: 'not-retryable' })
})

test('[R26] once the answer has begun nothing is tried again', async () => {
  const { retry, failed } = bench({ isIdempotent: true })
  let calls = 0
  const run = retry.execute(({ commit }) => {
    calls += 1
    commit()
    throw lost()
  })
  expect([await errorOf(run), calls, failed[0]?.stop]).toEqual([lost(), 1, 'committed'])
})

test('[R26] a request that has left is sent again only when the service recognises it', async () => {
  const callsWith = async (isIdempotent: boolean): Promise<number> => {
    const { retry, clock } = bench({ isIdempotent })
    let calls = 0
    const run = errorOf(
      retry.execute(({ sent }) => {
        calls += 1
        sent()
        throw lost()
      }),
    )
    await clock.advance(10_000)
    await run
    return calls
  }
  expect([await callsWith(false), await callsWith(true)]).toEqual([1, 3])
})

test('[R27] an aborted signal makes no call, and one that aborts makes no further call', async () => {
  const { retry, failed } = bench()
  let calls = 0
  expect(await errorOf(retry.execute(() => (calls += 1), { signal: AbortSignal.abort('gone') }))).toBe('gone')
  expect(calls).toBe(0)
  const aborter = new AbortController()
  const run = retry.execute(
    () => {
      calls += 1
      aborter.abort('left')
      throw lost()
    },
    { signal: aborter.signal },
  )
  expect([await errorOf(run), calls, failed.at(-1)?.stop]).toEqual(['left', 1, 'abort'])
})

test('[R27] an abort in a backoff ends the wait at once, leaving no timer', async () => {
  const { retry, clock } = bench()
  const aborter = new AbortController()
  let calls = 0
  const run = errorOf(
    retry.execute(
      () => {
        calls += 1
        throw lost()
      },
      { signal: aborter.signal },
    ),
  )
  await clock.advance(10)
  expect(clock.waiting).toBe(1)
  aborter.abort('left')
  expect([await run, calls, clock.waiting]).toEqual(['left', 1, 0])
})

test('[R28] it gives up now when the next delay, or the wait the service asks for, would pass the deadline', async () => {
  const { retry, clock, failed } = bench()
  const run = (error: unknown): Promise<unknown> =>
    errorOf(
      retry.execute(
        () => {
          throw error
        },
        { expiresAt: clock.monotonic() + 60 },
      ),
    )
  const first = run(lost())
  await clock.advance(50)
  expect([await first, failed.map(({ delayMs, stop }) => [delayMs, stop])]).toEqual([
    lost(),
    [
      [50, undefined],
      [undefined, 'deadline'],
    ],
  ])
  await run(Object.assign(lost(), { retryAfterMs: 61 }))
  expect(failed.at(-1)).toMatchObject({ attempt: 1, stop: 'deadline' })
})

test('[R29] each failed attempt is reported with its number, the retries left, the next delay and the error', async () => {
  const world = bench()
  await exhaust(world, lost())
  expect(world.failed).toEqual([
    { service: 'api', attempt: 1, retriesLeft: 2, delayMs: 50, error: lost(), stop: undefined },
    { service: 'api', attempt: 2, retriesLeft: 1, delayMs: 100, error: lost(), stop: undefined },
    { service: 'api', attempt: 3, retriesLeft: 0, delayMs: undefined, error: lost(), stop: 'attempts' },
  ])
})

test('[R17][R29] a hook that throws does not stop the retries, and is counted', async () => {
  const world = bench(
    {},
    {
      onFailedAttempt: () => {
        throw new Error('hook')
      },
    },
  )
  expect(await exhaust(world, lost())).toMatchObject({ calls: 3 })
  expect(world.retry.listenerFaults).toBe(3)
})

test('[R30] requests earn retries at the ratio, and what is earned is forgotten after the ttl', () => {
  const clock = createSimulatedClock()
  const budget = createRetryBudget({ service: 'api', ratio: 0.1, reservePerSecond: 0, ttlMs: 10_000 }, clock)
  for (let index = 0; index < 10_000; index += 1) budget.deposit()
  let allowed = 0
  while (budget.withdraw()) allowed += 1
  expect(allowed).toBe(1_000)
  for (let index = 0; index < 100; index += 1) budget.deposit()
  expect(budget.available()).toBe(10)
  clock.advanceSync(10_000)
  expect(budget.available()).toBe(0)
})

test('[R30] without requests there is the reserve of one ttl, and it comes back', () => {
  const clock = createSimulatedClock()
  const budget = createRetryBudget({ service: 'api', ratio: 0.2, reservePerSecond: 3, ttlMs: 10_000 }, clock)
  let allowed = 0
  while (budget.withdraw()) allowed += 1
  expect(allowed).toBe(30)
  clock.advanceSync(10_000)
  expect(budget.available()).toBe(30)
})

test('[R30] with the budget spent the failure is the answer, at once', async () => {
  const clock = createSimulatedClock()
  const budget = createRetryBudget({ service: 'api', ratio: 0, reservePerSecond: 0.1, ttlMs: 10_000 }, clock)
  const failed: FailedAttempt[] = []
  const { retry } = bench({}, { clock, budget, onFailedAttempt: (attempt) => failed.push(attempt) })
  const fail = (): never => {
    throw lost()
  }
  const first = errorOf(retry.execute(fail))
  await clock.advance(50)
  expect([await first, failed.at(-1)?.stop]).toEqual([lost(), 'budget'])
  expect([await errorOf(retry.execute(fail)), failed.at(-1)]).toEqual([
    lost(),
    { ...failed.at(-1), attempt: 1, stop: 'budget', delayMs: undefined },
  ])
})

test('[R31] a budget belongs to its service, and callers at the same time never overspend it', async () => {
  const clock = createSimulatedClock()
  const budget = createRetryBudget({ service: 'agent', ratio: 0, reservePerSecond: 1, ttlMs: 5_000 }, clock)
  const redis = createRetryBudget({ service: 'redis', ratio: 0, reservePerSecond: 1, ttlMs: 5_000 }, clock)
  const { retry } = bench({ attempts: 4 }, { clock, budget })
  let calls = 0
  const runs = Array.from({ length: 50 }, () =>
    errorOf(
      retry.execute(() => {
        calls += 1
        throw lost()
      }),
    ),
  )
  await clock.advance(4_000)
  await Promise.all(runs)
  expect([calls, budget.available(), redis.available()]).toEqual([55, 0, 5])
})

test('[R19] retry and budget settings that cannot work are refused, with every fault listed', () => {
  const settings = { service: 'x', attempts: 1.5, backoff: { baseMs: -1, capMs: -2 }, shouldRetry: () => true }
  expect(retryFaults(settings).map((fault) => fault.split(' ')[0])).toEqual(['attempts', 'backoff.baseMs', 'backoff.capMs'])
  expect(() => bench({ attempts: 0, backoff: { baseMs: -1, capMs: -2 } })).toThrow(SettingsError)
  expect(() => createRetryBudget({ service: 'x', ratio: -1, ttlMs: 0 }, createSimulatedClock())).toThrow(/ratio.*ttlMs/)
})
