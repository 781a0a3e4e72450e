import { expect, test } from 'vitest'
import { createBreaker } from '../resilience/breaker.ts'
import { SettingsError } from '../resilience/resilience-error.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { createHealthChecks, type HealthChecks, type HealthEvent } from './health-checks.ts'
import { HYSTERESIS } from './service-level.ts'

const SETTINGS = { intervalMs: 30_000, failingIntervalMs: 5_000, timeoutMs: 2_000, hysteresis: HYSTERESIS }
const never = (): Promise<never> => new Promise(() => {})
const refused = (): never => {
  throw new Error('refused')
}

interface Bench {
  readonly clock: SimulatedClock
  readonly checks: HealthChecks
  /** What each check does now; may be changed. */
  readonly does: Record<'sqlite' | 'aiAgent' | 'websocket', (signal: AbortSignal) => unknown>
  readonly asked: string[]
  readonly levels: string[]
  /** What listeners failed of. */
  readonly faults: readonly unknown[]
}

function bench(): Bench {
  const clock = createSimulatedClock()
  const faults: unknown[] = []
  const checks = createHealthChecks(SETTINGS, clock, (error) => faults.push(error))
  const does: Bench['does'] = { sqlite: () => true, aiAgent: () => true, websocket: () => true }
  const asked: string[] = []
  const levels: string[] = []
  for (const name of ['sqlite', 'aiAgent', 'websocket'] as const) {
    checks.registerHealthCheck(name, (signal) => {
      asked.push(name)
      return does[name](signal)
    })
  }
  checks.subscribe((event) => event.type === 'level' && levels.push(event.to))
  return { clock, checks, does, asked, levels, faults }
}

test('[V10] checks run at the start, then at the interval, and their results are kept with time and length', async () => {
  const { clock, checks, asked, levels } = bench()
  expect(checks.getCurrentLevel()).toBe('offline')
  checks.start()
  await clock.settle()
  expect([asked.length, levels, checks.getCurrentLevel(), checks.canUseFeature('ai-agent')]).toEqual([3, ['limited', 'full'], 'full', true])
  expect(checks.report().checks.get('sqlite')).toEqual({ status: 'healthy', at: clock.now(), tookMs: 0 })
  await clock.advance(29_999)
  expect(asked.length).toBe(3)
  await clock.advance(1)
  expect(asked.length).toBe(6)
})

test('[H85] other parts being away is told, also where the level stays', async () => {
  const { clock, checks, does, levels } = bench()
  const away: string[] = []
  checks.subscribe((event) => event.type === 'away' && away.push(event.away.join()))
  checks.start()
  await clock.settle()
  expect(away.at(-1)).toBe('')
  does.aiAgent = () => Promise.reject(new Error('away'))
  does.websocket = does.aiAgent
  await clock.advance(30_000)
  does.aiAgent = () => true
  await clock.advance(60_000)
  expect([away.at(-1), levels.at(-1)]).toEqual(['link', 'limited'])
})

test('[V11] a check that throws, rejects, hangs or answers late fails alone', async () => {
  const { clock, checks, does } = bench()
  let aborted: unknown
  does.sqlite = () => clock.sleep(500, new AbortController().signal)
  does.aiAgent = (signal) => {
    signal.addEventListener('abort', () => (aborted = signal.reason))
    return never()
  }
  does.websocket = refused
  const assessment = checks.assessSystemHealth()
  await clock.advance(500)
  expect(checks.report().checks.get('sqlite')).toMatchObject({ status: 'healthy', tookMs: 500 })
  expect(checks.report().checks.get('websocket')).toMatchObject({ status: 'unhealthy', error: new Error('refused') })
  await clock.advance(1_500)
  const { state, checks: results } = await assessment
  expect([state.level, results.get('aiAgent'), aborted]).toEqual([
    'limited',
    expect.objectContaining({ status: 'unhealthy', tookMs: 2_000 }),
    expect.objectContaining({ code: 'TIMEOUT', service: 'aiAgent' }),
  ])
})

test('[V11] a check has its own time limit when it asks for one', async () => {
  const { clock, checks } = bench()
  checks.registerHealthCheck('slow', never, { timeoutMs: 50 })
  void checks.assessSystemHealth()
  await clock.advance(50)
  expect(checks.report().checks.get('slow')).toMatchObject({ status: 'unhealthy', tookMs: 50 })
  expect(checks.getCurrentLevel()).toBe('full')
})

test('[V11] a check that hangs for ever is not started again without end', async () => {
  const { clock, checks, does, asked } = bench()
  does.aiAgent = never
  checks.start()
  await clock.advance(120_000)
  expect(asked.filter((name) => name === 'aiAgent').length).toBe(3)
  expect(asked.filter((name) => name === 'sqlite').length).toBeGreaterThan(10)
  expect(checks.report().checks.get('aiAgent')?.status).toBe('unhealthy')
})

test('[V12] while something fails or has only just come back, checks run more often', async () => {
  const { clock, checks, does, asked, levels } = bench()
  does.aiAgent = refused
  checks.start()
  await clock.settle()
  await clock.advance(5_000)
  expect([asked.length, levels]).toEqual([6, ['limited']])
  does.aiAgent = () => true
  await clock.advance(5_000)
  expect([asked.length, levels]).toEqual([9, ['limited']])
  await clock.advance(10_000)
  expect([asked.length, levels]).toEqual([15, ['limited', 'full']])
  await clock.advance(29_999)
  expect(asked.length).toBe(15)
})

