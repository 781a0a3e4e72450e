/**
 * What a page makes of its device's storage: what it asks of it, and how its questions stand by the rows that it gives. Pure.
 *
 * Every answer holds all rows of the session, so each one puts the page right, whatever was missed. A page holds what it sends only
 * while its link is open; a storage that fails or stays silent costs what it would have kept, and never holds a question back.
 */
import type { MessageId } from '../conversation/ids.ts'
import { OUTBOX_LEASE_MS, OUTBOX_PATIENCE_MS } from '../conversation/limits.ts'
import { acceptShown, settle } from './client-link-settle.ts'
import { NONE, renew } from './client-link-socket.ts'
import type { ClientContext, ClientEvent, ClientLink, ClientStep, DeviceOutbox, OpenLink } from './client-link-state.ts'
import { heldByAnother, isExpired, type NewRow, type OutboxChange, type OutboxRow } from './outbox.ts'
import {
  inOrder,
  KEPT,
  questionsDeadline,
  refuse,
  UNKNOWN,
  type OutgoingQuestion,
  type OutgoingState,
  type SendTerms,
} from './outgoing-questions.ts'

type Questions = readonly OutgoingQuestion[]

/** A page that was just loaded on a device that can keep questions. */
export const OPENING: DeviceOutbox = { status: 'opening', asked: [], heldUntil: 0, birth: undefined }

const GRANTED: OutgoingState = { status: 'waiting', retryAt: 0, code: undefined, isUnknown: false }

/** Half of a lease is left when it is renewed. */
const RENEW_MS = OUTBOX_LEASE_MS / 2
/** A second look sees what was committed while the first was under way. */
const LOOKS_MAX = 2

/** Has the storage do something. Where there is none, nothing is asked. */
export function askStore(client: ClientLink, change: OutboxChange, ctx: ClientContext): ClientStep {
  const { outbox } = client
  if (outbox.status === 'absent') return [client, NONE]
  const asked = [...outbox.asked, { change, at: ctx.now }]
  return [{ ...client, outbox: { ...outbox, asked } }, [{ type: 'store', change }]]
}

/** Hands over what the storage does not hold, all of it together: none of a page's questions may be sent by others before an earlier one. */
export function keep(client: ClientLink, ctx: ClientContext): ClientStep {
  const rows = client.questions
    .filter(({ isKept, state }) => !isKept && !isOver(state))
    .map(({ messageId, text, inReplyTo, place, state }): NewRow => {
      const isTried = state.status !== 'keeping' && (state.status !== 'kept' || state.isTried)
      return { messageId, text, inReplyTo, place, page: isTried ? client.page : undefined }
    })
  const isBlind = client.outbox.status !== 'absent' && client.outbox.birth === undefined
  return rows.length === 0 ? [client, NONE] : askStore(client, { type: 'keep', rows, isBlind }, ctx)
}

const isOver = ({ status }: OutgoingState): boolean => status === 'refused' || status === 'expired'

/** Behind everything of the session that is known. */
export const placeBehind = (those: readonly { readonly place: number }[]): number => Math.max(0, ...those.map(({ place }) => place)) + 1

/** Looks what other pages have done. */
export function look(client: ClientLink, ctx: ClientContext): ClientStep {
  return countAsked(client.outbox, 'look') >= LOOKS_MAX ? [client, NONE] : askStore(client, { type: 'look' }, ctx)
}

const countAsked = (outbox: DeviceOutbox, type: OutboxChange['type']): number =>
  outbox.status === 'absent' ? 0 : outbox.asked.filter(({ change }) => change.type === type).length

export function onStored(client: ClientLink, event: Extract<ClientEvent, { type: 'stored' }>, ctx: ClientContext): ClientStep {
  const { outbox } = client
  const { change, birth } = event
  if (outbox.status === 'absent') return [client, NONE]
  const own = outbox.asked.find((other) => other.change === change)
  const asked = outbox.asked.filter((other) => other !== own)
  const heldUntil = change.type === 'take' && own !== undefined ? own.at + OUTBOX_LEASE_MS : outbox.heldUntil
  const isNewLife = outbox.birth !== undefined && outbox.birth !== birth
  const known: ClientLink = { ...client, outbox: { status: 'open', asked, heldUntil: isNewLife ? 0 : heldUntil, birth } }
  const questions = questionsBy(known, event, { now: ctx.now, isNewLife, isFirst: outbox.birth === undefined })
  const told = keepOrder(settle(acceptShown({ ...known, questions })), ctx)
  // It has opened, lost what it had, or is back.
  if (!isNewLife && outbox.status === 'open') return told
  const [again, keeps] = keep(told[0], ctx)
  return [again, [...told[1], ...keeps]]
}

/**
 * What another page took from this one has no number any more. Where something with a later place has one, and is not on its way, it
 * would go first: a new device numbers both.
 */
