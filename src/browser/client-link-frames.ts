/**
 * What the server says over the live link, and what the page makes of it. Pure.
 *
 * Entries are applied in their place or not at all; what the log may have lost of this page's questions is sent again.
 */
import type { Entry } from '../conversation/entry.ts'
import type { MessageId } from '../conversation/ids.ts'
import { LINK_SILENCE_MAX_MS, SENDS_IN_FLIGHT_MAX } from '../conversation/limits.ts'
import { mayReconnect } from '../protocol/close-codes.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import type { ServerFrame, ServiceStanding, WelcomeFrame } from '../protocol/protocol.ts'
import { askStore, look } from './client-link-outbox.ts'
import { acceptShown, settle } from './client-link-settle.ts'
import { moveAnew, onAskedToMove } from './client-link-move.ts'
import { dropMove, fail, fetchAnew, giveUp, hangUp, lose, NONE, renew, sendOn } from './client-link-socket.ts'
import type { ClientContext, ClientEffect, ClientLink, ClientStep, OpenLink } from './client-link-state.ts'
import { addBlock, applyToView, cursorOf, viewOfSnapshot } from './log-view.ts'
import { accept, doubtAfter, lacksNumber, postpone, refuse, type OutgoingState } from './outgoing-questions.ts'

/** The frames of one message, in order; what follows the end of the link is not heard. */
export function onFrames(client: ClientLink, frames: readonly Parsed<ServerFrame>[], ctx: ClientContext): ClientStep {
  let next = heard(client, ctx.now)
  const all: ClientEffect[] = []
  for (const parsed of frames) {
    // A server that speaks nonsense is left, and asked again from where the view stands.
    const [after, effects] = parsed.ok ? onFrame(next, parsed.frame, ctx) : fail(next, ctx)
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
      const view = viewOfSnapshot(link.snapshotDue.logId, frame)
      // Not before: what is shown until now is still the old log's.
      const forks = client.forks + (client.isForked ? 1 : 0)
      const rendered = { ...client.rendered, shown: [] }
      return [settle(acceptShown({ ...client, link: { ...link, snapshotDue: undefined }, view, rendered, forks, isForked: false })), NONE]
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
      return [{ ...client, standing: standingOf(frame) }, NONE]
    case 'drain':
      return onAskedToMove(client, link, frame, ctx)
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
    probeAgainAt: ctx.now,
    move: link.status === 'open' ? moveAnew(link, ctx) : undefined,
    behindAt: undefined,
    maxInFlight,
    // Another log on the same link changes nothing about how much this server can take.
    window: link.status === 'open' ? Math.min(link.window, maxInFlight) : maxInFlight,
  }
  const { durability, reconnect, settled, logId } = frame
  const welcomed: ClientLink = {
    ...client,
    link: open,
    home: client.rung,
    isSocketProven: client.isSocketProven || client.rung === 'socket',
    isTrial: false,
    // Until the snapshot has come, the view stands nowhere: a link that ends before it must not resume what is to be replaced.
    view: { ...client.view, logId: isResumed ? logId : undefined },
    isForked: client.isForked || isFork,
    durability,
    standing: standingOf(frame),
    reconnect,
    // Marks never fall within one log; another log begins anew.
    settled: isResumed ? Math.max(client.settled, settled) : settled,
  }
  const dropped = link.status === 'open' && open.move !== link.move ? dropMove(client) : NONE
  // The server vouches for the log up to the cursor that it was told, and for nothing that we know beyond it.
  const vouched = link.status === 'greeting' ? link.from : (client.view.conversation.head?.seq ?? 0)
  const [next, effects] = resendAfter(welcomed, isResumed ? vouched : 0, ctx)
  return [next, [...dropped, ...effects]]
}

const standingOf = ({ level, away, answersTakeMs }: ServiceStanding): ServiceStanding => ({ level, away, answersTakeMs })

