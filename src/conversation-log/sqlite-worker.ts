/**
 * The store's thread: owns the database, so that its synchronous calls and fsyncs never hold up a connection.
 * Started by `sqlite-log.ts`; answers one message at a time and ends when told to close.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { runBatch } from './sqlite-batch.ts'
import { toLogError, toWire } from './sqlite-errors.ts'
import { openDatabase } from './sqlite-schema.ts'
import { SqliteStore } from './sqlite-store.ts'
import { encodeAnswers, entropySource, type BatchMessage, type FromStore, type ToStore } from './sqlite-thread.ts'

/** The moment that the batch in hand was sent. */
let moment: Pick<BatchMessage, 'now' | 'leaseNow'> = { now: 0, leaseNow: 0 }
let random = entropySource(new Uint8Array())

function main(): void {
  const port = parentPort
  if (port === null) throw new TypeError('sqlite-worker.ts is a thread, not a program')
  const say = (message: FromStore): void => port.postMessage(message)
  try {
    const file: unknown = workerData
    if (typeof file !== 'string') throw new TypeError('the thread was started without a file')
    const db = openDatabase(file)
    const store = new SqliteStore(db, file, { now: () => moment.now, leaseNow: () => moment.leaseNow, random: (count) => random(count) })
    port.on('message', (message: ToStore) => {
      if (message.type === 'batch') {
        moment = message
        random = entropySource(message.entropy)
        say({ type: 'answers', answers: encodeAnswers(runBatch(db, store, message.batch)) })
        return
      }
      say({ type: 'closed', error: closeDatabase(db) })
      port.close()
    })
    say({ type: 'opened' })
  } catch (error) {
    say({ type: 'refused', error: toWire(error) })
  }
}

/** Closing moves everything from the write-ahead log into the one file. */
function closeDatabase(db: { readonly close: () => void }): ReturnType<typeof toWire> | undefined {
  try {
    db.close()
    return undefined
  } catch (error) {
    return toWire(toLogError(error))
  }
}

main()
