/**
 * Puts retry, budget and circuit breaker round the agent, and lets the breaker speak for the agent in the service level.
 */
import type { Agent } from '../agent/agent.ts'
import { createResilientAgent } from '../agent/resilient-agent.ts'
import type { Resilience } from '../plugins/resilience.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import { createRetryBudget, type RetryBudget } from '../resilience/retry-budget.ts'
import type { AgentPresence } from '../turns/agent-room.ts'
import type { Events } from '../telemetry/events.ts'
import type { Config } from './config.ts'

export interface GuardParts {
  readonly chance: Chance
  readonly resilience: Pick<Resilience, 'clock' | 'breakers' | 'follow'>
  readonly events: Events
  readonly budget: RetryBudget
}

/** The agent's share of retries (`RetryBudget`): one for all questions of the process. */
export const createAgentBudget = (clock: Clock): RetryBudget => createRetryBudget({ service: SERVICE }, clock)

/** The breaker's name in settings, log and `/health/detailed`. */
const SERVICE = 'ai-agent'

/** `agent` under the settings' retry and breaker. */
export function guardAgent(agent: Agent, settings: Config['agent'], parts: GuardParts): Agent {
  const { chance, events, budget } = parts
  const { clock, breakers, follow } = parts.resilience
  const { errorThreshold, volumeThreshold, resetTimeoutMs, resetTimeoutMaxMs } = settings.breaker
  const { attempts, baseDelayMs, maxDelayMs } = settings.retry
  const breaker = breakers.create({
    name: SERVICE,
    errorThreshold,
    volumeThreshold,
    resetTimeout: resetTimeoutMs,
    resetTimeoutMax: resetTimeoutMaxMs,
    // The turn gives a probe up after this long; a place that is held for longer is held by nobody.
    probeLeaseMs: settings.firstTokenTimeoutMs * 2,
  })
  follow(breaker, 'agent')
  return createResilientAgent(agent, {
    clock,
    chance,
    breaker,
    budget,
    events,
    retry: { attempts, backoff: { baseMs: baseDelayMs, capMs: maxDelayMs } },
    firstTextTimeoutMs: settings.firstTokenTimeoutMs,
  })
}

/**
 * What is known of the agent. It is away while its breaker refuses everybody and while the checks do not find it. It is in doubt from
 * the moment that a check finds it again until that has lasted, and while its breaker lets one question through to find out.
 */
export function agentPresence({ health, breakers }: Pick<Resilience, 'health' | 'breakers'>): AgentPresence {
  const { agent } = health.report().state.components
  const stats = breakers.stats(SERVICE)
  if (stats?.state === 'isolated' || (stats?.state === 'open' && stats.retryAfterMs > 0)) return 'circuit-breaker-open'
  switch (agent.status) {
    case 'unknown':
      return 'unknown'
    case 'away':
      return agent.betterSince === undefined ? 'agent-unreachable' : 'in-doubt'
    case 'working':
      return stats === undefined || stats.state === 'closed' ? 'there' : 'in-doubt'
  }
}
