import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { isVisitorId, mintMessageId, mintSessionId, SERVER_DEVICE } from '../conversation/ids.ts'
import { missingIn } from './conversation-log.ts'
import { openDatabase } from './sqlite-schema.ts'
import { SqliteStore } from './sqlite-store.ts'
import { randomBytes } from './world.contract.ts'

const random = randomBytes(12)
const NOW = 1_000

interface Opened {
  readonly db: DatabaseSync
  readonly store: SqliteStore
  /** Closes the file and opens it again, as a process that starts does. */
  readonly reopen: () => Opened
}

function open(file: string): Opened {
  const db = openDatabase(file)
  const store = new SqliteStore(db, file, { now: () => NOW, leaseNow: () => NOW, random })
  onTestFinished(() => {
    if (db.isOpen) db.close()
  })
  const reopen = (): Opened => {
    db.close()
    return open(file)
  }
  return { db, store, reopen }
}

/** A store in which three questions wait. */
function openStore(): Opened {
  const folder = mkdtempSync(path.join(tmpdir(), 'sqlite-ledger-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const opened = open(path.join(folder, 'log.db'))
  const [session, visitor] = [mintSessionId(random), mintSessionId(random)]
  if (isVisitorId(visitor)) opened.store.createSession({ id: session, visitor, ttlMs: 1_000 })
  for (let count = 0; count < 3; count += 1) {
    const question = { messageId: mintMessageId(0, random), device: SERVER_DEVICE, number: undefined, text: 'Hello', inReplyTo: undefined }
    opened.store.ask(session, question)
  }
  return opened
}

test.each([
  ['a turn', 'DELETE FROM turn WHERE id = 2', 1],
  ['a question', 'DELETE FROM entry WHERE seq = 2', 1],
  ['a session with all that waits in it', 'DELETE FROM session', 3],
])('[L111] %s that is deleted behind the store’s back is found missing', (_what, sql, missing) => {
  const { db, store } = openStore()
  expect(store.tally()).toMatchObject({ accepted: 3, waiting: 3, lost: 0, lostAt: undefined, found: 0 })
  db.exec(sql)
  expect(store.tally()).toMatchObject({ accepted: 3, waiting: 3 - missing, lost: missing, lostAt: NOW, found: missing })
})

test('[L113] a loss is found once, by whoever looks first, also after a restart', () => {
  const first = openStore()
  first.db.exec('DELETE FROM turn WHERE id = 1')
  expect(first.store.tally().found).toBe(1)
  expect(first.store.tally()).toMatchObject({ lost: 1, found: 0 })
  const second = first.reopen()
  expect(second.store.tally()).toMatchObject({ lost: 1, lostAt: NOW, found: 0 })
  second.db.exec('DELETE FROM turn WHERE id = 2')
  expect(second.reopen().store.tally()).toMatchObject({ lost: 2, found: 1 })
})

test('[L111] a lost question stays lost when its session is deleted', () => {
  const { db, store } = openStore()
  const [claim] = store.claim('owner', 1_000, 1)
  db.exec('DELETE FROM turn WHERE id = 2')
  if (claim !== undefined) store.deleteSession(claim.session)
  const tally = store.tally()
  expect([tally.ended.cancelled, missingIn(tally)]).toEqual([2, 1])
})

test('[L111] an end too many shows below zero and is no loss', () => {
  const { db, store } = openStore()
  db.exec("UPDATE ledger SET value = 1 WHERE name = 'answered'")
  const tally = store.tally()
  expect([missingIn(tally), tally.lost, tally.found]).toEqual([-1, 0, 0])
})
