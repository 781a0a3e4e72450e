import Opossum10 from 'opossum'
import Opossum8 from 'opossum-8'
import { versionOf } from './version-of.ts'
import { NotApplicable, type BreakerSpec, type BreakerSubject, type Call, type State, type Subject } from './subject.ts'

type Circuit = InstanceType<typeof Opossum10>

interface Extras {
  readonly timeout?: number | undefined
  readonly capacity?: number | undefined
}

function optionsOf(spec: BreakerSpec, { timeout, capacity }: Extras = {}): object {
  if (spec.window?.type === 'count') throw new NotApplicable('no count window')
  if (spec.openMsMax !== undefined) throw new NotApplicable('no reset back-off')
  if (spec.probes !== undefined && spec.probes > 1) throw new NotApplicable('one probe only')
  return {
    name: 'service',
    timeout: timeout ?? false,
    errorThresholdPercentage: spec.ratePercent,
    volumeThreshold: spec.minCalls,
    resetTimeout: spec.openMs,
    rollingCountTimeout: spec.window?.ms ?? 10_000,
    ...(capacity === undefined ? {} : { capacity }),
    ...(timeout === undefined ? {} : { abortController: new AbortController(), autoRenewAbortController: true }),
    ...(spec.isFailure === undefined ? {} : { errorFilter: (error: unknown) => spec.isFailure?.(error) === false }),
  }
}

const stateOf = (circuit: Circuit): State => {
  if (circuit.opened) return 'open'
  return circuit.halfOpen || circuit.pendingClose ? 'half-open' : 'closed'
}

const subjectOf = (circuit: Circuit): BreakerSubject => ({
  execute: (call, signal) => circuit.fire(call, circuit.getSignal() ?? signal ?? new AbortController().signal),
  state: () => stateOf(circuit),
})

function subject(name: string, Circuit: typeof Opossum10, packageName: string): Subject {
  const make = (spec: BreakerSpec, options: object): Circuit => {
    const circuit: Circuit = new Circuit((call: Call, signal: AbortSignal) => call(signal), options)
    const { onEvent } = spec
    circuit.on('open', () => onEvent?.('open'))
    circuit.on('halfOpen', () => onEvent?.('half-open'))
    circuit.on('close', () => onEvent?.('closed'))
    circuit.on('reject', () => onEvent?.('rejected'))
    return circuit
  }
  return {
    name,
    version: versionOf(packageName),
    breaker: (spec) => subjectOf(make(spec, optionsOf(spec))),
    configured: (spec) => {
      const options = optionsOf(spec)
      return { options, make: () => subjectOf(make(spec, options)) }
    },
    guard: (spec) => {
      const { timeoutMs, concurrency, queue = 0, retry, deadlineMs, onSettled } = spec
      if (retry !== undefined || deadlineMs !== undefined || onSettled !== undefined || queue > 0) return undefined
      const breaker = spec.breaker ?? { minCalls: 1_000_000, ratePercent: 100, openMs: 1_000 }
      const circuit = make(breaker, optionsOf(breaker, { timeout: timeoutMs, capacity: concurrency }))
      const inner = subjectOf(circuit)
      return {
        execute: (call, signal) => inner.execute((own) => call({ signal: own, remainingMs: undefined }), signal),
        state: () => stateOf(circuit),
        isTimeout: (error) => error instanceof Error && 'code' in error && error.code === 'ETIMEDOUT',
        abandoned: () => undefined,
      }
    },
    cost: (ratePercent) => {
      const circuit = make(
        { minCalls: 1, ratePercent, openMs: 3_600_000 },
        { timeout: false, errorThresholdPercentage: ratePercent, resetTimeout: 3_600_000, rollingCountTimeout: 3_600_000 },
      )
      return { execute: (call) => circuit.fire(call), dispose: () => circuit.shutdown() }
    },
  }
}

export const opossum10 = subject('opossum 10', Opossum10, 'opossum')
export const opossum8 = subject('opossum 8', Opossum8, 'opossum-8')
