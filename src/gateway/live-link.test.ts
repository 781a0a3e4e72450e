import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { server as createServer, type Server } from '@hapi/hapi'
import { describe, expect, test } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import type { VisitorId } from '../conversation/ids.ts'
import { CONTROL_FRAMES_PER_MINUTE_MAX, FRAME_BYTES_MAX, LINKS_PER_ADDRESS_MAX } from '../conversation/limits.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { SUBPROTOCOL } from '../protocol/protocol.ts'
import { createRecordedEvents, type RecordedEvents } from '../testing/recorded-events.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { TEST_SETTINGS } from '../testing/test-gateway.ts'
import { createAdmission } from './admission.ts'
import { Drain } from './drain.ts'
import type { GatewaySettings } from './gateway-context.ts'
import { createListener, serverOptions } from './listener.ts'
import { refusalOf, registerLiveLink, type OpenLink } from './live-link.ts'
import { securityHeaders } from './security-headers.ts'
import { registerVisitors } from './visitor.ts'
import { createPaths } from './paths.ts'

const paths = createPaths('')

const HEADER_NAMES = Object.keys(securityHeaders({ ...TEST_SETTINGS, paths }))

interface Door extends AsyncDisposable {
  readonly server: Server
  readonly clock: SimulatedClock
  readonly events: RecordedEvents
  /** Every socket that came through. */
  readonly links: readonly OpenLink[]
  /** A cookie that the door knows, and whose it is. */
  readonly cookie: string
  readonly visitor: VisitorId
  readonly origin: string
  startDraining(): void
  /** A browser’s upgrade, with what a test changes about it. */
  open(changes?: Changes): WebSocket
  /** The answer to an upgrade that is refused. */
  refusal(changes?: Changes): Promise<{ readonly status: number; readonly headers: Readonly<Record<string, unknown>> }>
}

interface Changes {
  readonly path?: string
  readonly origin?: string | undefined
  readonly cookie?: string
  readonly protocol?: string
  readonly options?: ClientOptions
}

/** The door on a real listener, with nothing behind it. */
async function createDoor(settings: Partial<GatewaySettings> = {}): Promise<Door> {
  const clock = createSimulatedClock()
  const chance = seededRandom(4)
  const events = createRecordedEvents()
  const server = createServer(serverOptions(createListener(), { host: '127.0.0.1', port: 0 }))
  const all = { ...TEST_SETTINGS, ...settings }
  const visitors = registerVisitors(server, all, (count) => chance.bytes(count))
  const drain = new Drain({ clock, isShared: false })
  server.ext('onPreStop', async () => void (await drain.end()))
  const links: OpenLink[] = []
  const context = { settings: all, events, admission: createAdmission(clock), drain, clock, isWholeServer: true, paths }
  registerLiveLink(server, context, visitors, (link) => {
    links.push(link)
    link.leaving.addEventListener('abort', () => link.socket.close(CLOSE_CODES.drain))
  })
  server.route({ method: 'GET', path: '/who', handler: (request) => visitors.of(request) })
  await server.start()
  const origin = `http://127.0.0.1:${server.info.port}`
  const response = await fetch(`${origin}/who`)
  const cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  const visitor = (await response.text()) as VisitorId

  const open = (changes: Changes = {}): WebSocket => {
    const headers = { cookie: changes.cookie ?? cookie, ...('origin' in changes ? { origin: changes.origin } : { origin }) }
    const present = Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value ? [[name, value]] : [])))
    return new WebSocket(`ws://127.0.0.1:${server.info.port}${changes.path ?? '/ws'}`, changes.protocol ?? SUBPROTOCOL, {
      perMessageDeflate: false,
      headers: present,
      ...changes.options,
    })
  }
  return {
    server,
    clock,
    events,
    links,
    cookie,
    visitor,
    origin,
    startDraining: () => void drain.begin(0),
    open,
    refusal: async (changes) => {
      const socket = open(changes)
      socket.on('error', () => undefined)
      const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number; headers: Record<string, unknown> }]
      socket.terminate()
      return { status: answer.statusCode, headers: answer.headers }
    },
    [Symbol.asyncDispose]: async () => {
      for (const { socket } of links) socket.terminate()
      await server.stop({ timeout: 1 })
    },
  }
}

/** An open link, seen from both ends. */
async function opened(door: Door, changes?: Changes): Promise<{ readonly browser: WebSocket; readonly link: OpenLink }> {
  const browser = door.open(changes)
  await once(browser, 'open')
  const link = door.links.at(-1)
  if (link === undefined) throw new Error('nobody has the socket')
  return { browser, link }
}

