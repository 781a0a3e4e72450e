import { server as createServer } from '@hapi/hapi'
import { describe, expect, test } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import { mintTrace, referenceOf } from '../conversation/trace.ts'
import { createFaultyLog } from '../testing/faulty-log.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createTestGateway, type TestGateway } from '../testing/test-gateway.ts'
import { createPages } from '../testing/test-pages.ts'
import { minimalErrorPage, registerErrorReplies } from './error-replies.ts'
import { registerRequestTraces } from './request-trace.ts'
import { scopeOf } from './scope.ts'

const REFERENCE = /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}$/
const SECRET_WORDS = 'SELECT secret FROM /srv/app.ts'

const chance = seededRandom(5)
const randomBytes = (count: number): Uint8Array => chance.bytes(count)

/** A gateway with routes that fail in the given way, for the API and for people. */
async function failing(fail: () => unknown): Promise<TestGateway> {
  const gateway = await createTestGateway()
  for (const path of ['/api/v1/fail/{id}', '/fail/{id}']) gateway.server.route({ method: 'GET', path, handler: fail as () => string })
  return gateway
}

/** Throws whatever it is given, as broken code may. */
const thrower = (thrown: unknown) => (): never => {
  throw thrown
}

describe('the unexpected', () => {
  const causes: readonly (readonly [string, () => unknown])[] = [
    ['an error', thrower(new Error(SECRET_WORDS))],
    ['an error with a status of its own', thrower(Object.assign(new Error(SECRET_WORDS), { statusCode: 418, code: SECRET_WORDS }))],
    ['a rejection', () => Promise.reject(new TypeError(SECRET_WORDS))],
    ['text', thrower(SECRET_WORDS)],
    ['nothing', thrower(undefined)],
    ['a handler that forgets to answer', () => undefined],
  ]
  test.each(causes)('[E1][E12] %s is 500 INTERNAL_ERROR with a reference and nothing else', async (_name, fail) => {
    await using gateway = await failing(fail)
    const { status, body, headers } = await gateway.visitor().json('GET', '/api/v1/fail/7')
    expect({ status, body }).toEqual({
      status: 500,
      body: {
        error: {
          code: 'INTERNAL_ERROR',
          message: 'Something went wrong. The reference helps us to find out what.',
          isRetryable: true,
          reference: expect.stringMatching(REFERENCE),
        },
      },
    })
    expect(JSON.stringify(headers)).not.toContain('secret')
  })
  test.each(causes)('[E12][E14] %s is a page for people', async (_name, fail) => {
    await using gateway = await failing(fail)
    const { statusCode, payload, headers } = await gateway.visitor().request('GET', '/fail/7')
    expect([statusCode, headers['content-type'], headers['cache-control']]).toEqual([500, 'text/html; charset=utf-8', 'no-store'])
    expect(payload).toContain('Sorry, there is a problem with the service')
    expect(payload).not.toContain('secret')
  })
})

describe('what is reported', () => {
  test('[E13] is each failure once, by its template, with the reference that was shown', async () => {
    const cause = new Error(SECRET_WORDS)
    await using gateway = await failing(thrower(cause))
    const { body } = await gateway.visitor().json('GET', '/api/v1/fail/7?q=private')
    expect(gateway.events.of('requestFailed')).toEqual([
      { method: 'GET', route: '/api/v1/fail/{id}', status: 500, reference: Object(body).error.reference, trace: expect.anything(), cause },
    ])
  })
  test('[E13] names no address that nobody serves', async () => {
    await using gateway = await createTestGateway()
    const { payload } = await gateway.visitor().request('GET', '/private/words')
    const [failure, ...more] = gateway.events.of('requestFailed')
    expect([failure, more]).toMatchObject([{ method: 'GET', route: 'unknown', status: 404 }, []])
    expect(payload).toContain(`Reference: ${failure?.reference}`)
  })
  test('[E13] is nothing when nothing failed', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    await visitor.json('GET', `/api/v1/sessions/${await visitor.session()}`)
    expect(gateway.events.of('requestFailed')).toEqual([])
  })
  test('[E21] is quoted by six characters that are easy to read out', () => {
    const references = Array.from({ length: 500 }, () => referenceOf(mintTrace(randomBytes)))
    expect(references.every((reference) => REFERENCE.test(reference))).toBe(true)
    expect(new Set(references).size).toBe(500)
  })
})

describe('the page about a failure', () => {
  const page = { code: 'NOT_FOUND', status: 500, title: 'T<', message: 'M&', reference: 'R"', keptText: undefined }
  test('[E14] is minimal, escaped and whole when no other can be made', async () => {
    const server = createServer()
    const events = createRecordedEvents()
    const renderErrorPage = () => thrower(new Error(SECRET_WORDS))
    const traceOf = registerRequestTraces(server, scopeOf(server, true), { clock: createSimulatedClock(), randomBytes, events })
    registerErrorReplies(server, { events, traceOf, renderErrorPage, isAnswered: () => true })
    const { statusCode, payload } = await server.inject('/nothing')
    expect([statusCode, payload.startsWith('<!DOCTYPE html><html lang="en">')]).toEqual([404, true])
    expect(events.of('requestFailed')).toMatchObject([{ status: 404 }, { route: 'error-page', status: 500 }])
    expect(payload).not.toContain('secret')
  })
  test('[E14] escapes everything and leaves out what there is not', () => {
    expect(minimalErrorPage(page)).toContain('<h1>T&lt;</h1><p>M&amp;</p><p>Reference: R&quot;</p>')
  })
})

