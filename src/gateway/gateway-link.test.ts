import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { mintDeviceId, mintMessageId, type DeviceId, type MessageId, type SessionId } from '../conversation/ids.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { formatFrames, parseServerFrames } from '../protocol/parse-frame.ts'
import { PROTOCOL_VERSION, SUBPROTOCOL, type ClientFrame, type ServerFrame } from '../protocol/protocol.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createTestGateway, type TestGateway, type TestVisitor } from '../testing/test-gateway.ts'

const chance = seededRandom(9)
const random = (count: number): Uint8Array => chance.bytes(count)

interface Browser {
  readonly socket: WebSocket
  readonly frames: ServerFrame[]
  say(...frames: readonly ClientFrame[]): void
  /** Resolves with the first frame of the type, from the first one that came. */
  frame<Type extends ServerFrame['type']>(type: Type): Promise<ServerFrame & { readonly type: Type }>
  readonly closed: Promise<number>
}

/** A browser on the real listener, speaking the protocol by hand. */
async function browse(gateway: TestGateway, visitor: TestVisitor): Promise<Browser> {
  const { port } = gateway.server.info
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, SUBPROTOCOL, {
    headers: { cookie: visitor.cookie, origin: `http://127.0.0.1:${port}` },
    perMessageDeflate: false,
  })
  const frames: ServerFrame[] = []
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  socket.on('message', (data) => {
    for (const parsed of parseServerFrames(Buffer.isBuffer(data) ? data.toString() : '')) {
      if (!parsed.ok) throw new Error(parsed.problem)
      frames.push(parsed.frame)
    }
    socket.emit('frames')
  })
  await once(socket, 'open')
  return {
    socket,
    frames,
    closed,
    say: (...said) => socket.send(formatFrames(said)),
    frame: async <Type extends ServerFrame['type']>(type: Type) => {
      for (;;) {
        const found = frames.find((frame): frame is ServerFrame & { readonly type: Type } => frame.type === type)
        if (found !== undefined) return found
        await once(socket, 'frames')
      }
    },
  }
}

async function listening(): Promise<TestGateway> {
  const gateway = await createTestGateway()
  await gateway.server.start()
  return gateway
}

const hello = (session: string, device: DeviceId = mintDeviceId(random)): ClientFrame => ({
  type: 'hello',
  v: PROTOCOL_VERSION,
  session: session as SessionId,
  device,
  resume: undefined,
})
const question = (messageId: MessageId, text: string): ClientFrame => ({ type: 'send', messageId, number: 1, text, inReplyTo: undefined })

