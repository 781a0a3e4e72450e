import { describe, expect, test } from 'vitest'
import { createTestGateway, TEST_SECRET, type TestGateway } from '../testing/test-gateway.ts'

function setCookieOf(headers: Readonly<Record<string, unknown>>): string {
  const [first]: readonly unknown[] = [headers['set-cookie']].flat()
  return typeof first === 'string' ? first : ''
}

/** The visitor ids the store holds sessions for, as it sees them. */
async function visitorSeenFor(gateway: TestGateway, session: string): Promise<string | undefined> {
  const found = await gateway.log.findSession(session as never)
  return found?.visitor
}

const good = async (gateway: TestGateway): Promise<string> => {
  const visitor = gateway.visitor()
  await visitor.session()
  return visitor.cookie
}
const flip = (cookie: string, at: number): string => cookie.slice(0, at) + (cookie[at] === 'A' ? 'B' : 'A') + cookie.slice(at + 1)

describe('the cookie', () => {
  test('[H1] is signed, HttpOnly, Lax and for the whole site', async () => {
    await using gateway = await createTestGateway()
    const { headers } = await gateway.visitor().json('POST', '/api/v1/sessions')
    expect(setCookieOf(headers)).toMatch(
      /^visitor=[A-Za-z0-9+/=]{60}\.[0-9a-f]{64}\*[\w-]{43}; Max-Age=7200; Expires=[^;]+; HttpOnly; SameSite=Lax; Path=\/$/,
    )
  })
  test('[H1] is Secure and __Host- in production', async () => {
    await using gateway = await createTestGateway({ isProduction: true, publicOrigin: 'https://chat.example' })
    const { headers } = await gateway.visitor().json('POST', '/api/v1/sessions')
    expect(setCookieOf(headers)).toMatch(/^__Host-visitor=\S+; Max-Age=7200; Expires=[^;]+; Secure; HttpOnly; SameSite=Lax; Path=\/$/)
  })
  test('[H1] holds 256 bits that no two visitors share', async () => {
    await using gateway = await createTestGateway()
    const visitors = [gateway.visitor(), gateway.visitor()]
    for (const visitor of visitors) await visitor.session()
    const tokens = visitors.map(({ cookie }) => Buffer.from(cookie.slice('visitor='.length).split('.')[0] ?? '', 'base64').toString())
    expect(tokens.map((token) => Buffer.from(token, 'base64url').length)).toEqual([32, 32])
    expect(new Set(tokens).size).toBe(2)
  })
  test('[H4] is renewed for two lives of a session by every answer that needed it', async () => {
    await using gateway = await createTestGateway({ sessionTtlMs: 10_000 })
    const visitor = gateway.visitor()
    await visitor.session()
    const { headers } = await visitor.json('GET', '/api/v1/sessions')
    expect(setCookieOf(headers)).toContain('; Max-Age=20; ')
  })
  test('[H1] a request that does not ask who it is from gets none', async () => {
    await using gateway = await createTestGateway()
    const { headers } = await gateway.visitor().json('GET', '/api/v1/status')
    expect(headers['set-cookie']).toBeUndefined()
  })
  test('[H1] a secret that is too short is refused at the start', async () => {
    await expect(createTestGateway({ secret: 'x'.repeat(31) })).rejects.toThrow(RangeError)
  })
})

describe('the visitor', () => {
  test('[H2] is an id from which the cookie cannot be read', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const seen = await visitorSeenFor(gateway, await visitor.session())
    const token = Buffer.from(visitor.cookie.slice('visitor='.length).split('.')[0] ?? '', 'base64').toString()
    expect(seen).toMatch(/^[\w-]{43}$/)
    expect(visitor.cookie).not.toContain(seen)
    expect(token).not.toContain(seen)
    expect(gateway.events.of('sessionCreated')).toHaveLength(1)
    expect(JSON.stringify(gateway.events.of('sessionCreated'))).not.toContain(token)
  })
  test('[H2] is another one under another secret', async () => {
    await using one = await createTestGateway()
    await using other = await createTestGateway({ secret: TEST_SECRET.toUpperCase() })
    const [first, second] = await Promise.all(
      [one, other].map(async (gateway) => visitorSeenFor(gateway, await gateway.visitor().session())),
    )
    // The same chance made the same token in both.
    expect(first).not.toBe(second)
  })

  const bad: readonly (readonly [string, (cookie: string) => string])[] = [
    ['another token under the same signature', (cookie) => flip(cookie, 20)],
    ['another signature', (cookie) => flip(cookie, cookie.length - 2)],
    ['no signature', (cookie) => cookie.slice(0, cookie.indexOf('.'))],
    ['an empty value', () => 'visitor='],
    ['an unbalanced quote', () => 'visitor="b'],
    ['no equals sign', () => 'visitor'],
    ['__proto__', () => '__proto__=x'],
    ['8 KB', () => `visitor=${'a'.repeat(8_000)}`],
    ['control characters', () => 'visitor=\u0001\u0002'],
  ]
  test.each(bad)('[H3] with %s is a new one', async (_name, spoil) => {
    await using gateway = await createTestGateway()
    const somebody = await good(gateway)
    const visitor = gateway.visitor()
    visitor.cookie = spoil(somebody)
    const response = await visitor.request('GET', '/api/v1/sessions')
    expect([response.statusCode, JSON.parse(response.payload)]).toEqual([200, { sessions: [] }])
    expect(setCookieOf(response.headers)).toMatch(/^visitor=/)
    expect(visitor.cookie).not.toBe(somebody)
  })
  test('[H3] is still known when other cookies of the domain are odd', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    visitor.cookie = `odd="a b; ${visitor.cookie}; other=ü`
    const { status } = await visitor.json('GET', `/api/v1/sessions/${session}`)
    expect(status).toBe(200)
  })
  test('[H3] is still known when the name was sent twice', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const response = await visitor.request('GET', `/api/v1/sessions/${session}`, {
      headers: { cookie: `${visitor.cookie}; ${visitor.cookie}` },
    })
    expect(response.statusCode).toBe(200)
  })
  test('[H3] signed under another secret is a new one', async () => {
    await using gateway = await createTestGateway()
    await using elsewhere = await createTestGateway({ secret: TEST_SECRET.toUpperCase() })
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const stranger = elsewhere.visitor()
    stranger.cookie = visitor.cookie
    expect((await stranger.json('GET', `/api/v1/sessions/${session}`)).status).toBe(404)
    expect(stranger.cookie).not.toBe(visitor.cookie)
  })
})
