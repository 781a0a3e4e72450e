/**
 * The browser's end of the live link: what to send, what to show, when to come back. Pure.
 *
 * States of the link:
 * - `waiting`    between tries, for a fully jittered delay that doubles to a cap and never gives up for good.
 * - `connecting` a socket was dialled and has not opened.
 * - `greeting`   hello was sent; the welcome decides whether the view is resumed or replaced.
 * - `open`       entries are applied, questions sent, heartbeats answered.
 * - `closed`     final: the server said never to come back. The text stays, and the page's form still works.
 *
 * Whatever an older socket says is ignored. Entries are applied in their place or not at all: over a hole or on another
 * log the page resumes from its cursor and lets the server decide. What was sent and not answered is unknown, and the answer
 * to unknown is to send it again under the same id.
 */
import type { DeviceId, MessageId, SessionId } from '../conversation/ids.ts'
import {
  CONNECT_TIMEOUT_MS,
  LINK_SILENCE_MAX_MS,
  RECONNECT_BASE_MS,
  RECONNECT_CAP_MS,
  UNSETTLED_QUESTIONS_MAX,
  OPEN_TURNS_MAX,
} from '../conversation/limits.ts'
import { PROTOCOL_VERSION, type ClientFrame } from '../protocol/protocol.ts'
import { onFrames } from './client-link-frames.ts'
import { connect, fetchAnew, giveUp, hangUp, lose, NONE, sendOn } from './client-link-socket.ts'
import type { ClientContext, ClientEffect, ClientEvent, ClientLink, ClientStep, LinkStatus, OpenLink } from './client-link-state.ts'
import { cursorOf, EMPTY_VIEW } from './log-view.ts'
import { due, newQuestion, overdue, questionsDeadline, unsend } from './outgoing-questions.ts'

/** A woken page hears from a living link within this time. */
const PROBE_MS = 3_000
/** … and is asked no more often than this. */
const PROBE_AGAIN_MS = 5_000
/** Sends without an answer before the link itself is doubted. */
const SEND_TRIES_MAX = 2

/** A page that was just loaded; `start` begins. */
export const initialLink = (session: SessionId, device: DeviceId): ClientLink => ({
  session,
  device,
  link: { status: 'waiting', failures: 0, retryAt: 0 },
  sockets: 0,
  isDeviceOnline: true,
  view: EMPTY_VIEW,
  questions: [],
  stops: [],
  lastNumber: 0,
  durability: undefined,
  settled: 0,
  level: 'full',
  forks: 0,
  isForked: false,
  mismatches: 0,
  reconnect: { baseMs: RECONNECT_BASE_MS, capMs: RECONNECT_CAP_MS },
})

/** Whether the page can take one more question; beyond, the person is told and nothing is accepted. */
export const canAsk = (client: ClientLink): boolean => client.questions.length < UNSETTLED_QUESTIONS_MAX

/** The client after `event`, and what is to be done about it. Total; the same client when the event means nothing. */
export function step(client: ClientLink, event: ClientEvent, ctx: ClientContext): ClientStep {
  const [next, effects] = react(client, event, ctx)
  return next === client ? [client, effects] : pump(next, effects, ctx)
}

/** When the client next needs a `tick`, monotonic. */
export function nextDeadline(client: ClientLink): number | undefined {
  const { link } = client
  switch (link.status) {
    case 'waiting':
      return link.retryAt
    case 'connecting':
    case 'greeting':
      return link.by
    case 'open': {
      const questionsAt = link.snapshotDue === undefined ? questionsDeadline(client.questions, link.window) : link.snapshotDue.by
      const times = [link.heardAt + LINK_SILENCE_MAX_MS, link.probeBy, link.moveAt, questionsAt]
      return Math.min(...times.filter((time) => time !== undefined))
    }
    case 'closed':
      return undefined
  }
}

function react(client: ClientLink, event: ClientEvent, ctx: ClientContext): ClientStep {
  switch (event.type) {
    case 'start':
      return client.sockets === 0 ? connect(client, 0, ctx) : [client, NONE]
    case 'ask':
      return onAsk(client, event, ctx)
    case 'stop':
      if (client.link.status === 'closed' || client.stops.some(({ turnId }) => turnId === event.turnId)) return [client, NONE]
      return [{ ...client, stops: [...client.stops, { turnId: event.turnId, saidOn: undefined }].slice(-OPEN_TURNS_MAX) }, NONE]
    case 'dismiss':
      return onDismiss(client, event.messageId)
    case 'opened':
      return onOpened(client, event.socket, ctx)
    case 'frames':
      return isCurrent(client, event.socket) ? onFrames(client, event.frames, ctx) : [client, NONE]
    case 'closed':
      return isCurrent(client, event.socket) ? lose(client, event.code, ctx) : [client, NONE]
    case 'online':
      return wake(client.isDeviceOnline ? client : { ...client, isDeviceOnline: true }, ctx)
    case 'offline':
      return client.isDeviceOnline ? [{ ...client, isDeviceOnline: false }, NONE] : [client, NONE]
    case 'woke':
      return wake(client, ctx)
    case 'verified':
      return event.matches ? [client, NONE] : fetchAnew({ ...client, mismatches: client.mismatches + 1 }, ctx)
    case 'tick':
      return onTick(client, ctx)
  }
}

