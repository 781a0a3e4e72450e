/**
 * The server's end of one browser's live link: a cursor on the log, and what is said in both directions. Pure.
 *
 * States:
 * - `awaiting-hello` only a hello counts, and it must come in time.
 * - `opening`        whose session it is, and whether there is room, is being found out.
 * - `positioning`    where the browser's view stands on the log: resumed, forked or to be shown anew.
 * - `live`           the log is followed by pull: a bell only says that reading is worth while, and a slow reader is not read for.
 * - `closed`         final.
 *
 * Durable before visible: `accepted` follows the log's own answer, and what is delivered was read from the log.
 */
import { HELLO_TIMEOUT_MS, LINK_SILENCE_MAX_MS, PING_INTERVAL_MS } from '../conversation/limits.ts'
import { lookForSettled, onPaused, onReadLive, ping, pull } from './server-link-delivery.ts'
import { goodbye, NONE, send } from './server-link-effects.ts'
import { isSameStanding, type ServiceStanding } from '../protocol/protocol.ts'
import { onAsked, onFrames } from './server-link-frames.ts'
import { onOpened, onReadToResume, show } from './server-link-position.ts'
import type {
  Delivery,
  FoldResult,
  LinkContext,
  LinkEffect,
  LinkEvent,
  LinkStep,
  Open,
  ReadOutcome,
  ServerLink,
} from './server-link-state.ts'

/** A link whose socket has just opened. */
export const initialServerLink = (now: number): ServerLink => ({
  status: 'awaiting-hello',
  helloBy: now + HELLO_TIMEOUT_MS,
  heardAt: now,
  frames: undefined,
  strikes: 0,
})

/** The link after `event`, and what is to be done about it. Total; the same link when the event means nothing. */
export function step(link: ServerLink, event: LinkEvent, ctx: LinkContext): LinkStep {
  if (link.status === 'closed') return [link, NONE]
  const [next, effects] = react(link, event, ctx)
  return next.status === 'live' ? pull(next, effects, ctx) : [next, effects]
}

/** When the link next needs a `tick`, monotonic. */
export function nextDeadline(link: ServerLink): number | undefined {
  switch (link.status) {
    case 'closed':
      return undefined
    case 'awaiting-hello':
      return link.helloBy
    case 'opening':
    case 'positioning':
      return link.heardAt + LINK_SILENCE_MAX_MS
    case 'live':
      return Math.min(
        link.heardAt + LINK_SILENCE_MAX_MS,
        link.pingAt,
        deliveryDeadline(link.delivery),
        link.unsettled?.lookAt ?? Number.POSITIVE_INFINITY,
      )
  }
}

function deliveryDeadline(delivery: Delivery): number {
  switch (delivery.status) {
    case 'idle':
    case 'reading':
    case 'folding':
      return Number.POSITIVE_INFINITY
    case 'paused':
      return delivery.checkAt
    case 'retrying':
      return delivery.at
  }
}

function react(link: Open, event: LinkEvent, ctx: LinkContext): LinkStep {
  switch (event.type) {
    case 'frames':
      return onFrames({ ...link, heardAt: ctx.now }, event.frames, ctx)
    case 'opened':
      return link.status === 'opening' ? onOpened(link, event.result) : [link, NONE]
    case 'read':
      return onRead(link, event.result, ctx)
    case 'folded':
      return onFolded(link, event.result, ctx)
    case 'asked':
      return link.status === 'live' ? onAsked(link, event.messageId, event.result, ctx) : [link, NONE]
    case 'rung':
      return link.status === 'live' && !link.isDirty ? [{ ...link, isDirty: true }, NONE] : [link, NONE]
    case 'level':
      return onLevel(link, event.standing)
    case 'drain':
      return link.status === 'live'
        ? [link, [send({ type: 'drain', afterMs: event.afterMs, windowMs: event.windowMs, deadlineMs: event.deadlineMs })]]
        : [link, NONE]
    case 'end':
      return goodbye(event.reason, event.afterMs)
    case 'closed':
      return [{ status: 'closed' }, NONE]
    case 'tick':
      return onTick(link, ctx)
  }
}

/** An answer that nobody waits for is none: only the read that was asked for moves the cursor. */
function onRead(link: Open, result: ReadOutcome, ctx: LinkContext): LinkStep {
  if (link.status === 'positioning' && link.how === 'resumed') return onReadToResume(link, result, ctx)
  if (link.status === 'live' && link.delivery.status === 'reading') return onReadLive(link, result, ctx)
  return [link, NONE]
}

function onFolded(link: Open, result: FoldResult, ctx: LinkContext): LinkStep {
  if (link.status === 'positioning' && link.how !== 'resumed') return show(link, result, ctx)
  if (link.status === 'live' && link.delivery.status === 'folding') return show(link, result, ctx)
  return [link, NONE]
}

function onTick(link: Open, ctx: LinkContext): LinkStep {
  if (link.status === 'awaiting-hello') return link.helloBy <= ctx.now ? goodbye('silent') : [link, NONE]
  if (link.heardAt + LINK_SILENCE_MAX_MS <= ctx.now) return goodbye('silent')
  if (link.status !== 'live') return [link, NONE]
  const { delivery } = link
  if (delivery.status === 'paused' && delivery.checkAt <= ctx.now) return onPaused(link, delivery, ctx)
  if (delivery.status === 'retrying' && delivery.at <= ctx.now) {
    const { what, failures } = delivery
    const effect: LinkEffect = what === 'reading' ? { type: 'read', after: link.cursor } : { type: 'fold' }
    return [{ ...link, delivery: { status: what, failures } }, [effect]]
  }
  if (link.unsettled !== undefined && link.unsettled.lookAt <= ctx.now) return lookForSettled(link, link.unsettled, ctx)
  if (link.pingAt > ctx.now) return [link, NONE]
  return ping({ ...link, pingAt: ctx.now + PING_INTERVAL_MS })
}

function onLevel(link: Open, standing: ServiceStanding): LinkStep {
  if (link.status !== 'live' && link.status !== 'positioning') return [link, NONE]
  if (isSameStanding(link.opened.standing, standing)) return [link, NONE]
  const opened = { ...link.opened, standing }
  if (link.status === 'positioning') return [{ ...link, opened }, NONE]
  return [{ ...link, opened }, [send({ type: 'level', ...standing })]]
}
