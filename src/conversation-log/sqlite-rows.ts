/** Rows as SQLite returns them into the log's own types. What does not fit is a damaged store, never passed on. */
import type { SQLOutputValue } from 'node:sqlite'
import type { Entry } from '../conversation/entry.ts'
import { isEntryId, isLogId, isMessageId, isSessionId, isTurnId, isVisitorId, type EntryId } from '../conversation/ids.ts'
import type { Session } from './conversation-log.ts'
import type { OpenTurn } from './log-decisions.ts'
import { LogError } from './log-error.ts'
import { bodyOf } from './stored-entry.ts'

export type Row = Readonly<Record<string, SQLOutputValue>>

export function numberIn(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw damaged(column)
  return value
}

export function textIn(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw damaged(column)
  return value
}

/** The id in a column, checked to be one. */
function idIn<Id extends string>(row: Row, column: string, isId: (value: string) => value is Id & string): Id {
  const value = textIn(row, column)
  if (!isId(value)) throw damaged(column)
  return value
}

export const entryIdIn = (row: Row): EntryId => idIn(row, 'entry_id', isEntryId)

export const sessionIn = (row: Row): Session => ({
  id: idIn(row, 'session_id', isSessionId),
  visitor: idIn(row, 'visitor', isVisitorId),
  logId: idIn(row, 'log_id', isLogId),
  createdAt: numberIn(row, 'created_at'),
  expiresAt: numberIn(row, 'expires_at'),
  questions: numberIn(row, 'questions'),
})

export const turnIn = (row: Row): OpenTurn => ({
  turnId: idIn(row, 'turn_id', isTurnId),
  messageId: idIn(row, 'message_id', isMessageId),
  askedAt: numberIn(row, 'asked_at'),
  attempt: numberIn(row, 'attempt'),
  parts: numberIn(row, 'parts'),
  chars: numberIn(row, 'chars'),
  isSuperseded: numberIn(row, 'is_superseded') === 1,
  isStopping: numberIn(row, 'is_stopping') === 1,
  isTold: numberIn(row, 'is_told') === 1,
  fence: numberIn(row, 'turn_fence'),
  lease: row['owner'] === null ? undefined : { owner: textIn(row, 'owner'), until: numberIn(row, 'lease_until') },
})

/** The entry in a row; `prev` is the id of the one before it. */
export function entryIn(row: Row, prev: EntryId | undefined): Entry {
  return { seq: numberIn(row, 'seq'), id: entryIdIn(row), prev, at: numberIn(row, 'at'), ...bodyOf(textIn(row, 'body')) }
}

const damaged = (column: string): LogError => new LogError('corrupt', `the store holds something else than a ${column}`)