const reasonsOf = (door: Door) => door.events.of('linkRefused').map(({ reason }) => reason)

const codeOf = async (socket: WebSocket): Promise<number> => Number((await once(socket, 'close'))[0])

describe('an upgrade', () => {
  test('[H26] from our own page, with a cookie of ours, is a link of its visitor', async () => {
    await using door = await createDoor()
    const { browser, link } = await opened(door)
    expect([browser.protocol, browser.extensions, link.visitor]).toEqual([SUBPROTOCOL, '', door.visitor])
    expect(reasonsOf(door)).toEqual([])
  })
  test('[H4][E17] renews the cookie and carries the headers', async () => {
    await using door = await createDoor()
    const browser = door.open()
    const [[answer]] = (await Promise.all([once(browser, 'upgrade'), once(browser, 'open')])) as [
      [{ readonly headers: Readonly<Record<string, unknown>> }],
      unknown,
    ]
    const [renewed] = answer.headers['set-cookie'] as [string]
    expect(renewed).toMatch(/^visitor=\S+; Max-Age=7200; .*; HttpOnly; SameSite=Lax; Path=\/$/)
    const who = await fetch(`${door.origin}/who`, { headers: { cookie: renewed.split(';')[0] ?? '' } })
    expect(await who.text()).toBe(door.visitor)
    expect(HEADER_NAMES.filter((name) => !(name in answer.headers))).toEqual([])
  })

  const refused: readonly (readonly [string, Changes, number, string])[] = [
    ['at another address', { path: '/other' }, 404, 'path'],
    ['below the address', { path: '/ws/more' }, 404, 'path'],
    ['from another origin', { origin: 'https://evil.example' }, 403, 'origin'],
    ['from a null origin', { origin: 'null' }, 403, 'origin'],
    ['without an origin', { origin: undefined }, 403, 'origin'],
    ['from our name under another', { origin: 'http://127.0.0.1.evil.example' }, 403, 'origin'],
    ['from another port', { origin: 'http://127.0.0.1:1' }, 403, 'origin'],
    ['for another version', { options: { protocolVersion: 8 } }, 426, 'version'],
    ['for another protocol', { protocol: 'chat.v9' }, 400, 'version'],
    ['without a cookie', { cookie: '' }, 403, 'session'],
    ['with a garbled cookie', { cookie: 'visitor="a b' }, 403, 'session'],
    ['with a cookie that we did not sign', { cookie: `visitor=${'A'.repeat(60)}.${'0'.repeat(64)}*${'A'.repeat(43)}` }, 403, 'session'],
  ]
  test.each(refused)('[H3][H26][E17] %s is refused', async (_name, changes, status, reason) => {
    await using door = await createDoor()
    const answer = await door.refusal({
      ...changes,
      ...(changes.options && {
        origin: door.origin,
        options: { ...changes.options, headers: { cookie: door.cookie, origin: door.origin } },
      }),
    })
    expect([answer.status, reasonsOf(door), door.links]).toEqual([status, [reason], []])
    expect(HEADER_NAMES.filter((name) => !(name in answer.headers))).toEqual([])
  })
  test('[H26] is judged by the configured origin, whatever host it names', () => {
    const facts = (origin: string) => ({
      url: '/ws',
      method: 'GET',
      headers: { origin, host: 'evil.example', 'sec-websocket-version': '13', 'sec-websocket-protocol': 'other, chat.v1' },
    })
    const settings = { publicOrigin: 'https://chat.example', path: '/ws' }
    expect(refusalOf(facts('https://chat.example'), settings)).toBeUndefined()
    expect(refusalOf(facts('https://evil.example'), settings)).toMatchObject({ reason: 'origin' })
  })
  test('[H26] that is no WebSocket handshake is refused', async () => {
    await using door = await createDoor()
    const lines = [
      'GET /ws HTTP/1.1',
      `Host: 127.0.0.1:${door.server.info.port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
      'Sec-WebSocket-Key: short',
      `Origin: ${door.origin}`,
      `Cookie: ${door.cookie}`,
    ]
    const answer = await exchange(door, `${lines.join('\r\n')}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(reasonsOf(door)).toEqual(['version'])
    expect(HEADER_NAMES.filter((name) => !answer.includes(`\r\n${name}: `))).toEqual([])
  })
  test('[H23] beyond what one address may hold is refused, and taken again when one closes', async () => {
    await using door = await createDoor()
    const browsers = await Promise.all(Array.from({ length: LINKS_PER_ADDRESS_MAX }, async () => (await opened(door)).browser))
    const answer = await door.refusal()
    expect([answer.status, answer.headers['retry-after'], reasonsOf(door)]).toEqual([429, '30', ['rate']])
    // The server may have taken them in another order than they were asked for: any of its ends may be the one that closes.
    const closed = Promise.race(door.links.map(({ socket }) => once(socket, 'close')))
    browsers[0]?.terminate()
    await closed
    expect((await opened(door)).browser.readyState).toBe(WebSocket.OPEN)
  })
})

/** Everything that comes back to raw bytes until the server closes the socket. */
async function exchange(door: Door, bytes: string): Promise<string> {
  const socket: Socket = connect(Number(door.server.info.port), '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (text) => {
    received += String(text)
  })
  socket.write(bytes)
  await once(socket, 'close')
  return received
}

