/**
 * `/live`, `/ready`, `/health` and `/health/detailed` as a hapi plugin over what the plugin `resilience` knows.
 */
import type { Plugin, Server } from '@hapi/hapi'
import { registerHealth, registerHealthDetails, type HealthOptions } from '../operations/health.ts'
import { thisMachineOnly, type OpsAccess } from '../operations/ops-access.ts'

declare module '@hapi/hapi' {
  interface PluginProperties {
    /** What the routes say, for a server of their own that says more. */
    readonly 'health-routes': { readonly options: HealthOptions }
  }
}

type Phase = ReturnType<HealthOptions['phase']>

export interface HealthRoutesOptions {
  /** Only draining makes the process unready. Default false. */
  readonly isReadyWhenOffline?: boolean
  /** Left out: `starting` until the server has started, `draining` from the moment it begins to stop. */
  readonly phase?: () => Phase
  /** Who may see `/health/detailed`; `elsewhere`: it is not on this server. Left out: this machine only. */
  readonly operators?: OpsAccess | 'elsewhere'
}

export const healthRoutes: Plugin<HealthRoutesOptions> = {
  name: 'health-routes',
  dependencies: 'resilience',
  register(server, { isReadyWhenOffline = false, phase = phaseOf(server), operators = thisMachineOnly }) {
    const { clock, health, breakers } = server.resilience
    const startedAt = clock.monotonic()
    const options: HealthOptions = {
      level: () => health.getCurrentLevel(),
      checks: () => health.report().checks,
      breakers,
      now: () => clock.now(),
      phase,
      uptime: () => (clock.monotonic() - startedAt) / 1_000,
      isReadyWhenOffline,
    }
    registerHealth(server, options)
    if (operators !== 'elsewhere') registerHealthDetails(server, options, operators)
    server.expose('options', options)
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
