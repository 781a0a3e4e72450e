/**
 * How a page moves from a process that goes away to another one: the new link is opened while the old one goes on, and the old one
 * is ended when the new one is welcome. Pure.
 *
 * Until then everything is said and heard on the old link; what both say is applied once, because entries are applied in their place.
 * A move that fails costs nothing and is tried again. One whose hello no longer says how the page stands is begun anew.
 */
import { CONNECT_TIMEOUT_MS } from '../conversation/limits.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import { PROTOCOL_VERSION, type ServerFrame } from '../protocol/protocol.ts'
import { backoffMs } from '../resilience/backoff.ts'
import { dial, dropMove, hangUp, leaveNow, moveUnderWay, NONE, promoted, sendOn } from './client-link-socket.ts'
import type { ClientContext, ClientLink, ClientStep, Move, OpenLink } from './client-link-state.ts'
import { cursorOf } from './log-view.ts'

/** The server asks the page to move. */
export function onAskedToMove(
  client: ClientLink,
  link: OpenLink,
  { afterMs, windowMs, deadlineMs }: Extract<ServerFrame, { type: 'drain' }>,
  ctx: ClientContext,
): ClientStep {
  const mayStay = deadlineMs > 0
  if (moveUnderWay(link) !== undefined) return mayStay ? [client, NONE] : change(client, link)
  const move: Move = { status: 'due', at: ctx.now + afterMs + ctx.chance() * windowMs, failures: 0, mayStay }
  return [{ ...client, link: { ...link, move } }, NONE]
}

/** When something is due about the move, monotonic ms. */
export const moveDeadline = ({ move }: OpenLink): number | undefined => (move?.status === 'due' ? move.at : move?.by)

export function onMoveDue(client: ClientLink, link: OpenLink, move: Move, ctx: ClientContext): ClientStep {
  if (move.status !== 'due') return onMoveFailed(client, link, ctx)
  if (!move.mayStay) return leaveNow(client, ctx)
  const [dialling, socket, effects] = dial(client)
  const connecting: Move = { status: 'connecting', failures: move.failures, socket, by: ctx.now + CONNECT_TIMEOUT_MS }
  return [{ ...dialling, link: { ...link, move: connecting } }, effects]
}

/** The new link's socket is open. */
export function onMoveOpened(client: ClientLink, link: OpenLink, socket: number, ctx: ClientContext): ClientStep {
  const { move } = link
  if (move?.status !== 'connecting' || move.socket !== socket) return [client, NONE]
  const { session, device, view } = client
  const resume = cursorOf(view)
  const greeting: Move = { ...move, status: 'greeting', by: ctx.now + CONNECT_TIMEOUT_MS, from: resume?.seq ?? 0 }
  const moving = { ...client, link: { ...link, move: greeting } }
  return [moving, [sendOn(move, { type: 'hello', v: PROTOCOL_VERSION, session, device, resume })]]
}

/** Nobody there, no room, no welcome, or nonsense: the old link goes on, and the move is tried again after a while. */
export function onMoveFailed(client: ClientLink, link: OpenLink, ctx: ClientContext, afterMs = 0): ClientStep {
  const failures = (link.move?.failures ?? 0) + 1
  const at = ctx.now + afterMs + backoffMs(client.reconnect, failures, ctx.chance)
  return [{ ...client, link: { ...link, move: { status: 'due', at, failures, mayStay: true } } }, dropMove(client)]
}

/** What the page knows of the log has been replaced: a hello that was said before is of no use any more. */
export function moveAnew(link: OpenLink, ctx: ClientContext): Move | undefined {
  const { move } = link
  return move?.status === 'greeting' ? { status: 'due', at: ctx.now, failures: move.failures, mayStay: true } : move
}

/**
 * What the new link says before it is the page's link. At its welcome it becomes that: `rest` is then to be heard on it.
 * `undefined`: the frames have been dealt with.
 */
export interface MoveHeard {
  readonly step: ClientStep
  readonly rest: readonly Parsed<ServerFrame>[] | undefined
}

export function onMoveFrames(client: ClientLink, link: OpenLink, frames: readonly Parsed<ServerFrame>[], ctx: ClientContext): MoveHeard {
  const [first] = frames
  const { move } = link
  if (first === undefined || move?.status !== 'greeting') return { step: [client, NONE], rest: undefined }
  if (first.ok && first.frame.type === 'welcome') return { step: change(client, link), rest: frames }
  if (first.ok && first.frame.type === 'bye') {
    const { afterMs } = first.frame
    return { step: onMoveFailed(client, link, ctx, afterMs), rest: undefined }
  }
  // Before the welcome nothing else means anything, and nonsense means that this server is not understood.
  return { step: first.ok ? [client, NONE] : onMoveFailed(client, link, ctx), rest: undefined }
}

/** The new link takes the place of the old one, which has no time left or is not needed any more. */
function change(client: ClientLink, link: OpenLink): ClientStep {
  return [promoted(client, link) ?? client, hangUp(client)]
}
