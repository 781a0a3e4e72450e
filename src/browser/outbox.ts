/**
 * The questions that a device keeps until they are settled: what each change makes of the rows of one session. Pure.
 *
 * It runs inside the transaction of whoever stores the rows, so that the pages of a session cannot disagree about who sends what.
 * A page that sends holds its rows by a short lease; two that believe they hold the same row both send it, which its id makes harmless.
 * Times are the device's own, in milliseconds since the epoch: the only clock that all pages, dead and alive, share. It may jump.
 */
import * as v from 'valibot'
import { isMessageId, isSessionId, type MessageId, type SessionId } from '../conversation/ids.ts'
import { OUTBOX_EXPIRES_MS, OUTBOX_KEPT_MAX_MS, OUTBOX_LEASE_MS, UNSETTLED_QUESTIONS_MAX } from '../conversation/limits.ts'
import { checkQuestion } from '../conversation/question-text.ts'
import { REJECT_CODES, type RejectCode } from '../protocol/protocol.ts'

/** Whose rows a page may see: a row of another visitor or session is never shown and never sent. */
export interface OutboxScope {
  readonly visitor: string
  readonly session: SessionId
}

export interface OutboxRow extends OutboxScope {
  /** Of this record; another release may write another one. */
  readonly form: typeof FORM
  readonly messageId: MessageId
  readonly text: string
  readonly inReplyTo: MessageId | undefined
  /** Order within the session. */
  readonly place: number
  readonly keptAt: number
  /** The page that tried to send it last, and until when it is that page's alone. `undefined`: nobody has tried, so it is on this device only. */
  readonly sender: { readonly page: string; readonly until: number } | undefined
  /** The server will never take it; it stays until a person has seen that. */
  readonly refused: RejectCode | undefined
}

/** A question as it comes to the device; `page` has tried to send it, or `undefined`. */
export type NewRow = Pick<OutboxRow, 'messageId' | 'text' | 'inReplyTo' | 'place'> & { readonly page: string | undefined }

export type OutboxChange =
  /** Only what there is. */
  | { readonly type: 'look' }
  /**
   * A page was loaded; what `former`, the page before it in the same tab, was sending is free. `settled`: what its log holds for good.
   */
  | { readonly type: 'arrive'; readonly former: string | undefined; readonly settled: readonly MessageId[] }
  /** All of them or none: whoever sees one of a page's questions must see those before it. `isBlind`: the page has not seen what there is, and goes behind it. */
  | { readonly type: 'keep'; readonly rows: readonly NewRow[]; readonly isBlind: boolean }
  /**
   * The page is about to send, in order, what it holds and `room` more. It stops at the first row that another page is sending, so
   * nothing overtakes; `accepted` are those that it knows to be in the log.
   */
  | { readonly type: 'take'; readonly page: string; readonly room: number; readonly accepted: readonly MessageId[] }
  /** The page cannot send any more. */
  | { readonly type: 'release'; readonly page: string }
  | { readonly type: 'refuse'; readonly messageIds: readonly MessageId[]; readonly code: RejectCode }
  /** Settled, or refused and seen. */
  | { readonly type: 'forget'; readonly messageIds: readonly MessageId[] }
  /** A person takes them back: what may be in the log already stays. */
  | { readonly type: 'withdraw'; readonly messageIds: readonly MessageId[] }
  /** A person wants it sent although it has expired. */
  | { readonly type: 'revive'; readonly messageId: MessageId }

const FORM = 1
/** When it was written is not known: it has expired. */
export const UNKNOWN_TIME = 0

type Rows = readonly OutboxRow[]

/** The rows of `scope` after `change`, in order. Rows that stay as they are stay the same objects. */
export function applyChange(rows: Rows, change: OutboxChange, scope: OutboxScope, at: number): Rows {
  switch (change.type) {
    case 'look':
      return rows
    case 'arrive':
      return change.former === undefined ? rows : release(rows, change.former)
    case 'keep':
      return keep(rows, change, scope, at)
    case 'take':
      return take(rows, change, at)
    case 'release':
      return release(rows, change.page)
    case 'refuse':
      return edit(rows, change.messageIds, (row) => ({ ...row, refused: change.code }))
    case 'forget':
      return rows.filter(({ messageId }) => !change.messageIds.includes(messageId))
    case 'withdraw':
      return rows.filter((row) => !change.messageIds.includes(row.messageId) || !mayWithdraw(row, at))
    case 'revive':
      return edit(rows, [change.messageId], (row) => ({ ...row, keptAt: at }))
  }
}

export const isExpired = ({ keptAt }: OutboxRow, at: number): boolean => at - keptAt > OUTBOX_EXPIRES_MS

/** How long another page than `page` still has the row to itself, in milliseconds. */
export function heldByAnother({ sender }: OutboxRow, page: string, at: number): number {
  if (sender === undefined || sender.page === page) return 0
  const left = sender.until - at
  // A lease from the future is one of a clock that was put back since.
  return left > OUTBOX_LEASE_MS ? 0 : Math.max(0, left)
}

