/**
 * Tries again, within bounds: a number of attempts, a budget shared with everybody else, a deadline, and the point of no
 * return that the call itself declares. Written once; nobody nests it.
 */
import { backoffMs, type Backoff } from './backoff.ts'
import { type Chance, type Clock } from './clock.ts'
import { createHook, type Hook } from './hook.ts'
import { numberFaults, refuseFaults } from './resilience-error.ts'
import { retryAfterOf } from './retry-after.ts'
import { type RetryBudget } from './retry-budget.ts'
import { isNeverRetried } from './retry-rules.ts'

export interface RetrySettings {
  readonly service: string
  /** Tries in all, the first included. */
  readonly attempts: number
  readonly backoff: Backoff
  /** Asked for every failure that is not ruled out anyway. One that throws counts as no. */
  readonly shouldRetry: (error: unknown) => boolean
  /** Whether the service recognises a repeated request, so that one may be sent twice. Default false. */
  readonly isIdempotent?: boolean | undefined
}

/** Why no further attempt was made. */
export type RetryStop = 'abort' | 'committed' | 'not-retryable' | 'attempts' | 'deadline' | 'budget'

/** One attempt that failed. */
export interface FailedAttempt {
  readonly service: string
  /** From 1. */
  readonly attempt: number
  readonly retriesLeft: number
  readonly error: unknown
  /** Milliseconds until the next attempt; `undefined` when there will be none. */
  readonly delayMs: number | undefined
  /** Why there will be none. */
  readonly stop: RetryStop | undefined
}

export interface RetryPorts {
  readonly clock: Clock
  readonly chance: Chance
  readonly budget?: RetryBudget | undefined
  readonly onFailedAttempt?: ((failed: FailedAttempt) => void) | undefined
}

export interface RetryLimits {
  readonly signal?: AbortSignal | undefined
  /** Monotonic milliseconds by which everything must be done. */
  readonly expiresAt?: number | undefined
}

/** What the call is told about its attempt, and what it can tell. One for all attempts of a run. */
export interface RetryRun {
  /** From 1. */
  readonly attempt: number
  /** Why the run ended, once it has failed. */
  readonly stop: RetryStop | undefined
  /** The answer has begun: from here on nothing is tried again. */
  readonly commit: () => void
  /** The request has left: nothing is tried again unless the service recognises a repeated one. */
  readonly sent: () => void
}

export interface Retry {
  readonly settings: RetrySettings
  /** How often `onFailedAttempt` itself failed. */
  readonly listenerFaults: number
  /**
   * Calls until it works or may not be tried again.
   *
   * @throws the signal's reason once that has aborted, in a backoff at once; else the error of the last attempt.
   */
  execute<Value>(call: (run: RetryRun) => Value | PromiseLike<Value>, limits?: RetryLimits): Promise<Value>
}

/** A wish to wait longer than our own backoff is granted up to this much, as the AWS SDK does. */
const RETRY_AFTER_SLACK_MS = 5_000
const ATTEMPTS_MAX = 100
const NO_LIMITS: RetryLimits = {}

class Run implements RetryRun {
  readonly #isIdempotent: boolean
  attempt = 0
  stop: RetryStop | undefined = undefined
  isCommitted = false

  constructor(isIdempotent: boolean) {
    this.#isIdempotent = isIdempotent
  }

  // Made when asked for: most calls never do.
  get commit(): () => void {
    return () => {
      this.isCommitted = true
    }
  }

  get sent(): () => void {
    return () => {
      if (!this.#isIdempotent) this.isCommitted = true
    }
  }
}

class BoundedRetry implements Retry {
  readonly settings: RetrySettings
  readonly #ports: RetryPorts
  readonly #hook: Hook<FailedAttempt>

  constructor(settings: RetrySettings, ports: RetryPorts) {
    this.settings = { ...settings, backoff: { ...settings.backoff } }
    this.#ports = ports
    this.#hook = createHook(ports.onFailedAttempt)
  }

  get listenerFaults(): number {
    return this.#hook.faults
  }

  async execute<Value>(call: (run: RetryRun) => Value | PromiseLike<Value>, limits: RetryLimits = NO_LIMITS): Promise<Value> {
    const run = new Run(this.settings.isIdempotent === true)
    limits.signal?.throwIfAborted()
    this.#ports.budget?.deposit()
    for (;;) {
      run.attempt += 1
      try {
        return await call(run)
      } catch (error) {
        const delayMs = this.#decide(run, error, limits)
        this.#report(run, error, delayMs)
        if (delayMs === undefined) {
          limits.signal?.throwIfAborted()
          throw error
        }
        await this.#ports.clock.sleep(delayMs, limits.signal ?? new AbortController().signal)
      }
    }
  }

  /** Milliseconds to the next attempt, or `undefined` with the reason in `run.stop`. The budget is asked last: a refusal costs nothing. */
  #decide(run: Run, error: unknown, limits: RetryLimits): number | undefined {
    const { settings } = this
    const { clock, chance, budget } = this.#ports
    run.stop = this.#ruledOut(run, error, limits)
    if (run.stop !== undefined) return undefined
    const backoff = backoffMs(settings.backoff, run.attempt, chance)
    const wish = retryAfterOf(error) ?? 0
    const leftMs = limits.expiresAt === undefined ? Number.POSITIVE_INFINITY : limits.expiresAt - clock.monotonic()
    if (Math.max(backoff, wish) >= leftMs) run.stop = 'deadline'
    else if (budget !== undefined && !budget.withdraw()) run.stop = 'budget'
    return run.stop === undefined ? Math.min(Math.max(backoff, wish), backoff + RETRY_AFTER_SLACK_MS) : undefined
  }

  #ruledOut(run: Run, error: unknown, limits: RetryLimits): RetryStop | undefined {
    if (limits.signal?.aborted === true) return 'abort'
    if (run.isCommitted) return 'committed'
    if (isNeverRetried(error) || !this.#asksForMore(error)) return 'not-retryable'
    return run.attempt >= this.settings.attempts ? 'attempts' : undefined
  }

  #asksForMore(error: unknown): boolean {
    try {
      return this.settings.shouldRetry(error)
    } catch {
      return false // the failure being judged is what the caller must see
    }
  }

  #report(run: Run, error: unknown, delayMs: number | undefined): void {
    if (!this.#hook.isHeard) return
    const retriesLeft = delayMs === undefined ? 0 : this.settings.attempts - run.attempt
    this.#hook.emit({ service: this.settings.service, attempt: run.attempt, retriesLeft, error, delayMs, stop: run.stop })
  }
}

/** Everything that is wrong with the settings, one sentence each. */
export function retryFaults(settings: RetrySettings): readonly string[] {
  const { attempts, backoff } = settings
  return numberFaults([
    { name: 'attempts', value: attempts, min: 1, max: ATTEMPTS_MAX, isWhole: true },
    { name: 'backoff.baseMs', value: backoff.baseMs, min: 0 },
    { name: 'backoff.capMs', value: backoff.capMs, min: Math.max(0, backoff.baseMs) },
  ])
}

/** @throws SettingsError that lists every fault of `settings`. */
export function createRetry(settings: RetrySettings, ports: RetryPorts): Retry {
  refuseFaults(`retry ${settings.service}`, retryFaults(settings))
  return new BoundedRetry(settings, ports)
}
