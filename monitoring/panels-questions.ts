/** The top of the dashboard, what to see in one minute; and what becomes of questions. */
import { ACK_SECONDS, ANSWERED_MIN, FIRST_WORDS_MIN, FIRST_WORDS_SECONDS } from './objectives.ts'
import { type PanelRow, perSecond, quantile } from './panel.ts'
import { failureRatio, lateRatio } from './recording-rules.ts'

const FAILURES_MAX = Number((1 - ANSWERED_MIN).toPrecision(6))
const LATE_MAX = Number((1 - FIRST_WORDS_MIN).toPrecision(6))

export const NOW: PanelRow = {
  title: 'Now',
  panels: [
    {
      title: 'Service level',
      description: 'Full: everything works. Limited: questions are kept and wait. Offline: nothing can be sent.',
      form: 'stat',
      unit: 'short',
      queries: [{ expr: 'max(chat_degradation_level)', legend: 'level' }],
      words: { 0: ['Full', 'green'], 1: ['Limited', 'orange'], 2: ['Offline', 'red'] },
    },
    {
      title: 'Questions lost',
      description: 'Accepted, and neither ended nor waiting. Must be 0: see the runbook otherwise, at any hour.',
      form: 'stat',
      unit: 'short',
      queries: [
        { expr: 'max(chat_integrity_difference)', legend: 'missing now' },
        { expr: 'sum(increase(chat_messages_lost_total[$__range]))', legend: 'found in this time' },
      ],
      limit: 1,
    },
    {
      title: 'Questions that wait',
      description: 'Accepted and not ended, those being answered included.',
      form: 'stat',
      unit: 'short',
      queries: [{ expr: 'max(chat_integrity_questions{state="waiting"})', legend: 'waiting' }],
    },
    {
      title: 'Failing now',
      description: `Share of the questions that ended in the last five minutes without an answer. At most ${FAILURES_MAX * 100} % are allowed.`,
      form: 'stat',
      unit: 'percentunit',
      queries: [{ expr: failureRatio('5m'), legend: 'failed' }],
      limit: FAILURES_MAX,
      nothing: 'nobody asks',
    },
    {
      title: 'Live links',
      description: 'Pages that are connected, over all processes.',
      form: 'stat',
      unit: 'short',
      queries: [{ expr: 'sum(chat_active_connections)', legend: 'links' }],
    },
    {
      title: 'Processes that answer',
      description: 'Those that Prometheus can reach.',
      form: 'stat',
      unit: 'short',
      queries: [{ expr: 'sum(up{job="chat"})', legend: 'processes' }],
      limit: { below: 1 },
    },
    {
      title: 'Dependencies that work',
      description: 'By the background checks, the worst of all processes.',
      form: 'stat',
      unit: 'short',
      queries: [{ expr: 'min by (service) (chat_dependency_up) >= 0', legend: '{{service}}' }],
      words: { 0: ['away', 'red'], 1: ['works', 'green'] },
    },
    {
      title: 'Releases that run',
      description: 'Two for longer than a rollout takes: it does not go on.',
      form: 'stat',
      unit: 'short',
      queries: [{ expr: 'count by (version, commit) (chat_build_info)', legend: '{{version}} {{commit}}' }],
    },
  ],
}