function keepOrder(client: ClientLink, ctx: ClientContext): ClientStep {
  const open = client.questions.filter(({ state }) => state.status === 'kept' || state.status === 'waiting')
  const firstWithout = Math.min(...open.filter(({ number }) => number === 0).map(({ place }) => place))
  return open.some(({ number, place }) => number > 0 && place > firstWithout) ? renew(client, ctx) : [client, NONE]
}

export function onUnstored(client: ClientLink, { change, why }: Extract<ClientEvent, { type: 'unstored' }>): ClientStep {
  const { outbox } = client
  if (outbox.status === 'absent') return [client, NONE]
  const asked = outbox.asked.filter((other) => other.change !== change)
  // Without room for one more question it still has the others.
  const status = change.type === 'keep' && why === 'full' ? outbox.status : 'failing'
  // Those that waited for it to open were never handed over.
  const isFor = (messageId: MessageId): boolean =>
    outbox.status === 'opening' || (change.type === 'keep' && change.rows.some((row) => row.messageId === messageId))
  return [{ ...client, outbox: { ...outbox, status, asked }, questions: giveUpKeeping(client.questions, isFor) }, NONE]
}

/** Does without a storage that does not answer. Should it answer later, that counts. */
export function onImpatience(client: ClientLink, ctx: ClientContext): ClientLink {
  const by = patienceEndsAt(client)
  if (by === undefined || by > ctx.now || client.outbox.status === 'absent') return client
  return { ...client, outbox: { ...client.outbox, status: 'failing', asked: [] }, questions: giveUpKeeping(client.questions, () => true) }
}

/** When the storage will have been silent for too long, monotonic ms. */
export function patienceEndsAt({ outbox }: ClientLink): number | undefined {
  const oldest = outbox.status === 'absent' ? undefined : outbox.asked[0]
  return oldest && oldest.at + OUTBOX_PATIENCE_MS
}

const giveUpKeeping = (questions: Questions, isFor: (messageId: MessageId) => boolean): Questions =>
  questions.map((question) => (question.state.status === 'keeping' && isFor(question.messageId) ? { ...question, state: KEPT } : question))

/** What of the page's questions may be sent over this link, as far as the device is concerned. */
export const sendTerms = ({ outbox, lastNumber }: ClientLink, link: OpenLink, now: number): SendTerms => ({
  now,
  maxInFlight: link.window,
  lastNumber,
  heldUntil: outbox.status === 'open' ? outbox.heldUntil : Number.POSITIVE_INFINITY,
})

/** When the page has to take what it is going to send, or to hold on to what it sends; `undefined` while there is no such thing. */
function takeAt({ outbox, questions }: ClientLink, link: OpenLink, now: number): number | undefined {
  if (outbox.status !== 'open' || countAsked(outbox, 'take') > 0) return undefined
  const times: number[] = []
  for (const { state, isKept } of questions) {
    const isOurs = state.status === 'waiting' || state.status === 'sending'
    if (isOurs && isKept) times.push(outbox.heldUntil - RENEW_MS)
    // What has to wait lets nothing pass, so nothing behind it is touched yet.
    if (state.status === 'keeping' || (state.status === 'waiting' && state.retryAt > now)) break
    if (state.status !== 'kept' || !isKept) continue
    if (roomFor(questions, link) > 0) times.push(state.heldUntil)
    break
  }
  return times.length === 0 ? undefined : Math.min(...times)
}

/** How many more of them may be taken: what this page has already counts only if it is on its way or goes before them. */
function roomFor(questions: Questions, link: OpenLink): number {
  const next = questions.findIndex(({ state, isKept }) => state.status === 'kept' && isKept)
  const first = next < 0 ? questions.length : next
  const ours = questions.filter(({ state }, index) => state.status === 'sending' || (state.status === 'waiting' && index < first))
  return Math.max(0, link.window - ours.length)
}

/** When something is to be sent, sent again or taken next, monotonic ms. */
export function sendingTimes(client: ClientLink, link: OpenLink): readonly (number | undefined)[] {
  // Before any time: what is due by now has been sent, unless it had to be taken first, and then the answer to that comes first.
  const always = Number.NEGATIVE_INFINITY
  const terms = sendTerms(client, link, always)
  const isTaking = countAsked(client.outbox, 'take') > 0
  return [questionsDeadline(client.questions, isTaking ? { ...terms, heldUntil: always } : terms), takeAt(client, link, always)]
}

/** Takes, or holds on to, what is to be sent. */
export function take(client: ClientLink, link: OpenLink, ctx: ClientContext): ClientStep {
  const at = takeAt(client, link, ctx.now)
  if (at === undefined || at > ctx.now) return [client, NONE]
  const accepted = client.questions.flatMap(({ messageId, state }) => (state.status === 'accepted' ? [messageId] : []))
  return askStore(client, { type: 'take', page: client.page, room: roomFor(client.questions, link), accepted }, ctx)
}

