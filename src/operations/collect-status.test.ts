import { expect, test } from 'vitest'
import { LogError } from '../conversation-log/log-error.ts'
import { createBreakerRegistry } from '../resilience/breaker-registry.ts'
import { createRetryBudget } from '../resilience/retry-budget.ts'
import type { CheckResult } from '../service-level/health-checks.ts'
import type { ComponentState, LevelState } from '../service-level/service-level.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import type { IntegrityReading } from './integrity-meter.ts'
import { createJournal } from './journal.ts'
import { statusOf, type RecentFacts, type StatusSources } from './collect-status.ts'
import { statusJson } from './ops-status.ts'
import type { KnownProcesses, ProcessFacts } from './process-registry.ts'
import { SOME_RUNTIME } from '../testing/ops-status-play.ts'

const WORKING: ComponentState = { status: 'working', since: 0, holdMs: 10_000 }
const ALL_WORK: LevelState = { level: 'full', components: { store: WORKING, agent: WORKING, link: WORKING } }
const NO_CALLS = { succeeded: 0, failed: 0, refused: 0, isShare: true }
const QUIET: RecentFacts = {
  calls: (service) => (service === 'websocket' ? undefined : NO_CALLS),
  callQuantile: () => undefined,
  longestBucket: () => 10,
  questions: () => ({ ended: 0, succeeded: 0 }),
  firstWordsQuantile: () => undefined,
  resumes: () => ({ resumed: 0 }),
  slow: () => ({ 'given up': 0 }),
}
const ALONE: KnownProcesses = { others: [], unreadable: 0, asOf: undefined, isShared: false, error: undefined }

/** A process that has run for an hour on Redis, with whatever a test puts in the place of its parts. */
async function createPlay(changes: Partial<StatusSources> = {}) {
  const clock = createSimulatedClock()
  const journal = createJournal(clock, 'redis')
  const self: ProcessFacts = {
    id: 'self',
    node: 'pod-1',
    version: '1.2.3',
    commit: 'abc1234',
    startedAt: clock.now(),
    phase: 'running',
    level: 'full',
    isolated: [],
  }
  await clock.advance(3_600_000)
  const well: CheckResult = { status: 'healthy', at: clock.now(), tookMs: 2 }
  const breakers = createBreakerRegistry({ clock })
  const breaker = breakers.create({ name: 'ai-agent', errorThreshold: 50, resetTimeout: 30_000, volumeThreshold: 1 })
  const checks = new Map<string, CheckResult>([
    ['aiAgent', well],
    ['redis', well],
    ['websocket', well],
  ])
  const sources: StatusSources = {
    clock,
    self: () => self,
    platform: 'v24',
    running: () => 3,
    report: () => ({ state: ALL_WORK, checks }),
    breakers,
    dependencies: [
      { service: 'ai-agent', component: 'agent', check: 'aiAgent', budget: createRetryBudget({ service: 'ai-agent' }, clock) },
      { service: 'redis', component: 'store', check: 'redis', budget: undefined },
      { service: 'websocket', component: 'link', check: 'websocket', budget: undefined },
    ],
    journal,
    recent: QUIET,
    reading: () => undefined,
    backlog: () => undefined,
    told: () => [],
    processes: () => ALONE,
    runtime: () => SOME_RUNTIME,
    settings: [{ name: 'BRAND', value: 'generic' }],
    areActionsOn: false,
    ...changes,
  }
  return { clock, journal, breaker, checks, sources, status: () => statusOf(sources) }
}

test('[O200] the JSON says everything that is known, and null for what is not', async () => {
  const { status } = await createPlay()
  const parsed: unknown = JSON.parse(statusJson(status()))
  expect(parsed).toMatchObject({
    process: { id: 'self', version: '1.2.3', isThis: true, running: 3 },
    level: { now: 'full', why: [] },
    told: [],
    integrity: null,
    runtime: { loopLagP99Ms: null, openFiles: null },
    actions: { areOn: false },
    unknown: [{ what: 'what waits, and whether anything is lost', why: 'the store has not been counted yet' }],
  })
})

test('[O201] the level says since when and, for each part that does not work, which check and breaker say so', async () => {
  const away: ComponentState = { status: 'away', betterSince: undefined, holdMs: 10_000 }
  const { clock, journal, breaker, checks, sources } = await createPlay()
  journal.events.levelChanged?.({ from: 'full', to: 'limited', away: ['agent'] })
  const since = new Date(clock.now()).toISOString()
  await breaker.execute(() => Promise.reject(new Error('a secret place'))).catch(() => undefined)
  checks.set('aiAgent', { status: 'unhealthy', at: clock.now(), tookMs: 5, error: new TypeError('a secret place') })
  await clock.advance(10_000)
  const state: LevelState = { level: 'limited', components: { ...ALL_WORK.components, agent: away } }
  const { level } = statusOf({ ...sources, report: () => ({ state, checks }) })
  expect(level).toEqual({
    now: 'limited',
    since,
    why: [
      {
        part: 'agent',
        state: 'away',
        checks: [{ name: 'aiAgent', error: 'TypeError' }],
        breaker: { name: 'ai-agent', state: 'open', retryInSeconds: 20 },
        believedInSeconds: undefined,
      },
    ],
  })
})

test('[O201] a part that works again says when it will be believed, and one that nobody has looked at says that', async () => {
  const { clock, checks, sources } = await createPlay()
  const better: ComponentState = { status: 'away', betterSince: clock.monotonic() - 4_000, holdMs: 10_000 }
  const state: LevelState = { level: 'offline', components: { store: { status: 'unknown' }, agent: better, link: WORKING } }
  const { why } = statusOf({ ...sources, report: () => ({ state, checks }) }).level
  expect(why.map(({ part, state: now, believedInSeconds }) => [part, now, believedInSeconds])).toEqual([
    ['store', 'not checked yet', undefined],
    ['agent', 'works again', 6],
  ])
})

