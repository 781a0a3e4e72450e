/** What breaker, retry and the composed policy cost on the way of success and against an open breaker. */
import {
  bulkhead,
  circuitBreaker,
  ConsecutiveBreaker,
  CountBreaker,
  handleAll,
  retry as cockatielRetry,
  SamplingBreaker,
  timeout,
  TimeoutStrategy,
  wrap,
} from 'cockatiel'
import Opossum from 'opossum'
import pRetry from 'p-retry'
import { createClock } from '../src/app/ports.ts'
import { createBreaker, type Breaker } from '../src/resilience/breaker.ts'
import type { WindowSettings } from '../src/resilience/outcome-window.ts'
import { createBulkhead } from '../src/resilience/bulkhead.ts'
import { createPolicy, type Policy } from '../src/resilience/policy.ts'
import { createRetryBudget } from '../src/resilience/retry-budget.ts'
import { createRetry } from '../src/resilience/retry.ts'
import { seededRandom } from '../src/testing/seeded-random.ts'
import type { Bench, Candidate } from './bench-run.ts'

const HOUR_MS = 3_600_000
const clock = createClock()
const chance = seededRandom(1).next
const { signal } = new AbortController()
const work = async (): Promise<number> => 1
const fail = async (): Promise<never> => {
  throw new Error('no')
}
const ignore = (): void => undefined
const RETRY = { attempts: 3, backoff: { baseMs: 100, capMs: 1_000 }, shouldRetry: () => true }

const breakerWith = (window: WindowSettings, volumeThreshold = 10): Breaker =>
  createBreaker(
    { name: 'service', errorThreshold: 50, resetTimeout: HOUR_MS, resetTimeoutMax: HOUR_MS, volumeThreshold, window },
    { clock },
  )
const COUNT = { type: 'count', calls: 100 } as const
const TIME = { type: 'time', ms: 60_000 } as const

const policyWith = (breaker: Breaker): Policy =>
  createPolicy(
    { service: 'service', deadlineMs: 120_000, attemptTimeoutMs: 10_000, retry: RETRY },
    {
      clock,
      chance,
      breaker,
      bulkhead: createBulkhead({ service: 'service', concurrency: 32, queue: 32 }),
      budget: createRetryBudget({ service: 'service' }, clock),
    },
  )

const cockatielWrap = (breaker: ConsecutiveBreaker) =>
  wrap(
    cockatielRetry(handleAll, { maxAttempts: 2 }),
    circuitBreaker(handleAll, { breaker, halfOpenAfter: HOUR_MS }),
    timeout(10_000, TimeoutStrategy.Aggressive),
    bulkhead(32, 32),
  )

function opossumOf(name: string, options: object): Candidate {
  const circuit = new Opossum(work, options)
  return { name, run: () => circuit.fire(), dispose: () => circuit.shutdown() }
}

const successPath: Bench = {
  title: 'A call that works',
  calls: 20_000,
  candidates: () => {
    const count = breakerWith(COUNT)
    const time = breakerWith(TIME)
    const retry = createRetry({ service: 'service', ...RETRY }, { clock, chance })
    const policy = policyWith(breakerWith(COUNT))
    const consecutive = circuitBreaker(handleAll, { breaker: new ConsecutiveBreaker(5), halfOpenAfter: 1_000 })
    const counting = circuitBreaker(handleAll, { breaker: new CountBreaker({ threshold: 0.5, size: 100 }), halfOpenAfter: 1_000 })
    const sampling = circuitBreaker(handleAll, { breaker: new SamplingBreaker({ threshold: 0.5, duration: 60_000 }), halfOpenAfter: 1_000 })
    const theirRetry = cockatielRetry(handleAll, { maxAttempts: 2 })
    const wrapped = cockatielWrap(new ConsecutiveBreaker(5))
    return [
      { name: 'bare await', run: () => work() },
      { name: 'our breaker, count window', run: () => count.execute(work, signal) },
      { name: 'our breaker, time window', run: () => time.execute(work, signal) },
      { name: 'our retry', run: () => retry.execute(work) },
      { name: 'our policy (all six parts)', run: () => policy.execute(work, signal) },
      { name: 'cockatiel breaker, consecutive', run: () => consecutive.execute(work) },
      { name: 'cockatiel breaker, count', run: () => counting.execute(work) },
      { name: 'cockatiel breaker, sampling', run: () => sampling.execute(work) },
      { name: 'cockatiel retry', run: () => theirRetry.execute(work) },
      { name: 'cockatiel wrap (retry, breaker, timeout, bulkhead)', run: () => wrapped.execute(work) },
      opossumOf('opossum', {}),
      opossumOf('opossum, no timeout', { timeout: false }),
      { name: 'p-retry', run: () => pRetry(work, { retries: 2 }) },
    ]
  },
  goals: [
    { candidate: 'our breaker, count window', against: 'bare await', ratioMax: 6 },
    { candidate: 'our breaker, time window', against: 'bare await', ratioMax: 6 },
    { candidate: 'our policy (all six parts)', against: 'cockatiel wrap (retry, breaker, timeout, bulkhead)', ratioMax: 1 / 3 },
  ],
}

/** Trips a breaker before it is measured: at the first measured call it is open. */
function tripped(name: string, run: (call: () => Promise<unknown>) => Promise<unknown>, dispose?: () => void): Candidate {
  for (let call = 0; call < 20; call += 1) void run(fail).catch(ignore)
  return { name, run: () => run(work), ...(dispose === undefined ? {} : { dispose }) }
}

const openBreaker: Bench = {
  title: 'A call against an open breaker',
  calls: 5_000,
  candidates: () => {
    const breaker = breakerWith(TIME, 1)
    const shared = breakerWith(TIME, 1)
    const policy = policyWith(shared)
    for (let call = 0; call < 5; call += 1) void shared.execute(fail).catch(ignore)
    const theirs = circuitBreaker(handleAll, { breaker: new ConsecutiveBreaker(5), halfOpenAfter: HOUR_MS })
    const circuit = new Opossum((call: () => Promise<unknown>) => call(), {
      timeout: false,
      errorThresholdPercentage: 1,
      resetTimeout: HOUR_MS,
    })
    return [
      { name: 'Promise.reject(new Error())', run: () => Promise.reject(new Error('refused')) },
      tripped('our breaker', (call) => breaker.execute(call, signal)),
      { name: 'our policy (all six parts)', run: () => policy.execute(work, signal) },
      tripped('cockatiel breaker', (call) => theirs.execute(call)),
      tripped(
        'opossum',
        (call) => circuit.fire(call),
        () => circuit.shutdown(),
      ),
    ]
  },
  goals: [{ candidate: 'our breaker', against: 'Promise.reject(new Error())', ratioMax: 2 }],
}

export const resilienceBenches: readonly Bench[] = [successPath, openBreaker]
