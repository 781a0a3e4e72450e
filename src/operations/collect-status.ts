/**
 * How everything is at this moment, put together from what is known already: looking asks no dependency anything, takes no time, and
 * works whatever is away. What cannot be known is said to be unknown and never shown as 0.
 */
import type { Backlog } from '../conversation-log/conversation-log.ts'
import type { BreakerRegistry } from '../resilience/breaker-registry.ts'
import type { BreakerStats } from '../resilience/breaker.ts'
import type { Clock } from '../resilience/clock.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { HealthReport } from '../service-level/health-checks.ts'
import type { Component } from '../service-level/service-level.ts'
import type { Dependency } from '../telemetry/events.ts'
import type { IntegrityReading } from './integrity-meter.ts'
import { errorClass, type Change, type Journal } from './journal.ts'
import type { KnownProcesses, ProcessFacts } from './process-registry.ts'
import type {
  AnswerWindow,
  CallWindow,
  ChangeStatus,
  DependencyStatus,
  IntegrityStatus,
  OpsStatus,
  OtherProcess,
  Quantile,
  QueueStatus,
  Reason,
  RuntimeFacts,
  ShownSetting,
  Told,
} from './ops-status.ts'

/** Windows over which calls are looked at, in seconds … */
const CALL_WINDOWS = [60, 300, 900] as const
/** … over which answers are … */
const ANSWER_WINDOWS = [300, 3_600] as const
/** … and for everything else that is counted. */
const RECENT_SECONDS = 900
/** The store is counted every five seconds; an answer that is older than this says that it does not answer. */
const COUNT_OLD_MS = 30_000

/** What counters and histograms did in the last `ms` milliseconds. */
export interface RecentFacts {
  /** `undefined` for what is checked only. `isShare`: calls and failures are counted in one unit. */
  calls(
    service: Dependency,
    ms: number,
  ): { readonly succeeded: number; readonly failed: number; readonly refused: number; readonly isShare: boolean } | undefined
  /** Seconds; `Infinity` beyond the last bucket, `undefined` without a call. */
  callQuantile(service: Dependency, q: number, ms: number): number | undefined
  longestBucket(of: 'calls' | 'first words'): number
  questions(ms: number): { readonly ended: number; readonly succeeded: number }
  firstWordsQuantile(q: number, ms: number): number | undefined
  resumes(ms: number): Readonly<Record<string, number>>
  slow(ms: number): Readonly<Record<string, number>>
}

/** A part that the service needs, and everything that watches it. */
export interface WatchedDependency {
  readonly service: Dependency
  readonly component: Component
  readonly check: string
  readonly budget: RetryBudget | undefined
}

export interface StatusSources {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly self: () => ProcessFacts
  readonly platform: string
  /** Questions that this process has taken on. */
  readonly running: () => number
  readonly report: () => HealthReport
  readonly breakers: Pick<BreakerRegistry, 'stats'>
  readonly dependencies: readonly WatchedDependency[]
  readonly journal: Journal
  readonly recent: RecentFacts
  readonly reading: () => IntegrityReading | undefined
  readonly backlog: () => Backlog | undefined
  readonly told: () => readonly Told[]
  readonly processes: () => KnownProcesses
  readonly runtime: () => RuntimeFacts
  readonly settings: readonly ShownSetting[]
  readonly areActionsOn: boolean
}

const iso = (ms: number): string => new Date(ms).toISOString()
const isoOf = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : iso(ms))
const seconds = (ms: number): number => ms / 1_000
const timed = ({ at, ...change }: Change): ChangeStatus => ({ at: iso(at), ...change })

