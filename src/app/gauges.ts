/**
 * What the gauges read when somebody looks, and the series that are known only once the service is put together.
 */
import { statSync } from 'node:fs'
import type { Server } from '@hapi/hapi'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import type { IntegrityMeter } from '../operations/integrity-meter.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { Clock } from '../resilience/clock.ts'
import type { LabelsOf, StoreName } from '../telemetry/catalogue.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { DEPENDENCIES, isUp } from './dependencies.ts'

export interface Gauged {
  readonly server: Server
  readonly log: ConversationLog
  /** The database file, where there is one. */
  readonly storeFile: string | undefined
  readonly clock: Clock
  readonly meter: IntegrityMeter
  /** Questions that this process has taken on. */
  readonly running: () => number
  readonly isDraining: () => boolean
  readonly budgets: Readonly<Record<'agent' | 'store', RetryBudget>>
  readonly build: LabelsOf<'chat_build_info'>
}

/** Every gauge of the catalogue that no event moves. */
export function watchGauges(metrics: Metrics, gauged: Gauged): void {
  watchStore(metrics, gauged)
  watchResilience(metrics, gauged)
  metrics.watch('chat_messages_inflight', { type: 'user' }, gauged.running)
  metrics.watch('chat_draining', {}, () => Number(gauged.isDraining()))
  metrics.watch('chat_ws_buffered_bytes', {}, () => gauged.server.plugins.gateway.links.bufferedBytes())
  metrics.open('chat_build_info', [gauged.build])
  metrics.watch('chat_build_info', gauged.build, () => 1)
  metrics.open('http_request_duration_seconds', routesOf(gauged.server))
}

function watchStore(metrics: Metrics, { log, storeFile, meter }: Gauged): void {
  const watch: Metrics['watch'] = (name, labels, read) => metrics.watch(name, labels, read)
  const tally = () => meter.reading()?.tally
  watch('chat_integrity_questions', { state: 'accepted' }, () => tally()?.accepted)
  watch('chat_integrity_questions', { state: 'waiting' }, () => tally()?.waiting)
  for (const state of ['answered', 'stopped', 'failed', 'interrupted', 'expired', 'cancelled'] as const) {
    watch('chat_integrity_questions', { state }, () => tally()?.ended[state])
  }
  watch('chat_integrity_difference', {}, () => meter.reading()?.difference)
  watch('chat_integrity_age_seconds', {}, () => seconds(meter.reading()?.ageMs))
  watch('chat_sessions_active', {}, () => tally()?.sessions)
  watch('chat_queue_depth', { queue: 'inbound' }, () => tally()?.unstarted)
  watch('chat_queue_oldest_age_seconds', { queue: 'inbound' }, () => seconds(meter.reading()?.oldestUnstartedMs))
  watch('chat_queue_depth', { queue: 'store' }, () => log.backlog?.().depth ?? 0)
  watch('chat_queue_capacity', { queue: 'store' }, () => log.backlog?.().capacity ?? 0)
  watch('chat_queue_oldest_age_seconds', { queue: 'store' }, () => seconds(log.backlog?.().oldestMs ?? 0))
  watch('chat_storage_bytes', {}, () => bytesOf(storeFile))
  watch('chat_sqlite_wal_bytes', {}, () => bytesOf(storeFile === undefined ? undefined : `${storeFile}-wal`))
  watch('chat_config_info', { profile: storeNameOf(log) }, () => 1)
}

const LEVELS = { full: 0, limited: 1, offline: 2 } as const
const BREAKER_STATES = { closed: 0, 'half-open': 1, open: 2, isolated: 2 } as const

function watchResilience(metrics: Metrics, { server, clock, log, budgets }: Gauged): void {
  const { health, breakers } = server.resilience
  const checks = () => health.report().checks
  for (const [name, service] of Object.entries(DEPENDENCIES)) {
    metrics.watch('chat_dependency_up', { service }, () => isUp(checks().get(name)))
  }
  for (const service of ['ai-agent', 'redis'] as const) {
    metrics.watch('chat_circuit_breaker_state', { service }, () => BREAKER_STATES[breakers.stats(service)?.state ?? 'closed'])
  }
  metrics.watch('chat_synthetic_probe_success', {}, () => Math.min(...Array.from(checks().values(), (result) => isUp(result) ?? 0)))
  metrics.watch('chat_retry_budget_ratio', { service: 'ai-agent' }, () => leftOf(budgets.agent))
  metrics.watch('chat_retry_budget_ratio', { service: storeNameOf(log) }, () => leftOf(budgets.store))
  metrics.watch('chat_degradation_level', {}, () => LEVELS[health.getCurrentLevel()])
  let since = clock.monotonic()
  let level = health.getCurrentLevel()
  const settle = (): void => {
    const now = clock.monotonic()
    metrics.count('chat_degraded_seconds_total', { level }, (now - since) / 1_000)
    since = now
    level = health.getCurrentLevel()
  }
  health.subscribe((event) => {
    if (event.type === 'level') settle()
  })
  metrics.beforeRender(settle)
}

/** Tests put other logs in the place of the file. */
export const storeNameOf = ({ profile }: ConversationLog): StoreName => (profile.store === 'redis' ? 'redis' : 'sqlite')

const leftOf = (budget: RetryBudget): number => Math.min(1, budget.available() / Math.max(1, budget.reserve))

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1_000)

const bytesOf = (file: string | undefined): number | undefined =>
  file === undefined ? undefined : (statSync(file, { throwIfNoEntry: false })?.size ?? 0)

/** What machines ask about the process would drown what people wait for; an event stream lasts as long as somebody watches. */
const NOT_TIMED = /^\/(?:live|ready|health|health\/detailed|metrics|ops\/.*)$|\/events$/

/** The series of every route that is timed: the classes of status that it can answer with. */
function routesOf(server: Server): readonly LabelsOf<'http_request_duration_seconds'>[] {
  const known = server.table().map(({ path, method }) => ({ route: path, method: method.toUpperCase() }))
  const series = known
    .filter(({ route }) => !NOT_TIMED.test(route))
    .flatMap(({ route, method }) => classesOf(route, method).map((code) => ({ method, route, code })))
  return [...series, ...classesOf('unknown', '*').map((code) => ({ method: '*', route: 'unknown', code }))]
}

function classesOf(route: string, method: string): readonly string[] {
  // Only refuses: another method is not taken here.
  if (method === '*') return ['4xx']
  if (route.startsWith('/api/')) return ['2xx', '4xx', '5xx']
  return method === 'GET' ? ['2xx', '3xx', '4xx', '5xx'] : ['3xx', '4xx', '5xx']
}
