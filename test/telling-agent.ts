/**
 * An agent for tests about what is told: it answers, fails, babbles or breaks off as the question says, always with the same words,
 * and remembers whom it was asked for.
 */
import { once } from 'node:events'
import { WebSocketServer, type WebSocket } from 'ws'

export interface TellingAgent extends AsyncDisposable {
  readonly url: string
  /** Values of the headers of every handshake that was about a question, and of its message. */
  readonly seen: ReadonlySet<string>
  /** The `traceparent` of each, by the text of the question. */
  readonly traces: ReadonlyMap<string, string>
}

interface Message {
  readonly id: string
  readonly type: string
  readonly content: string
  readonly metadata: { readonly turnId: string }
}

export async function createTellingAgent(words: string): Promise<TellingAgent> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const address = server.address()
  const seen = new Set<string>()
  const traces = new Map<string, string>()
  server.on('connection', (socket, { headers }) => {
    socket.on('message', (data) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the service sends has tests of its own
      const message = JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '{}') as Message
      if (message.type !== 'message') return reply(socket, { type: 'status', content: 'pong', metadata: { inReplyTo: message.id } })
      for (const name of ['x-session-id', 'x-user-id']) seen.add(String(headers[name]))
      seen.add(message.id).add(message.metadata.turnId)
      traces.set(message.content, String(headers['traceparent']))
      return perform(socket, message, words)
    })
  })
  return {
    url: `ws://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`,
    seen,
    traces,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

function perform(socket: WebSocket, { id, content }: Message, words: string): void {
  const part = (sequence: number, done: boolean): void =>
    reply(socket, { type: 'response', content: `${words} `, metadata: { inReplyTo: id, sequence, done } })
  if (content.includes('[fail]')) return reply(socket, { type: 'error', content: words, metadata: { inReplyTo: id, retryable: false } })
  if (content.includes('[babble]')) return socket.send(words)
  part(0, false)
  if (content.includes('[break]')) return socket.terminate()
  return part(1, true)
}

const reply = (socket: WebSocket, message: object): void => socket.send(JSON.stringify({ id: 'agent', ...message }))
