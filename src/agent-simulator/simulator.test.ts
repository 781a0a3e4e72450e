import { expect, test } from 'vitest'
import { SIMULATOR_MESSAGE_BYTES_MAX } from '../conversation/limits.ts'
import { composeAnswer, piecesOf } from './composed-answer.ts'
import { SimulatorStartError, startSimulator } from './simulator.ts'
import { turnHash } from './stats.ts'
import { call, HEADERS, Refused, SESSION, type Heard } from './test-caller.ts'
import { guidance, startTestSimulator } from './test-simulator.ts'

const QUESTION = 'How do I delete a conversation?'
const ANSWER = composeAnswer(QUESTION, guidance)
const textOf = (parts: readonly Heard[]): string => parts.map(({ content }) => content).join('')

test('[M6] a question is answered with the part of the guidance that fits, and links', () => {
  const answer = composeAnswer('how can I cancel a question that is waiting', guidance)
  expect(answer).toMatch(/^## Cancel a question that is waiting\n\n/)
  expect(answer).toContain('select "Cancel" below it')
  expect(answer).toContain('Read more: [Stop an answer](/help/stop-an-answer).')
})

test.each(['How do I renew my passport?', '😀', 'x'.repeat(16_000)])('[M6] what the guidance does not know is said: %.20s', (question) => {
  const answer = composeAnswer(question, guidance)
  expect(answer).toContain('I could not find anything about that.')
  expect(answer).toContain('](/help/how-the-assistant-works)')
})

test.each(['word', 'letter'] as const)('[M7] the pieces by %s are the whole text', (by) => {
  for (const text of [ANSWER, '', ' ', '  a  b\n\n', '👩‍👩‍👧 e\u0301', 'one']) expect(piecesOf(text, by).join('')).toBe(text)
  expect(piecesOf('one two\n\nthree ', 'word')).toEqual(['one', ' two', '\n\nthree', ' '])
  expect(piecesOf('e\u0301👩‍👩‍👧', 'letter')).toEqual(['e\u0301', '👩‍👩‍👧'])
})

test('[M7] an answer comes word by word, numbered, with its end, at its pace', async () => {
  await using simulator = await startTestSimulator()
  await using caller = await call(simulator.url)
  const id = caller.ask(QUESTION)
  const parts = await caller.answer()
  expect(textOf(parts)).toBe(ANSWER)
  expect(parts.map(({ type, metadata }) => ({ type, metadata }))).toEqual(
    parts.map((_, sequence) => ({ type: 'response', metadata: { inReplyTo: id, sequence, done: sequence === parts.length - 1 } })),
  )
  expect(new Set(parts.map((part) => part.id)).size).toBe(parts.length)
  expect(parts.length).toBeGreaterThan(20)
  expect(simulator.clock.naps).toEqual(parts.map((_, sequence) => (sequence === 0 ? 400 : 40)))
})

test.each(['X-Session-ID', 'X-User-ID'])('[M8] a handshake without %s is refused', async (name) => {
  await using simulator = await startTestSimulator()
  const headers = Object.fromEntries(Object.entries(HEADERS).filter(([header]) => header !== name))
  const refused: unknown = await call(simulator.url, headers).catch((error: unknown) => error)
  expect(refused).toMatchObject({
    status: 400,
    body: { error: { code: 'VALIDATION_ERROR', message: `the handshake has no ${name} header`, isRetryable: false } },
  })
})

test.each(['', ' ', 'a b', 'x'.repeat(201), 'caf\u00e9'])('[M8] a handshake with the session %j is refused', async (session) => {
  await using simulator = await startTestSimulator()
  const refused = call(simulator.url, { ...HEADERS, 'X-Session-ID': session })
  await expect(refused).rejects.toMatchObject({ status: 400 })
})

test('[M8] a question of another session is refused', async () => {
  await using simulator = await startTestSimulator()
  await using caller = await call(simulator.url, { ...HEADERS, 'X-Session-ID': 'another' })
  const id = caller.ask(QUESTION)
  expect(await caller.next()).toMatchObject({
    type: 'error',
    content: 'metadata.sessionId is not the session of this connection (X-Session-ID)',
    metadata: { inReplyTo: id, retryable: false },
  })
  expect((await simulator.stats()).questions).toBe(0)
})

test('[M9] a ping is answered, also in the middle of an answer', async () => {
  await using simulator = await startTestSimulator()
  simulator.clock.hold()
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  await simulator.clock.napping()
  const ping = caller.ping()
  expect(await caller.next()).toMatchObject({ type: 'status', content: 'pong', metadata: { inReplyTo: ping } })
  simulator.clock.release()
  expect(textOf(await caller.answer())).toBe(ANSWER)
})

test('[M10] a cancel stops the answer, and the connection stays good', async () => {
  await using simulator = await startTestSimulator()
  simulator.clock.hold()
  await using caller = await call(simulator.url)
  const id = caller.ask(QUESTION, { turnId: 'a-turn' })
  await simulator.clock.napping()
  simulator.clock.wake()
  expect((await caller.next()).content).toBe(piecesOf(ANSWER, 'word')[0])
  caller.cancel('another-question')
  caller.cancel(id)
  const ping = caller.ping()
  expect(await caller.next()).toMatchObject({ content: 'pong', metadata: { inReplyTo: ping } })
  await simulator.clock.awake()
  simulator.clock.release()
  caller.ask(QUESTION, { turnId: 'a-turn', attempt: 2 })
  expect(textOf(await caller.answer())).toBe(ANSWER)
  expect(await simulator.stats()).toMatchObject({
    questions: 2,
    cancels: 2,
    finished: 1,
    turns: { [turnHash('a-turn')]: { questions: 2, attempt: 2, cancels: 1 } },
  })
})

test('[M10] at the deadline the answer stops', async () => {
  await using simulator = await startTestSimulator()
  simulator.clock.hold()
  await using caller = await call(simulator.url)
  caller.ask(QUESTION, { deadlineMs: 5_000 })
  await simulator.clock.napping()
  simulator.clock.pass(4_999)
  await simulator.clock.napping()
  simulator.clock.pass(1)
  await simulator.clock.awake()
  const ping = caller.ping()
  expect(await caller.next()).toMatchObject({ content: 'pong', metadata: { inReplyTo: ping } })
  expect((await simulator.stats()).finished).toBe(0)
})

test('[M10] the end of the connection stops the answer', async () => {
  await using simulator = await startTestSimulator()
  simulator.clock.hold()
  const caller = await call(simulator.url)
  caller.ask(QUESTION)
  await simulator.clock.napping()
  caller.socket.terminate()
  await simulator.clock.awake()
  expect(await simulator.stats()).toMatchObject({ questions: 1, finished: 0, openConnections: 0 })
})

test('[M11] a second question waits for its turn with the one who asks', async () => {
  await using simulator = await startTestSimulator()
  simulator.clock.hold()
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  await simulator.clock.napping()
  const second = caller.ask('How do I stop an answer?')
  expect(await caller.next()).toMatchObject({ type: 'error', metadata: { inReplyTo: second, retryable: true } })
  simulator.clock.release()
  expect(textOf(await caller.answer())).toBe(ANSWER)
  expect((await simulator.stats()).questions).toBe(1)
})

const good = (changes: object, metadata: object = {}): string =>
  JSON.stringify({
    id: 'my-id',
    type: 'message',
    content: 'Hello',
    timestamp: '2026-01-05T09:00:00.000Z',
    metadata: { sessionId: SESSION, turnId: 't', attempt: 1, deadlineMs: 1_000, history: [], ...metadata },
    ...changes,
  })

test.each([
  ['', 'the message is not JSON', undefined],
  ['{', 'the message is not JSON', undefined],
  ['null', 'the message must be an object', undefined],
  ['[]', 'type is missing', undefined],
  [good({ type: 'response' }), 'type must be one of message, status', 'my-id'],
  [good({ type: 7 }), 'type must be one of message, status', 'my-id'],
  [good({ id: '' }), 'id must be of length 1 or more', undefined],
  [good({ id: 'x'.repeat(201) }), 'id must be of length 200 or less', undefined],
  [good({ content: '' }), 'content must be of length 1 or more', 'my-id'],
  [good({ content: null }), 'content must be text', 'my-id'],
  [good({ timestamp: 'now' }), 'timestamp must be a time such as', 'my-id'],
  [good({ metadata: undefined }), 'metadata is missing', 'my-id'],
  [good({}, { attempt: 0 }), 'metadata.attempt must be 1 or more', 'my-id'],
  [good({}, { deadlineMs: -1 }), 'metadata.deadlineMs must be 0 or more', 'my-id'],
  [good({}, { history: [{ role: 'system', content: '' }] }), 'metadata.history.0.role must be one of user, assistant', 'my-id'],
  [good({ type: 'status', content: 'dance' }), 'content must be one of cancel, ping, pong', 'my-id'],
  [good({ type: 'status', content: 'cancel', metadata: {} }), 'metadata.inReplyTo is missing', 'my-id'],
])('[M12] %.60s is answered with "%s"', async (text, problem, inReplyTo) => {
  await using simulator = await startTestSimulator()
  await using caller = await call(simulator.url)
  caller.send(text)
  const { type, content, metadata } = await caller.next()
  expect({ type, metadata }).toEqual({ type: 'error', metadata: { ...(inReplyTo === undefined ? {} : { inReplyTo }), retryable: false } })
  expect(content).toContain(problem)
  const ping = caller.ping()
  expect(await caller.next()).toMatchObject({ content: 'pong', metadata: { inReplyTo: ping } })
})

test('[M12] what we do not know beside the form is ignored, and so is a pong', async () => {
  await using simulator = await startTestSimulator()
  await using caller = await call(simulator.url)
  caller.send(good({ type: 'status', content: 'pong', metadata: {} }))
  caller.send(good({ content: QUESTION, extra: [1] }, { mood: 'good' }))
  expect(textOf(await caller.answer())).toBe(ANSWER)
})

test('[M12] after three bad messages the connection is closed, and others go on', async () => {
  await using simulator = await startTestSimulator()
  await using other = await call(simulator.url)
  await using caller = await call(simulator.url)
  for (let index = 0; index < 3; index += 1) caller.send('nonsense')
  expect(await caller.closed).toBe(1008)
  other.ask(QUESTION)
  expect(textOf(await other.answer())).toBe(ANSWER)
  expect((await simulator.stats()).badMessages).toBe(3)
})

test('[M12] binary and oversized messages and bad UTF-8 close the connection, and others go on', async () => {
  await using simulator = await startTestSimulator()
  await using other = await call(simulator.url)
  await using binary = await call(simulator.url)
  await using large = await call(simulator.url)
  await using garbled = await call(simulator.url)
  binary.socket.send(Uint8Array.of(1, 2, 3))
  large.send('x'.repeat(SIMULATOR_MESSAGE_BYTES_MAX + 1))
  garbled.socket.send(Uint8Array.of(0xff, 0xfe), { binary: false })
  expect(await Promise.all([binary.closed, large.closed, garbled.closed])).toEqual([1003, 1009, 1007])
  other.ask(QUESTION)
  expect(textOf(await other.answer())).toBe(ANSWER)
})

test('[M12] the largest message that is allowed is read', async () => {
  await using simulator = await startTestSimulator()
  await using caller = await call(simulator.url)
  const content = 'x'.repeat(SIMULATOR_MESSAGE_BYTES_MAX - 1_000)
  caller.send(good({}, { history: [{ role: 'user', content }] }))
  expect(textOf(await caller.answer())).toContain('I could not find anything')
})

test('[M21] stopping closes every connection as going away, also one that never answers', async () => {
  const { clock, url, simulator } = await startTestSimulator('silent')
  const caller = await call(url)
  const quiet = await call(url)
  quiet.socket.pause()
  const stopped = simulator[Symbol.asyncDispose]()
  expect(await caller.closed).toBe(1001)
  clock.pass(1_000)
  await stopped
  await expect(call(url)).rejects.not.toBeInstanceOf(Refused)
  quiet.socket.terminate()
})

test('[M20] a port in use is said', async () => {
  await using simulator = await startTestSimulator()
  const port = Number(new URL(simulator.url).port)
  const { clock } = simulator
  const second = startSimulator({
    host: '127.0.0.1',
    port,
    plan: { script: [], repeat: false },
    seed: 1,
    pace: { firstMs: 0, chunkMs: 0 },
    guidance,
    clock,
    randomBytes: (count) => new Uint8Array(count),
  })
  await expect(second).rejects.toThrow(SimulatorStartError)
  await expect(second).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`)
})
