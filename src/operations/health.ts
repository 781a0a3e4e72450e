/**
 * What machines ask to decide about this process: `/live` (does it answer at all) and `/ready` (may it be sent people).
 *
 * Both answer from what is known already: no probe, no session, no log line. Neither follows the agent, because every process
 * shares it and each can still keep questions and serve pages without it.
 */
import type { Server } from '@hapi/hapi'

/** What the service can do now; the same word as everywhere. */
type Level = 'full' | 'limited' | 'offline'

export interface HealthOptions {
  readonly level: () => Level
  /** `starting` until the store has opened, `draining` from the first signal on. */
  readonly phase: () => 'starting' | 'running' | 'draining'
  /** Seconds since the process started. */
  readonly uptime: () => number
  /** Only draining makes the process unready: people then get our offline page and not the load balancer's. */
  readonly isReadyWhenOffline: boolean
}

type Readiness =
  | { readonly status: 'ready' }
  | { readonly status: 'not ready'; readonly reason: 'starting' | 'draining' | 'system offline' }

/** Whether people may be sent here, and if not, why. */
function readiness({ level, phase, isReadyWhenOffline }: Omit<HealthOptions, 'uptime'>): Readiness {
  const now = phase()
  if (now !== 'running') return { status: 'not ready', reason: now }
  return level() === 'offline' && !isReadyWhenOffline ? { status: 'not ready', reason: 'system offline' } : { status: 'ready' }
}

/** Adds `GET /live` and `GET /ready` to the server. */
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
      const answer = readiness(options)
      return h.response(answer).code(answer.status === 'ready' ? 200 : 503)
    },
  })
}
