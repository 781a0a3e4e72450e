/**
 * What a signal to end means. One Ctrl-C reaches a process several times: from the terminal, and from npm and the scripts above
 * it, which each pass it on. So signals that come together are one, and only a later one means "now".
 */

import { ChatServiceError } from '../chat-service-error.ts'

/** What stopping may take beyond the time that running answers are given, in milliseconds; then the process ends as it is. */
export const STOP_LIMIT_MS = 10_000
/** Signals within this time of the first are the same Ctrl-C. */
export const SAME_SIGNAL_MS = 500

export type SignalMeaning = 'stop' | 'same' | 'now'

/** `firstAt` is when stopping began, `undefined` before; both times are monotonic milliseconds. */
export function signalMeaning(firstAt: number | undefined, now: number): SignalMeaning {
  if (firstAt === undefined) return 'stop'
  return now - firstAt < SAME_SIGNAL_MS ? 'same' : 'now'
}

/** Something did not end in the time it has; the process ends without it. Not retryable: it is the end. */
export class StopTooSlowError extends ChatServiceError {
  override name = 'StopTooSlowError'

  constructor(limitMs: number) {
    super(`stopping took longer than ${limitMs} ms`, { code: 'STOP_TOO_SLOW', statusCode: 500, isRetryable: false })
  }
}
