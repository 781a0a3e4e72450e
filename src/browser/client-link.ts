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
  LINK_SILENCE_MAX_MS,
  RECONNECT_BASE_MS,
  RECONNECT_CAP_MS,
  UNSETTLED_QUESTIONS_MAX,
  OPEN_TURNS_MAX,
} from '../conversation/limits.ts'
import { ALL_WORKS, PROTOCOL_VERSION, type ClientFrame } from '../protocol/protocol.ts'
import { onFrames } from './client-link-frames.ts'
import {
  askStore,
  keep,
  look,
  onImpatience,
  onStored,
  onUnstored,
  OPENING,
  patienceEndsAt,
  placeBehind,
  refuseAll,
  release,
  sendingTimes,
  sendTerms,
  take,
} from './client-link-outbox.ts'
import { moveDeadline, onMoveDue, onMoveFailed, onMoveFrames, onMoveOpened } from './client-link-move.ts'
import {
  connect,
  dropMove,
  fail,
  fetchAnew,
  giveUp,
  hangUp,
  isGone,
  lose,
  moveUnderWay,
  NONE,
  patience,
  sendOn,
} from './client-link-socket.ts'
import type { ClientContext, ClientEvent, ClientLink, ClientStep, LinkStatus, OpenLink, Rendered } from './client-link-state.ts'
import { cursorOf, EMPTY_VIEW } from './log-view.ts'
import { due, KEPT, overdue, unsend, type OutgoingQuestion } from './outgoing-questions.ts'

/** A woken page hears from a living link within this time. */
const PROBE_MS = 3_000
/** … and is asked no more often than this. */
const PROBE_AGAIN_MS = 5_000
/** Sends without an answer before the link itself is doubted. */
const SEND_TRIES_MAX = 2

const NOTHING_RENDERED: Rendered = { shown: [], head: 0, settled: 0 }

