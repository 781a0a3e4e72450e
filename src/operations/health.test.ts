import { server as createServer } from '@hapi/hapi'
import { expect, test } from 'vitest'
import { registerHealth, type HealthOptions } from './health.ts'

const running: HealthOptions = { level: () => 'full', phase: () => 'running', uptime: () => 12.5, isReadyWhenOffline: false }

async function get(path: string, options: Partial<HealthOptions> = {}) {
  const server = createServer()
  registerHealth(server, { ...running, ...options })
  const { statusCode, payload, headers } = await server.inject(path)
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
