/** HTTP agents over real connections on this machine. */
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { ask, failureFacts, QUESTION, textOf } from '../testing/asked-agent.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createNodeAgentHttp } from './node-agent-http.ts'
import { OpenAiAgent } from './openai-agent.ts'

const send = createNodeAgentHttp({ http: httpRequest, https: httpsRequest })

interface Listening extends AsyncDisposable {
  readonly url: string
  readonly connections: number
}

async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    get connections() {
      return connections
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An agent that speaks HTTP, however it likes. */
const startAgent = (answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> =>
  listen(
    createServer((request, response) => {
      request.resume()
      request.once('end', () => answer(request, response))
    }),
  )

interface RawAnswer {
  readonly bytes: string
  readonly end?: (socket: Socket) => unknown
}

/** One that answers the head of a request with these bytes, and then does what it is told. */
const startRaw = (bytes: string, end: RawAnswer['end'] = () => undefined): Promise<Listening> =>
  listen(
    createTcpServer((socket) => {
      socket.once('data', () => socket.write(bytes, () => end(socket)))
    }),
  )

const agentAt = (url: string): OpenAiAgent =>
  new OpenAiAgent({ url, model: 'large', apiKey: 'sesame', send, clock: createSimulatedClock() })

const STREAM = { 'content-type': 'text/event-stream' }
const eventOf = (content: string, reason: string | null = null): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: reason }] })}\n\n`
const DONE = 'data: [DONE]\n\n'

test('[A30][A38] each question has a connection of its own, which is closed after it', async () => {
  const seen: unknown[] = []
  await using server = await startAgent(({ headers, method, url }, response) => {
    const { authorization, connection, 'accept-encoding': encoding, 'idempotency-key': key } = headers
    seen.push([method, url, authorization, connection, encoding, key])
    response.writeHead(200, STREAM).end(eventOf('Yes.', 'stop') + DONE)
  })
  const agent = agentAt(server.url)
  for (let count = 1; count <= 3; count += 1) {
    const { events, ended } = ask(agent)
    expect([await ended, textOf(events), server.connections]).toEqual([undefined, 'Yes.|', count])
  }
  expect(seen[0]).toEqual(['POST', '/chat/completions', 'Bearer sesame', 'close', 'identity', QUESTION.turnId])
})

test('[A34] a stream that drips byte by byte is read as it was meant', async () => {
  const bytes = Buffer.from(eventOf('É🙂 ') + eventOf('yes.', 'stop') + DONE)
  await using server = await startAgent((_request, response) => {
    response.writeHead(200, STREAM)
    const drip = (at: number): void => {
      if (at === bytes.length) response.end()
      else response.write(bytes.subarray(at, at + 1), () => drip(at + 1))
    }
    drip(0)
  })
  const { events, ended } = ask(agentAt(server.url))
  expect([await ended, textOf(events)]).toEqual([undefined, 'É🙂 yes.|'])
})

test('[A33] a redirect is not followed, wherever it leads', async () => {
  let visits = 0
  await using inside = await startAgent((_request, response) => {
    visits += 1
    response.writeHead(200, STREAM).end(eventOf('secret words', 'stop'))
  })
  await using server = await startAgent(({ url }, response) => {
    const location = url?.includes('completions') === true ? inside.url : 'http://169.254.169.254/latest/meta-data/'
    response.writeHead(307, { location }).end()
  })
  const { events, ended } = ask(agentAt(server.url))
  expect([failureFacts(await ended), events]).toEqual([{ kind: 'error', isRetryable: false, retryAfterMs: undefined }, []])
  await expect(agentAt(server.url).ping(new AbortController().signal)).rejects.toMatchObject({ kind: 'unreachable' })
  expect(visits).toBe(0)
})

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n'
const PROTOCOL = { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }
const UNREACHABLE = { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }
const BROKE_OFF = { kind: 'broke-off', isRetryable: true, retryAfterMs: undefined }

test.each([
  ['is reset before the head', { bytes: '', end: (socket: Socket) => socket.resetAndDestroy() }, UNREACHABLE],
  ['is closed before the head', { bytes: '', end: (socket: Socket) => socket.end() }, UNREACHABLE],
  ['is closed in the head', { bytes: 'HTTP/1.1 200 OK\r\nConte', end: (socket: Socket) => socket.end() }, UNREACHABLE],
  ['speaks no HTTP', { bytes: 'secret words\r\n\r\n' }, PROTOCOL],
  ['has more head than any answer needs', { bytes: `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n` }, PROTOCOL],
  ['is reset in the body', { bytes: `${HEAD}\r\n${eventOf('You')}`, end: (socket: Socket) => socket.resetAndDestroy() }, BROKE_OFF],
  [
    'is closed in the body',
    { bytes: `${HEAD}Content-Length: 900\r\n\r\n${eventOf('You')}`, end: (socket: Socket) => socket.end() },
    BROKE_OFF,
  ],
  ['is closed after an unfinished answer', { bytes: `${HEAD}\r\n${eventOf('You')}`, end: (socket: Socket) => socket.end() }, BROKE_OFF],
  ['cuts the body wrong', { bytes: `${HEAD}Transfer-Encoding: chunked\r\n\r\nsecret\r\n` }, PROTOCOL],
])('[A36] a connection that %s', async (_what, { bytes, end }: RawAnswer, expected) => {
  await using server = await startRaw(bytes, end)
  const problem = await ask(agentAt(server.url)).ended
  expect([failureFacts(problem), String(problem).includes('secret')]).toEqual([expected, false])
})

test('[A36] nobody listens, and no TLS where it was promised', async () => {
  const gone = await startAgent(() => undefined)
  await gone[Symbol.asyncDispose]()
  expect(failureFacts(await ask(agentAt(gone.url)).ended)).toEqual(UNREACHABLE)
  await using plain = await startRaw('HTTP/1.1 200 OK\r\n\r\n')
  const { ended } = ask(agentAt(plain.url.replace('http:', 'https:')))
  expect(failureFacts(await ended)).toMatchObject({ kind: 'unreachable', isRetryable: false })
})

test('[A37] giving a question up ends its connection, before its answer and in the middle of it', async () => {
  const closed: string[] = []
  const begun = Promise.withResolvers<void>()
  const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  await using server = await startAgent((_request, response) => {
    const which = server.connections - 1
    response.once('close', () => {
      closed.push(response.writableFinished ? 'finished' : 'cut')
      ends[which]?.resolve()
    })
    if (which === 0) begun.resolve()
    else response.writeHead(200, STREAM).write(eventOf('You'))
  })
  const aborter = new AbortController()
  const silent = ask(agentAt(server.url), aborter.signal)
  await begun.promise
  aborter.abort(new Error('enough'))
  expect(await silent.ended).toBeUndefined()
  await ends[0]?.promise

  const stream = agentAt(server.url).answer(QUESTION, new AbortController().signal)
  expect(await stream.next()).toMatchObject({ value: { text: 'You' } })
  await stream.return(undefined)
  await ends[1]?.promise
  expect(closed).toEqual(['cut', 'cut'])
})

test('[A40] the list of models is looked at and not read', async () => {
  const closed = Promise.withResolvers<void>()
  await using server = await startAgent(({ url }, response) => {
    response.writeHead(url === '/models' ? 200 : 404, { 'content-type': 'application/json' })
    // More than any list, and without end.
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      response.once('drain', more)
    }
    more()
    response.once('close', () => closed.resolve())
  })
  await agentAt(server.url).ping(new AbortController().signal)
  await closed.promise
  expect(server.connections).toBe(1)
})
