/**
 * The socket as the client link sees it: dialled, lost, given up. Pure.
 */
import { CONNECT_TIMEOUT_MS, LINK_STABLE_MS } from '../conversation/limits.ts'
import { CLOSE_CODES, mayReconnect } from '../protocol/close-codes.ts'
import { backoffMs } from '../resilience/backoff.ts'
import type { ClientContext, ClientEffect, ClientLink, ClientStep, LinkStatus } from './client-link-state.ts'
import { renumber, unsend } from './outgoing-questions.ts'

export const NONE: readonly ClientEffect[] = []

/** Says something over this very socket. */
export const sendOn = (
  { socket }: { readonly socket: number },
  ...frames: Extract<ClientEffect, { type: 'send' }>['frames']
): ClientEffect => ({
  type: 'send',
  socket,
  frames,
})

/** Dials another socket. */
export function connect(client: ClientLink, failures: number, ctx: ClientContext): ClientStep {
  const socket = client.sockets + 1
  const link: LinkStatus = { status: 'connecting', failures, socket, by: ctx.now + CONNECT_TIMEOUT_MS }
  return [{ ...client, sockets: socket, link }, [{ type: 'connect', socket }]]
}

/** The link is gone: come back after a while, unless `code` says never. What was on its way is unknown. */
export function lose(client: ClientLink, code: number, ctx: ClientContext, afterMs = 0): ClientStep {
  const questions = unsend(client.questions)
  if (!mayReconnect(code)) return [{ ...client, questions, link: { status: 'closed', code } }, NONE]
  const failures = failuresOf(client.link, ctx.now) + 1
  const retryAt = ctx.now + afterMs + backoffMs(client.reconnect, failures, ctx.chance)
  return [{ ...client, questions, link: { status: 'waiting', failures, retryAt } }, NONE]
}

/** A link that held for a while starts the backoff over. */
const failuresOf = (link: LinkStatus, now: number): number => {
  if (link.status === 'closed') return 0
  return link.status === 'open' && now - link.since >= LINK_STABLE_MS ? 0 : link.failures
}

/** Gives the socket up and comes back after a while. */
export function giveUp(client: ClientLink, ctx: ClientContext, afterMs = 0): ClientStep {
  const [lost, effects] = lose(client, CLOSE_CODES.silent, ctx, afterMs)
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
