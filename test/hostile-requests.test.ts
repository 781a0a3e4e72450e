/** The whole server, as it is composed, against whatever can be sent to it: attacks by name, and anything at all. */
import { once } from 'node:events'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { readConfig } from '../src/app/config.ts'
import { createPorts } from '../src/app/ports.ts'
import { startService, type Service } from '../src/app/service.ts'
import { ApiClient } from './api-client.ts'
import { createHeldAgent, type HeldAgent } from './held-agent.ts'
import { exchange, type RawAnswer } from './raw-http.ts'
import { temporaryFolder, type TemporaryFolder } from './server-process.ts'

/** What must never be in an answer: stack traces, paths of ours or of the machine, names of modules and libraries. */
const INTERNAL =
  /^\s+at .+:\d+:\d+|\.[jt]s:\d+|node_modules|node:internal|\/src\/|\/work\/|\/tmp\/|\/home\/|LogError|TypeError|SyntaxError|RangeError|valibot|\bhapi\b|nunjucks|\.sqlite|ECONN/m
const SECURITY_HEADERS = [
  'content-security-policy',
  'x-content-type-options',
  'referrer-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'permissions-policy',
]
const MINE = 'Zanzibarmarker'

interface Scene {
  readonly folder: TemporaryFolder
  readonly agent: HeldAgent
  readonly service: Service
  readonly lines: string[]
  readonly owner: ApiClient
  readonly session: string
  /** A live link of the owner, open all the time. */
  readonly link: WebSocket
  readonly attacker: ApiClient
  readonly attackersSession: string
}

let scene: Scene

beforeAll(async () => {
  const folder = temporaryFolder()
  const agent = await createHeldAgent()
  const lines: string[] = []
  const env = { NODE_ENV: 'test', PORT: '0', DATA_DIR: folder.path, AGENT_URL: agent.url, LOG_LEVEL: 'debug' }
  const service = await startService(readConfig(env), { ...createPorts(), writeLine: (line) => void lines.push(line) }, '1.2.3')
  const [owner, attacker] = [new ApiClient(service.url), new ApiClient(service.url)]
  const session = await owner.createSession()
  await owner.ask(session, MINE)
  const question = await agent.asked()
  question.say('Yes.')
  question.finish()
  await owner.until(session, (messages) => messages.find(({ status }) => status === 'complete'))
  const link = new WebSocket(`${service.url.replace('http', 'ws')}/ws`, 'chat.v1', {
    headers: { cookie: owner.cookie ?? '', origin: service.url },
  })
  await once(link, 'open')
  link.on('message', (data) => {
    const ping = /"type":"ping","n":(\d+)/.exec(Buffer.isBuffer(data) ? data.toString() : '')
    if (ping !== null) link.send(JSON.stringify({ type: 'pong', n: Number(ping[1]) }))
  })
  link.send(JSON.stringify({ type: 'hello', v: 1, session, device: 'd'.repeat(24) }))
  const [welcome]: readonly unknown[] = await once(link, 'message')
  if (!String(welcome).includes('"type":"welcome"')) throw new Error(`the owner's link was not welcomed: ${String(welcome)}`)
  scene = { folder, agent, service, lines, owner, session, link, attacker, attackersSession: await attacker.createSession() }
})

afterAll(async () => {
  scene.link.terminate()
  await scene.service.stop()
  await scene.agent[Symbol.asyncDispose]()
  scene.folder[Symbol.dispose]()
})

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: readonly string[]
  readonly body?: string | Buffer
}

/** A request as bytes; `headers` are whole lines. */
function bytesOf({ method = 'GET', path = '/', headers = [], body = '' }: Sent): Buffer {
  const head = [`${method} ${path} HTTP/1.1`, 'Connection: close', ...headers].join('\r\n')
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), Buffer.from(body)])
}

const hostLine = (): string => `Host: ${new URL(scene.service.url).host}`
const send = (sent: Sent): Promise<RawAnswer> =>
  exchange(scene.service.url, bytesOf({ ...sent, headers: [hostLine(), ...(sent.headers ?? [])] }))
const sendBytes = (...lines: readonly string[]): Promise<RawAnswer> => exchange(scene.service.url, `${lines.join('\r\n')}\r\n\r\n`)

/** What every answer must be like, whatever it answers. */
function faultsOf({ status, headers, body }: RawAnswer): readonly string[] {
  const location = headers.get('location')
  return [
    ...(status >= 200 || status === 101 ? [] : [`status ${status}`]),
    ...(status >= 500 ? [`status ${status}`] : []),
    ...SECURITY_HEADERS.filter((name) => !headers.has(name)).map((name) => `no ${name}`),
    ...['server', 'x-powered-by'].filter((name) => headers.has(name)).map((name) => `names itself in ${name}`),
    ...(location === undefined || /^\/(?!\/)/.test(location) ? [] : [`leads to ${location}`]),
    ...(INTERNAL.test(body) ? [`says ${INTERNAL.exec(body)?.[0]}`] : []),
    ...(body.includes(MINE) ? ['says what somebody else asked'] : []),
  ]
}

