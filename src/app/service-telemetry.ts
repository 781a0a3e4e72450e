/** What the service says about itself: log and metrics behind the one front door, put together from settings and ports. */
import { createEventsLog } from '../telemetry/events-log.ts'
import { createEventsMetrics } from '../telemetry/events-metrics.ts'
import { createEvents, type Events } from '../telemetry/events.ts'
import { createIdHash } from '../telemetry/id-hash.ts'
import { createLog } from '../telemetry/log.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { createTurnTrace, type TurnTrace } from '../telemetry/turn-trace.ts'
import type { Config } from './config.ts'
import type { Ports } from './ports.ts'

export interface Telemetry {
  readonly events: Events
  readonly metrics: Metrics
  readonly traceOf: TurnTrace
}

/** `secret` hides ids in the log and names the traces of questions. */
export function createTelemetry(config: Config, ports: Ports, { secret, version }: Identity): Telemetry {
  const { clock, hostName } = ports
  const metrics = createMetrics({ store: 'sqlite', withRuntime: ports.measuresRuntime })
  const log = createLog({
    level: config.logLevel,
    form: config.environment === 'development' ? 'console' : 'json',
    version,
    environment: config.environment,
    node: hostName,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    write: ports.writeLine,
    dropped: (reason) => metrics.count('chat_log_dropped_total', { reason }),
  })
  const traceOf = createTurnTrace(secret)
  const names = { hash: createIdHash(secret, () => clock.now()), traceOf }
  const events = createEvents(createEventsLog(log, names), createEventsMetrics(metrics, 'sqlite'))
  return { events, metrics, traceOf }
}

interface Identity {
  readonly secret: string
  readonly version: string
}
