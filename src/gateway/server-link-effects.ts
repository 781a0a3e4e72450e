/** What the parts of the server link have in common: saying something, and saying goodbye. Pure. */
import { CLOSE_CODES, mayReconnect, type CloseReason } from '../protocol/close-codes.ts'
import type { ServerFrame } from '../protocol/protocol.ts'
import type { LinkEffect, LinkStep } from './server-link-state.ts'

export const NONE: readonly LinkEffect[] = []
/** What a browser is told to wait when the trouble may be over soon. */
export const TRY_LATER_MS = 1_000
/** … and when it will last a little. */
export const OVERLOAD_RETRY_MS = 5_000

/** … and when a person has to do something first. */
export const SWITCHED_OFF_RETRY_MS = 30_000

export const send = (...frames: readonly ServerFrame[]): LinkEffect => ({ type: 'send', frames })

/** Ends the link; the code says whether the browser comes back, `afterMs` how long it waits at least. */
export function goodbye(reason: CloseReason, afterMs = 0): LinkStep {
  const code = CLOSE_CODES[reason]
  const retry = mayReconnect(code) ? 'resume' : 'never'
  return [{ status: 'closed' }, [send({ type: 'bye', code, retry, afterMs }), { type: 'close', code }]]
}