/** How everything is at this moment. */
export function statusOf(sources: StatusSources): OpsStatus {
  const { clock, journal, recent } = sources
  const report = sources.report()
  const self = sources.self()
  const uptimeSeconds = Math.max(0, seconds(clock.now() - self.startedAt))
  const reading = sources.reading()
  const known = sources.processes()
  return {
    at: iso(clock.now()),
    process: { ...processOf(self, self.id), platform: sources.platform, running: sources.running() },
    level: { now: report.state.level, since: iso(journal.levelSince()), why: reasonsOf(sources, report) },
    told: sources.told(),
    dependencies: sources.dependencies.map((watched) => dependencyOf(sources, watched, report, uptimeSeconds)),
    queues: queuesOf(sources.backlog(), reading),
    integrity: reading === undefined ? undefined : integrityOf(reading),
    links: {
      open: journal.openLinks(),
      recentSeconds: Math.min(RECENT_SECONDS, uptimeSeconds),
      resumes: recent.resumes(RECENT_SECONDS * 1_000),
      slow: recent.slow(RECENT_SECONDS * 1_000),
    },
    answers: ANSWER_WINDOWS.map((window) => answersOf(recent, window, uptimeSeconds)),
    changes: journal.changes().map(timed),
    processes: {
      isShared: known.isShared,
      asOf: isoOf(known.asOf),
      list: [self, ...known.others].map((facts) => processOf(facts, self.id)),
    },
    runtime: sources.runtime(),
    settings: sources.settings,
    actions: { areOn: sources.areActionsOn },
    unknown: unknownOf(report, reading, known),
  }
}

const processOf = ({ startedAt, ...facts }: ProcessFacts, self: string): OtherProcess => ({
  ...facts,
  startedAt: iso(startedAt),
  isThis: facts.id === self,
})

function reasonsOf({ breakers, dependencies, clock }: StatusSources, { state, checks }: HealthReport): readonly Reason[] {
  return (['store', 'agent', 'link'] as const).flatMap((part): readonly Reason[] => {
    const component = state.components[part]
    if (component.status === 'working') return []
    const own = dependencies.filter((watched) => watched.component === part)
    const betterSince = component.status === 'away' ? component.betterSince : undefined
    return [
      {
        part,
        state: stateOf(component.status, betterSince),
        checks: own.flatMap(({ check }) => {
          const result = checks.get(check)
          return result?.status === 'unhealthy' ? [{ name: check, error: errorClass(result.error) }] : []
        }),
        breaker: own.flatMap(({ service }) => openBreaker(breakers.stats(service)))[0],
        believedInSeconds:
          component.status === 'away' && betterSince !== undefined
            ? seconds(Math.max(0, betterSince + component.holdMs - clock.monotonic()))
            : undefined,
      },
    ]
  })
}

function stateOf(status: 'unknown' | 'away', betterSince: number | undefined): Reason['state'] {
  if (status === 'unknown') return 'not checked yet'
  return betterSince === undefined ? 'away' : 'works again'
}

function openBreaker(stats: BreakerStats | undefined): readonly NonNullable<Reason['breaker']>[] {
  if (stats === undefined || stats.state === 'closed') return []
  return [{ name: stats.name, state: stats.state, retryInSeconds: seconds(stats.retryAfterMs) }]
}

function dependencyOf(
  { breakers, journal, recent }: StatusSources,
  { service, check, budget }: WatchedDependency,
  { checks }: HealthReport,
  uptimeSeconds: number,
): DependencyStatus {
  const stats = breakers.stats(service)
  const result = checks.get(check) ?? { status: 'unknown' }
  const failure = journal.lastFailureOf(service)
  const windows = CALL_WINDOWS.map((window) => callsOf(recent, service, window, uptimeSeconds))
  const calls = windows.filter((window) => window !== undefined)
  const quantile = (q: number): Quantile | undefined =>
    quantileOf(recent.callQuantile(service, q, RECENT_SECONDS * 1_000), recent.longestBucket('calls'))
  return {
    service,
    check: {
      name: check,
      status: result.status,
      at: result.status === 'unknown' ? undefined : iso(result.at),
      tookMs: result.status === 'unknown' ? undefined : result.tookMs,
      error: result.status === 'unhealthy' ? errorClass(result.error) : undefined,
    },
    breaker:
      stats === undefined
        ? undefined
        : {
            name: stats.name,
            state: stats.state,
            retryInSeconds: seconds(stats.retryAfterMs),
            holds: stats.holds,
            opened: stats.counts.opened,
            moves: journal.movesOf(stats.name).map(timed),
          },
    calls: calls.length === 0 ? undefined : calls,
    latency:
      calls.length === 0
        ? undefined
        : { overSeconds: Math.min(RECENT_SECONDS, uptimeSeconds), p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) },
    lastFailure: failure === undefined ? undefined : { at: iso(failure.at), error: failure.error },
    retries: budget === undefined ? undefined : { available: budget.available(), reserve: budget.reserve },
  }
}