describe('addresses and methods', () => {
  test.each(['/api', '/api/', '/api/v1', '/api/v2/sessions', '/api/v1/sessionsx', '/api/v1/sessions/a/b', '/api//v1'])(
    '[E2] %s is a JSON 404',
    async (url) => {
      await using gateway = await createTestGateway()
      const { status, body } = await gateway.visitor().json('GET', url)
      expect([status, Object(body).error.code]).toEqual([404, 'NOT_FOUND'])
    },
  )
  test.each(['/nothing', '/apis', '//evil.example', '/..%2f..%2fetc', '/.env'])('[E2] %s is a page', async (url) => {
    await using gateway = await createTestGateway()
    const { statusCode, headers } = await gateway.visitor().request('GET', url)
    expect([statusCode, headers['content-type'], headers['location']]).toEqual([404, 'text/html; charset=utf-8', undefined])
  })
  test.each([
    ['PUT', '/', 'GET, HEAD'],
    ['DELETE', '/conversations', 'GET, HEAD, POST'],
    ['GET', '/conversations/a/stop', 'POST'],
  ])('[E3] %s %s is a page that says there is none, and a 405', async (method, url, allow) => {
    await using gateway = await createPages()
    const { statusCode, headers, payload } = await gateway.visitor().request(method, url, { headers: { origin: 'http://chat.test' } })
    expect([statusCode, headers['allow'], payload.includes('Page not found')]).toEqual([405, allow, true])
  })
  test('[E3] an address that cannot be read takes no method', async () => {
    await using gateway = await createPages()
    const origin = { origin: 'http://chat.test' }
    const { statusCode } = await gateway.visitor().request('DELETE', '/conversations/%E0%A4%A/messages', { headers: origin })
    expect(statusCode).toBe(404)
  })
  test.each(['/api/%E0%A4%A', '/api/v1/sessions/%'])('[E1] %s is no address at all: 400', async (url) => {
    await using gateway = await createTestGateway()
    const { statusCode, payload } = await gateway.visitor().request('GET', url)
    expect(statusCode).toBe(400)
    expect(payload).not.toContain('%')
  })
  const id = 'a'.repeat(32)
  test.each([
    ['PUT', '/api/v1/sessions', 'POST, GET, HEAD'],
    ['PATCH', `/api/v1/sessions/${id}`, 'GET, HEAD, DELETE'],
    ['DELETE', `/api/v1/sessions/${id}/messages`, 'POST, GET, HEAD'],
    ['GET', `/api/v1/sessions/${id}/messages/${id}/stop`, 'POST'],
    ['POST', '/api/v1/status', 'GET, HEAD'],
    ['OPTIONS', '/api/v1/status', 'GET, HEAD'],
    ['TRACE', '/api/v1/status', 'GET, HEAD'],
  ])('[E3] %s %s is 405 and says what is taken', async (method, url, allow) => {
    await using gateway = await createTestGateway()
    const { status, body, headers } = await gateway.visitor().json(method, url)
    expect([status, Object(body).error.code, headers['allow']]).toEqual([405, 'METHOD_NOT_ALLOWED', allow])
  })
})

describe('while the store is away', () => {
  const offline = {
    status: 'offline',
    notice: expect.stringContaining('Keep your text'),
    error: { code: 'STORE_UNAVAILABLE', message: expect.any(String), isRetryable: true, reference: expect.stringMatching(REFERENCE) },
  }
  const id = 'a'.repeat(32)
  const requests: readonly (readonly [string, string, unknown])[] = [
    ['POST', '/api/v1/sessions', undefined],
    ['GET', '/api/v1/sessions', undefined],
    ['GET', `/api/v1/sessions/${id}`, undefined],
    ['DELETE', `/api/v1/sessions/${id}`, undefined],
    ['GET', `/api/v1/sessions/${id}/messages`, undefined],
    ['POST', `/api/v1/sessions/${id}/messages`, { content: 'Hello' }],
  ]
  test.each(requests)('[E11] %s %s says so, by the level', async (method, url, body) => {
    await using gateway = await createTestGateway()
    gateway.level = 'offline'
    const answer = await gateway.visitor().json(method, url, body)
    expect([answer.status, answer.body, answer.headers['retry-after']]).toEqual([503, offline, '5'])
  })
  test.each(requests)('[E11] %s %s says so, by the failure', async (method, url, body) => {
    const log = createFaultyLog(createMemoryLog({ clock: createSimulatedClock(), random: randomBytes }))
    log.fault('refuses')
    await using gateway = await createTestGateway({}, { log })
    const answer = await gateway.visitor().json(method, url, body)
    expect([answer.status, answer.body, answer.headers['retry-after']]).toEqual([503, offline, '5'])
    expect(gateway.events.of('requestFailed')).toMatchObject([{ status: 503, cause: { name: 'LogError' } }])
  })
  test('[E11] a question whose acceptance was lost is asked once when it is sent again', async () => {
    const log = createFaultyLog(createMemoryLog({ clock: createSimulatedClock(), random: randomBytes }))
    await using gateway = await createTestGateway({}, { log })
    const visitor = gateway.visitor()
    const url = `/api/v1/sessions/${await visitor.session()}/messages`
    const question = { content: 'Hello', id: '018f0000-0000-7000-8000-000000000001' }
    log.fault('loses', ['ask'])
    expect((await visitor.json('POST', url, question)).status).toBe(503)
    log.fault(undefined)
    expect((await visitor.json('POST', url, question)).status).toBe(200)
    expect((await visitor.json('GET', url)).body).toMatchObject({ messages: [{ id: question.id, status: 'sent' }], hasMore: false })
  })
})
