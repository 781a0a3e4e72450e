/**
 * What the service says about itself: one method per thing that happens, called by whoever sees it happen.
 *
 * Behind it stand the log lines (`events-log.ts`) and the metrics (`events-metrics.ts`), so that their names stay in one place each.
 * Methods never throw. None takes text that a person or an agent wrote, an address or a name; ids are hashed before they are written.
 *
 * A new event is a method here and a line in `events-log.ts`; where it moves a metric, a line in `events-metrics.ts` too.
 */
import type { Durability } from '../conversation/durability.ts'
import type { NoticeReason, TurnEndReason, TurnOutcome } from '../conversation/entry.ts'
import type { SessionId, TurnId } from '../conversation/ids.ts'
import type { Trace } from '../conversation/trace.ts'
import type { Component, ServiceLevel } from '../service-level/service-level.ts'

export type Transport = 'websocket' | 'sse' | 'form' | 'api'

/** What happens too often for a log line each: it is only counted. Durations are monotonic, in milliseconds. */
export interface Measures {
  /** A request was answered; `route` is its template. */
  requestServed(facts: { readonly method: string; readonly route: string; readonly status: number; readonly tookMs: number }): void
  /** One WebSocket message. */
  linkTraffic(facts: { readonly direction: 'in' | 'out'; readonly bytes: number }): void
  /** A ping was answered. */
  linkPonged(facts: { readonly tookMs: number }): void
  /** A command was refused because too many wait for the store. */
  commandRefused(): void
}

/** What the service needs, under its name in metrics. */
export type Dependency = 'ai-agent' | 'sqlite' | 'redis' | 'websocket'

/** An HTTP request as a step of a trace: the caller's, where it sent one of the right form. */
export interface RequestTrace extends Trace {
  /** What the answer's `x-request-id` says. */
  readonly requestId: string
}

/** What a browser refused because of the pages' content policy. */
export type BlockedContent = 'image' | 'script' | 'form' | 'style' | 'request' | 'frame' | 'other'

export interface FailedRequest {
  readonly method: string
  /** The route template, never the path. */
  readonly route: string
  readonly status: number
  /** What the person was given to quote; empty when there was nobody to give it to. */
  readonly reference: string
  readonly trace?: RequestTrace | undefined
  readonly cause: unknown
}

/** Where a question came from. */
export type QuestionOrigin = Trace & Partial<Pick<RequestTrace, 'requestId'>>

/** What became of whatever a process had when it began to stop. */
export interface Drained {
  readonly tookMs: number
  /** Answers that ended in time, and those that were given back for another process to go on from. */
  readonly answers: { readonly finished: number; readonly handedOver: number }
  /** Links that had gone before the goodbye, those that were told to come back elsewhere, and how many of these had to be cut. */
  readonly links: { readonly moved: number; readonly told: number; readonly cut: number }
}

export interface Events extends Measures {
  /** What was read from the environment and may be told: no secret, no address of anybody. */
  configLoaded(settings: Readonly<Record<string, string | number | boolean>>): void
  serviceStarted(facts: {
    readonly url: string
    readonly store: string
    readonly agent: string
    readonly level: ServiceLevel
    readonly version: string
  }): void
  /** No more people are sent here; `running` answers may go on for `limitMs`. */
  drainStarted(facts: { readonly running: number; readonly limitMs: number }): void
  /** Everybody has been let go, and how. */
  drainEnded(facts: Drained): void
  serviceStopped(facts: { readonly tookMs: number }): void
  /** The process is about to end because it must. */
  serviceCrashed(cause: unknown): void

  /** Other contents of the service file are in force. */
  profileTaken(): void
  /** The service file cannot be used as it is now; the contents before it stay in force. */
  profileRefused(cause: unknown): void

  sessionCreated(session: SessionId): void
  sessionDeleted(session: SessionId): void
  sessionsExpired(count: number): void
  /** Nobody may make so many. */
  sessionRefused(reason: 'rate' | 'too-many'): void
  /**
   * An operator did something, or was refused it. `name` is what they call themselves, where they do: the one name of anybody that is
   * ever written down, because it is what an audit is for.
   */
  operatorActed(facts: {
    readonly action: 'isolate' | 'release'
    /** Whose circuit breaker. */
    readonly service: string
    readonly door: 'own-port' | 'token' | 'loopback'
    readonly name: string | undefined
    readonly result: 'done' | 'refused'
  }): void
  /** Somebody asked for what is not theirs: another's session, or what is for operators only. */
  accessDenied(to: 'session' | 'operations'): void

