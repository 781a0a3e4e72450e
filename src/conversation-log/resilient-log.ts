/**
 * The log with a circuit breaker and retries round it, for those who wait and for those who have time.
 *
 * `retry + budget( breaker( command ))`. It sets no time limit: every adapter has its own, and a write that is given up here before
 * the adapter has would no longer be settled by the next read.
 *
 * - *A person waits*: one more try within a second, then the honest answer.
 * - *In the background* the full schedule, but only where nobody else decides: a turn that failed to write must read before it writes
 *   again, and whoever polls comes again anyway.
 *
 * Whatever is tried again is safe to: a question has its id, making a session is idempotent, and what was deleted stays deleted.
 * Every failure is a `LogError`, also the breaker's refusal.
 */
import type { Backoff } from '../resilience/backoff.ts'
import { CircuitBreakerOpenError, type Breaker } from '../resilience/breaker.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import { RETRY_RULES } from '../resilience/retry-rules.ts'
import { createRetry, type FailedAttempt, type RetryRun } from '../resilience/retry.ts'
import type { Events } from '../telemetry/events.ts'
import type { ConversationLog } from './conversation-log.ts'
import { LogError } from './log-error.ts'
import type { CommandName } from './sync-log.ts'

/** Tries in all, and the waits between them. */
export interface LogRetry {
  readonly attempts: number
  readonly backoff: Backoff
}

export interface ResilientLogOptions {
  /** In events and errors: `redis`, `sqlite`. */
  readonly service: string
  readonly clock: Clock
  readonly chance: Chance
  /** `undefined` for a store that is part of this process. */
  readonly breaker: Breaker | undefined
  /** Shared by everybody who calls this store. */
  readonly budget: RetryBudget
  readonly events: Pick<Events, 'storeAttemptFailed' | 'storeRecovered'>
  readonly retry: LogRetry
  /** The commands that are tried again. */
  readonly repeated: ReadonlySet<CommandName>
}

/** One more try, spread over half a second after the failure. */
export const RETRY_FOR_PEOPLE: LogRetry = { attempts: 2, backoff: { baseMs: 500, capMs: 500 } }
/** What people ask for. */
export const ASKED_BY_PEOPLE: ReadonlySet<CommandName> = new Set<CommandName>([
  'createSession',
  'findSession',
  'listSessions',
  'keepSession',
  'deleteSession',
  'ask',
  'stop',
  'lastNumber',
  'read',
])
/** Of what is done in the background: what nobody would do again by themselves. */
export const DONE_IN_BACKGROUND: ReadonlySet<CommandName> = new Set<CommandName>(['deleteExpired', 'release'])

/** A breaker's judge: only what the store itself failed at counts against it. */
export const isStoreFailure = (error: unknown): boolean => error instanceof LogError && error.kind !== 'corrupt'

/** `log` under the options. `probe` goes past both: a check takes no probe's place. Disposing of it disposes of `log`. */
export function createResilientLog(log: ConversationLog, options: ResilientLogOptions): ConversationLog {
  const { breaker } = options
  const { announce } = log
  const closing = new AbortController()
  const once = <Value>(call: () => Promise<Value>): Promise<Value> => (breaker === undefined ? call() : watched(breaker, call))
  const retries = new Map(Array.from(options.repeated, (name) => [name, retryOf(name, options)]))
  const run = <Value>(name: CommandName, call: (run: Pick<RetryRun, 'attempt'>) => Promise<Value>): Promise<Value> => {
    const retry = retries.get(name)
    if (retry === undefined) return once(() => call({ attempt: 1 }))
    const recover = async (each: Pick<RetryRun, 'attempt'>): Promise<Value> => {
      const value = await once(() => call(each))
      if (each.attempt > 1) options.events.storeRecovered({ command: name, attempts: each.attempt })
      return value
    }
    return retry.execute(recover, { signal: closing.signal })
  }
  return {
    get profile() {
      return log.profile
    },
    ...(log.backlog === undefined ? {} : { backlog: log.backlog }),
    // Whoever announces comes again anyway.
    ...(announce === undefined ? {} : { announce: (self, leaseMs) => once(() => announce(self, leaseMs)) }),
    createSession: (session) => run('createSession', () => log.createSession(session)),
    findSession: (id) => run('findSession', () => log.findSession(id)),
    listSessions: (visitor) => run('listSessions', () => log.listSessions(visitor)),
    keepSession: (id) => run('keepSession', () => log.keepSession(id)),
    // An earlier try may be what left nothing to delete.
    deleteSession: (id) => run('deleteSession', async ({ attempt }) => (await log.deleteSession(id)) || attempt > 1),
    deleteExpired: (limit) => run('deleteExpired', () => log.deleteExpired(limit)),
    ask: (session, question) => run('ask', () => log.ask(session, question)),
    stop: (session, turnId) => run('stop', () => log.stop(session, turnId)),
    lastNumber: (session, device) => run('lastNumber', () => log.lastNumber(session, device)),
    read: (session, after, limit) => run('read', () => log.read(session, after, limit)),
    onAppend: (session, bell) => log.onAppend(session, bell),
    claim: (owner, leaseMs, limit) => run('claim', () => log.claim(owner, leaseMs, limit)),
    claimUntold: (owner, leaseMs, limit) => run('claimUntold', () => log.claimUntold(owner, leaseMs, limit)),
    renew: (claim, leaseMs) => run('renew', () => log.renew(claim, leaseMs)),
    release: (claim) => run('release', () => log.release(claim)),
    write: (claim, bodies) => run('write', () => log.write(claim, bodies)),
    onWork: (bell) => log.onWork(bell),
    probe: () => log.probe(),
    tally: () => run('tally', () => log.tally()),
    [Symbol.asyncDispose]() {
      closing.abort(new LogError('unavailable', 'the log is closed'))
      return log[Symbol.asyncDispose]()
    },
  }
}

async function watched<Value>(breaker: Breaker, call: () => Promise<Value>): Promise<Value> {
  try {
    return await breaker.watch(call)
  } catch (error) {
    if (!(error instanceof CircuitBreakerOpenError)) throw error
    throw new LogError('unavailable', 'the store is left alone while its circuit breaker is open', { cause: error })
  }
}

function retryOf(command: CommandName, options: ResilientLogOptions): ReturnType<typeof createRetry> {
  const { service, clock, chance, budget, events, retry } = options
  const onFailedAttempt = ({ attempt, retriesLeft, delayMs, stop, error: cause }: FailedAttempt): void => {
    // Neither a refusal of our own nor a caller's mistake is a failed attempt.
    if (isStoreFailure(cause) && !isRefused(cause)) events.storeAttemptFailed({ command, attempt, retriesLeft, delayMs, stop, cause })
  }
  return createRetry({ service, ...retry, shouldRetry, isIdempotent: true }, { clock, chance, budget, onFailedAttempt })
}

const shouldRetry = (error: unknown): boolean => !isRefused(error) && RETRY_RULES.database.shouldRetry(error)

const isRefused = (error: unknown): boolean => error instanceof LogError && error.cause instanceof CircuitBreakerOpenError
