/**
 * What a conversation log decides, from the fewest facts that decide it. Pure, and used by every adapter.
 *
 * An adapter looks up the facts, asks here, and stores what it is told to, all inside one transaction.
 * Nothing here knows how anything is stored, what time it is, or where ids come from.
 */
import type { Head } from '../conversation/conversation.ts'
import type { Entry, EntryBody, MessageBody, TurnBody } from '../conversation/entry.ts'
import { SERVER_DEVICE, type Cursor, type EntryId, type LogId, type MessageId, type TurnId } from '../conversation/ids.ts'
import { ANSWER_PART_CHARS_MAX, OPEN_TURNS_MAX, READ_ENTRIES_MAX, SESSION_ENTRIES_MAX, WRITE_ENTRIES_MAX } from '../conversation/limits.ts'
import type { AskResult, NewQuestion, StopResult } from './conversation-log.ts'

export type MessageEntry = Entry & { readonly kind: 'message' }

/** A question that was appended before. */
export type EarlierMessage = Omit<MessageEntry, 'prev'>

/** Who may write a turn, until when. `until` is on the clock that the adapter's leases run on, in milliseconds. */
interface Lease {
  readonly owner: string
  readonly until: number
}

/** A turn that has not ended. */
export interface OpenTurn {
  readonly turnId: TurnId
  readonly messageId: MessageId
  /** Milliseconds since the epoch. */
  readonly askedAt: number
  /** The newest attempt, 0 when none has started. */
  readonly attempt: number
  /** `answer-part` entries of the newest attempt, and their text in UTF-16 units. */
  readonly parts: number
  readonly chars: number
  /** The newest attempt's text was announced as cut off. */
  readonly isSuperseded: boolean
  readonly isStopping: boolean
  /** Its question has been given other help. */
  readonly isTold: boolean
  /** Of the newest claim, 0 when there was none. */
  readonly fence: number
  /** `undefined` once given back. A lease that has run out is still its owner's until somebody else claims the turn. */
  readonly lease: Lease | undefined
}

/** Gives entries their places after `head`. `at` is in milliseconds since the epoch. */
export function linkEntries(head: Head | undefined, bodies: readonly EntryBody[], at: number, mintId: () => EntryId): readonly Entry[] {
  let last = head
  return bodies.map((body) => {
    const entry: Entry = { seq: (last?.seq ?? 0) + 1, id: mintId(), prev: last?.id, at, ...body }
    last = { seq: entry.seq, id: entry.id }
    return entry
  })
}

export interface AskFacts {
  readonly head: Head | undefined
  /** The entry that has the question's id already. */
  readonly earlier: EarlierMessage | undefined
  /** The last number accepted from the question's device, 0 for none. */
  readonly lastNumber: number
  readonly openTurns: number
}

export type AskDecision =
  | { readonly type: 'append'; readonly body: MessageBody }
  | { readonly type: 'duplicate'; readonly earlier: EarlierMessage }
  | { readonly type: 'conflict' }
  | { readonly type: 'order'; readonly expected: number }
  | { readonly type: 'overload' }

/**
 * Whether a question is appended to a session that exists.
 *
 * A repeat is recognised before anything else is checked: what was accepted once is never refused later.
 *
 * @throws RangeError when a browser's device did not number its question.
 */
export function decideAsk(facts: AskFacts, question: NewQuestion, turnId: TurnId): AskDecision {
  const { earlier } = facts
  if (earlier !== undefined) return earlier.text === question.text ? { type: 'duplicate', earlier } : { type: 'conflict' }
  const expected = facts.lastNumber + 1
  if (question.number === undefined && question.device !== SERVER_DEVICE)
    throw new RangeError('only the server device may leave its questions unnumbered')
  if (question.number !== undefined && question.number !== expected) return { type: 'order', expected }
  if (facts.openTurns >= OPEN_TURNS_MAX || (facts.head?.seq ?? 0) >= SESSION_ENTRIES_MAX) return { type: 'overload' }
  const { messageId, device, text, inReplyTo } = question
  return { type: 'append', body: { kind: 'message', messageId, turnId, device, number: expected, text, inReplyTo } }
}

/** What a question is answered with: the place, turn and number it has in the log, now or since an earlier time. */
export const accepted = (logId: LogId, message: EarlierMessage, duplicate: boolean): AskResult => ({
  type: 'accepted',
  cursor: { logId, seq: message.seq, id: message.id },
  turnId: message.turnId,
  number: message.number,
  duplicate,
})

