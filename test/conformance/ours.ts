import { createBreaker, type Breaker, type BreakerEvent } from '../../src/resilience/breaker.ts'
import type { BreakerSettings } from '../../src/resilience/breaker-state.ts'
import { createBulkhead } from '../../src/resilience/bulkhead.ts'
import type { Clock } from '../../src/resilience/clock.ts'
import { TimeoutError } from '../../src/resilience/deadline.ts'
import { createPolicy } from '../../src/resilience/policy.ts'
import { parseRetryAfter } from '../../src/resilience/retry-after.ts'
import { createRetryBudget } from '../../src/resilience/retry-budget.ts'
import { createClock } from '../../src/app/ports.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createHealthChecks } from '../../src/service-level/health-checks.ts'
import { HYSTERESIS } from '../../src/service-level/service-level.ts'
import type { BreakerSpec, BreakerSubject, GuardSpec, RetrySpec, State, Subject } from './subject.ts'

const EVENTS: Partial<Record<BreakerEvent['type'], State | 'rejected'>> = {
  open: 'open',
  halfOpen: 'half-open',
  close: 'closed',
  isolate: 'isolated',
  reject: 'rejected',
}

const settingsOf = (spec: BreakerSpec): BreakerSettings => ({
  name: 'service',
  errorThreshold: spec.ratePercent,
  volumeThreshold: spec.minCalls,
  resetTimeout: spec.openMs,
  resetTimeoutMax: spec.openMsMax ?? spec.openMs,
  window: spec.window ?? { type: 'count', calls: 100 },
  probes: spec.probes,
  isFailure: spec.isFailure,
})

function breakerOf(spec: BreakerSpec, clock: Clock, settings = settingsOf(spec)): Breaker {
  const { onEvent } = spec
  const hear = (event: BreakerEvent): void => {
    const type = EVENTS[event.type]
    if (type !== undefined) onEvent?.(type)
  }
  return createBreaker(settings, { clock, onEvent: onEvent === undefined ? undefined : hear })
}

const subjectOf = (breaker: Breaker): BreakerSubject => ({
  execute: (call, signal) => breaker.execute(call, signal),
  state: () => breaker.stats().state,
  isolate: () => breaker.isolate(),
})

const retryOf = ({ attempts, baseMs, capMs, shouldRetry, isIdempotent }: RetrySpec) =>
  attempts === undefined ? undefined : { attempts, backoff: { baseMs, capMs }, shouldRetry: shouldRetry ?? (() => true), isIdempotent }

function policyOf(spec: GuardSpec, clock: Clock, breaker?: Breaker) {
  const { onSettled, concurrency, queue = 0 } = spec
  const bulkhead = concurrency === undefined ? undefined : createBulkhead({ service: 'service', concurrency, queue })
  const policy = createPolicy(
    {
      service: 'service',
      attemptTimeoutMs: spec.timeoutMs,
      deadlineMs: spec.deadlineMs ?? spec.retry?.deadlineMs,
      retry: spec.retry === undefined ? undefined : retryOf(spec.retry),
    },
    {
      clock,
      chance: seededRandom(1, 'conformance').next,
      breaker,
      bulkhead,
      budget: spec.retry?.budget,
      onEvent: (event) => event.type === 'settled' && onSettled?.(event.outcome === 'reject' ? event.reason : event.outcome),
    },
  )
  return { policy, bulkhead }
}

export const ours: Subject = {
  name: 'ours',
  version: '',
  breaker: (spec, clock) => subjectOf(breakerOf(spec, clock)),
  configured: (spec, clock) => {
    const options = settingsOf(spec)
    return { options, make: () => subjectOf(breakerOf(spec, clock, options)) }
  },
  knowsCommitment: true,
  retry: (spec, clock) => {
    const { policy } = policyOf({ retry: spec }, clock)
    return { execute: (call, signal) => policy.execute(call, signal) }
  },
  guard: (spec, clock) => {
    const breaker = spec.breaker === undefined ? undefined : breakerOf(spec.breaker, clock)
    const { policy, bulkhead } = policyOf(spec, clock, breaker)
    return {
      execute: (call, signal) => policy.execute(call, signal),
      state: () => breaker?.stats().state,
      isTimeout: (error) => error instanceof TimeoutError,
      abandoned: () => bulkhead?.stats().abandoned,
    }
  },
  budget: createRetryBudget,
  retryAfter: parseRetryAfter,
  levels: (clock) => createHealthChecks({ intervalMs: 30_000, failingIntervalMs: 5_000, timeoutMs: 2_000, hysteresis: HYSTERESIS }, clock),
  cost: (ratePercent) => {
    const breaker = createBreaker(
      {
        name: 'service',
        errorThreshold: ratePercent,
        resetTimeout: 3_600_000,
        volumeThreshold: 1,
        window: { type: 'time', ms: 3_600_000 },
      },
      { clock: createClock() },
    )
    return { execute: (call) => breaker.execute(call) }
  },
}
