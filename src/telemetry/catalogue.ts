/**
 * Every metric of the service: its name, type, meaning and each series that it can have. Pure data, and the one place that has the names.
 *
 * Labels are closed lists of ours: nothing that a person, an agent or a request says is ever one. A series stands here only when
 * something can move it. `docs/metrics.md` is checked against this page.
 */
import { TURN_END_REASONS } from '../conversation/entry.ts'
import { atStart, each, grid, pairs, SINGLE, type Series, type SeriesList } from './series.ts'

/** Waiting for an answer, in seconds … */
const ANSWER_SECONDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300]
/** … for its first words … */
const FIRST_TEXT_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80]
/** … for a disk or a network … */
const SHORT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
/** … and for a whole call over it. */
const CALL_SECONDS = [...SHORT_SECONDS, 5, 10]
/** Every route has series of its own, so each has few buckets. */
const REQUEST_SECONDS = [0.1, 0.5, 2.5]
const LINK_SECONDS = [1, 10, 60, 300, 1_800, 7_200, 28_800]
const DRAIN_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 25, 60]

/** How a message can end; `accepted` once, then one of these. */
const ENDS = ['completed', 'degraded', 'cancelled', 'timeout', 'failed', 'expired'] as const
const ANSWER_ENDS = ['completed', 'degraded', 'cancelled', 'timeout', 'failed'] as const
const LEVELS = ['full', 'limited', 'offline'] as const
const BREAKERS = ['ai-agent', 'redis'] as const
/** Whose calls are tried again; of the stores there is one. */
const SERVICES = ['ai-agent', 'sqlite', 'redis'] as const
export const CLOSE_REASONS = [
  'normal',
  'going_away',
  'protocol',
  'too_big',
  'policy',
  'drain',
  'overload',
  'session',
  'idle',
  'slow',
  'store',
  'abnormal',
] as const

export type StoreName = 'sqlite' | 'redis'

interface Metric<Type extends 'counter' | 'gauge' | 'histogram', Labels extends Series> {
  readonly type: Type
  readonly help: string
  readonly series: SeriesList<Labels>
  /** Upper bounds, in the unit of the name. */
  readonly buckets: readonly number[]
  /** The store that it is about; with another one it does not exist. */
  readonly store?: StoreName
}

const counter = <Labels extends Series>(help: string, series: SeriesList<Labels>): Metric<'counter', Labels> => ({
  type: 'counter',
  help,
  series,
  buckets: [],
})
const gauge = <Labels extends Series>(help: string, series: SeriesList<Labels>): Metric<'gauge', Labels> => ({
  type: 'gauge',
  help,
  series,
  buckets: [],
})
const histogram = <Labels extends Series>(
  help: string,
  buckets: readonly number[],
  series: SeriesList<Labels>,
): Metric<'histogram', Labels> => ({ type: 'histogram', help, series, buckets })