describe('a link through the whole gateway', () => {
  test('[H29] keeps a question of its visitor, and the API and the link show the same', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const browser = await browse(gateway, visitor)
    const messageId = mintMessageId(0, random)
    browser.say(hello(session))
    await browser.frame('welcome')
    browser.say(question(messageId, 'Over the link'))
    expect(await browser.frame('accepted')).toMatchObject({ messageId, number: 1, seq: 1, duplicate: false })
    expect((await visitor.json('GET', `/api/v1/sessions/${session}/messages`)).body).toMatchObject({
      messages: [{ id: messageId, content: 'Over the link', status: 'sent' }],
    })
    await gateway.answer('Over the log.')
    await browser.frame('block')
    expect(browser.frames.flatMap((frame) => (frame.type === 'entry' ? [frame.entry.kind] : []))).toEqual([
      'message',
      'turn-started',
      'answer-part',
      'turn-ended',
    ])
    browser.socket.terminate()
  })
  test.each([
    [
      'a trace',
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
      { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' },
    ],
    ['no trace', 'of no form at all', undefined],
  ])('[P20] takes a question that names %s', async (_what, traceparent, from) => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const browser = await browse(gateway, visitor)
    browser.say(hello(session))
    await browser.frame('welcome')
    browser.say({ ...question(mintMessageId(0, random), 'From somewhere'), traceparent } as ClientFrame)
    await browser.frame('accepted')
    expect(gateway.events.of('questionAccepted').map((accepted) => accepted.from)).toEqual([from])
    browser.socket.terminate()
  })
  test.each([
    ['somebody else’s session', async (gateway: TestGateway) => gateway.visitor().session()],
    ['a session that never was', async () => 'f'.repeat(32)],
  ])('[H29] to %s is closed without a word about it', async (_name, sessionOf) => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    await visitor.session()
    const browser = await browse(gateway, visitor)
    browser.say(hello(await sessionOf(gateway)))
    expect(await browser.closed).toBe(CLOSE_CODES.sessionGone)
    expect(browser.frames.map(({ type }) => type)).toEqual(['bye'])
  })
  test.each([
    ['a frame before hello', formatFrames([question(mintMessageId(0, random), 'Hello')]), CLOSE_CODES.protocol],
    ['three frames of nonsense', 'null\n[]\n{"type":"hello","__proto__":{}}', CLOSE_CODES.protocol],
    ['a flood of frames', `${'{"type":"pong","n":0}\n'.repeat(2_000)}{}`, CLOSE_CODES.protocol],
    ['60,000 open brackets', '['.repeat(60_000), CLOSE_CODES.protocol],
  ])('[H29] that sends %s harms no other', async (_name, message, code) => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const other = await browse(gateway, visitor)
    other.say(hello(session))
    await other.frame('welcome')
    const browser = await browse(gateway, visitor)
    browser.socket.send(message)
    browser.socket.send(message)
    browser.socket.send(message)
    expect(await browser.closed).toBe(code)
    const messageId = mintMessageId(0, random)
    other.say(question(messageId, 'Still here'))
    expect(await other.frame('accepted')).toMatchObject({ messageId })
    other.socket.terminate()
  })
  test('[H29] may ask so much in a minute, over all its links and the API', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const url = `/api/v1/sessions/${session}/messages`
    for (let index = 0; index < 15; index += 1) await visitor.json('POST', url, { content: `Question ${index}` })
    const browser = await browse(gateway, visitor)
    browser.say(hello(session))
    await browser.frame('welcome')
    browser.say(question(mintMessageId(0, random), 'One more'))
    expect(await browser.frame('rejected')).toMatchObject({ code: 'rate', temporary: true, retryAfterMs: 4_000 })
    browser.socket.terminate()
  })
  test('[S16] is told of a change of the level at once, without waiting for anything else to happen', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const browser = await browse(gateway, visitor)
    browser.say(hello(session))
    await browser.frame('welcome')
    expect(gateway.levelListeners.size).toBe(1)
    gateway.level = 'limited'
    for (const tell of gateway.levelListeners) tell()
    expect(await browser.frame('level')).toMatchObject({ level: 'limited', away: undefined })
    browser.frames.splice(0)
    gateway.away = ['link']
    for (const tell of gateway.levelListeners) tell()
    expect(await browser.frame('level')).toMatchObject({ level: 'limited', away: ['link'] })
    const left = gateway.events.next('linkClosed')
    browser.socket.close()
    await left
    expect(gateway.levelListeners.size).toBe(0)
  })

  test('[H28][H81] goes on while the server drains, as requests do, but no new one is taken and no connection kept', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const browser = await browse(gateway, visitor)
    browser.say(hello(session))
    await browser.frame('snapshot')
    const url = `http://127.0.0.1:${gateway.server.info.port}`
    const answered = async (): Promise<readonly unknown[]> => {
      const body = JSON.stringify({ content: 'How?' })
      const headers = { cookie: visitor.cookie, 'content-type': 'application/json', connection: 'keep-alive' }
      const request = httpRequest(`${url}/api/v1/sessions/${session}/messages`, { method: 'POST', headers, agent: false }).end(body)
      const [answer] = (await once(request, 'response')) as [IncomingMessage]
      answer.resume()
      return [answer.statusCode, answer.headers.connection]
    }
    expect(await answered()).toEqual([200, 'keep-alive'])
    await gateway.server.plugins.gateway.drain.begin(25_000)
    expect(await answered()).toEqual([200, 'close'])
    await expect(browse(gateway, visitor)).rejects.toThrow('503')
    await gateway.answer('Like this.')
    expect(await browser.frame('block')).toMatchObject({ html: expect.stringContaining('Like this.') })
    browser.socket.close()
  })

  test('[H28] is told to come back when the server drains, and the server stops', async () => {
    await using gateway = await listening()
    const visitor = gateway.visitor()
    await visitor.session()
    const browser = await browse(gateway, visitor)
    const stopped = gateway.server.stop({ timeout: 1_000 })
    await gateway.clock.settle()
    await gateway.clock.advance(10)
    expect(await browser.closed).toBe(CLOSE_CODES.drain)
    expect(browser.frames).toMatchObject([{ type: 'bye', code: CLOSE_CODES.drain, retry: 'resume' }])
    await stopped
    expect(gateway.clock.waiting).toBe(0)
  })
})