test('[O202] calls are a share over each window, and no share where there were none or where units differ', async () => {
  const counts = { 60: [1, 1, 3], 300: [9, 1, 3], 900: [9, 1, 3] } as Readonly<Record<number, readonly number[]>>
  const recent: RecentFacts = {
    ...QUIET,
    calls(service, ms) {
      if (service === 'websocket') return undefined
      const [succeeded = 0, failed = 0, refused = 0] = counts[ms / 1_000] ?? []
      return service === 'ai-agent' ? { succeeded, failed, refused, isShare: true } : { ...NO_CALLS, succeeded: 5, isShare: false }
    },
    callQuantile: (service, q) => (service === 'ai-agent' ? (new Map([[0.5, 0.2]]).get(q) ?? Number.POSITIVE_INFINITY) : undefined),
  }
  const { status } = await createPlay({ recent })
  const [agent, store, link] = status().dependencies
  expect(agent?.calls?.map(({ seconds, failedPercent, refused }) => [seconds, failedPercent, refused])).toEqual([
    [60, 50, 3],
    [300, 10, 3],
    [900, 10, 3],
  ])
  expect(agent?.latency).toEqual({
    overSeconds: 900,
    p50: { seconds: 0.2, isAtLeast: false },
    p95: { seconds: 10, isAtLeast: true },
    p99: { seconds: 10, isAtLeast: true },
  })
  expect([store?.calls?.[0]?.failedPercent, store?.latency?.p50, link?.calls, link?.latency]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('[O202] a breaker says its state, moves, next try and who holds it, and a dependency its retries and last failure', async () => {
  const { clock, journal, breaker, sources } = await createPlay()
  breaker.isolate()
  journal.events.breakerChanged?.({ service: 'ai-agent', from: 'closed', to: 'isolated', openMs: undefined })
  journal.events.storeFailed?.({ kind: 'unavailable', during: 'read', cause: new LogError('unavailable', 'a secret place') })
  const at = new Date(clock.now()).toISOString()
  const [agent, store] = statusOf(sources).dependencies
  expect(agent?.breaker).toEqual({
    name: 'ai-agent',
    state: 'isolated',
    retryInSeconds: 30,
    holds: 1,
    opened: 0,
    moves: [{ at, what: 'breaker ai-agent', from: 'closed', to: 'isolated', why: undefined }],
  })
  expect([agent?.retries, store?.retries, store?.lastFailure]).toEqual([
    { available: 10, reserve: 10 },
    undefined,
    { at, error: 'LogError unavailable' },
  ])
})

test('[O206] a window reaches no further back than the process has lived', async () => {
  const { clock, sources } = await createPlay()
  const self: ProcessFacts = { ...sources.self(), startedAt: clock.now() - 90_000 }
  const { dependencies, answers, links } = statusOf({ ...sources, self: () => self })
  expect(dependencies[0]?.calls?.map(({ coveredSeconds }) => coveredSeconds)).toEqual([60, 90, 90])
  expect([answers.map(({ coveredSeconds }) => coveredSeconds), links.recentSeconds]).toEqual([[90, 90], 90])
})

const reading = (ageMs: number): IntegrityReading => ({
  tally: {
    accepted: 10,
    ended: { answered: 5, stopped: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 },
    waiting: 4,
    unstarted: 3,
    oldestUnstartedAt: 0,
    sessions: 2,
    lost: 1,
    lostAt: 1_000,
    found: 0,
  },
  difference: 1,
  ageMs,
  oldestUnstartedMs: 2_500,
})

test('[O200] what was accepted, what became of it, what waits and what is missing are as the meter last counted', async () => {
  const { status } = await createPlay({ reading: () => reading(1_000), backlog: () => ({ depth: 2, capacity: 100, oldestMs: 40 }) })
  const { integrity, queues, unknown } = status()
  expect(integrity).toEqual({
    accepted: 10,
    ended: { answered: 5, stopped: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 },
    waiting: 4,
    difference: 1,
    lost: 1,
    lostAt: '1970-01-01T00:00:01.000Z',
    ageSeconds: 1,
  })
  expect(queues).toEqual([
    { queue: 'questions', depth: 3, oldestSeconds: 2.5, capacity: undefined },
    { queue: 'store commands', depth: 2, oldestSeconds: 0.04, capacity: 100 },
  ])
  expect(unknown).toEqual([])
})

test('[O203] what cannot be known is said with the reason: an old count, a check that has not run, processes of a store that is away', async () => {
  const { checks, sources } = await createPlay()
  checks.set('redis', { status: 'unknown' })
  const processes: KnownProcesses = { ...ALONE, isShared: true, unreadable: 2, asOf: 5_000, error: 'LogError unavailable' }
  const { unknown, processes: shown } = statusOf({ ...sources, reading: () => reading(31_000), processes: () => processes })
  expect(unknown.map(({ what, why }) => `${what}: ${why}`)).toEqual([
    'whether redis works: it has not been checked yet',
    'what has come to wait or been lost since the last count: the store does not answer when it is counted',
    'what 2 other processes are: they are of a release that says it otherwise',
    'which other processes there are now: the store does not answer (LogError unavailable)',
  ])
  expect([shown.isShared, shown.asOf, shown.list.length]).toEqual([true, '1970-01-01T00:00:05.000Z', 1])
})
