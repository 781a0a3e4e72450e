import { expect, test } from 'vitest'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createLevelMonitor, levelOf, type LevelMonitorOptions } from './level-monitor.ts'

const INTERVAL_MS = 30_000
const TIMEOUT_MS = 2_000

/** A store and an agent that are as well as a test says; `silent` never answers. */
function world(options: Partial<LevelMonitorOptions> = {}) {
  const clock = createSimulatedClock()
  const events = createRecordedEvents()
  const state = { store: 'up', agent: 'up' }
  const asked: string[] = []
  const checkOf = (name: 'store' | 'agent') => async (signal: AbortSignal) => {
    asked.push(name)
    if (state[name] === 'silent') await clock.sleep(3_600_000, signal)
    if (state[name] === 'down') throw new Error('away')
  }
  const monitor = createLevelMonitor({
    store: checkOf('store'),
    agent: checkOf('agent'),
    clock,
    events,
    intervalMs: INTERVAL_MS,
    timeoutMs: TIMEOUT_MS,
    ...options,
  })
  return { clock, events, state, asked, monitor }
}

test.each([
  [true, true, 'full'],
  [true, false, 'limited'],
  [false, true, 'offline'],
  [false, false, 'offline'],
] as const)('[O26] with the store up: %s and the agent up: %s the level is %s', (isStoreUp, isAgentUp, level) => {
  expect(levelOf({ isStoreUp, isAgentUp })).toBe(level)
})

test('[O26] the level is offline until the first check is done', async () => {
  const { monitor } = world()
  expect(monitor.level).toBe('offline')
  const first = monitor.start()
  expect(monitor.level).toBe('offline')
  await first
  expect([monitor.level, monitor.isAgentAway]).toEqual(['full', false])
  monitor[Symbol.dispose]()
})

test('[O26] the level follows the checks, and every change of it is said once', async () => {
  const { monitor, clock, state, events } = world()
  await monitor.start()
  state.agent = 'down'
  await clock.advance(INTERVAL_MS)
  expect([monitor.level, monitor.isAgentAway]).toEqual(['limited', true])
  await clock.advance(60_000)
  state.agent = 'up'
  await clock.advance(5_000)
  expect(monitor.level).toBe('full')
  expect(events.of('levelChanged')).toEqual([
    { from: 'offline', to: 'full', isStoreUp: true, isAgentUp: true },
    { from: 'full', to: 'limited', isStoreUp: true, isAgentUp: false },
    { from: 'limited', to: 'full', isStoreUp: true, isAgentUp: true },
  ])
  monitor[Symbol.dispose]()
})

test('[O26] what does not answer in time is away, and is not asked twice at once', async () => {
  const { monitor, clock, state, asked } = world()
  state.store = 'silent'
  const first = monitor.start()
  await clock.advance(TIMEOUT_MS - 1)
  monitor.look()
  expect(asked).toEqual(['store', 'agent'])
  await clock.advance(1)
  await first
  expect(monitor.level).toBe('offline')
  monitor[Symbol.dispose]()
})

test('[O26] after a failure it looks soon, however often it is told', async () => {
  const { monitor, clock, state, asked } = world()
  await monitor.start()
  state.agent = 'down'
  for (let count = 0; count < 10; count += 1) monitor.look()
  await clock.advance(500)
  expect(monitor.level).toBe('limited')
  expect(asked).toHaveLength(4)
  monitor[Symbol.dispose]()
})

test('[O26] disposed of it asks nothing more and leaves no timer behind', async () => {
  const { monitor, clock, state, asked } = world()
  await monitor.start()
  state.agent = 'silent'
  await clock.advance(INTERVAL_MS)
  monitor[Symbol.dispose]()
  await clock.advance(3_600_000)
  expect(asked).toHaveLength(4)
  expect(clock.waiting).toBe(0)
})
