/**
 * The ids of the whole system, branded so that one cannot stand in for another, and minted here only.
 *
 * Chance is a parameter: `RandomBytes` is the real thing in `app/` and a seeded stream in the simulation.
 */

type Brand<Name extends string> = string & { readonly __brand: Name }

/** A conversation a visitor owns; the API's word. 128 random bits. */
export type SessionId = Brand<'SessionId'>
/** Who owns a session: derived from the signed cookie, never the cookie itself. */
export type VisitorId = Brand<'VisitorId'>
/** Idempotency key of a question, made by whoever asks: a lower-case UUID (version 7 when we make it). */
export type MessageId = Brand<'MessageId'>
/** The one turn that a question opens. 96 random bits. */
export type TurnId = Brand<'TurnId'>
/** Identity of a log entry; with `seq` it makes a rolled-back store evident. 96 random bits. */
export type EntryId = Brand<'EntryId'>
/** One life of a session's log; changes only when the log was lost and begun again. 96 random bits. */
export type LogId = Brand<'LogId'>
/** Whose gap-free count a question's number belongs to. */
export type DeviceId = Brand<'DeviceId'>

/** Returns `count` unpredictable bytes. */
export type RandomBytes = (count: number) => Uint8Array

/** A place in one life of one log: the entry at `seq` has `id`. Opaque to applications. */
export interface Cursor {
  readonly logId: LogId
  /** Position, from 1, without gaps. */
  readonly seq: number
  readonly id: EntryId
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters -- the one place where text becomes an id
const brand = <Id extends string>(text: string): Id => text as Id

const HEX = Array.from({ length: 256 }, (_unused, byte) => byte.toString(16).padStart(2, '0'))
const hex = (bytes: Uint8Array): string => bytes.reduce((text, byte) => text + (HEX[byte] ?? ''), '')

/** The device that forms and the API post as; its questions are numbered at append. */
export const SERVER_DEVICE: DeviceId = brand('server')

export const mintSessionId = (random: RandomBytes): SessionId => brand(hex(random(16)))
export const mintTurnId = (random: RandomBytes): TurnId => brand(hex(random(12)))
export const mintEntryId = (random: RandomBytes): EntryId => brand(hex(random(12)))
export const mintLogId = (random: RandomBytes): LogId => brand(hex(random(12)))
export const mintDeviceId = (random: RandomBytes): DeviceId => brand(hex(random(12)))

/** A UUID version 7 (RFC 9562 §5.7): `nowMs` makes ids of one device sort by time. */
export function mintMessageId(nowMs: number, random: RandomBytes): MessageId {
  const time = Math.max(0, Math.trunc(nowMs)).toString(16).padStart(12, '0').slice(-12)
  const tail = hex(random(10))
  const variant = ((Number.parseInt(tail.slice(3, 4), 16) & 0x3) | 0x8).toString(16)
  return brand(`${time.slice(0, 8)}-${time.slice(8)}-7${tail.slice(0, 3)}-${variant}${tail.slice(4, 7)}-${tail.slice(7, 19)}`)
}

const SESSION_ID = /^[0-9a-f]{32}$/
const ENTRY_ID = /^[0-9a-f]{24}$/
const VISITOR_ID = /^[A-Za-z0-9_-]{16,64}$/
const MESSAGE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export const isSessionId = (value: string): value is SessionId => SESSION_ID.test(value)
export const isVisitorId = (value: string): value is VisitorId => VISITOR_ID.test(value)
export const isTurnId = (value: string): value is TurnId => ENTRY_ID.test(value)
export const isEntryId = (value: string): value is EntryId => ENTRY_ID.test(value)
export const isLogId = (value: string): value is LogId => ENTRY_ID.test(value)
export const isMessageId = (value: string): value is MessageId => MESSAGE_ID.test(value)
/** A device of a page's own: not the server's. */
export const isPageDevice = (value: string): value is DeviceId => ENTRY_ID.test(value)
export const isDeviceId = (value: string): value is DeviceId => isPageDevice(value) || value === SERVER_DEVICE

/** `logId.seq.id`: what SSE's `Last-Event-ID`, `?after=` and the page carry. */
export const formatCursor = (cursor: Cursor): string => `${cursor.logId}.${cursor.seq}.${cursor.id}`

/** The cursor that `formatCursor` wrote, or `undefined` for anything else. */
export function parseCursor(text: string): Cursor | undefined {
  const [logId, seqText, id, ...rest] = text.split('.')
  if (logId === undefined || seqText === undefined || id === undefined || rest.length > 0) return undefined
  if (!isLogId(logId) || !isEntryId(id) || !/^[1-9][0-9]{0,15}$/.test(seqText)) return undefined
  const seq = Number(seqText)
  return Number.isSafeInteger(seq) ? { logId, seq, id } : undefined
}
