/**
 * Puts retry, budget and circuit breaker round the agent, and lets the breaker speak for the agent in the service level.
 */
import type { Agent } from '../agent/agent.ts'
import { createResilientAgent } from '../agent/resilient-agent.ts'
import type { Resilience } from '../plugins/resilience.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import { createRetryBudget, type RetryBudget } from '../resilience/retry-budget.ts'
import type { AgentRoom } from '../turns/turn-driver.ts'
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
 * How many questions can be put to the agent now: none while the checks have not found it, or while its breaker would refuse them, as it
 * also does while another one is finding out whether the agent is back. Until the first check has answered, nobody knows that it is there.
 */
export function agentRoom({ health, breakers }: Pick<Resilience, 'health' | 'breakers'>): AgentRoom {
  const stats = breakers.stats(SERVICE)
  if (health.report().state.components.agent.status !== 'working' || (stats?.retryAfterMs ?? 0) > 0) return 'none'
  return stats === undefined || stats.state === 'closed' ? 'any' : 'one'
}
