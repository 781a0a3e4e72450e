/** What alerts and dashboard read often, worked out once: shares of questions that fail and of first words that come late. */
import { FIRST_WORDS_SECONDS } from './objectives.ts'

export interface RecordingRule {
  readonly record: string
  readonly expr: string
}

/** Ends that count against the objective. A question that its person took back counts nowhere. */
export const FAILED = 'chat_messages_total{type="user", status=~"failed|timeout|expired"}'
const ENDED = 'chat_messages_total{type="user", status=~"completed|degraded|failed|timeout|expired"}'

const WINDOWS = ['5m', '30m', '1h', '6h', '3d'] as const
type Window = (typeof WINDOWS)[number]

/** The recorded share of questions that failed over the window; nothing while no question ended. */
export const failureRatio = (window: Window): string => `chat:questions_failed:ratio_rate${window}`

/** Prometheus 3 writes the bound of a bucket as a fraction, older ones as the service does. */
const IN_TIME = `chat_time_to_first_token_seconds_bucket{le=~"${FIRST_WORDS_SECONDS}|${FIRST_WORDS_SECONDS}[.]0"}`

const SLOW_WINDOWS = ['5m', '1h'] as const

/** The recorded share of first words that came late. */
export const lateRatio = (window: (typeof SLOW_WINDOWS)[number]): string => `chat:first_words_late:ratio_rate${window}`

export const RECORDING_RULES: readonly RecordingRule[] = [
  ...WINDOWS.map((window) => ({
    record: failureRatio(window),
    expr: `sum(rate(${FAILED}[${window}])) / (sum(rate(${ENDED}[${window}])) > 0)`,
  })),
  ...SLOW_WINDOWS.map((window) => ({
    record: lateRatio(window),
    expr: [`1 - sum(rate(${IN_TIME}[${window}]))`, `/ (sum(rate(chat_time_to_first_token_seconds_count[${window}])) > 0)`].join(' '),
  })),
]
