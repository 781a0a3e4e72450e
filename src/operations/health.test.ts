import { server as createServer } from '@hapi/hapi'
import { expect, test } from 'vitest'
import { createBreakerRegistry } from '../resilience/breaker-registry.ts'
import type { CheckResult } from '../service-level/health-checks.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { registerHealth, registerHealthDetails, type HealthOptions } from './health.ts'
import { thisMachineOnly } from './ops-access.ts'

const NOW = Date.UTC(2026, 0, 5, 9)
const well: CheckResult = { status: 'healthy', at: NOW, tookMs: 2 }
const ill: CheckResult = { status: 'unhealthy', at: NOW, tookMs: 2, error: new Error('a secret place') }
const ALL_WELL = new Map([
  ['sqlite', well],
  ['websocket', well],
  ['aiAgent', well],
])

const running: HealthOptions = {
  level: () => 'full',
  checks: () => ALL_WELL,
  breakers: createBreakerRegistry({ clock: createSimulatedClock() }),
  now: () => NOW,
  phase: () => 'running',
  uptime: () => 12.5,
  isReadyWhenOffline: false,
}

interface From {
  readonly remoteAddress?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function get(path: string, options: Partial<HealthOptions> = {}, { remoteAddress = '127.0.0.1', headers: sent = {} }: From = {}) {
  const server = createServer()
  registerHealth(server, { ...running, ...options })
  registerHealthDetails(server, { ...running, ...options }, thisMachineOnly)
  const { statusCode, payload, headers } = await server.inject({
    url: path,
    remoteAddress,
    headers: { host: '127.0.0.1:3000', ...sent },
  })
  const body: unknown = JSON.parse(payload)
  return { statusCode, body, cache: headers['cache-control'] }
}

test.each([
  ['full', 'running'],
  ['offline', 'running'],
  ['offline', 'starting'],
  ['full', 'draining'],
] as const)('[O23] /live is 200 whatever the level (%s) and phase (%s)', async (level, phase) => {
  expect(await get('/live', { level: () => level, phase: () => phase })).toEqual({
    statusCode: 200,
    body: { status: 'alive', uptime: 12.5 },
    cache: 'no-store',
  })
})

test.each([
  ['full', 'running', false, { status: 'ready' }],
  ['limited', 'running', false, { status: 'ready' }],
  ['offline', 'running', false, { status: 'not ready', reason: 'system offline' }],
  ['offline', 'running', true, { status: 'ready' }],
  ['offline', 'starting', true, { status: 'not ready', reason: 'starting' }],
  ['full', 'draining', true, { status: 'not ready', reason: 'draining' }],
  ['offline', 'draining', false, { status: 'not ready', reason: 'draining' }],
] as const)('[O24] /ready at %s while %s (ready when offline: %s) is %j', async (level, phase, isReadyWhenOffline, body) => {
  expect(await get('/ready', { level: () => level, phase: () => phase, isReadyWhenOffline })).toEqual({
    statusCode: body.status === 'ready' ? 200 : 503,
    body,
    cache: 'no-store',
  })
})

const HEALTHY = {
  status: 'healthy',
  timestamp: '2026-01-05T09:00:00.000Z',
  services: { sqlite: { status: 'healthy' }, websocket: { status: 'healthy' }, aiAgent: { status: 'healthy' } },
  uptime: 12.5,
}

test('[O37] /health is 200 when everything works, with the store under its own name first', async () => {
  const { statusCode, body, cache } = await get('/health')
  expect({ statusCode, body, cache }).toEqual({ statusCode: 200, body: HEALTHY, cache: 'no-store' })
  expect(Object.keys(body instanceof Object && 'services' in body ? Object(body.services) : {})).toEqual(['sqlite', 'websocket', 'aiAgent'])
})

test('[O37] /health is 503 and names what does not work, and nothing about why', async () => {
  const checks = () => new Map<string, CheckResult>([...ALL_WELL, ['aiAgent', ill], ['sqlite', { status: 'unknown' }]])
  const { statusCode, body, cache } = await get('/health', { level: () => 'limited', checks })
  expect({ statusCode, body, cache }).toEqual({
    statusCode: 503,
    body: {
      ...HEALTHY,
      status: 'degraded',
      services: { sqlite: { status: 'unknown' }, websocket: { status: 'healthy' }, aiAgent: { status: 'unhealthy' } },
    },
    cache: 'no-store',
  })
})

test.each(['limited', 'offline'] as const)('[O37] /health follows the level (%s), though every check is well', async (level) => {
  expect(await get('/health', { level: () => level })).toMatchObject({ statusCode: 503, body: { status: 'degraded' } })
})

test('[O38] /health/detailed adds the level and the stats of every breaker', async () => {
  const clock = createSimulatedClock()
  const breakers = createBreakerRegistry({ clock })
  const breaker = breakers.create({ name: 'ai-agent', errorThreshold: 50, resetTimeout: 30_000, volumeThreshold: 1 })
  await breaker.execute(() => Promise.reject(new Error('a secret place'))).catch(() => undefined)
  await clock.advance(1_000)
  const { statusCode, body, cache } = await get('/health/detailed', { level: () => 'limited', breakers })
  expect({ statusCode, body, cache }).toEqual({
    statusCode: 503,
    body: {
      ...HEALTHY,
      status: 'degraded',
      degradation: 'limited',
      circuitBreakers: [
        {
          name: 'ai-agent',
          state: 'open',
          retryAfterMs: 29_000,
          window: { calls: 0, failures: 0, slow: 0 },
          counts: { success: 0, failure: 1, ignored: 0, rejected: 0, opened: 1 },
          holds: 0,
          listenerFaults: 0,
        },
      ],
    },
    cache: 'no-store',
  })
})

test.each([
  ['127.0.0.1', '127.0.0.1:3000'],
  ['127.8.8.8', 'localhost'],
  ['::1', '[::1]:3000'],
  ['::ffff:127.0.0.1', 'localhost:3000'],
])('[O38] it answers %s, who asks for %s', async (remoteAddress, host) => {
  expect((await get('/health/detailed', {}, { remoteAddress, headers: { host } })).statusCode).toBe(200)
})

test.each([
  ['another machine', { remoteAddress: '192.0.2.7' }],
  ['another machine that says it is this one', { remoteAddress: '192.0.2.7', headers: { host: 'localhost' } }],
  ['an address that only looks like ours', { remoteAddress: '::ffff:192.0.2.7' }],
  ['a proxy', { headers: { 'x-forwarded-for': '127.0.0.1' } }],
  ['a proxy of the standard', { headers: { forwarded: 'for=127.0.0.1' } }],
  ['a proxy with other habits', { headers: { 'x-real-ip': '127.0.0.1' } }],
  ['a proxy that keeps the name', { headers: { host: 'chat.example.gov.uk' } }],
])('[O38] for %s there is no such page', async (_who, from) => {
  expect(await get('/health/detailed', {}, from)).toMatchObject({ statusCode: 404 })
})
