/**
 * What has changed in this process, for whoever looks after it has: the last changes of state, the last moves of each circuit breaker,
 * the last failure of each dependency, and the live links that are open.
 *
 * It hears the events that everybody hears. Everything it keeps is one of our own words, a count or the class of an error: nothing that
 * a person, an agent or an address said. It lives as long as the process; the log has the rest.
 */
import { ChatServiceError } from '../chat-service-error.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Dependency, LoggedEvents } from '../telemetry/events.ts'

/** One change of state. Times are wall-clock milliseconds since the epoch. */
export interface Change {
  readonly at: number
  /** What changed: `level`, `breaker ai-agent`, `check redis`, `process` … */
  readonly what: string
  /** `undefined` where there was nothing before, or where only the end of it counts. */
  readonly from: string | undefined
  readonly to: string
  readonly why: string | undefined
}

/** What a failure was, without anything that its message may quote. */
export interface Failure {
  readonly at: number
  /** Its class, and kind or code where it has one: `AgentError unreachable`. */
  readonly error: string
}

export interface Journal {
  /** Hears what happens. */
  readonly events: Heard
  /** The last changes, newest first. */
  changes(): readonly Change[]
  /** The last moves of one circuit breaker, newest first. */
  movesOf(breaker: string): readonly Change[]
  lastFailureOf(service: Dependency): Failure | undefined
  /** When the level last changed; until it has, when the process began. */
  levelSince(): number
  /** Live links of people that are open now. */
  openLinks(): Readonly<Record<LiveTransport, number>>
}

export type LiveTransport = 'websocket' | 'sse'

type Heard = Partial<LoggedEvents>

const CHANGES_MAX = 50
const MOVES_MAX = 5
const BREAKERS_MAX = 20

/** A journal that is empty. `store`: what failures of the store are failures of. */
export function createJournal(clock: Pick<Clock, 'now'>, store: Dependency): Journal {
  const changes: Change[] = []
  const moves = new Map<string, readonly Change[]>()
  const failures = new Map<Dependency, Failure>()
  const links = { websocket: 0, sse: 0 }
  let levelAt = clock.now()

  const note = (what: string, to: string, more: Partial<Pick<Change, 'from' | 'why'>> = {}): Change => {
    const change: Change = { at: clock.now(), what, from: more.from, to, why: more.why }
    changes.unshift(change)
    if (changes.length > CHANGES_MAX) changes.pop()
    return change
  }
  const failed = (service: Dependency, cause: unknown): void => void failures.set(service, { at: clock.now(), error: errorClass(cause) })

  return {
    changes: () => [...changes],
    movesOf: (breaker) => moves.get(breaker) ?? [],
    lastFailureOf: (service) => failures.get(service),
    levelSince: () => levelAt,
    openLinks: () => ({ ...links }),
    events: {
      ...stateChanges(note),
      levelChanged({ from, to, away }) {
        levelAt = note('level', to, { from, why: away.length === 0 ? undefined : `${away.join(', ')} away` }).at
      },
      breakerChanged({ service, from, to }) {
        const change = note(`breaker ${service}`, to, { from })
        if (moves.has(service) || moves.size < BREAKERS_MAX) {
          moves.set(service, [change, ...(moves.get(service) ?? [])].slice(0, MOVES_MAX))
        }
      },
      dependencyChanged({ service, isUp, cause }) {
        note(`check ${service}`, isUp ? 'works' : 'fails', { why: isUp ? undefined : errorClass(cause) })
      },
      breakerCalled({ service, outcome, cause }) {
        if (outcome === 'failure' && (service === 'ai-agent' || service === 'redis')) failed(service, cause)
      },
      agentFailed: ({ cause }) => failed('ai-agent', cause),
      agentAttemptFailed: ({ cause }) => failed('ai-agent', cause),
      storeFailed: ({ cause }) => failed(store, cause),
      storeAttemptFailed: ({ cause }) => failed(store, cause),
      linkOpened(transport) {
        if (isLive(transport)) links[transport] += 1
      },
      linkClosed({ transport }) {
        if (isLive(transport)) links[transport] -= 1
      },
    },
  }
}

const isLive = (transport: string): transport is LiveTransport => transport === 'websocket' || transport === 'sse'

type Note = (what: string, to: string, more?: Partial<Pick<Change, 'from' | 'why'>>) => Change

/** What is told of the process, its store and what waits. */
const stateChanges = (note: Note): Heard => ({
  serviceStarted: ({ level }) => void note('process', 'takes questions', { from: 'starting', why: `level ${level}` }),
  drainStarted: ({ running }) => void note('process', 'draining', { from: 'takes questions', why: `${running} answers running` }),
  drainEnded: ({ answers: { finished, handedOver } }) =>
    void note('process', 'drained', { from: 'draining', why: `${finished} answers finished, ${handedOver} handed over` }),
  storeGuarantee: ({ durability, weaknesses }) =>
    void note('store', durability, { why: weaknesses.length === 0 ? undefined : weaknesses.join('; ') }),
  storeSettling: ({ isStalled, replicas, needed }) =>
    void note('settling', isStalled ? 'stalled' : 'goes on', { why: `${replicas} of ${needed} replicas` }),
  queueFull: ({ queue, depth }) => void note(`queue ${queue}`, 'full', { why: `${depth} wait` }),
  queueStuck: ({ queue, depth }) => void note(`queue ${queue}`, 'stuck', { why: `${depth} wait` }),
  queueDrained: ({ queue }) => void note(`queue ${queue}`, 'moves again', { from: 'stuck' }),
  questionsLost: ({ found, missing }) => void note('questions', 'lost', { why: `${found} found now, ${missing} in all` }),
  operatorActed: ({ action, service, door, result }) =>
    void note('operator', `${action} ${service}${result === 'done' ? '' : ' refused'}`, { why: `by ${door}` }),
  profileTaken: () => void note('service file', 'changed'),
  profileRefused: (cause) => void note('service file', 'refused', { why: errorClass(cause) }),
  clockJumped: ({ byMs }) => void note('clock of this machine', 'was set', { why: `by ${Math.round(byMs / 1_000)} s` }),
  logFilesFailed: (cause) => void note('log files', 'fail', { why: errorClass(cause) }),
})

/** Class, and kind or code where it has one: messages may quote what somebody said. */
export function errorClass(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `thrown ${typeof thrown}`
  const name = WORD.test(thrown.name) ? thrown.name : 'Error'
  const isKnown = thrown instanceof ChatServiceError || 'syscall' in thrown
  const kind: unknown = isKnown ? (Reflect.get(thrown, 'kind') ?? Reflect.get(thrown, 'code')) : undefined
  return typeof kind === 'string' && WORD.test(kind) ? `${name} ${kind}` : name
}

/** A class, a kind or a code, and no sentence. */
const WORD = /^[\w-]{1,60}$/