const mayWithdraw = (row: OutboxRow, at: number): boolean => row.sender === undefined || row.refused !== undefined || isExpired(row, at)

function keep(rows: Rows, change: Extract<OutboxChange, { type: 'keep' }>, { visitor, session }: OutboxScope, at: number): Rows {
  const fresh = change.rows.filter((row) => !rows.some(({ messageId }) => messageId === row.messageId))
  if (fresh.length === 0 || rows.length + fresh.length > UNSETTLED_QUESTIONS_MAX) return rows
  const behind = change.isBlind ? Math.max(0, ...rows.map(({ place }) => place)) : 0
  const added = fresh.map(({ page, ...row }): OutboxRow => {
    const sender = page === undefined ? undefined : { page, until: at }
    return { form: FORM, visitor, session, ...row, place: behind + row.place, keptAt: at, sender, refused: undefined }
  })
  return sorted([...rows, ...added])
}

function take(rows: Rows, { page, room, accepted }: Extract<OutboxChange, { type: 'take' }>, at: number): Rows {
  const sender = { page, until: at + OUTBOX_LEASE_MS }
  let left = room
  let isBlocked = false
  return rows.map((row) => {
    if (row.refused !== undefined || accepted.includes(row.messageId)) return row
    const isMine = row.sender?.page === page
    if (!isMine && isExpired(row, at)) return row
    isBlocked ||= heldByAnother(row, page, at) > 0 || (!isMine && left === 0)
    if (isBlocked) return row
    if (!isMine) left -= 1
    return { ...row, sender }
  })
}

const release = (rows: Rows, page: string): Rows =>
  rows.map((row) => (row.sender?.page === page && row.sender.until !== 0 ? { ...row, sender: { page, until: 0 } } : row))

const edit = (rows: Rows, messageIds: readonly MessageId[], how: (row: OutboxRow) => OutboxRow): Rows =>
  rows.map((row) => (messageIds.includes(row.messageId) ? how(row) : row))

const maybe = <Schema extends v.GenericSchema>(schema: Schema) => v.optional(schema, () => undefined)
const messageId = v.pipe(v.string(), v.guard(isMessageId))
/** The least that every release writes. */
const common = { visitor: v.string(), session: v.pipe(v.string(), v.guard(isSessionId)), messageId, text: v.string() }
const time = v.pipe(v.number(), v.finite())
const asideSchema = v.object(common)
const rowSchema = v.object({
  ...common,
  form: v.literal(FORM),
  inReplyTo: maybe(messageId),
  place: time,
  keptAt: time,
  sender: maybe(v.object({ page: v.string(), until: time })),
  refused: maybe(v.picklist(REJECT_CODES)),
})

/**
 * A record as it was found on the device, which anybody who had the device may have written. One of another release, and one that
 * is damaged, is set aside: its text is kept and shown, and nothing is sent by itself. `undefined`: there is nothing to keep in it.
 */
export function readRow(found: unknown): OutboxRow | undefined {
  const row = v.safeParse(rowSchema, found)
  if (row.success) return checked(row.output)
  const { success, output } = v.safeParse(asideSchema, found)
  if (!success) return undefined
  const aside = { form: FORM, inReplyTo: undefined, place: 0, keptAt: UNKNOWN_TIME, sender: undefined, refused: undefined } as const
  return checked({ ...output, ...aside })
}

/** What a server would refuse is not sent to it: three such frames would end the link for good. */
const checked = (row: OutboxRow): OutboxRow => (checkQuestion(row.text).ok ? row : { ...row, refused: 'invalid' })

/** The rows of `scope` among all that the device keeps, in order. */
export function rowsOf(found: readonly unknown[], scope: OutboxScope): Rows {
  const rows = found.map(readRow).filter((row): row is OutboxRow => row?.visitor === scope.visitor && row.session === scope.session)
  return sorted(rows)
}

/** Two pages that did not know of each other may have given the same place. */
const sorted = (rows: Rows): Rows => rows.toSorted((one, other) => one.place - other.place || one.keptAt - other.keptAt)

/**
 * Whether a page that arrives finds this record only in the way: nobody who could still see it has any use for it, or it was asked in
 * the page's session instead of one that had closed.
 */
export function isLeftBehind(
  found: unknown,
  scope: OutboxScope,
  { settled }: Extract<OutboxChange, { type: 'arrive' }>,
  at: number,
): boolean {
  const row = readRow(found)
  // What cannot be read is not ours to delete.
  if (row === undefined) return false
  if (row.visitor !== scope.visitor) return isExpired(row, at)
  if (row.session === scope.session) return false
  return settled.includes(row.messageId) || (row.keptAt !== UNKNOWN_TIME && at - row.keptAt > OUTBOX_KEPT_MAX_MS)
}
