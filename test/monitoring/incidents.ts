/**
 * Recorded incidents: what two processes would have said of themselves, a value a minute for three hours, while their agent went
 * away, their store failed, a question was lost, tokens came slowly, and one process was replaced.
 *
 * Every series of the catalogue is there; what is not told below does not move.
 */
import { CATALOGUE } from '../../src/telemetry/catalogue.ts'

const RECORDING_START = Date.UTC(2026, 0, 5, 6) / 1_000
const STEP_SECONDS = 60
const MINUTES = 200
const INSTANCES = ['a:9464', 'b:9464'] as const

/** Observations a second, each of this size. */
interface Observed {
  readonly rate: number
  readonly size: number
}

/** A rate a second for a counter, a value for a gauge; by the minute of its phase where it changes. */
type Told = number | Observed | ((minute: number) => number)

type Tale = Readonly<Record<string, Told>>

interface Phase {
  readonly from: number
  readonly to: number
  readonly tale: Tale
  /** Where only one process is concerned. */
  readonly instance?: (typeof INSTANCES)[number]
}

const CALM: Tale = {
  up: 1,
  scrape_samples_post_metric_relabeling: 900,
  process_start_time_seconds: RECORDING_START - 86_400,
  process_cpu_seconds_total: 0.1,
  process_resident_memory_bytes: 150e6,
  process_open_fds: 300,
  process_max_fds: 65_536,
  nodejs_eventloop_lag_p99_seconds: 0.01,
  nodejs_eventloop_utilization_ratio: 0.1,
  nodejs_heap_size_used_bytes: 60e6,
  nodejs_heap_size_limit_bytes: 400e6,
  'chat_messages_total{type="user",status="accepted"}': 0.5,
  'chat_messages_total{type="user",status="completed"}': 0.5,
  chat_time_to_first_token_seconds: { rate: 0.5, size: 0.8 },
  'chat_message_duration_seconds{type="user",status="completed"}': { rate: 0.5, size: 4 },
  'chat_message_ack_seconds{transport="websocket"}': { rate: 0.5, size: 0.008 },
  'chat_message_ack_seconds{transport="form"}': { rate: 0.1, size: 0.008 },
  'chat_message_ack_seconds{transport="api"}': { rate: 0.1, size: 0.008 },
  'chat_dependency_request_duration_seconds{service="ai-agent",result="success"}': { rate: 0.5, size: 0.6 },
  'chat_dependency_request_duration_seconds{service="sqlite",result="success"}': { rate: 5, size: 0.008 },
  'chat_integrity_questions{state="accepted"}': (minute) => 1_000 + minute,
  'chat_integrity_questions{state="answered"}': (minute) => 998 + minute,
  'chat_integrity_questions{state="waiting"}': 2,
  chat_integrity_age_seconds: 4,
  'chat_dependency_up{service="ai-agent"}': 1,
  'chat_dependency_up{service="sqlite"}': 1,
  'chat_dependency_up{service="websocket"}': 1,
  chat_synthetic_probe_success: 1,
  'chat_retry_budget_ratio{service="ai-agent"}': 1,
  'chat_queue_capacity{queue="store"}': 10_000,
  'chat_queue_depth{queue="store"}': 2,
  'chat_degraded_seconds_total{level="full"}': 1,
  chat_active_connections: 250,
  'chat_connections_opened_total{transport="websocket",result="opened"}': 0.2,
  'chat_connections_closed_total{reason="going_away"}': 0.2,
  chat_connection_duration_seconds: { rate: 0.2, size: 200 },
  'chat_resumes_total{result="fresh"}': 0.2,
  'chat_ws_frames_total{direction="in"}': 20,
  'chat_ws_frames_total{direction="out"}': 60,
  'chat_ws_bytes_total{direction="in"}': 4_000,
  'chat_ws_bytes_total{direction="out"}': 60_000,
  chat_ws_ping_rtt_seconds: { rate: 10, size: 0.04 },
  chat_storage_bytes: 40e6,
  chat_sqlite_wal_bytes: 2e6,
  chat_sessions_active: 400,
  'chat_messages_inflight{type="user"}': 2,
  'chat_messages_inflight{type="agent"}': 2,
  'chat_build_info{version="0.1.0",commit="aaaaaaa",node="24.21.0"}': 1,
  'http_request_duration_seconds{method="GET",route="/chat",code="2xx"}': { rate: 0.4, size: 0.02 },
  'http_request_duration_seconds{method="POST",route="/chat",code="4xx"}': { rate: 0.01, size: 0.02 },
}

