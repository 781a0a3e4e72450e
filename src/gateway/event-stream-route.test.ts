import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import { LogError } from '../conversation-log/log-error.ts'
import type { TurnBody } from '../conversation/entry.ts'
import { mintDeviceId, mintMessageId, SERVER_DEVICE, type SessionId } from '../conversation/ids.ts'
import {
  DRAIN_STREAM_MIN_MS,
  DRAIN_WINDOW_MIN_MS,
  EVENT_STREAM_GOODBYE_MS,
  EVENT_STREAM_MAX_MS,
  LINKS_PER_SESSION_MAX,
} from '../conversation/limits.ts'
import { openStream, type OpenStream } from '../testing/open-stream.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createTestGateway, TEST_HOST, type TestGateway, type TestVisitor } from '../testing/test-gateway.ts'

interface Asking {
  readonly headers?: Readonly<Record<string, string>>
  readonly query?: string
  readonly method?: string
}

/** `isShared`: as if other processes served the same log. */
async function listening(isShared = false): Promise<TestGateway> {
  const random = seededRandom(6)
  const log = createMemoryLog({ clock: createSimulatedClock(), random: (count) => random.bytes(count) })
  const gateway = await createTestGateway({}, { log: { ...log, profile: { ...log.profile, isShared } } })
  await gateway.server.start()
  return gateway
}

const open = (gateway: TestGateway, visitor: TestVisitor, session: string, { query = '', ...asking }: Asking = {}): Promise<OpenStream> =>
  openStream(gateway, visitor, { path: `/api/v1/sessions/${session}/events${query}`, ...asking })

async function ask(visitor: TestVisitor, session: string, content: string): Promise<void> {
  const { status } = await visitor.json('POST', `/api/v1/sessions/${session}/messages`, { content })
  expect(status).toBe(200)
}
/** A question with the longest answer there can be, of characters that are long themselves. */
async function answerAtLength(gateway: TestGateway, session: string): Promise<void> {
  const question = { device: SERVER_DEVICE, number: undefined, text: 'Tell me everything.', inReplyTo: undefined }
  const messageId = mintMessageId(0, (count) => crypto.getRandomValues(new Uint8Array(count)))
  await gateway.log.ask(session as SessionId, { ...question, messageId })
  const claimed = await gateway.claim()
  const { turnId, fence } = claimed
  const parts = Array.from({ length: 24 }, (_, index): TurnBody => {
    return { kind: 'answer-part', turnId, attempt: 1, index, persona: undefined, text: `${'€'.repeat(8_000)}\n\n` }
  })
  await gateway.log.write(claimed, [{ kind: 'turn-started', turnId, attempt: 1, fence }, ...parts])
  const end = { kind: 'turn-ended', turnId, attempt: 1, outcome: 'complete', reason: undefined } as const
  await gateway.log.write(claimed, [{ ...end, parts: parts.length, chars: 24 * 8_002, sha256: '0'.repeat(64) }])
}
const idsIn = (text: string): readonly string[] => [...text.matchAll(/^id: (.+)$/gm)].map(([, id = '']) => id)