function callsOf(recent: RecentFacts, service: Dependency, window: number, uptimeSeconds: number): CallWindow | undefined {
  const counted = recent.calls(service, window * 1_000)
  if (counted === undefined) return undefined
  const { isShare, succeeded, failed, refused } = counted
  return {
    seconds: window,
    coveredSeconds: Math.min(window, uptimeSeconds),
    succeeded,
    failed,
    refused,
    failedPercent: isShare ? percent(failed, succeeded + failed) : undefined,
  }
}

function answersOf(recent: RecentFacts, window: number, uptimeSeconds: number): AnswerWindow {
  const { ended, succeeded } = recent.questions(window * 1_000)
  return {
    seconds: window,
    coveredSeconds: Math.min(window, uptimeSeconds),
    ended,
    succeeded,
    successPercent: percent(succeeded, ended),
    firstWordsP95: quantileOf(recent.firstWordsQuantile(0.95, window * 1_000), recent.longestBucket('first words')),
  }
}

const percent = (part: number, whole: number): number | undefined => (whole === 0 ? undefined : (100 * part) / whole)

function quantileOf(value: number | undefined, longest: number): Quantile | undefined {
  if (value === undefined) return undefined
  return Number.isFinite(value) ? { seconds: value, isAtLeast: false } : { seconds: longest, isAtLeast: true }
}

function queuesOf(backlog: Backlog | undefined, reading: IntegrityReading | undefined): readonly QueueStatus[] {
  const questions: QueueStatus = {
    queue: 'questions',
    depth: reading?.tally.unstarted,
    oldestSeconds: reading === undefined ? undefined : seconds(reading.oldestUnstartedMs),
    capacity: undefined,
  }
  if (backlog === undefined) return [questions]
  const { depth, capacity, oldestMs } = backlog
  return [questions, { queue: 'store commands', depth, oldestSeconds: seconds(oldestMs), capacity }]
}

const integrityOf = ({ tally, difference, ageMs }: IntegrityReading): IntegrityStatus => ({
  accepted: tally.accepted,
  ended: tally.ended,
  waiting: tally.waiting,
  difference,
  lost: tally.lost,
  lostAt: isoOf(tally.lostAt),
  ageSeconds: seconds(ageMs),
})

function unknownOf({ checks }: HealthReport, reading: IntegrityReading | undefined, known: KnownProcesses): OpsStatus['unknown'] {
  const unchecked = Array.from(checks).flatMap(([name, { status }]) => (status === 'unknown' ? [name] : []))
  const isOld = reading !== undefined && reading.ageMs > COUNT_OLD_MS
  return [
    ...unchecked.map((name) => ({ what: `whether ${name} works`, why: 'it has not been checked yet' })),
    ...(reading === undefined ? [{ what: 'what waits, and whether anything is lost', why: 'the store has not been counted yet' }] : []),
    ...(isOld
      ? [{ what: 'what has come to wait or been lost since the last count', why: 'the store does not answer when it is counted' }]
      : []),
    ...(known.unreadable > 0
      ? [{ what: `what ${known.unreadable} other processes are`, why: 'they are of a release that says it otherwise' }]
      : []),
    ...(known.isShared && known.error !== undefined
      ? [{ what: 'which other processes there are now', why: `the store does not answer (${known.error})` }]
      : []),
  ]
}
