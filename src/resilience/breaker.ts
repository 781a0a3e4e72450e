/**
 * A circuit breaker round the calls to one service: the thin shell of `breaker-state.ts`.
 *
 * It only watches. It never queues, never retries and holds no timer of its own; a time limit, when set, is that of the
 * one call. A caller who aborts has not learnt anything about the service, so that is neither success nor failure.
 */
import { breakerFaults, breakerRules, initialBreaker, step, type BreakerEffect, type BreakerInput } from './breaker-state.ts'
import { type BreakerRules, type BreakerSettings, type BreakerState, type Outcome, type Refusal } from './breaker-state.ts'
import { type Clock } from './clock.ts'
import { withTimeLimit } from './deadline.ts'
import { createHook, type Hook } from './hook.ts'
import { tally, type Tally } from './outcome-window.ts'
import { refuseFaults, ResilienceError, withoutStack } from './resilience-error.ts'

/**
 * The breaker let no call through. Retryable in the sense of the API (later, the same request may succeed); our own
 * retry loops never go on against an open breaker.
 */
export class CircuitBreakerOpenError extends ResilienceError {
  override name = 'CircuitBreakerOpenError'
  readonly reason: Refusal

  constructor(service: string, reason: Refusal, retryInMs: number) {
    super(`${service}: circuit breaker is ${reason === 'open' ? 'open' : 'half-open and fully probed'}`, {
      code: 'CIRCUIT_BREAKER_OPEN',
      statusCode: 503,
      isRetryable: true,
      service,
      retryAfterMs: retryInMs,
      blamesService: false,
    })
    this.reason = reason
  }
}

/** What a breaker reports. `isStale`: the call began before the last change of state and counted for nothing. */
export type BreakerEvent = { readonly service: string } & (
  | { readonly type: 'open'; readonly openMs: number; readonly tally: Tally }
  | { readonly type: 'halfOpen' }
  | { readonly type: 'close' }
  | { readonly type: 'isolate'; readonly holds: number }
  | { readonly type: 'release'; readonly holds: number }
  | { readonly type: 'success'; readonly tookMs: number; readonly isStale: boolean }
  | { readonly type: 'failure'; readonly tookMs: number; readonly isStale: boolean; readonly error: unknown }
  | { readonly type: 'ignored'; readonly tookMs: number; readonly isStale: boolean; readonly error: unknown }
  | { readonly type: 'reject'; readonly reason: Refusal | 'abort'; readonly retryAfterMs: number | undefined }
)

export interface BreakerPorts {
  readonly clock: Clock
  /** Hears everything. May throw: that is counted in the stats and changes nothing else. */
  readonly onEvent?: ((event: BreakerEvent) => void) | undefined
}

export interface BreakerStats {
  readonly name: string
  readonly state: BreakerState['status']
  /** Milliseconds until a call may be tried; 0 when one may now. */
  readonly retryAfterMs: number
  /** What is in the window now. */
  readonly window: Tally
  /** Since the breaker was made. */
  readonly counts: Readonly<Record<Outcome | 'rejected' | 'opened', number>>
  /** People who hold it open. */
  readonly holds: number
  readonly listenerFaults: number
}

export interface Breaker {
  readonly name: string
  /** The settings with defaults filled in. */
  readonly rules: BreakerRules
  /**
   * Runs `call` when the breaker lets it, under the breaker's `timeout` where one is set.
   *
   * @throws CircuitBreakerOpenError without running `call`; TimeoutError; the signal's reason; whatever `call` throws.
   */
  execute<Value>(call: (signal: AbortSignal) => Value | PromiseLike<Value>, signal?: AbortSignal): Promise<Value>
  /** The same without the time limit, for a composition that sets its own. */
  watch<Value>(call: () => Value | PromiseLike<Value>, signal?: AbortSignal): Promise<Value>
  /**
   * For a call that has settled well and goes on, such as a stream. Ask for it when the call has settled; the returned function
   * tells of a failure since, which counts as one more result unless the breaker has changed its state in between.
   */
  followUp(): (error: unknown) => void
  stats(): BreakerStats
  /** Somebody has seen the service work, past this breaker: an open one lets the next call find out now. */
  invite(): void
  /** Holds it open until the returned function is called. Holds add up; calling one's function twice is harmless. */
  isolate(): () => void
}

const EMPTY: Tally = { calls: 0, failures: 0, slow: 0 }
const ASK: BreakerInput = { type: 'ask' }

class CircuitBreaker implements Breaker {
  readonly name: string
  readonly rules: BreakerRules
  readonly #clock: Clock
  readonly #hook: Hook<BreakerEvent>
  readonly #isFailure: ((error: unknown) => boolean) | undefined
  /** Reading the clock costs as much as the rest of a good call, so it is read only where someone needs the time. */
  readonly #isTimed: boolean
  readonly #counts = { success: 0, failure: 0, ignored: 0, rejected: 0, opened: 0 }
  #state: BreakerState

  constructor(settings: BreakerSettings, ports: BreakerPorts) {
    this.rules = breakerRules(settings)
    this.name = settings.name
    this.#clock = ports.clock
    this.#hook = createHook(ports.onEvent)
    this.#isFailure = settings.isFailure
    this.#isTimed = this.rules.slowCallMs !== undefined || this.#hook.isHeard
    this.#state = initialBreaker(this.rules)
  }

