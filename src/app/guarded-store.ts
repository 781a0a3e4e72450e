/**
 * Puts retries round the store, and round a store outside this process a circuit breaker that speaks for it in the service level.
 */
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import {
  ASKED_BY_PEOPLE,
  createResilientLog,
  DONE_IN_BACKGROUND,
  isStoreFailure,
  RETRY_FOR_PEOPLE,
} from '../conversation-log/resilient-log.ts'
import { REDIS_REPLY_MAX_MS } from '../conversation/limits.ts'
import type { Breaker } from '../resilience/breaker.ts'
import type { Backoff } from '../resilience/backoff.ts'
import { createRetryBudget, type RetryBudget } from '../resilience/retry-budget.ts'
import type { Config } from './config.ts'
import type { GuardParts } from './guarded-agent.ts'

/** The same log twice; disposing of either closes it. */
export interface GuardedStore {
  /** For requests that people wait for. */
  readonly forPeople: ConversationLog
  readonly inBackground: ConversationLog
  /** For all of them together. */
  readonly budget: RetryBudget
}

/** `log` under the settings' retries and, where it is Redis, its breaker. */
export function guardStore(
  log: ConversationLog,
  config: Pick<Config, 'redis' | 'databaseRetry'>,
  parts: Omit<GuardParts, 'budget'>,
): GuardedStore {
  const { chance, events, resilience } = parts
  const { clock } = resilience
  const { store: service } = log.profile
  const breaker = config.redis === undefined ? undefined : createStoreBreaker(service, config.redis.breaker, resilience)
  const budget = createRetryBudget({ service }, clock)
  const common = { service, clock, chance, breaker, budget, events }
  const retry = { attempts: config.databaseRetry.attempts, backoff: storeBackoff(config) }
  return {
    forPeople: createResilientLog(log, { ...common, retry: RETRY_FOR_PEOPLE, repeated: ASKED_BY_PEOPLE }),
    inBackground: createResilientLog(log, { ...common, retry, repeated: DONE_IN_BACKGROUND }),
    budget,
  }
}

/** Between tries of those who try for ever: turns that write, and whoever looks for work. */
export const storeBackoff = ({ databaseRetry: { baseDelayMs, maxDelayMs } }: Pick<Config, 'databaseRetry'>): Backoff => ({
  baseMs: baseDelayMs,
  capMs: maxDelayMs,
})

function createStoreBreaker(
  name: string,
  { errorThreshold, volumeThreshold, resetTimeoutMs, resetTimeoutMaxMs }: NonNullable<Config['redis']>['breaker'],
  { breakers, follow }: GuardParts['resilience'],
): Breaker {
  const breaker = breakers.create({
    name,
    errorThreshold,
    volumeThreshold,
    resetTimeout: resetTimeoutMs,
    resetTimeoutMax: resetTimeoutMaxMs,
    // The store keeps it by itself; here it says how long a probe may hold its place.
    timeout: REDIS_REPLY_MAX_MS,
    isFailure: isStoreFailure,
  })
  // The check writes and reads as everybody does, past the breaker. When that works again, nobody need wait for the breaker's time.
  follow(breaker, 'store', name)
  return breaker
}
