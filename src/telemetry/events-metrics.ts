/**
 * The events of the service as counts and measures: which metric each one moves.
 *
 * Names and labels are those of `catalogue.ts`. Nothing here is text that came from outside.
 */
import type { TurnEndReason, TurnOutcome } from '../conversation/entry.ts'
import { CATALOGUE, type CLOSE_REASONS, type LabelsOf, type StoreName } from './catalogue.ts'
import type { CountedEvents, Events, Measures } from './events.ts'
import type { Metrics } from './metrics.ts'

type Some<Names extends keyof Events> = Pick<Events, Names>
type Counting = Pick<Metrics, 'count' | 'observe' | 'watch'>

/** Metrics that move when events happen; failures of the store count under the name of `store`. */
export function createEventsMetrics(metrics: Metrics, store: StoreName): CountedEvents {
  return {
    ...measures(metrics, store),
    ...sessionMetrics(metrics),
    ...linkMetrics(metrics),
    ...questionMetrics(metrics),
    ...turnMetrics(metrics),
    ...agentMetrics(metrics),
    ...storeMetrics(metrics, store),
    requestFailed: ({ route, status }) => {
      const type = failureType(route, status)
      if (type !== undefined) metrics.count('chat_errors_total', type)
    },
    contentBlocked: ({ kind }) => metrics.count('chat_output_blocked_total', { kind }),
    levelChanged: ({ from, to }) => {
      const series = CATALOGUE.chat_degradation_transitions_total.series.all.find((labels) => labels.from === from && labels.to === to)
      if (series !== undefined) metrics.count('chat_degradation_transitions_total', series)
    },
    drainEnded: ({ answers, tookMs }) => {
      metrics.count('chat_drain_total', { result: answers.handedOver === 0 ? 'clean' : 'forced' })
      metrics.observe('chat_drain_duration_seconds', {}, seconds(tookMs))
    },
  }
}

const seconds = (ms: number): number => ms / 1_000

const measures = ({ count, observe }: Counting, service: StoreName): Measures => ({
  requestServed: ({ method, route, status, tookMs }) =>
    observe('http_request_duration_seconds', { method, route, code: `${Math.trunc(status / 100)}xx` }, seconds(tookMs)),
  linkTraffic: ({ direction, bytes }) => {
    count('chat_ws_frames_total', { direction })
    count('chat_ws_bytes_total', { direction }, bytes)
  },
  linkPonged: ({ tookMs }) => observe('chat_ws_ping_rtt_seconds', {}, seconds(tookMs)),
  commandRefused: () => {
    count('chat_queue_dropped_total', { queue: 'store', reason: 'full' })
    count('chat_errors_total', { service, type: 'overload' })
  },
})

const sessionMetrics = ({ count }: Counting): Some<'sessionRefused' | 'accessDenied'> => ({
  sessionRefused: (reason) => {
    if (reason === 'rate') count('chat_rate_limited_total', { scope: 'ip' })
    else count('chat_errors_total', { service: 'session', type: 'overload' })
  },
  accessDenied: () => count('chat_errors_total', { service: 'http', type: 'auth' }),
})

type LinkEvents = Some<'linkOpened' | 'linkClosed' | 'linkRefused' | 'linkResumed' | 'linkSlow' | 'frameRefused'>

function linkMetrics({ count, observe, watch }: Counting): LinkEvents {
  let open = 0
  watch('chat_active_connections', {}, () => open)
  return {
    linkOpened: (transport) => {
      open += 1
      if (transport === 'websocket' || transport === 'sse') count('chat_connections_opened_total', { transport, result: 'opened' })
    },
    linkClosed: ({ code, heldMs }) => {
      open -= 1
      count('chat_connections_closed_total', { reason: CLOSES[code] ?? 'abnormal' })
      observe('chat_connection_duration_seconds', {}, seconds(heldMs))
    },
    linkRefused: ({ transport, reason }) => {
      count('chat_connections_opened_total', { transport, result: 'refused' })
      count('chat_errors_total', { service: 'websocket', type: REFUSALS[reason] })
      if (transport === 'websocket') count('chat_ws_rejected_total', { reason })
      if (reason === 'rate') count('chat_rate_limited_total', { scope: 'ip' })
      if (reason === 'capacity') count('chat_rate_limited_total', { scope: 'global' })
    },
    linkResumed: ({ outcome, missed }) => {
      count('chat_resumes_total', { result: RESUMES[outcome] })
      count('chat_resume_replayed_messages_total', {}, missed)
      if (outcome === 'fork') count('chat_sequence_gaps_total', { side: 'client' })
    },
    linkSlow: (action) => count('chat_ws_slow_consumers_total', { action }),
    frameRefused: () => count('chat_errors_total', { service: 'websocket', type: 'protocol' }),
  }
}

