/**
 * What machines ask about this process: `/live` (does it answer at all), `/ready` (may it be sent people), `/health` (does
 * everything work) and, for operators, `/health/detailed`.
 *
 * All answer from what is known already: no probe, no session, no log line. The first two do not follow the agent, because every
 * process shares it and each can still keep questions and serve pages without it; `/health` does, so it is not for probes.
 */
import type { Server } from '@hapi/hapi'
import type { BreakerRegistry } from '../resilience/breaker-registry.ts'
import type { CheckResult } from '../service-level/health-checks.ts'
import { readiness, type ServiceLevel } from '../service-level/service-level.ts'
import { routeForOperators, type OpsAccess } from './ops-access.ts'

export interface HealthOptions {
  readonly level: () => ServiceLevel
  /** What each background check last found, by its name. */
  readonly checks: () => ReadonlyMap<string, CheckResult>
  readonly breakers: Pick<BreakerRegistry, 'allStats'>
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number
  /** `starting` until the store has opened, `draining` from the first signal on. */
  readonly phase: () => 'starting' | 'running' | 'draining'
  /** Seconds since the process started. */
  readonly uptime: () => number
  /** Only draining makes the process unready: people then get our offline page and not the load balancer's. */
  readonly isReadyWhenOffline: boolean
}

interface Health {
  readonly status: 'healthy' | 'degraded'
  readonly timestamp: string
  readonly services: Readonly<Record<string, { readonly status: CheckResult['status'] }>>
  /** Seconds. */
  readonly uptime: number
}

/** `degraded` whenever the level is not full: also while a breaker refuses calls, and until a recovery has lasted. */
const healthOf = ({ level, checks, now, uptime }: HealthOptions): Health => ({
  status: level() === 'full' ? 'healthy' : 'degraded',
  timestamp: new Date(now()).toISOString(),
  services: Object.fromEntries(Array.from(checks(), ([name, { status }]) => [name, { status }])),
  uptime: uptime(),
})

const codeOf = ({ status }: Health): number => (status === 'healthy' ? 200 : 503)

/** Adds `GET /live`, `/ready` and `/health` to the server. */
export function registerHealth(server: Server, options: HealthOptions): void {
  const cache = { otherwise: 'no-store' } as const
  server.route({
    method: 'GET',
    path: '/live',
    options: { cache },
    handler: () => ({ status: 'alive', uptime: options.uptime() }),
  })
  server.route({
    method: 'GET',
    path: '/ready',
    options: { cache },
    handler: (_request, h) => {
      const { isReadyWhenOffline } = options
      const answer = readiness({ level: options.level(), phase: options.phase(), isReadyWhenOffline })
      return h.response(answer).code(answer.status === 'ready' ? 200 : 503)
    },
  })
  server.route({
    method: 'GET',
    path: '/health',
    options: { cache },
    handler: (_request, h) => {
      const health = healthOf(options)
      return h.response(health).code(codeOf(health))
    },
  })
}

/** Adds `GET /health/detailed`: the same with the level and every breaker, for operators. */
export function registerHealthDetails(server: Server, options: HealthOptions, access: OpsAccess): void {
  routeForOperators(server, access, {
    path: '/health/detailed',
    handler: (_request, h) => {
      const health = healthOf(options)
      return h.response({ ...health, degradation: options.level(), circuitBreakers: options.breakers.allStats() }).code(codeOf(health))
    },
  })
}