/** A page whose link is gone lets others send what it was sending. */
export function release(client: ClientLink, ctx: ClientContext): ClientStep {
  const { outbox, questions } = client
  if (outbox.status !== 'open' || !questions.some(({ state, isKept }) => isKept && state.status === 'waiting')) return [client, NONE]
  return askStore({ ...client, outbox: { ...outbox, heldUntil: 0 } }, { type: 'release', page: client.page }, ctx)
}

/** The conversation is no more: what nobody answered never will be taken, and says so until it has been seen. */
export function refuseAll(client: ClientLink, ctx: ClientContext): ClientStep {
  const open = client.questions.filter(({ state }) => state.status !== 'accepted' && state.status !== 'refused')
  if (open.length === 0) return [client, NONE]
  const ids = open.map(({ messageId }) => messageId)
  const questions = ids.reduce((all, messageId) => refuse(all, messageId, 'closed'), client.questions)
  return askStore({ ...client, questions }, { type: 'refuse', messageIds: ids, code: 'closed' }, ctx)
}

interface Reading {
  readonly now: number
  readonly isNewLife: boolean
  /** Nothing was known of the rows before. */
  readonly isFirst: boolean
}

/** How the questions stand by the rows there are. */
function questionsBy(
  client: ClientLink,
  { rows, at, change }: Extract<ClientEvent, { type: 'stored' }>,
  { now, isNewLife, isFirst }: Reading,
): Questions {
  const asked = client.outbox.status === 'absent' ? [] : client.outbox.asked
  const before = new Map(client.questions.map((question) => [question.messageId, question]))
  const goneSoon = new Set(asked.flatMap(({ change: other }) => (isRemoval(other) ? other.messageIds : [])))
  const kept = rows
    .filter(({ messageId }) => !goneSoon.has(messageId))
    .map((row) => byRow(before.get(row.messageId), row, { page: client.page, now, at }))
  const ids = new Set(rows.map(({ messageId }) => messageId))
  // Another page had a reason to remove what is missing, unless all is missing because the storage began anew.
  const stays = ({ state, isKept }: OutgoingQuestion): boolean =>
    !isKept || isNewLife || state.status === 'waiting' || state.status === 'sending' || state.status === 'accepted'
  const rest = client.questions
    .filter((question) => !ids.has(question.messageId) && stays(question))
    .map((question) => (question.isKept ? { ...question, isKept: false } : question))
    // What was there when the page came was asked before anything that was asked on it.
    .map((question) => (isFirst ? { ...question, place: question.place + placeBehind(rows) } : question))
  const unkept = giveUpKeeping(rest, (id) => change.type === 'keep' && change.rows.some(({ messageId }) => messageId === id))
  return inOrder([...kept, ...unkept])
}

const isRemoval = (change: OutboxChange): change is Extract<OutboxChange, { messageIds: unknown }> =>
  change.type === 'forget' || change.type === 'withdraw'

interface RowContext {
  readonly page: string
  /** Monotonic. */
  readonly now: number
  /** The device's clock. */
  readonly at: number
}

function byRow(before: OutgoingQuestion | undefined, row: OutboxRow, context: RowContext): OutgoingQuestion {
  const { messageId, text, inReplyTo, keptAt, place } = row
  const askedAt = context.now - Math.max(0, context.at - keptAt)
  const question = before ?? { messageId, number: 0, text, inReplyTo, askedAt, keptAt, place, isKept: true, state: KEPT }
  // Another question of the same id was there before: this one can never be told from it.
  if (question.state.status === 'keeping' && question.text !== text) return { ...question, state: { status: 'refused', code: 'conflict' } }
  const state = stateBy(question.state, row, context)
  return { ...question, keptAt, place, isKept: true, number: state.status === 'kept' ? 0 : question.number, state }
}

function stateBy(before: OutgoingState, row: OutboxRow, { page, now, at }: RowContext): OutgoingState {
  const isMine = row.sender?.page === page
  switch (before.status) {
    case 'accepted':
    case 'refused':
    case 'sending':
      return before
    case 'waiting':
      return heldByAnother(row, page, at) > 0 ? { status: 'kept', isTried: true, heldUntil: now + heldByAnother(row, page, at) } : before
    case 'keeping':
    case 'kept':
    case 'expired':
      if (row.refused !== undefined) return { status: 'refused', code: row.refused }
      if (isMine) return before.status === 'kept' && before.isTried ? UNKNOWN : GRANTED
      if (isExpired(row, at)) return { status: 'expired' }
      return { status: 'kept', isTried: row.sender !== undefined, heldUntil: now + heldByAnother(row, page, at) }
  }
}
