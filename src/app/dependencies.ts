/** What the background checks are about, under the names that metrics and log have for it. */
import type { CheckResult, HealthChecks } from '../service-level/health-checks.ts'
import type { Dependency, Events } from '../telemetry/events.ts'

/** By the names of requirement R4. */
export const DEPENDENCIES: Readonly<Record<string, Dependency>> = {
  sqlite: 'sqlite',
  redis: 'redis',
  websocket: 'websocket',
  aiAgent: 'ai-agent',
}

/** 1 while the last check worked; `undefined` while nobody knows. */
export const isUp = (result: CheckResult | undefined): number | undefined =>
  result === undefined || result.status === 'unknown' ? undefined : Number(result.status === 'healthy')

/** Says when a check finds something else than the one before it; that all works at first is no news. */
export function tellDependencies(health: Pick<HealthChecks, 'subscribe'>, events: Pick<Events, 'dependencyChanged'>): void {
  const known = new Map<Dependency, boolean>()
  health.subscribe((event) => {
    const service = event.type === 'check' ? DEPENDENCIES[event.name] : undefined
    if (event.type !== 'check' || service === undefined || event.result.status === 'unknown') return
    const { result } = event
    const isWell = result.status === 'healthy'
    if ((known.get(service) ?? true) !== isWell) {
      events.dependencyChanged({ service, isUp: isWell, cause: result.status === 'unhealthy' ? result.error : undefined })
    }
    known.set(service, isWell)
  })
}