/** WebSocket's own close codes and those of PROTOCOL.md; 200 is an event stream that came to its end. */
const CLOSES: Readonly<Record<number, (typeof CLOSE_REASONS)[number]>> = {
  200: 'normal',
  1000: 'normal',
  1001: 'going_away',
  1002: 'protocol',
  1003: 'protocol',
  1005: 'normal',
  1007: 'protocol',
  1008: 'policy',
  1009: 'too_big',
  1012: 'drain',
  1013: 'overload',
  4400: 'protocol',
  4401: 'session',
  4403: 'policy',
  4404: 'session',
  4406: 'protocol',
  4429: 'policy',
  4503: 'store',
  4508: 'slow',
  4509: 'idle',
}

const REFUSALS = {
  origin: 'auth',
  session: 'auth',
  rate: 'overload',
  capacity: 'overload',
  draining: 'overload',
  version: 'protocol',
  path: 'protocol',
} as const

const RESUMES = { resumed: 'full', snapshot: 'fresh', fork: 'gap', expired: 'expired', refused: 'refused' } as const

const questionMetrics = ({ count, observe }: Counting): Some<'questionAccepted' | 'questionRefused'> => ({
  questionAccepted: ({ transport, duplicate, tookMs }) => {
    count('chat_messages_total', { type: 'user', status: duplicate ? 'duplicate' : 'accepted' })
    if (duplicate) count('chat_duplicates_suppressed_total', {})
    if (transport !== 'sse') observe('chat_message_ack_seconds', { transport }, seconds(tookMs))
  },
  questionRefused: ({ reason }) => {
    count('chat_messages_total', { type: 'user', status: 'rejected' })
    if (reason === 'rate') count('chat_rate_limited_total', { scope: 'session' })
    if (reason === 'overload') count('chat_queue_dropped_total', { queue: 'inbound', reason: 'full' })
    if (BAD_TEXT.has(reason)) count('chat_errors_total', { service: 'session', type: 'validation' })
    if (reason === 'overload' || reason === 'in flight') count('chat_errors_total', { service: 'session', type: 'overload' })
  },
})

/** Why a text cannot be a question (`conversation/question-text.ts`), and an id that was used for another one. */
const BAD_TEXT: ReadonlySet<string> = new Set(['empty', 'too-long', 'too-large', 'not-text', 'conflict'])

function turnMetrics({
  count,
  observe,
  watch,
}: Counting): Some<'turnFirstText' | 'helpGiven' | 'turnEnded' | 'turnStalled' | 'answerLeft'> {
  let answering = 0
  watch('chat_messages_inflight', { type: 'agent' }, () => answering)
  const endAnswer = (status: LabelsOf<'chat_messages_total'>['status'] & AnswerEnd, ms: number): void => {
    answering -= 1
    count('chat_messages_total', { type: 'agent', status })
    observe('chat_message_duration_seconds', { type: 'agent', status }, seconds(ms))
  }
  return {
    turnFirstText: ({ tookMs }) => {
      answering += 1
      count('chat_messages_total', { type: 'agent', status: 'accepted' })
      observe('chat_time_to_first_token_seconds', {}, seconds(tookMs))
    },
    helpGiven: ({ doesWait }) => {
      if (doesWait) count('chat_messages_total', { type: 'user', status: 'queued' })
      // A notice is whole as soon as it is there.
      count('chat_messages_total', { type: 'system', status: 'accepted' })
      count('chat_messages_total', { type: 'system', status: 'completed' })
    },
    turnEnded: ({ outcome, reason, tookMs, answeredMs }) => {
      const status = endOf(outcome, reason)
      count('chat_messages_total', { type: 'user', status })
      observe('chat_message_duration_seconds', { type: 'user', status }, seconds(tookMs))
      if (answeredMs !== undefined) endAnswer(status === 'expired' ? 'failed' : status, answeredMs)
      if (reason !== undefined) count('chat_turn_ends_total', { reason })
      if (status === 'timeout') count('chat_errors_total', { service: 'ai-agent', type: 'timeout' })
      if (status === 'expired') count('chat_queue_dropped_total', { queue: 'inbound', reason: 'expired' })
      if (reason === 'too-many-attempts') count('chat_queue_dropped_total', { queue: 'inbound', reason: 'poison' })
    },
    turnStalled: () => count('chat_stream_stalls_total', {}),
    answerLeft: ({ answeredMs }) => endAnswer('degraded', answeredMs),
  }
}

type AnswerEnd = Extract<LabelsOf<'chat_message_duration_seconds'>, { readonly type: 'agent' }>['status']
type End = Extract<LabelsOf<'chat_message_duration_seconds'>, { readonly type: 'user' }>['status']

