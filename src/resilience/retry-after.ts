/**
 * What a service says about when to come back.
 */

const SECONDS = /^\d{1,10}$/
/** IMF-fixdate, the one form HTTP senders may use. `Date.parse` alone would make a date of almost anything. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/**
 * Milliseconds that a `Retry-After` header asks for, at the wall-clock time `now`; a date in the past is 0.
 * `undefined` for no header, and for one that is neither seconds nor a date: nobody asked for anything we understand.
 */
export function parseRetryAfter(header: string | null | undefined, now: number): number | undefined {
  const text = header?.trim() ?? ''
  if (SECONDS.test(text)) return Number(text) * 1_000
  if (!HTTP_DATE.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

/** Milliseconds that an error asks to wait, in its `retryAfterMs`; anything but a number from 0 is no wish. */
export function retryAfterOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('retryAfterMs' in error)) return undefined
  const wish = error.retryAfterMs
  return typeof wish === 'number' && Number.isFinite(wish) && wish >= 0 ? wish : undefined
}
