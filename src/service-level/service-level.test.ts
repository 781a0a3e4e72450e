import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../testing/seeded-random.ts'
import {
  canUseFeature,
  fallbackAction,
  HYSTERESIS,
  INITIAL_LEVEL,
  LEVELS,
  nextDeadline,
  readiness,
  spreadRetryAfterMs,
  step,
} from './service-level.ts'
import { type Health, type LevelState, type ServiceLevel, type SystemHealth } from './service-level.ts'

const WELL: SystemHealth = { store: 'working', agent: 'working', link: 'working' }
const hear = (state: LevelState, health: Partial<SystemHealth>, now: number): LevelState =>
  step(state, { ...WELL, ...health }, now, HYSTERESIS)
const FULL = hear(INITIAL_LEVEL, {}, 0)
const NO_AGENT = hear(FULL, { agent: 'failing' }, 1)
const NO_LINK = hear(FULL, { link: 'failing' }, 1)
const NO_STORE = hear(FULL, { store: 'failing' }, 1)

test('[V1] each level has its description and exactly its features', () => {
  const features = (Object.keys(LEVELS) as ServiceLevel[]).map((level) => [level, [...LEVELS[level].features]])
  expect(features).toEqual([
    ['full', ['websocket', 'ai-agent', 'session-storage', 'real-time']],
    ['limited', ['session-storage', 'message-queue']],
    ['offline', ['static-content']],
  ])
  for (const { description } of Object.values(LEVELS)) expect(description.length).toBeGreaterThan(10)
  expect([canUseFeature('full', 'ai-agent'), canUseFeature('limited', 'ai-agent'), canUseFeature('offline', 'static-content')]).toEqual([
    true,
    false,
    true,
  ])
})

test.each([
  ['working', 'working', 'working', 'full'],
  ['working', 'failing', 'working', 'limited'],
  ['working', 'working', 'failing', 'limited'],
  ['working', 'failing', 'failing', 'limited'],
  ['working', 'unknown', 'working', 'limited'],
  ['failing', 'working', 'working', 'offline'],
  ['unknown', 'working', 'working', 'offline'],
] satisfies [Health, Health, Health, ServiceLevel][])('[V2] store %s, agent %s, link %s is %s', (store, agent, link, level) => {
  expect(hear(INITIAL_LEVEL, { store, agent, link }, 0).level).toBe(level)
})

test('[V3] it is offline until the store has first answered, and then takes the first word at once', () => {
  expect(INITIAL_LEVEL.level).toBe('offline')
  const agentFirst = hear(INITIAL_LEVEL, { store: 'unknown' }, 0)
  expect([agentFirst.level, hear(agentFirst, {}, 5).level]).toEqual(['offline', 'full'])
})

test('[V4] worse is believed at once, better when it has lasted', () => {
  const back = hear(NO_AGENT, {}, 100)
  expect([NO_AGENT.level, back.level, nextDeadline(back)]).toEqual(['limited', 'limited', 100 + HYSTERESIS.holdMs])
  expect(hear(back, {}, 10_099)).toBe(back)
  expect(hear(back, {}, 10_100).level).toBe('full')
  expect([nextDeadline(FULL), nextDeadline(NO_AGENT)]).toEqual([undefined, undefined])
})

test('[V4] one failure within the hold starts it over', () => {
  const back = hear(NO_AGENT, {}, 100)
  const again = hear(back, { agent: 'failing' }, 5_000)
  const backAgain = hear(again, {}, 6_000)
  expect([again.level, nextDeadline(again), nextDeadline(backAgain)]).toEqual(['limited', undefined, 16_000])
})

