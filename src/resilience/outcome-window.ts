/**
 * What a breaker remembers of recent calls. Immutable: recording gives a new window and shares what did not change.
 *
 * A count window holds exactly the last `calls` results; the oldest leaves when the next comes. A time window holds
 * the results of the last `ms` milliseconds in ten slices; a slice leaves as a whole as soon as its oldest possible
 * result is too old, so nothing older than `ms` ever counts and nothing younger than nine tenths of it is forgotten.
 * The cost of recording depends on the window's settings, never on how many calls it has seen.
 */
export type WindowSettings = { readonly type: 'count'; readonly calls: number } | { readonly type: 'time'; readonly ms: number }

/** How many results are in the window, how many of them failed, how many were slow. A result can be both. */
export interface Tally {
  readonly calls: number
  readonly failures: number
  readonly slow: number
}

interface Slice extends Tally {
  readonly startedAt: number
}

export type OutcomeWindow =
  | (Tally & {
      readonly type: 'count'
      readonly size: number
      /** Where the next result goes: the place of the oldest once the window is full. */
      readonly next: number
      /** A bit for each place, in words of 32. */
      readonly failedBits: readonly number[]
      readonly slowBits: readonly number[]
    })
  | { readonly type: 'time'; readonly ms: number; readonly past: readonly Slice[]; readonly current: Slice }

const SLICES = 10
const NOTHING: Slice = { startedAt: Number.NEGATIVE_INFINITY, calls: 0, failures: 0, slow: 0 }

export function emptyWindow(settings: WindowSettings): OutcomeWindow {
  if (settings.type === 'time') return { type: 'time', ms: settings.ms, past: [], current: NOTHING }
  const words = Array.from({ length: Math.ceil(settings.calls / 32) }, () => 0)
  return { type: 'count', size: settings.calls, calls: 0, failures: 0, slow: 0, next: 0, failedBits: words, slowBits: words }
}

/** The window after one more result at the monotonic time `now`; the same one when the result changes nothing in it. */
export function record(window: OutcomeWindow, isFailure: boolean, isSlow: boolean, now: number): OutcomeWindow {
  return window.type === 'time' ? recordInTime(window, isFailure, isSlow, now) : recordInCount(window, isFailure, isSlow)
}

/** What counts at the monotonic time `now`. */
export function tally(window: OutcomeWindow, now: number): Tally {
  if (window.type === 'count') return window
  let calls = 0
  let failures = 0
  let slow = 0
  for (const slice of [...window.past, window.current]) {
    if (slice.startedAt + window.ms <= now) continue
    calls += slice.calls
    failures += slice.failures
    slow += slice.slow
  }
  return { calls, failures, slow }
}

function recordInTime(window: OutcomeWindow & { type: 'time' }, isFailure: boolean, isSlow: boolean, now: number): OutcomeWindow {
  const { ms, past, current } = window
  if (now < current.startedAt + ms / SLICES) return { type: 'time', ms, past, current: plus(current, isFailure, isSlow) }
  const kept = [...past, current].filter((slice) => slice.startedAt + ms > now)
  return { type: 'time', ms, past: kept, current: plus({ ...NOTHING, startedAt: now }, isFailure, isSlow) }
}

function plus(slice: Slice, isFailure: boolean, isSlow: boolean): Slice {
  return {
    startedAt: slice.startedAt,
    calls: slice.calls + 1,
    failures: slice.failures + (isFailure ? 1 : 0),
    slow: slice.slow + (isSlow ? 1 : 0),
  }
}

function recordInCount(window: OutcomeWindow & { type: 'count' }, isFailure: boolean, isSlow: boolean): OutcomeWindow {
  const { size, calls, failures, slow, next, failedBits, slowBits } = window
  // A healthy service costs nothing: one more success among nothing but successes is the same window.
  if (!isFailure && !isSlow && calls === size && failures === 0 && slow === 0) return window
  const wasFailure = bitAt(failedBits, next)
  const wasSlow = bitAt(slowBits, next)
  return {
    type: 'count',
    size,
    calls: Math.min(calls + 1, size),
    failures: failures + (isFailure ? 1 : 0) - (wasFailure ? 1 : 0),
    slow: slow + (isSlow ? 1 : 0) - (wasSlow ? 1 : 0),
    next: next + 1 === size ? 0 : next + 1,
    failedBits: wasFailure === isFailure ? failedBits : flipBit(failedBits, next),
    slowBits: wasSlow === isSlow ? slowBits : flipBit(slowBits, next),
  }
}

function bitAt(words: readonly number[], place: number): boolean {
  return (((words[place >> 5] ?? 0) >>> (place & 31)) & 1) === 1
}

function flipBit(words: readonly number[], place: number): readonly number[] {
  return words.with(place >> 5, (words[place >> 5] ?? 0) ^ (1 << (place & 31)))
}