/** The turn that a question opens. */
export const openTurn = (message: EarlierMessage): OpenTurn => ({
  turnId: message.turnId,
  messageId: message.messageId,
  askedAt: message.at,
  attempt: 0,
  parts: 0,
  chars: 0,
  isSuperseded: false,
  isStopping: false,
  isTold: false,
  fence: 0,
  lease: undefined,
})

export type StopDecision =
  | {
      readonly type: 'append'
      readonly bodies: readonly EntryBody[]
      /** What the turn has become, `undefined` when it has ended. */
      readonly turn: OpenTurn | undefined
      readonly result: StopResult
    }
  | { readonly type: 'already' }
  | { readonly type: 'gone' }

/** SHA-256 of no text. */
const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/**
 * What the wish to stop does: a turn that somebody holds is for its owner to end, as is one that has shown text; any other ends with it,
 * so that nobody has to wait until a question comes up that they do not want answered. `undefined`: the session never had such a turn.
 *
 * @param now - on the clock of `Lease.until`
 */
export function decideStop(turn: OpenTurn | 'ended' | undefined, now: number): StopDecision {
  if (turn === undefined) return { type: 'gone' }
  if (turn === 'ended' || turn.isStopping) return { type: 'already' }
  const { turnId, chars, askedAt } = turn
  const wish: EntryBody = { kind: 'stop-requested', turnId }
  if (isHeld(turn, now) || chars > 0) {
    return { type: 'append', bodies: [wish], turn: { ...turn, isStopping: true }, result: { type: 'requested' } }
  }
  return { type: 'append', bodies: [wish, stoppedUnseen(turn)], turn: undefined, result: { type: 'stopped', askedAt } }
}

/** The end of a turn that is stopped and has shown nothing. */
export const stoppedUnseen = ({ turnId, attempt }: Pick<OpenTurn, 'turnId' | 'attempt'>): EntryBody => ({
  kind: 'turn-ended',
  turnId,
  attempt,
  outcome: 'stopped',
  reason: 'asked-to-stop',
  parts: 0,
  chars: 0,
  sha256: SHA256_OF_NOTHING,
})

/** `undefined` when the cursor is not on this log, otherwise the `seq` after which to read. `idAt` is the log's id at the cursor's `seq`. */
export function decideRead(logId: LogId, after: Cursor | undefined, idAt: EntryId | undefined): number | undefined {
  if (after === undefined) return 0
  return after.logId === logId && after.id === idAt ? after.seq : undefined
}

/** @throws RangeError for a limit that is not a whole number from 1 to `READ_ENTRIES_MAX`. */
export function checkReadLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > READ_ENTRIES_MAX)
    throw new RangeError(`a read takes 1 to ${READ_ENTRIES_MAX} entries`)
}

/** How many a command may return or delete, when its caller asks for `limit`. */
export const countOf = (limit: number): number => Math.max(0, Math.trunc(limit))

export interface LeaseTerms {
  readonly owner: string
  /** On the clock of `Lease.until`. */
  readonly now: number
  readonly leaseMs: number
}

/** Whether somebody holds the turn now. */
const isHeld = (turn: OpenTurn, now: number): boolean => turn.lease !== undefined && turn.lease.until > now

/** A lease that ends later than this many new ones would was given by a clock that has gone back since; how long it really lasts, nobody knows. */
export const LEASES_AHEAD_MAX = 2

/** Whether somebody else may claim the turn. */
export const isClaimable = (turn: OpenTurn, { now, leaseMs }: Omit<LeaseTerms, 'owner'>): boolean =>
  !isHeld(turn, now) || (turn.lease !== undefined && turn.lease.until > now + LEASES_AHEAD_MAX * leaseMs)

/** The claimed turn under a fence newer than any of its session, or `undefined` while somebody holds it. */
export function decideClaim(turn: OpenTurn, lastFence: number, terms: LeaseTerms): OpenTurn | undefined {
  if (!isClaimable(turn, terms)) return undefined
  return { ...turn, fence: lastFence + 1, lease: { owner: terms.owner, until: terms.now + terms.leaseMs } }
}

