import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { constants, type DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { isVisitorId, mintMessageId, mintSessionId, SERVER_DEVICE, type SessionId } from '../conversation/ids.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import type { NewQuestion } from './conversation-log.ts'
import type { BatchAnswers } from './group-commit.ts'
import { runBatch } from './sqlite-batch.ts'
import { openDatabase } from './sqlite-schema.ts'
import { SqliteStore } from './sqlite-store.ts'
import type { LogCommand } from './sync-log.ts'
import { randomBytes } from './world.contract.ts'

const random = randomBytes(11)

interface Opened {
  readonly clock: SimulatedClock
  readonly db: DatabaseSync
  readonly file: string
  readonly session: SessionId
  readonly run: (...commands: readonly LogCommand[]) => BatchAnswers
  readonly ask: (fields?: Partial<NewQuestion>) => LogCommand & { readonly name: 'ask' }
  /** Every text in the session, as a later reader finds it. */
  readonly texts: () => readonly string[]
}

const READS = new Set(['read', 'findSession'])

function openStore(): Opened {
  const folder = mkdtempSync(path.join(tmpdir(), 'sqlite-batch-'))
  const file = path.join(folder, 'log.db')
  const db = openDatabase(file)
  onTestFinished(() => {
    if (db.isOpen) db.close()
    rmSync(folder, { recursive: true })
  })
  const clock = createSimulatedClock()
  const store = new SqliteStore(db, file, { now: () => clock.now(), leaseNow: () => clock.monotonic(), random })
  const [session, visitor] = [mintSessionId(random), mintSessionId(random)]
  const run = (...commands: readonly LogCommand[]): BatchAnswers =>
    runBatch(db, store, { reads: commands.filter(({ name }) => READS.has(name)), writes: commands.filter(({ name }) => !READS.has(name)) })
  if (isVisitorId(visitor)) run({ name: 'createSession', args: [{ id: session, visitor, ttlMs: 1_000 }] })
  const ask: Opened['ask'] = (fields) => {
    const question = { messageId: mintMessageId(0, random), device: SERVER_DEVICE, number: undefined, text: 'Hello', inReplyTo: undefined }
    return { name: 'ask', args: [session, { ...question, ...fields }] }
  }
  const texts = (): readonly string[] => {
    const read = store.read(session, undefined, 256)
    return read.type === 'entries' ? read.entries.flatMap((entry) => (entry.kind === 'message' ? [entry.text] : [])) : []
  }
  return { clock, db, file, session, run, ask, texts }
}

test('[L33] a command that fails half-way leaves nothing, and the others of its transaction stand', () => {
  const { db, run, ask, texts } = openStore()
  // Fails after the entry and the turn have been inserted.
  db.exec(`CREATE TEMP TRIGGER fails BEFORE UPDATE ON session
    WHEN (SELECT body FROM entry ORDER BY id DESC LIMIT 1) LIKE '%unlucky%' BEGIN SELECT RAISE(ABORT, 'half-way'); END`)
  const wrong = ask({ number: 7, text: 'wrong' })
  const { writes } = run(ask({ text: 'before' }), ask({ text: 'unlucky' }), wrong, ask({ text: 'after' }))
  expect(writes).toMatchObject({
    type: 'committed',
    answers: [
      { ok: true, result: { type: 'accepted', number: 1 } },
      { ok: false, error: { name: 'LogError', kind: 'corrupt' } },
      { ok: true, result: { type: 'order', expected: 2 } },
      { ok: true, result: { type: 'accepted', number: 2, cursor: { seq: 2 } } },
    ],
  })
  expect(texts()).toEqual(['before', 'after'])
  expect(db.prepare('SELECT count(*) AS turns FROM turn').get()).toEqual({ turns: 2 })
})

test('[L32] when the commit fails nothing of its commands is stored, and the next transaction begins anew', () => {
  const { db, run, ask, texts } = openStore()
  run(ask({ text: 'kept' }))
  db.setAuthorizer((action, operation) =>
    action === constants.SQLITE_TRANSACTION && operation === 'COMMIT' ? constants.SQLITE_DENY : constants.SQLITE_OK,
  )
  expect(run(ask({ text: 'lost' }), ask({ text: 'lost too' })).writes).toMatchObject({ type: 'failed', error: { name: 'LogError' } })
  db.setAuthorizer(null)
  expect(texts()).toEqual(['kept'])
  expect(run(ask({ text: 'next' })).writes).toMatchObject({ type: 'committed', answers: [{ ok: true, result: { cursor: { seq: 2 } } }] })
  expect(texts()).toEqual(['kept', 'next'])
})

test('[L35] a transaction that cannot be rolled back either is fatal', () => {
  const { db, run, ask } = openStore()
  db.setAuthorizer((action, operation) =>
    action === constants.SQLITE_TRANSACTION && operation !== 'BEGIN' ? constants.SQLITE_DENY : constants.SQLITE_OK,
  )
  expect(run(ask()).writes).toMatchObject({ type: 'failed', error: { kind: 'fatal' } })
  db.setAuthorizer(null)
})

test('[L34] while the disk is full writing is unavailable, reading goes on, and writing goes on with space', () => {
  const { db, session, run, ask, texts } = openStore()
  run(ask({ text: 'early' }))
  db.exec('PRAGMA max_page_count = 1')
  const big = 'x'.repeat(100_000)
  const full = run(ask({ text: big }), { name: 'read', args: [session, undefined, 10] })
  expect(full.writes).toMatchObject({ type: 'failed', error: { name: 'LogError', kind: 'unavailable', isRetryable: true } })
  expect(full.reads).toMatchObject([{ ok: true, result: { entries: [{ text: 'early' }], head: { seq: 1 } } }])
  expect(texts()).toEqual(['early'])
  db.exec('PRAGMA max_page_count = 100000')
  expect(run(ask({ text: big })).writes).toMatchObject({ type: 'committed', answers: [{ ok: true }] })
  expect(texts()).toEqual(['early', big])
})

test('[L32] reads of a batch see nothing that is not committed yet', () => {
  const { session, run, ask } = openStore()
  const { reads } = run(ask(), { name: 'read', args: [session, undefined, 10] })
  expect(reads).toMatchObject([{ ok: true, result: { type: 'entries', entries: [], head: undefined } }])
})

test('[L35] a hole in a stored log is never served', () => {
  const { db, session, run, ask } = openStore()
  run(ask(), ask(), ask())
  db.exec('DELETE FROM entry WHERE seq = 2')
  expect(run({ name: 'read', args: [session, undefined, 10] }).reads).toMatchObject([
    { ok: false, error: { kind: 'corrupt', isRetryable: false } },
  ])
})

test.each([
  ['a body that is not JSON', "UPDATE entry SET body = '{'"],
  ['a body that is no entry', "UPDATE entry SET body = '7'"],
  ['an id that is none', "UPDATE entry SET entry_id = 'x'"],
])('[L35] %s is never served', (_what, sql) => {
  const { db, session, run, ask } = openStore()
  run(ask())
  db.exec(sql)
  expect(run({ name: 'read', args: [session, undefined, 10] }).reads).toMatchObject([{ ok: false, error: { kind: 'corrupt' } }])
})

test.each([
  ['deleted', (session: SessionId): LogCommand => ({ name: 'deleteSession', args: [session] }), true, 0],
  ['expired', (): LogCommand => ({ name: 'deleteExpired', args: [10] }), 1, 10_000],
] as const)('[L40] the text of a session that was %s is nowhere in the files', (_how, command, result, laterMs) => {
  const { clock, file, session, run, ask } = openStore()
  const secret = 'the colour of my grandmother’s bicycle'
  for (let count = 0; count < 5; count += 1) run(ask({ text: `${secret} ${'.'.repeat(5_000)}` }))
  const inFiles = (): boolean => [file, `${file}-wal`].some((each) => existsSync(each) && readFileSync(each).includes(secret))
  expect(inFiles()).toBe(true)
  clock.advanceSync(laterMs)
  expect(run(command(session))).toMatchObject({ writes: { answers: [{ ok: true, result }] }, trouble: undefined })
  expect(inFiles()).toBe(false)
})

test('[L24][L35] a probe finds out that the file was taken away', () => {
  const { file, run } = openStore()
  expect(run({ name: 'probe', args: [] }).writes).toMatchObject({ type: 'committed', answers: [{ ok: true }] })
  rmSync(file)
  expect(run({ name: 'probe', args: [] }).writes).toMatchObject({ type: 'failed', error: { kind: 'fatal' } })
})
