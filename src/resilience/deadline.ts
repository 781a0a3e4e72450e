/**
 * Time-outs and deadlines: how long one thing may take, told apart from someone no longer wanting it.
 *
 * Signals are derived by hand and given back when the work settles. `AbortSignal.any` and `AbortSignal.timeout` keep
 * memory for as long as the parent lives (nodejs/node#54614) and know no clock but the machine's.
 */
import { type Clock } from './clock.ts'
import { ResilienceError } from './resilience-error.ts'

/** `attempt`: one try took too long. `deadline`: the time for the whole is over, tries and waits included. */
export type TimeoutKind = 'attempt' | 'deadline'

/**
 * Something took longer than it was given. Retryable in the sense of the API, since the same request may be quick later;
 * a retry loop never goes on after its own deadline.
 */
export class TimeoutError extends ResilienceError {
  override name = 'TimeoutError'
  readonly kind: TimeoutKind
  readonly timeoutMs: number

  constructor(facts: TimeLimit) {
    super(`${facts.service}: ${facts.kind === 'attempt' ? 'no result' : 'deadline passed'} after ${Math.round(facts.ms)} ms`, {
      code: 'TIMEOUT',
      statusCode: 504,
      isRetryable: true,
      service: facts.service,
      retryAfterMs: undefined,
      blamesService: facts.blamesService ?? true,
    })
    this.kind = facts.kind
    this.timeoutMs = facts.ms
  }
}

export interface TimeLimit {
  readonly service: string
  readonly kind: TimeoutKind
  /** Milliseconds from now; 0 or less has already passed. */
  readonly ms: number
  /** `false` when the time was so short that running out of it says nothing about the service. Default `true`. */
  readonly blamesService?: boolean
}

/** A signal that aborts at a time of the clock, or when its parent does. Dispose of it when the work has settled. */
export interface Deadline extends Disposable {
  /** Aborted with a `TimeoutError`, or with the parent's own reason. */
  readonly signal: AbortSignal
  /** Milliseconds left, never below 0. Relative, so it can be sent to a machine with another clock. */
  remainingMs(): number
}

class ClockDeadline implements Deadline {
  readonly #controller = new AbortController()
  readonly #clock: Clock
  readonly #parent: AbortSignal | undefined
  readonly #onEnd: ((reason: unknown) => void) | undefined
  readonly #expiresAt: number
  readonly #cancelTimer: (() => void) | undefined
  readonly #onParentAbort = (): void => this.#end(this.#parent?.reason)

  constructor(limit: TimeLimit, clock: Clock, parent: AbortSignal | undefined, onEnd?: (reason: unknown) => void) {
    this.#clock = clock
    this.#parent = parent
    this.#onEnd = onEnd
    this.#expiresAt = clock.monotonic() + limit.ms
    if (parent?.aborted === true) {
      this.#end(parent.reason)
      return
    }
    if (limit.ms <= 0) {
      this.#end(new TimeoutError(limit))
      return
    }
    parent?.addEventListener('abort', this.#onParentAbort)
    this.#cancelTimer = clock.schedule(limit.ms, () => this.#end(new TimeoutError(limit)))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  remainingMs(): number {
    return Math.max(0, this.#expiresAt - this.#clock.monotonic())
  }

  [Symbol.dispose](): void {
    this.#cancelTimer?.()
    this.#parent?.removeEventListener('abort', this.#onParentAbort)
  }

  #end(reason: unknown): void {
    this[Symbol.dispose]()
    this.#onEnd?.(reason)
    this.#controller.abort(reason)
  }
}

/** Starts a deadline of `limit.ms` milliseconds under `parent`. Disposing of it never aborts its signal. */
export function createDeadline(limit: TimeLimit, clock: Clock, parent?: AbortSignal): Deadline {
  return new ClockDeadline(limit, clock, parent)
}

/**
 * Runs `call` and settles as it does, or at the limit, or when `parent` aborts: whichever comes first.
 *
 * The signal given to `call` is of this call alone. After a success it stays un-aborted, so a body that is still
 * streaming can be read. A `call` that ignores its signal goes on unheard; what it does later is ignored.
 *
 * @throws TimeoutError at the limit; the parent's own reason when that aborts; else whatever `call` throws.
 */
export function withTimeLimit<Value>(
  call: (signal: AbortSignal) => Value | PromiseLike<Value>,
  limit: TimeLimit,
  clock: Clock,
  parent?: AbortSignal,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const deadline = new ClockDeadline(limit, clock, parent, reject)
    if (deadline.signal.aborted) return
    const run = async (): Promise<void> => {
      try {
        resolve(await call(deadline.signal))
      } catch (error) {
        reject(error)
      } finally {
        deadline[Symbol.dispose]()
      }
    }
    void run() // it never rejects: both ends are handed on above
  })
}
