/** The servers of `bench-delivery.ts` behind one face: ours as it is deployed, and the peers of `bench-peer.ts`. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { io } from 'socket.io-client'
import { WebSocket } from 'ws'
import { createClock } from '../src/app/ports.ts'
import { mintDeviceId, mintMessageId } from '../src/conversation/ids.ts'
import { startProcess } from '../test/processes.ts'
import { startServer, temporaryFolder } from '../test/server-process.ts'
import { pin } from './bench-process.ts'

const SERVER_CORE = 0
const clock = createClock()

/** One connection of one person. */
export interface Visitor {
  /** Sends a question and resolves when the server says that it has it. */
  ask(text: string): Promise<void>
  /** Asks for an answer whose pieces are heard as they come. */
  listen(question: string, hear: (text: string) => void): Promise<void>
  close(): void
}

export interface Subject extends AsyncDisposable {
  readonly pid: number
  /** Makes so many people known to the server before anything is measured. */
  expect(count: number): Promise<void>
  /** The next of them connects, and is ready to ask. */
  visit(): Promise<Visitor>
  /** Questions that the server has, when it keeps any, and how many of them it has more than once. */
  audit(): Promise<{ readonly kept: number; readonly doubled: number } | undefined>
}

export interface SubjectOptions {
  readonly agentUrl: string
  readonly redisUrl: string | undefined
}

export type StartSubject = (options: SubjectOptions) => Promise<Subject>

const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count))

/** One of `bench-peer.ts`. */
export const peer =
  (kind: string): StartSubject =>
  async ({ agentUrl, redisUrl = '' }) => {
    const running = startProcess('scripts/bench-peer.ts', { args: [kind, agentUrl, redisUrl] })
    const port = await running.line((line) => /^listening (\d+)$/.exec(line)?.[1])
    pin(running.pid, SERVER_CORE)
    return {
      pid: running.pid,
      expect: () => Promise.resolve(),
      visit: () => (kind.startsWith('socket.io') ? visitSocketIo(port) : visitSocket(port)),
      audit: () => Promise.resolve(undefined),
      [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
    }
  }

async function visitSocket(port: string): Promise<Visitor> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false })
  await once(socket, 'open')
  return {
    async ask(text) {
      socket.send(JSON.stringify({ type: 'send', messageId: mintMessageId(clock.now(), bytes), number: 1, text }))
      await once(socket, 'message')
    },
    async listen(question, hear) {
      socket.on('message', (data: Buffer) => hear(data.toString('utf8')))
      socket.send(question)
      await Promise.resolve()
    },
    close: () => socket.terminate(),
  }
}

async function visitSocketIo(port: string): Promise<Visitor> {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve())
    socket.once('connect_error', reject)
  })
  return {
    async ask(text) {
      await socket.emitWithAck('send', { text })
    },
    async listen(question, hear) {
      socket.on('part', hear)
      socket.emit('ask', question)
      await Promise.resolve()
    },
    close: () => void socket.disconnect(),
  }
}

/** Our own server, with the store that the options name. */
export const ours =
  (store: 'sqlite' | 'redis'): StartSubject =>
  async ({ agentUrl, redisUrl }) => {
    const folder = temporaryFolder()
    const env = {
      // Each visitor comes from an address of its own, as the proxy says.
      TRUSTED_PROXY_HOPS: '1',
      AGENT_CONCURRENCY: '64',
      ...(store === 'redis' ? { REDIS_URL: redisUrl ?? '', SESSION_SECRET: 'for measuring only, for measuring only' } : {}),
    }
    const running = await startServer({ dataDir: folder.path, agentUrl, env })
    pin(running.pid, SERVER_CORE)
    const expected: Person[] = []
    let arrived = 0
    return {
      pid: running.pid,
      async expect(count) {
        for (let index = 0; index < count; index += 1) expected.push(await arrive(running.url, expected.length))
      },
      async visit() {
        const person = expected[arrived]
        if (person === undefined) throw new RangeError('nobody else is expected')
        arrived += 1
        return visitOurs(running.url, person)
      },
      async audit() {
        const counts = { kept: 0, doubled: 0 }
        for (const person of expected) await countQuestions(running.url, person, counts)
        return counts
      },
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]()
        folder[Symbol.dispose]()
      },
    }
  }

interface Person {
  readonly session: string
  readonly headers: Readonly<Record<string, string>>
}

async function arrive(url: string, index: number): Promise<Person> {
  const address = `10.${index >> 16}.${(index >> 8) & 0xff}.${index & 0xff}`
  const response = await fetch(`${url}/api/v1/sessions`, { method: 'POST', headers: { 'x-forwarded-for': address } })
  const body: unknown = await response.json()
  if (typeof body !== 'object' || body === null || !('sessionId' in body) || typeof body.sessionId !== 'string')
    throw new Error(`no session: ${response.status} ${JSON.stringify(body)}`)
  const cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  return { session: body.sessionId, headers: { cookie, 'x-forwarded-for': address } }
}

async function countQuestions(url: string, { session, headers }: Person, counts: { kept: number; doubled: number }): Promise<void> {
  const response = await fetch(`${url}/api/v1/sessions/${session}/messages?limit=200`, { headers })
  const text = await response.text()
  const questions = [...text.matchAll(/"content":"(question \d+)"/g)].map((match) => match[1])
  counts.kept += questions.length
  counts.doubled += questions.length - new Set(questions).size
}

async function visitOurs(url: string, { session, headers }: Person): Promise<Visitor> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, 'chat.v1', { perMessageDeflate: false, origin: url, headers })
  const heard = createFrames(socket)
  await once(socket, 'open')
  const device = mintDeviceId(bytes)
  const welcomed = heard.next('welcome')
  socket.send(JSON.stringify({ type: 'hello', v: 1, session, device }))
  await welcomed
  let number = 0
  const send = (text: string): Promise<void> => {
    number += 1
    const accepted = heard.next('accepted')
    socket.send(JSON.stringify({ type: 'send', messageId: mintMessageId(clock.now(), bytes), number, text }))
    return accepted
  }
  return {
    ask: send,
    async listen(question, hear) {
      heard.onPart = hear
      await send(question)
    },
    close: () => socket.terminate(),
  }
}

interface Frames {
  /** Resolves with the next frame of this type. */
  next(type: 'welcome' | 'accepted'): Promise<void>
  onPart: ((text: string) => void) | undefined
}

/** Looks at no more of each frame than a person's page must: its type, and the text of an answer's part. */
function createFrames(socket: WebSocket): Frames {
  const waiting = new Map<string, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()
  const frames: Frames = {
    onPart: undefined,
    next: (type) => new Promise((resolve, reject) => void waiting.set(type, { resolve, reject })),
  }
  socket.on('message', (data: Buffer) => {
    for (const line of data.toString('utf8').split('\n')) {
      const type = /^\{"type":"([a-z]+)"/.exec(line)?.[1] ?? ''
      if (type === 'entry' && frames.onPart !== undefined && line.includes('"answer-part"')) frames.onPart(line)
      if (type === 'rejected' || type === 'bye') for (const { reject } of waiting.values()) reject(new Error(line))
      waiting.get(type)?.resolve()
      waiting.delete(type)
    }
  })
  return frames
}