describe('GET events', () => {
  test('[H40][H48] shows the session, then what is asked and answered while it is open', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using stream = await open(gateway, visitor, session, { headers: { 'accept-encoding': 'gzip, deflate' } })
    await stream.until('event: snapshot')
    await ask(visitor, session, 'Where is my form?')
    await stream.until('Where is my form?')
    await gateway.answer('On the page for forms.')
    expect(await stream.until('event: block')).toContain('"kind":"turn-ended"')
    const { statusCode, headers } = stream.answer
    expect({ statusCode, ...headers }).toMatchObject({
      statusCode: 200,
      'content-type': expect.stringMatching(/^text\/event-stream/),
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    expect(headers['content-encoding']).toBeUndefined()
    expect(gateway.events.of('linkResumed')).toEqual([{ outcome: 'snapshot', missed: 0 }])
  })

  test('[H40] goes on after `Last-Event-ID`, which counts before `?after=`', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await ask(visitor, session, 'One?')
    await using first = await open(gateway, visitor, session)
    const [one = ''] = idsIn(await first.until('\nid: '))
    await ask(visitor, session, 'Two?')
    const [, two = ''] = idsIn(await first.until('Two?'))
    await ask(visitor, session, 'Three?')
    await using second = await open(gateway, visitor, session, { query: `?after=${one}` })
    await using third = await open(gateway, visitor, session, { query: `?after=${one}`, headers: { 'last-event-id': two } })
    const [afterOne, afterTwo] = await Promise.all([second.until('Three?'), third.until('Three?')])
    expect([afterOne.includes('Two?'), afterTwo.includes('Two?'), afterTwo.includes('snapshot')]).toEqual([true, false, false])
  })

  test('[H41] takes a cursor away that cannot be, and refuses an address that names none', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using stream = await open(gateway, visitor, session, { headers: { 'last-event-id': 'nonsense' } })
    expect(await stream.until('event: snapshot')).toContain('event: fork\nid: \ndata: {}\n\n')
    const refused = await visitor.json('GET', `/api/v1/sessions/${session}/events?after=nonsense`)
    expect([refused.status, Object(refused.body).error.details]).toEqual([400, [{ where: 'query.after', problem: 'must be a cursor' }]])
  })

  test('[H8][H40] is for the visitor only', async () => {
    await using gateway = await listening()
    const [visitor, other] = [gateway.visitor(), gateway.visitor()]
    const session = await visitor.session()
    await other.session()
    const { status, body } = await other.json('GET', `/api/v1/sessions/${session}/events?after=nonsense`)
    expect([status, Object(body).error.code]).toEqual([404, 'SESSION_NOT_FOUND'])
  })

  test('[H48] answers HEAD with the headers and holds nothing', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using stream = await open(gateway, visitor, session, { method: 'HEAD' })
    expect([await stream.whole(), stream.answer.headers['content-type']]).toEqual(['', expect.stringMatching(/^text\/event-stream/)])
    expect([gateway.clock.waiting, gateway.events.of('linkOpened')]).toEqual([0, []])
  })
})