export const CATALOGUE = {
  chat_messages_total: counter(
    'Messages by what became of them: questions (user), answers (agent) and notices (system). Accepted once, then one end.',
    pairs('type', 'status', {
      user: ['accepted', 'queued', 'rejected', 'duplicate', ...ENDS],
      agent: ['accepted', ...ANSWER_ENDS],
      system: ['accepted', 'completed'],
    }),
  ),
  chat_message_duration_seconds: histogram(
    'Seconds from accepting a question to its end, and from the first words of an answer to its last.',
    ANSWER_SECONDS,
    pairs('type', 'status', { user: ENDS, agent: ANSWER_ENDS }),
  ),
  chat_message_ack_seconds: histogram(
    'Seconds from receiving a question to having it in the log.',
    SHORT_SECONDS,
    each('transport', ['websocket', 'form', 'api']),
  ),
  chat_messages_inflight: gauge(
    'Questions that this process has taken on, and answers that it is writing.',
    each('type', ['user', 'agent']),
  ),
  chat_duplicates_suppressed_total: counter('Questions that were sent again and not asked again.', SINGLE),
  chat_sequence_gaps_total: counter(
    'Logs in the store with an entry missing (server), and pages ahead of the log in the store (client).',
    each('side', ['server', 'client']),
  ),

  chat_messages_lost_total: counter('Accepted questions that have neither an end nor a place among those that wait. Stays 0.', SINGLE),
  chat_integrity_questions: gauge(
    'Questions in the store by state, over all processes: accepted is the sum of the others.',
    each('state', ['accepted', 'answered', 'stopped', 'failed', 'interrupted', 'expired', 'cancelled', 'waiting']),
  ),
  chat_integrity_difference: gauge(
    'Accepted questions without an end or a place among those that wait; below zero, ends too many.',
    SINGLE,
  ),
  chat_integrity_age_seconds: gauge('Seconds since what the store holds was last counted.', SINGLE),

  chat_time_to_first_token_seconds: histogram(
    'Seconds from accepting a question to the first words of its answer.',
    FIRST_TEXT_SECONDS,
    SINGLE,
  ),
  chat_stream_stalls_total: counter('Times that an answer being written made no progress for 15 seconds.', SINGLE),
  chat_turn_ends_total: counter('Turns that did not end complete, by why.', each('reason', TURN_END_REASONS)),

  chat_queue_depth: gauge(
    'What waits: questions that nobody has begun to ask (inbound), and commands for the store.',
    each('queue', ['inbound', 'store']),
  ),
  chat_queue_capacity: gauge(
    'How much may wait before more is refused; questions have a bound for each session only.',
    each('queue', ['store']),
  ),
  chat_queue_oldest_age_seconds: gauge('Age of what has waited longest.', each('queue', ['inbound', 'store'])),
  chat_queue_dropped_total: counter(
    'What a queue gave up: refused because it was full, too old to be asked, or failed too often.',
    pairs('queue', 'reason', { inbound: ['full', 'expired', 'poison'], store: ['full'] }),
  ),

  chat_degradation_level: gauge('What the service can do now: 0 full, 1 limited, 2 offline.', SINGLE),
  chat_degradation_transitions_total: counter(
    'Changes of the level.',
    pairs('from', 'to', { full: ['limited', 'offline'], limited: ['full', 'offline'], offline: ['full', 'limited'] }),
  ),
  chat_degraded_seconds_total: counter('Seconds spent at each level.', each('level', LEVELS)),

  chat_circuit_breaker_state: gauge('0 closed, 1 half-open, 2 open or held open.', each('service', BREAKERS)),
  chat_circuit_breaker_transitions_total: counter(
    'Moves of a circuit breaker.',
    grid(['service', BREAKERS], ['to', ['open', 'half_open', 'closed', 'isolated']]),
  ),
  chat_circuit_breaker_rejected_total: counter('Calls that a circuit breaker refused.', each('service', BREAKERS)),
  chat_dependency_up: gauge('Whether the last background check worked.', each('service', ['ai-agent', 'sqlite', 'redis', 'websocket'])),
  chat_dependency_request_duration_seconds: histogram(
    'Seconds that calls took: transactions of SQLite, commands of Redis, and the way to the first words of an agent.',
    CALL_SECONDS,
    pairs('service', 'result', { 'ai-agent': ['success', 'failure'], sqlite: ['success'], redis: ['success', 'failure'] }),
  ),
  chat_retries_total: counter(
    'Calls that failed at first: worked when tried again, did not, or were not tried again because the budget was spent.',
    grid(['service', SERVICES], ['result', ['success', 'exhausted', 'budget_denied']]),
  ),
  chat_retry_budget_ratio: gauge('How much of the retry budget is left; 1 is all of an idle service’s.', each('service', SERVICES)),
  chat_errors_total: counter(
    'Failures by kind and by where they happened.',
    pairs('service', 'type', {
      'ai-agent': ['timeout', 'refused', 'protocol', 'overload', 'read', 'internal'],
      sqlite: ['read', 'write', 'timeout', 'overload'],
      redis: ['read', 'write', 'timeout', 'overload'],
      session: ['overload', 'validation'],
      http: ['auth', 'validation', 'protocol', 'overload', 'timeout', 'internal'],
      websocket: ['auth', 'protocol', 'overload', 'internal'],
    }),
  ),
  chat_tokens_total: counter('Tokens that answers took, as the agent counts them.', each('direction', ['input', 'output'])),
  chat_synthetic_probe_success: gauge('1 when the last checks of store, live link and agent all worked, end to end.', SINGLE),

  chat_active_connections: gauge('Live links that are open in this process.', SINGLE),
  chat_connections_opened_total: counter(
    'Live links that were asked for.',
    grid(['transport', ['websocket', 'sse']], ['result', ['opened', 'refused']]),
  ),
  chat_connections_closed_total: counter('Live links that ended, by why.', each('reason', CLOSE_REASONS)),
  chat_connection_duration_seconds: histogram('Seconds that live links were open.', LINK_SECONDS, SINGLE),
  chat_resumes_total: counter(
    'Pages that were brought up to date: from where they stood (full), anew (fresh), anew because they were on another log (gap), or not.',
    each('result', ['full', 'fresh', 'gap', 'expired', 'refused']),
  ),
  chat_resume_replayed_messages_total: counter('Entries that pages which came back had missed.', SINGLE),
  chat_ws_frames_total: counter('WebSocket messages.', each('direction', ['in', 'out'])),
  chat_ws_bytes_total: counter('Bytes of WebSocket messages.', each('direction', ['in', 'out'])),
  chat_ws_buffered_bytes: gauge('Bytes given to WebSockets that have not left.', SINGLE),
  chat_ws_slow_consumers_total: counter(
    'Readers that were waited for, and those that were given up.',
    each('action', ['paused', 'terminated']),
  ),
  chat_ws_ping_rtt_seconds: histogram('Seconds from a ping to its answer.', SHORT_SECONDS, SINGLE),
  chat_ws_rejected_total: counter(
    'Upgrades that were refused.',
    each('reason', ['origin', 'session', 'rate', 'capacity', 'version', 'path', 'draining']),
  ),
  chat_rate_limited_total: counter(
    'Requests refused by a limit of one session, one address or the process.',
    each('scope', ['session', 'ip', 'global']),
  ),

  chat_output_blocked_total: counter(
    'Things in pages that browsers say they refused because of the content policy.',
    each('kind', ['image', 'script', 'form', 'style', 'request', 'frame', 'other']),
  ),

  chat_storage_bytes: { ...gauge('Bytes of the database file.', SINGLE), store: 'sqlite' },
  chat_sqlite_wal_bytes: { ...gauge('Bytes of the write-ahead log.', SINGLE), store: 'sqlite' },
  chat_sessions_active: gauge('Sessions in the store that have not expired.', SINGLE),

  chat_draining: gauge('1 from the first signal to stop.', SINGLE),
  chat_drain_total: counter(
    'Drains: every running answer ended in time (clean), or some were handed over (forced).',
    each('result', ['clean', 'forced']),
  ),
  chat_drain_duration_seconds: histogram('Seconds from the signal to stop until everybody was let go.', DRAIN_SECONDS, SINGLE),
  chat_log_dropped_total: counter(
    'Log lines that could not be written: the reader of the output has stalled, the output or a file failed, or there are too many files.',
    each('reason', ['stalled', 'output', 'file', 'quota']),
  ),
  chat_metrics_refused_total: counter('Scrapes that were refused because too many were being answered.', SINGLE),
  chat_build_info: gauge('1; the labels say what runs.', atStart('version', 'commit', 'node')),
  chat_config_info: gauge('1; the label says which store is used.', each('profile', ['sqlite', 'redis'])),
  nodejs_eventloop_utilization_ratio: gauge('How much of the time since it was last asked the event loop was busy.', SINGLE),
  nodejs_heap_size_limit_bytes: gauge('Bytes that the heap may grow to.', SINGLE),
  http_request_duration_seconds: histogram(
    'Seconds from receiving a request to having answered it, by route template and class of status.',
    REQUEST_SECONDS,
    atStart('method', 'route', 'code'),
  ),
} as const

type Catalogue = typeof CATALOGUE
export type MetricName = keyof Catalogue
export type MetricType = Catalogue[MetricName]['type']
export type NameOf<Type extends MetricType> = { [Name in MetricName]: Catalogue[Name]['type'] extends Type ? Name : never }[MetricName]
/** The labels of a metric's series. */
export type LabelsOf<Name extends MetricName> = Catalogue[Name]['series']['all'][number]