/** Sends again what was accepted after `seq`: the log may have lost it. */
function resendAfter(client: ClientLink, seq: number, ctx: ClientContext): ClientStep {
  const questions = doubtAfter(client.questions, seq)
  if (questions === client.questions) return [client, NONE]
  const doubtful = { ...client, questions }
  return lacksNumber(questions) ? renew(doubtful, ctx) : [doubtful, NONE]
}

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
      const questions =
        entry.kind === 'message' ? accept(client.questions, entry.messageId, entry.seq, entry.device !== client.device) : client.questions
      const verify: readonly ClientEffect[] = applied.ended === undefined ? NONE : [{ type: 'verify', ...applied.ended }]
      const next = { ...client, view: applied.view, questions }
      // Another entry stands where ours was accepted: the log has forgotten it since.
      const isLost = questions.some(({ messageId, state }) => isAcceptedAt(state, entry.seq) && !isMessage(entry, messageId))
      if (!isLost) return [settle(next), verify]
      const [resent, effects] = resendAfter(next, entry.seq - 1, ctx)
      return [settle(resent), [...verify, ...effects]]
    }
  }
}

const isAcceptedAt = (state: OutgoingState, seq: number): boolean => state.status === 'accepted' && state.seq === seq
const isMessage = (entry: Entry, messageId: MessageId): boolean => entry.kind === 'message' && entry.messageId === messageId

function onAccepted(client: ClientLink, link: OpenLink, frame: Extract<ServerFrame, { type: 'accepted' }>): ClientLink {
  const { messageId, seq, duplicate } = frame
  const settled = client.durability === 'fsync' ? Math.max(client.settled, seq) : client.settled
  const window = Math.min(link.window * 2, link.maxInFlight)
  return settle({ ...client, link: { ...link, window }, settled, questions: accept(client.questions, messageId, seq, duplicate) })
}

type RejectedFrame = Extract<ServerFrame, { type: 'rejected' }>

function onRejected(client: ClientLink, link: OpenLink, frame: RejectedFrame, ctx: ClientContext): ClientStep {
  const { messageId, code, retryAfterMs } = frame
  if (code === 'order') return onOrder(client, frame, ctx)
  if (!frame.temporary) {
    const question = client.questions.find((other) => other.messageId === messageId)
    const questions = refuse(client.questions, messageId, code)
    if (question === undefined || questions === client.questions) return [client, NONE]
    const refused = { ...client, questions, lastNumber: client.lastNumber - (question.number > 0 ? 1 : 0) }
    return question.isKept ? askStore(refused, { type: 'refuse', messageIds: [messageId], code }, ctx) : [refused, NONE]
  }
  // Spread, so that a crowd that was told the same time does not come back as one.
  const waitMs = (retryAfterMs ?? client.reconnect.baseMs) * (1 + 0.2 * ctx.chance())
  const questions = postpone(client.questions, messageId, ctx.now + waitMs, code)
  // One at a time from now on: those behind it would only be refused too, and asking costs a share of the link's frames.
  return [{ ...client, link: { ...link, window: 1 }, questions }, NONE]
}

/** The log expects another number of this device. Every question on its way has an answer of its own coming, so only this one goes out again. */
function onOrder(client: ClientLink, { messageId, expectedNumber = 1 }: RejectedFrame, ctx: ClientContext): ClientStep {
  const refused = client.questions.find((question) => question.messageId === messageId)
  if (refused?.state.status !== 'sending') return [client, NONE]
  const expected = client.questions.find(({ number }) => number === expectedNumber)
  // It does not know questions that this device has forgotten, or knows more than it ever sent: a new count, same ids.
  // Or it has that one from elsewhere, by a form or as another device, where it counted; here it never will.
  const isElsewhere = expected?.state.status === 'accepted' && expected.state.wasThere
  // Or another question has the number of this one, which it therefore never gets.
  if (expected === undefined || isElsewhere || refused.number < expectedNumber) return renew(client, ctx)
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
  // As often as the log: a hint that was missed, or a storage that works again, is found by then.
  const [looking, looks] = look(settle(next), ctx)
  return [looking, [pong, ...effects, ...looks]]
}

function onBye(client: ClientLink, frame: Extract<ServerFrame, { type: 'bye' }>, ctx: ClientContext): ClientStep {
  if (frame.retry === 'fresh' && mayReconnect(frame.code)) {
    return giveUp({ ...client, view: { ...client.view, logId: undefined } }, ctx, frame.afterMs)
  }
  const [lost, effects] = lose(client, frame.code, ctx, frame.afterMs)
  return [lost, [...hangUp(client), ...effects]]
}