test('[V5] a part that fails again soon after it was believed must hold twice as long, up to the maximum', () => {
  let state = FULL
  let now = 100_000
  const holds: number[] = []
  for (let round = 0; round < 5; round += 1) {
    state = hear(hear(state, { agent: 'failing' }, now), {}, now)
    const until = nextDeadline(state) ?? Number.NaN
    holds.push(until - now)
    now = until
    state = hear(state, {}, now)
    now += 1_000
  }
  state = hear(hear(state, { agent: 'failing' }, now + 300_000), {}, now + 300_000)
  holds.push((nextDeadline(state) ?? Number.NaN) - now - 300_000)
  expect(holds).toEqual([10_000, 20_000, 40_000, 60_000, 60_000, 10_000])
})

/** Level changes at each time, for a part that is heard of every 10 ms. */
function changes(isFailingAt: (now: number) => boolean, part: keyof SystemHealth, lastMs: number): readonly number[] {
  let state = FULL
  const times: number[] = []
  for (let now = 0; now <= lastMs; now += 10) {
    const next = hear(state, { [part]: isFailingAt(now) ? 'failing' : 'working' }, now)
    if (next.level !== state.level) times.push(now)
    state = next
  }
  return times
}

test('[V5] ten flaps a minute or more, of any part and shape, give at most two level changes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 60 }),
      fc.double({ min: 0.05, max: 0.95, noNaN: true }),
      fc.constantFrom('store' as const, 'agent' as const, 'link' as const),
      (perMinute: number, share: number, part: 'store' | 'agent' | 'link') => {
        const period = 60_000 / Math.max(10, perMinute)
        const isFailing = (now: number): boolean => now < 60_000 && now % period < period * share
        expect(changes(isFailing, part, 90_000).length).toBeLessThanOrEqual(2)
      },
    ),
  )
})

test('[V5] the level settles after flapping has ended', () => {
  expect(changes((now) => now < 60_000 && Math.floor(now / 500) % 2 === 0, 'agent', 120_000)).toEqual([0, 69_500])
})

test('[V6] the same state comes back when there is no news, and time alone can be news', () => {
  expect([hear(FULL, {}, 99_999) === FULL, hear(NO_AGENT, { agent: 'failing' }, 99_999) === NO_AGENT]).toEqual([true, true])
  expect(hear(FULL, { store: 'unknown', agent: 'unknown', link: 'unknown' }, 5)).toBe(FULL)
})

test('[V7] what to do instead depends on what is away', () => {
  const table = { full: FULL, noAgent: NO_AGENT, noLink: NO_LINK, noStore: NO_STORE }
  expect(
    Object.entries(table).map(([name, state]) => [name, fallbackAction(state, 'send-message'), fallbackAction(state, 'read-messages')]),
  ).toEqual([
    ['full', undefined, undefined],
    ['noAgent', { type: 'queue', status: 'queued' }, { type: 'stored' }],
    ['noLink', undefined, { type: 'stored' }],
    ['noStore', { type: 'offline', status: 'offline' }, { type: 'offline', status: 'offline' }],
  ])
})

test('[V8] only offline, starting and draining are not ready, and offline only where nobody says otherwise', () => {
  const of = (level: ServiceLevel, phase: 'starting' | 'running' | 'draining', isReadyWhenOffline = false): unknown =>
    readiness({ level, phase, isReadyWhenOffline })
  expect([of('full', 'running'), of('limited', 'running'), of('offline', 'running', true)]).toEqual(
    Array.from({ length: 3 }, () => ({ status: 'ready' })),
  )
  expect([of('offline', 'running'), of('full', 'draining', true), of('full', 'starting')]).toEqual([
    { status: 'not ready', reason: 'system offline' },
    { status: 'not ready', reason: 'draining' },
    { status: 'not ready', reason: 'starting' },
  ])
})

test('[V9] the times at which clients come back are spread over half of the wait', () => {
  const { next } = seededRandom(3)
  const draws = Array.from({ length: 1_000 }, () => spreadRetryAfterMs(10_000, next))
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(10_000)
  expect(Math.max(...draws)).toBeLessThanOrEqual(15_000)
  expect(Math.max(...draws) - Math.min(...draws)).toBeGreaterThan(4_500)
})
