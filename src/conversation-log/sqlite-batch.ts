/** One batch of commands on an open database: reads, then one transaction for everything that writes. */
import type { DatabaseSync } from 'node:sqlite'
import type { Answer, Batch, BatchAnswers } from './group-commit.ts'
import { LogError } from './log-error.ts'
import { toLogError } from './sqlite-errors.ts'
import { runCommand, type LogCommand, type SyncLog } from './sync-log.ts'

/** Runs batches; `takeErased` says whether text was deleted since it was last asked. */
export type BatchStore = SyncLog & { readonly takeErased: () => boolean }

/** Never throws: whatever fails is in the answers. */
export function runBatch(db: DatabaseSync, store: BatchStore, batch: Batch): BatchAnswers {
  // Before the transaction, so that nothing uncommitted is seen even if it fails.
  const reads = batch.reads.map((command) => answerTo(store, command))
  if (batch.writes.length === 0) return { reads, writes: { type: 'committed', answers: [] }, trouble: undefined }
  const writes = runTransaction(db, store, batch.writes)
  return { reads, writes, trouble: writes.type === 'committed' && store.takeErased() ? eraseFromLog(db) : undefined }
}

function runTransaction(db: DatabaseSync, store: SyncLog, commands: readonly LogCommand[]): BatchAnswers['writes'] {
  try {
    db.exec('BEGIN IMMEDIATE')
    const answers = commands.map((command) => runAlone(db, store, command))
    db.exec('COMMIT')
    return { type: 'committed', answers }
  } catch (cause) {
    const error = toLogError(cause)
    try {
      if (db.isTransaction) db.exec('ROLLBACK')
    } catch (rollbackCause) {
      // A transaction that can be neither committed nor rolled back: the next one would continue it.
      return { type: 'failed', error: new LogError('fatal', 'a transaction could not be rolled back', { cause: rollbackCause }) }
    }
    return { type: 'failed', error }
  }
}

/** A savepoint of its own, so that a command that fails half-way leaves nothing behind and the others stand. */
function runAlone(db: DatabaseSync, store: SyncLog, command: LogCommand): Answer {
  db.exec('SAVEPOINT command')
  const answer = answerTo(store, command)
  if (!answer.ok) {
    // Some errors end the whole transaction (sqlite.org/lang_transaction.html §2.1), after some it must not be committed.
    if (!db.isTransaction || isFatal(answer.error)) throw answer.error
    db.exec('ROLLBACK TO command')
  }
  db.exec('RELEASE command')
  return answer
}

function answerTo(store: SyncLog, command: LogCommand): Answer {
  try {
    return { ok: true, result: runCommand(store, command) }
  } catch (error) {
    return { ok: false, error: toLogError(error) }
  }
}

const isFatal = (error: unknown): boolean => error instanceof LogError && error.kind === 'fatal'

/** The deleted pages are zeroed in the tables (`secure_delete`); this empties the write-ahead log that still has them. */
function eraseFromLog(db: DatabaseSync): BatchAnswers['trouble'] {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    return undefined
  } catch (error) {
    return { error: toLogError(error) }
  }
}
