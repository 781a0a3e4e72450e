/**
 * What only operators see, and what it is made from: probes, metrics, the integrity meter. On a port of its own where the settings
 * name one, else beside everything else, behind a token or for this machine only.
 */
import { server as createServer, type Request, type Server } from '@hapi/hapi'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { registerAssets, type Assets } from '../gateway/assets.ts'
import { createListener, serverOptions } from '../gateway/listener.ts'
import { addressOf } from '../gateway/request-address.ts'
import { registerHealthDetails, type HealthOptions } from '../operations/health.ts'
import { createIntegrityMeter } from '../operations/integrity-meter.ts'
import { registerMetrics, type MetricsPage } from '../operations/metrics-route.ts'
import { createOpsAccess, type OpsAccess, type OpsDoor } from '../operations/ops-access.ts'
import { createOpsFormTokens, registerOpsActions } from '../operations/ops-actions.ts'
import { statusOf } from '../operations/collect-status.ts'
import { registerOpsStatus } from '../operations/ops-status-route.ts'
import { healthRoutes } from '../plugins/health-routes.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Config } from './config.ts'
import { storeFileIn } from './data-folder.ts'
import { watchGauges } from './gauges.ts'
import type { Ports } from './ports.ts'
import type { Telemetry } from './service-telemetry.ts'
import { createStatusSources } from './status-sources.ts'

export interface OperationsParts {
  readonly ports: Pick<Ports, 'clock' | 'randomBytes' | 'hostName' | 'measuresRuntime'>
  readonly telemetry: Telemetry
  readonly log: ConversationLog
  readonly assets: Assets
  readonly phase: HealthOptions['phase']
  readonly version: string
  readonly serviceName: () => string
  /** Questions that this process has taken on. */
  readonly running: () => number
  readonly budgets: Readonly<Record<'agent' | 'store', RetryBudget>>
}

export interface Operations extends AsyncDisposable {
  /** The server for operators, where it is not `main`; whoever calls starts and stops it. */
  readonly own: Server | undefined
  /** Begins to look at what the store holds and at who else works on it. */
  start(): void
}

/** Adds the probes to `main`, and the pages for operators to it or to a server of their own. Every other route must be there already. */
export async function openOperations(main: Server, config: Config, parts: OperationsParts): Promise<Operations> {
  const { log, phase, telemetry, assets } = parts
  const { clock } = parts.ports
  const { events, metrics } = telemetry
  const isElsewhere = config.operations.port !== undefined
  const door = doorOf(config)
  const access = operatorsOf(config, { clock, events })
  const options = { phase, isReadyWhenOffline: config.isReadyWhenOffline, operators: isElsewhere ? 'elsewhere' : access } as const
  await main.register({ plugin: healthRoutes, options })
  const own = isElsewhere
    ? createServer(serverOptions(createListener(), { host: config.host, port: config.operations.port ?? 0 }))
    : undefined
  if (own !== undefined) {
    registerHealthDetails(own, main.plugins['health-routes'].options, access)
    registerAssets(own, assets)
  }
  registerMetrics(own ?? main, { metrics: pageOf(metrics), clock, access })
  const meter = createIntegrityMeter({ log, clock, events })
  const sources = createStatusSources(main, config, { ...parts, meter })
  const tokens = createOpsFormTokens(clock, parts.ports.randomBytes)
  const { serviceName } = parts
  const page = { access, status: () => statusOf(sources.status), serviceName, assets: assets.ops, formToken: () => tokens.make() }
  const reply = registerOpsStatus(own ?? main, page)
  const { breakers } = main.resilience
  registerOpsActions(own ?? main, { access, door, areOn: config.operations.areActionsOn, breakers, events, tokens, reply })
  watchGauges(metrics, {
    ...parts,
    clock,
    server: main,
    storeFile: config.redis === undefined ? storeFileIn(config.dataDir) : undefined,
    meter,
    isDraining: () => phase() === 'draining',
    build: { version: parts.version, commit: config.buildCommit, node: process.version },
  })
  return {
    own,
    start() {
      meter.start()
      sources.registry.start()
    },
    async [Symbol.asyncDispose]() {
      meter[Symbol.dispose]()
      sources.runtime[Symbol.dispose]()
      await sources.registry.leave()
    },
  }
}

/** By which way operators come in. */
function doorOf({ operations: { token, port } }: Config): OpsDoor {
  if (port !== undefined) return { type: 'own-port', token }
  return token === undefined ? { type: 'loopback' } : { type: 'token', token }
}

/** Who may see what is for operators. */
function operatorsOf(config: Config, { clock, events }: Pick<Telemetry, 'events'> & Pick<Ports, 'clock'>): OpsAccess {
  const door = doorOf(config)
  const ofPerson = ({ info, headers }: Request): string => addressOf(info.remoteAddress, headers, config.trustedProxyHops)
  return createOpsAccess({ door, clock, events, addressOf: door.type === 'own-port' ? peerOf : ofPerson })
}

const peerOf = ({ info }: Request): string => info.remoteAddress

const pageOf = (metrics: Metrics): MetricsPage => ({
  render: () => metrics.render(),
  contentType: metrics.contentType,
  refused: () => metrics.count('chat_metrics_refused_total', {}),
})

/** What of the settings may stand in the log. */
export const toldOf = (config: Config): Readonly<Record<string, string | number | boolean>> => ({
  environment: config.environment,
  log_level: config.logLevel,
  log_files: config.logDir !== undefined,
  store: config.redis === undefined ? 'sqlite' : 'redis',
  agent_protocol: config.agent.protocol,
  agent_concurrency: config.agent.concurrency,
  drain_ms: config.drainMs,
  ops_token: config.operations.token !== undefined,
  ops_port: config.operations.port !== undefined,
})
