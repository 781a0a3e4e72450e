import { expect, test } from 'vitest'
import type { CheckResult, HealthEvent } from '../service-level/health-checks.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { tellDependencies } from './dependencies.ts'

test('[O103] a check that finds something else than the one before is told once; that all works at first is no news', () => {
  const events = createRecordedEvents()
  let tell: (event: HealthEvent) => void = () => undefined
  tellDependencies(
    {
      subscribe: (listener) => {
        tell = listener
        return () => undefined
      },
    },
    events,
  )
  const error = new Error('away')
  const results = (status: 'healthy' | 'unhealthy'): CheckResult =>
    status === 'healthy' ? { status, at: 0, tookMs: 1 } : { status, at: 0, tookMs: 1, error }
  for (const status of ['healthy', 'healthy', 'unhealthy', 'unhealthy', 'healthy', 'healthy'] as const) {
    tell({ type: 'check', name: 'aiAgent', result: results(status) })
  }
  tell({ type: 'check', name: 'sqlite', result: results('unhealthy') })
  tell({ type: 'check', name: 'somebody else’s', result: results('unhealthy') })
  expect(events.of('dependencyChanged')).toEqual([
    { service: 'ai-agent', isUp: false, cause: error },
    { service: 'ai-agent', isUp: true, cause: undefined },
    { service: 'sqlite', isUp: false, cause: error },
  ])
})
