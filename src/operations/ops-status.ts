/**
 * Everything that the operator page says, as one value: what `collect-status.ts` collects, `ops-status-view.ts` puts into words, and the
 * JSON gives as it is.
 *
 * Nothing in it was said by a person, an agent or a request.
 */
import type { QuestionEnd } from '../conversation-log/conversation-log.ts'
import type { BreakerStats } from '../resilience/breaker.ts'
import type { CheckResult } from '../service-level/health-checks.ts'
import type { Component, ServiceLevel } from '../service-level/service-level.ts'
import type { Dependency } from '../telemetry/events.ts'
import type { Change, LiveTransport } from './journal.ts'
import type { ProcessFacts } from './process-registry.ts'

/** Times are ISO 8601 in UTC. */
export interface OpsStatus {
  readonly at: string
  readonly process: ThisProcess
  readonly level: {
    readonly now: ServiceLevel
    readonly since: string
    /** Empty at `full`. */
    readonly why: readonly Reason[]
  }
  /** What pages say of the service to people now, word for word; empty when they are as always. */
  readonly told: readonly Told[]
  readonly dependencies: readonly DependencyStatus[]
  readonly queues: readonly QueueStatus[]
  /** `undefined` until the store was first counted. */
  readonly integrity: IntegrityStatus | undefined
  readonly links: {
    readonly open: Readonly<Record<LiveTransport, number>>
    readonly recentSeconds: number
    readonly resumes: Readonly<Record<string, number>>
    readonly slow: Readonly<Record<string, number>>
  }
  readonly answers: readonly AnswerWindow[]
  readonly changes: readonly ChangeStatus[]
  readonly processes: {
    /** Whether other processes may work on the same store. */
    readonly isShared: boolean
    /** When the list was read; `undefined` while it never was. */
    readonly asOf: string | undefined
    readonly list: readonly OtherProcess[]
  }
  readonly runtime: RuntimeFacts
  readonly settings: readonly ShownSetting[]
  readonly actions: { readonly areOn: boolean }
  readonly unknown: readonly { readonly what: string; readonly why: string }[]
}

/** Why the level is not `full`: one part that does not work, or is not believed yet. */
export interface Reason {
  readonly part: Component
  readonly state: 'not checked yet' | 'away' | 'works again'
  /** Checks of the part that fail, with the class of what they failed with. */
  readonly checks: readonly { readonly name: string; readonly error: string }[]
  /** Its circuit breaker, where that does not let everybody through. */
  readonly breaker: { readonly name: string; readonly state: BreakerStats['state']; readonly retryInSeconds: number } | undefined
  /** When a part that works again will be believed. */
  readonly believedInSeconds: number | undefined
}

/** What people read, and where. */
export interface Told {
  readonly where: string
  readonly text: string
}

export interface DependencyStatus {
  readonly service: Dependency
  readonly check: {
    readonly name: string
    readonly status: CheckResult['status']
    readonly at: string | undefined
    readonly tookMs: number | undefined
    readonly error: string | undefined
  }
  /** `undefined` for what has none. */
  readonly breaker:
    | {
        readonly name: string
        readonly state: BreakerStats['state']
        readonly retryInSeconds: number
        readonly holds: number
        readonly opened: number
        readonly moves: readonly ChangeStatus[]
      }
    | undefined
  /** `undefined` for what is checked only. */
  readonly calls: readonly CallWindow[] | undefined
  readonly latency:
    | {
        readonly overSeconds: number
        readonly p50: Quantile | undefined
        readonly p95: Quantile | undefined
        readonly p99: Quantile | undefined
      }
    | undefined
  readonly lastFailure: { readonly at: string; readonly error: string } | undefined
  readonly retries: { readonly available: number; readonly reserve: number } | undefined
}

export interface CallWindow {
  readonly seconds: number
  /** Less than `seconds` in a process that is younger. */
  readonly coveredSeconds: number
  readonly succeeded: number
  readonly failed: number
  /** Refused by the circuit breaker without a try. */
  readonly refused: number
  /** `undefined` without a call, and where failures are not counted in the same unit as calls. */
  readonly failedPercent: number | undefined
}

export interface Quantile {
  readonly seconds: number
  /** Beyond the last bucket nobody knows how far. */
  readonly isAtLeast: boolean
}

export interface QueueStatus {
  readonly queue: 'questions' | 'store commands'
  readonly depth: number | undefined
  readonly oldestSeconds: number | undefined
  /** `undefined` where the bound is one for each session. */
  readonly capacity: number | undefined
}

export interface IntegrityStatus {
  readonly accepted: number
  readonly ended: Readonly<Record<QuestionEnd, number>>
  readonly waiting: number
  /** accepted - ended - waiting, now: 0 unless something is missing. */
  readonly difference: number
  /** The most that was ever missing. */
  readonly lost: number
  readonly lostAt: string | undefined
  readonly ageSeconds: number
}

export interface AnswerWindow {
  readonly seconds: number
  readonly coveredSeconds: number
  /** Questions that came to an end, and those of them that were not failures of the service. */
  readonly ended: number
  readonly succeeded: number
  readonly successPercent: number | undefined
  readonly firstWordsP95: Quantile | undefined
}

export type ChangeStatus = Omit<Change, 'at'> & { readonly at: string }
export type ThisProcess = OtherProcess & { readonly platform: string; readonly running: number }
export type OtherProcess = Omit<ProcessFacts, 'startedAt'> & { readonly startedAt: string; readonly isThis: boolean }

export interface RuntimeFacts {
  /** 99 % of the last ten seconds' looks at the event loop were not later than this. */
  readonly loopLagP99Ms: number | undefined
  readonly heapUsedBytes: number
  readonly heapLimitBytes: number
  readonly residentBytes: number
  /** `undefined` where the system does not tell. */
  readonly openFiles: number | undefined
  readonly openFilesMax: number | undefined
}

/** A setting of the allow-list; the value is `set` or `not set` for what nobody may see. */
export interface ShownSetting {
  readonly name: string
  readonly value: string
}

/** The same as text; what is not known is `null`. */
export const statusJson = (status: OpsStatus): string =>
  `${JSON.stringify(status, (_key, value: unknown) => (value === undefined ? null : value), 2)}\n`
