/**
 * What the service says about itself: one method per thing that happens, called by whoever sees it happen.
 *
 * Behind it stand the log lines, and later the metrics, so their names stay in one place. Methods never throw.
 * No method takes text that a person or an agent wrote; ids are hashed before they are written.
 */
import type { Durability } from '../conversation/durability.ts'
import type { TurnEndReason, TurnOutcome } from '../conversation/entry.ts'
import type { SessionId, TurnId } from '../conversation/ids.ts'
import type { Component, ServiceLevel } from '../service-level/service-level.ts'

export type Transport = 'websocket' | 'sse' | 'form' | 'api'

export interface FailedRequest {
  readonly method: string
  /** The route template, never the path. */
  readonly route: string
  readonly status: number
  /** What the person was given to quote. */
  readonly reference: string
  readonly cause: unknown
}

export interface Events {
  serviceStarted(facts: {
    readonly url: string
    readonly store: string
    readonly agent: string
    readonly level: ServiceLevel
    readonly version: string
  }): void
  /** No more people are sent here; running answers may go on for `limitMs`. */
  drainStarted(facts: { readonly running: number; readonly limitMs: number }): void
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

  linkOpened(transport: Transport): void
  linkClosed(facts: { readonly transport: Transport; readonly code: number; readonly heldMs: number }): void
  linkRefused(reason: 'origin' | 'session' | 'capacity' | 'rate' | 'version' | 'path' | 'draining'): void
  linkResumed(outcome: 'resumed' | 'snapshot' | 'fork'): void
  frameRefused(problem: string): void

  questionAccepted(facts: {
    readonly session: SessionId
    readonly turn: TurnId
    readonly transport: Transport
    readonly duplicate: boolean
    readonly tookMs: number
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
    readonly tookMs: number
  }): void
  /** A newer owner has the turn; this process wrote nothing more. */
  turnFenced(turn: TurnId): void
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

  /** A circuit breaker has moved; `openMs` is how long it refuses calls now. */
  breakerChanged(facts: {
    readonly service: string
    readonly to: 'open' | 'half-open' | 'closed' | 'isolated'
    readonly openMs: number | undefined
  }): void
  /** A call through a circuit breaker has ended, or was refused. */
  breakerCalled(facts: { readonly service: string; readonly outcome: 'success' | 'failure' | 'rejected'; readonly cause: unknown }): void

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
  storeFailed(facts: { readonly kind: string; readonly cause: unknown }): void
  storeCommitted(facts: { readonly commands: number; readonly tookMs: number }): void
  /** What the store's acknowledgements are worth, when that is first known and when it changes; `weaknesses` are whole clauses. */
  storeGuarantee(facts: { readonly durability: Durability; readonly weaknesses: readonly string[] }): void
  /** Whether what is accepted gets settled: a server has, or has not, as many replicas as are waited for. */
  storeSettling(facts: { readonly isStalled: boolean; readonly server: string; readonly replicas: number; readonly needed: number }): void

  requestFailed(request: FailedRequest): void

  /** What the service can do has changed. */
  levelChanged(facts: {
    readonly from: ServiceLevel
    readonly to: ServiceLevel
    /** The parts that do not work now. */
    readonly away: readonly Component[]
  }): void
}
