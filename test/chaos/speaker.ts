/** The agent of a run: well, unhurried, and it writes down what it was asked and said. No two of its answers have a word in common. */
import { once } from 'node:events'
import { WebSocketServer, type WebSocket } from 'ws'
import * as v from 'valibot'
import type { Clock } from '../../src/resilience/clock.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { Recording } from './recording.ts'

const messageSchema = v.variant('type', [
  v.object({
    type: v.literal('message'),
    id: v.string(),
    content: v.string(),
    metadata: v.object({
      sessionId: v.string(),
      turnId: v.string(),
      attempt: v.number(),
      history: v.array(v.object({ role: v.string(), content: v.string() })),
    }),
  }),
  v.object({ type: v.literal('status'), id: v.string(), content: v.string() }),
])
type Asked = v.InferOutput<typeof messageSchema> & { type: 'message' }

const WORDS: readonly [least: number, most: number] = [5, 100]
const WORD_MS = 20

export interface Speaker extends AsyncDisposable {
  readonly url: string
  /** How many answers are under way now. */
  readonly speaking: number
  /** How often an answer was cut off, because who had asked was gone. */
  readonly cut: number
}

interface World {
  readonly recording: Recording
  readonly clock: Clock
  readonly random: SeededRandom
}

/** Listens on a free port of this machine. */
export async function startSpeaker(world: World): Promise<Speaker> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  let [calls, cut, speaking] = [0, 0, 0]
  const count = async (isWhole: Promise<boolean>): Promise<void> => {
    speaking += 1
    if (!(await isWhole)) cut += 1
    speaking -= 1
  }
  server.on('connection', (socket) => {
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    socket.on('error', () => undefined)
    socket.on('message', (data) => {
      const message = v.parse(messageSchema, JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : ''))
      if (message.type === 'status') {
        if (message.content === 'ping') say(socket, 'status', 'pong', { inReplyTo: message.id })
        return
      }
      calls += 1
      void count(speak(world, { socket, call: calls, question: message, signal: gone.signal }))
    })
  })
  return {
    url: `ws://127.0.0.1:${port}/`,
    get speaking() {
      return speaking
    },
    get cut() {
      return cut
    },
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

interface Speech {
  readonly socket: WebSocket
  readonly call: number
  readonly question: Asked
  readonly signal: AbortSignal
}

/** Says one answer, word by word; whether it was said whole. Never rejects. */
async function speak({ recording, clock, random }: World, { socket, call, question, signal }: Speech): Promise<boolean> {
  const { sessionId: session, turnId, attempt, history } = question.metadata
  recording.write({ type: 'asked', session, call, turnId, attempt, text: question.content, before: history.map(({ content }) => content) })
  const words = random.between(...WORDS)
  let [text, sequence] = ['', 0]
  try {
    for (; sequence < words; sequence += 1) {
      await clock.sleep(WORD_MS, signal)
      const word = `${sequence === 0 ? '' : ' '}a${call}w${sequence}`
      // It may arrive although the connection breaks: it counts as said from here on.
      text += word
      say(socket, 'response', word, { inReplyTo: question.id, sequence, done: sequence === words - 1 })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
  const isWhole = sequence === words
  recording.write({ type: 'said', session, call, turnId, text, isWhole })
  return isWhole
}

const say = (socket: WebSocket, type: string, content: string, metadata: Readonly<Record<string, unknown>>): void =>
  socket.send(JSON.stringify({ id: crypto.randomUUID(), type, content, timestamp: new Date().toISOString(), metadata }))
