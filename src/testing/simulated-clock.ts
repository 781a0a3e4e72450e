/**
 * Virtual time: a `Clock` that moves only when told to. Timers run in the order of their time, then of their making,
 * so that one script is one history.
 */
import { setImmediate as nextMacrotask } from 'node:timers/promises'
import type { Clock } from '../resilience/clock.ts'

export interface SimulatedClock extends Clock {
  /** Timers that are waiting: 0 when whoever used the clock has cleaned up. */
  readonly waiting: number
  /** Moves time by `ms` milliseconds and runs what falls due on the way. Promises do not settle in between. */
  advanceSync(ms: number): void
  /** The same, with every promise chain that can go on allowed to, before, between and after the timers. */
  advance(ms: number): Promise<void>
  /** Lets every promise chain go on that can without time passing. */
  settle(): Promise<void>
  /** Moves the wall clock only, as an administrator would. */
  jump(ms: number): void
}

export interface SimulatedClockOptions {
  /** Wall clock at the start, in milliseconds since the epoch. */
  readonly epochMs?: number
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

const EPOCH_MS = Date.UTC(2026, 0, 5, 9)

/** A clock that stands still at monotonic 0 until it is advanced. */
export function createSimulatedClock(options: SimulatedClockOptions = {}): SimulatedClock {
  let monotonic = 0
  let wallOffset = options.epochMs ?? EPOCH_MS
  let made = 0
  const timers = new Set<Timer>()

  const firstDue = (limit: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.at > limit) continue
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer
    }
    return first
  }
  const runNext = (limit: number): boolean => {
    const timer = firstDue(limit)
    if (timer === undefined) return false
    timers.delete(timer)
    monotonic = Math.max(monotonic, timer.at)
    timer.run()
    return true
  }
  const schedule = (ms: number, then: () => void): (() => void) => {
    made += 1
    const timer: Timer = { at: monotonic + Math.max(0, ms), order: made, run: then }
    timers.add(timer)
    return () => void timers.delete(timer)
  }

  return {
    now: () => wallOffset + monotonic,
    monotonic: () => monotonic,
    schedule,
    sleep: (ms, signal) => sleepOn(schedule, ms, signal),
    get waiting() {
      return timers.size
    },
    advanceSync(ms) {
      const limit = monotonic + ms
      while (runNext(limit));
      monotonic = limit
    },
    async advance(ms) {
      const limit = monotonic + ms
      do await nextMacrotask()
      while (runNext(limit))
      monotonic = limit
    },
    async settle() {
      await nextMacrotask()
    },
    jump(ms) {
      wallOffset += ms
    },
  }
}

function sleepOn(schedule: Clock['schedule'], ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (signal.aborted) {
    reject(signal.reason)
    return promise
  }
  const onAbort = (): void => {
    cancel()
    reject(signal.reason)
  }
  const cancel = schedule(ms, () => {
    signal.removeEventListener('abort', onAbort)
    resolve()
  })
  signal.addEventListener('abort', onAbort, { once: true })
  return promise
}
