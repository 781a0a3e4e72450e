/** The plugins in a bare hapi server, as a team would register them. */
import { server as createServer, type Server, type ServerInjectResponse } from '@hapi/hapi'
import { notFound } from '@hapi/boom'
import { expect, test } from 'vitest'
import { SettingsError } from '../resilience/resilience-error.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { healthRoutes, type HealthRoutesOptions } from './health-routes.ts'
import { resilience, type ResilienceOptions } from './resilience.ts'

const SECRET = 'a secret place'
const REFERENCE = expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}$/)

const random = seededRandom(5)
const randomBytes = (count: number): Uint8Array => random.bytes(count)

/** A team's server: its three parts work, and an agent call that a test can make fail. */
async function createTeamServer(options: Partial<ResilienceOptions> = {}, routes: HealthRoutesOptions = {}) {
  const clock = createSimulatedClock()
  const server = createServer({ host: '127.0.0.1', port: 0, debug: false })
  await server.register([
    { plugin: resilience, options: { clock, randomBytes, ...options } },
    { plugin: healthRoutes, options: routes },
  ])
  const parts = { isAgentAway: false, asked: 0 }
  const { breakers, health, follow } = server.resilience
  const breaker = breakers.create({ name: 'ai-agent', errorThreshold: 50, resetTimeout: 30_000, volumeThreshold: 2 })
  follow(breaker, 'agent')
  health.registerHealthCheck('redis', () => undefined)
  health.registerHealthCheck('websocket', () => undefined)
  health.registerHealthCheck('aiAgent', () => {
    parts.asked += 1
  })
  server.route({
    method: 'GET',
    path: '/answer',
    handler: () =>
      breaker.execute(() => {
        if (parts.isAgentAway) throw new Error(SECRET)
        return { answer: 'Yes' }
      }),
  })
  return { server, clock, parts, breaker }
}

const bodyOf = ({ payload }: ServerInjectResponse): unknown => JSON.parse(payload)

/** Two calls in vain: one more than the breaker bears. */
async function trip(server: Server, parts: { isAgentAway: boolean }): Promise<void> {
  parts.isAgentAway = true
  await server.inject('/answer')
  await server.inject('/answer')
}

test('[O55] the checks begin when the server has started, go on by themselves, and end before it has stopped', async () => {
  const { server, clock, parts } = await createTeamServer()
  expect([parts.asked, server.resilience.health.getCurrentLevel()]).toEqual([0, 'offline'])
  await server.start()
  expect([parts.asked, server.resilience.health.getCurrentLevel()]).toEqual([1, 'full'])
  expect(server.resilience.health.canUseFeature('ai-agent')).toBe(true)
  await clock.advance(30_000)
  expect(parts.asked).toBe(2)
  let askedInStop = 0
  server.ext('onPostStop', () => {
    askedInStop = parts.asked
  })
  await server.stop()
  await clock.advance(60_000)
  expect([askedInStop, parts.asked, clock.waiting]).toEqual([2, 2, 0])
})

test('[O55] settings of the checks are the team’s own, and those that cannot work are refused', async () => {
  const { server, clock, parts } = await createTeamServer({ health: { intervalMs: 1_000, failingIntervalMs: 1_000 } })
  await server.start()
  await clock.advance(3_000)
  expect(parts.asked).toBe(4)
  await server.stop()
  await expect(createTeamServer({ health: { timeoutMs: -1 } })).rejects.toThrow(SettingsError)
})

test('[O56] a part without a check is named, and the server does not start', async () => {
  const server = createServer({ port: 0 })
  await server.register({ plugin: resilience, options: { clock: createSimulatedClock(), randomBytes } })
  server.resilience.health.registerHealthCheck('redis', () => undefined)
  await expect(server.start()).rejects.toThrow('agent has no check; link has no check')
  await server.stop()
})

test('[O57] the part of a breaker fails while that refuses calls, and what to do instead is known', async () => {
  const { server, clock, parts } = await createTeamServer()
  const { health } = server.resilience
  await server.start()
  await trip(server, parts)
  expect([health.getCurrentLevel(), health.getFallbackAction('send-message')]).toEqual(['limited', { type: 'queue', status: 'queued' }])
  await clock.advance(60_000)
  expect([health.getCurrentLevel(), health.getFallbackAction('send-message')]).toEqual(['full', undefined])
  await server.stop()
})

test('[O57] the part of a breaker that a person holds open fails until they let go', async () => {
  const { server, clock, breaker } = await createTeamServer()
  const { health } = server.resilience
  await server.start()
  const letGo = breaker.isolate()
  await clock.advance(60_000)
  expect(health.getCurrentLevel()).toBe('limited')
  letGo()
  await clock.advance(60_000)
  expect(health.getCurrentLevel()).toBe('full')
  await server.stop()
})

