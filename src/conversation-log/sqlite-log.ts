/**
 * The conversation log in one SQLite file, for one process: the default store, nothing to install.
 *
 * Guarantees: what was acknowledged survives a crash and a power loss (WAL, `synchronous=FULL`, checked after the first write);
 * accepted is settled. Commands are gathered into transactions (`group-commit.ts`) and run in a thread of their own.
 * It does not know what the commands mean: `sqlite-store.ts` does.
 */
import { Worker } from 'node:worker_threads'
import type { ConversationLog } from './conversation-log.ts'
import { createDoorbells } from './doorbells.ts'
import { GroupCommit, type BatchAnswers, type StoreEvents } from './group-commit.ts'
import { LogError } from './log-error.ts'
import { fromWire } from './sqlite-errors.ts'
import { decodeAnswers, entropyOf, type FromStore, type ToStore } from './sqlite-thread.ts'
import { portOf, ringsOf, type LogPorts } from './sync-log.ts'

export interface SqliteLogOptions {
  /** Path of the database; its folder is made when it is not there. Beside it stands `-wal` while the log is open. */
  readonly file: string
  /**
   * Called once when the store can no longer be trusted: an I/O error, a damaged file, its thread ended. Every command is
   * refused from then on; the process should end, because after a failed fsync nobody knows what is on the disk.
   */
  readonly onFatal: (error: LogError) => void
}

export interface SqliteLogPorts extends LogPorts {
  readonly events: StoreEvents
}

/**
 * Opens the log and takes its file for this process alone. Turns that a dead process had claimed can be claimed at once.
 *
 * @throws LogError with one sentence for people on call: in use by another process, too new, not ours, damaged, not writable.
 */
export async function openSqliteLog(options: SqliteLogOptions, ports: SqliteLogPorts): Promise<ConversationLog> {
  const thread = await startThread(options.file)
  const { clock, random, events } = ports
  const doorbells = createDoorbells()
  const commits = new GroupCommit({
    clock,
    events,
    run: (batch) => {
      const entropy = random([...batch.reads, ...batch.writes].reduce((sum, command) => sum + entropyOf(command), 0))
      return thread.run({ type: 'batch', batch, now: clock.now(), leaseNow: clock.monotonic(), entropy })
    },
    onDone: (command, result) => doorbells.ring(ringsOf(command, result)),
    onFatal: (error) => {
      thread.terminate()
      options.onFatal(error)
    },
  })
  thread.onDeath((error) => commits.die(error))
  let closed: Promise<void> | undefined
  return portOf({
    profile: () => ({ store: 'sqlite', durability: 'fsync', isShared: false, description: `SQLite, ${options.file}` }),
    submit: (command) => commits.submit(command),
    backlog: () => commits.backlog(),
    doorbells,
    close: () => (closed ??= closeThread(commits, thread)),
  })
}

/** @throws LogError when the store stalls or cannot close: the file is whole, but its last words may be in the `-wal` file. */
async function closeThread(commits: GroupCommit, thread: StoreThread): Promise<void> {
  try {
    await commits.drain()
    await thread.close()
  } finally {
    thread.terminate()
  }
}

interface StoreThread {
  readonly run: (message: ToStore & { readonly type: 'batch' }) => Promise<BatchAnswers>
  readonly onDeath: (listener: (error: LogError) => void) => void
  /** Closes the database and ends the thread. */
  readonly close: () => Promise<void>
  /** Ends the thread without closing; harmless when it has ended. */
  readonly terminate: () => void
}

async function startThread(file: string): Promise<StoreThread> {
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: file, execArgv: [] })
  let answer = Promise.withResolvers<FromStore>()
  let death: LogError | undefined
  let isEnding = false
  let onDeath: ((error: LogError) => void) | undefined
  const die = (error: LogError): void => {
    death ??= error
    answer.reject(death)
    onDeath?.(death)
  }
  const ask = (message: ToStore): Promise<FromStore> => {
    answer = Promise.withResolvers()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    if (death === undefined) worker.postMessage(message)
    else answer.reject(death)
    return answer.promise
  }
  worker.on('message', (message: FromStore) => answer.resolve(message))
  worker.on('error', (cause) => die(new LogError('fatal', "the store's thread failed", { cause })))
  worker.on('messageerror', (cause) => die(new LogError('fatal', "the store's thread said what cannot be read", { cause })))
  worker.on('exit', (code) => die(new LogError('fatal', `the store's thread ended (${code})`)))
  const terminate = (): void => {
    isEnding = true
    // It may hang in a system call for as long as the disk does; nobody waits for it.
    void worker.terminate()
  }

  const first = await answer.promise
  if (first.type !== 'opened') {
    terminate()
    throw first.type === 'refused' ? fromWire(first.error) : new LogError('fatal', "the store's thread began with something else")
  }
  return {
    run: async (message) => {
      const reply = await ask(message)
      if (reply.type !== 'answers') throw new LogError('fatal', "the store's thread answered something else")
      return decodeAnswers(reply.answers)
    },
    onDeath: (listener) => {
      onDeath = listener
    },
    close: async () => {
      onDeath = undefined
      if (isEnding) return
      const reply = await ask({ type: 'close' })
      if (reply.type === 'closed' && reply.error !== undefined) throw fromWire(reply.error)
    },
    terminate,
  }
}
