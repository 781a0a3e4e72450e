/**
 * The circuit breaker's decisions. Pure: no time, no chance, no promise; one `step` and the settings it reads.
 *
 * - `closed`: every call may run; results go into the window. Enough calls with a rate at or above a threshold open it.
 * - `open`: no call may run until `until`; the first to ask from then on makes it half-open. Nothing happens by timer. An
 *   invitation ends the wait and nothing else: whether the service works is still for a call to find out.
 * - `half-open`: at most `probes` calls may run at a time, each on a lease. `probeSuccesses` good ones close it, one bad
 *   one opens it for twice as long. A lease that ends (hung, cancelled, ignored) is free for the next call.
 * - `isolated`: held open by people, whatever the calls say, until each of them has let go.
 *
 * Tickets and generations are drawn from one counter that never repeats, so a result is known by its ticket: whatever
 * began before the last change of state belongs to nobody and changes nothing.
 */
import { emptyWindow, record, tally, type OutcomeWindow, type Tally, type WindowSettings } from './outcome-window.ts'
import { numberFaults } from './resilience-error.ts'

export interface BreakerSettings {
  /** The service it guards. */
  readonly name: string
  /** Milliseconds one call may take; left out, the breaker sets no time limit. */
  readonly timeout?: number | undefined
  /** Percent of failed calls, over 0 and up to 100, at which it opens: reached counts. */
  readonly errorThreshold: number
  /** Milliseconds it stays open the first time; doubled each time a probe fails. */
  readonly resetTimeout: number
  /** Milliseconds it stays open at most. Default ten times `resetTimeout`; the same as `resetTimeout` switches doubling off. */
  readonly resetTimeoutMax?: number | undefined
  /** Results the window must hold before a rate means anything. Default 10. */
  readonly volumeThreshold?: number | undefined
  /** Which results count. Default: those of the last minute. */
  readonly window?: WindowSettings | undefined
  /** A call that takes longer than this many milliseconds is slow. Left out, none is. */
  readonly slowCallMs?: number | undefined
  /** Percent of slow calls at which it opens. Default 100. */
  readonly slowThreshold?: number | undefined
  /** Calls that may run at a time while half-open. Default 1. */
  readonly probes?: number | undefined
  /** Good probes that close it. Default 1. */
  readonly probeSuccesses?: number | undefined
  /** Milliseconds after which a probe that has not come back no longer holds its place. Default twice `timeout`, else `resetTimeout`. */
  readonly probeLeaseMs?: number | undefined
  /** Whether an error says that the service failed. Default: all do, but those that are no fault of its own. */
  readonly isFailure?: ((error: unknown) => boolean) | undefined
}

/** The same with every default filled in. */
export type BreakerRules = {
  readonly [Key in Exclude<keyof BreakerSettings, 'timeout' | 'slowCallMs' | 'isFailure'>]-?: NonNullable<BreakerSettings[Key]>
} & {
  readonly timeout: number | undefined
  readonly slowCallMs: number | undefined
}

/** A place in half-open. */
interface Lease {
  readonly ticket: number
  readonly expiresAt: number
}

export type BreakerState =
  | { readonly status: 'closed'; readonly generation: number; readonly window: OutcomeWindow }
  | { readonly status: 'open'; readonly generation: number; readonly until: number; readonly openings: number }
  | {
      readonly status: 'half-open'
      readonly generation: number
      readonly openings: number
      readonly leases: readonly Lease[]
      readonly successes: number
    }
  | { readonly status: 'isolated'; readonly generation: number; readonly holds: number }

export type Outcome = 'success' | 'failure' | 'ignored'

export type BreakerInput =
  | { readonly type: 'ask' }
  | { readonly type: 'settled'; readonly ticket: number; readonly outcome: Outcome; readonly tookMs: number }
  | { readonly type: 'isolate' }
  | { readonly type: 'release' }
  /** Somebody has seen the service work, past this breaker. */
  | { readonly type: 'invite' }

export type Refusal = 'open' | 'half-open-full'

export type BreakerEffect =
  | { readonly type: 'admit'; readonly ticket: number }
  | { readonly type: 'refuse'; readonly reason: Refusal; readonly retryAfterMs: number }
  | { readonly type: 'opened'; readonly openMs: number; readonly tally: Tally }
  | { readonly type: 'half-opened' }
  | { readonly type: 'closed' }
  | { readonly type: 'isolated'; readonly holds: number }
  | { readonly type: 'released'; readonly holds: number }

export interface BreakerContext {
  /** Monotonic milliseconds. */
  readonly now: number
  readonly rules: BreakerRules
}

