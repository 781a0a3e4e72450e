/**
 * Everything round one call to one service, outermost first:
 * `fallback( deadline( retry + budget( breaker( attempt time limit( bulkhead( call ))))))`.
 *
 * - The fallback sees the final error, and what it does never reaches the breaker.
 * - The deadline bounds the whole, waits included; one too short for the next wait ends the call now.
 * - The breaker sees every attempt, so it can open in the middle of a retry loop, and an open one ends the loop.
 * - The time limit covers the wait for a permit; the permit is held until the call has really ended.
 * - A full bulkhead, and an attempt cut short by the deadline before its own limit, tell the breaker nothing.
 *
 * Retry lives in this one layer. Each part can be left out.
 */
import { CircuitBreakerOpenError, type Breaker } from './breaker.ts'
import { type Refusal } from './breaker-state.ts'
import { BulkheadFullError, type Bulkhead } from './bulkhead.ts'
import { type Chance, type Clock } from './clock.ts'
import { TimeoutError, withTimeLimit, type TimeLimit } from './deadline.ts'
import { createHook, type Hook } from './hook.ts'
import { numberFaults, refuseFaults } from './resilience-error.ts'
import { type RetryBudget } from './retry-budget.ts'
import { createRetry, type FailedAttempt, type Retry, type RetryRun, type RetrySettings } from './retry.ts'

export interface PolicySettings {
  readonly service: string
  /** Milliseconds for the whole, tries and waits included. */
  readonly deadlineMs?: number | undefined
  /** Milliseconds for one attempt. Default: the breaker's `timeout`. */
  readonly attemptTimeoutMs?: number | undefined
  /** Left out, there is one attempt. */
  readonly retry?: Omit<RetrySettings, 'service'> | undefined
}

/** Why a call was refused or given up without the service's own failure being the last word. */
export type RejectReason = Refusal | 'bulkhead' | 'budget' | 'deadline' | 'abort'

/** What a policy reports. Exactly one `settled` for each call to `execute`, whatever happened on the way. */
export type PolicyEvent =
  | ({ readonly type: 'attempt-failed' } & FailedAttempt)
  | ({ readonly type: 'settled'; readonly service: string; readonly tookMs: number } & Settlement)

type Settlement =
  | { readonly outcome: 'success' }
  | { readonly outcome: 'failure'; readonly error: unknown }
  | { readonly outcome: 'reject'; readonly reason: RejectReason; readonly error: unknown }

export interface PolicyPorts {
  readonly clock: Clock
  readonly chance: Chance
  readonly breaker?: Breaker | undefined
  readonly bulkhead?: Bulkhead | undefined
  readonly budget?: RetryBudget | undefined
  readonly onEvent?: ((event: PolicyEvent) => void) | undefined
}

/** What a call is given. */
export interface PolicyAttempt extends RetryRun {
  /** Aborts when this attempt is out of time or the caller gives up; stays un-aborted after a success. */
  readonly signal: AbortSignal
  /** Milliseconds left for this attempt when it began; send it along, so that expired work can be refused. */
  readonly remainingMs: number
}

export interface PolicyOptions<Value> {
  /** Milliseconds for the whole, instead of the policy's; what a caller has left itself. 0 or less is refused without work. */
  readonly deadlineMs?: number | undefined
  /** What to answer instead of failing. Not asked when the caller itself gave up. */
  readonly fallback?: ((error: unknown) => Value | PromiseLike<Value>) | undefined
}

export interface Policy {
  readonly service: string
  readonly listenerFaults: number
  /**
   * Runs `call` under the policy.
   *
   * @throws CircuitBreakerOpenError, BulkheadFullError, TimeoutError, the signal's reason, or the last attempt's error.
   */
  execute<Value>(
    call: (attempt: PolicyAttempt) => Value | PromiseLike<Value>,
    signal?: AbortSignal,
    options?: PolicyOptions<Value>,
  ): Promise<Value>
}

type Call<Value> = (attempt: PolicyAttempt) => Value | PromiseLike<Value>

/** One call to `execute`, as its attempts see it. */
interface Frame<Value> {
  readonly call: Call<Value>
  readonly signal: AbortSignal | undefined
  readonly expiresAt: number
  run: RetryRun | undefined
}

class Attempt implements PolicyAttempt {
  readonly signal: AbortSignal
  readonly remainingMs: number
  readonly attempt: number
  readonly #run: RetryRun

  constructor(run: RetryRun, signal: AbortSignal, remainingMs: number) {
    this.#run = run
    this.signal = signal
    this.remainingMs = remainingMs
    this.attempt = run.attempt
  }

  get stop(): RetryRun['stop'] {
    return this.#run.stop
  }

  get commit(): () => void {
    return this.#run.commit
  }

  get sent(): () => void {
    return this.#run.sent
  }
}

/** With no `retry` settings: one attempt, and nothing is asked again. */
const ONE_ATTEMPT = { attempts: 1, backoff: { baseMs: 0, capMs: 0 }, shouldRetry: () => false }
const FOREVER = Number.POSITIVE_INFINITY

class ComposedPolicy implements Policy {
  readonly service: string
  readonly #deadlineMs: number
  readonly #attemptTimeoutMs: number
  readonly #ports: PolicyPorts
  readonly #hook: Hook<PolicyEvent>
  readonly #retry: Retry

