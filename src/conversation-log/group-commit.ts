/**
 * Group commit: one transaction in flight, and everything that arrives meanwhile is the next (runtime-limits reference §4).
 *
 *   open     commands are queued and run
 *   stalled  the transaction in flight takes too long: everything that waits has been told "unavailable", and so is what comes.
 *            Its end leads back to open
 *   closing  new commands are refused, queued ones still run
 *   dead     a fatal error, or the store's thread ended: everything is refused with it, for good
 *
 * Reads have a queue of their own and run before the transaction, so they neither wait behind queued writes nor see any that
 * are not committed. It does not know what runs the batches.
 */
import { STORE_BATCH_MAX, STORE_QUEUE_MAX, STORE_STALL_MAX_MS } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Events } from '../telemetry/events.ts'
import type { Backlog } from './conversation-log.ts'
import { LogError } from './log-error.ts'
import { isRead, type CommandName, type LogCommand, type ResultOf } from './sync-log.ts'

export interface Batch {
  /** Run first, outside the transaction. */
  readonly reads: readonly LogCommand[]
  readonly writes: readonly LogCommand[]
}

export type Answer<Fault = unknown> =
  | { readonly ok: true; readonly result: ResultOf<CommandName> }
  | { readonly ok: false; readonly error: Fault }

export interface BatchAnswers<Fault = unknown> {
  readonly reads: readonly Answer<Fault>[]
  readonly writes:
    | { readonly type: 'committed'; readonly answers: readonly Answer<Fault>[] }
    /** Nothing of the transaction is stored, or it is unknown. */
    | { readonly type: 'failed'; readonly error: Fault }
  /** What went wrong after the commit; the answers hold all the same. */
  readonly trouble: { readonly error: Fault } | undefined
}

/** What the store says of itself. */
export type StoreEvents = Pick<Events, 'storeFailed' | 'storeCommitted' | 'commandRefused' | 'queueFull'>

export interface GroupCommitOptions {
  readonly clock: Clock
  readonly events: StoreEvents
  /** Called for one batch at a time. A rejection means that nothing runs batches any more. */
  readonly run: (batch: Batch) => Promise<BatchAnswers>
  /** A command was carried out, and what it did is committed. */
  readonly onDone: (command: LogCommand, result: ResultOf<CommandName>) => void
  /** Called once, when the store is dead. */
  readonly onFatal: (error: LogError) => void
}

type State =
  | { readonly status: 'open' | 'stalled' }
  | { readonly status: 'closing' }
  | { readonly status: 'dead'; readonly error: LogError }

interface Waiting {
  readonly command: LogCommand
  /** When it was given, monotonic. */
  readonly at: number
  readonly answer: PromiseWithResolvers<ResultOf<CommandName>>
}

export class GroupCommit {
  readonly #options: GroupCommitOptions
  #state: State = { status: 'open' }
  #reads: Waiting[] = []
  #writes: Waiting[] = []
  /** The first of what is being run. */
  #inFlight: readonly Waiting[] = []
  /** So much waited that commands were refused, and has not gone down by half since. */
  #isFull = false
  #isRunning = false
  #isPumpDue = false
  #idle: PromiseWithResolvers<void> | undefined

  constructor(options: GroupCommitOptions) {
    this.#options = options
  }

  /** Resolves once what the command did is committed. @throws LogError */
  submit(command: LogCommand): Promise<ResultOf<CommandName>> {
    const answer = Promise.withResolvers<ResultOf<CommandName>>()
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      answer.reject(refusal)
      return answer.promise
    }
    ;(isRead(command) ? this.#reads : this.#writes).push({ command, answer, at: this.#options.clock.monotonic() })
    this.#pumpSoon()
    return answer.promise
  }

