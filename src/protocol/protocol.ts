/**
 * The frames of the live link, `chat.v1`. PROTOCOL.md is the specification; these schemas are its one executable form,
 * used by both sides. A frame is one JSON object; one WebSocket message carries one or more, separated by line feeds.
 */
import * as v from 'valibot'
import { isDeviceId, isEntryId, isLogId, isMessageId, isSessionId, isTurnId, type Cursor } from '../conversation/ids.ts'
import { DURABILITIES } from '../conversation/durability.ts'
import { NOTICE_REASONS, NOTICE_TOPICS, TURN_END_REASONS, TURN_OUTCOMES } from '../conversation/entry.ts'
import { QUESTION_BYTES_MAX, SENDS_IN_FLIGHT_MAX } from '../conversation/limits.ts'

export const PROTOCOL_VERSION = 1
export const SUBPROTOCOL = 'chat.v1'

/** A `traceparent` has 55 characters; later versions of it may have more. */
const TRACEPARENT_CHARS_MAX = 128

const is = <Id extends string>(test: (value: string) => value is Id, name: string) => v.pipe(v.string(), v.guard(test, `not a ${name}`))

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const position = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const sessionId = is(isSessionId, 'session id')
const messageId = is(isMessageId, 'message id')
const turnId = is(isTurnId, 'turn id')
const deviceId = is(isDeviceId, 'device id')
const entryId = is(isEntryId, 'entry id')
const logId = is(isLogId, 'log id')

/** Fields that may be missing on the wire are `undefined` inside, never absent. */
const maybe = <Schema extends v.GenericSchema>(schema: Schema) => v.optional(schema, () => undefined)

const cursorSchema: v.GenericSchema<unknown, Cursor> = v.strictObject({ logId, seq: position, id: entryId })
const headSchema = v.strictObject({ seq: position, id: entryId })

// ── client to server ─────────────────────────────────────────────────────────

const hello = v.strictObject({
  type: v.literal('hello'),
  v: count,
  session: sessionId,
  device: deviceId,
  /** Where the view stands; absent asks for a snapshot. */
  resume: maybe(cursorSchema),
})

const send = v.strictObject({
  type: v.literal('send'),
  messageId,
  /** The device's gap-free count of its questions. */
  number: position,
  text: v.pipe(v.string(), v.maxLength(QUESTION_BYTES_MAX * 2)),
  inReplyTo: maybe(messageId),
  /** Which trace the question came from (W3C Trace Context); what has not that form is as if it were not there. */
  traceparent: v.optional(v.pipe(v.string(), v.maxLength(TRACEPARENT_CHARS_MAX))),
})

const stop = v.strictObject({ type: v.literal('stop'), turnId })
/** Asks for a `ping` at once: how a page that was frozen learns whether its link still lives. */
const probe = v.strictObject({ type: v.literal('probe') })
const pong = v.strictObject({ type: v.literal('pong'), n: count, cursor: maybe(cursorSchema) })

export const clientFrameSchema = v.variant('type', [hello, send, stop, probe, pong])
export type ClientFrame = v.InferOutput<typeof clientFrameSchema>
export type HelloFrame = v.InferOutput<typeof hello>
export type SendFrame = v.InferOutput<typeof send>

// ── entries on the wire ──────────────────────────────────────────────────────

const place = { seq: position, id: entryId, prev: maybe(entryId), at: count }
const attempt = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const entrySchema = v.variant('kind', [
  v.strictObject({
    ...place,
    kind: v.literal('message'),
    messageId,
    turnId,
    device: deviceId,
    number: position,
    text: v.string(),
    inReplyTo: maybe(messageId),
  }),
  v.strictObject({ ...place, kind: v.literal('turn-started'), turnId, attempt, fence: count }),
  v.strictObject({
    ...place,
    kind: v.literal('answer-part'),
    turnId,
    attempt,
    index: count,
    persona: maybe(v.string()),
    text: v.string(),
  }),
  v.strictObject({ ...place, kind: v.literal('turn-superseded'), turnId, attempt }),
  v.strictObject({ ...place, kind: v.literal('stop-requested'), turnId }),
  v.strictObject({
    ...place,
    kind: v.literal('turn-ended'),
    turnId,
    attempt,
    outcome: v.picklist(TURN_OUTCOMES),
    reason: maybe(v.picklist(TURN_END_REASONS)),
    parts: count,
    chars: count,
    sha256: v.string(),
  }),
  v.strictObject({
    ...place,
    kind: v.literal('notice'),
    topic: v.picklist(NOTICE_TOPICS),
    turnId,
    inReplyTo: messageId,
    reason: v.picklist(NOTICE_REASONS),
    text: v.string(),
  }),
])

// ── server to client ─────────────────────────────────────────────────────────