test('[O58] what happens is told once each, and the first level is no change', async () => {
  const events = createRecordedEvents()
  const { server, clock, parts } = await createTeamServer({ events })
  await server.start()
  await trip(server, parts)
  await server.inject('/answer')
  parts.isAgentAway = false
  await clock.advance(30_000)
  await server.inject('/answer')
  expect(events.of('levelChanged')).toEqual([{ from: 'full', to: 'limited', away: ['agent'] }])
  const service = 'ai-agent'
  expect(events.of('breakerChanged')).toEqual([
    { service, from: 'closed', to: 'open', openMs: 30_000 },
    { service, from: 'open', to: 'half-open', openMs: undefined },
    { service, from: 'half-open', to: 'closed', openMs: undefined },
  ])
  expect(events.of('breakerCalled').map(({ outcome }) => outcome)).toEqual(['failure', 'failure', 'rejected', 'success'])
  await server.stop()
})

test('[O58] without events of the team’s own it is in the server’s log', async () => {
  const { server, parts } = await createTeamServer()
  const logged: unknown[] = []
  server.events.on('log', ({ tags, data }) => logged.push([tags, data]))
  await server.start()
  await trip(server, parts)
  expect(logged).toContainEqual([['resilience', 'breakerChanged'], { service: 'ai-agent', from: 'closed', to: 'open', openMs: 30_000 }])
  expect(logged).toContainEqual([['resilience', 'levelChanged'], { from: 'full', to: 'limited', away: ['agent'] }])
  expect(logged).toContainEqual([
    ['resilience', 'requestFailed'],
    {
      method: 'GET',
      route: '/answer',
      status: 500,
      reference: REFERENCE,
      trace: expect.anything(),
      cause: expect.objectContaining({ message: SECRET }),
    },
  ])
  await server.stop()
})

test('[O59] a refusal says when to come back, and what nobody foresaw says nothing', async () => {
  const events = createRecordedEvents()
  const { server, parts, clock } = await createTeamServer({ events })
  await server.start()
  parts.isAgentAway = true
  const unforeseen = await server.inject('/answer')
  expect([unforeseen.statusCode, bodyOf(unforeseen)]).toEqual([
    500,
    { error: { code: 'INTERNAL_ERROR', message: expect.any(String), isRetryable: true, reference: REFERENCE } },
  ])
  await server.inject('/answer')
  await clock.advance(12_000)
  const refused = await server.inject('/answer')
  expect([refused.statusCode, refused.headers['retry-after'], refused.headers['cache-control'], bodyOf(refused)]).toEqual([
    503,
    '18',
    'no-store',
    { error: { code: 'CIRCUIT_BREAKER_OPEN', message: expect.stringMatching(/left alone/), isRetryable: true, reference: REFERENCE } },
  ])
  expect(unforeseen.payload + refused.payload).not.toContain(SECRET)
  expect(events.of('requestFailed').map(({ status }) => status)).toEqual([500, 500, 503])
  await server.stop()
})

test('[O59] a request that is not the plugin’s to answer is left alone', async () => {
  const { server } = await createTeamServer({ answersFailureOf: ({ path }) => path.startsWith('/api/') })
  server.route({
    method: 'GET',
    path: '/page',
    handler: () => {
      throw notFound('their own words')
    },
  })
  await server.initialize()
  expect(bodyOf(await server.inject('/page'))).toEqual({ statusCode: 404, error: 'Not Found', message: 'their own words' })
  expect(bodyOf(await server.inject('/api/nothing'))).toMatchObject({ error: { code: 'NOT_FOUND', isRetryable: false } })
  await server.stop()
})

test('[O60] the routes say how things are, from starting to stopping', async () => {
  const { server, parts } = await createTeamServer()
  const seen: unknown[] = []
  const look = async (): Promise<void> => {
    const [live, ready] = [await server.inject('/live'), await server.inject('/ready')]
    seen.push([live.statusCode, ready.statusCode, bodyOf(ready)])
  }
  server.ext('onPreStop', look)
  await server.initialize()
  await look()
  await server.start()
  await look()
  await trip(server, parts)
  expect((await server.inject('/health')).statusCode).toBe(503)
  expect(bodyOf(await server.inject({ url: '/health/detailed', headers: { host: 'localhost' } }))).toMatchObject({
    services: { redis: { status: 'healthy' }, websocket: { status: 'healthy' }, aiAgent: { status: 'healthy' } },
    degradation: 'limited',
    circuitBreakers: [{ name: 'ai-agent', state: 'open' }],
  })
  await server.stop()
  expect(seen).toEqual([
    [200, 503, { status: 'not ready', reason: 'starting' }],
    [200, 200, { status: 'ready' }],
    [200, 503, { status: 'not ready', reason: 'draining' }],
  ])
})

test('[O60] without the plugin that they read from, the routes refuse to start', async () => {
  const server = createServer({ port: 0 })
  await expect(server.register({ plugin: healthRoutes, options: {} })).rejects.toThrow('resilience')
})
