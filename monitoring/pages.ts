/** The alerts that wake somebody: people cannot use the service, or something was lost, and waiting makes it worse. */
import type { Alert } from './alert.ts'
import { BURNS, burnThreshold } from './objectives.ts'
import { FAILED, failureRatio } from './recording-rules.ts'

/** Fewer failures than this are no reason to wake anybody: one failure in a quiet night is all of that night's questions. */
const FAILURES_MIN = 10

const burning = ({ long, short }: (typeof BURNS)['fast' | 'slow'], threshold: number): string =>
  `${failureRatio(long)} > ${threshold} and ${failureRatio(short)} > ${threshold} and on() sum(increase(${FAILED}[${long}])) >= ${FAILURES_MIN}`

export const PAGES: readonly Alert[] = [
  {
    name: 'ChatErrorBudgetBurnFast',
    severity: 'page',
    expr: burning(BURNS.fast, burnThreshold(BURNS.fast)),
    summary: 'Many questions end without an answer: four weeks of allowed failures would be gone in two days.',
    impact: 'People ask, and are told that there is no answer.',
    runbook: 'questions-fail',
    panel: 'Share of questions that fail',
  },
  {
    name: 'ChatErrorBudgetBurnSlow',
    severity: 'page',
    expr: burning(BURNS.slow, burnThreshold(BURNS.slow)),
    summary: 'More questions end without an answer than allowed, for hours: the allowance would be gone in five days.',
    impact: 'Some people ask, and are told that there is no answer.',
    runbook: 'questions-fail',
    panel: 'Share of questions that fail',
  },
  {
    name: 'ChatMessagesLost',
    severity: 'page',
    // A process may find a loss as it starts, before it is first scraped: a counter that is born above 0 has no increase.
    expr: 'increase(chat_messages_lost_total[10m]) > 0 or (chat_messages_lost_total > 0 unless chat_messages_lost_total offset 10m)',
    summary: 'A question that was accepted has neither an end nor a place among those that wait.',
    impact: 'Somebody was told that their question is sent, and it will not be answered by itself.',
    runbook: 'questions-are-lost',
    panel: 'Questions lost',
  },
  {
    name: 'ChatTargetDown',
    severity: 'page',
    expr: 'absent(up{job="chat"}) or sum(up{job="chat"}) == 0',
    for: '2m',
    // Only one arm of the expression has it.
    labels: { job: 'chat' },
    summary: 'No process of the service can be reached by Prometheus.',
    impact: 'Most likely the service does not answer at all.',
    runbook: 'nothing-answers',
    panel: 'Processes that answer',
  },
  {
    name: 'ChatSyntheticProbeFailing',
    severity: 'page',
    expr: 'min(chat_synthetic_probe_success) == 0',
    for: '3m',
    summary: 'The service’s own check of store, live link and agent, end to end, has failed for minutes.',
    impact: 'Depending on which part: questions wait for the agent, nothing can be sent, or pages update late.',
    runbook: 'the-agent-is-away',
    panel: 'Dependencies that work',
  },
  {
    name: 'ChatQueueStuck',
    severity: 'page',
    expr: 'max by (queue) (chat_queue_oldest_age_seconds) > 120 and on (queue) max by (queue) (chat_queue_depth) > 0',
    for: '2m',
    summary: 'Something has waited for more than two minutes, and nobody takes it.',
    impact: 'Questions are shown as sent, and no answer begins.',
    runbook: 'questions-wait',
    panel: 'Age of what has waited longest',
  },
  {
    name: 'ChatStoreWriteErrors',
    severity: 'page',
    expr: 'sum by (service) (rate(chat_errors_total{service=~"redis|sqlite", type=~"write|timeout"}[5m])) > 0.1',
    for: '2m',
    summary: 'Writing to the store fails again and again.',
    impact: 'People cannot send questions; what they typed stays with them.',
    runbook: 'the-store-cannot-be-used',
    panel: 'Errors',
  },
]
