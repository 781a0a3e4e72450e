/** What the operator page is made from, put together from the parts of the service. */
import type { Server } from '@hapi/hapi'
import type { IntegrityMeter } from '../operations/integrity-meter.ts'
import { createProcessRegistry, type ProcessFacts, type ProcessRegistry } from '../operations/process-registry.ts'
import type { StatusSources, WatchedDependency } from '../operations/collect-status.ts'
import type { Config } from './config.ts'
import { storeNameOf } from './gauges.ts'
import type { OperationsParts } from './operations.ts'
import { recentFacts } from './recent-facts.ts'
import { createRuntimeLook, type RuntimeLook } from './runtime.ts'
import { shownSettings } from './shown-settings.ts'

interface MadeSources {
  readonly status: StatusSources
  readonly registry: ProcessRegistry
  readonly runtime: RuntimeLook
}

const ID_BYTES = 8
const NAME_CHARS_MAX = 100

/** `main` has the gateway and the breakers. Whoever calls starts the registry and disposes of both. */
export function createStatusSources(
  main: Server,
  config: Config,
  parts: OperationsParts & { readonly meter: Pick<IntegrityMeter, 'reading'> },
): MadeSources {
  const { ports, log, telemetry, meter, running } = parts
  const { clock } = ports
  const { health, breakers } = main.resilience
  const runtime = createRuntimeLook(clock, ports.measuresRuntime)
  const self = selfOf(main, config, parts)
  const registry = createProcessRegistry({ log, clock, self })
  return {
    registry,
    runtime,
    status: {
      clock,
      self,
      platform: process.version,
      running,
      report: () => health.report(),
      breakers,
      dependencies: dependenciesOf(parts),
      journal: telemetry.journal,
      recent: recentFacts(telemetry.recent, storeNameOf(log)),
      reading: () => meter.reading(),
      backlog: () => log.backlog?.(),
      told: () => main.plugins.gateway.said(),
      processes: () => registry.known(),
      runtime: () => runtime.now(),
      settings: shownSettings(config),
      areActionsOn: config.operations.areActionsOn,
    },
  }
}

/** What this process says of itself, here and to others. */
function selfOf(main: Server, config: Config, { ports, version, phase }: OperationsParts): () => ProcessFacts {
  const { health, breakers } = main.resilience
  const id = Buffer.from(ports.randomBytes(ID_BYTES)).toString('hex')
  const startedAt = ports.clock.now()
  return () => ({
    id,
    // Others refuse to read what is no plain name.
    node: ports.hostName.replaceAll(/[^\w.:+-]/g, '-').slice(0, NAME_CHARS_MAX),
    version,
    commit: config.buildCommit,
    startedAt,
    phase: phase(),
    level: health.getCurrentLevel(),
    isolated: breakers.allStats().flatMap(({ name, state }) => (state === 'isolated' ? [name] : [])),
  })
}

const dependenciesOf = ({ log, budgets }: OperationsParts): readonly WatchedDependency[] => [
  { service: 'ai-agent', component: 'agent', check: 'aiAgent', budget: budgets.agent },
  { service: storeNameOf(log), component: 'store', check: log.profile.store, budget: budgets.store },
  { service: 'websocket', component: 'link', check: 'websocket', budget: undefined },
]