/** The turn with a longer lease, or `undefined` when `fence` no longer holds it. */
export function decideRenew(turn: OpenTurn | undefined, fence: number, terms: Omit<LeaseTerms, 'owner'>): OpenTurn | undefined {
  const lease = leaseUnder(turn, fence)
  if (turn === undefined || lease === undefined) return undefined
  return { ...turn, lease: { owner: lease.owner, until: terms.now + terms.leaseMs } }
}

/** The turn free for anybody, or `undefined` when `fence` no longer holds it. */
export function decideRelease(turn: OpenTurn | undefined, fence: number): OpenTurn | undefined {
  return turn === undefined || leaseUnder(turn, fence) === undefined ? undefined : { ...turn, lease: undefined }
}

export type WriteDecision =
  /** `turn` is what the turn has become, `undefined` when it has ended. */
  { readonly type: 'append'; readonly turn: OpenTurn | undefined } | { readonly type: 'fenced' }

/**
 * Whether an owner may append these bodies. `turn` is `undefined` when it has ended or its session is gone.
 *
 * Only the fence counts, not the time: an owner that was paused past its lease may go on as long as nobody took its place.
 *
 * @throws RangeError when the bodies would break the log's own rules; nothing of them may then be stored.
 */
export function decideWrite(turn: OpenTurn | undefined, fence: number, bodies: readonly TurnBody[]): WriteDecision {
  if (turn === undefined || leaseUnder(turn, fence) === undefined) return { type: 'fenced' }
  if (bodies.length > WRITE_ENTRIES_MAX) throw new RangeError(`one write takes at most ${WRITE_ENTRIES_MAX} entries`)
  checkNotices(turn, bodies)
  let now: OpenTurn | undefined = turn
  for (const body of bodies) now = afterBody(now, body)
  return { type: 'append', turn: now }
}

/** A question is given other help once, by the owner of its turn, who may do so in the write that ends it. */
function checkNotices(turn: OpenTurn, bodies: readonly TurnBody[]): void {
  let { isTold } = turn
  for (const body of bodies) {
    if (body.kind !== 'notice') continue
    check(body.turnId === turn.turnId && body.inReplyTo === turn.messageId, body, 'it is about the question of its claim')
    check(!isTold, body, 'a question has one')
    isTold = true
  }
}

const leaseUnder = (turn: OpenTurn | undefined, fence: number): Lease | undefined => (turn?.fence === fence ? turn.lease : undefined)

function afterBody(turn: OpenTurn | undefined, body: TurnBody): OpenTurn | undefined {
  if (body.kind === 'notice') return turn === undefined ? undefined : { ...turn, isTold: true }
  if (turn === undefined) throw new RangeError(`${body.kind} after the end of its turn`)
  if (body.turnId !== turn.turnId) throw new RangeError(`${body.kind} is of another turn`)
  switch (body.kind) {
    case 'turn-started':
      check(body.attempt === turn.attempt + 1, body, 'attempts of a turn follow one another')
      check(body.fence === turn.fence, body, 'it carries the fence of its claim')
      check(turn.chars === 0 || turn.isSuperseded, body, 'text that was shown is superseded first')
      return { ...turn, attempt: body.attempt, parts: 0, chars: 0, isSuperseded: false }
    case 'answer-part':
      check(body.attempt === turn.attempt && turn.attempt > 0, body, 'it is of the attempt that has started')
      check(!turn.isSuperseded, body, 'a superseded attempt gets no more text')
      check(body.index === turn.parts, body, 'parts of an attempt follow one another')
      check(body.text.length > 0 && body.text.length <= ANSWER_PART_CHARS_MAX, body, 'it has text, and not too much')
      return { ...turn, parts: turn.parts + 1, chars: turn.chars + body.text.length }
    case 'turn-superseded':
      check(body.attempt === turn.attempt, body, 'it is of the attempt that has started')
      check(turn.chars > 0 && !turn.isSuperseded, body, 'only text that was shown is superseded, and once')
      return { ...turn, isSuperseded: true }
    case 'turn-ended':
      check(body.attempt === turn.attempt, body, 'it is of the newest attempt, or 0')
      check(body.parts === turn.parts && body.chars === turn.chars, body, 'it counts the text of its attempt')
      return undefined
  }
}

function check(holds: boolean, body: TurnBody, rule: string): asserts holds {
  if (!holds) throw new RangeError(`${body.kind} refused: ${rule}`)
}