export type BreakerStep = readonly [state: BreakerState, effects: readonly BreakerEffect[]]

type Closed = BreakerState & { status: 'closed' }
type HalfOpen = BreakerState & { status: 'half-open' }
type Settled = BreakerInput & { type: 'settled' }

const NO_EFFECTS: readonly BreakerEffect[] = []
/** Places in half-open, and holds; also bounds the doubling. */
const COUNT_MAX = 1_000
const WINDOW_CALLS_MAX = 10_000

export function initialBreaker(rules: BreakerRules): BreakerState {
  return { status: 'closed', generation: 0, window: emptyWindow(rules.window) }
}

export function step(state: BreakerState, input: BreakerInput, ctx: BreakerContext): BreakerStep {
  switch (input.type) {
    case 'ask':
      return ask(state, ctx)
    case 'settled':
      return settle(state, input, ctx)
    case 'isolate':
      return isolate(state)
    case 'release':
      return release(state, ctx)
    case 'invite':
      return [state.status === 'open' && state.until > ctx.now ? { ...state, until: ctx.now } : state, NO_EFFECTS]
  }
}

function ask(state: BreakerState, ctx: BreakerContext): BreakerStep {
  switch (state.status) {
    case 'closed':
      return [state, [{ type: 'admit', ticket: state.generation }]]
    case 'open': {
      if (ctx.now < state.until) return [state, [{ type: 'refuse', reason: 'open', retryAfterMs: state.until - ctx.now }]]
      const { openings } = state
      const [next, effects] = lease({ status: 'half-open', generation: state.generation + 1, openings, leases: [], successes: 0 }, ctx)
      return [next, [{ type: 'half-opened' }, ...effects]]
    }
    case 'half-open':
      return lease(state, ctx)
    case 'isolated':
      return [state, [{ type: 'refuse', reason: 'open', retryAfterMs: ctx.rules.resetTimeout }]]
  }
}

/** The generation grows with each lease, so no ticket is ever given twice. */
function lease(state: HalfOpen, { now, rules }: BreakerContext): BreakerStep {
  const held = state.leases.filter(({ expiresAt }) => expiresAt > now)
  if (held.length >= rules.probes) {
    const soonest = Math.min(...held.map(({ expiresAt }) => expiresAt))
    return [state, [{ type: 'refuse', reason: 'half-open-full', retryAfterMs: soonest - now }]]
  }
  const ticket = state.generation + 1
  const leases = [...held, { ticket, expiresAt: now + rules.probeLeaseMs }]
  return [{ ...state, generation: ticket, leases }, [{ type: 'admit', ticket }]]
}

function settle(state: BreakerState, input: Settled, ctx: BreakerContext): BreakerStep {
  switch (state.status) {
    case 'closed':
      return input.ticket === state.generation ? settleClosed(state, input, ctx) : [state, NO_EFFECTS]
    case 'half-open': {
      // A lease that ran out still counts until another call has taken its place: it is the latest news there is.
      const isHeld = state.leases.some(({ ticket }) => ticket === input.ticket)
      return isHeld ? settleProbe(state, input, ctx) : [state, NO_EFFECTS]
    }
    case 'open':
    case 'isolated':
      return [state, NO_EFFECTS]
  }
}

function settleClosed(state: Closed, input: Settled, { now, rules }: BreakerContext): BreakerStep {
  if (input.outcome === 'ignored') return [state, NO_EFFECTS]
  const isFailure = input.outcome === 'failure'
  const isSlow = isSlowCall(input, rules)
  const window = record(state.window, isFailure, isSlow, now)
  // A good, quick result never opens it, whatever the rate: it is no news against the service.
  if (isFailure || isSlow) {
    const counts = tally(window, now)
    if (isOverThreshold(counts, rules)) return open(state.generation, 1, counts, { now, rules })
  }
  return [window === state.window ? state : { status: 'closed', generation: state.generation, window }, NO_EFFECTS]
}

function settleProbe(state: HalfOpen, input: Settled, ctx: BreakerContext): BreakerStep {
  const leases = state.leases.filter(({ ticket }) => ticket !== input.ticket)
  if (input.outcome === 'ignored') return [{ ...state, leases }, NO_EFFECTS]
  const isSlow = isSlowCall(input, ctx.rules)
  const isFailure = input.outcome === 'failure'
  if (isFailure || isSlow) {
    const counts = { calls: state.successes + 1, failures: isFailure ? 1 : 0, slow: isSlow ? 1 : 0 }
    return open(state.generation, state.openings + 1, counts, ctx)
  }
  const successes = state.successes + 1
  if (successes < ctx.rules.probeSuccesses) return [{ ...state, leases, successes }, NO_EFFECTS]
  return [{ status: 'closed', generation: state.generation + 1, window: emptyWindow(ctx.rules.window) }, [{ type: 'closed' }]]
}

