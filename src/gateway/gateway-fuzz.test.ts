import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTestGateway } from '../testing/test-gateway.ts'

/** What must never be in an answer: stack traces, paths of ours, names of modules. */
const INTERNAL = /\bat .+:\d+:\d+|node_modules|node:internal|\.ts\b|\/src\/|LogError|TypeError|SyntaxError|valibot|hapi/

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const

const ID = '018f0000-0000-7000-8000-000000000001'

/** Addresses near the real ones, with a place for a session and a message. */
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('/api/v1/sessions', '/api/v1/sessions/SESSION', '/api/v1/sessions/SESSION/messages') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(`/api/v1/sessions/SESSION/messages/${ID}/stop`, '/api/v1/status', '/api/v1', '/api', '/nothing'),
  },
  { weight: 1, arbitrary: fc.webPath().map((text) => `/api/v1/${text}`) },
  { weight: 1, arbitrary: fc.string().map((text) => `/api/v1/sessions/${encodeURIComponent(text.toWellFormed())}/messages`) },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom('%', '/', '.', '\\', '0', 'E', '?', '#') }).map((text) => `/${text}`) },
)
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.webQueryParameters().map((text) => `?${text}`) },
  { weight: 1, arbitrary: fc.string().map((text) => `?after=${encodeURIComponent(text.toWellFormed())}&limit=${text.length}`) },
)
/** Bodies from "almost right" to "anything". */
const body = fc.oneof(
  fc
    .record({ content: fc.string({ unit: 'binary' }), id: fc.oneof(fc.constant(ID), fc.string()) }, { requiredKeys: ['content'] })
    .map((value) => JSON.stringify(value)),
  fc.record({ content: fc.anything(), metadata: fc.anything() }).map((value) => fc.stringify(value)),
  fc.json({ maxDepth: 20 }),
  fc.string({ unit: 'binary' }),
  fc.constant(''),
)
const header = fc.oneof(
  fc.constant({}),
  fc.constant({ 'content-type': 'application/json' }),
  fc.record({ 'content-type': fc.string({ unit: 'grapheme-ascii' }) }),
  fc.record({ 'content-type': fc.constant('application/json'), 'idempotency-key': fc.string({ unit: 'grapheme-ascii' }) }),
  fc.record({ origin: fc.webUrl() }),
  fc.record({ cookie: fc.string({ unit: 'grapheme-ascii' }) }),
  fc.record({ 'x-forwarded-for': fc.string({ unit: 'grapheme-ascii' }), 'content-encoding': fc.constantFrom('gzip', 'br', 'identity') }),
)

test(
  '[E22] whatever is sent to any route is answered, without 500 and without internals, and harms nobody',
  { timeout: 60_000 },
  async () => {
    await using gateway = await createTestGateway({ sessionTtlMs: 24 * 60 * 60_000 })
    const owner = gateway.visitor()
    const session = await owner.session()
    await owner.json('POST', `/api/v1/sessions/${session}/messages`, { content: 'Mine', id: ID })
    const attacker = gateway.visitor()
    let own = await attacker.session()
    const { cookie } = attacker
    const statuses = new Set<number>()

    const request = fc.record({ method: fc.constantFrom(...METHODS), path, query, body, header, isOwn: fc.boolean() })
    const property = fc.asyncProperty(request, async (asked) => {
      // So that the rate is never what answers.
      await gateway.clock.advance(4_000)
      attacker.cookie = cookie
      const url = asked.path.replace('SESSION', asked.isOwn ? own : session) + asked.query
      const response = await attacker.request(asked.method, url, {
        headers: asked.header,
        ...(asked.method === 'GET' || asked.method === 'HEAD' ? {} : { payload: asked.body }),
      })
      statuses.add(response.statusCode)
      if (response.statusCode === 204) own = await attacker.session()
      expect(response.statusCode).toBeGreaterThanOrEqual(200)
      expect(response.statusCode).toBeLessThan(500)
      expect(response.payload).not.toMatch(INTERNAL)
      expect(response.payload).not.toContain('Mine')
      expect(response.headers['content-security-policy']).toBeDefined()
    })
    await fc.assert(property, { numRuns: 1_500, seed: 2_026, endOnFailure: false })

    // It went everywhere, and not only to the door.
    expect([...statuses].toSorted((a, b) => a - b)).toEqual(expect.arrayContaining([200, 201, 204, 400, 403, 404, 405, 415]))
    const { body: after } = await owner.json('GET', `/api/v1/sessions/${session}/messages`)
    expect(after).toMatchObject({ messages: [{ id: ID, content: 'Mine', status: 'sent', metadata: {} }] })
    expect(gateway.events.of('requestFailed').filter(({ status }) => status >= 500)).toEqual([])
  },
)