  linkOpened(transport: Transport): void
  linkClosed(facts: { readonly transport: Transport; readonly code: number; readonly heldMs: number }): void
  linkRefused(facts: {
    readonly transport: 'websocket' | 'sse'
    readonly reason: 'origin' | 'session' | 'capacity' | 'rate' | 'version' | 'path' | 'draining'
  }): void
  /**
   * A page that opened a link was brought up to date, or not: its session is gone, or there was no room or no store.
   * `missed`: entries between where it stood and the end of the log.
   */
  linkResumed(facts: { readonly outcome: 'resumed' | 'snapshot' | 'fork' | 'expired' | 'refused'; readonly missed: number }): void
  /** A reader takes too little: it is waited for, or given up. */
  linkSlow(action: 'paused' | 'terminated'): void
  frameRefused(problem: string): void

  questionAccepted(facts: {
    readonly session: SessionId
    readonly turn: TurnId
    readonly transport: Transport
    readonly duplicate: boolean
    readonly tookMs: number
    /** The request that brought it, or the trace that the page gave it. */
    readonly from?: QuestionOrigin | undefined
  }): void
  questionRefused(facts: { readonly transport: Transport; readonly reason: string }): void
  stopRequested(facts: { readonly session: SessionId; readonly turn: TurnId }): void

  turnStarted(facts: { readonly session: SessionId; readonly turn: TurnId; readonly attempt: number }): void
  turnFirstText(facts: { readonly turn: TurnId; readonly tookMs: number }): void
  turnEnded(facts: {
    readonly session: SessionId
    readonly turn: TurnId
    readonly outcome: TurnOutcome
    readonly reason: TurnEndReason | undefined
    /** 0 when nobody was asked. */
    readonly attempt: number
    readonly tookMs: number
    /** Since the first words of the answer that this process has shown; `undefined` when there were none. */
    readonly answeredMs: number | undefined
  }): void
  /** An answer that is being written makes no progress, for `gapMs` now. */
  turnStalled(facts: { readonly turn: TurnId; readonly gapMs: number }): void
  /** This process gave up an answer that it had begun to show, for another to go on. */
  answerLeft(facts: { readonly turn: TurnId; readonly answeredMs: number }): void
  /** A question was given other help, because the agent cannot answer it or cannot answer it now. */
  helpGiven(facts: {
    readonly session: SessionId
    readonly turn: TurnId
    readonly reason: NoticeReason
    /** Whether the question waits to be answered, or is not going to be. */
    readonly doesWait: boolean
    readonly tookMs: number
  }): void
  /** A newer owner has the turn; this process wrote nothing more. */
  turnFenced(turn: TurnId): void
  /** The agent said something about nobody's question, or another's, while this turn was answered; it was ignored. */
  agentStrayed(turn: TurnId): void
  agentFailed(facts: { readonly turn: TurnId; readonly kind: string; readonly cause: unknown }): void

  /** How many tokens an answer took, as the agent counts them; `undefined` where it does not say. */
  tokensUsed(facts: { readonly turn: TurnId; readonly inputTokens: number | undefined; readonly outputTokens: number | undefined }): void

  /** One try at asking the agent failed before its first word; `delayMs` until the next, `undefined` when there is none. */
  agentAttemptFailed(facts: {
    readonly turn: TurnId
    /** From 1. */
    readonly attempt: number
    readonly retriesLeft: number
    readonly delayMs: number | undefined
    /** Why there is no next one. */
    readonly stop: string | undefined
    readonly cause: unknown
  }): void

  /** The agent was asked more than once, and in the end it worked. */
  agentRecovered(facts: { readonly turn: TurnId; readonly attempts: number }): void

