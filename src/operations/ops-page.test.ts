import { server as createServer, type Server } from '@hapi/hapi'
import { expect, test } from 'vitest'
import { createBreakerRegistry } from '../resilience/breaker-registry.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createOpsAccess, type OpsDoor } from './ops-access.ts'
import { createOpsFormTokens, registerOpsActions } from './ops-actions.ts'
import type { OpsStatus } from './ops-status.ts'
import { registerOpsStatus } from './ops-status-route.ts'
import { SOME_PROCESS, SOME_RUNTIME } from '../testing/ops-status-play.ts'

const TOKEN = 'correct-horse-battery-staple-0123456789'
const HOST = 'chat.example.gov.uk'
const AT = '2026-01-05T09:10:00.000Z'
const self = { ...SOME_PROCESS, startedAt: AT }

/** A status with something hostile in every place that is not ours alone. */
const status: OpsStatus = {
  at: AT,
  process: { ...self, platform: 'v24', running: 0 },
  level: { now: 'full', since: AT, why: [] },
  told: [{ where: 'Every page', text: '<script>alert(1)</script>' }],
  dependencies: [
    {
      service: 'ai-agent',
      check: { name: 'aiAgent', status: 'healthy', at: AT, tookMs: 1, error: undefined },
      breaker: { name: 'ai-agent', state: 'closed', retryInSeconds: 0, holds: 0, opened: 0, moves: [] },
      calls: undefined,
      latency: undefined,
      lastFailure: undefined,
      retries: undefined,
    },
  ],
  queues: [],
  integrity: undefined,
  links: { open: { websocket: 0, sse: 0 }, recentSeconds: 0, resumes: {}, slow: {} },
  answers: [],
  changes: [],
  processes: { isShared: false, asOf: undefined, list: [self] },
  runtime: SOME_RUNTIME,
  settings: [{ name: 'SERVICE_NAME', value: '"><img src=x>' }],
  actions: { areOn: true },
  unknown: [],
}

interface Play {
  readonly server: Server
  readonly clock: ReturnType<typeof createSimulatedClock>
  readonly events: ReturnType<typeof createRecordedEvents>
  readonly state: () => string | undefined
  readonly formToken: () => string
}

function createPlay({ areOn = true } = {}): Play {
  const door: OpsDoor = { type: 'token', token: TOKEN }
  const clock = createSimulatedClock()
  const events = createRecordedEvents()
  const server = createServer()
  const breakers = createBreakerRegistry({ clock })
  breakers.create({ name: 'ai-agent', errorThreshold: 50, resetTimeout: 30_000 })
  const access = createOpsAccess({ door, clock, events, addressOf: ({ info }) => info.remoteAddress })
  const tokens = createOpsFormTokens(clock, (count) => new Uint8Array(count).fill(7))
  const assets = { css: '/assets/ops-1.css', js: '/assets/ops-1.js', icon: '/assets/icon-1.svg' }
  const formToken = (): string => tokens.make()
  const reply = registerOpsStatus(server, { access, status: () => status, serviceName: () => 'Permits & more', assets, formToken })
  registerOpsActions(server, { access, door, areOn, breakers, events, tokens, reply })
  return { server, clock, events, state: () => breakers.stats('ai-agent')?.state, formToken }
}

const basic = `Basic ${Buffer.from(`ada:${TOKEN}`).toString('base64')}`
const browser = { authorization: basic, host: HOST, origin: `https://${HOST}`, 'sec-fetch-site': 'same-origin' }
const hand = { authorization: `Bearer ${TOKEN}`, host: HOST }

const post = (server: Server, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>>) =>
  server.inject({
    method: 'POST',
    url: '/ops/actions',
    payload: new URLSearchParams(fields).toString(),
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
  })

test('[O200] page and JSON say the same, are never cached, and nothing in them becomes a part of the page', async () => {
  const { server } = createPlay()
  const page = await server.inject({ url: '/ops/status', headers: hand })
  const json = await server.inject({ url: '/ops/status.json', headers: hand })
  expect([page.statusCode, page.headers['cache-control'], page.headers['content-type']]).toEqual([
    200,
    'no-store',
    'text/html; charset=utf-8',
  ])
  expect([json.statusCode, json.headers['cache-control'], json.headers['content-type']]).toEqual([
    200,
    'no-store',
    'application/json; charset=utf-8',
  ])
  expect(JSON.parse(json.payload)).toMatchObject({ level: { now: 'full' }, told: status.told })
  expect(page.payload).toMatch(/^<!DOCTYPE html>/)
  expect(page.payload).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  expect(page.payload).not.toMatch(/<script(?! type="module" src="\/assets\/ops-1\.js">)|<img|style=/)
})

test('[O208] its content policy allows its own files and forms, and nothing else', async () => {
  const { server } = createPlay()
  const { headers } = await server.inject({ url: '/ops/status', headers: hand })
  expect(headers['content-security-policy']).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types ops",
  )
  expect(headers['x-content-type-options']).toBe('nosniff')
})

test('[O208] it loads again by itself only for whoever asked for that', async () => {
  const { server } = createPlay()
  const refreshOf = async (url: string) => (await server.inject({ url, headers: hand })).headers['refresh']
  expect([await refreshOf('/ops/status'), await refreshOf('/ops/status?refresh=on'), await refreshOf('/ops/status?refresh=9')]).toEqual([
    undefined,
    '10',
    undefined,
  ])
})

