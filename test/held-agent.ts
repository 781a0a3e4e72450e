/**
 * An agent that says what a test tells it to, when it is told: for the moments that no script of time can hit.
 *
 * It speaks the form of `docs/agent-protocol.md` from its own few lines, not from the adapter's code.
 */
import { once } from 'node:events'
import { WebSocketServer, type WebSocket } from 'ws'

/** One question that the service has asked. */
export interface HeldQuestion {
  readonly id: string
  readonly content: string
  readonly attempt: number
  /** Sends the next piece of the answer. */
  say(text: string): void
  /** Says that the answer is whole. */
  finish(): void
  /** Resolves when the service has cancelled the question or closed its connection. */
  readonly ended: Promise<void>
}

export interface HeldAgent extends AsyncDisposable {
  readonly url: string
  /** The next question, past or to come; each is given once. */
  asked(): Promise<HeldQuestion>
  /** How often anything was asked. */
  readonly count: number
  /** Resolves when it has been pinged so many times more. */
  pinged(times: number): Promise<void>
}

interface Message {
  readonly id: string
  readonly type: string
  readonly content: string
  readonly metadata: { readonly attempt: number }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the service sends has a test of its own
const messageIn = (data: WebSocket.RawData): Message => JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '{}') as Message

/** Listens on a free port of this machine and answers pings by itself. */
export async function createHeldAgent(): Promise<HeldAgent> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const waiting: HeldQuestion[] = []
  const listeners: ((question: HeldQuestion) => void)[] = []
  const pings: (() => void)[] = []
  let count = 0
  const hold = (question: HeldQuestion): void => {
    count += 1
    const listener = listeners.shift()
    if (listener === undefined) waiting.push(question)
    else listener(question)
  }
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      const message = messageIn(data)
      if (message.type === 'message') hold(holdQuestion(socket, message))
      else if (message.content === 'ping') {
        reply(socket, 'status', 'pong', { inReplyTo: message.id })
        for (const heard of pings) heard()
      }
    })
  })
  return {
    url: `ws://127.0.0.1:${port}/`,
    asked() {
      const first = waiting.shift()
      if (first !== undefined) return Promise.resolve(first)
      const { promise, resolve } = Promise.withResolvers<HeldQuestion>()
      listeners.push(resolve)
      return promise
    },
    get count() {
      return count
    },
    pinged(times) {
      const { promise, resolve } = Promise.withResolvers<void>()
      let left = times
      pings.push(() => {
        left -= 1
        if (left === 0) resolve()
      })
      return promise
    },
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

function holdQuestion(socket: WebSocket, { id, content, metadata }: Message): HeldQuestion {
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  let sequence = 0
  const say = (text: string, done: boolean): void => {
    reply(socket, 'response', text, { inReplyTo: id, sequence, done })
    sequence += 1
  }
  socket.once('close', () => resolve())
  socket.on('message', (data) => {
    if (messageIn(data).content === 'cancel') resolve()
  })
  return { id, content, attempt: metadata.attempt, ended, say: (text) => say(text, false), finish: () => say('', true) }
}

const reply = (socket: WebSocket, type: string, content: string, metadata: Readonly<Record<string, unknown>>): void =>
  socket.send(JSON.stringify({ id: crypto.randomUUID(), type, content, timestamp: new Date().toISOString(), metadata }))