  /** A circuit breaker has moved; `openMs` is how long it refuses calls now. */
  breakerChanged(facts: {
    readonly service: string
    readonly from: BreakerPosition
    readonly to: BreakerPosition
    readonly openMs: number | undefined
  }): void
  /** Something that wanted to hear of changes of breakers or checks failed; the others heard of them all the same. */
  listenerFailed(cause: unknown): void
  /** A call through a circuit breaker has ended, or was refused. */
  breakerCalled(facts: {
    readonly service: string
    readonly outcome: 'success' | 'failure' | 'rejected'
    /** `undefined` for a call that was refused. */
    readonly tookMs: number | undefined
    readonly cause: unknown
  }): void
  /** A background check found a dependency working again, or not any more. */
  dependencyChanged(facts: { readonly service: Dependency; readonly isUp: boolean; readonly cause: unknown }): void

  /** One try at a command of the store failed; `delayMs` until the next, `undefined` when there is none. */
  storeAttemptFailed(facts: {
    /** A method of the log's port. */
    readonly command: string
    /** From 1. */
    readonly attempt: number
    readonly retriesLeft: number
    readonly delayMs: number | undefined
    /** Why there is no next one. */
    readonly stop: string | undefined
    readonly cause: unknown
  }): void
  /** A command of the store was tried more than once, and in the end it worked. */
  storeRecovered(facts: { readonly command: string; readonly attempts: number }): void
  /** `during` is told by the store itself; whoever was refused by it only says that it was. */
  storeFailed(facts: { readonly kind: string; readonly during?: 'read' | 'write' | 'wait'; readonly cause: unknown }): void
  storeCommitted(facts: { readonly commands: number; readonly tookMs: number }): void
  /** What the store's acknowledgements are worth, when that is first known and when it changes; `weaknesses` are whole clauses. */
  storeGuarantee(facts: { readonly durability: Durability; readonly weaknesses: readonly string[] }): void
  /** Whether what is accepted gets settled: a server has, or has not, as many replicas as are waited for. */
  storeSettling(facts: { readonly isStalled: boolean; readonly server: string; readonly replicas: number; readonly needed: number }): void
  queueFull(facts: { readonly queue: 'store'; readonly depth: number }): void
  /** Questions wait for longer than anybody should, or do not any more. */
  queueStuck(facts: { readonly queue: 'inbound'; readonly depth: number; readonly ageMs: number }): void
  queueDrained(facts: { readonly queue: 'inbound' }): void
  /** Accepted questions are gone: `missing` of them in all, `found` now. */
  questionsLost(facts: { readonly found: number; readonly missing: number }): void

  /** The machine's clock went `byMs` further than time did, or back. */
  clockJumped(facts: { readonly byMs: number }): void
  /** Log files cannot be written; lines go to the output only. */
  logFilesFailed(cause: unknown): void

  /** A browser says that it refused something that a page of ours held. Anyone can say so. */
  contentBlocked(facts: { readonly kind: BlockedContent }): void

  requestFailed(request: FailedRequest): void

  /** What the service can do has changed. */
  levelChanged(facts: {
    readonly from: ServiceLevel
    readonly to: ServiceLevel
    /** The parts that do not work now. */
    readonly away: readonly Component[]
  }): void
}

export type BreakerPosition = 'open' | 'half-open' | 'closed' | 'isolated'

/** Which methods have a line in the log. */
export type LoggedEvents = Omit<Events, keyof Measures>
/** Which methods move a metric: all that are only measured, and some others. */
export type CountedEvents = Measures & Partial<LoggedEvents>

/** What is written, what is counted and who else hears as one: whoever sees something happen says so once. */
export function createEvents(log: LoggedEvents, metrics: CountedEvents, ...others: readonly Partial<LoggedEvents>[]): Events {
  const hearers = [metrics, log, ...others]
  const names = new Set(hearers.flatMap((hearer) => Object.keys(hearer)))
  const told = Array.from(names, (name) => [name, all(hearers.map((hearer): unknown => Reflect.get(hearer, name)))])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the two types together have every method of `Events`
  return Object.fromEntries(told) as Events
}

type Method = (facts: unknown) => void
const isMethod = (value: unknown): value is Method => typeof value === 'function'

/** A fault of ours in one must neither keep the others from being told nor reach whoever says what happened. */
const all = (methods: readonly unknown[]): Method => {
  const called = methods.filter(isMethod)
  return (facts) => {
    for (const method of called) {
      try {
        method(facts)
      } catch {
        // Neither log nor metrics throw, and there is nobody else to tell.
      }
    }
  }
}
