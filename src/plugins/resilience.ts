/**
 * Circuit breakers, health checks and the service level as a hapi plugin, for our own server and for any other.
 *
 * It makes one registry of breakers and one set of health checks, and puts them on the server as `server.resilience`. The checks
 * begin when the server has started and run until it stops. What happens is told as events, and failures are answered in one form.
 */
import type { Plugin, Request, Server } from '@hapi/hapi'
import type { RandomBytes } from '../conversation/ids.ts'
import { mintTrace, type Trace } from '../conversation/trace.ts'
import { registerErrorReplies } from '../gateway/error-replies.ts'
import { createBreakerRegistry, type BreakerRegistry } from '../resilience/breaker-registry.ts'
import type { Breaker, BreakerEvent } from '../resilience/breaker.ts'
import type { Clock } from '../resilience/clock.ts'
import { followBreaker } from '../service-level/breaker-level.ts'
import { createHealthChecks, type HealthChecks, type HealthSettings } from '../service-level/health-checks.ts'
import { awayParts, HYSTERESIS, type Component } from '../service-level/service-level.ts'
import type { BreakerPosition, Events, RequestTrace } from '../telemetry/events.ts'

/** What the plugin tells, one method each. */
export type ResilienceEvents = Pick<Events, 'breakerChanged' | 'breakerCalled' | 'levelChanged' | 'listenerFailed' | 'requestFailed'>

export interface ResilienceOptions {
  readonly clock: Clock
  /** References to failures are made from it. */
  readonly randomBytes: RandomBytes
  /** Left out: checks every 30 seconds, every 5 while something fails, and 2 seconds for one check. */
  readonly health?: Partial<HealthSettings>
  /** Left out: everything goes to `server.log`, tagged `resilience`. */
  readonly events?: ResilienceEvents
  /** Whether the plugin answers a request that failed, as `{ error: { code, message, isRetryable, … } }`. Left out: every one. */
  readonly answersFailureOf?: (request: Request) => boolean
}

/** What `server.resilience` is. */
export interface Resilience {
  readonly clock: Clock
  /** Makes, finds and counts the breakers of the process. */
  readonly breakers: BreakerRegistry
  /**
   * `registerHealthCheck`, `assessSystemHealth`, `getCurrentLevel`, `canUseFeature` and `getFallbackAction`. Each of store, agent
   * and live link needs a check before the server starts; the plugin starts and ends them.
   */
  readonly health: HealthChecks
  /**
   * Makes `component` count as failing for as long as `breaker` refuses every call. A check that does what calls do can be named in
   * `invitedBy`: when it has found the service working, an open breaker lets the next call find out at once.
   */
  readonly follow: (breaker: Breaker, component: Component, invitedBy?: string) => void
}

declare module '@hapi/hapi' {
  interface Server {
    readonly resilience: Resilience
  }
}

const HEALTH: HealthSettings = { intervalMs: 30_000, failingIntervalMs: 5_000, timeoutMs: 2_000, hysteresis: HYSTERESIS }

/** For a server that is started once: after it has stopped its checks are over. */
export const resilience: Plugin<ResilienceOptions> = {
  name: 'resilience',
  /** @throws SettingsError for health settings that cannot work. */
  register(server, { clock, randomBytes, health: settings = {}, ...options }) {
    const events = options.events ?? serverLog(server)
    const made = createResilience({ clock, events, health: settings })
    const { health } = made
    server.decorate('server', 'resilience', made)
    server.ext('onPostStart', () => startChecks(health, events))
    // Before anything closes: what is being closed is not away.
    server.ext('onPreStop', () => health[Symbol.dispose]())
    const traceOf = (): RequestTrace => requestTrace(mintTrace(randomBytes))
    registerErrorReplies(server, { events, traceOf, renderErrorPage: undefined, isAnswered: options.answersFailureOf ?? everyone })
  },
}

const everyone = (): boolean => true
/** The trace of a request that has none yet. */
const requestTrace = (trace: Trace): RequestTrace => ({ ...trace, requestId: trace.traceId })

/**
 * The parts without a server; whoever makes them starts and ends the checks.
 *
 * @throws SettingsError for health settings that cannot work.
 */
export function createResilience({ clock, events, health: settings }: ResilienceParts): Resilience {
  const onListenerFault = (error: unknown): void => events.listenerFailed(error)
  const health = createHealthChecks({ ...HEALTH, ...settings }, clock, onListenerFault)
  const breakers = createBreakerRegistry({ clock, onListenerFault })
  breakers.subscribe(breakerTeller(events))
  return {
    clock,
    breakers,
    health,
    follow: (breaker, component, invitedBy) => followBreaker(breaker, component, { breakers, health, invitedBy }),
  }
}

interface ResilienceParts {
  readonly clock: Clock
  readonly events: Pick<Events, 'breakerChanged' | 'breakerCalled' | 'listenerFailed'>
  readonly health: Partial<HealthSettings>
}

/** The level that the first checks find is where the service begins, and no change. */
async function startChecks(health: HealthChecks, events: ResilienceEvents): Promise<void> {
  health.start()
  await health.assessSystemHealth()
  health.subscribe((event) => {
    if (event.type === 'level') events.levelChanged({ from: event.from, to: event.to, away: awayParts(event.state) })
  })
}

function breakerTeller(events: ResilienceParts['events']): (event: BreakerEvent) => void {
  /** Where each breaker stood; one that has not moved is closed. */
  const positions = new Map<string, BreakerPosition>()
  const moved = (service: string, to: BreakerPosition, openMs?: number): void => {
    const from = positions.get(service) ?? 'closed'
    positions.set(service, to)
    events.breakerChanged({ service, from, to, openMs })
  }
  return (event) => {
    const { service } = event
    switch (event.type) {
      case 'open':
        return moved(service, 'open', event.openMs)
      case 'halfOpen':
        return moved(service, 'half-open')
      case 'close':
        return moved(service, 'closed')
      case 'isolate':
        return moved(service, 'isolated')
      case 'release':
        return undefined // the last one to let go closes it, which is told as that
      case 'success':
        return events.breakerCalled({ service, outcome: 'success', tookMs: event.tookMs, cause: undefined })
      case 'failure':
        return events.breakerCalled({ service, outcome: 'failure', tookMs: event.tookMs, cause: event.error })
      case 'reject':
        return events.breakerCalled({ service, outcome: 'rejected', tookMs: undefined, cause: undefined })
      case 'ignored':
        return undefined // the caller left: nothing was learnt about the service
    }
  }
}

/** hapi's own way to tell whoever listens to `log` events. */
function serverLog(server: Server): ResilienceEvents {
  const say = (name: keyof ResilienceEvents, facts: object): void => server.log(['resilience', name], facts)
  return {
    breakerChanged: (facts) => say('breakerChanged', facts),
    breakerCalled: (facts) => say('breakerCalled', facts),
    levelChanged: (facts) => say('levelChanged', facts),
    listenerFailed: (cause) => say('listenerFailed', { cause }),
    requestFailed: (facts) => say('requestFailed', facts),
  }
}
