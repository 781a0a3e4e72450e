/**
 * `/live`, `/ready`, `/health` and `/health/detailed` as a hapi plugin over what the plugin `resilience` knows.
 */
import type { Plugin, Server } from '@hapi/hapi'
import { registerHealth, type HealthOptions } from '../operations/health.ts'

type Phase = ReturnType<HealthOptions['phase']>

export interface HealthRoutesOptions {
  /** Only draining makes the process unready. Default false. */
  readonly isReadyWhenOffline?: boolean
  /** Left out: `starting` until the server has started, `draining` from the moment it begins to stop. */
  readonly phase?: () => Phase
}

export const healthRoutes: Plugin<HealthRoutesOptions> = {
  name: 'health-routes',
  dependencies: 'resilience',
  register(server, { isReadyWhenOffline = false, phase = phaseOf(server) }) {
    const { clock, health, breakers } = server.resilience
    const startedAt = clock.monotonic()
    registerHealth(server, {
      level: () => health.getCurrentLevel(),
      checks: () => health.report().checks,
      breakers,
      now: () => clock.now(),
      phase,
      uptime: () => (clock.monotonic() - startedAt) / 1_000,
      isReadyWhenOffline,
    })
  },
}

function phaseOf(server: Server): () => Phase {
  let phase: Phase = 'starting'
  server.ext('onPostStart', () => {
    phase = 'running'
  })
  server.ext('onPreStop', () => {
    phase = 'draining'
  })
  return () => phase
}
