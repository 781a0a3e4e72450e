/**
 * Waiting that ends: after a time, at a ring, or when aborted. It never rejects and leaves no timer and no listener behind.
 */
import type { Clock } from '../resilience/clock.ts'

/** Waits `ms` milliseconds, or until aborted, which the loops see by themselves. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = (): void => resolve()
  const cancel = clock.schedule(ms, wake)
  signal.addEventListener('abort', wake, { once: true })
  await promise
  cancel()
  signal.removeEventListener('abort', wake)
}

/** Waits for `work`, but not longer than `ms` milliseconds. */
export async function within(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.schedule(ms, resolve)
  await Promise.race([work, promise])
  cancel()
}

/** One ring is remembered until somebody waits, however often it rang. */
export interface Bell {
  ring(): void
  /** Resolves when it rings or has rung since the last wait, after `ms` milliseconds, or when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

export function createBell(clock: Clock): Bell {
  let hasRung = false
  let wake: (() => void) | undefined
  return {
    ring() {
      hasRung = true
      wake?.()
    },
    async wait(ms, signal) {
      if (!hasRung) {
        const waiting = new AbortController()
        wake = () => waiting.abort()
        signal.addEventListener('abort', wake, { once: true })
        if (!signal.aborted) await pause(clock, ms, waiting.signal)
        signal.removeEventListener('abort', wake)
        wake = undefined
      }
      hasRung = false
    },
  }
}
