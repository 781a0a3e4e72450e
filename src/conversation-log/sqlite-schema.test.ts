import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { SqliteLedger } from './sqlite-ledger.ts'
import { SqliteStore } from './sqlite-store.ts'
import { isSafeSqlite, openDatabase, SCHEMA_VERSION } from './sqlite-schema.ts'
import { randomBytes } from './world.contract.ts'

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sqlite-schema-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Opens a file, does something with it and closes it again. */
function withDatabase<Value>(open: () => DatabaseSync, use: (db: DatabaseSync) => Value): Value {
  const db = open()
  try {
    return use(db)
  } finally {
    db.close()
  }
}

const pragma = (db: DatabaseSync, name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]

test('[L30] an open file is as durable as it says, and zeroes what is deleted', () => {
  const file = path.join(newFolder(), 'log.db')
  const settings = ['journal_mode', 'synchronous', 'locking_mode', 'secure_delete', 'foreign_keys']
  for (let opened = 0; opened < 2; opened += 1) {
    expect(
      withDatabase(
        () => openDatabase(file),
        (db) => settings.map((name) => pragma(db, name)),
      ),
    ).toEqual(['wal', 2, 'exclusive', 1, 1])
  }
})

test.each([
  ['3.51.2', false],
  ['3.7.0', false],
  ['2.99.99', false],
  ['3.51', false],
  ['3.51.3', true],
  ['3.51.10', true],
  ['3.53.0', true],
  ['4.0.0', true],
])('[L30] SQLite %s can be trusted with a write-ahead log: %s', (version, isSafe) => {
  expect(isSafeSqlite(version)).toBe(isSafe)
})

test('[L114] a file of schema 1 is brought up to date, counted once from its entries', () => {
  const file = path.join(newFolder(), 'log.db')
  withDatabase(
    () => new DatabaseSync(file),
    (db) => db.exec(readFileSync(path.join(import.meta.dirname, 'sqlite-schema-1.sql'), 'utf8')),
  )
  const counted = { answered: 2, stopped: 1, failed: 1, interrupted: 1, expired: 1, cancelled: 1 }
  for (const opened of ['for the first time', 'again']) {
    const [tally, version] = withDatabase(
      () => openDatabase(file),
      (db) => [new SqliteLedger(db).tally(0), pragma(db, 'user_version')] as const,
    )
    expect({ opened, version, tally }).toEqual({
      opened,
      version: SCHEMA_VERSION,
      tally: expect.objectContaining({ accepted: 9, ended: counted, waiting: 2, unstarted: 1, sessions: 2, lost: 0, found: 0 }),
    })
  }
})

test('[L114][T51] questions that wait in a file of an earlier schema were given no other help yet', () => {
  const file = path.join(newFolder(), 'log.db')
  withDatabase(
    () => new DatabaseSync(file),
    (db) => db.exec(readFileSync(path.join(import.meta.dirname, 'sqlite-schema-1.sql'), 'utf8')),
  )
  const ports = { now: () => 0, leaseNow: () => 0, random: randomBytes(3) }
  const claims = withDatabase(
    () => openDatabase(file),
    (db) => new SqliteStore(db, file, ports).claimUntold('telling', 1_000, 9),
  )
  expect(claims).toHaveLength(2)
})

test('[L114] an upgrade that is cut off leaves the file as it was', () => {
  const file = path.join(newFolder(), 'log.db')
  withDatabase(
    () => new DatabaseSync(file),
    (db) => {
      db.exec(readFileSync(path.join(import.meta.dirname, 'sqlite-schema-1.sql'), 'utf8'))
      // Half-way through, the upgrade meets what is there already.
      db.exec('CREATE TABLE ledger (name TEXT PRIMARY KEY)')
    },
  )
  expect(() => openDatabase(file)).toThrow(expect.objectContaining({ name: 'LogError' }))
  const version = withDatabase(
    () => new DatabaseSync(file),
    (db) => pragma(db, 'user_version'),
  )
  expect(version).toBe(1)
})

