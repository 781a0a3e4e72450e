import { describe, expect, test } from 'vitest'
import {
  AGENT_CLOSE_TIMEOUT_MS,
  AGENT_CONNECT_TIMEOUT_MS,
  AGENT_FRAME_BYTES_MAX,
  AGENT_INBOX_MAX,
  LINK_SILENCE_MAX_MS,
  PING_INTERVAL_MS,
} from '../conversation/limits.ts'
import type { TurnId } from '../conversation/ids.ts'
import { failureFacts, QUESTION, textOf } from '../testing/asked-agent.ts'
import { createFakeAgentSockets, type FakeAgentSocket } from '../testing/fake-agent-sockets.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { WebSocketConnectionError } from './agent-error.ts'
import type { AgentSocketEnd } from './agent-socket.ts'
import type { AgentEvent } from './agent.ts'
import { WebSocketAgent } from './websocket-agent.ts'

const random = seededRandom(3)
const bytes = (count: number): Uint8Array => random.bytes(count)
const question = QUESTION
const HEADERS = { 'X-Session-ID': question.session, 'X-User-ID': question.visitor, traceparent: question.traceparent }

const part = (content: string, sequence: number, done = false) => ({
  id: `p${sequence}`,
  type: 'response',
  content,
  timestamp: '2026-01-05T09:00:00Z',
  metadata: { inReplyTo: question.messageId, sequence, done },
})

function createWorld(options: { readonly url?: string; readonly apiKey?: string } = {}) {
  const clock = createSimulatedClock()
  const sockets = createFakeAgentSockets()
  const { url = 'ws://agent.test/chat/{sessionId}?user={userId}', apiKey } = options
  const strays: TurnId[] = []
  const agent = new WebSocketAgent({ url, apiKey, open: sockets.open, clock, random: bytes, onStray: (turn) => strays.push(turn) })
  const aborter = new AbortController()

  /** Asks, and gathers what comes; `problem` is what the stream ended with, `undefined` for an ordinary end. */
  const ask = () => {
    const events: AgentEvent[] = []
    const gather = async (): Promise<unknown> => {
      try {
        for await (const event of agent.answer(question, aborter.signal)) events.push(event)
        return undefined
      } catch (problem) {
        return problem
      }
    }
    return { events, ended: gather() }
  }
  /** A question that the agent has. */
  const asked = async () => {
    const { events, ended } = ask()
    await clock.settle()
    const socket = socketAt(sockets.all, -1)
    socket.accept()
    await clock.settle()
    return { events, ended, socket }
  }
  return { clock, sockets, agent, strays, aborter, ask, asked }
}

function socketAt(all: readonly FakeAgentSocket[], index: number): FakeAgentSocket {
  const socket = all.at(index)
  if (socket === undefined) throw new Error('nobody connected')
  return socket
}

const refused = (status?: number, retryAfter?: string): AgentSocketEnd => ({ type: 'refused', status, retryAfter, cause: undefined })

/** A ping under way. */
const pinging = async () => {
  const world = createWorld()
  const result = Promise.allSettled([world.agent.ping(world.aborter.signal)])
  await world.clock.settle()
  const socket = socketAt(world.sockets.all, 0)
  return { ...world, result, socket }
}