export const PHASES = {
  calm: { from: 0, to: 30, tale: {} },
  'agent down': {
    from: 30,
    to: 50,
    tale: {
      'chat_dependency_up{service="ai-agent"}': 0,
      chat_synthetic_probe_success: 0,
      chat_degradation_level: 1,
      'chat_degraded_seconds_total{level="full"}': 0,
      'chat_degraded_seconds_total{level="limited"}': 1,
      'chat_circuit_breaker_state{service="ai-agent"}': 2,
      'chat_errors_total{service="ai-agent",type="refused"}': 0.5,
      'chat_retries_total{service="ai-agent",result="exhausted"}': 0.2,
      'chat_retry_budget_ratio{service="ai-agent"}': 0.02,
      'chat_turn_ends_total{reason="agent-unreachable"}': 0.3,
      'chat_messages_total{type="user",status="completed"}': 0.1,
      'chat_messages_total{type="user",status="failed"}': 0.3,
      'chat_queue_depth{queue="inbound"}': (minute) => minute * 10,
      'chat_queue_oldest_age_seconds{queue="inbound"}': (minute) => minute * 60,
      'chat_integrity_questions{state="waiting"}': (minute) => minute * 10,
    },
  },
  'store down': {
    from: 65,
    to: 80,
    tale: {
      'chat_dependency_up{service="sqlite"}': 0,
      chat_synthetic_probe_success: 0,
      chat_degradation_level: 2,
      'chat_degraded_seconds_total{level="full"}': 0,
      'chat_degraded_seconds_total{level="offline"}': 1,
      'chat_errors_total{service="sqlite",type="write"}': 1,
      'chat_queue_depth{queue="store"}': 9_500,
      'chat_queue_dropped_total{queue="store",reason="full"}': 0.5,
      chat_integrity_age_seconds: (minute) => minute * 60,
      'chat_log_dropped_total{reason="stalled"}': 0.1,
    },
  },
  'integrity breach': {
    from: 95,
    to: 105,
    tale: {
      chat_messages_lost_total: (minute) => (minute === 1 ? 2 / STEP_SECONDS : 0),
      chat_integrity_difference: 2,
      'chat_sequence_gaps_total{side="client"}': 0.05,
      'chat_resumes_total{result="gap"}': 0.05,
      chat_duplicates_suppressed_total: 0.05,
    },
  },
  'slow tokens': {
    from: 115,
    to: 140,
    tale: {
      chat_time_to_first_token_seconds: { rate: 0.5, size: 8 },
      'chat_message_duration_seconds{type="user",status="completed"}': { rate: 0.5, size: 50 },
      'chat_message_ack_seconds{transport="websocket"}': { rate: 0.5, size: 2 },
      chat_stream_stalls_total: 0.05,
      nodejs_eventloop_lag_p99_seconds: 0.8,
      'chat_ws_slow_consumers_total{action="paused"}': 0.6,
      chat_ws_buffered_bytes: 5e6,
    },
  },
  drain: {
    from: 150,
    to: 165,
    instance: 'a:9464',
    tale: {
      chat_draining: 1,
      chat_drain_duration_seconds: { rate: 1 / 900, size: 25 },
      'chat_drain_total{result="forced"}': (minute) => (minute === 1 ? 1 / STEP_SECONDS : 0),
      'chat_connections_closed_total{reason="drain"}': 4,
      'chat_resumes_total{result="full"}': 4,
      chat_resume_replayed_messages_total: 2,
      'chat_ws_rejected_total{reason="draining"}': 1,
      process_start_time_seconds: (minute) => RECORDING_START + 150 * 60 + Math.floor(minute / 4),
      'chat_build_info{version="0.2.0",commit="bbbbbbb",node="24.21.0"}': 1,
    },
  },
} as const satisfies Readonly<Record<string, Phase>>

export type PhaseName = keyof typeof PHASES

/** The last moment of a phase, in seconds since the epoch. */
export const momentOf = (phase: PhaseName): number => RECORDING_START + (PHASES[phase].to - 1) * STEP_SECONDS

