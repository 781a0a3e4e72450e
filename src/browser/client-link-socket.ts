/**
 * The socket as the client link sees it: dialled, lost, given up. Pure.
 */
import { isOpen } from '../conversation/conversation.ts'
import { CONNECT_TIMEOUT_MS, LINK_STABLE_MS } from '../conversation/limits.ts'
import { CLOSE_CODES, mayReconnect } from '../protocol/close-codes.ts'
import { backoffMs } from '../resilience/backoff.ts'
import type { ClientContext, ClientEffect, ClientLink, ClientStep, LinkStatus, Move, Rung } from './client-link-state.ts'
import { renumber, unsend } from './outgoing-questions.ts'

export const NONE: readonly ClientEffect[] = []

/** A trial that takes longer is given up: a page shows nothing of an absence of two seconds. */
const TRIAL_MS = 750
/** A socket that did not work is tried again after so long, where one has worked before and where none has. */
const TRIAL_AGAIN_MS = { proven: 60_000, unproven: 10 * 60_000 }
/** Where sockets have worked it is rather the server that is away: one try in so many, the first among them, goes on by events. */
const PROVEN_TRIES = 3

/** Says something over this very socket. */
export const sendOn = (
  { socket }: { readonly socket: number },
  ...frames: Extract<ClientEffect, { type: 'send' }>['frames']
): ClientEffect => ({
  type: 'send',
  socket,
  frames,
})

/** Dials another socket, whatever it is for. */
export function dial(client: ClientLink): readonly [ClientLink, socket: number, readonly ClientEffect[]] {
  const socket = client.sockets + 1
  return [{ ...client, sockets: socket }, socket, [{ type: 'connect', socket, rung: client.rung }]]
}

/** Dials the page's next link. */
export function connect(client: ClientLink, failures: number, ctx: ClientContext): ClientStep {
  const [dialling, socket, effects] = dial(client)
  return [{ ...dialling, link: { status: 'connecting', failures, socket, by: ctx.now + patience(client) } }, effects]
}

/** How long each step of connecting may take. */
export const patience = ({ isTrial }: ClientLink): number => (isTrial ? TRIAL_MS : CONNECT_TIMEOUT_MS)

/** Moves to another link from one that is over: a stream that has lasted long enough, or a server that leaves no time. */
export function leaveNow(client: ClientLink, ctx: ClientContext): ClientStep {
  // On the way up only while nobody waits for anything.
  const isIdle = client.questions.length === 0 && !client.view.conversation.items.some((item) => item.kind === 'question' && isOpen(item))
  const isTrial = client.home === 'events' && ctx.now >= client.trialAt && isIdle
  const moving: ClientLink = { ...client, questions: unsend(client.questions), isTrial, rung: isTrial ? 'socket' : client.home }
  const [connecting, effects] = connect(moving, 0, ctx)
  return [connecting, [...hangUp(client), ...effects]]
}

/** Whether a link that was never open is followed by one the other way, as part of the same try. */
function hasOtherWay({ link, rung, home, isTrial, isSocketProven }: ClientLink): boolean {
  if (link.status !== 'connecting' && link.status !== 'greeting') return false
  if (isTrial) return true
  return rung === home && (home === 'events' || !isSocketProven || link.failures % PROVEN_TRIES === 1)
}

type MoveUnderWay = Exclude<Move, { status: 'due' }>

/** The socket that is to take the link's place, once it was dialled. */
export const moveUnderWay = (link: LinkStatus): MoveUnderWay | undefined =>
  link.status === 'open' && link.move !== undefined && link.move.status !== 'due' ? link.move : undefined

/** The page with the link that it was moving to; `undefined` while there is none. */
export function promoted(client: ClientLink, link: LinkStatus): ClientLink | undefined {
  const move = moveUnderWay(link)
  return move && { ...client, questions: unsend(client.questions), link: { ...move, failures: 0 } }
}

/** Closes the socket of a move, when there is one. */
export function dropMove({ link }: ClientLink): readonly ClientEffect[] {
  const move = moveUnderWay(link)
  return move === undefined ? NONE : [{ type: 'close', socket: move.socket, code: CLOSE_CODES.normal }]
}