export const QUESTIONS: PanelRow = {
  title: 'Questions and answers',
  panels: [
    {
      title: 'Questions a second, by what became of them',
      description: 'Accepted once, then one end.',
      form: 'lines',
      unit: 'reqps',
      queries: [{ expr: perSecond('chat_messages_total{type="user"}', 'status'), legend: '{{status}}' }],
    },
    {
      title: 'Share of questions that fail',
      description: `The objective allows ${FAILURES_MAX * 100} % over four weeks. Questions that people took back do not count.`,
      form: 'lines',
      unit: 'percentunit',
      queries: [
        { expr: failureRatio('5m'), legend: '5 minutes' },
        { expr: failureRatio('1h'), legend: '1 hour' },
        { expr: failureRatio('6h'), legend: '6 hours' },
      ],
      limit: FAILURES_MAX,
      nothing: 'nobody asks',
    },
    {
      title: 'Why answers do not come',
      description: 'Turns that did not end complete, by why.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum by (reason) (increase(chat_turn_ends_total[$__rate_interval])) > 0', legend: '{{reason}}' }],
      nothing: 'all were answered',
    },
    {
      title: 'Seconds to the first words',
      description: `From accepting a question. ${FIRST_WORDS_MIN * 100} % should come within ${FIRST_WORDS_SECONDS} seconds.`,
      form: 'lines',
      unit: 's',
      queries: [
        { expr: quantile(0.5, 'chat_time_to_first_token_seconds'), legend: 'half' },
        { expr: quantile(0.95, 'chat_time_to_first_token_seconds'), legend: '95 of 100' },
        { expr: quantile(0.99, 'chat_time_to_first_token_seconds'), legend: '99 of 100' },
      ],
      limit: FIRST_WORDS_SECONDS,
    },
    {
      title: 'Share of first words that come late',
      description: `Later than ${FIRST_WORDS_SECONDS} seconds. The objective allows ${LATE_MAX * 100} %.`,
      form: 'lines',
      unit: 'percentunit',
      queries: [
        { expr: lateRatio('5m'), legend: '5 minutes' },
        { expr: lateRatio('1h'), legend: '1 hour' },
      ],
      limit: LATE_MAX,
      nothing: 'nobody asks',
    },
    {
      title: 'Answers that stall',
      description: 'Share of answers that make no progress for 15 seconds.',
      form: 'lines',
      unit: 'percentunit',
      queries: [
        {
          expr: `${perSecond('chat_stream_stalls_total')} / (${perSecond('chat_time_to_first_token_seconds_count')} > 0)`,
          legend: 'stalled',
        },
      ],
      limit: 0.02,
      nothing: 'nobody asks',
    },
    {
      title: 'Seconds to the end of an answer',
      description: 'From accepting a question to the last word.',
      form: 'lines',
      unit: 's',
      queries: [
        { expr: quantile(0.5, 'chat_message_duration_seconds{type="user", status="completed"}'), legend: 'half' },
        { expr: quantile(0.95, 'chat_message_duration_seconds{type="user", status="completed"}'), legend: '95 of 100' },
      ],
    },
    {
      title: 'Tokens a second',
      description: 'By what the agent says of its use; nothing where it says nothing.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_tokens_total', 'direction'), legend: '{{direction}}' }],
    },
    {
      title: 'Seconds to save a question',
      description: `For 99 of 100, from receiving it to having it on disk. Should be below ${ACK_SECONDS}.`,
      form: 'lines',
      unit: 's',
      queries: [{ expr: quantile(0.99, 'chat_message_ack_seconds', 'transport'), legend: '{{transport}}' }],
      limit: ACK_SECONDS,
    },
    {
      title: 'What the store holds',
      description: 'Questions by state, over all processes: accepted is the sum of the others.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'max by (state) (chat_integrity_questions)', legend: '{{state}}' }],
    },
    {
      title: 'Age of the last count',
      description: 'Seconds since the questions in the store were counted. While it is old, a loss would not be noticed.',
      form: 'lines',
      unit: 's',
      queries: [{ expr: 'max(chat_integrity_age_seconds)', legend: 'age' }],
      limit: 900,
    },
    {
      title: 'Gaps in logs',
      description: 'Entries missing in the store (server), and pages that know more than it (client). Must be 0.',
      form: 'lines',
      unit: 'short',
      queries: [{ expr: 'sum by (side) (increase(chat_sequence_gaps_total[15m]))', legend: '{{side}}' }],
      limit: 1,
    },
    {
      title: 'Sent again and not asked again',
      description: 'Repeats that were recognised: after lost replies and reconnections some are normal.',
      form: 'lines',
      unit: 'ops',
      queries: [{ expr: perSecond('chat_duplicates_suppressed_total'), legend: 'repeats' }],
    },
  ],
}
