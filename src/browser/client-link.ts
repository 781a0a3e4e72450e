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
import {
  CONNECT_TIMEOUT_MS,
  LINK_SILENCE_MAX_MS,
  LINK_STABLE_MS,
  RECONNECT_BASE_MS,
  RECONNECT_CAP_MS,
  SENDS_IN_FLIGHT_MAX,
  UNSETTLED_QUESTIONS_MAX,
} from '../conversation/limits.ts'
import type { Entry } from '../conversation/entry.ts'
import type { DeviceId, MessageId, SessionId } from '../conversation/ids.ts'
import { CLOSE_CODES, mayReconnect } from '../protocol/close-codes.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import { PROTOCOL_VERSION, type ServerFrame, type WelcomeFrame } from '../protocol/protocol.ts'
import { backoffMs } from '../resilience/backoff.ts'
import type { ClientContext, ClientEffect, ClientEvent, ClientLink, ClientStep, LinkStatus, OpenLink } from './client-link-state.ts'
import { addBlock, applyToView, cursorOf, EMPTY_VIEW, showsQuestion, viewOfSnapshot } from './log-view.ts'
import {
  accept,
  doubtAfter,
  due,
  forgetSettled,
  lacksNumber,
  newQuestion,
  overdue,
  postpone,
  questionsDeadline,
  refuse,
  renumber,
  unsend,
  type OutgoingState,
} from './outgoing-questions.ts'

/** A woken page hears from a living link within this time. */
const PROBE_MS = 3_000
/** Sends without an answer before the link itself is doubted. */
const SEND_TRIES_MAX = 2
const NONE: readonly ClientEffect[] = []