  constructor(settings: PolicySettings, ports: PolicyPorts) {
    this.service = settings.service
    this.#deadlineMs = settings.deadlineMs ?? FOREVER
    this.#attemptTimeoutMs = settings.attemptTimeoutMs ?? ports.breaker?.rules.timeout ?? FOREVER
    this.#ports = ports
    this.#hook = createHook(ports.onEvent)
    this.#retry = createRetry(
      { service: settings.service, ...(settings.retry ?? ONE_ATTEMPT) },
      {
        clock: ports.clock,
        chance: ports.chance,
        budget: ports.budget,
        onFailedAttempt: this.#hook.isHeard ? (failed) => this.#hook.emit({ type: 'attempt-failed', ...failed }) : undefined,
      },
    )
  }

  get listenerFaults(): number {
    return this.#hook.faults
  }

  async execute<Value>(call: Call<Value>, signal?: AbortSignal, options: PolicyOptions<Value> = {}): Promise<Value> {
    const startedAt = this.#ports.clock.monotonic()
    const frame: Frame<Value> = { call, signal, expiresAt: startedAt + (options.deadlineMs ?? this.#deadlineMs), run: undefined }
    let value: Value
    try {
      value = await this.#attempts(frame, startedAt)
    } catch (error) {
      const settlement = settlementOf(error, frame)
      this.#settled(startedAt, settlement)
      const isGivenUp = settlement.outcome === 'reject' && settlement.reason === 'abort'
      if (options.fallback === undefined || isGivenUp) throw error
      return options.fallback(error)
    }
    this.#settled(startedAt, { outcome: 'success' })
    return value
  }

  #attempts<Value>(frame: Frame<Value>, startedAt: number): Promise<Value> {
    const { signal, expiresAt } = frame
    if (expiresAt <= startedAt) throw new TimeoutError({ service: this.service, kind: 'deadline', ms: 0, blamesService: false })
    return this.#retry.execute(
      (run) => {
        frame.run = run
        const { breaker } = this.#ports
        return breaker === undefined ? this.#limited(frame, run) : breaker.watch(() => this.#limited(frame, run), signal)
      },
      { signal, expiresAt: expiresAt === FOREVER ? undefined : expiresAt },
    )
  }

  #limited<Value>(frame: Frame<Value>, run: RetryRun): Value | PromiseLike<Value> {
    const leftMs = frame.expiresAt - this.#ports.clock.monotonic()
    const ms = Math.min(leftMs, this.#attemptTimeoutMs)
    if (ms === FOREVER) return this.#admitted(frame.call, new Attempt(run, frame.signal ?? new AbortController().signal, ms))
    return withTimeLimit(
      (signal) => this.#admitted(frame.call, new Attempt(run, signal, ms)),
      this.#limit(leftMs),
      this.#ports.clock,
      frame.signal,
    )
  }

  /** Being cut off by the deadline sooner than by its own limit is nothing an attempt can be blamed for. */
  #limit(leftMs: number): TimeLimit {
    const limitMs = this.#attemptTimeoutMs
    if (limitMs <= leftMs) return { service: this.service, kind: 'attempt', ms: limitMs }
    return { service: this.service, kind: 'deadline', ms: leftMs, blamesService: limitMs === FOREVER }
  }

  #admitted<Value>(call: Call<Value>, attempt: Attempt): Value | PromiseLike<Value> {
    const { bulkhead } = this.#ports
    return bulkhead === undefined ? call(attempt) : bulkhead.execute(() => call(attempt), attempt.signal)
  }

  #settled(startedAt: number, settlement: Settlement): void {
    if (!this.#hook.isHeard) return
    const tookMs = this.#ports.clock.monotonic() - startedAt
    this.#hook.emit({ type: 'settled', service: this.service, tookMs, ...settlement })
  }
}

function settlementOf(error: unknown, { signal, run }: Pick<Frame<unknown>, 'signal' | 'run'>): Settlement {
  const reason = rejectReason(error, signal, run)
  return reason === undefined ? { outcome: 'failure', error } : { outcome: 'reject', reason, error }
}

function rejectReason(error: unknown, signal: AbortSignal | undefined, run: RetryRun | undefined): RejectReason | undefined {
  if (signal?.aborted === true) return 'abort'
  if (error instanceof CircuitBreakerOpenError) return error.reason
  if (error instanceof BulkheadFullError) return 'bulkhead'
  if (error instanceof TimeoutError && error.kind === 'deadline') return 'deadline'
  return run?.stop === 'budget' || run?.stop === 'deadline' ? run.stop : undefined
}

/** @throws SettingsError that lists every fault of `settings`. */
export function createPolicy(settings: PolicySettings, ports: PolicyPorts): Policy {
  const { deadlineMs, attemptTimeoutMs } = settings
  refuseFaults(
    `policy ${settings.service}`,
    numberFaults([
      ...(deadlineMs === undefined ? [] : [{ name: 'deadlineMs', value: deadlineMs, min: 1 }]),
      ...(attemptTimeoutMs === undefined ? [] : [{ name: 'attemptTimeoutMs', value: attemptTimeoutMs, min: 1 }]),
    ]),
  )
  return new ComposedPolicy(settings, ports)
}
