/** When the alerts that make tickets fire, and when they must not. */
import { type AlertCases, ends, type SeriesValues } from './alert-case.ts'

const firstWords = (all: string, inTime: string, bound = '5'): SeriesValues => ({
  [`chat_time_to_first_token_seconds_bucket{le="${bound}"}`]: inTime,
  'chat_time_to_first_token_seconds_bucket{le="+Inf"}': all,
  chat_time_to_first_token_seconds_count: all,
})

const acks = (all: string, inTime: string): SeriesValues => ({
  'chat_message_ack_seconds_bucket{transport="websocket",le="1"}': inTime,
  'chat_message_ack_seconds_bucket{transport="websocket",le="2.5"}': all,
  'chat_message_ack_seconds_bucket{transport="websocket",le="+Inf"}': all,
})

const resumes = (full: string, gap: string): SeriesValues => ({
  'chat_resumes_total{result="full"}': full,
  'chat_resumes_total{result="gap"}': gap,
})

const release = (version: string, instance: string): string =>
  `chat_build_info{version="${version}",commit="c${version}",instance="${instance}"}`

export const TICKET_CASES: Readonly<Record<string, AlertCases>> = {
  ChatErrorBudgetBurnTicket: {
    fires: [{ title: 'one question in a hundred fails for three days', series: ends('0+990x160', '0+10x160'), at: '75h', interval: '30m' }],
    quiet: [{ title: 'one question in 300 fails', series: ends('0+997x160', '0+3x160'), at: '75h', interval: '30m' }],
  },
  ChatTimeToFirstTokenSlow: {
    fires: [
      { title: 'half of the first words are late', series: firstWords('0+100x80', '0+50x80'), at: '70m' },
      { title: 'the same as Prometheus 3 stores it', series: firstWords('0+100x80', '0+50x80', '5.0'), at: '70m' },
    ],
    quiet: [
      { title: 'one in five is late', series: firstWords('0+100x80', '0+80x80'), at: '70m' },
      { title: 'nobody asks', series: firstWords('0x80', '0x80'), at: '70m' },
    ],
  },
  ChatStreamStalls: {
    fires: [
      {
        title: 'three answers in a hundred stall',
        series: { ...firstWords('0+100x40', '0+100x40'), chat_stream_stalls_total: '0+3x40' },
        at: '30m',
      },
    ],
    quiet: [
      { title: 'one in a hundred does', series: { ...firstWords('0+100x40', '0+100x40'), chat_stream_stalls_total: '0+1x40' }, at: '30m' },
    ],
  },
  ChatAckSlow: {
    fires: [{ title: 'one in ten takes longer than a second', series: acks('0+100x40', '0+90x40'), at: '30m' }],
    quiet: [{ title: 'none does', series: acks('0+100x40', '0+100x40'), at: '30m' }],
  },
  ChatCircuitOpen: {
    fires: [
      {
        title: 'one process of two leaves the agent alone',
        series: {
          'chat_circuit_breaker_state{service="ai-agent",instance="a"}': '2x20',
          'chat_circuit_breaker_state{service="ai-agent",instance="b"}': '0x20',
        },
        at: '10m',
        labels: { service: 'ai-agent' },
      },
    ],
    quiet: [
      { title: 'it is being tried', series: { 'chat_circuit_breaker_state{service="ai-agent"}': '1x20' }, at: '10m' },
      { title: 'it opened and closed again', series: { 'chat_circuit_breaker_state{service="ai-agent"}': '2x3 0x20' }, at: '10m' },
    ],
  },
  ChatCircuitFlapping: {
    fires: [
      {
        title: 'it opens every minute',
        series: { 'chat_circuit_breaker_transitions_total{service="ai-agent",to="open"}': '0+1x20' },
        at: '15m',
        labels: { service: 'ai-agent' },
      },
    ],
    quiet: [
      {
        title: 'it opened three times',
        series: { 'chat_circuit_breaker_transitions_total{service="ai-agent",to="open"}': '0+1x3 3x20' },
        at: '15m',
      },
      {
        title: 'it only closes',
        series: { 'chat_circuit_breaker_transitions_total{service="ai-agent",to="closed"}': '0+1x20' },
        at: '15m',
      },
    ],
  },
  ChatDegradedLong: {
    fires: [{ title: 'limited for 20 minutes', series: { chat_degradation_level: '1x30' }, at: '20m' }],
    quiet: [{ title: 'limited for ten minutes', series: { chat_degradation_level: '1x10 0x20' }, at: '20m' }],
  },
  ChatRetryBudgetExhausted: {
    fires: [
      {
        title: 'hardly anything is left',
        series: { 'chat_retry_budget_ratio{service="ai-agent"}': '0.05x20' },
        at: '10m',
        labels: { service: 'ai-agent' },
      },
    ],
    quiet: [{ title: 'half is left', series: { 'chat_retry_budget_ratio{service="ai-agent"}': '0.5x20' }, at: '10m' }],
  },
  ChatQueueNearCapacity: {
    fires: [
      {
        title: 'nine tenths are full',
        series: { 'chat_queue_depth{queue="store"}': '9000x20', 'chat_queue_capacity{queue="store"}': '10000x20' },
        at: '10m',
        labels: { queue: 'store' },
      },
    ],
    quiet: [
      {
        title: 'half is full',
        series: { 'chat_queue_depth{queue="store"}': '5000x20', 'chat_queue_capacity{queue="store"}': '10000x20' },
        at: '10m',
      },
      {
        title: 'a queue without a bound is long',
        series: { 'chat_queue_depth{queue="inbound"}': '90000x20', 'chat_queue_capacity{queue="store"}': '10000x20' },
        at: '10m',
      },
    ],
  },
  ChatReconnectStorm: {
    fires: [
      {
        title: 'ten pages a second, of a thousand',
        series: { ...resumes('0+600x20', '0x20'), chat_active_connections: '1000x20' },
        at: '10m',
      },
    ],
    quiet: [
      { title: 'two a second, of a thousand', series: { ...resumes('0+120x20', '0x20'), chat_active_connections: '1000x20' }, at: '10m' },
      { title: 'one in two seconds, of a few', series: { ...resumes('0+30x20', '0x20'), chat_active_connections: '10x20' }, at: '10m' },
    ],
  },
  ChatResumeFailing: {
    fires: [{ title: 'one in ten must begin anew', series: resumes('0+90x40', '0+10x40'), at: '30m' }],
    quiet: [
      { title: 'one in fifty must', series: resumes('0+98x40', '0+2x40'), at: '30m' },
      {
        title: 'new pages are no failures',
        series: { ...resumes('0+50x40', '0x40'), 'chat_resumes_total{result="fresh"}': '0+50x40' },
        at: '30m',
      },
    ],
  },
  ChatSlowConsumers: {
    fires: [{ title: 'one a second', series: { 'chat_ws_slow_consumers_total{action="paused"}': '0+60x30' }, at: '20m' }],
    quiet: [{ title: 'one in ten seconds', series: { 'chat_ws_slow_consumers_total{action="paused"}': '0+6x30' }, at: '20m' }],
  },
  ChatOriginRejectSpike: {
    fires: [{ title: 'two a second', series: { 'chat_ws_rejected_total{reason="origin"}': '0+120x30' }, at: '20m' }],
    quiet: [{ title: 'sessions that are over', series: { 'chat_ws_rejected_total{reason="session"}': '0+120x30' }, at: '20m' }],
  },
  ChatOutputBlockedSpike: {
    fires: [
      {
        title: 'two images a second',
        series: { 'chat_output_blocked_total{kind="image"}': '0+120x30' },
        at: '20m',
        labels: { kind: 'image' },
      },
    ],
    quiet: [
      { title: 'an extension of somebody’s browser', series: { 'chat_output_blocked_total{kind="image"}': '0+6x30' }, at: '20m' },
      { title: 'styles, which harm nobody', series: { 'chat_output_blocked_total{kind="style"}': '0+120x30' }, at: '20m' },
    ],
  },
  ChatRateLimitingGlobal: {
    fires: [{ title: 'a process is full', series: { 'chat_rate_limited_total{scope="global"}': '0+6x20' }, at: '12m' }],
    quiet: [{ title: 'one person asks too often', series: { 'chat_rate_limited_total{scope="session"}': '0+6x20' }, at: '12m' }],
  },
  ChatEventLoopBlocked: {
    fires: [
      {
        title: 'for ten minutes',
        series: { 'nodejs_eventloop_lag_p99_seconds{instance="a"}': '0.8x20' },
        at: '10m',
        labels: { instance: 'a' },
      },
    ],
    quiet: [{ title: 'for three', series: { 'nodejs_eventloop_lag_p99_seconds{instance="a"}': '0.8x3 0.1x17' }, at: '10m' }],
  },
  ChatHeapNearLimit: {
    fires: [
      {
        title: 'nearly all is used',
        series: { 'nodejs_heap_size_used_bytes{instance="a"}': '95x30', 'nodejs_heap_size_limit_bytes{instance="a"}': '100x30' },
        at: '20m',
        labels: { instance: 'a' },
      },
    ],
    quiet: [
      {
        title: 'four fifths are used',
        series: { 'nodejs_heap_size_used_bytes{instance="a"}': '80x30', 'nodejs_heap_size_limit_bytes{instance="a"}': '100x30' },
        at: '20m',
      },
    ],
  },
  ChatFdNearLimit: {
    fires: [
      {
        title: 'nearly all are used',
        series: { 'process_open_fds{instance="a"}': '900x30', 'process_max_fds{instance="a"}': '1000x30' },
        at: '20m',
        labels: { instance: 'a' },
      },
    ],
    quiet: [
      {
        title: 'half are used',
        series: { 'process_open_fds{instance="a"}': '500x30', 'process_max_fds{instance="a"}': '1000x30' },
        at: '20m',
      },
    ],
  },
  ChatPodRestarting: {
    fires: [
      {
        title: 'it started every five minutes',
        series: { 'process_start_time_seconds{job="chat",instance="a"}': '1x4 2x4 3x4 4x4 5x9' },
        at: '26m',
        labels: { job: 'chat', instance: 'a' },
      },
    ],
    quiet: [{ title: 'it started once', series: { 'process_start_time_seconds{job="chat",instance="a"}': '1x10 2x20' }, at: '26m' }],
  },
  ChatDrainForced: {
    fires: [{ title: 'answers were handed over', series: { 'chat_drain_total{result="forced"}': '0x5 1x20' }, at: '10m' }],
    quiet: [{ title: 'all answers had ended', series: { 'chat_drain_total{result="clean"}': '0x5 1x20' }, at: '10m' }],
  },
  ChatVersionSkew: {
    fires: [{ title: 'two releases', series: { [release('1', 'a')]: '1x60', [release('2', 'b')]: '1x60' }, at: '40m' }],
    quiet: [
      { title: 'two processes of one release', series: { [release('1', 'a')]: '1x60', [release('1', 'b')]: '1x60' }, at: '40m' },
      { title: 'a rollout of ten minutes', series: { [release('1', 'a')]: '1x20 _x40', [release('2', 'b')]: '_x10 1x50' }, at: '45m' },
    ],
  },
  ChatSequenceGap: {
    fires: [
      {
        title: 'a page knows more than the store',
        series: { 'chat_sequence_gaps_total{side="client"}': '0x5 1x20' },
        at: '8m',
        labels: { side: 'client' },
      },
    ],
    quiet: [{ title: 'nothing new', series: { 'chat_sequence_gaps_total{side="client"}': '3x20' }, at: '8m' }],
  },
  ChatIntegrityUnknown: {
    fires: [{ title: 'nobody counts', series: { chat_integrity_age_seconds: '0+60x40' }, at: '25m' }],
    quiet: [{ title: 'it was counted just now', series: { chat_integrity_age_seconds: '10x40' }, at: '25m' }],
  },
  ChatLogDropped: {
    fires: [
      {
        title: 'the reader has stalled',
        series: { 'chat_log_dropped_total{reason="stalled"}': '0x5 1x20' },
        at: '8m',
        labels: { reason: 'stalled' },
      },
    ],
    quiet: [{ title: 'none was dropped', series: { 'chat_log_dropped_total{reason="stalled"}': '0x20' }, at: '8m' }],
  },
  ChatMetricsSeriesExplosion: {
    fires: [
      {
        title: 'five thousand',
        series: { 'scrape_samples_post_metric_relabeling{job="chat",instance="a"}': '5000x30' },
        at: '20m',
        labels: { job: 'chat', instance: 'a' },
      },
    ],
    quiet: [
      {
        title: 'as many as there can be',
        series: { 'scrape_samples_post_metric_relabeling{job="chat",instance="a"}': '1500x30' },
        at: '20m',
      },
    ],
  },
}
