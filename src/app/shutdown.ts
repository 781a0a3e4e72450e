/**
 * What a signal to end means, and how the process ends for it.
 *
 * One Ctrl-C reaches a process several times: from the terminal, and from npm and the scripts above it, which each pass it on. So
 * signals that come together are one, and only a later one means "now".
 */
import { ChatServiceError } from '../chat-service-error.ts'
import type { Clock } from '../resilience/clock.ts'

/**
 * What stopping may take beyond `DRAIN_MS`, in milliseconds; then the process ends as it is. A test adds up what has a bound in it:
 * answers given back, goodbyes, the last requests; the rest is for the store.
 */
export const STOP_LIMIT_MS = 15_000
/** Signals within this time of the first are the same Ctrl-C. */
export const SAME_SIGNAL_MS = 500

export type SignalMeaning = 'stop' | 'same' | 'now'

/** `firstAt` is when stopping began, `undefined` before; both times are monotonic milliseconds. */
export function signalMeaning(firstAt: number | undefined, now: number): SignalMeaning {
  if (firstAt === undefined) return 'stop'
  return now - firstAt < SAME_SIGNAL_MS ? 'same' : 'now'
}

/** Something did not end in the time it has; the process ends without it. Not retryable: it is the end. */
class StopTooSlowError extends ChatServiceError {
  override name = 'StopTooSlowError'

  constructor(limitMs: number) {
    super(`stopping took longer than ${limitMs} ms`, { code: 'STOP_TOO_SLOW', statusCode: 500, isRetryable: false })
  }
}

export interface ShutdownPorts {
  readonly clock: Pick<Clock, 'monotonic' | 'schedule'>
  /** What runs, once it runs. */
  readonly running: () => { readonly service: { stop(): Promise<void> }; readonly drainMs: number } | undefined
  /** Ends the process. */
  readonly exit: (code: 0 | 1) => void
  /** Says why, and ends the process with code 1. */
  readonly crash: (cause: unknown) => void
}

/** What to do at each signal to end. */
export function createShutdown({ clock, running, exit, crash }: ShutdownPorts): () => void {
  let firstAt: number | undefined
  const stop = async (): Promise<void> => {
    const now = running()
    // While it still starts there is nothing to wait for: what was stored is safe however the process ends.
    if (now === undefined) return exit(0)
    const limitMs = now.drainMs + STOP_LIMIT_MS
    const callOff = clock.schedule(limitMs, () => crash(new StopTooSlowError(limitMs)))
    await now.service.stop()
    callOff()
    return exit(0)
  }
  return () => {
    const now = clock.monotonic()
    const meaning = signalMeaning(firstAt, now)
    if (meaning === 'now') exit(1)
    if (meaning !== 'stop') return
    firstAt = now
    stop().catch(crash)
  }
}
