/**
 * Time and chance as parameters. The real ones are made in `app/ports.ts` and `browser/window-clock.ts`;
 * tests and the simulation bring their own.
 */
export interface Clock {
  /** Wall-clock milliseconds since the epoch: for `at` and people. May jump. */
  now(): number
  /** Milliseconds that never go back: for delays, leases within a process, and measuring. */
  monotonic(): number
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts, leaving no timer behind. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Calls `then` once after `ms` milliseconds unless the returned function is called first. Calling that twice is harmless. */
  schedule(ms: number, then: () => void): () => void
}

/** A number in [0, 1), uniform. */
export type Chance = () => number
