/**
 * What a conformance case sees of a resilience library. Each adapter maps these words to its library's own options,
 * as its documentation shows them, and adds no behaviour; what a library has no word for is left out.
 */
import type { RetryBudget, RetryBudgetSettings } from '../../src/resilience/retry-budget.ts'
import type { WindowSettings } from '../../src/resilience/outcome-window.ts'
import type { HealthChecks } from '../../src/service-level/health-checks.ts'
import type { SimulatedClock } from '../../src/testing/simulated-clock.ts'

export type State = 'closed' | 'open' | 'half-open' | 'isolated'
export type Call = (signal: AbortSignal) => unknown

export interface BreakerSpec {
  readonly minCalls: number
  readonly ratePercent: number
  readonly openMs: number
  readonly openMsMax?: number
  readonly window?: WindowSettings
  readonly probes?: number
  readonly isFailure?: (error: unknown) => boolean
  /** Hears `open`, `half-open`, `closed`, `isolated`, `rejected`, where the library tells. */
  readonly onEvent?: (type: State | 'rejected') => void
}

export interface BreakerSubject {
  execute(call: Call, signal?: AbortSignal): Promise<unknown>
  state(): State
  /** Holds it open until the returned function is called. */
  readonly isolate?: () => () => void
}

export interface RetrySpec {
  /** Tries in all; `undefined`: whatever the library does when it is not told. */
  readonly attempts: number | undefined
  readonly baseMs: number
  readonly capMs: number
  readonly shouldRetry?: (error: unknown) => boolean
  readonly isIdempotent?: boolean
  readonly deadlineMs?: number
  readonly budget?: RetryBudget
}

export interface AttemptFacts {
  /** As the library numbers it. */
  readonly attempt: number
  readonly sent?: () => void
  readonly commit?: () => void
}

export interface RetrySubject {
  execute(call: (facts: AttemptFacts) => unknown, signal?: AbortSignal): Promise<unknown>
}

/** Time limit, bulkhead, breaker and retry, in the library's own best order. */
export interface GuardSpec {
  readonly timeoutMs?: number
  readonly deadlineMs?: number
  readonly concurrency?: number
  readonly queue?: number
  readonly breaker?: BreakerSpec
  readonly retry?: RetrySpec
  readonly onSettled?: (outcome: string) => void
}

export interface GuardSubject {
  execute(
    call: (facts: { readonly signal: AbortSignal; readonly remainingMs: number | undefined }) => unknown,
    signal?: AbortSignal,
  ): Promise<unknown>
  state(): State | undefined
  isTimeout(error: unknown): boolean
  /** Calls that go on after nobody waits for them, where the library counts them. */
  abandoned(): number | undefined
}

/** What a breaker costs, for the cases that are measured. */
export interface CostSubject {
  execute(call: () => Promise<unknown>): Promise<unknown>
  readonly dispose?: () => void
}

export interface Subject {
  readonly name: string
  readonly version: string
  readonly breaker?: (spec: BreakerSpec, clock: SimulatedClock) => BreakerSubject
  /** One configuration object, and breakers made from it. */
  readonly configured?: (spec: BreakerSpec, clock: SimulatedClock) => { readonly options: object; readonly make: () => BreakerSubject }
  readonly retry?: (spec: RetrySpec, clock: SimulatedClock) => RetrySubject
  /** `undefined` when the library cannot compose what is asked. */
  readonly guard?: (spec: GuardSpec, clock: SimulatedClock) => GuardSubject | undefined
  /** Whether a call can say that it has sent its request, and that its answer has begun. */
  readonly knowsCommitment?: true
  readonly budget?: (settings: RetryBudgetSettings, clock: SimulatedClock) => RetryBudget
  readonly retryAfter?: (header: string, now: number) => number | undefined
  readonly levels?: (clock: SimulatedClock) => HealthChecks
  /** Under the machine's own clock, with a window of an hour that any number of calls fits in. */
  readonly cost?: (ratePercent: number) => CostSubject
}

export type Verdict =
  | { readonly type: 'pass' }
  | { readonly type: 'fail'; readonly why: string }
  | { readonly type: 'n/a'; readonly why: string }

export interface Case {
  readonly id: number
  readonly title: string
  readonly run: (subject: Subject, clock: SimulatedClock) => Promise<void>
}

/** The case asks for something the subject does not set out to do. */
export class NotApplicable extends Error {
  override name = 'NotApplicable'
}

/** What the subject has, or the end of the case. */
export function need<Part>(part: Part | undefined, what: string): Part {
  if (part === undefined) throw new NotApplicable(`no ${what}`)
  return part
}

export const never = (): Promise<never> => new Promise(() => {})
export const lost = (): Error => Object.assign(new Error('lost'), { code: 'ECONNRESET' })
export const fail = async (): Promise<never> => {
  throw lost()
}

export type Settled = { readonly value: unknown } | { readonly error: unknown } | 'pending'

/** Watches a promise without waiting for it. */
export function watch(promise: Promise<unknown>): () => Settled {
  let settled: Settled = 'pending'
  const follow = async (): Promise<void> => {
    try {
      settled = { value: await promise }
    } catch (error) {
      settled = { error }
    }
  }
  void follow() // it never rejects: a failure is what it is here to see
  return () => settled
}

/** How a call ends without any time passing; a call that goes on is `pending`. */
export async function now(clock: SimulatedClock, promise: Promise<unknown>): Promise<Settled> {
  const settled = watch(promise)
  await clock.settle()
  return settled()
}

export const errorIn = (settled: Settled): unknown => (settled !== 'pending' && 'error' in settled ? settled.error : undefined)
export const isRejected = (settled: Settled): boolean => settled !== 'pending' && 'error' in settled

/** Lets `count` calls fail, one after the other. */
export async function failTimes(breaker: Pick<BreakerSubject, 'execute'>, clock: SimulatedClock, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await now(clock, breaker.execute(fail))
}

export async function succeedTimes(breaker: Pick<BreakerSubject, 'execute'>, clock: SimulatedClock, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1)
    await now(
      clock,
      breaker.execute(async () => 'fine'),
    )
}
