/**
 * The file: its tables, and opening it so that what is committed is durable and nobody else has it open.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LogError } from './log-error.ts'
import { cannotOpen, isBusy, isNotDatabase, toLogError } from './sqlite-errors.ts'

/** Raised with every change of the tables; a file with a higher one was written by a newer version. */
export const SCHEMA_VERSION = 3
/** "GChF": marks the file as ours (sqlite.org/pragma.html#pragma_application_id). */
const APPLICATION_ID = 0x47_43_68_46

/** Earlier versions can corrupt a write-ahead log (sqlite.org/wal.html#walresetbug). */
const SQLITE_VERSION_MIN = [3, 51, 3] as const

/** Finds the open turns whose questions have not been given other help. */
const UNTOLD = 'CREATE INDEX turn_untold ON turn (id) WHERE is_open = 1 AND is_told = 0;'

/*
 * Entries are appended to a rowid table: a key of (session, seq) would store them in key order and dirty a page for each
 * session of a batch (runtime-limits reference §4). Times are REAL because clocks need not tick in whole milliseconds.
 * What is not here is derived: a log's head from its last entry, a session's open turns from their rows.
 */
const SCHEMA = `
  CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    visitor TEXT NOT NULL,
    log_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    ttl_ms REAL NOT NULL,
    questions INTEGER NOT NULL,
    fence INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX session_visitor ON session (visitor);
  CREATE INDEX session_expiry ON session (expires_at);

  CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    entry_id TEXT NOT NULL,
    at REAL NOT NULL,
    message_id TEXT,
    body TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX entry_seq ON entry (session, seq);
  CREATE UNIQUE INDEX entry_message ON entry (session, message_id) WHERE message_id IS NOT NULL;

  CREATE TABLE device (
    session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    device TEXT NOT NULL,
    last_number INTEGER NOT NULL,
    PRIMARY KEY (session, device)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE turn (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    turn_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    asked_at REAL NOT NULL,
    is_open INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    chars INTEGER NOT NULL,
    is_superseded INTEGER NOT NULL,
    is_stopping INTEGER NOT NULL,
    is_told INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    owner TEXT,
    lease_until REAL
  ) STRICT;
  CREATE UNIQUE INDEX turn_session ON turn (session, turn_id);
  CREATE INDEX turn_open ON turn (id) WHERE is_open = 1;
  CREATE INDEX turn_open_of_session ON turn (session, id) WHERE is_open = 1;
  ${UNTOLD}

  CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL) STRICT;
  INSERT INTO probe VALUES (1, 0);
`

/** What was accepted and what became of it (`ledger.ts`), computed from the entries that are there: none in a new file. */
const LEDGER = `
  CREATE TABLE ledger (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT, WITHOUT ROWID;
  WITH ending AS (
    SELECT CASE
      WHEN body ->> '$.outcome' = 'complete' THEN 'answered'
      WHEN body ->> '$.outcome' = 'stopped' AND body ->> '$.attempt' = 0 THEN 'cancelled'
      ELSE body ->> '$.outcome' END AS name
    FROM entry WHERE body ->> '$.kind' = 'turn-ended'
  )
  INSERT INTO ledger
    SELECT 'accepted', count(*) FROM entry WHERE message_id IS NOT NULL
    UNION ALL SELECT name, (SELECT count(*) FROM ending WHERE ending.name = known.name)
      FROM (SELECT 'answered' AS name UNION VALUES ('stopped'), ('failed'), ('interrupted'), ('expired'), ('cancelled')) AS known
    UNION ALL VALUES ('lost', 0), ('lost_at', 0);
`

/** How a file of each earlier version becomes one of the next. */
const UPGRADES: ReadonlyMap<number, string> = new Map([
  [1, LEDGER],
  [2, `ALTER TABLE turn ADD COLUMN is_told INTEGER NOT NULL DEFAULT 0; ${UNTOLD}`],
])

/**
 * Opens the file, makes it when there is none, and takes it for this process alone until `close` or the process's end.
 *
 * @throws LogError with one sentence for people on call: in use, too new, not ours, damaged, or not writable.
 */