/** A page that was just loaded; `start` begins. `keeps`: its device has a storage for questions. */
export const initialLink = (session: SessionId, device: DeviceId, keeps = false): ClientLink => ({
  session,
  device,
  page: device,
  outbox: keeps ? OPENING : { status: 'absent' },
  link: { status: 'waiting', failures: 0, retryAt: 0 },
  rung: 'socket',
  home: 'socket',
  isSocketProven: false,
  isTrial: false,
  trialAt: 0,
  sockets: 0,
  isDeviceOnline: true,
  view: EMPTY_VIEW,
  rendered: NOTHING_RENDERED,
  questions: [],
  settledHere: [],
  stops: [],
  lastNumber: 0,
  durability: undefined,
  settled: 0,
  standing: ALL_WORKS,
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
  if (next === client) return [client, effects]
  const told = chain([next, effects], (reacted) => tellSettled(reacted, ctx))
  const pumped = chain(told, (forgetting) => pump(forgetting, ctx))
  return chain(pumped, (sent) => letGo(client, sent, ctx))
}

/** One step after another. */
function chain([client, effects]: ClientStep, then: (client: ClientLink) => ClientStep): ClientStep {
  const [next, more] = then(client)
  return [next, more.length === 0 ? effects : [...effects, ...more]]
}

/** When the client next needs a `tick`, monotonic. */
export function nextDeadline(client: ClientLink): number | undefined {
  const times = [linkDeadline(client), patienceEndsAt(client)].filter((time) => time !== undefined)
  return times.length === 0 ? undefined : Math.min(...times)
}

function linkDeadline(client: ClientLink): number | undefined {
  const { link } = client
  switch (link.status) {
    case 'waiting':
      return link.retryAt
    case 'connecting':
    case 'greeting':
      return link.by
    case 'open': {
      const times = [
        link.heardAt + LINK_SILENCE_MAX_MS,
        link.probeBy,
        moveDeadline(link),
        ...(link.snapshotDue === undefined ? sendingTimes(client, link) : [link.snapshotDue.by]),
      ]
      return Math.min(...times.filter((time) => time !== undefined))
    }
    case 'closed':
      return undefined
  }
}

function react(client: ClientLink, event: ClientEvent, ctx: ClientContext): ClientStep {
  switch (event.type) {
    case 'start':
      return onStart(client, event, ctx)
    case 'ask':
      return onAsk(client, event, ctx)
    case 'stop':
      if (client.link.status === 'closed' || client.stops.some(({ turnId }) => turnId === event.turnId)) return [client, NONE]
      return [{ ...client, stops: [...client.stops, { turnId: event.turnId, saidOn: undefined }].slice(-OPEN_TURNS_MAX) }, NONE]
    case 'withdraw':
      return onWithdraw(client, event.messageIds, ctx)
    case 'revive':
      return onRevive(client, event.messageId, ctx)
    case 'opened':
      return onOpened(client, event.socket, ctx)
    case 'frames':
      return onSaid(client, event, ctx)
    case 'closed':
      return onClosed(client, event, ctx)
    case 'online':
      return wake(onOnline(client), ctx)
    case 'offline':
      // A link over a network that is gone says nothing of it.
      return client.isDeviceOnline ? probe({ ...client, isDeviceOnline: false }, ctx) : [client, NONE]
    case 'woke':
      // What other pages did meanwhile was not heard.
      return chain(look(client, ctx), (looking) => wake(looking, ctx))
    case 'left':
      return onLeft(client, ctx)
    case 'stored':
      return onStored(client, event, ctx)
    case 'unstored':
      return onUnstored(client, event)
    case 'hinted':
      return look(client, ctx)
    case 'verified':
      return event.matches ? [client, NONE] : fetchAnew({ ...client, mismatches: client.mismatches + 1 }, ctx)
    case 'tick':
      return onTick(onImpatience(client, ctx), ctx)
  }
}

const isCurrent = ({ link }: ClientLink, socket: number): boolean =>
  link.status !== 'waiting' && link.status !== 'closed' && link.socket === socket

function onSaid(client: ClientLink, { socket, frames }: Extract<ClientEvent, { type: 'frames' }>, ctx: ClientContext): ClientStep {
  if (isCurrent(client, socket)) return onFrames(client, frames, ctx)
  const { link } = client
  if (link.status !== 'open' || moveUnderWay(link)?.socket !== socket) return [client, NONE]
  const { step: moved, rest } = onMoveFrames(client, link, frames, ctx)
  return rest === undefined ? moved : chain(moved, (changed) => onFrames(changed, rest, ctx))
}

function onClosed(client: ClientLink, { socket, code }: Extract<ClientEvent, { type: 'closed' }>, ctx: ClientContext): ClientStep {
  const { link } = client
  if (isCurrent(client, socket)) return lose(client, code, ctx)
  // Whatever the code says: it is the old link that knows whether the page may go on.
  return link.status === 'open' && moveUnderWay(link)?.socket === socket ? onMoveFailed(client, link, ctx) : [client, NONE]
}

function onStart(client: ClientLink, event: Extract<ClientEvent, { type: 'start' }>, ctx: ClientContext): ClientStep {
  if (client.sockets > 0) return [client, NONE]
  const { former, rendered = NOTHING_RENDERED, rung = 'socket' } = event
  const loaded = { ...client, rung, home: rung, rendered, settled: rendered.settled }
  const settled = rendered.settled < rendered.head ? [] : rendered.shown
  return chain(askStore(loaded, { type: 'arrive', former, settled }, ctx), (arriving) => connect(arriving, 0, ctx))
}

/** A page in the back/forward cache can hold neither a link nor what it was sending. */
function onLeft(client: ClientLink, ctx: ClientContext): ClientStep {
  if (client.link.status === 'waiting' || client.link.status === 'closed') return [client, NONE]
  // Should it live on all the same, it comes back.
  const link: LinkStatus = { status: 'waiting', failures: 0, retryAt: ctx.now + RECONNECT_CAP_MS }
  const waiting: ClientLink = { ...client, link, rung: client.home, isTrial: false, questions: unsend(client.questions) }
  return [waiting, [...hangUp(client), ...dropMove(client)]]
}

function onOpened(client: ClientLink, socket: number, ctx: ClientContext): ClientStep {
  const { link, session, device, view } = client
  if (link.status === 'open') return onMoveOpened(client, link, socket, ctx)
  if (link.status !== 'connecting' || link.socket !== socket) return [client, NONE]
  const resume = cursorOf(view)
  const from = resume?.seq ?? 0
  const greeting: LinkStatus = { status: 'greeting', failures: link.failures, socket, by: ctx.now + patience(client), from }
  return [{ ...client, link: greeting }, [sendOn(link, { type: 'hello', v: PROTOCOL_VERSION, session, device, resume })]]
}

/** It may be another network, where sockets pass or do not. */
function onOnline(client: ClientLink): ClientLink {
  if (client.isDeviceOnline) return client
  const begin: Partial<ClientLink> = client.link.status === 'waiting' ? { rung: 'socket', home: 'socket' } : {}
  return { ...client, isDeviceOnline: true, ...begin, isSocketProven: false, trialAt: 0 }
}

const wake = (client: ClientLink, ctx: ClientContext): ClientStep =>
  client.link.status === 'waiting' ? connect(client, client.link.failures, ctx) : probe(client, ctx)

/** Asks a link that is open for a sign of life. */
function probe(client: ClientLink, ctx: ClientContext): ClientStep {
  const { link } = client
  if (link.status !== 'open' || link.probeBy !== undefined || ctx.now < link.probeAgainAt) return [client, NONE]
  const probing = { ...link, probeBy: ctx.now + PROBE_MS, probeAgainAt: ctx.now + PROBE_AGAIN_MS }
  return [{ ...client, link: probing }, [sendOn(link, { type: 'probe' })]]
}

function onTick(client: ClientLink, ctx: ClientContext): ClientStep {
  const { link } = client
  switch (link.status) {
    case 'waiting':
      return link.retryAt <= ctx.now ? connect(client, link.failures, ctx) : [client, NONE]
    case 'connecting':
    case 'greeting':
      return link.by <= ctx.now ? fail(client, ctx) : [client, NONE]
    case 'open':
      return onOpenTick(client, link, ctx)
    case 'closed':
      return [client, NONE]
  }
}

function onOpenTick(client: ClientLink, link: OpenLink, ctx: ClientContext): ClientStep {
  const isOver = (by: number | undefined): boolean => by !== undefined && by <= ctx.now
  if (isOver(link.heardAt + LINK_SILENCE_MAX_MS) || isOver(link.probeBy) || isOver(link.snapshotDue?.by)) return giveUp(client, ctx)
  if (link.move !== undefined && isOver(moveDeadline(link))) return onMoveDue(client, link, link.move, ctx)
  const { questions, frames, tries } = overdue(client.questions, ctx.now)
  if (tries > SEND_TRIES_MAX) return giveUp(client, ctx)
  if (frames.length > 0) return [{ ...client, questions }, [sendOn(link, ...frames)]]
  // What is due to be sent goes out with the step itself.
  return link.snapshotDue === undefined && sendingTimes(client, link).some(isOver) ? [{ ...client }, NONE] : [client, NONE]
}

function onAsk(client: ClientLink, event: Extract<ClientEvent, { type: 'ask' }>, ctx: ClientContext): ClientStep {
  const { messageId, text, inReplyTo } = event
  if (!canAsk(client) || client.questions.some((question) => question.messageId === messageId)) return [client, NONE]
  const state: OutgoingQuestion['state'] = client.outbox.status === 'absent' ? KEPT : { status: 'keeping' }
  const place = placeBehind(client.questions)
  const question = { messageId, number: 0, text, inReplyTo, askedAt: ctx.now, keptAt: 0, place, isKept: false, state }
  const asking: ClientLink = { ...client, questions: [...client.questions, question] }
  // Once it has opened, behind what is in it.
  return client.outbox.status === 'opening' ? [asking, NONE] : keep(asking, ctx)
}

/** Whether nobody can have sent it, or nobody will: only then may a person take it back. */
export const mayWithdraw = ({ state }: OutgoingQuestion): boolean =>
  state.status === 'refused' || state.status === 'expired' || (state.status === 'kept' && !state.isTried)

function onWithdraw(client: ClientLink, messageIds: readonly MessageId[], ctx: ClientContext): ClientStep {
  const withdrawn = client.questions.filter((question) => messageIds.includes(question.messageId) && mayWithdraw(question))
  if (withdrawn.length === 0) return [client, NONE]
  const rest: ClientLink = { ...client, questions: client.questions.filter((question) => !withdrawn.includes(question)) }
  const kept = withdrawn.filter(({ isKept }) => isKept).map(({ messageId }) => messageId)
  return kept.length === 0 ? [rest, NONE] : askStore(rest, { type: 'withdraw', messageIds: kept }, ctx)
}

function onRevive(client: ClientLink, messageId: MessageId, ctx: ClientContext): ClientStep {
  if (!client.questions.some((question) => question.messageId === messageId && question.state.status === 'expired')) return [client, NONE]
  return askStore(client, { type: 'revive', messageId }, ctx)
}

/** Sends what may be sent now. */
function pump(client: ClientLink, ctx: ClientContext): ClientStep {
  const { link, outbox } = client
  if (link.status !== 'open' || link.snapshotDue !== undefined || outbox.status === 'opening') return [client, NONE]
  const { questions, frames, lastNumber } = due(client.questions, sendTerms(client, link, ctx.now))
  // What was said on a link that has died may not have been heard; stopping twice is stopping once.
  const unheard = client.stops.filter(({ saidOn }) => saidOn !== link.socket)
  if (frames.length + unheard.length === 0) return take(client, link, ctx)
  const stops = unheard.length === 0 ? client.stops : client.stops.map(({ turnId }) => ({ turnId, saidOn: link.socket }))
  const said: readonly ClientFrame[] = [...unheard.map(({ turnId }) => ({ type: 'stop', turnId }) as const), ...frames]
  return chain([{ ...client, questions, lastNumber, stops }, [sendOn(link, ...said)]], (sending) => take(sending, link, ctx))
}

/** What the device need not keep any more. */
function tellSettled(client: ClientLink, ctx: ClientContext): ClientStep {
  const { settledHere } = client
  if (settledHere.length === 0) return [client, NONE]
  return askStore({ ...client, settledHere: [] }, { type: 'forget', messageIds: settledHere }, ctx)
}

/** A page whose link has ended leaves what it was sending to others; one whose conversation has ended, to nobody. */
function letGo(before: ClientLink, client: ClientLink, ctx: ClientContext): ClientStep {
  if (before.link.status === 'closed' || client.link.status === 'open') return [client, NONE]
  if (isGone(client.link)) return refuseAll(client, ctx)
  return before.link.status === 'open' ? release(client, ctx) : [client, NONE]
}