const otherWay: Readonly<Record<Rung, Rung>> = { socket: 'events', events: 'socket' }

/** A try by socket that failed is not repeated only to see whether it works by now. */
function trialAfter({ link, rung, isSocketProven, trialAt }: ClientLink, now: number): number {
  if (rung === 'events' || link.status === 'open') return trialAt
  return now + (isSocketProven ? TRIAL_AGAIN_MS.proven : TRIAL_AGAIN_MS.unproven)
}

/** The link is gone: go on with the one that it moves to, or the other way, or come back after a while, unless `code` says never. */
export function lose(client: ClientLink, code: number, ctx: ClientContext, afterMs = 0): ClientStep {
  const questions = unsend(client.questions)
  if (!mayReconnect(code)) return [{ ...client, questions, link: { status: 'closed', code } }, dropMove(client)]
  const moved = promoted(client, client.link)
  if (moved !== undefined) return [moved, NONE]
  const lost: ClientLink = { ...client, trialAt: trialAfter(client, ctx.now) }
  if (afterMs > 0 || !hasOtherWay(client)) return comeBack(lost, ctx, afterMs)
  return connect({ ...lost, questions, isTrial: false, rung: otherWay[client.rung] }, failuresOf(client.link, ctx.now), ctx)
}

/** Tries again after a while. What was on its way is unknown. */
function comeBack(client: ClientLink, ctx: ClientContext, afterMs: number): ClientStep {
  const failures = failuresOf(client.link, ctx.now) + 1
  const retryAt = ctx.now + afterMs + backoffMs(client.reconnect, failures, ctx.chance)
  const link: LinkStatus = { status: 'waiting', failures, retryAt }
  return [{ ...client, questions: unsend(client.questions), isTrial: false, rung: client.home, link }, NONE]
}

/** A link that held for a while starts the backoff over. */
const failuresOf = (link: LinkStatus, now: number): number => {
  if (link.status === 'closed') return 0
  return link.status === 'open' && now - link.since >= LINK_STABLE_MS ? 0 : link.failures
}

/** Gives the link up, whatever it is worth, and a move with it, and comes back after a while. */
export function giveUp(client: ClientLink, ctx: ClientContext, afterMs = 0): ClientStep {
  const [waiting, effects] = comeBack(client, ctx, afterMs)
  return [waiting, [...hangUp(client), ...dropMove(client), ...effects]]
}

/** Gives up a socket that does not work. */
export function fail(client: ClientLink, ctx: ClientContext): ClientStep {
  const [lost, effects] = lose(client, CLOSE_CODES.silent, ctx)
  return [lost, [...hangUp(client), ...effects]]
}

/** Whether the server said that the conversation is no more. */
export const isGone = (link: LinkStatus): boolean =>
  link.status === 'closed' && (link.code === CLOSE_CODES.sessionGone || link.code === CLOSE_CODES.sessionExpired)

/** Closes the socket, when there is one. */
export const hangUp = ({ link }: ClientLink): readonly ClientEffect[] =>
  link.status === 'waiting' || link.status === 'closed' ? NONE : [{ type: 'close', socket: link.socket, code: CLOSE_CODES.normal }]

/** Goes on as a device that was never used. One device counts for a whole link, so a link that was greeted as another ends. */
export function renew(client: ClientLink, ctx: ClientContext): ClientStep {
  const renewed = { ...client, device: ctx.mintDevice(), ...renumber(client.questions) }
  return client.link.status === 'greeting' || client.link.status === 'open' ? giveUp(renewed, ctx) : [renewed, NONE]
}

/** The view cannot be trusted: the next welcome brings a snapshot. */
export function fetchAnew(client: ClientLink, ctx: ClientContext): ClientStep {
  const distrusting: ClientLink = { ...client, view: { ...client.view, logId: undefined } }
  // Without a link there is nothing to give up, and one that must not come back does not.
  return client.link.status === 'waiting' || client.link.status === 'closed' ? [distrusting, NONE] : giveUp(distrusting, ctx)
}
