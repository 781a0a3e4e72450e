import type { Chance } from './clock.ts'

/** A doubling delay with a cap, both in milliseconds. */
export interface Backoff {
  readonly baseMs: number
  readonly capMs: number
  /** Full jitter (the default): uniform in [0, delay], so that it is still spread at the cap. */
  readonly jitter?: boolean
}

/**
 * Milliseconds to wait after failure number `failures` (from 1).
 *
 * Full jitter after Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
export function backoffMs(backoff: Backoff, failures: number, chance: Chance): number {
  // The exponent is bounded so that a link that has failed for days does not overflow.
  const ceiling = Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, 30))
  return backoff.jitter === false ? ceiling : chance() * ceiling
}
