/** Whoever ends the service gives it the time that it needs: to be taken out, to finish answers, to close. */
import { expect, test } from 'vitest'
import { STOP_LIMIT_MS } from '../../src/app/shutdown.ts'
import { composeService } from './compose.ts'
import { onlyContainer, onlyPod } from './manifests.ts'
import { readUnit, unitEnvironment } from './unit-file.ts'

/** Between the end that the service sets itself and the one that is forced on it. */
const RESERVE_SECONDS = 5

test.each(['sqlite-single', 'redis', 'cdp'] as const)('[O148] the pods of %s are not killed before they are done', (name) => {
  const { spec } = onlyPod(name)
  const container = onlyContainer(name)
  const preStop = container.lifecycle?.preStop?.sleep?.seconds ?? 0
  const drain = Number(container.env?.find((each) => each.name === 'DRAIN_MS')?.value) / 1000
  // The load balancer's own delay, and not nothing.
  expect(preStop).toBe(5)
  expect(preStop + drain + STOP_LIMIT_MS / 1000 + RESERVE_SECONDS).toBeLessThanOrEqual(spec?.terminationGracePeriodSeconds ?? 30)
})

test.each([
  ['compose', () => [composeService('chat').environment['DRAIN_MS'], composeService('chat').stop_grace_period?.slice(0, -1)]],
  ['systemd', () => [unitEnvironment()['DRAIN_MS'], readUnit()['Service']?.['TimeoutStopSec']?.[0]]],
] as const)('[O148] %s does not kill the service before it is done', (_name, read) => {
  const [drainMs, limit] = read().map(Number)
  expect((drainMs ?? Number.NaN) / 1000 + STOP_LIMIT_MS / 1000 + RESERVE_SECONDS).toBeLessThanOrEqual(limit ?? Number.NaN)
})
