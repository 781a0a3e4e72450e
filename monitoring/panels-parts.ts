/** The dashboard on what the service depends on, on links, and on its processes. */
import { type PanelRow, type PanelSpec, perSecond, quantile } from './panel.ts'

/** Lines for each process that the variable at the top selects. */
const eachProcess = (title: string, description: string, expr: string, more: Pick<PanelSpec, 'unit' | 'limit'>): PanelSpec => ({
  title,
  description,
  form: 'lines',
  queries: [{ expr, legend: '{{instance}}' }],
  ...more,
})

const SELECTED = '{job="chat", instance=~"$instance"}'

export const DEPENDENCIES: PanelRow = {
  title: 'Dependencies and queues',
  panels: [
    {
      title: 'Circuit breakers',
      description: 'The worst of all processes: 0 closed, 1 trying, 2 open.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'max by (service) (chat_circuit_breaker_state) >= 0', legend: '{{service}}' }],
      words: { 0: ['closed', 'green'], 1: ['trying', 'orange'], 2: ['open', 'red'] },
      limit: 2,
    },
    {
      title: 'Errors',
      description: 'By where they happened and of what kind.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: `${perSecond('chat_errors_total', 'service', 'type')} > 0`, legend: '{{service}} {{type}}' }],
      nothing: 'none',
    },
    {
      title: 'Seconds of calls to dependencies',
      description: 'For 95 of 100: transactions of the store, and the way to the first words of the agent.',
      form: 'lines',
      unit: 's',
      queries: [{ expr: quantile(0.95, 'chat_dependency_request_duration_seconds', 'service'), legend: '{{service}}' }],
    },
    {
      title: 'Tried again',
      description: 'What came of it. Denied: the budget was spent.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_retries_total', 'service', 'result'), legend: '{{service}} {{result}}' }],
    },
    {
      title: 'Retry budget',
      description: 'What is left of it, the least of all processes.',
      form: 'lines',
      unit: 'percentunit',
      queries: [{ expr: 'min by (service) (chat_retry_budget_ratio)', legend: '{{service}}' }],
      limit: { below: 0.1 },
    },
    {
      title: 'What waits',
      description: 'Questions that nobody has begun to ask (inbound), and commands for the store.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'max by (queue) (chat_queue_depth)', legend: '{{queue}}' }],
    },
    {
      title: 'Age of what has waited longest',
      description: 'While the agent is there, nothing should wait for two minutes.',
      form: 'lines',
      unit: 's',
      queries: [{ expr: 'max by (queue) (chat_queue_oldest_age_seconds)', legend: '{{queue}}' }],
      limit: 120,
    },
    {
      title: 'How full queues are',
      description: 'What comes beyond is refused.',
      form: 'lines',
      unit: 'percentunit',
      queries: [{ expr: 'max by (queue) (chat_queue_depth / (chat_queue_capacity > 0))', legend: '{{queue}}' }],
      limit: 0.8,
    },
    {
      title: 'Given up by queues',
      description: 'Refused because full, too old to be asked, or failed too often.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum by (queue, reason) (increase(chat_queue_dropped_total[$__rate_interval]))', legend: '{{queue}} {{reason}}' }],
    },
    {
      title: 'Share of time at each level',
      description: 'Over all processes.',
      form: 'lines',
      unit: 'percentunit',
      queries: [
        {
          expr: `${perSecond('chat_degraded_seconds_total', 'level')} / ignoring (level) group_left () ${perSecond('chat_degraded_seconds_total')}`,
          legend: '{{level}}',
        },
      ],
    },
  ],
}

export const LINKS: PanelRow = {
  title: 'Links',
  panels: [
    {
      title: 'Live links by process',
      description: 'Should be even. The autoscaler keeps them near 1,000 for each.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum by (instance) (chat_active_connections)', legend: '{{instance}}' }],
    },
    {
      title: 'Links asked for',
      description: 'And whether they were opened.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_connections_opened_total', 'transport', 'result'), legend: '{{transport}} {{result}}' }],
    },
    {
      title: 'Links that ended, by why',
      description: 'Drain: a process stopped. Abnormal: something on the way cut.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: `${perSecond('chat_connections_closed_total', 'reason')} > 0`, legend: '{{reason}}' }],
      nothing: 'none',
    },
    {
      title: 'Pages that come back',
      description: 'Full: from where they stood. Gap: they knew more than the store.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_resumes_total', 'result'), legend: '{{result}}' }],
    },
    {
      title: 'Entries that pages had missed',
      description: 'Brought to those that came back.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_resume_replayed_messages_total'), legend: 'entries' }],
    },
    {
      title: 'Refused before they began',
      description: 'Live links by reason, and requests by whose limit was reached.',
      form: 'lines',
      unit: 'ops',
      queries: [
        { expr: perSecond('chat_ws_rejected_total', 'reason'), legend: 'link: {{reason}}' },
        { expr: perSecond('chat_rate_limited_total', 'scope'), legend: 'limit: {{scope}}' },
      ],
    },
    {
      title: 'Refused by browsers',
      description: 'What the content policy kept out of our pages, as browsers tell.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_output_blocked_total', 'kind'), legend: '{{kind}}' }],
      limit: 1,
    },
    {
      title: 'Slow readers',
      description: 'Waited for, and given up.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_ws_slow_consumers_total', 'action'), legend: '{{action}}' }],
      limit: 0.5,
    },
    {
      title: 'Waiting in sockets',
      description: 'Bytes that were given to live links and have not left.',
      form: 'lines',
      unit: 'bytes',
      queries: [{ expr: 'sum(chat_ws_buffered_bytes)', legend: 'bytes' }],
    },
    {
      title: 'Seconds from ping to pong',
      description: 'For 95 of 100 pings: people’s networks.',
      form: 'lines',
      unit: 's',
      queries: [{ expr: quantile(0.95, 'chat_ws_ping_rtt_seconds'), legend: '95 of 100' }],
    },
    {
      title: 'Frames',
      description: 'WebSocket messages.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_ws_frames_total', 'direction'), legend: '{{direction}}' }],
    },
    {
      title: 'Traffic of live links',
      description: 'Bytes of WebSocket messages.',
      form: 'lines',
      unit: 'Bps',
      queries: [{ expr: perSecond('chat_ws_bytes_total', 'direction'), legend: '{{direction}}' }],
    },
    {
      title: 'How long links last',
      description: 'Half of them longer than this.',
      form: 'lines',
      unit: 's',
      queries: [{ expr: quantile(0.5, 'chat_connection_duration_seconds'), legend: 'half' }],
    },
  ],
}