/** Whoever may look at the operator page is shown the settings in force (O205), and so the folder that the data is in. */
const withoutSettings = (address: string, answer: RawAnswer): RawAnswer =>
  address.startsWith('/ops/status') ? { ...answer, body: answer.body.replaceAll(scene.folder.path, '') } : answer

/** The process lives, the owner's conversation and link are as they were, and nothing failed inside. */
async function expectUnharmed(): Promise<void> {
  const { owner, session, link, service, lines } = scene
  expect((await fetch(`${service.url}/live`)).status).toBe(200)
  expect((await owner.messages(session)).map(({ role, content }) => [role, content])).toEqual([
    ['user', MINE],
    ['assistant', 'Yes.'],
  ])
  expect(link.readyState).toBe(WebSocket.OPEN)
  const ponged = once(link, 'pong')
  link.ping()
  await ponged
  expect(lines.filter((line) => /"http.response.status_code":5|"sys_crash"/.test(line))).toEqual([])
}

describe('by name', () => {
  const upgrade = (...headers: readonly string[]): Promise<RawAnswer> =>
    send({
      path: '/ws',
      headers: ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: chat.v1', ...headers],
    })
  const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='

  test.each([
    ['another website', 'Origin: https://evil.example', 403],
    ['no origin', 'X-Nothing: 1', 403],
    ['a null origin', 'Origin: null', 403],
    ['a name that begins like ours', 'Origin: http://127.0.0.1.evil.example', 403],
    ['our name as a user of another', 'Origin: http://127.0.0.1@evil.example', 403],
    ['another port', 'Origin: http://127.0.0.1:1', 403],
    ['a page of the machine', 'Origin: file://', 403],
  ])('[E24] a live link from %s is refused', async (_what, origin, status) => {
    const answer = await upgrade(KEY, origin, `Cookie: ${scene.owner.cookie}`)
    expect([answer.status, faultsOf(answer)]).toEqual([status, []])
  })

  test.each([
    ['without a key', 'X-Nothing: 1'],
    ['with a key that is none', 'Sec-WebSocket-Key: short'],
    ['of another version', `${KEY}\r\nSec-WebSocket-Version: 8`],
  ])('[E24] a handshake %s is refused', async (_what, line) => {
    const answer = await upgrade(line, `Origin: ${scene.service.url}`, `Cookie: ${scene.owner.cookie}`)
    expect([answer.status >= 400 && answer.status < 500, faultsOf(answer)]).toEqual([true, []])
  })

  test('[E24] offers of extensions with odd names harm nobody', async () => {
    const odd = 'Sec-WebSocket-Extensions: constructor,;__proto__, permessage-deflate;;;=, toString'
    const answer = await upgrade(KEY, odd, `Origin: ${scene.service.url}`, `Cookie: ${scene.owner.cookie}`)
    expect(answer.status === 101 || (answer.status >= 400 && answer.status < 500)).toBe(true)
    await expectUnharmed()
  })

  test.each([
    ['3,000 headers', Array.from({ length: 3_000 }, (_unused, index) => `X-${index}: 1`), 431],
    ['a header of 20 KB', [`X-Long: ${'x'.repeat(20_000)}`], 431],
    ['a cookie of 8 KB', [`Cookie: visitor=${'x'.repeat(8_000)}`], 200],
    ['a cookie that is not closed', ['Cookie: visitor="a'], 200],
    ['a cookie named like a property', ['Cookie: __proto__=1; constructor=2'], 200],
    ['an address in front of ours', ['X-Forwarded-For: 127.0.0.1, ::1', 'X-Real-IP: 127.0.0.1', 'Forwarded: for=127.0.0.1'], 200],
    ['a line end in a header', ['X-Request-Id: a\rb'], 400],
    ['a header without a name', [': nothing'], 400],
  ])('[E25] %s', async (_what, headers, status) => {
    const answer = await send({ headers })
    expect([answer.status, faultsOf(answer)]).toEqual([status, []])
  })

  test.each([
    ['a length and chunks', ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 4', 'Transfer-Encoding: chunked'], 400],
    ['two lengths', ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Content-Length: 2'], 400],
    ['no host', ['GET / HTTP/1.1', 'Connection: close'], 400],
    ['no version', ['GET /'], 400],
    ['another protocol', ['GET / HTTP/3.0', 'Host: a'], 400],
    ['TLS on the plain port', ['\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001'], 400],
    ['a method that is none', ['BREW / HTTP/1.1', 'Host: a'], 400],
    ['a space in the address', ['GET /a b HTTP/1.1', 'Host: a'], 400],
  ])('[E25] what is not HTTP, such as %s, is refused', async (_what, lines, status) => {
    const answer = await sendBytes(...lines)
    expect([answer.status, faultsOf(answer)]).toEqual([status, []])
  })

  test.each([
    ['TRACE', '/', 405],
    ['PUT', '/', 405],
    ['DELETE', '/chat', 405],
    ['PATCH', '/api/v1/status', 405],
    ['POST', '/health', 405],
    ['DELETE', '/live', 405],
    ['OPTIONS', '/api/v1/sessions', 405],
  ])('[E25] %s %s is refused', async (method, path, status) => {
    const answer = await send({ method, path })
    expect([answer.status, faultsOf(answer)]).toEqual([status, []])
  })

  test.each([
    ['/%E0%A4%A', [400, 404]],
    ['/help/%E0%A4%A', [400]],
    ['/%00', [400, 404]],
    ['/help/%00', [400, 404]],
    ['/..%2f..%2fetc%2fpasswd', [404]],
    ['/assets/..%2f..%2fpackage.json', [400, 404]],
    ['/assets/%2e%2e/%2e%2e/package.json', [400, 404]],
    ['//evil.example/', [404]],
    ['/\\evil.example', [404]],
    ['http://evil.example/', [200, 404]],
    ['/conversations/../../etc/passwd', [404]],
    ['/api/v1/sessions/__proto__', [404]],
    ['/help/constructor', [404]],
    [`/${'a'.repeat(3_000)}`, [404]],
    ['*', [400, 404]],
  ])('[E25] GET %j leads nowhere else', async (path, statuses) => {
    const answer = await send({ path })
    expect([statuses, faultsOf(answer)]).toEqual([expect.arrayContaining([answer.status]), []])
  })

  test('[E25] links and redirects do not follow a forged host', async () => {
    const answer = await exchange(
      scene.service.url,
      bytesOf({ path: '/chat', headers: ['Host: evil.example', 'X-Forwarded-Host: evil.example'] }),
    )
    expect([faultsOf(answer), answer.headers.get('location'), answer.body.includes('evil.example')]).toEqual([[], '/', false])
  })

  const JSON_TYPE = 'Content-Type: application/json'
  test.each([
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['no JSON', '{"content":'],
    ['keys that every object has', '{"__proto__":{"content":"x"},"constructor":1}'],
    ['a key twice', '{"content":"a","content":7}'],
    ['a number beyond all', '{"content":1e400}'],
    ['nesting without end', '['.repeat(30_000)],
    ['lone surrogates', String.raw`{"content":"\ud800"}`],
    ['nothing but space', String.raw`{"content":" \n\t "}`],
    ['tag characters alone', '{"content":"\u{E0041}\u{E0042}"}'],
    ['more than fits', JSON.stringify({ content: 'x'.repeat(17_000) })],
  ])('[E25] a question that is %s is refused and not kept', async (_what, text) => {
    const { attacker, attackersSession } = scene
    const body = Buffer.from(text)
    const path = `/api/v1/sessions/${attackersSession}/messages`
    const headers = [JSON_TYPE, `Content-Length: ${body.length}`, `Cookie: ${attacker.cookie}`]
    const answer = await send({ method: 'POST', path, headers, body })
    expect([answer.status, faultsOf(answer)]).toEqual([400, []])
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'VALIDATION_ERROR', isRetryable: false } })
    expect(await attacker.messages(attackersSession)).toEqual([])
  })

  test('[E25] nothing of it has done any harm', expectUnharmed)
})