test('[L38] a file of a newer version is refused and stays as it was', () => {
  const file = path.join(newFolder(), 'log.db')
  withDatabase(
    () => openDatabase(file),
    (db) => db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`),
  )
  const before = readFileSync(file)
  expect(() => openDatabase(file)).toThrow(
    expect.objectContaining({ name: 'LogError', kind: 'fatal', message: expect.stringContaining('newer version') }),
  )
  expect(readFileSync(file).equals(before)).toBe(true)
})

test('[L38] a database of something else is refused and stays as it was', () => {
  const file = path.join(newFolder(), 'theirs.db')
  withDatabase(
    () => new DatabaseSync(file),
    (db) => db.exec('CREATE TABLE entry (theirs TEXT)'),
  )
  const before = readFileSync(file)
  expect(() => openDatabase(file)).toThrow(
    expect.objectContaining({ name: 'LogError', message: expect.stringContaining('something else') }),
  )
  expect(readFileSync(file).equals(before)).toBe(true)
})

test('[L38] a file that is no database is refused and stays as it was', () => {
  const file = path.join(newFolder(), 'notes.txt')
  writeFileSync(file, 'buy milk\n'.repeat(1_000))
  expect(() => openDatabase(file)).toThrow(
    expect.objectContaining({ name: 'LogError', kind: 'fatal', message: `${file} is not a database` }),
  )
  expect(readFileSync(file, 'utf8')).toBe('buy milk\n'.repeat(1_000))
})

test('[L35] a file that was cut off is refused as damaged', () => {
  const file = path.join(newFolder(), 'log.db')
  withDatabase(
    () => openDatabase(file),
    () => undefined,
  )
  writeFileSync(file, readFileSync(file).subarray(0, 3 * 4096 + 1_000))
  expect(() => openDatabase(file)).toThrow(expect.objectContaining({ name: 'LogError', kind: 'fatal' }))
})

test('[L38] an empty file, as a crash at the first start may leave, is taken', () => {
  const file = path.join(newFolder(), 'log.db')
  writeFileSync(file, '')
  expect(
    withDatabase(
      () => openDatabase(file),
      (db) => pragma(db, 'user_version'),
    ),
  ).toBe(SCHEMA_VERSION)
})

test('[L36] a file that is open cannot be opened again, and can once it is closed', () => {
  const file = path.join(newFolder(), 'log.db')
  withDatabase(
    () => openDatabase(file),
    () =>
      expect(() => openDatabase(file)).toThrow(
        expect.objectContaining({ name: 'LogError', kind: 'unavailable', message: `another process uses ${file}` }),
      ),
  )
  expect(
    withDatabase(
      () => openDatabase(file),
      () => 'opened',
    ),
  ).toBe('opened')
})

test('[L39] a folder that cannot be had gives one sentence that names it', () => {
  const folder = newFolder()
  const [blocked, taken] = [path.join(folder, 'a-file'), path.join(folder, 'a-folder')]
  writeFileSync(blocked, '')
  mkdirSync(taken)
  for (const file of [path.join(blocked, 'log.db'), path.join(blocked, 'deeper', 'log.db'), '/proc/log.db', taken]) {
    const sentence = `cannot write in ${path.dirname(file)}`
    expect(() => openDatabase(file)).toThrow(expect.objectContaining({ name: 'LogError', message: expect.stringContaining(sentence) }))
  }
})

test('[L40] only its owner may read the file, and its folder is made as private', () => {
  const file = path.join(newFolder(), 'deep', 'down', 'log.db')
  const modes = withDatabase(
    () => openDatabase(file),
    () => [file, `${file}-wal`, path.dirname(file)].map((each) => statSync(each).mode & 0o777),
  )
  expect(modes).toEqual([0o600, 0o600, 0o700])
  expect(existsSync(`${file}-wal`)).toBe(false)
})