test('[H26] a refusal closes the socket, also for a peer that keeps its own half open', async () => {
  await using door = await createDoor()
  const ended = new Promise((resolve) => {
    door.server.listener.once('connection', (socket: Socket) => socket.once('close', resolve))
  })
  const peer = connect({ port: Number(door.server.info.port), host: '127.0.0.1', allowHalfOpen: true })
  peer.resume().write('GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await ended
  expect(reasonsOf(door)).toEqual(['path'])
  peer.destroy()
})

describe('a link', () => {
  test('[H27] is closed by a binary frame', async () => {
    await using door = await createDoor()
    const { browser } = await opened(door)
    browser.send(Buffer.from([1, 2, 3]))
    expect(await codeOf(browser)).toBe(1003)
  })
  test('[H27] is closed by a frame of more than 64 KiB, and takes one of 64 KiB', async () => {
    await using door = await createDoor()
    const { browser, link } = await opened(door)
    browser.send('x'.repeat(FRAME_BYTES_MAX))
    const [data] = (await once(link.socket, 'message')) as [Buffer]
    expect(data.length).toBe(FRAME_BYTES_MAX)
    browser.send('x'.repeat(FRAME_BYTES_MAX + 1))
    expect(await codeOf(browser)).toBe(1009)
    expect(door.events.of('frameRefused')).toEqual(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'])
  })
  test('[H27] is closed by a message in too many pieces', async () => {
    await using door = await createDoor()
    const { browser } = await opened(door)
    for (let piece = 0; piece < 200; piece += 1) browser.send('x', { fin: false })
    expect(await codeOf(browser)).toBe(1008)
  })
  test('[H27] is ended by a flood of pings, and no other is', async () => {
    await using door = await createDoor()
    const { browser } = await opened(door)
    const other = await opened(door)
    for (let ping = 0; ping <= CONTROL_FRAMES_PER_MINUTE_MAX; ping += 1) browser.ping()
    expect(await codeOf(browser)).toBe(1006)
    const pong = once(other.browser, 'pong')
    other.browser.ping()
    await pong
    expect(other.browser.readyState).toBe(WebSocket.OPEN)
  })
  test('[H27] that breaks off harms nothing', async () => {
    await using door = await createDoor()
    const { link } = await opened(door)
    const closed = new Promise((resolve) => link.socket.once('close', resolve))
    link.socket.emit('error', Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    link.socket.terminate()
    await closed
    expect((await opened(door)).browser.readyState).toBe(WebSocket.OPEN)
    expect(door.events.of('frameRefused')).toEqual(['ECONNRESET'])
  })
})

describe('a server that drains', () => {
  test('[H28] refuses new links', async () => {
    await using door = await createDoor()
    door.startDraining()
    const answer = await door.refusal()
    expect([answer.status, answer.headers['retry-after'], reasonsOf(door)]).toEqual([503, '1', ['draining']])
  })
  test('[H28] tells every link to come back elsewhere, one after another, before it stops', async () => {
    await using door = await createDoor()
    const links = await Promise.all([opened(door), opened(door), opened(door)])
    const codes = Promise.all(links.map(({ browser }) => codeOf(browser)))
    const stopped = door.server.stop({ timeout: 1_000 })
    await door.clock.settle()
    await door.clock.advance(100)
    expect(await codes).toEqual([1012, 1012, 1012])
    await stopped
    expect(door.clock.waiting).toBe(0)
  })
  test('[H28] ends a link that says no goodbye', async () => {
    await using door = await createDoor()
    const { browser } = await opened(door)
    browser.pause()
    const stopped = door.server.stop({ timeout: 1_000 })
    await door.clock.settle()
    await door.clock.advance(3_000)
    await stopped
    expect(door.links[0]?.socket.readyState).toBe(WebSocket.CLOSED)
    browser.terminate()
  })
})
