import { expect, test } from 'vitest'
import { createBreakerRegistry } from '../resilience/breaker-registry.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { followBreaker } from './breaker-level.ts'
import { createHealthChecks } from './health-checks.ts'

/** A store whose breaker has opened, and whose check says whatever it is told to. */
async function createWorld(invitedBy: string | undefined) {
  const clock = createSimulatedClock()
  const breakers = createBreakerRegistry({ clock })
  const health = createHealthChecks(
    { intervalMs: 30_000, failingIntervalMs: 5_000, timeoutMs: 2_000, hysteresis: { holdMs: 1_000, holdMsMax: 1_000 } },
    clock,
  )
  const breaker = breakers.create({ name: 'redis', errorThreshold: 50, resetTimeout: 30_000, volumeThreshold: 2 })
  followBreaker(breaker, 'store', { breakers, health, invitedBy })
  const state = { isAway: false }
  health.registerHealthCheck('redis', () => {
    if (state.isAway) throw new Error('away')
  })
  health.registerHealthCheck('websocket', () => undefined)
  health.registerHealthCheck('aiAgent', () => undefined)
  health.start()
  await clock.settle()
  state.isAway = true
  const fail = (): Promise<unknown> => breaker.watch(() => Promise.reject(new Error('away'))).catch(() => undefined)
  await fail()
  await fail()
  await clock.settle()
  return { clock, health, breaker, state }
}

test('[V30] a check that does what calls do ends the wait of an open breaker when it works again, and then the level follows', async () => {
  const { clock, health, breaker, state } = await createWorld('redis')
  expect([breaker.stats().state, health.getCurrentLevel()]).toEqual(['open', 'offline'])
  await clock.advance(10_000)
  expect(breaker.stats().retryAfterMs).toBe(20_000)
  state.isAway = false
  await clock.advance(6_000)
  expect(breaker.stats().retryAfterMs).toBe(0)
  await breaker.watch(() => Promise.resolve('there'))
  await clock.advance(1_000)
  expect([breaker.stats().state, health.getCurrentLevel()]).toEqual(['closed', 'full'])
})

test('[V30] a check that was not named leaves the breaker its time', async () => {
  const { clock, breaker, state } = await createWorld(undefined)
  state.isAway = false
  await clock.advance(10_000)
  expect(breaker.stats()).toMatchObject({ state: 'open', retryAfterMs: 20_000 })
})