describe('a question', () => {
  test('[A1][A70] goes out whole, to the place that its session and person name', async () => {
    const { asked } = createWorld({ apiKey: 'sesame' })
    const { socket } = await asked()
    expect(socket.request).toEqual({
      url: `ws://agent.test/chat/${question.session}?user=${question.visitor}`,
      headers: { ...HEADERS, Authorization: 'Bearer sesame' },
      messageBytesMax: AGENT_FRAME_BYTES_MAX,
    })
    expect(socket.heard).toEqual([
      {
        id: question.messageId,
        type: 'message',
        content: 'How do I renew? 🙂',
        timestamp: '2026-01-05T09:00:00.000Z',
        metadata: {
          sessionId: question.session,
          turnId: question.turnId,
          attempt: 2,
          deadlineMs: 90_000.4,
          history: [
            { role: 'user', content: 'Hello' },
            { role: 'assistant', content: 'Good morning.' },
          ],
        },
      },
    ])
  })

  test('[A1] goes out without a token when there is no key, and the agent is described without one', async () => {
    const { asked, agent } = createWorld({ url: 'wss://name:secret@agent.test:8443/?key=secret' })
    const { socket } = await asked()
    expect(Object.keys(socket.request.headers)).toEqual(Object.keys(HEADERS))
    expect(agent.description).toBe('messages wss://agent.test:8443')
  })

  test('[A2] has a connection of its own, closed once the answer is whole', async () => {
    const { asked, sockets, clock } = createWorld()
    const [one, other] = [await asked(), await asked()]
    other.socket.say(part('To the other.', 0, true))
    one.socket.say(part('To the one.', 0, true))
    await Promise.all([one.ended, other.ended])
    expect([textOf(one.events), textOf(other.events)]).toEqual(['To the one.|', 'To the other.|'])
    expect(sockets.all.map(({ isClosed, heard }) => [isClosed, heard.length])).toEqual([
      [true, 1],
      [true, 1],
    ])
    expect(clock.waiting).toBe(2)
  })
})

describe('an answer', () => {
  test('[A3] comes in parts and ends with the last', async () => {
    const { asked } = createWorld()
    const { socket, events, ended } = await asked()
    for (const message of [part('You ', 0), part('', 1), part('can.', 2), part('', 3, true)]) socket.say(message)
    expect([await ended, textOf(events)]).toEqual([undefined, 'You can.|'])
  })

  test('[A3] may number its parts from 1, or leave numbers out', async () => {
    const { asked } = createWorld()
    const [one, other] = [await asked(), await asked()]
    for (const message of [part('a', 1), part('b', 2, true)]) one.socket.say(message)
    for (const content of ['a', 'b']) other.socket.say({ type: 'response', content, metadata: { done: content === 'b' } })
    expect([await one.ended, textOf(one.events), await other.ended, textOf(other.events)]).toEqual([undefined, 'ab|', undefined, 'ab|'])
  })

  test('[A3] may come whole', async () => {
    const { asked } = createWorld()
    for (const metadata of [undefined, {}, null, { inReplyTo: question.messageId, model: 'x' }]) {
      const { socket, events, ended } = await asked()
      socket.say({ id: 'r', type: 'response', content: 'All of it.', timestamp: 1, metadata })
      expect([await ended, textOf(events)]).toEqual([undefined, 'All of it.|'])
    }
  })

  test.each([
    ['begins late', [part('b', 2)]],
    ['has a gap', [part('a', 0), part('c', 2)]],
    ['repeats a part', [part('a', 0), part('a', 0)]],
    ['goes back', [part('a', 0), part('b', 1), part('a', 0)]],
    ['comes whole after a part', [part('a', 0), { type: 'response', content: 'ab' }]],
    ['is not JSON', ['secret words {']],
    ['is not an object', ['[]']],
    ['is of no known type', [{ type: 'message', content: 'secret words' }]],
    ['has a number for text', [{ type: 'response', content: 7 }]],
    ['has a text for a number', [{ type: 'response', content: '', metadata: { sequence: '0' } }]],
    ['counts backwards', [{ type: 'response', content: '', metadata: { sequence: -1 } }]],
  ])('[A4] that %s breaks the protocol, and its words are not repeated', async (_name, messages) => {
    const { asked } = createWorld()
    const { socket, ended } = await asked()
    for (const message of messages) socket.say(message)
    const problem = await ended
    expect(failureFacts(problem)).toEqual({ kind: 'protocol', isRetryable: false, retryAfterMs: undefined })
    expect([String(problem).includes('secret'), (problem as Error).cause, socket.isClosed]).toEqual([false, undefined, true])
    expect(socket.heard.at(-1)).toMatchObject({ type: 'status', content: 'cancel', metadata: { inReplyTo: question.messageId } })
  })

  test('[A5][O43] to another question is ignored, counted, and told once', async () => {
    const { asked, agent, strays } = createWorld()
    const { socket, events, ended } = await asked()
    const elsewhere = { inReplyTo: 'another' }
    socket.say({ type: 'response', content: 'Not yours.', metadata: elsewhere })
    socket.say({ type: 'error', content: 'Not yours.', metadata: elsewhere })
    socket.say({ type: 'status', content: 'thinking', metadata: elsewhere })
    socket.say({ type: 'response', content: 'Yours.' })
    expect([await ended, textOf(events), agent.strayMessages, strays]).toEqual([undefined, 'Yours.|', 3, [question.turnId]])
  })

  test('[A6] may be an error, or a wish to be left alone for a while', async () => {
    const { asked } = createWorld()
    const said = [undefined, { retryable: true }, { retryAfterMs: 700 }, { retryAfterMs: 700, retryable: false }]
    const failures = []
    for (const metadata of said) {
      const { socket, ended } = await asked()
      socket.say({ id: 'e', type: 'error', content: 'secret words', metadata })
      const problem = await ended
      failures.push(failureFacts(problem))
      expect([String(problem).includes('secret'), socket.heard.length, socket.isClosed]).toEqual([false, 1, true])
    }
    expect(failures).toEqual([
      { kind: 'error', isRetryable: false, retryAfterMs: undefined },
      { kind: 'error', isRetryable: true, retryAfterMs: undefined },
      { kind: 'busy', isRetryable: true, retryAfterMs: 700 },
      { kind: 'busy', isRetryable: false, retryAfterMs: 700 },
    ])
  })

  test('[A8] that is cut off is not whole, and what had come is kept', async () => {
    const { asked, clock } = createWorld()
    const { socket, events, ended } = await asked()
    socket.say(part('You ', 0))
    socket.say(part('can', 1))
    socket.end({ type: 'closed', code: 1006 })
    expect(failureFacts(await ended)).toEqual({ kind: 'broke-off', isRetryable: true, retryAfterMs: undefined })
    expect([textOf(events), clock.waiting]).toEqual(['You can', 0])
  })

  test('[A14] is not disturbed by pings and status messages', async () => {
    const { asked } = createWorld()
    const { socket, events, ended } = await asked()
    socket.say({ id: 'knock', type: 'status', content: 'ping' })
    socket.say({ type: 'status', content: 'thinking', metadata: { inReplyTo: question.messageId } })
    socket.say({ type: 'status' })
    socket.say(part('Yes.', 0, true))
    expect([await ended, textOf(events)]).toEqual([undefined, 'Yes.|'])
    expect(socket.heard.slice(1)).toMatchObject([{ type: 'status', content: 'pong', metadata: { inReplyTo: 'knock' } }])
  })
})