const itemPlace = { seq: position, at: count }
const itemSchema = v.variant('kind', [
  v.strictObject({
    ...itemPlace,
    kind: v.literal('question'),
    messageId,
    turnId,
    text: v.string(),
    inReplyTo: maybe(messageId),
    status: v.picklist(['sent', 'queued', 'delivered', 'answered', 'failed', 'expired', 'cancelled']),
    isStopping: v.boolean(),
    reason: maybe(v.picklist(TURN_END_REASONS)),
  }),
  v.strictObject({
    ...itemPlace,
    kind: v.literal('answer'),
    turnId,
    attempt,
    inReplyTo: messageId,
    persona: maybe(v.string()),
    text: v.string(),
    parts: count,
    status: v.picklist(['streaming', 'complete', 'stopped', 'interrupted', 'failed']),
    reason: maybe(v.picklist(TURN_END_REASONS)),
    isSuperseded: v.boolean(),
  }),
  v.strictObject({
    ...itemPlace,
    kind: v.literal('notice'),
    topic: v.picklist(NOTICE_TOPICS),
    turnId,
    inReplyTo: messageId,
    reason: v.picklist(NOTICE_REASONS),
    text: v.string(),
  }),
])

export const LEVELS = ['full', 'limited', 'offline'] as const
/** What the service consists of. */
export const PARTS = ['store', 'agent', 'link'] as const

/** How the service stands. */
const standing = {
  level: v.picklist(LEVELS),
  /** The parts that do not work; absent when all do. */
  away: maybe(v.array(v.picklist(PARTS))),
  /** How long answers took lately, from question to end; only while that is long. */
  answersTakeMs: maybe(count),
}

export interface ServiceStanding {
  readonly level: (typeof LEVELS)[number]
  readonly away: (typeof PARTS)[number][] | undefined
  readonly answersTakeMs: number | undefined
}

export const ALL_WORKS: ServiceStanding = { level: 'full', away: undefined, answersTakeMs: undefined }

export const isSameStanding = (one: ServiceStanding, other: ServiceStanding): boolean =>
  one.level === other.level && one.answersTakeMs === other.answersTakeMs && one.away?.join() === other.away?.join()

const welcome = v.strictObject({
  type: v.literal('welcome'),
  session: sessionId,
  logId,
  head: maybe(headSchema),
  /** `resumed`: entries after the cursor follow. `snapshot`, `fork`: a snapshot frame follows. */
  outcome: v.picklist(['resumed', 'snapshot', 'fork']),
  durability: v.picklist(DURABILITIES),
  /** Entries up to here survive every fault of the envelope without the device. */
  settled: count,
  /** The last number this device had accepted, 0 for none. */
  lastNumber: count,
  pingMs: count,
  maxInFlight: v.pipe(count, v.maxValue(SENDS_IN_FLIGHT_MAX)),
  reconnect: v.strictObject({ baseMs: count, capMs: count }),
  ...standing,
})

/** The fold of entries 1 to `head`; `items` are the latest of it, `earlier` says how many were left out. */
const snapshot = v.strictObject({
  type: v.literal('snapshot'),
  head: maybe(headSchema),
  items: v.array(itemSchema),
  earlier: count,
})

const entry = v.strictObject({ type: v.literal('entry'), entry: entrySchema })

const accepted = v.strictObject({
  type: v.literal('accepted'),
  messageId,
  number: position,
  /** Where the question stands in the log. */
  seq: position,
  duplicate: v.boolean(),
})

export const REJECT_CODES = ['conflict', 'order', 'overload', 'invalid', 'rate', 'closed', 'unavailable'] as const
export type RejectCode = (typeof REJECT_CODES)[number]

const rejected = v.strictObject({
  type: v.literal('rejected'),
  messageId,
  code: v.picklist(REJECT_CODES),
  /** Whether the same question may be sent again later; otherwise the person must be told. */
  temporary: v.boolean(),
  retryAfterMs: maybe(count),
  /** With `order`: the number the log expects next from this device. */
  expectedNumber: maybe(position),
})

const ping = v.strictObject({ type: v.literal('ping'), n: count, head: maybe(headSchema), settled: count })

/** Blocks of a turn's notice go by this attempt, which no answer has. */
export const NOTICE_ATTEMPT = 0

/** A completed block of an answer or a notice as the server renders it: derived, not an entry. */
const block = v.strictObject({
  type: v.literal('block'),
  turnId,
  attempt,
  index: count,
  html: v.string(),
  /** UTF-16 units of the answer's text that blocks 0 to `index` cover; what is beyond is shown as plain text. */
  upTo: count,
})

const levelFrame = v.strictObject({ type: v.literal('level'), ...standing })
const drain = v.strictObject({ type: v.literal('drain'), afterMs: count, windowMs: count, deadlineMs: count })
const bye = v.strictObject({
  type: v.literal('bye'),
  code: count,
  retry: v.picklist(['never', 'resume', 'fresh']),
  afterMs: count,
})

export const serverFrameSchema = v.variant('type', [welcome, snapshot, entry, accepted, rejected, ping, block, levelFrame, drain, bye])
export type ServerFrame = v.InferOutput<typeof serverFrameSchema>
export type WelcomeFrame = v.InferOutput<typeof welcome>
export type SnapshotFrame = v.InferOutput<typeof snapshot>
export type BlockFrame = v.InferOutput<typeof block>
