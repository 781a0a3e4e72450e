import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { mintMessageId, mintSessionId, mintTurnId, type VisitorId } from '../conversation/ids.ts'
import { AGENT_FRAME_BYTES_MAX } from '../conversation/limits.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import type { AgentEvent, Question } from './agent.ts'
import { WebSocketAgent } from './websocket-agent.ts'
import { createWsAgentSockets } from './ws-agent-socket.ts'

const random = seededRandom(5)
const bytes = (count: number): Uint8Array => random.bytes(count)
const question: Question = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  session: mintSessionId(bytes),
  visitor: 'visitor-0123456789' as VisitorId,
  turnId: mintTurnId(bytes),
  messageId: mintMessageId(0, bytes),
  attempt: 1,
  text: 'How do I renew? 🙂',
  history: [],
  deadlineMs: 90_000,
}

/** A real agent on loopback; `answer` plays it on each connection. */
async function startAgent(answer: (socket: WebSocket, request: IncomingMessage) => void) {
  const server = createServer((_request, response) => response.writeHead(404).end())
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => undefined)
    answer(socket, request)
  })
  const port = await listen(server)
  return {
    port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      server.close()
      await once(server, 'close')
    },
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const agentAt = (port: number, apiKey?: string): WebSocketAgent =>
  new WebSocketAgent({
    url: `ws://127.0.0.1:${port}/chat/{sessionId}`,
    apiKey,
    open: createWsAgentSockets(WebSocket),
    clock: createSimulatedClock(),
    random: bytes,
  })

async function collect(agent: WebSocketAgent, signal = new AbortController().signal): Promise<readonly AgentEvent[]> {
  const events: AgentEvent[] = []
  for await (const event of agent.answer(question, signal)) events.push(event)
  return events
}

const said = (message: object): string => JSON.stringify({ id: 'x', timestamp: '2026-01-05T09:00:00Z', ...message })
const parsed = (data: WebSocket.RawData): { readonly type?: string; readonly content?: string; readonly id?: string } =>
  JSON.parse((data as Buffer).toString('utf8'))

test('[A1][A3] a question and its answer pass through real sockets', async () => {
  const seen: unknown[] = []
  await using server = await startAgent((socket, request) => {
    seen.push(request.url, request.headers['x-session-id'], request.headers['x-user-id'], request.headers.authorization)
    socket.on('message', (data) => {
      seen.push(parsed(data).content)
      socket.send(said({ type: 'response', content: 'Online, ', metadata: { sequence: 0, done: false } }))
      socket.ping()
      socket.send(said({ type: 'response', content: 'of course 🙂.', metadata: { sequence: 1, done: true } }))
    })
  })
  const events = await collect(agentAt(server.port, 'sesame'))
  expect(seen).toEqual([`/chat/${question.session}`, question.session, question.visitor, 'Bearer sesame', question.text])
  expect(events).toEqual([
    { type: 'text', text: 'Online, ', persona: undefined },
    { type: 'text', text: 'of course 🙂.', persona: undefined },
    { type: 'finished' },
  ])
})

test('[A9] the agent hears the cancel before the connection closes', async () => {
  const cancelled = Promise.withResolvers<unknown>()
  await using server = await startAgent((socket) => {
    const heard: unknown[] = []
    socket.on('message', (data) => {
      heard.push(parsed(data).content)
      if (heard.length === 1) socket.send(said({ type: 'response', content: 'Well', metadata: { sequence: 0, done: false } }))
    })
    socket.on('close', (code) => cancelled.resolve([...heard, code]))
  })
  const aborter = new AbortController()
  const events: AgentEvent[] = []
  for await (const event of agentAt(server.port).answer(question, aborter.signal)) {
    events.push(event)
    aborter.abort()
  }
  expect(await cancelled.promise).toEqual([question.text, 'cancel', 1000])
  expect(events.length).toBe(1)
})

test('[A10] a ping is answered on its own connection', async () => {
  await using server = await startAgent((socket) => {
    socket.on('message', (data) => {
      const { id, content } = parsed(data)
      if (content === 'ping') socket.send(said({ type: 'status', content: 'pong', metadata: { inReplyTo: id } }))
    })
  })
  await expect(agentAt(server.port).ping(new AbortController().signal)).resolves.toBeUndefined()
})

test('[A8] an agent that is killed mid-answer has broken off', async () => {
  await using server = await startAgent((socket) => {
    socket.on('message', () =>
      socket.send(said({ type: 'response', content: 'Well', metadata: { sequence: 0, done: false } }), () => socket.terminate()),
    )
  })
  await expect(collect(agentAt(server.port))).rejects.toMatchObject({ kind: 'broke-off' })
})

test('[A4] a frame that is too long, or binary, breaks the protocol', async () => {
  for (const frame of ['x'.repeat(AGENT_FRAME_BYTES_MAX + 1), Buffer.from('{}')]) {
    await using server = await startAgent((socket) => {
      socket.on('message', () => socket.send(frame))
    })
    await expect(collect(agentAt(server.port))).rejects.toMatchObject({ kind: 'protocol', isRetryable: false })
  }
})

test('[A7] nobody there, and somebody who refuses, are told apart', async () => {
  const busy = createServer()
  busy.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  const port = await listen(busy)
  await expect(collect(agentAt(port))).rejects.toMatchObject({ kind: 'busy', retryAfterMs: 2_000 })
  busy.close()
  await once(busy, 'close')
  await expect(collect(agentAt(port))).rejects.toMatchObject({ kind: 'unreachable', isRetryable: true })
  await using plain = await startAgent(() => undefined)
  plain.sockets.shouldHandle = () => false
  await expect(collect(agentAt(plain.port))).rejects.toMatchObject({ kind: 'unreachable', isRetryable: false })
})

test('[A9] aborting while the connection is being made leaves nothing behind', async () => {
  const silent = createServer()
  const upgraded = Promise.withResolvers<Duplex>()
  silent.on('upgrade', (_request, socket) => {
    socket.on('error', () => undefined)
    socket.on('end', () => socket.end())
    socket.resume()
    upgraded.resolve(socket)
  })
  const port = await listen(silent)
  const aborter = new AbortController()
  const collected = collect(agentAt(port), aborter.signal)
  const socket = await upgraded.promise
  aborter.abort()
  expect(await collected).toEqual([])
  if (!socket.destroyed) await once(socket, 'close')
  silent.close()
  await once(silent, 'close')
  expect(socket.destroyed).toBe(true)
})