// ── anything at all ──────────────────────────────────────────────────────────

const ID = '018f0000-0000-7000-8000-000000000001'
/** Every address there is, with places for a session and a message. */
const ADDRESSES = [
  '/',
  '/chat',
  '/conversations',
  '/conversations/SESSION',
  '/conversations/SESSION/messages',
  '/conversations/SESSION/ask-again',
  '/conversations/SESSION/stop',
  '/conversations/SESSION/cancel',
  '/conversations/SESSION/delete',
  '/help',
  '/help/stop-an-answer',
  '/accessibility',
  '/privacy',
  '/cookies',
  '/assets/nothing.css',
  '/api/v1/sessions',
  '/api/v1/sessions/SESSION',
  '/api/v1/sessions/SESSION/messages',
  `/api/v1/sessions/SESSION/messages/${ID}/stop`,
  '/api/v1/sessions/SESSION/events',
  '/api/v1/status',
  '/live',
  '/ready',
  '/health',
  '/health/detailed',
  '/metrics',
  '/ops/status',
  '/ws',
]
const METHODS = [
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'get',
  'BREW',
]

const visible = fc.string({ unit: 'grapheme-ascii' }).map((text) => text.replaceAll(/[\r\n]/g, ''))
const latin = fc.string({ unit: 'binary', maxLength: 40 }).map((text) =>
  Buffer.from(text)
    .toString('latin1')
    .replaceAll(/[\r\n\0]/g, ''),
)
const pathPart = fc.oneof(
  fc.constantFrom('%00', '%E0%A4%A', '..', '..%2f', '__proto__', ID, '%F0%9F%98%80', '\'"<script>', '{{7*7}}'),
  fc.string().map((text) => encodeURIComponent(text.toWellFormed())),
)
const address = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...ADDRESSES) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...ADDRESSES), pathPart).map(([path, part]) => `${path}/${part}`) },
  { weight: 1, arbitrary: pathPart.map((part) => `/${part}`) },
  { weight: 1, arbitrary: pathPart.map((part) => `/conversations/${part}/messages`) },
)
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.webQueryParameters().map((text) => `?${text}`) },
  { weight: 1, arbitrary: fc.constantFrom('?after=x&limit=-1', '?limit=1e9', '?question=%F0', '?a[]=1&a[b]=2', '?waiting=1&deleted=NaN') },
)
const headerLine = fc.oneof(
  fc.constantFrom(
    'Content-Type: application/json',
    'Content-Type: application/x-www-form-urlencoded',
    'Content-Type: multipart/form-data; boundary=x',
    'Content-Type: text/plain; charset=utf-16',
    'Content-Encoding: gzip',
    'Expect: 100-continue',
    'Range: bytes=0-1,2-3,-9',
    'If-None-Match: *',
    'If-Modified-Since: never',
    'Accept: text/event-stream',
    'Accept-Encoding: br;q=9, *;q=-1',
    'Origin: https://evil.example',
    'Sec-Fetch-Site: cross-site',
    'Last-Event-ID: 1.2.3',
    'Idempotency-Key: x',
    'Upgrade: websocket',
    'Upgrade: h2c',
    'Sec-WebSocket-Key: x',
    'Authorization: Bearer x',
    'traceparent: 00-0-0-00',
    'Transfer-Encoding: gzip',
  ),
  latin.map((text) => `Cookie: ${text}`),
  latin.map((text) => `Cookie: visitor=${text}`),
  fc
    .tuple(fc.constantFrom('User-Agent', 'X-Forwarded-For', 'X-Request-Id', 'Accept-Language', 'Referer'), latin)
    .map((pair) => pair.join(': ')),
  fc.tuple(fc.constantFrom('X-Odd', 'Accept', 'DNT'), visible).map((pair) => pair.join(': ')),
)
const body = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.record({ content: fc.string({ unit: 'binary' }), id: fc.constant(ID) }).map((value) => Buffer.from(JSON.stringify(value))),
  fc.json({ maxDepth: 20 }).map((text) => Buffer.from(text)),
  fc.webQueryParameters().map((text) => Buffer.from(`question=${text}&csrf=x&messageId=${ID}`)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
)
const request = fc.record({
  method: fc.constantFrom(...METHODS),
  address,
  query,
  headers: fc.array(headerLine, { maxLength: 4 }),
  body,
  isOwn: fc.boolean(),
  withCookie: fc.boolean(),
})