test.each(['/ops/status', '/ops/status.json'])('[O208] %s is only looked at', async (url) => {
  const { server } = createPlay()
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const { statusCode, headers } = await server.inject({ method, url, headers: hand })
    expect([statusCode, headers['allow']]).toEqual([405, 'GET, HEAD'])
  }
})

test('[O212][O213] the form isolates and releases, each said with who did it', async () => {
  const { server, events, state, formToken } = createPlay()
  const isolated = await post(server, { action: 'isolate', service: 'ai-agent', token: formToken() }, browser)
  expect([isolated.statusCode, isolated.headers['location'], state()]).toEqual([303, '/ops/status?done=isolate', 'isolated'])
  const page = await server.inject({ url: '/ops/status?done=isolate', headers: hand })
  expect(page.payload).toContain('Isolated. This process leaves it alone')
  const released = await post(server, { action: 'release', service: 'ai-agent', token: formToken() }, browser)
  expect([released.statusCode, state()]).toEqual([303, 'closed'])
  const by = { service: 'ai-agent', door: 'token', name: 'ada', result: 'done' }
  expect(events.of('operatorActed')).toEqual([
    { ...by, action: 'isolate' },
    { ...by, action: 'release' },
  ])
})

test('[O212] isolating twice is isolating once, and releasing what is not isolated does nothing', async () => {
  const { server, state, formToken } = createPlay()
  const act = (action: string) => post(server, { action, service: 'ai-agent', token: formToken() }, browser)
  await act('release')
  await act('isolate')
  await act('isolate')
  expect(state()).toBe('isolated')
  await act('release')
  expect(state()).toBe('closed')
})

test('[O211] whoever presents the token by hand needs no form, and is answered in JSON', async () => {
  const { server, state } = createPlay()
  const done = await post(server, { action: 'isolate', service: 'ai-agent' }, hand)
  expect([done.statusCode, JSON.parse(done.payload), state()]).toEqual([200, { done: 'isolate', service: 'ai-agent' }, 'isolated'])
  const wrong = await post(server, { action: 'isolate', service: 'nobody' }, hand)
  expect([wrong.statusCode, JSON.parse(wrong.payload)]).toEqual([
    400,
    {
      error: {
        code: 'NOT_DONE',
        message: 'action must be isolate or release, and service one that has a circuit breaker here',
        isRetryable: false,
      },
    },
  ])
})

test.each([
  ['from another site', {}, { ...browser, 'sec-fetch-site': 'cross-site' }],
  ['from a site on the same domain', {}, { ...browser, 'sec-fetch-site': 'same-site' }],
  ['from another origin', {}, { ...browser, origin: 'https://evil.example' }],
  ['from nowhere that can be named', {}, { ...browser, origin: 'null' }],
  ['without its token', { token: '' }, browser],
  ['with another token', { token: `0.${'a'.repeat(43)}` }, browser],
])('[O211][O213] a form %s does nothing, and that is said too', async (_what, fields, headers) => {
  const { server, state, events, formToken } = createPlay()
  const { statusCode, payload } = await post(server, { action: 'isolate', service: 'ai-agent', token: formToken(), ...fields }, headers)
  expect([statusCode, state(), events.of('operatorActed').map(({ result }) => result)]).toEqual([403, 'closed', ['refused']])
  expect(payload).toContain('Nothing was done')
})

test('[O211] a form is good for an hour', async () => {
  const { server, clock, state, formToken } = createPlay()
  const token = formToken()
  await clock.advance(62 * 60_000)
  expect((await post(server, { action: 'isolate', service: 'ai-agent', token }, browser)).statusCode).toBe(403)
  expect(state()).toBe('closed')
})

test('[O210] where actions are off nothing can be done, and whoever tries is told why', async () => {
  const { server, state, formToken } = createPlay({ areOn: false })
  const form = await post(server, { action: 'isolate', service: 'ai-agent', token: formToken() }, browser)
  const byHand = await post(server, { action: 'isolate', service: 'ai-agent' }, hand)
  expect([form.statusCode, byHand.statusCode, state()]).toEqual([403, 403, 'closed'])
  expect([form.payload, byHand.payload]).toEqual([expect.stringContaining('OPS_ACTIONS'), expect.stringContaining('OPS_ACTIONS')])
})

test('[O210] nobody who may not look may act, and no other method acts', async () => {
  const { server, state } = createPlay()
  const { authorization: _left, ...stranger } = browser
  expect((await post(server, { action: 'isolate', service: 'ai-agent' }, stranger)).statusCode).toBe(401)
  const got = await server.inject({ url: '/ops/actions?action=isolate&service=ai-agent', headers: hand })
  expect([got.statusCode, got.headers['allow'], state()]).toEqual([405, 'POST', 'closed'])
})

test.each([
  ['nothing', ''],
  ['another action', 'action=close&service=ai-agent'],
  ['no service', 'action=isolate'],
  ['two', 'action=isolate&service=ai-agent&service=redis'],
  ['a property of everything', 'action=isolate&service=__proto__'],
])('[O211] of %s nothing is made', async (_what, payload) => {
  const { server, state } = createPlay()
  const headers = { ...hand, 'content-type': 'application/x-www-form-urlencoded' }
  expect((await server.inject({ method: 'POST', url: '/ops/actions', payload, headers })).statusCode).toBe(400)
  expect(state()).toBe('closed')
})
