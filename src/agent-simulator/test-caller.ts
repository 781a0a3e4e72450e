/** The service's side of a connection, for tests: a real socket, its messages one by one, and how it ended. */
import type { IncomingMessage } from 'node:http'
import * as v from 'valibot'
import { WebSocket } from 'ws'

export const SESSION = '6f1d0c2ab34e5f60718293a4b5c6d7e8'
export const HEADERS = { 'X-Session-ID': SESSION, 'X-User-ID': 'Vq3nJm0x6sQyT1bL' }

const TIMESTAMP = '2026-01-05T09:00:00.000Z'
const HANG_UP = 1000

const heardSchema = v.strictObject({
  id: v.string(),
  type: v.string(),
  content: v.string(),
  timestamp: v.pipe(v.string(), v.isoTimestamp()),
  metadata: v.record(v.string(), v.unknown()),
})

/** A message of the agent as it arrived. */
export type Heard = v.InferOutput<typeof heardSchema>

const readHeard = (frame: string | Buffer | Uint8Array): Heard => v.parse(heardSchema, JSON.parse(String(frame)))

interface Waiter {
  readonly tell: (frame: string | Buffer) => void
  readonly giveUp: (error: Error) => void
}

export interface Asking {
  readonly deadlineMs?: number
  readonly turnId?: string
  readonly attempt?: number
}

/** The handshake was answered with HTTP. */
export class Refused extends Error {
  override name = 'Refused'
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: unknown

  constructor({ statusCode, headers }: IncomingMessage, body: string) {
    super(`refused with ${statusCode}`)
    this.status = statusCode ?? 0
    this.retryAfter = headers['retry-after']
    this.body = JSON.parse(body)
  }
}

/** Connects; rejects with `Refused` when the handshake is answered with HTTP. */
export async function call(url: string, headers: Readonly<Record<string, string>> = HEADERS): Promise<Caller> {
  const socket = new WebSocket(url, { headers })
  const caller = new Caller(socket)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.on('open', () => resolve())
  socket.on('error', reject)
  socket.on('unexpected-response', (_request, response) => {
    let body = ''
    response.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    response.on('end', () => reject(new Refused(response, body)))
  })
  await promise
  return caller
}

export class Caller implements AsyncDisposable {
  readonly socket: WebSocket
  /** What has arrived and was not taken yet. */
  readonly waiting: (string | Buffer)[] = []
  /** The close code. */
  readonly closed: Promise<number>
  readonly #waiters: Waiter[] = []
  #ids = 0

  constructor(socket: WebSocket) {
    this.socket = socket
    const { promise, resolve } = Promise.withResolvers<number>()
    this.closed = promise
    socket.on('message', (data: Buffer, isBinary) => {
      const frame = isBinary ? data : data.toString('utf8')
      const waiter = this.#waiters.shift()
      if (waiter === undefined) this.waiting.push(frame)
      else waiter.tell(frame)
    })
    socket.on('close', (code) => {
      resolve(code)
      for (const waiter of this.#waiters) waiter.giveUp(new Error(`the connection ended with ${code}`))
    })
  }

  send(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Asks a question and gives its id. */
  ask(content: string, { deadlineMs = 120_000, turnId = 'turn', attempt = 1 }: Asking = {}): string {
    const id = this.#newId()
    const metadata = { sessionId: SESSION, turnId, attempt, deadlineMs, history: [] }
    this.send({ id, type: 'message', content, timestamp: TIMESTAMP, metadata })
    return id
  }

  /** Gives the ping's id. */
  ping(): string {
    const id = this.#newId()
    this.send({ id, type: 'status', content: 'ping', timestamp: TIMESTAMP, metadata: {} })
    return id
  }

  cancel(inReplyTo: string): void {
    this.send({ id: this.#newId(), type: 'status', content: 'cancel', timestamp: TIMESTAMP, metadata: { inReplyTo } })
  }

  /** The next frame as it arrived. Rejects when the connection ends first. */
  frame(): Promise<string | Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<string | Buffer>()
    const here = this.waiting.shift()
    if (here !== undefined) resolve(here)
    else if (this.socket.readyState === WebSocket.CLOSED) reject(new Error('the connection has ended'))
    else this.#waiters.push({ tell: resolve, giveUp: reject })
    return promise
  }

  /** The next message. */
  async next(): Promise<Heard> {
    return readHeard(await this.frame())
  }

  /** Parts of an answer up to the last. */
  async answer(): Promise<readonly Heard[]> {
    const parts: Heard[] = []
    do parts.push(await this.next())
    while (parts.at(-1)?.metadata['done'] !== true)
    return parts
  }

  /** Closes, and resolves when the other side has read all that was sent. */
  async hangUp(): Promise<void> {
    this.socket.close(HANG_UP)
    await this.closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate()
    await this.closed
  }

  #newId(): string {
    this.#ids += 1
    return `0198f2a0-0000-7000-8000-${String(this.#ids).padStart(12, '0')}`
  }
}
