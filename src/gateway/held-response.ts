/**
 * A response that goes on for a while, as the event stream and the answer as it is written do: it counts as a live link, and it ends
 * before a proxy would cut it, when the server drains, and when the reader leaves.
 */
import { constants } from 'node:zlib'
import type { Request } from '@hapi/hapi'
import type { SessionId } from '../conversation/ids.ts'
import { DRAIN_STREAM_MIN_MS, EVENT_STREAM_GOODBYE_MS, EVENT_STREAM_MAX_MS } from '../conversation/limits.ts'
import type { Place } from './admission.ts'
import type { GatewayContext } from './gateway-context.ts'

/** For its route: a compressor hands on each piece as it comes instead of gathering them. */
export const AS_IT_COMES = { gzip: { flush: constants.Z_SYNC_FLUSH }, deflate: { flush: constants.Z_SYNC_FLUSH } }

/** A place among the links of the address, the process and the session. */
export function takePlace(context: GatewayContext, request: Request, session: SessionId): Place {
  const { admission } = context
  const ofAddress = admission.openLink(context.addressOf(request))
  if (!ofAddress.ok) return ofAddress
  const ofSession = admission.joinSession(session)
  if (!ofSession.ok) {
    ofAddress.release()
    return ofSession
  }
  return { ok: true, release: () => [ofAddress, ofSession].forEach(({ release }) => release()) }
}

/** Why a response ends that a reader may ask for again at once. */
export const MOVE_ON = 'the response has lasted long enough'

export interface HeldTerms {
  /** Who reads it comes back by itself, so it can be sent to another process before this one stops. */
  readonly isMovable: boolean
  /** Called once the connection is done with the response. */
  readonly onClose: () => void
}

/** Aborts when the response has to end. */
export function untilOver(context: GatewayContext, request: Request, { isMovable, onClose }: HeldTerms): AbortSignal {
  const { clock, drain } = context
  const over = new AbortController()
  const end = (): void => over.abort()
  const moveOn = (): void => over.abort(MOVE_ON)
  const { res } = request.raw
  const cancels = [
    clock.schedule(EVENT_STREAM_MAX_MS, moveOn),
    // A reader that takes nothing does not let the response come to its end.
    clock.schedule(EVENT_STREAM_MAX_MS + EVENT_STREAM_GOODBYE_MS, () => res.destroy()),
  ]
  const move = (): void => void cancels.push(clock.schedule(moveInMs(context), end))
  if (isMovable) cancels.push(drain.onPlan(move))
  // It comes from a reader that was sent away and did not get to anybody else.
  if (isMovable && drain.plan !== undefined) cancels.push(clock.schedule(Math.max(DRAIN_STREAM_MIN_MS, moveInMs(context)), end))
  drain.over.addEventListener('abort', end, { once: true })
  const close = (): void => {
    end()
    for (const cancel of cancels) cancel()
    drain.over.removeEventListener('abort', end)
    onClose()
  }
  if (drain.over.aborted) end()
  // The reader may have left while its session was looked up.
  if (res.destroyed) close()
  else res.once('close', close)
  return over.signal
}

/** Spread, so that the readers do not all come to the others at once. */
const moveInMs = ({ drain, clock, chance }: GatewayContext): number =>
  chance() * Math.max(0, (drain.plan?.windowEndsAt ?? 0) - clock.monotonic())
