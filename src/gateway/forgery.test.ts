import { describe, expect, test } from 'vitest'
import type { VisitorId } from '../conversation/ids.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createTestGateway, TEST_HOST, TEST_SECRET } from '../testing/test-gateway.ts'
import { createFormTokens, isOurOrigin } from './forgery.ts'

const chance = seededRandom(3)
const tokens = createFormTokens(TEST_SECRET, (count) => chance.bytes(count))
const visitor = 'v'.repeat(43) as VisitorId
const stranger = 's'.repeat(43) as VisitorId

describe('where a request comes from', () => {
  const refused: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['another origin', { origin: 'https://evil.example' }],
    ['a null origin', { origin: 'null' }],
    ['our name under another', { origin: `http://${TEST_HOST}.evil.example` }],
    ['our name before an @', { origin: `http://${TEST_HOST}@evil.example` }],
    ['another port', { origin: `http://${TEST_HOST}:8080` }],
    ['a path after our origin', { origin: `http://${TEST_HOST}/` }],
    ['a sister site', { 'sec-fetch-site': 'same-site' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another site that claims our origin', { 'sec-fetch-site': 'cross-site', origin: `http://${TEST_HOST}` }],
  ]
  test.each(refused)('[E15] %s may not change anything', async (_name, headers) => {
    await using gateway = await createTestGateway()
    const owner = gateway.visitor()
    const session = await owner.session()
    const requests = [
      owner.request('POST', '/api/v1/sessions', { headers }),
      owner.request('DELETE', `/api/v1/sessions/${session}`, { headers }),
      owner.request('POST', `/api/v1/sessions/${session}/messages`, {
        headers: { ...headers, 'content-type': 'application/json' },
        payload: '{"content":"Hello"}',
      }),
    ]
    const answers = await Promise.all(requests)
    expect(answers.map(({ statusCode, payload }) => [statusCode, JSON.parse(payload).error.code])).toEqual(
      requests.map(() => [403, 'FORBIDDEN_ORIGIN']),
    )
    expect((await owner.json('GET', '/api/v1/sessions')).body).toMatchObject({ sessions: [{ sessionId: session, questions: 0 }] })
  })
  test.each([
    ['no browser', {}],
    ['our own page', { 'sec-fetch-site': 'same-origin', origin: `http://${TEST_HOST}` }],
    ['the address bar', { 'sec-fetch-site': 'none' }],
    ['an old browser on our own page', { origin: `http://${TEST_HOST}` }],
  ])('[E15] %s may', async (_name, headers) => {
    await using gateway = await createTestGateway()
    expect((await gateway.visitor().request('POST', '/api/v1/sessions', { headers })).statusCode).toBe(201)
  })
  test('[E15] anybody may read what is theirs, wherever the link was', async () => {
    await using gateway = await createTestGateway()
    const headers = { 'sec-fetch-site': 'cross-site' }
    expect((await gateway.visitor().request('GET', '/api/v1/sessions', { headers })).statusCode).toBe(200)
  })
  test('[E15] a configured origin is compared exactly, whatever host a request names', () => {
    const settings = { publicOrigin: 'https://chat.example' }
    const origins = [
      'https://chat.example',
      'http://chat.example',
      'https://chat.example:443',
      'https://CHAT.example',
      'https://evil.example',
      undefined,
    ]
    expect(origins.map((origin) => isOurOrigin(origin, 'evil.example', settings))).toEqual([true, false, false, false, false, false])
  })
})

describe('a form token', () => {
  test('[E16] is good for its visitor, as often as it is used', () => {
    const token = tokens.make(visitor)
    expect([tokens.isGood(visitor, token), tokens.isGood(visitor, token), tokens.isGood(stranger, token)]).toEqual([true, true, false])
  })
  test('[E16] differs at every rendering', () => {
    const made = Array.from({ length: 20 }, () => tokens.make(visitor))
    expect(new Set(made).size).toBe(20)
    expect(made.every((token) => tokens.isGood(visitor, token))).toBe(true)
  })
  test('[E16] under another secret is good for nobody', () => {
    const others = createFormTokens(TEST_SECRET.toUpperCase(), (count) => chance.bytes(count))
    expect(tokens.isGood(visitor, others.make(visitor))).toBe(false)
  })
  test.each([
    undefined,
    5,
    '',
    '.',
    'a.b',
    'a.b.c',
    `${tokens.make(visitor)}x`,
    `x${tokens.make(visitor)}`,
    tokens.make(visitor).slice(0, -1),
  ])('[E16] %s is not one', (token) => {
    expect(tokens.isGood(visitor, token)).toBe(false)
  })
})

describe('a form', () => {
  test('[E16] is handled only with a token of its visitor', async () => {
    await using gateway = await createTestGateway()
    gateway.server.route({ method: 'POST', path: '/form', handler: () => 'handled' })
    const owner = gateway.visitor()
    await owner.session()
    const post = (payload: string): Promise<{ readonly statusCode: number; readonly payload: string }> =>
      owner.request('POST', '/form', { payload, headers: { 'content-type': 'application/x-www-form-urlencoded' } })
    const refused = await Promise.all(['', 'csrf=', 'csrf=a.b', 'csrf=a&csrf=b', `csrf=${tokens.make(visitor)}`, '__proto__=x'].map(post))
    expect(refused.map(({ statusCode }) => statusCode)).toEqual(refused.map(() => 403))
    const { visitor: id } = (await gateway.log.findSession((await owner.session()) as never)) ?? { visitor: stranger }
    const accepted = await post(`csrf=${encodeURIComponent(tokens.make(id))}`)
    expect([accepted.statusCode, accepted.payload]).toEqual([200, 'handled'])
  })
  test('[E14][E16] that is refused gives the person their text back, escaped', async () => {
    await using gateway = await createTestGateway()
    gateway.server.route({ method: 'POST', path: '/form', handler: () => 'handled' })
    const response = await gateway.visitor().request('POST', '/form', {
      payload: new URLSearchParams({ question: '</textarea><script>alert(1)</script> & "more"' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect([response.statusCode, response.headers['content-type']]).toEqual([403, 'text/html; charset=utf-8'])
    expect(response.payload).toContain('\n&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;</textarea>')
    expect(response.payload).not.toContain('<script>')
  })
})