describe('a stream', () => {
  test('[H43][H44] ends by itself after 55 seconds', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    await using stream = await open(gateway, visitor, await visitor.session())
    await stream.until('event: snapshot')
    await gateway.clock.advance(EVENT_STREAM_MAX_MS)
    await stream.whole()
    await gateway.clock.settle()
    expect(gateway.clock.waiting).toBe(0)
    expect(gateway.events.of('linkClosed')).toEqual([{ transport: 'sse', code: 200, heldMs: EVENT_STREAM_MAX_MS }])
  })

  test('[H44] leaves nothing behind when its reader leaves', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    // More than there are places at once.
    for (let visit = 0; visit < LINKS_PER_SESSION_MAX * 2; visit += 1) {
      await using stream = await open(gateway, visitor, session)
      expect(stream.answer.statusCode).toBe(200)
      await stream.until('event: snapshot')
      const closed = gateway.events.next('linkClosed')
      stream.leave()
      await closed
      await gateway.clock.settle()
      expect(gateway.clock.waiting).toBe(0)
    }
  })

  test('[H44] ends when the server drains, so that stopping does not wait for it', async () => {
    const gateway = await listening()
    const visitor = gateway.visitor()
    await using stream = await open(gateway, visitor, await visitor.session())
    await stream.until('event: snapshot')
    await gateway.server.stop({ timeout: 10_000 })
    expect(await stream.whole()).not.toContain('failed')
    expect(gateway.clock.waiting).toBe(0)
    await gateway[Symbol.asyncDispose]()
  })

  test('[H80] ends within the window when the server drains and others serve the log, and one that comes then lasts a second', async () => {
    await using gateway = await listening(true)
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using stream = await open(gateway, visitor, session)
    await stream.until('event: snapshot')
    const drained = gateway.server.plugins.gateway.drain.begin(25_000)
    await gateway.clock.advance(DRAIN_WINDOW_MIN_MS)
    await drained
    expect(await stream.whole()).not.toContain('failed')
    await using late = await open(gateway, visitor, session)
    await late.until('event: snapshot')
    await gateway.clock.advance(DRAIN_STREAM_MIN_MS - 1)
    await ask(visitor, session, 'How?')
    await gateway.answer('Like this.')
    await gateway.clock.advance(1)
    expect(await late.whole()).toContain('Like this.')
  })

  test('[H28][H80] a page that would follow by events is sent to another process, where there are others', async () => {
    const query = `?device=${mintDeviceId((count) => new Uint8Array(count))}`
    const statusOf = async (isShared: boolean): Promise<unknown> => {
      await using gateway = await listening(isShared)
      const visitor = gateway.visitor()
      const session = await visitor.session()
      void gateway.server.plugins.gateway.drain.begin(25_000)
      await using stream = await open(gateway, visitor, session, { query })
      return [stream.answer.statusCode, stream.answer.headers['retry-after'], gateway.events.of('linkRefused')]
    }
    expect(await statusOf(true)).toEqual([503, '1', [{ transport: 'sse', reason: 'draining' }]])
    expect(await statusOf(false)).toEqual([200, undefined, []])
  })

  test('[H80] stays until the server says goodbye where nobody else serves the log', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using stream = await open(gateway, visitor, session)
    await stream.until('event: snapshot')
    await gateway.server.plugins.gateway.drain.begin(25_000)
    await gateway.clock.advance(DRAIN_WINDOW_MIN_MS + DRAIN_STREAM_MIN_MS)
    await ask(visitor, session, 'How?')
    await gateway.answer('Like this.')
    await stream.until('Like this.')
    await gateway.server.plugins.gateway.drain.end()
    expect(await stream.whole()).not.toContain('failed')
  })

  test('[H44] ends when its session is deleted', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using stream = await open(gateway, visitor, session)
    await stream.until('event: snapshot')
    await visitor.json('DELETE', `/api/v1/sessions/${session}`)
    await gateway.clock.advance(15_000)
    await stream.whole()
    expect((await visitor.json('GET', `/api/v1/sessions/${session}/events`)).status).toBe(404)
  })

  test('[H45] whose reader takes nothing is cut', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    // More than the buffers of both ends of a connection hold.
    for (let count = 0; count < 10; count += 1) await answerAtLength(gateway, session)
    const sent = httpRequest({
      host: '127.0.0.1',
      port: Number(gateway.server.info.port),
      path: `/api/v1/sessions/${session}/events`,
      headers: { host: TEST_HOST, cookie: visitor.cookie },
    })
    sent.end()
    sent.on('error', () => undefined)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    answer.on('error', () => undefined)
    const closed = gateway.events.next('linkClosed')
    await gateway.clock.advance(EVENT_STREAM_MAX_MS + EVENT_STREAM_GOODBYE_MS - 1)
    expect(gateway.events.of('linkClosed')).toEqual([])
    await gateway.clock.advance(1)
    await closed
    expect(gateway.clock.waiting).toBe(0)
    sent.destroy()
  })

  test('[H47] whose store fails says so in words of ours, with the reference of the log', async () => {
    const clock = createSimulatedClock()
    const chance = seededRandom(3)
    const log = createMemoryLog({ clock, random: (count) => chance.bytes(count) })
    const failures = [new LogError('unavailable', 'secret of the store'), new TypeError('secret of the code')]
    await using gateway = await createTestGateway({}, { log: Object.assign(log, { read: () => Promise.reject(failures.shift()) }) })
    await gateway.server.start()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using first = await open(gateway, visitor, session)
    await using second = await open(gateway, visitor, session)
    const texts = [await first.whole(), await second.whole()]
    const said = texts.map((text) => JSON.parse(/event: failed\ndata: (.+)\n\n$/.exec(text)?.[1] ?? 'null') as { error: object })
    const references = gateway.events.of('requestFailed').map(({ reference }) => reference)
    expect(said.map(({ error }) => error)).toEqual([
      { code: 'STORE_UNAVAILABLE', message: expect.any(String), isRetryable: true, reference: references[0] },
      { code: 'UNKNOWN_ERROR', message: expect.any(String), isRetryable: true, reference: references[1] },
    ])
    expect(texts.join('')).not.toContain('secret')
    expect(gateway.events.of('requestFailed').map(({ status, route }) => [status, route])).toEqual([
      [503, '/api/v1/sessions/{session}/events'],
      [500, '/api/v1/sessions/{session}/events'],
    ])
  })

  test('[H49] beyond what a session may hold is refused, and taken again when one ends', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await using streams = new AsyncDisposableStack()
    const held = await Promise.all(Array.from({ length: LINKS_PER_SESSION_MAX }, () => open(gateway, visitor, session)))
    for (const stream of held) streams.use(stream)
    const refused = await visitor.json('GET', `/api/v1/sessions/${session}/events`)
    expect([refused.status, refused.headers['retry-after'], Object(refused.body).error.code]).toEqual([429, '5', 'RATE_LIMITED'])
    expect(gateway.events.of('linkRefused')).toEqual([{ transport: 'sse', reason: 'rate' }])
    const closed = gateway.events.next('linkClosed')
    held[0]?.leave()
    await closed
    await using again = await open(gateway, visitor, session)
    expect(again.answer.statusCode).toBe(200)
  })
})