describe('a connection', () => {
  test.each([
    ['cannot be made', refused(), { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
    ['is forbidden', refused(401), { kind: 'unreachable', isRetryable: false, retryAfterMs: undefined }],
    ['fails at the other side', refused(502), { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
    ['is one too many', refused(429, '3'), { kind: 'busy', isRetryable: true, retryAfterMs: 3_000 }],
    ['is not wanted now', refused(503), { kind: 'busy', isRetryable: true, retryAfterMs: undefined }],
    ['is wanted at a time', refused(503, 'Mon, 05 Jan 2026 09:00:30 GMT'), { kind: 'busy', isRetryable: true, retryAfterMs: 30_000 }],
    ['is wanted at no time', refused(503, 'soon'), { kind: 'busy', isRetryable: true, retryAfterMs: undefined }],
    ['breaks the rules', { type: 'violated', cause: undefined }, { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ] as const)('[A4][A7] that %s says so', async (_name, end, expected) => {
    const { ask, sockets, clock } = createWorld()
    const { ended } = ask()
    await clock.settle()
    socketAt(sockets.all, 0).end(end)
    expect([failureFacts(await ended), clock.waiting]).toEqual([expected, 0])
  })

  test.each([
    ['cannot be made', refused()],
    ['fails at the other side', refused(500)],
    ['is lost', { type: 'closed', code: 1006 }],
  ] as const)('[E23] that %s is an error of its own name', async (_name, end) => {
    const { asked } = createWorld()
    const { socket, ended } = await asked()
    socket.end(end)
    const problem = await ended
    expect(problem).toBeInstanceOf(WebSocketConnectionError)
    expect(problem).toMatchObject({
      name: 'WebSocketConnectionError',
      code: 'WEBSOCKET_CONNECTION_ERROR',
      statusCode: 503,
      isRetryable: true,
    })
  })

  test('[A7] that does not open in time is given up and cut', async () => {
    const { ask, sockets, clock } = createWorld()
    const { ended } = ask()
    await clock.advance(AGENT_CONNECT_TIMEOUT_MS)
    expect(failureFacts(await ended)).toEqual({ kind: 'unreachable', isRetryable: true, retryAfterMs: undefined })
    expect([socketAt(sockets.all, 0).isCut, clock.waiting]).toEqual([true, 0])
  })

  test('[A7] that cannot even be asked for is not tried again', async () => {
    const clock = createSimulatedClock()
    const cause = new TypeError('not a header')
    const open = (): never => {
      throw cause
    }
    const agent = new WebSocketAgent({ url: 'ws://agent.test', apiKey: '\n', open, clock, random: bytes })
    const [result] = await Promise.allSettled([agent.answer(question, new AbortController().signal).next()])
    expect(result.status).toBe('rejected')
    expect(result).toMatchObject({ reason: { kind: 'unreachable', isRetryable: false, cause } })
    expect(clock.waiting).toBe(0)
  })

  test('[A11] that is silent is asked for a sign of life, and lives when it gives one', async () => {
    const { asked, clock } = createWorld()
    const { socket, ended } = await asked()
    await clock.advance(PING_INTERVAL_MS)
    expect(socket.pings).toBe(1)
    socket.stir()
    await clock.advance(LINK_SILENCE_MAX_MS - 1)
    expect([socket.pings, socket.isCut]).toEqual([2, false])
    await clock.advance(1)
    expect(failureFacts(await ended)).toEqual({ kind: 'broke-off', isRetryable: true, retryAfterMs: undefined })
    expect([socket.isCut, clock.waiting]).toEqual([true, 0])
  })

  test('[A12] that brings more than is read is paused, and goes on without a loss', async () => {
    const { agent, sockets, clock, aborter } = createWorld()
    const stream = agent.answer(question, aborter.signal)
    const first = stream.next()
    await clock.settle()
    const socket = socketAt(sockets.all, 0)
    socket.accept()
    await clock.settle()
    const count = AGENT_INBOX_MAX + 10
    for (let index = 0; index < count; index += 1) socket.say(part(`${index} `, index, index === count - 1))
    expect(socket.isPaused).toBe(true)
    // Whoever does not read hears no sign of life either; the agent is not blamed for it.
    await clock.advance(3 * LINK_SILENCE_MAX_MS)
    expect(socket.isCut).toBe(false)
    const { value } = await first
    const texts = [value?.type === 'text' ? value.text : '']
    for await (const event of stream) if (event.type === 'text') texts.push(event.text)
    expect(texts.join('')).toBe(Array.from({ length: count }, (_unused, index) => `${index} `).join(''))
    expect(socket.isPaused).toBe(false)
  })

  test('[A13] that the agent does not close too is cut', async () => {
    const { asked, clock } = createWorld()
    const [deaf, polite] = [await asked(), await asked()]
    for (const { socket } of [deaf, polite]) socket.say(part('Yes.', 0, true))
    await Promise.all([deaf.ended, polite.ended])
    polite.socket.end({ type: 'closed', code: 1000 })
    await clock.advance(AGENT_CLOSE_TIMEOUT_MS)
    expect([deaf.socket.isCut, polite.socket.isCut, clock.waiting]).toEqual([true, false, 0])
  })

  test('[A13] ends with the agent, and nobody waits for it any more', async () => {
    const { asked, agent, aborter } = createWorld()
    const { socket, ended, events } = await asked()
    const ping = Promise.allSettled([agent.ping(aborter.signal)])
    await agent[Symbol.asyncDispose]()
    expect([await ended, events, socket.isClosed]).toEqual([undefined, [], true])
    expect(await ping).toMatchObject([{ status: 'rejected', reason: { kind: 'unreachable' } }])
  })
})

describe('aborting', () => {
  test('[A9] before anything happened asks nobody', async () => {
    const { ask, aborter, sockets } = createWorld()
    aborter.abort()
    const { ended, events } = ask()
    expect([await ended, events, sockets.all]).toEqual([undefined, [], []])
  })

  test('[A9] while connecting closes without a word', async () => {
    const { ask, aborter, sockets, clock } = createWorld()
    const { ended, events } = ask()
    await clock.settle()
    aborter.abort()
    expect([await ended, events]).toEqual([undefined, []])
    expect([socketAt(sockets.all, 0).isClosed, socketAt(sockets.all, 0).heard]).toEqual([true, []])
  })

  test('[A9] while the agent speaks cancels there, and nothing more comes', async () => {
    const { asked, aborter } = createWorld()
    const { socket, ended, events } = await asked()
    socket.say(part('You ', 0))
    aborter.abort()
    expect(socket.heard.at(-1)).toMatchObject({ type: 'status', content: 'cancel', metadata: { inReplyTo: question.messageId } })
    expect(socket.isClosed).toBe(true)
    socket.say(part('can', 1))
    expect(await ended).toBeUndefined()
    expect(textOf(events)).not.toContain('can')
  })

  test('[A9] also when whoever reads simply leaves', async () => {
    const { agent, sockets, clock, aborter } = createWorld()
    const stream = agent.answer(question, aborter.signal)
    const first = stream.next()
    await clock.settle()
    const socket = socketAt(sockets.all, 0)
    socket.accept()
    await clock.settle()
    socket.say(part('You ', 0))
    await first
    await stream.return(undefined)
    expect([socket.heard.length, socket.isClosed]).toEqual([2, true])
    aborter.abort()
    expect(socket.heard.length).toBe(2)
  })

  test('[A9] after the answer says nothing', async () => {
    const { asked, aborter } = createWorld()
    const { socket, ended } = await asked()
    socket.say(part('Yes.', 0, true))
    await ended
    aborter.abort()
    expect(socket.heard.length).toBe(1)
  })
})

describe('a ping', () => {
  test('[A10] goes over a connection of its own and waits for its own answer', async () => {
    const { result, socket, clock, sockets } = await pinging()
    expect(socket.request.headers).toEqual({ 'X-Session-ID': 'health-check', 'X-User-ID': 'health-check' })
    socket.accept()
    await clock.settle()
    const [ping] = socket.heard as readonly { readonly id: string }[]
    expect(ping).toMatchObject({ type: 'status', content: 'ping' })
    let isAnswered = false
    void result.then(() => (isAnswered = true))
    socket.say({ type: 'status', content: 'pong', metadata: { inReplyTo: 'another' } })
    socket.say({ type: 'response', content: 'pong' })
    await clock.settle()
    expect(isAnswered).toBe(false)
    socket.say({ type: 'status', content: 'pong', metadata: { inReplyTo: ping?.id } })
    expect(await result).toEqual([{ status: 'fulfilled', value: undefined }])
    expect([socket.isClosed, sockets.all.length]).toEqual([true, 1])
  })

  test('[A10] is answered by a pong that names no question, because nothing else runs there', async () => {
    const { result, socket, clock } = await pinging()
    socket.accept()
    await clock.settle()
    socket.say({ type: 'status', content: 'pong' })
    expect(await result).toMatchObject([{ status: 'fulfilled' }])
  })

  test('[A10] ends with whoever asked for it, with their reason', async () => {
    const { result, aborter, socket } = await pinging()
    const reason = new Error('too slow')
    aborter.abort(reason)
    expect(await result).toEqual([{ status: 'rejected', reason }])
    expect(socket.isClosed).toBe(true)
  })

  test('[A7][A10] fails when the agent cannot be reached', async () => {
    const { result, socket } = await pinging()
    socket.end({ type: 'refused', status: undefined, retryAfter: undefined, cause: undefined })
    expect(await result).toMatchObject([{ status: 'rejected', reason: { kind: 'unreachable' } }])
  })
})