const TIMEOUTS: ReadonlySet<TurnEndReason | undefined> = new Set(['first-token-timeout', 'idle-timeout', 'deadline'])

/** A stop is what the person wanted. An answer that was cut for its length still answers; one that broke off does not. */
function endOf(outcome: TurnOutcome, reason: TurnEndReason | undefined): End {
  switch (outcome) {
    case 'complete':
      return 'completed'
    case 'stopped':
      return 'cancelled'
    case 'expired':
      return 'expired'
    case 'interrupted':
    case 'failed':
      if (TIMEOUTS.has(reason)) return 'timeout'
      return reason === 'too-long' ? 'degraded' : 'failed'
  }
}

type AgentEvents = Some<'agentFailed' | 'tokensUsed' | 'agentAttemptFailed' | 'agentRecovered' | 'breakerChanged' | 'breakerCalled'>

const agentMetrics = ({ count, observe }: Counting): AgentEvents => ({
  agentFailed: ({ kind }) => count('chat_errors_total', { service: 'ai-agent', type: AGENT_FAILURES[kind] ?? 'internal' }),
  agentAttemptFailed: ({ stop }) => {
    const result = vainBy(stop)
    if (result !== undefined) count('chat_retries_total', { service: 'ai-agent', result })
  },
  tokensUsed: ({ inputTokens, outputTokens }) => {
    count('chat_tokens_total', { direction: 'input' }, inputTokens ?? 0)
    count('chat_tokens_total', { direction: 'output' }, outputTokens ?? 0)
  },
  agentRecovered: () => count('chat_retries_total', { service: 'ai-agent', result: 'success' }),
  breakerChanged: ({ service, to }) => {
    const series = CATALOGUE.chat_circuit_breaker_transitions_total.series.all.find(
      (labels) => labels.service === service && labels.to === to.replace('-', '_'),
    )
    if (series !== undefined) count('chat_circuit_breaker_transitions_total', series)
  },
  breakerCalled: ({ service, outcome, tookMs }) => {
    if (outcome === 'rejected') {
      if (isBreaker(service)) count('chat_circuit_breaker_rejected_total', { service })
    } else if (isBreaker(service) && tookMs !== undefined && tookMs > 0) {
      observe('chat_dependency_request_duration_seconds', { service, result: outcome }, seconds(tookMs))
    }
  },
})

/** Why there was no further try, where there could have been one. */
function vainBy(stop: string | undefined): 'exhausted' | 'budget_denied' | undefined {
  if (stop === 'budget') return 'budget_denied'
  return stop === 'attempts' || stop === 'deadline' ? 'exhausted' : undefined
}

const isBreaker = (service: string): service is 'ai-agent' | 'redis' => service === 'ai-agent' || service === 'redis'

/** By `AgentErrorKind`. */
const AGENT_FAILURES: Readonly<Record<string, 'refused' | 'overload' | 'protocol' | 'read' | 'internal'>> = {
  unreachable: 'refused',
  busy: 'overload',
  error: 'internal',
  protocol: 'protocol',
  'broke-off': 'read',
}

type StoreEvents = Some<'storeAttemptFailed' | 'storeRecovered' | 'storeFailed' | 'storeCommitted' | 'questionsLost'>

const storeMetrics = ({ count, observe }: Counting, service: StoreName): StoreEvents => ({
  storeAttemptFailed: ({ stop }) => {
    const result = vainBy(stop)
    if (result !== undefined) count('chat_retries_total', { service, result })
  },
  storeRecovered: () => count('chat_retries_total', { service, result: 'success' }),
  storeFailed: ({ kind, during }) => {
    if (during === undefined) return
    count('chat_errors_total', { service, type: during === 'wait' ? 'timeout' : during })
    if (kind === 'corrupt' && during === 'read') count('chat_sequence_gaps_total', { side: 'server' })
  },
  storeCommitted: ({ tookMs }) => {
    // A call of Redis is timed by its breaker.
    if (service === 'sqlite') observe('chat_dependency_request_duration_seconds', { service, result: 'success' }, seconds(tookMs))
  },
  questionsLost: ({ found }) => count('chat_messages_lost_total', {}, found),
})

/** What a failed request counts as; what is merely not there is nobody's failure. */
function failureType(route: string, status: number): LabelsOf<'chat_errors_total'> | undefined {
  if (route === '/ws') return { service: 'websocket', type: 'internal' }
  if (route === 'parser') return { service: 'http', type: status === 408 ? 'timeout' : 'protocol' }
  if (status === 404 || status === 405) return undefined
  if (status === 401 || status === 403) return { service: 'http', type: 'auth' }
  if (status === 408) return { service: 'http', type: 'timeout' }
  if (status === 429 || status === 503) return { service: 'http', type: 'overload' }
  return { service: 'http', type: status >= 500 ? 'internal' : 'validation' }
}