test('[V12] a breaker that is not closed is something that fails', async () => {
  const { clock, checks, asked } = bench()
  checks.start()
  await clock.settle()
  checks.breakerMoved('agent', 'ai-agent', false)
  await clock.settle()
  const before = asked.length
  await clock.advance(5_000)
  expect(asked.length).toBe(before + 3)
})

test('[V13] a breaker that leaves closed counts at once, and until it is closed and has held', async () => {
  const { clock, checks, asked, levels } = bench()
  checks.start()
  await clock.settle()
  levels.length = 0
  checks.breakerMoved('agent', 'ai-agent', false)
  expect([checks.getCurrentLevel(), checks.getFallbackAction('send-message')]).toEqual(['limited', { type: 'queue', status: 'queued' }])
  await clock.settle()
  expect(asked.length).toBe(6)
  await clock.advance(60_000)
  expect(levels).toEqual(['limited'])
  checks.breakerMoved('agent', 'ai-agent', true)
  await clock.advance(9_999)
  expect(levels).toEqual(['limited'])
  await clock.advance(1)
  expect(levels).toEqual(['limited', 'full'])
})

test('[V13] a poke during a round is followed by another round, and pokes together by one', async () => {
  const { clock, checks, does, asked } = bench()
  does.sqlite = () => clock.sleep(100, new AbortController().signal)
  checks.start()
  for (let index = 0; index < 50; index += 1) checks.poke()
  await clock.advance(100)
  expect(asked.length).toBe(3)
  await clock.advance(250)
  expect(asked.length).toBe(6)
  await clock.advance(20_000)
  expect(asked.length).toBe(6)
})

test('[V13] ten flaps of a breaker in a minute change the level at most twice', async () => {
  const { clock, checks, levels } = bench()
  checks.start()
  await clock.settle()
  levels.length = 0
  for (let flap = 0; flap < 10; flap += 1) {
    checks.breakerMoved('agent', 'ai-agent', false)
    await clock.advance(3_000)
    checks.breakerMoved('agent', 'ai-agent', true)
    await clock.advance(3_000)
  }
  await clock.advance(60_000)
  expect(levels).toEqual(['limited', 'full'])
})

test('[V14] checks go past the breakers, so they take no probe’s place and enter no window', async () => {
  const { clock, checks, does } = bench()
  const breaker = createBreaker({ name: 'ai-agent', errorThreshold: 50, resetTimeout: 1_000, volumeThreshold: 1 }, { clock })
  await breaker.execute(refused).catch(() => undefined)
  await clock.advance(1_000)
  does.aiAgent = () => breaker.stats().state === 'open'
  await checks.assessSystemHealth()
  expect(breaker.stats()).toMatchObject({ state: 'open', retryAfterMs: 0, counts: { success: 0, failure: 1, rejected: 0 } })
  expect(await breaker.execute(() => 'the first call is the probe')).toBe('the first call is the probe')
})

test('[V15][V18] every listener hears each change of level once, and one that throws is counted and told', async () => {
  const { clock, checks, faults } = bench()
  const heard: HealthEvent[][] = Array.from({ length: 20 }, () => [])
  checks.subscribe(refused)
  const stops = heard.map((events) => checks.subscribe((event) => events.push(event)))
  await checks.assessSystemHealth()
  const levels = (events: readonly HealthEvent[]): unknown =>
    events.flatMap((event) => (event.type === 'level' ? [[event.from, event.to]] : []))
  const start = [
    ['offline', 'limited'],
    ['limited', 'full'],
  ]
  expect(heard.map(levels)).toEqual(heard.map(() => start))
  expect([checks.listenerFaults(), faults.map(String)]).toEqual([8, Array.from({ length: 8 }, () => 'Error: refused')])
  stops[0]?.()
  checks.breakerMoved('store', 'sqlite', false)
  expect([levels(heard[0] ?? []), levels(heard[1] ?? [])]).toEqual([start, [...start, ['full', 'offline']]])
  await clock.settle()
})

test('[V16] a part without a check is refused at the start, and so are settings and names that cannot work', () => {
  const clock = createSimulatedClock()
  const checks = createHealthChecks(SETTINGS, clock)
  checks.registerHealthCheck('redis', () => true)
  checks.registerHealthCheck('guidance', () => true)
  expect(() => checks.start()).toThrow('agent has no check; link has no check')
  expect(() => checks.registerHealthCheck('redis', () => true)).toThrow('redis is taken')
  expect(() => checks.registerHealthCheck('other', () => true, { timeoutMs: -1 })).toThrow(SettingsError)
  expect(() => createHealthChecks({ ...SETTINGS, intervalMs: 0, timeoutMs: -1 }, clock)).toThrow(/intervalMs.*timeoutMs/)
  checks.registerHealthCheck('my-agent', () => true, { component: 'agent' })
  checks.registerHealthCheck('my-link', () => true, { component: 'link' })
  checks.start()
  checks[Symbol.dispose]()
})

test('[V17] once disposed of it asks nobody, leaves no timer, and its level stays', async () => {
  const { clock, checks, does, asked } = bench()
  checks.start()
  await clock.settle()
  does.aiAgent = never
  checks.poke()
  await clock.settle()
  checks[Symbol.dispose]()
  await clock.settle()
  const before = asked.length
  checks.poke()
  checks.breakerMoved('agent', 'ai-agent', false)
  await clock.advance(600_000)
  expect([asked.length, clock.waiting, checks.getCurrentLevel()]).toEqual([before, 0, 'full'])
})
