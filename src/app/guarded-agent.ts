/**
 * Puts retry, budget and circuit breaker round the agent, and lets the breaker's moves be seen: in the log and in the service level.
 */
import type { Agent } from '../agent/agent.ts'
import { createResilientAgent } from '../agent/resilient-agent.ts'
import type { BreakerRegistry } from '../resilience/breaker-registry.ts'
import type { Breaker, BreakerEvent } from '../resilience/breaker.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import { createRetryBudget } from '../resilience/retry-budget.ts'
import type { AgentRoom } from '../turns/turn-driver.ts'
import type { HealthChecks } from '../service-level/health-checks.ts'
import type { Events } from '../telemetry/events.ts'
import type { Config } from './config.ts'

export interface GuardParts {
  readonly clock: Clock
  readonly chance: Chance
  readonly breakers: BreakerRegistry
  readonly health: HealthChecks
  readonly events: Events
}

/** The breaker's name in settings, log and `/health/detailed`. */
const SERVICE = 'ai-agent'
/** The health check of the same agent (requirement R4). */
const CHECK = 'aiAgent'

/** `agent` under the settings' retry and breaker. */
export function guardAgent(agent: Agent, settings: Config['agent'], parts: GuardParts): Agent {
  const { clock, chance, breakers, health, events } = parts
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
  breakers.subscribe((event) => tell(events, event))
  followInLevel(breaker, breakers, health)
  return createResilientAgent(agent, {
    clock,
    chance,
    breaker,
    budget: createRetryBudget({ service: SERVICE }, clock),
    events,
    retry: { attempts, backoff: { baseMs: baseDelayMs, capMs: maxDelayMs } },
    firstTextTimeoutMs: settings.firstTokenTimeoutMs,
  })
}

/**
 * How many questions can be put to the agent now: none while the checks have not found it, or while its breaker would refuse them, as it
 * also does while another one is finding out whether the agent is back. Until the first check has answered, nobody knows that it is there.
 */
export function agentRoom(health: HealthChecks, breakers: BreakerRegistry): AgentRoom {
  const stats = breakers.stats(SERVICE)
  if (health.report().state.components.agent.status !== 'working' || (stats?.retryAfterMs ?? 0) > 0) return 'none'
  return stats === undefined || stats.state === 'closed' ? 'any' : 'one'
}

/**
 * The agent counts as away from the moment its breaker refuses questions. A breaker whose time is over refuses nobody, but moves
 * only when somebody asks: from then on the checks decide, or a service that nobody asks anything would stay limited for ever.
 */
function followInLevel(breaker: Breaker, breakers: BreakerRegistry, health: HealthChecks): void {
  let isOpen = false
  const follow = (): void => {
    const wasOpen = isOpen
    isOpen = refusesAll(breaker) ?? isOpen
    if (isOpen !== wasOpen) health.breakerMoved('agent', SERVICE, !isOpen)
  }
  breakers.subscribe(({ service }) => {
    if (service === SERVICE) follow()
  })
  health.subscribe((event) => {
    if (event.type === 'check' && event.name === CHECK) follow()
  })
}

/** `undefined` while half-open: what the probe finds will tell. */
function refusesAll(breaker: Breaker): boolean | undefined {
  const { state, retryAfterMs } = breaker.stats()
  switch (state) {
    case 'closed':
      return false
    case 'open':
      return retryAfterMs > 0
    case 'half-open':
      return undefined
    case 'isolated':
      return true
  }
}

function tell(events: Events, event: BreakerEvent): void {
  const { service } = event
  switch (event.type) {
    case 'open':
      return events.breakerChanged({ service, to: 'open', openMs: event.openMs })
    case 'halfOpen':
      return events.breakerChanged({ service, to: 'half-open', openMs: undefined })
    case 'close':
      return events.breakerChanged({ service, to: 'closed', openMs: undefined })
    case 'isolate':
      return events.breakerChanged({ service, to: 'isolated', openMs: undefined })
    case 'release':
      return undefined // the last one to let go closes it, which is told as that
    case 'success':
      return events.breakerCalled({ service, outcome: 'success', cause: undefined })
    case 'failure':
      return events.breakerCalled({ service, outcome: 'failure', cause: event.error })
    case 'reject':
      return events.breakerCalled({ service, outcome: 'rejected', cause: undefined })
    case 'ignored':
      return undefined // the caller left: nothing was learnt about the service
  }
}
