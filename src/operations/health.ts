/**
 * What machines ask about this process: `/live` (does it answer at all), `/ready` (may it be sent people), `/health` (does
 * everything work) and, on this machine, `/health/detailed`.
 *
 * All answer from what is known already: no probe, no session, no log line. The first two do not follow the agent, because every
 * process shares it and each can still keep questions and serve pages without it; `/health` does, so it is not for probes.
 */
import { notFound } from '@hapi/boom'
import type { Request, Server } from '@hapi/hapi'
import type { BreakerRegistry } from '../resilience/breaker-registry.ts'
import type { CheckResult } from '../service-level/health-checks.ts'
import { readiness, type ServiceLevel } from '../service-level/service-level.ts'

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

const LOOPBACK = /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/i
const LOOPBACK_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via']

/**
 * Whether somebody on this machine asks for themselves. A proxy on this machine comes from here too, hence the headers; the name
 * keeps out a page in a browser here that has had its own name point to this machine.
 */
function isFromHere({ info, headers }: Request): boolean {
  return (
    LOOPBACK.test(info.remoteAddress) && LOOPBACK_NAME.test(info.hostname) && PROXY_HEADERS.every((name) => headers[name] === undefined)
  )
}

/** Adds `GET /live`, `/ready`, `/health` and `/health/detailed` to the server. */
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
  server.route({
    method: 'GET',
    path: '/health/detailed',
    options: { cache },
    handler: (request, h) => {
      if (!isFromHere(request)) throw notFound()
      const health = healthOf(options)
      return h.response({ ...health, degradation: options.level(), circuitBreakers: options.breakers.allStats() }).code(codeOf(health))
    },
  })
}
