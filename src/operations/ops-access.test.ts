import { server as createServer } from '@hapi/hapi'
import { expect, test } from 'vitest'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createOpsAccess, isByHand, operatorOf, routeForOperators, type OpsDoor } from './ops-access.ts'

const TOKEN = 'correct-horse-battery-staple-0123456789'

function createDoor(door: OpsDoor) {
  const clock = createSimulatedClock()
  const events = createRecordedEvents()
  const server = createServer()
  const access = createOpsAccess({ door, clock, events, addressOf: ({ info }) => info.remoteAddress })
  routeForOperators(server, access, { path: '/ops/page', handler: () => 'the page' })
  const ask = async (authorization?: string, remoteAddress = '192.0.2.7', method = 'GET') => {
    const headers = { host: 'chat.example.gov.uk', ...(authorization === undefined ? {} : { authorization }) }
    const answer = await server.inject({ method, url: '/ops/page', remoteAddress, headers })
    return { status: answer.statusCode, headers: answer.headers, payload: answer.payload }
  }
  return { clock, events, ask }
}

test('[O83] whoever presents the token gets in, from anywhere, and nothing of it is kept in a cache', async () => {
  const { ask, events } = createDoor({ type: 'token', token: TOKEN })
  const { status, headers, payload } = await ask(`Bearer ${TOKEN}`)
  expect([status, headers['cache-control'], payload, events.of('accessDenied')]).toEqual([200, 'no-store', 'the page', []])
})

const basic = (name: string, password: string): string => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`

test('[O209] a browser is asked for a password, which is the token, under whatever name', async () => {
  const { ask } = createDoor({ type: 'token', token: TOKEN })
  expect((await ask()).headers['www-authenticate']).toEqual(['Bearer', 'Basic realm="operators"'])
  expect([(await ask(basic('ada', TOKEN))).status, (await ask(basic('', TOKEN))).status]).toEqual([200, 200])
})

test.each([
  [basic('ada', TOKEN), { door: 'token', name: 'ada' }],
  [basic('ada.l@example.gov.uk', TOKEN), { door: 'token', name: 'ada.l@example.gov.uk' }],
  [basic('', TOKEN), { door: 'token', name: undefined }],
  [basic('a name\nwith lines', TOKEN), { door: 'token', name: undefined }],
  [`Bearer ${TOKEN}`, { door: 'token', name: undefined }],
])('[O213] who acts is known by the name they give: %s', async (authorization, operator) => {
  const door: OpsDoor = { type: 'token', token: TOKEN }
  const server = createServer()
  server.route({ method: 'GET', path: '/', handler: (request) => ({ ...operatorOf(request, door), isByHand: isByHand(request) }) })
  const { result } = await server.inject({ url: '/', headers: { authorization } })
  expect(result).toEqual({ ...operator, isByHand: authorization.startsWith('Bearer') })
})

test.each([
  ['nothing', undefined],
  ['another password', basic('ada', `${TOKEN}x`)],
  ['the token as a name', basic(TOKEN, '')],
  ['no base64', 'Basic a:b'],
  ['another token', `Bearer ${TOKEN}x`],
  ['a beginning of it', `Bearer ${TOKEN.slice(0, -1)}`],
  ['an empty one', 'Bearer '],
  ['it in another scheme', `Basic ${TOKEN}`],
  ['it twice', `Bearer ${TOKEN} ${TOKEN}`],
  ['a very long one', `Bearer ${'x'.repeat(100_000)}`],
])('[O83][O84] whoever presents %s is refused, counted, and told nothing of the page', async (_what, authorization) => {
  const { ask, events } = createDoor({ type: 'token', token: TOKEN })
  const { status, headers, payload } = await ask(authorization)
  expect([status, headers['www-authenticate'], events.of('accessDenied')]).toEqual([
    401,
    expect.arrayContaining(['Bearer']),
    ['operations'],
  ])
  expect(payload).not.toContain('the page')
})

test('[O84] an address that keeps guessing is not even heard with the right token, until a minute has passed', async () => {
  const { ask, clock } = createDoor({ type: 'token', token: TOKEN })
  for (let guess = 0; guess < 10; guess += 1) expect((await ask(`Bearer guess-${guess}`)).status).toBe(401)
  const { status, headers } = await ask(`Bearer ${TOKEN}`)
  expect([status, headers['retry-after']]).toEqual([429, '6'])
  expect((await ask(`Bearer ${TOKEN}`, '192.0.2.8')).status).toBe(200)
  await clock.advance(60_000)
  expect((await ask(`Bearer ${TOKEN}`)).status).toBe(200)
})

test('[O85] on a port of their own the token counts where there is one, and reaching the port is enough where there is none', async () => {
  expect((await createDoor({ type: 'own-port', token: undefined }).ask()).status).toBe(200)
  const { ask } = createDoor({ type: 'own-port', token: TOKEN })
  expect([(await ask()).status, (await ask(`Bearer ${TOKEN}`)).status]).toEqual([401, 200])
})

test('[O83] without either, there is no such page for anybody but this machine', async () => {
  const { ask, events } = createDoor({ type: 'loopback' })
  expect([(await ask()).status, (await ask(`Bearer ${TOKEN}`)).status, events.of('accessDenied')]).toEqual([404, 404, []])
})

test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('[O83] %s is no way to ask, and says so only to whoever may ask', async (method) => {
  const { ask } = createDoor({ type: 'token', token: TOKEN })
  const { status, headers } = await ask(`Bearer ${TOKEN}`, '192.0.2.7', method)
  expect([status, headers['allow'], (await ask(undefined, '192.0.2.7', method)).status]).toEqual([405, 'GET, HEAD', 401])
})
