/**
 * What an error of SQLite means for the log, and how errors cross from the store's thread.
 *
 * Result codes: sqlite.org/rescode.html. The low byte is the primary code.
 */
import { LogError, type LogErrorKind } from './log-error.ts'

/** As `node:sqlite` throws them. */
interface SqliteError extends Error {
  readonly code: 'ERR_SQLITE_ERROR'
  readonly errcode: number
}

const [NOMEM, BUSY, LOCKED, INTERRUPT, FULL, CANTOPEN, PROTOCOL, READONLY] = [7, 5, 6, 9, 13, 14, 15, 8]
const [PERM, IOERR, CORRUPT, NOTADB] = [3, 10, 11, 26]
/** The file was moved or deleted under the open store: what is written to it is lost. */
const READONLY_DBMOVED = READONLY + 4 * 256

/** These may pass by themselves, and the transaction they interrupted was rolled back. */
const PASSING: ReadonlySet<number> = new Set([NOMEM, BUSY, LOCKED, INTERRUPT, FULL, CANTOPEN, PROTOCOL, READONLY])
/** After these nothing that the store says can be believed. */
const FATAL: ReadonlySet<number> = new Set([PERM, IOERR, CORRUPT, NOTADB])

const isSqliteError = (error: unknown): error is SqliteError =>
  error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR' && 'errcode' in error && typeof error.errcode === 'number'

const kindOf = (errcode: number): LogErrorKind => {
  if (errcode === READONLY_DBMOVED || FATAL.has(errcode & 0xff)) return 'fatal'
  // What is left are statements that this version's code cannot have meant: a broken rule, not a broken disk.
  return PASSING.has(errcode & 0xff) ? 'unavailable' : 'corrupt'
}

/** The primary result code, or `undefined` when the error is not SQLite's. */
const primaryCode = (error: unknown): number | undefined => (isSqliteError(error) ? error.errcode & 0xff : undefined)
export const isBusy = (error: unknown): boolean => primaryCode(error) === BUSY
export const cannotOpen = (error: unknown): boolean => [CANTOPEN, READONLY, PERM].includes(primaryCode(error) ?? 0)
export const isNotDatabase = (error: unknown): boolean => primaryCode(error) === NOTADB

/** A `LogError` for what SQLite threw; anything else unchanged. */
export const toLogError = (error: unknown): unknown =>
  isSqliteError(error) ? new LogError(kindOf(error.errcode), `SQLite: ${error.message} (${error.errcode})`, { cause: error }) : error

/** An error as structured clone keeps it: of our own classes it would keep only the message. */
export type WireError =
  | { readonly type: 'log-error'; readonly kind: LogErrorKind; readonly message: string; readonly cause: unknown }
  | { readonly type: 'other'; readonly error: unknown }

export function toWire(error: unknown): WireError {
  if (!(error instanceof LogError)) return { type: 'other', error }
  return { type: 'log-error', kind: error.kind, message: error.message, cause: error.cause }
}

export const fromWire = (wire: WireError): unknown =>
  wire.type === 'log-error' ? new LogError(wire.kind, wire.message, { cause: wire.cause }) : wire.error
