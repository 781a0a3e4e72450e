/** What the service says about itself: log and metrics behind the one front door, put together from settings and ports. */
import { createJournal, type Journal } from '../operations/journal.ts'
import { createEventsLog } from '../telemetry/events-log.ts'
import { createEventsMetrics } from '../telemetry/events-metrics.ts'
import { createEvents, type Events } from '../telemetry/events.ts'
import { createIdHash } from '../telemetry/id-hash.ts'
import { createLogFiles, type WriteLogFiles } from '../telemetry/log-files.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { rememberRecent, type Recent } from '../telemetry/recent.ts'
import { createTurnTrace, type TurnTrace } from '../telemetry/turn-trace.ts'
import type { Config } from './config.ts'
import type { Ports } from './ports.ts'

export interface Telemetry {
  readonly events: Events
  readonly metrics: Metrics
  readonly recent: Recent
  readonly journal: Journal
  readonly traceOf: TurnTrace
}

/** `secret` hides ids in the log and names the traces of questions. */
export function createTelemetry(config: Config, ports: Ports, { secret, version }: Identity): Telemetry {
  const { clock, hostName } = ports
  const store = config.redis === undefined ? 'sqlite' : 'redis'
  const made = createMetrics({ store, withRuntime: ports.measuresRuntime })
  const { metrics, recent } = rememberRecent(made, () => clock.monotonic())
  const journal = createJournal(clock, store)
  // Told by the log that it is about, once there is one.
  const told: { logFilesFailed: (cause: unknown) => void } = { logFilesFailed: () => undefined }
  const log = createLog({
    level: config.logLevel,
    form: config.environment === 'development' ? 'console' : 'json',
    version,
    environment: config.environment,
    node: hostName,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    write: ports.writeLine,
    writeFiles: openLogFiles(config, ports, metrics, (cause) => told.logFilesFailed(cause)),
    dropped: (reason) => metrics.count('chat_log_dropped_total', { reason }),
  })
  const traceOf = createTurnTrace(secret)
  const names = { hash: createIdHash(secret, () => clock.now()), traceOf }
  const events = createEvents(createEventsLog(log, names), createEventsMetrics(metrics, store), journal.events)
  // Later, because what failed is in the middle of writing a line.
  told.logFilesFailed = (cause) => void clock.schedule(0, () => events.logFilesFailed(cause))
  return { events, metrics, recent, journal, traceOf }
}

function openLogFiles(
  { logDir }: Config,
  { clock, logDisk: disk }: Ports,
  metrics: Metrics,
  failed: (cause: unknown) => void,
): WriteLogFiles | undefined {
  if (logDir === undefined) return undefined
  const dropped = (reason: 'file' | 'quota'): void => metrics.count('chat_log_dropped_total', { reason })
  return createLogFiles({ folder: logDir, now: () => clock.now(), monotonic: () => clock.monotonic(), disk, dropped, failed })
}

interface Identity {
  readonly secret: string
  readonly version: string
}