const failedRequests = (): number => scene.lines.filter((line) => line.includes('A request failed.')).length

test('[E26] whatever is sent to any address is answered with the security headers, without 5xx and without internals, and harms nobody', async () => {
  const { attacker, session } = scene
  const statuses = new Map<number, number>()
  let own = scene.attackersSession
  const failedBefore = failedRequests()
  const property = fc.asyncProperty(request, async (asked) => {
    const path = asked.address.replace('SESSION', asked.isOwn ? own : session) + asked.query
    const headers = [
      hostLine(),
      ...(asked.withCookie ? [`Cookie: ${attacker.cookie}`] : []),
      ...asked.headers,
      ...(asked.body.length > 0 ? [`Content-Length: ${asked.body.length}`] : []),
    ]
    const answer = await exchange(scene.service.url, bytesOf({ method: asked.method, path, headers, body: asked.body }))
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    if (answer.status === 204) own = await attacker.createSession()
    expect(faultsOf(withoutSettings(asked.address, answer))).toEqual([])
  })
  await fc.assert(property, { numRuns: 900, seed: 2_026, endOnFailure: true })
  // It went everywhere, and not only to the door; and whatever failed was told once.
  expect([...statuses.keys()].toSorted((a, b) => a - b)).toEqual(expect.arrayContaining([200, 303, 400, 403, 404, 405, 415]))
  const failed = Array.from(statuses, ([status, count]) => (status >= 400 ? count : 0)).reduce((sum, count) => sum + count, 0)
  expect(failedRequests() - failedBefore).toBe(failed)
  await expectUnharmed()
})
