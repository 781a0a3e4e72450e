/**
 * How many questions may be with the agent at once. Pure.
 *
 * What has waited through an outage must not meet an agent that has just come back all at once. So after an outage one question
 * goes first; each answer that begins makes room for one more, which doubles what is asked at a time with every round of answers,
 * until as many as ever may run. An answer that does not begin halves it again. An agent that says that it has too much to do is
 * left alone until the time it names, and has half as many to do from then on.
 */
/** Why an agent is known to be away; a notice says so. */
export type AwayReason = 'circuit-breaker-open' | 'agent-unreachable'

/** What is known of the agent. `unknown`: nobody has heard of it yet. `in-doubt`: it may be back, and one question finds out. */
export type AgentPresence = 'unknown' | AwayReason | 'in-doubt' | 'there'

/** Whether one turn's question may be put to the agent. `probe`: it may, to find out. `taken`: not yet, others come first. */
export type AgentRoom = 'free' | 'probe' | 'taken' | AwayReason

/** `open`: as many as ever may run. `climbing`: no more than `width`, from 1. Nothing is asked before `notBefore`, monotonic milliseconds. */
export type Ramp =
  | { readonly status: 'open'; readonly notBefore: number }
  | { readonly status: 'climbing'; readonly width: number; readonly notBefore: number }

export type RampEvent =
  /** The agent is known to be away. */
  | { readonly type: 'away' }
  /** An answer has begun. */
  | { readonly type: 'spoke' }
  /** An answer did not begin, and that was the agent's fault. */
  | { readonly type: 'failed' }
  /** The agent has too much to do; `retryAfterMs` is how long it wants to be left alone, when it says so. */
  | { readonly type: 'busy'; readonly retryAfterMs: number | undefined }

export interface RampTerms {
  /** Monotonic milliseconds. */
  readonly now: number
  /** Questions that may ever be with the agent at once. */
  readonly max: number
}

/** A busy agent that names no time is left alone for so long, and for no longer than the maximum whatever it names. */
const BUSY_MS = 1_000
const BUSY_MS_MAX = 300_000
/** An agent that could not be asked is not asked again sooner. */
const PROBE_GAP_MS = 1_000

/** Nothing is known against the agent. */
export const OPEN_RAMP: Ramp = { status: 'open', notBefore: Number.NEGATIVE_INFINITY }

/** The ramp after `event`; the same one when that changes nothing. */
export function step(ramp: Ramp, event: RampEvent, terms: RampTerms): Ramp {
  switch (event.type) {
    case 'away':
      return ramp.status === 'climbing' && ramp.width === 1 ? ramp : { ...ramp, status: 'climbing', width: 1 }
    case 'spoke':
      return ramp.status === 'open' ? ramp : widened(ramp, terms.max)
    case 'failed':
      return ramp.status === 'open' ? ramp : narrowed(ramp, PROBE_GAP_MS, terms)
    case 'busy':
      return narrowed(ramp, Math.min(event.retryAfterMs ?? BUSY_MS, BUSY_MS_MAX), terms)
  }
}

function widened({ width, notBefore }: Ramp & { readonly status: 'climbing' }, max: number): Ramp {
  return width + 1 >= max ? { status: 'open', notBefore } : { status: 'climbing', width: width + 1, notBefore }
}

function narrowed(ramp: Ramp, leaveMs: number, { now, max }: RampTerms): Ramp {
  const width = ramp.status === 'open' ? max : ramp.width
  // Those that were asked together are turned away together: that is one word of the agent's, not many.
  const isNews = now >= ramp.notBefore
  return {
    status: 'climbing',
    width: isNews ? Math.max(1, Math.floor(width / 2)) : width,
    notBefore: Math.max(ramp.notBefore, now + leaveMs),
  }
}

export interface Occupancy {
  /** Other turns whose questions are with the agent. */
  readonly asked: number
  /** An older question waits in this process. */
  readonly isBehind: boolean
}

/** Whether one more question may be put to the agent. */
export function roomFor(ramp: Ramp, presence: AgentPresence, { asked, isBehind }: Occupancy, now: number): AgentRoom {
  const isFull = isBehind || now < ramp.notBefore || (ramp.status === 'climbing' && asked >= ramp.width)
  switch (presence) {
    case 'circuit-breaker-open':
    case 'agent-unreachable':
      return presence
    case 'unknown':
      return 'taken'
    case 'in-doubt':
      return isFull || asked > 0 ? 'taken' : 'probe'
    case 'there':
      return isFull ? 'taken' : 'free'
  }
}

/** Why the agent is away, `undefined` when it is not known to be. */
export const awayReason = (known: AgentPresence | AgentRoom): AwayReason | undefined =>
  known === 'circuit-breaker-open' || known === 'agent-unreachable' ? known : undefined

export const mayAsk = (room: AgentRoom): boolean => room === 'free' || room === 'probe'
