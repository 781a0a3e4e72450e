/**
 * What only operators see, and what it is made from: probes, metrics, the integrity meter. On a port of its own where the settings
 * name one, else beside everything else, behind a token or for this machine only.
 */
import { server as createServer, type Request, type Server } from '@hapi/hapi'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { createListener, serverOptions } from '../gateway/listener.ts'
import { addressOf } from '../gateway/request-address.ts'
import { registerHealthDetails, type HealthOptions } from '../operations/health.ts'
import { createIntegrityMeter, type IntegrityMeter } from '../operations/integrity-meter.ts'
import { registerMetrics, type MetricsPage } from '../operations/metrics-route.ts'
import { createOpsAccess, type OpsAccess } from '../operations/ops-access.ts'
import { healthRoutes } from '../plugins/health-routes.ts'
import type { Clock } from '../resilience/clock.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { Events } from '../telemetry/events.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Config } from './config.ts'
import { storeFileIn } from './data-folder.ts'
import { watchGauges } from './gauges.ts'

export interface OperationsParts {
  readonly clock: Clock
  readonly events: Events
  readonly metrics: Metrics
  readonly log: ConversationLog
  readonly phase: HealthOptions['phase']
  readonly version: string
  /** Questions that this process has taken on. */
  readonly running: () => number
  readonly budgets: Readonly<Record<'agent' | 'store', RetryBudget>>
}

export interface Operations {
  /** The server for operators, where it is not `main`; whoever calls starts and stops it. */
  readonly own: Server | undefined
  readonly meter: IntegrityMeter
}

/** Adds the probes to `main`, and the pages for operators to it or to a server of their own. Every other route must be there already. */
export async function openOperations(main: Server, config: Config, parts: OperationsParts): Promise<Operations> {
  const { clock, events, metrics, log, phase } = parts
  const isElsewhere = config.operations.port !== undefined
  const access = operatorsOf(config, { clock, events })
  const options = { phase, isReadyWhenOffline: config.isReadyWhenOffline, operators: isElsewhere ? 'elsewhere' : access } as const
  await main.register({ plugin: healthRoutes, options })
  const own = isElsewhere
    ? createServer(serverOptions(createListener(), { host: config.host, port: config.operations.port ?? 0 }))
    : undefined
  if (own !== undefined) registerHealthDetails(own, main.plugins['health-routes'].options, access)
  registerMetrics(own ?? main, { metrics: pageOf(metrics), clock, access })
  const meter = createIntegrityMeter({ log, clock, events })
  watchGauges(metrics, {
    ...parts,
    server: main,
    storeFile: config.redis === undefined ? storeFileIn(config.dataDir) : undefined,
    meter,
    isDraining: () => phase() === 'draining',
    build: { version: parts.version, commit: config.buildCommit, node: process.version },
  })
  return { own, meter }
}

/** Who may see what is for operators. */
function operatorsOf(config: Config, { clock, events }: Pick<OperationsParts, 'clock' | 'events'>): OpsAccess {
  const { token, port } = config.operations
  if (port !== undefined) {
    return createOpsAccess({ door: { type: 'own-port', token }, clock, events, addressOf: peerOf })
  }
  const ofPerson = ({ info, headers }: Request): string => addressOf(info.remoteAddress, headers, config.trustedProxyHops)
  const door = token === undefined ? ({ type: 'loopback' } as const) : ({ type: 'token', token } as const)
  return createOpsAccess({ door, clock, events, addressOf: ofPerson })
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