/** A page that was just loaded; `start` begins. */
export const initialLink = (session: SessionId, device: DeviceId): ClientLink => ({
  session,
  device,
  link: { status: 'waiting', failures: 0, retryAt: 0 },
  sockets: 0,
  isDeviceOnline: true,
  view: EMPTY_VIEW,
  questions: [],
  lastNumber: 0,
  durability: undefined,
  settled: 0,
  level: 'full',
  forks: 0,
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
      return client.link.status === 'open' ? [client, [sendOn(client.link, { type: 'stop', turnId: event.turnId })]] : [client, NONE]
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

// ── the socket ───────────────────────────────────────────────────────────────

const isCurrent = ({ link }: ClientLink, socket: number): boolean =>
  link.status !== 'waiting' && link.status !== 'closed' && link.socket === socket

const sendOn = ({ socket }: { readonly socket: number }, ...frames: Extract<ClientEffect, { type: 'send' }>['frames']): ClientEffect => ({
  type: 'send',
  socket,
  frames,
})

function connect(client: ClientLink, failures: number, ctx: ClientContext): ClientStep {
  const socket = client.sockets + 1
  const link: LinkStatus = { status: 'connecting', failures, socket, by: ctx.now + CONNECT_TIMEOUT_MS }
  return [{ ...client, sockets: socket, link }, [{ type: 'connect', socket }]]
}

function onOpened(client: ClientLink, socket: number, ctx: ClientContext): ClientStep {
  const { link, session, device, view } = client
  if (link.status !== 'connecting' || link.socket !== socket) return [client, NONE]
  const greeting: LinkStatus = { status: 'greeting', failures: link.failures, socket, by: ctx.now + CONNECT_TIMEOUT_MS }
  return [{ ...client, link: greeting }, [sendOn(link, { type: 'hello', v: PROTOCOL_VERSION, session, device, resume: cursorOf(view) })]]
}

/** The link is gone: come back after a while, unless `code` says never. What was on its way is unknown. */
function lose(client: ClientLink, code: number, ctx: ClientContext, afterMs = 0): ClientStep {
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
function giveUp(client: ClientLink, ctx: ClientContext, afterMs = 0): ClientStep {
  const [lost, effects] = lose(client, CLOSE_CODES.silent, ctx, afterMs)
  return [lost, [...hangUp(client), ...effects]]
}

const hangUp = ({ link }: ClientLink): readonly ClientEffect[] =>
  link.status === 'waiting' || link.status === 'closed' ? NONE : [{ type: 'close', socket: link.socket, code: CLOSE_CODES.normal }]

/** The view cannot be trusted: the next welcome brings a snapshot. */
function fetchAnew(client: ClientLink, ctx: ClientContext): ClientStep {
  const distrusting: ClientLink = { ...client, view: { ...client.view, logId: undefined } }
  // Without a link there is nothing to give up, and one that must not come back does not.
  return client.link.status === 'waiting' || client.link.status === 'closed' ? [distrusting, NONE] : giveUp(distrusting, ctx)
}

function wake(client: ClientLink, ctx: ClientContext): ClientStep {
  const { link } = client
  switch (link.status) {
    case 'waiting':
      return connect(client, link.failures, ctx)
    case 'open':
      if (link.probeBy !== undefined) return [client, NONE]
      return [{ ...client, link: { ...link, probeBy: ctx.now + PROBE_MS } }, [sendOn(link, { type: 'probe' })]]
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

// ── frames ───────────────────────────────────────────────────────────────────

function onFrames(client: ClientLink, frames: readonly Parsed<ServerFrame>[], ctx: ClientContext): ClientStep {
  let next = heard(client, ctx.now)
  const all: ClientEffect[] = []
  for (const parsed of frames) {
    // A server that speaks nonsense is left, and asked again from where the view stands.
    const [after, effects] = parsed.ok ? onFrame(next, parsed.frame, ctx) : giveUp(next, ctx)
    all.push(...effects)
    next = after
    if (after.link.status !== 'open' && after.link.status !== 'greeting') break
  }
  return [next, all]
}

const heard = (client: ClientLink, now: number): ClientLink =>
  client.link.status === 'open' ? { ...client, link: { ...client.link, heardAt: now, probeBy: undefined } } : client

function onFrame(client: ClientLink, frame: ServerFrame, ctx: ClientContext): ClientStep {
  const { link } = client
  if (frame.type === 'bye') return onBye(client, frame, ctx)
  if (frame.type === 'welcome') return onWelcome(client, frame, ctx)
  // Before the welcome nothing else means anything.
  if (link.status !== 'open') return [client, NONE]
  switch (frame.type) {
    case 'snapshot': {
      if (link.snapshotDue === undefined) return [client, NONE]
      return [shown({ ...client, link: { ...link, snapshotDue: undefined }, view: viewOfSnapshot(link.snapshotDue.logId, frame) }), NONE]
    }
    case 'entry':
      return link.snapshotDue !== undefined ? [client, NONE] : onEntry(client, frame, ctx)
    case 'block':
      return [{ ...client, view: addBlock(client.view, frame) }, NONE]
    case 'accepted':
      return [onAccepted(client, link, frame), NONE]
    case 'rejected':
      return onRejected(client, link, frame, ctx)
    case 'ping':
      return onPing(client, link, frame, ctx)
    case 'level':
      return [{ ...client, level: frame.level }, NONE]
    case 'drain':
      return [{ ...client, link: { ...link, moveAt: ctx.now + frame.afterMs + ctx.chance() * frame.windowMs } }, NONE]
  }
}

function onWelcome(client: ClientLink, frame: WelcomeFrame, ctx: ClientContext): ClientStep {
  const { link } = client
  if (link.status !== 'greeting' && link.status !== 'open') return [client, NONE]
  const isFork = frame.outcome === 'fork'
  const isResumed = frame.outcome === 'resumed'
  const maxInFlight = Math.max(1, Math.min(frame.maxInFlight, SENDS_IN_FLIGHT_MAX))
  const open: OpenLink = {
    status: 'open',
    failures: link.failures,
    socket: link.socket,
    since: link.status === 'open' ? link.since : ctx.now,
    heardAt: ctx.now,
    snapshotDue: isResumed ? undefined : { logId: frame.logId, by: ctx.now + LINK_SILENCE_MAX_MS },
    probeBy: undefined,
    moveAt: link.status === 'open' ? link.moveAt : undefined,
    behindAt: undefined,
    maxInFlight,
    window: maxInFlight,
  }
  const { durability, level, reconnect, settled, logId } = frame
  const welcomed: ClientLink = {
    ...client,
    link: open,
    // Until the snapshot has come, the view stands nowhere: a link that ends before it must not resume what is to be replaced.
    view: { ...client.view, logId: isResumed ? logId : undefined },
    forks: client.forks + (isFork ? 1 : 0),
    durability,
    level,
    reconnect,
    // Marks never fall within one log; another log begins anew.
    settled: isResumed ? Math.max(client.settled, settled) : settled,
  }
  // The server vouches for the log up to our cursor and for nothing that we were told of beyond it.
  return resendAfter(welcomed, isResumed ? (client.view.conversation.head?.seq ?? 0) : 0, ctx)
}

/** Sends again what was accepted after `seq`: the log may have lost it. */
function resendAfter(client: ClientLink, seq: number, ctx: ClientContext): ClientStep {
  const questions = doubtAfter(client.questions, seq)
  if (questions === client.questions) return [client, NONE]
  const doubtful = { ...client, questions }
  if (!lacksNumber(questions)) return [doubtful, NONE]
  // A device counts for a whole link, so a new one needs a new link.
  return giveUp(renewed(doubtful, ctx), ctx)
}

/** The same page as a device that was never used. */
const renewed = (client: ClientLink, ctx: ClientContext): ClientLink => ({
  ...client,
  device: ctx.mintDevice(),
  ...renumber(client.questions),
})

function onEntry(client: ClientLink, { entry }: Extract<ServerFrame, { type: 'entry' }>, ctx: ClientContext): ClientStep {
  const applied = applyToView(client.view, entry)
  switch (applied.type) {
    case 'seen':
      return [client, NONE]
    case 'hole':
      return giveUp(client, ctx)
    case 'broken':
      return fetchAnew(client, ctx)
    case 'applied': {
      const questions = entry.kind === 'message' ? accept(client.questions, entry.messageId, entry.seq) : client.questions
      const verify: readonly ClientEffect[] = applied.ended === undefined ? NONE : [{ type: 'verify', ...applied.ended }]
      const next = { ...client, view: applied.view, questions }
      // Another entry stands where ours was accepted: the log has forgotten it since.
      const isLost = questions.some(({ messageId, state }) => isAcceptedAt(state, entry.seq) && !isMessage(entry, messageId))
      if (!isLost) return [shown(next), verify]
      const [resent, effects] = resendAfter(next, entry.seq - 1, ctx)
      return [shown(resent), [...verify, ...effects]]
    }
  }
}

const isAcceptedAt = (state: OutgoingState, seq: number): boolean => state.status === 'accepted' && state.seq === seq
const isMessage = (entry: Entry, messageId: MessageId): boolean => entry.kind === 'message' && entry.messageId === messageId

function onAccepted(client: ClientLink, link: OpenLink, frame: Extract<ServerFrame, { type: 'accepted' }>): ClientLink {
  const { messageId, seq, duplicate } = frame
  const settled = client.durability === 'fsync' ? Math.max(client.settled, seq) : client.settled
  const window = Math.min(link.window * 2, link.maxInFlight)
  return shown({ ...client, link: { ...link, window }, settled, questions: accept(client.questions, messageId, seq, duplicate) })
}

/** Forgets the questions that the log shows and that survive without this page. */
function shown(client: ClientLink): ClientLink {
  const settled = client.durability === 'fsync' ? Math.max(client.settled, client.view.conversation.head?.seq ?? 0) : client.settled
  const questions = forgetSettled(client.questions, settled, (messageId, seq) => showsQuestion(client.view, messageId, seq))
  return { ...client, settled, questions }
}

type RejectedFrame = Extract<ServerFrame, { type: 'rejected' }>

function onRejected(client: ClientLink, link: OpenLink, frame: RejectedFrame, ctx: ClientContext): ClientStep {
  const { messageId, code, retryAfterMs } = frame
  if (code === 'order') return onOrder(client, frame, ctx)
  if (!frame.temporary) {
    const questions = refuse(client.questions, messageId, code)
    return questions === client.questions ? [client, NONE] : [{ ...client, questions, lastNumber: client.lastNumber - 1 }, NONE]
  }
  // Spread, so that a crowd that was told the same time does not come back as one.
  const waitMs = (retryAfterMs ?? client.reconnect.baseMs) * (1 + 0.2 * ctx.chance())
  const questions = postpone(client.questions, messageId, ctx.now + waitMs, code)
  // One at a time from now on: those behind it would only be refused too, and asking costs a share of the link's frames.
  return [{ ...client, link: { ...link, window: 1 }, questions }, NONE]
}

/** The log expects another number of this device. Every question on its way has an answer of its own coming, so only this one goes out again. */
function onOrder(client: ClientLink, { messageId, expectedNumber = 1 }: RejectedFrame, ctx: ClientContext): ClientStep {
  if (!client.questions.some((question) => question.messageId === messageId && question.state.status === 'sending')) return [client, NONE]
  const expected = client.questions.find(({ number }) => number === expectedNumber)
  // It does not know questions that this device has forgotten, or knows more than it ever sent: a new count, same ids.
  // Or it has that one from elsewhere, by a form or as another device, where it counted; here it never will.
  const isElsewhere = expected?.state.status === 'accepted' && expected.state.wasThere
  if (expected === undefined || isElsewhere) return giveUp(renewed(client, ctx), ctx)
  const waiting = { ...client, questions: postpone(client.questions, messageId, 0, undefined) }
  // A log that waits for what it had accepted has lost it since.
  return expected.state.status === 'accepted' ? resendAfter(waiting, expected.state.seq - 1, ctx) : [waiting, NONE]
}

function onPing(client: ClientLink, link: OpenLink, frame: Extract<ServerFrame, { type: 'ping' }>, ctx: ClientContext): ClientStep {
  const mine = client.view.conversation.head
  const seq = mine?.seq ?? 0
  const theirs = frame.head?.seq ?? 0
  const isFork = theirs < seq || (theirs === seq && frame.head?.id !== mine?.id)
  // An idle page finds a silent hole: two pings in a row named a head that never came.
  const isStuck = theirs > seq && link.behindAt === seq
  if (link.snapshotDue === undefined && (isFork || isStuck)) return giveUp(client, ctx)
  const settled = Math.max(client.settled, frame.settled)
  const behindAt = theirs > seq ? seq : undefined
  const pong = sendOn(link, { type: 'pong', n: frame.n, cursor: cursorOf(client.view) })
  const [next, effects] = resendAfter({ ...client, settled, link: { ...link, behindAt } }, theirs, ctx)
  return [shown(next), [pong, ...effects]]
}

function onBye(client: ClientLink, frame: Extract<ServerFrame, { type: 'bye' }>, ctx: ClientContext): ClientStep {
  const fresh = frame.retry === 'fresh' ? { ...client, view: { ...client.view, logId: undefined } } : client
  const [lost, effects] = lose(fresh, frame.code, ctx, frame.afterMs)
  return [lost, [...hangUp(client), ...effects]]
}

// ── questions ────────────────────────────────────────────────────────────────

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
  if (frames.length === 0) return [client, effects]
  return [{ ...client, questions }, [...effects, sendOn(link, ...frames)]]
}