export const PROCESSES: PanelRow = {
  title: 'Processes',
  panels: [
    eachProcess(
      'Event loop lag',
      'How long everything in the process waits, for 1 in 100.',
      `nodejs_eventloop_lag_p99_seconds${SELECTED}`,
      {
        unit: 's',
        limit: 0.5,
      },
    ),
    eachProcess('Event loop in use', 'How busy the process is; one uses one core.', `nodejs_eventloop_utilization_ratio${SELECTED}`, {
      unit: 'percentunit',
      limit: 0.9,
    }),
    eachProcess(
      'Heap in use',
      'Of what it may use. At the limit the process ends.',
      `nodejs_heap_size_used_bytes${SELECTED} / nodejs_heap_size_limit_bytes${SELECTED}`,
      { unit: 'percentunit', limit: 0.9 },
    ),
    eachProcess(
      'Files and connections in use',
      'Of what the process may have open.',
      `process_open_fds${SELECTED} / process_max_fds${SELECTED}`,
      { unit: 'percentunit', limit: 0.8 },
    ),
    eachProcess('Processor', 'Cores that the process uses.', `rate(process_cpu_seconds_total${SELECTED}[$__rate_interval])`, {
      unit: 'short',
    }),
    eachProcess('Memory', 'Of the whole process.', `process_resident_memory_bytes${SELECTED}`, { unit: 'bytes' }),
    eachProcess('Starts in half an hour', 'More than three: it keeps ending.', `changes(process_start_time_seconds${SELECTED}[30m])`, {
      unit: 'short',
      limit: 4,
    }),
    {
      title: 'Answers and questions in hand',
      description: 'Questions that processes have taken on, and answers that they are writing.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum by (type) (chat_messages_inflight)', legend: '{{type}}' }],
    },
    {
      title: 'Draining',
      description: 'Processes that have been told to stop.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum(chat_draining)', legend: 'processes' }],
    },
    {
      title: 'Drains',
      description: 'In half an hour. Forced: answers were handed over before they had ended.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum by (result) (increase(chat_drain_total[30m]))', legend: '{{result}}' }],
    },
    {
      title: 'Seconds that drains took',
      description: 'For 95 of 100 in six hours: how long running answers were given to end.',
      form: 'lines',
      unit: 's',
      queries: [{ expr: 'histogram_quantile(0.95, sum by (le) (increase(chat_drain_duration_seconds_bucket[6h])))', legend: '95 of 100' }],
      nothing: 'no drain',
    },
    {
      title: 'Requests a second',
      description: 'By class of status.',
      form: 'lines',
      unit: 'reqps',
      queries: [{ expr: perSecond('http_request_duration_seconds_count', 'code'), legend: '{{code}}' }],
    },
    {
      title: 'Seconds of requests',
      description: 'For 95 of 100, by route.',
      form: 'lines',
      unit: 's',
      queries: [{ expr: quantile(0.95, 'http_request_duration_seconds', 'method', 'route'), legend: '{{method}} {{route}}' }],
    },
    {
      title: 'Sessions',
      description: 'In the store, not expired.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'max(chat_sessions_active)', legend: 'sessions' }],
    },
    {
      title: 'Size of the SQLite files',
      description: 'The database, and the log that is not yet in it. Nothing with Redis.',
      form: 'lines',
      unit: 'bytes',
      queries: [
        { expr: 'max(chat_storage_bytes)', legend: 'database' },
        { expr: 'max(chat_sqlite_wal_bytes)', legend: 'write-ahead log' },
      ],
      nothing: 'Redis',
    },
    {
      title: 'Log lines dropped',
      description: 'The service goes on; people come before lines.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum by (reason) (increase(chat_log_dropped_total[15m]))', legend: '{{reason}}' }],
      limit: 1,
    },
    eachProcess(
      'Series of a process',
      'It can have about 1,000.',
      'scrape_samples_post_metric_relabeling{job="chat", instance=~"$instance"}',
      {
        unit: 'short',
        limit: 3_000,
      },
    ),
  ],
}
