/** What the operator page asks of the last minutes, under the names that the metrics have for it. */
import { CATALOGUE, type StoreName } from '../telemetry/catalogue.ts'
import type { RecentFacts } from '../operations/collect-status.ts'
import type { Recent } from '../telemetry/recent.ts'

/** Whether a question that ended so was served: a stop is what its person wanted (operations reference §5). */
const ENDS = { completed: true, degraded: true, cancelled: true, failed: false, timeout: false, expired: false } as const
const RESUMES = ['full', 'fresh', 'gap', 'expired', 'refused'] as const
const RESUME_WORDS = { full: 'resumed', fresh: 'new', gap: 'on another log', expired: 'too late', refused: 'refused' } as const
const STORE_ERRORS = ['read', 'write', 'timeout'] as const

export function recentFacts(recent: Recent, store: StoreName): RecentFacts {
  return {
    calls(service, ms) {
      const observed = (result: 'success' | 'failure'): number =>
        service === 'ai-agent' || service === 'redis'
          ? recent.observed('chat_dependency_request_duration_seconds', { service, result }, ms)
          : 0
      if (service === 'ai-agent' || service === 'redis') {
        const refused = recent.count('chat_circuit_breaker_rejected_total', { service }, ms)
        return { succeeded: observed('success'), failed: observed('failure'), refused, isShare: true }
      }
      if (service !== store || service !== 'sqlite') return undefined
      // Transactions are timed and failures are counted one by one: no share can be made of the two.
      const failed = STORE_ERRORS.reduce((sum, type) => sum + recent.count('chat_errors_total', { service, type }, ms), 0)
      const refused = recent.count('chat_errors_total', { service, type: 'overload' }, ms)
      const succeeded = recent.observed('chat_dependency_request_duration_seconds', { service, result: 'success' }, ms)
      return { succeeded, failed, refused, isShare: false }
    },
    callQuantile: (service, q, ms) =>
      service === 'websocket'
        ? undefined
        : recent.quantile('chat_dependency_request_duration_seconds', { service, result: 'success' }, q, ms),
    longestBucket: (of) =>
      CATALOGUE[of === 'calls' ? 'chat_dependency_request_duration_seconds' : 'chat_time_to_first_token_seconds'].buckets.at(-1) ?? 0,
    questions(ms) {
      const counts = Object.entries(ENDS).map(([status, isServed]) => ({
        isServed,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the constant above
        count: recent.count('chat_messages_total', { type: 'user', status: status as keyof typeof ENDS }, ms),
      }))
      const sum = (served: boolean): number => counts.reduce((total, each) => (each.isServed === served ? total + each.count : total), 0)
      return { ended: sum(true) + sum(false), succeeded: sum(true) }
    },
    firstWordsQuantile: (q, ms) => recent.quantile('chat_time_to_first_token_seconds', {}, q, ms),
    resumes: (ms) =>
      Object.fromEntries(RESUMES.map((result) => [RESUME_WORDS[result], recent.count('chat_resumes_total', { result }, ms)])),
    slow: (ms) => ({
      'waited for': recent.count('chat_ws_slow_consumers_total', { action: 'paused' }, ms),
      'given up': recent.count('chat_ws_slow_consumers_total', { action: 'terminated' }, ms),
    }),
  }
}