const toldAt = (series: string, instance: string, minute: number): Told => {
  const phases: readonly Phase[] = Object.values(PHASES)
  const phase = phases.findLast(
    (each) => minute >= each.from && minute < each.to && (each.instance ?? instance) === instance && series in each.tale,
  )
  const told = phase?.tale[series] ?? CALM[series] ?? 0
  return typeof told === 'function' ? told(minute - (phase?.from ?? 0)) : told
}

interface Recorded {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly buckets: readonly number[]
}

const keyOf = ({ name, labels }: Pick<Recorded, 'name' | 'labels'>): string => {
  const list = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  return list.length === 0 ? name : `${name}{${list.join(',')}}`
}

/** `name{a="b"}` as its parts. */
function read(series: string): Pick<Recorded, 'name' | 'labels'> {
  const labels = Object.fromEntries([...series.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', value = '']) => [label, value]))
  return { name: series.replace(/\{.*$/, ''), labels }
}

/** The platform's own metrics, and what Prometheus says of a scrape, by their types. */
const OTHER_COUNTERS = ['process_cpu_seconds_total']

function allSeries(): readonly Recorded[] {
  const catalogue = Object.entries(CATALOGUE).flatMap(([name, { type, buckets, series }]) =>
    (series.all as readonly Readonly<Record<string, string>>[])
      .filter(({ service, profile }) => service !== 'redis' && profile !== 'redis')
      .map((labels) => ({ name, labels, type, buckets })),
  )
  const known = new Set(catalogue.map(keyOf))
  const told = [CALM, ...Object.values(PHASES).map(({ tale }) => tale as Tale)].flatMap(Object.keys)
  const others = [...new Set(told)]
    .filter((series) => !known.has(series))
    .map((series) => {
      const { name, labels } = read(series)
      const [, metric] = Object.entries(CATALOGUE).find(([each]) => each === name) ?? []
      if (metric === undefined && !/^(?:up$|scrape_|process_|nodejs_)/.test(series)) throw new Error(`${series} is not in the catalogue`)
      return {
        name,
        labels,
        type: metric?.type ?? (OTHER_COUNTERS.includes(name) ? 'counter' : 'gauge'),
        buckets: metric?.buckets ?? [],
      } as const
    })
  return [...catalogue, ...others]
}

/** One process's values of one series over the recording, in OpenMetrics' text. */
function linesOf(series: Recorded, instance: string): readonly string[] {
  const labels = { job: 'chat', instance, ...series.labels }
  const line = (suffix: string, more: Readonly<Record<string, string>>, value: number, time: number): string =>
    `${keyOf({ name: series.name + suffix, labels: { ...labels, ...more } })} ${value} ${time}`
  const bounds = [...series.buckets.map(String), '+Inf']
  const totals = { count: 0, sum: 0, buckets: bounds.map(() => 0) }
  const lines: string[] = []
  for (let minute = 0; minute < MINUTES; minute += 1) {
    const told = toldAt(keyOf(series), instance, minute)
    const time = RECORDING_START + minute * STEP_SECONDS
    const { rate, size } = typeof told === 'object' ? told : { rate: typeof told === 'number' ? told : 0, size: 1 }
    totals.count += rate * STEP_SECONDS
    totals.sum += rate * STEP_SECONDS * size
    if (series.type === 'gauge') lines.push(line('', {}, rate, time))
    if (series.type === 'counter') lines.push(line('', {}, totals.count, time))
    if (series.type !== 'histogram') continue
    for (const [index, bound] of bounds.entries()) {
      if (bound === '+Inf' || size <= Number(bound)) totals.buckets[index] = (totals.buckets[index] ?? 0) + rate * STEP_SECONDS
      lines.push(line('_bucket', { le: bound }, totals.buckets[index] ?? 0, time))
    }
    lines.push(line('_count', {}, totals.count, time), line('_sum', {}, totals.sum, time))
  }
  return lines
}

/** The recording as `promtool tsdb create-blocks-from openmetrics` reads it. */
export const recordIncidents = (): string =>
  `${INSTANCES.flatMap((instance) => allSeries().flatMap((series) => linesOf(series, instance))).join('\n')}\n# EOF\n`
