/**
 * Token buckets: so many in a minute, and so many at once. In bounded space: a bucket that has filled up again is the same as
 * none, and beyond a number of keys the one used longest ago is forgotten.
 */
import type { Clock } from './clock.ts'

/** A bucket as it was left at `at` (monotonic ms). */
export interface Bucket {
  readonly tokens: number
  readonly at: number
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number }

const MINUTE_MS = 60_000

/** What is left after taking one token from a bucket that holds `burst` tokens and refills evenly with `perMinute`; pure. */
export function takeToken(
  bucket: Bucket | undefined,
  perMinute: number,
  now: number,
  burst: number = perMinute,
): { readonly bucket: Bucket; readonly verdict: Verdict } {
  const msPerToken = MINUTE_MS / perMinute
  const tokens = bucket === undefined ? burst : Math.min(burst, bucket.tokens + Math.max(0, now - bucket.at) / msPerToken)
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, at: now }, verdict: { ok: true } }
  return { bucket: { tokens, at: now }, verdict: { ok: false, retryAfterMs: Math.ceil((1 - tokens) * msPerToken) } }
}

/** A bucket for each key. */
export interface TokenBuckets {
  /** Takes one. */
  take(key: string): Verdict
  /** What taking one would say. */
  look(key: string): Verdict
}

export interface TokenBucketsOptions {
  readonly perMinute: number
  /** Keys that are remembered at once. */
  readonly keysMax: number
  readonly clock: Pick<Clock, 'monotonic'>
}

export function createTokenBuckets({ perMinute, keysMax, clock }: TokenBucketsOptions): TokenBuckets {
  // In order of last use, so that the first key is the one used longest ago.
  const buckets = new Map<string, Bucket>()
  return {
    take(key) {
      const now = clock.monotonic()
      const { bucket, verdict } = takeToken(buckets.get(key), perMinute, now)
      buckets.delete(key)
      buckets.set(key, bucket)
      for (const [oldest, { at }] of buckets) {
        if (now - at < MINUTE_MS && buckets.size <= keysMax) break
        buckets.delete(oldest)
      }
      return verdict
    },
    look: (key) => takeToken(buckets.get(key), perMinute, clock.monotonic()).verdict,
  }
}