export function openDatabase(file: string): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    createFile(file)
    db = new DatabaseSync(file, { timeout: 0 })
    // Before anything is read: the lock is then taken with the first read and kept. It is the operating system's,
    // so it ends with the process, however that ends.
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    checkSqlite(db)
    const version = versionOf(db, file)
    // FULL: a commit returns after its fsync. fullfsync: on macOS an fsync alone leaves data in the drive's cache.
    db.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
      PRAGMA journal_size_limit = ${16 * 1024 * 1024}; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;
    `)
    if (version === 0) createSchema(db)
    else upgradeSchema(db, version)
    releaseLeases(db)
    checkDurability(db)
    return db
  } catch (error) {
    db?.close()
    throw openError(error, file)
  }
}

/** Whether a version (`3.51.3`) is one whose write-ahead log can be trusted. */
export function isSafeSqlite(version: string): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, least] of SQLITE_VERSION_MIN.entries()) {
    const part = parts[index] ?? 0
    if (part !== least) return part > least
  }
  return true
}

/** Only its owner may read what people wrote. A file that exists is left alone: closing a second descriptor would drop its locks. */
function createFile(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if (!hasCode(error) || error.code !== 'EEXIST') throw error
  }
}

function checkSqlite(db: DatabaseSync): void {
  const version = String(valueOf(db, 'SELECT sqlite_version()'))
  if (!isSafeSqlite(version)) throw new LogError('fatal', `SQLite ${version} is older than ${SQLITE_VERSION_MIN.join('.')}`)
}

/** The file's schema, 0 when it is empty. Only reads, so that a file that is refused stays as it was. */
function versionOf(db: DatabaseSync, file: string): number {
  const [tables, application, version] = [
    valueOf(db, 'SELECT count(*) FROM sqlite_master'),
    valueOf(db, 'PRAGMA application_id'),
    Number(valueOf(db, 'PRAGMA user_version')),
  ]
  if (tables === 0 && application === 0 && version === 0) return 0
  if (application !== APPLICATION_ID) throw new LogError('fatal', `${file} is a database of something else`)
  if (version > SCHEMA_VERSION) {
    throw new LogError('fatal', `${file} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION})`)
  }
  return version
}

function createSchema(db: DatabaseSync): void {
  // One transaction with its marks: a crash leaves either an empty file or a whole one.
  db.exec(`BEGIN IMMEDIATE; ${SCHEMA} ${LEDGER} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`)
}

/** A transaction a version: a crash leaves the file as one of them, never between two. */
function upgradeSchema(db: DatabaseSync, from: number): void {
  for (let version = from; version < SCHEMA_VERSION; version += 1) {
    const upgrade = UPGRADES.get(version)
    if (upgrade === undefined) throw new LogError('fatal', `S13: no way from schema ${version} to ${version + 1}`)
    db.exec(`BEGIN IMMEDIATE; ${upgrade} PRAGMA user_version = ${version + 1}; COMMIT`)
  }
}

/** This process has the file alone, so whoever held a lease is dead. Also the write after which durability is checked. */
function releaseLeases(db: DatabaseSync): void {
  db.exec(`
    BEGIN IMMEDIATE;
    UPDATE turn SET owner = NULL, lease_until = NULL WHERE is_open = 1 AND owner IS NOT NULL;
    UPDATE probe SET value = value + 1;
    COMMIT
  `)
}

/** Read back, and only after a write: before it, a binding may report a level that it does not use (reliability reference §2.2). */
function checkDurability(db: DatabaseSync): void {
  const actual = [valueOf(db, 'PRAGMA journal_mode'), valueOf(db, 'PRAGMA synchronous'), valueOf(db, 'PRAGMA locking_mode')].join(' ')
  if (actual !== 'wal 2 exclusive') throw new LogError('fatal', `the database is not durable: ${actual} instead of wal 2 exclusive`)
}

function valueOf(db: DatabaseSync, sql: string): unknown {
  const row = db.prepare(sql).get()
  return row === undefined ? undefined : Object.values(row)[0]
}

function openError(error: unknown, file: string): unknown {
  if (isBusy(error)) return new LogError('unavailable', `another process uses ${file}`, { cause: error })
  if (isNotDatabase(error)) return new LogError('fatal', `${file} is not a database`, { cause: error })
  if (cannotOpen(error)) return new LogError('unavailable', `cannot write in ${path.dirname(file)}`, { cause: error })
  if (hasCode(error) && error.code !== 'ERR_SQLITE_ERROR') {
    return new LogError('unavailable', `cannot write in ${path.dirname(file)}: ${error.code}`, { cause: error })
  }
  return toLogError(error)
}

const hasCode = (error: unknown): error is Error & { readonly code: string } =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && !(error instanceof LogError)