function open(generation: number, openings: number, counts: Tally, { now, rules }: BreakerContext): BreakerStep {
  const openMs = Math.min(rules.resetTimeoutMax, rules.resetTimeout * 2 ** Math.min(openings - 1, 30))
  return [{ status: 'open', generation: generation + 1, until: now + openMs, openings }, [{ type: 'opened', openMs, tally: counts }]]
}

function isolate(state: BreakerState): BreakerStep {
  const holds = state.status === 'isolated' ? Math.min(state.holds + 1, COUNT_MAX) : 1
  return [{ status: 'isolated', generation: state.generation + 1, holds }, [{ type: 'isolated', holds }]]
}

function release(state: BreakerState, { rules }: BreakerContext): BreakerStep {
  if (state.status !== 'isolated') return [state, NO_EFFECTS]
  const holds = state.holds - 1
  if (holds > 0) return [{ ...state, holds }, [{ type: 'released', holds }]]
  const closed: BreakerState = { status: 'closed', generation: state.generation + 1, window: emptyWindow(rules.window) }
  return [closed, [{ type: 'released', holds }, { type: 'closed' }]]
}

const isSlowCall = (input: Settled, rules: BreakerRules): boolean => rules.slowCallMs !== undefined && input.tookMs > rules.slowCallMs

function isOverThreshold(counts: Tally, rules: BreakerRules): boolean {
  if (counts.calls < rules.volumeThreshold) return false
  const isSlow = rules.slowCallMs !== undefined && counts.slow * 100 >= rules.slowThreshold * counts.calls
  return isSlow || counts.failures * 100 >= rules.errorThreshold * counts.calls
}

/** Fills in the defaults; `settings` itself is neither kept nor changed. */
export function breakerRules(settings: BreakerSettings): BreakerRules {
  return {
    name: settings.name,
    timeout: settings.timeout,
    errorThreshold: settings.errorThreshold,
    resetTimeout: settings.resetTimeout,
    resetTimeoutMax: settings.resetTimeoutMax ?? settings.resetTimeout * 10,
    volumeThreshold: settings.volumeThreshold ?? 10,
    window: { ...(settings.window ?? { type: 'time', ms: 60_000 }) },
    slowCallMs: settings.slowCallMs,
    slowThreshold: settings.slowThreshold ?? 100,
    probes: settings.probes ?? 1,
    probeSuccesses: settings.probeSuccesses ?? 1,
    probeLeaseMs: settings.probeLeaseMs ?? (settings.timeout === undefined ? settings.resetTimeout : settings.timeout * 2),
  }
}

/** Everything that is wrong with the settings, one sentence each. */
export function breakerFaults(settings: BreakerSettings): readonly string[] {
  const rules = breakerRules(settings)
  const { window } = rules
  const name = settings.name.trim() === '' ? ['name must not be empty'] : []
  const volume = window.type === 'count' && rules.volumeThreshold > window.calls ? ['volumeThreshold must fit into the window'] : []
  return [
    ...name,
    ...numberFaults([
      ...(rules.timeout === undefined ? [] : [{ name: 'timeout', value: rules.timeout, min: 1 }]),
      ...(rules.slowCallMs === undefined ? [] : [{ name: 'slowCallMs', value: rules.slowCallMs, min: 0 }]),
      { name: 'errorThreshold', value: rules.errorThreshold, min: 1, max: 100 },
      { name: 'slowThreshold', value: rules.slowThreshold, min: 1, max: 100 },
      { name: 'resetTimeout', value: rules.resetTimeout, min: 1 },
      { name: 'resetTimeoutMax', value: rules.resetTimeoutMax, min: rules.resetTimeout },
      { name: 'volumeThreshold', value: rules.volumeThreshold, min: 1, isWhole: true },
      { name: 'probes', value: rules.probes, min: 1, max: COUNT_MAX, isWhole: true },
      { name: 'probeSuccesses', value: rules.probeSuccesses, min: 1, max: COUNT_MAX, isWhole: true },
      { name: 'probeLeaseMs', value: rules.probeLeaseMs, min: 1 },
      window.type === 'count'
        ? { name: 'window.calls', value: window.calls, min: 1, max: WINDOW_CALLS_MAX, isWhole: true }
        : { name: 'window.ms', value: window.ms, min: 10 },
    ]),
    ...volume,
  ]
}