const isCurrent = ({ link }: ClientLink, socket: number): boolean =>
  link.status !== 'waiting' && link.status !== 'closed' && link.socket === socket

function onOpened(client: ClientLink, socket: number, ctx: ClientContext): ClientStep {
  const { link, session, device, view } = client
  if (link.status !== 'connecting' || link.socket !== socket) return [client, NONE]
  const greeting: LinkStatus = { status: 'greeting', failures: link.failures, socket, by: ctx.now + CONNECT_TIMEOUT_MS }
  return [{ ...client, link: greeting }, [sendOn(link, { type: 'hello', v: PROTOCOL_VERSION, session, device, resume: cursorOf(view) })]]
}

function wake(client: ClientLink, ctx: ClientContext): ClientStep {
  const { link } = client
  switch (link.status) {
    case 'waiting':
      return connect(client, link.failures, ctx)
    case 'open':
      if (link.probeBy !== undefined || ctx.now < link.probeAgainAt) return [client, NONE]
      return [
        { ...client, link: { ...link, probeBy: ctx.now + PROBE_MS, probeAgainAt: ctx.now + PROBE_AGAIN_MS } },
        [sendOn(link, { type: 'probe' })],
      ]
    case 'connecting':
    case 'greeting':
    case 'closed':
      return [client, NONE]
  }
}

function onTick(client: ClientLink, ctx: ClientContext): ClientStep {
  const { link } = client
  switch (link.status) {
    case 'waiting':
      return link.retryAt <= ctx.now ? connect(client, link.failures, ctx) : [client, NONE]
    case 'connecting':
    case 'greeting':
      return link.by <= ctx.now ? giveUp(client, ctx) : [client, NONE]
    case 'open':
      return onOpenTick(client, link, ctx)
    case 'closed':
      return [client, NONE]
  }
}

function onOpenTick(client: ClientLink, link: OpenLink, ctx: ClientContext): ClientStep {
  const isOver = (by: number | undefined): boolean => by !== undefined && by <= ctx.now
  if (isOver(link.heardAt + LINK_SILENCE_MAX_MS) || isOver(link.probeBy) || isOver(link.snapshotDue?.by)) return giveUp(client, ctx)
  if (link.moveAt !== undefined && link.moveAt <= ctx.now) {
    const [connecting, effects] = connect({ ...client, questions: unsend(client.questions) }, 0, ctx)
    return [connecting, [...hangUp(client), ...effects]]
  }
  const { questions, frames, tries } = overdue(client.questions, ctx.now)
  if (tries > SEND_TRIES_MAX) return giveUp(client, ctx)
  if (frames.length > 0) return [{ ...client, questions }, [sendOn(link, ...frames)]]
  // A question whose time to be sent again has come goes out with the step itself.
  return isOver(questionsDeadline(client.questions, link.window)) ? [{ ...client }, NONE] : [client, NONE]
}

function onAsk(client: ClientLink, event: Extract<ClientEvent, { type: 'ask' }>, ctx: ClientContext): ClientStep {
  const { messageId, text, inReplyTo } = event
  if (!canAsk(client) || client.questions.some((question) => question.messageId === messageId)) return [client, NONE]
  const number = client.lastNumber + 1
  const questions = [...client.questions, newQuestion({ messageId, number, text, inReplyTo, askedAt: ctx.now })]
  return [{ ...client, questions, lastNumber: number }, NONE]
}

function onDismiss(client: ClientLink, messageId: MessageId): ClientStep {
  const questions = client.questions.filter((question) => question.messageId !== messageId || question.state.status !== 'refused')
  return questions.length === client.questions.length ? [client, NONE] : [{ ...client, questions }, NONE]
}

/** Sends what may be sent now. */
function pump(client: ClientLink, effects: readonly ClientEffect[], ctx: ClientContext): ClientStep {
  const { link } = client
  if (link.status !== 'open' || link.snapshotDue !== undefined) return [client, effects]
  const { questions, frames } = due(client.questions, ctx.now, link.window)
  // What was said on a link that has died may not have been heard; stopping twice is stopping once.
  const unheard = client.stops.filter(({ saidOn }) => saidOn !== link.socket)
  if (frames.length + unheard.length === 0) return [client, effects]
  const stops = unheard.length === 0 ? client.stops : client.stops.map(({ turnId }) => ({ turnId, saidOn: link.socket }))
  const said: readonly ClientFrame[] = [...unheard.map(({ turnId }) => ({ type: 'stop', turnId }) as const), ...frames]
  return [{ ...client, questions, stops }, [...effects, sendOn(link, ...said)]]
}