  backlog(): Backlog {
    const waiting = [this.#inFlight, this.#reads, this.#writes]
    const oldest = Math.min(...waiting.flatMap(([first]) => (first === undefined ? [] : [first.at])))
    return {
      depth: waiting.reduce((sum, { length }) => sum + length, 0),
      capacity: STORE_QUEUE_MAX,
      oldestMs: Number.isFinite(oldest) ? this.#options.clock.monotonic() - oldest : 0,
    }
  }

  /** Refuses new commands and resolves when the queued ones are done. @throws LogError when the store stalls meanwhile. */
  drain(): Promise<void> {
    if (this.#state.status !== 'dead') this.#state = { status: 'closing' }
    this.#idle ??= Promise.withResolvers()
    this.#restIfIdle()
    return this.#idle.promise
  }

  /** Ends the store with `error`, unless it has ended. */
  die(error: LogError): void {
    if (this.#state.status === 'dead') return
    this.#state = { status: 'dead', error }
    this.#options.events.storeFailed({ kind: error.kind, during: 'write', cause: error })
    this.#refuseQueued(error)
    this.#options.onFatal(error)
    this.#restIfIdle()
  }

  #refusal(): LogError | undefined {
    switch (this.#state.status) {
      case 'open':
        return this.#reads.length + this.#writes.length < STORE_QUEUE_MAX ? undefined : this.#full()
      case 'stalled':
        return stalledError()
      case 'closing':
        return new LogError('unavailable', 'the log is closed')
      case 'dead':
        return this.#state.error
    }
  }

  /** A flood of refusals is counted one by one and told once. */
  #full(): LogError {
    const { events } = this.#options
    events.commandRefused()
    if (!this.#isFull) events.queueFull({ queue: 'store', depth: this.#reads.length + this.#writes.length })
    this.#isFull = true
    return new LogError('unavailable', 'too many commands wait for the store')
  }

  /** Commands of the same tick share a transaction. */
  #pumpSoon(): void {
    if (this.#isPumpDue || this.#isRunning) return
    this.#isPumpDue = true
    queueMicrotask(() => {
      this.#isPumpDue = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#isRunning) return
    const reads = this.#reads.splice(0, STORE_BATCH_MAX)
    const writes = this.#writes.splice(0, STORE_BATCH_MAX)
    if (this.#reads.length + this.#writes.length < STORE_QUEUE_MAX / 2) this.#isFull = false
    if (reads.length + writes.length > 0) {
      this.#isRunning = true
      // Never rejects: every failure ends in the answers or in `die`.
      void this.#runBatch(reads, writes)
    }
    this.#restIfIdle()
  }

  async #runBatch(reads: readonly Waiting[], writes: readonly Waiting[]): Promise<void> {
    const { clock, run } = this.#options
    const startedAt = clock.monotonic()
    this.#inFlight = [...reads, ...writes].toSorted((a, b) => a.at - b.at)
    const cancelStall = clock.schedule(STORE_STALL_MAX_MS, () => this.#stall([...reads, ...writes]))
    try {
      const answers = await run({ reads: reads.map(({ command }) => command), writes: writes.map(({ command }) => command) })
      this.#answer(reads, answers.reads, 'read')
      this.#answerWrites(writes, answers.writes, clock.monotonic() - startedAt)
      if (answers.trouble !== undefined) this.#report(answers.trouble.error, 'write')
    } catch (cause) {
      const error = cause instanceof LogError ? cause : new LogError('fatal', 'the store cannot run commands any more', { cause })
      refuse([...reads, ...writes], error)
      this.die(error)
    } finally {
      cancelStall()
      this.#inFlight = []
      this.#isRunning = false
      if (this.#state.status === 'stalled') this.#state = { status: 'open' }
      this.#pump()
    }
  }

  #answerWrites(writes: readonly Waiting[], answer: BatchAnswers['writes'], tookMs: number): void {
    if (writes.length === 0) return
    if (answer.type === 'failed') {
      refuse(writes, answer.error)
      this.#report(answer.error, 'write')
      return
    }
    this.#options.events.storeCommitted({ commands: writes.length, tookMs })
    this.#answer(writes, answer.answers, 'write')
  }

  #answer(waiting: readonly Waiting[], answers: readonly Answer[], during: 'read' | 'write'): void {
    for (const [index, { command, answer }] of waiting.entries()) {
      const given = answers[index]
      if (given === undefined) throw new LogError('fatal', 'the store left a command unanswered')
      if (given.ok) {
        answer.resolve(given.result)
        this.#options.onDone(command, given.result)
      } else {
        answer.reject(given.error)
        this.#report(given.error, during)
      }
    }
  }

  /** Refusals of wrong commands are their callers' affair; everything else is the store's. */
  #report(error: unknown, during: 'read' | 'write'): void {
    if (error instanceof RangeError) return
    const fault = error instanceof LogError ? error : new LogError('corrupt', 'a command failed in the store', { cause: error })
    if (fault.kind === 'fatal') this.die(fault)
    else this.#options.events.storeFailed({ kind: fault.kind, during, cause: fault })
  }

  #stall(inFlight: readonly Waiting[]): void {
    const error = stalledError()
    this.#options.events.storeFailed({ kind: error.kind, during: 'wait', cause: error })
    refuse(inFlight, error)
    this.#refuseQueued(error)
    if (this.#state.status === 'open') this.#state = { status: 'stalled' }
    this.#idle?.reject(error)
  }

  #refuseQueued(error: LogError): void {
    refuse([...this.#reads, ...this.#writes], error)
    this.#reads = []
    this.#writes = []
  }

  #restIfIdle(): void {
    if (!this.#isRunning && this.#reads.length + this.#writes.length === 0) this.#idle?.resolve()
  }
}

const stalledError = (): LogError =>
  new LogError('unavailable', `the store has not answered for ${STORE_STALL_MAX_MS} ms; what it was told may be done`)

function refuse(waiting: readonly Waiting[], error: unknown): void {
  for (const { answer } of waiting) answer.reject(error)
}