  execute<Value>(call: (signal: AbortSignal) => Value | PromiseLike<Value>, signal?: AbortSignal): Promise<Value> {
    const { timeout, name } = this.rules
    if (timeout === undefined) return this.watch(() => call(signal ?? new AbortController().signal), signal)
    return this.watch(() => withTimeLimit(call, { service: name, kind: 'attempt', ms: timeout }, this.#clock, signal), signal)
  }

  async watch<Value>(call: () => Value | PromiseLike<Value>, signal?: AbortSignal): Promise<Value> {
    if (isAborted(signal)) {
      this.#reject('abort', undefined)
      throw signal?.reason
    }
    const ticket = this.#ask()
    const startedAt = this.#isTimed ? this.#clock.monotonic() : 0
    let value: Value
    try {
      value = await call()
    } catch (error) {
      this.#settle(ticket, isAborted(signal) ? 'ignored' : this.#judge(error), startedAt, error)
      throw error
    }
    this.#settle(ticket, 'success', startedAt, undefined)
    return value
  }

  followUp(): (error: unknown) => void {
    const { generation, status } = this.#state
    // While half-open a ticket is a probe's place, and this call has given its own back.
    return (error) => {
      if (status === 'closed') this.#settle(generation, this.#judge(error), this.#isTimed ? this.#clock.monotonic() : 0, error)
    }
  }

  stats(): BreakerStats {
    const state = this.#state
    const now = this.#clock.monotonic()
    return {
      name: this.name,
      state: state.status,
      retryAfterMs: retryInMsOf(state, now, this.rules),
      window: state.status === 'closed' ? countsOf(tally(state.window, now)) : EMPTY,
      counts: { ...this.#counts },
      holds: state.status === 'isolated' ? state.holds : 0,
      listenerFaults: this.#hook.faults,
    }
  }

  invite(): void {
    this.#apply({ type: 'invite' })
  }

  isolate(): () => void {
    this.#apply({ type: 'isolate' })
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#apply({ type: 'release' })
    }
  }

  /** The ticket of a call that may run. */
  #ask(): number {
    // Closed lets everyone through; asking `step` for it would only allocate.
    if (this.#state.status === 'closed') return this.#state.generation
    for (const effect of this.#apply(ASK)) {
      if (effect.type === 'admit') return effect.ticket
      if (effect.type === 'refuse') {
        this.#reject(effect.reason, effect.retryAfterMs)
        throw withoutStack(() => new CircuitBreakerOpenError(this.name, effect.reason, effect.retryAfterMs))
      }
    }
    throw new Error('[breaker-1] asking gives a ticket or a refusal')
  }

  #settle(ticket: number, outcome: Outcome, startedAt: number, error: unknown): void {
    this.#counts[outcome] += 1
    // A success counts in a count window whatever the time, and closes a half-open breaker likewise.
    const now = this.#isTimed || outcome !== 'success' || this.rules.window.type === 'time' ? this.#clock.monotonic() : 0
    const tookMs = this.#isTimed ? now - startedAt : 0
    if (this.#hook.isHeard) this.#report(outcome, tookMs, this.#isStale(ticket), error)
    this.#apply({ type: 'settled', ticket, outcome, tookMs }, now)
  }

  #report(outcome: Outcome, tookMs: number, isStale: boolean, error: unknown): void {
    const { name: service } = this
    this.#hook.emit(
      outcome === 'success' ? { type: outcome, service, tookMs, isStale } : { type: outcome, service, tookMs, isStale, error },
    )
  }

  #isStale(ticket: number): boolean {
    const state = this.#state
    if (state.status === 'closed') return state.generation !== ticket
    return state.status !== 'half-open' || state.leases.every((lease) => lease.ticket !== ticket)
  }

  #apply(input: BreakerInput, now = this.#clock.monotonic()): readonly BreakerEffect[] {
    const [state, effects] = step(this.#state, input, { now, rules: this.rules })
    this.#state = state
    for (const effect of effects) this.#announce(effect)
    return effects
  }

  #announce(effect: BreakerEffect): void {
    const { name: service } = this
    switch (effect.type) {
      case 'opened':
        this.#counts.opened += 1
        this.#hook.emit({ type: 'open', service, openMs: effect.openMs, tally: effect.tally })
        break
      case 'half-opened':
        this.#hook.emit({ type: 'halfOpen', service })
        break
      case 'closed':
        this.#hook.emit({ type: 'close', service })
        break
      case 'isolated':
        this.#hook.emit({ type: 'isolate', service, holds: effect.holds })
        break
      case 'released':
        this.#hook.emit({ type: 'release', service, holds: effect.holds })
        break
      case 'admit':
      case 'refuse':
        break // answered to the one call that asked
    }
  }

  #reject(reason: Refusal | 'abort', retryInMs: number | undefined): void {
    this.#counts.rejected += 1
    if (this.#hook.isHeard) this.#hook.emit({ type: 'reject', service: this.name, reason, retryAfterMs: retryInMs })
  }

  #judge(error: unknown): Outcome {
    if (error instanceof ResilienceError && !error.blamesService) return 'ignored'
    if (this.#isFailure === undefined) return 'failure'
    try {
      return this.#isFailure(error) ? 'failure' : 'ignored'
    } catch {
      return 'failure' // a judge that fails has not acquitted anyone
    }
  }
}

function retryInMsOf(state: BreakerState, now: number, rules: BreakerRules): number {
  switch (state.status) {
    case 'closed':
      return 0
    case 'open':
      return Math.max(0, state.until - now)
    case 'half-open': {
      const held = state.leases.filter(({ expiresAt }) => expiresAt > now)
      return held.length < rules.probes ? 0 : Math.min(...held.map(({ expiresAt }) => expiresAt)) - now
    }
    case 'isolated':
      return rules.resetTimeout
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true

const countsOf = ({ calls, failures, slow }: Tally): Tally => ({ calls, failures, slow })

/** @throws SettingsError that lists every fault of `settings`. */
export function createBreaker(settings: BreakerSettings, ports: BreakerPorts): Breaker {
  refuseFaults(`breaker ${settings.name}`, breakerFaults(settings))
  return new CircuitBreaker(settings, ports)
}
