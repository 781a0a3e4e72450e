import {
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  ConstantBackoff,
  CountBreaker,
  ExponentialBackoff,
  fullJitterGenerator,
  handleAll,
  handleWhen,
  noJitterGenerator,
  noop,
  bulkhead,
  retry,
  SamplingBreaker,
  TaskCancelledError,
  timeout,
  TimeoutStrategy,
  wrap,
  type CircuitBreakerPolicy,
  type IBreaker,
  type ICircuitBreakerOptions,
  type RetryPolicy,
} from 'cockatiel'
import { versionOf } from './version-of.ts'
import type { BreakerSpec, BreakerSubject, RetrySpec, State, Subject } from './subject.ts'

const STATES: Readonly<Record<CircuitState, State>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Isolated]: 'isolated',
}

/** Its rates must be below 1, so "all of them" is said with its consecutive breaker. */
function windowOf({ ratePercent, minCalls, window }: BreakerSpec): IBreaker {
  if (ratePercent === 100) return new ConsecutiveBreaker(minCalls)
  const threshold = ratePercent / 100
  if (window?.type === 'time') return new SamplingBreaker({ threshold, duration: window.ms, minimumRps: (minCalls * 1_000) / window.ms })
  return new CountBreaker({ threshold, size: window?.calls ?? 100, minimumNumberOfCalls: minCalls })
}

const optionsOf = (spec: BreakerSpec): ICircuitBreakerOptions => ({
  breaker: windowOf(spec),
  halfOpenAfter:
    spec.openMsMax === undefined
      ? new ConstantBackoff(spec.openMs)
      : new ExponentialBackoff({ initialDelay: spec.openMs, maxDelay: spec.openMsMax, generator: noJitterGenerator }),
  halfOpenSampling: { calls: spec.probes ?? 1, threshold: 0 },
})

function policyOf(spec: BreakerSpec, options = optionsOf(spec)): CircuitBreakerPolicy {
  const policy = circuitBreaker(spec.isFailure === undefined ? handleAll : handleWhen(spec.isFailure), options)
  policy.onStateChange((state) => spec.onEvent?.(STATES[state]))
  return policy
}

const subjectOf = (policy: CircuitBreakerPolicy): BreakerSubject => ({
  execute: (call, signal) => policy.execute(({ signal: own }) => call(own), signal),
  state: () => STATES[policy.state],
  isolate: () => {
    const hold = policy.isolate()
    return () => hold.dispose()
  },
})

const retryOf = ({ attempts, baseMs, capMs, shouldRetry }: RetrySpec): RetryPolicy =>
  retry(shouldRetry === undefined ? handleAll : handleWhen(shouldRetry), {
    ...(attempts === undefined ? {} : { maxAttempts: attempts - 1 }),
    backoff: new ExponentialBackoff({ initialDelay: baseMs, maxDelay: capMs, generator: fullJitterGenerator }),
  })

export const cockatiel: Subject = {
  name: 'cockatiel',
  version: versionOf('cockatiel'),
  breaker: (spec) => subjectOf(policyOf(spec)),
  configured: (spec) => {
    const options = optionsOf(spec)
    return { options, make: () => subjectOf(policyOf(spec, options)) }
  },
  retry: (spec) => {
    const policy = retryOf(spec)
    return { execute: (call, signal) => policy.execute(({ attempt }) => call({ attempt }), signal) }
  },
  guard: (spec) => {
    if (spec.deadlineMs !== undefined || spec.onSettled !== undefined) return undefined
    const breaker = spec.breaker === undefined ? undefined : policyOf(spec.breaker)
    const policy = wrap(
      spec.retry === undefined ? noop : retryOf(spec.retry),
      breaker ?? noop,
      spec.timeoutMs === undefined ? noop : timeout(spec.timeoutMs, TimeoutStrategy.Aggressive),
      spec.concurrency === undefined ? noop : bulkhead(spec.concurrency, spec.queue),
    )
    return {
      execute: (call, signal) => policy.execute(({ signal: own }) => call({ signal: own, remainingMs: undefined }), signal),
      state: () => (breaker === undefined ? undefined : STATES[breaker.state]),
      isTimeout: (error) => error instanceof TaskCancelledError,
      abandoned: () => undefined,
    }
  },
  cost: (ratePercent) => {
    const policy = policyOf({ minCalls: 1, ratePercent, openMs: 3_600_000, window: { type: 'time', ms: 3_600_000 } })
    return { execute: (call) => policy.execute(call) }
  },
}
