/** Every fault as a service meets it: over real sockets, against a clock of the test. */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { composeAnswer, piecesOf } from './composed-answer.ts'
import { GARBAGE_KINDS } from './fault.ts'
import { garbageOf } from './garbage.ts'
import { call, type Heard } from './test-caller.ts'
import { guidance, startTestSimulator } from './test-simulator.ts'

const QUESTION = 'How do I delete a conversation?'
const ANSWER = composeAnswer(QUESTION, guidance)
const WORDS = piecesOf(ANSWER, 'word')
const textOf = (parts: readonly Heard[]): string => parts.map(({ content }) => content).join('')

async function take(caller: { next(): Promise<Heard> }, count: number): Promise<readonly Heard[]> {
  const parts: Heard[] = []
  while (parts.length < count) parts.push(await caller.next())
  return parts
}

test('[M13] slow: the whole answer, late and with gaps', async () => {
  await using simulator = await startTestSimulator('slow')
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  expect(textOf(await caller.answer())).toBe(ANSWER)
  expect(simulator.clock.naps).toEqual(WORDS.map((_, index) => (index === 0 ? 8_000 : 500)))
})

test('[M13] dribble: the whole answer, letter by letter', async () => {
  await using simulator = await startTestSimulator('dribble chunkMs=700')
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  expect((await caller.answer()).map(({ content }) => content)).toEqual(piecesOf(ANSWER, 'letter'))
  expect(simulator.clock.naps.slice(0, 3)).toEqual([400, 700, 700])
})

test.each([0, 4])('[M13] hang after %i words: nothing more, and pings are answered', async (words) => {
  await using simulator = await startTestSimulator(`hang afterWords=${words}`)
  await using caller = await call(simulator.url)
  const id = caller.ask(QUESTION)
  expect(textOf(await take(caller, words))).toBe(WORDS.slice(0, words).join(''))
  const ping = caller.ping()
  expect(await caller.next()).toMatchObject({ content: 'pong', metadata: { inReplyTo: ping } })
  caller.cancel(id)
  await caller.hangUp()
  expect(caller.waiting).toEqual([])
  expect(await simulator.stats()).toMatchObject({ questions: 1, finished: 0, cancels: 1, faults: { hang: 1 } })
})

test('[M13] silent: the connection is taken and nothing is said, to nothing', async () => {
  await using simulator = await startTestSimulator('silent')
  await using caller = await call(simulator.url)
  let pongs = 0
  caller.socket.on('pong', () => (pongs += 1))
  caller.ask(QUESTION)
  caller.ping()
  caller.send('nonsense')
  caller.socket.ping()
  await caller.hangUp()
  expect(caller.waiting).toEqual([])
  expect(await caller.closed).toBe(1000)
  expect(pongs).toBe(0)
  expect(await simulator.stats()).toMatchObject({ connections: 1, questions: 0, pings: 0, badMessages: 0, faults: { silent: 1 } })
})

test('[M13] silent for one connection: it stays so, and the next one is answered', async () => {
  await using simulator = await startTestSimulator('silent count=1')
  await using silent = await call(simulator.url)
  await using caller = await call(simulator.url)
  silent.ping()
  await silent.hangUp()
  expect(silent.waiting).toEqual([])
  caller.ping()
  expect((await caller.next()).content).toBe('pong')
})

test('[M13] normal: frames to find out whether it lives are answered', async () => {
  await using simulator = await startTestSimulator()
  await using caller = await call(simulator.url)
  caller.socket.ping('are you there')
  const [data]: readonly unknown[] = await once(caller.socket, 'pong')
  expect(String(data)).toBe('are you there')
})

test.each([
  ['error', 0, true],
  ['error afterWords=3 retryable=false', 3, false],
] as const)('[M13] %s: an error in place of the rest', async (text, words, retryable) => {
  await using simulator = await startTestSimulator(text)
  await using caller = await call(simulator.url)
  const id = caller.ask(QUESTION)
  expect(textOf(await take(caller, words))).toBe(WORDS.slice(0, words).join(''))
  expect(await caller.next()).toMatchObject({ type: 'error', metadata: { inReplyTo: id, retryable } })
  await caller.hangUp()
  expect(caller.waiting).toEqual([])
})

test('[M13] an error comes before the end however short the answer is', async () => {
  await using simulator = await startTestSimulator('error afterWords=100000')
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  expect(textOf(await take(caller, WORDS.length - 1))).toBe(WORDS.slice(0, -1).join(''))
  expect((await caller.next()).type).toBe('error')
})

test.each([0, 5])('[M13] cut after %i words: they arrive, and the connection breaks without a word', async (words) => {
  await using simulator = await startTestSimulator(`cut afterWords=${words}`)
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  expect(textOf(await take(caller, words))).toBe(WORDS.slice(0, words).join(''))
  expect(await caller.closed).toBe(1006)
  expect(caller.waiting).toEqual([])
})

test.each(GARBAGE_KINDS)('[M13] garbage of the kind %s in place of the rest', async (kind) => {
  await using simulator = await startTestSimulator(`garbage kind=${kind} afterWords=2`)
  await using caller = await call(simulator.url)
  const id = caller.ask(QUESTION)
  expect(textOf(await take(caller, 2))).toBe(WORDS.slice(0, 2).join(''))
  const expected = garbageOf({ type: 'garbage', after: 2, kind, pick: 0 }, id, 2)
  for (const frame of expected) {
    const arrived = await caller.frame()
    expect(typeof arrived === 'string' ? arrived : Uint8Array.from(arrived)).toEqual(frame)
  }
  await caller.hangUp()
  expect(caller.waiting).toEqual([])
  expect((await simulator.stats()).faults).toEqual({ garbage: 1 })
})

test('[M13] garbage that answers somebody else never names the question', () => {
  const frames = garbageOf({ type: 'garbage', after: 0, kind: 'stranger', pick: 0 }, 'mine', 0)
  expect(frames.map((frame) => Reflect.get(JSON.parse(String(frame)), 'metadata'))).toEqual([
    { inReplyTo: 'somebody-elses-question', sequence: 0, done: false },
    { inReplyTo: 'somebody-elses-question', sequence: 1, done: true },
  ])
})

test('[M3] any kind of garbage is drawn by the seed, and all of them come', () => {
  const kinds = Array.from({ length: 60 }, (_, index) =>
    String(garbageOf({ type: 'garbage', after: 0, kind: 'any', pick: index / 60 }, 'q', 0)[0]),
  )
  expect(new Set(kinds).size).toBe(GARBAGE_KINDS.length)
})

test('[M13] refused: handshakes get HTTP, and open connections are closed when they are used', async () => {
  await using simulator = await startTestSimulator()
  await using caller = await call(simulator.url)
  await simulator.faults('refused status=502')
  await expect(call(simulator.url)).rejects.toMatchObject({ status: 502, retryAfter: undefined })
  caller.ping()
  expect(await caller.closed).toBe(1013)
  expect(caller.waiting).toEqual([])
  expect(await simulator.stats()).toMatchObject({ connections: 1, refusals: 1, questions: 0, pings: 0 })
})

test('[M13] refused: an answer that runs already goes on', async () => {
  await using simulator = await startTestSimulator()
  simulator.clock.hold()
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  await simulator.clock.napping()
  await simulator.faults('refused')
  simulator.clock.release()
  expect(textOf(await caller.answer())).toBe(ANSWER)
})

test('[M13][M14] flapping: there and gone in turns, and what runs is cut', async () => {
  await using simulator = await startTestSimulator('flapping upMs=2000 downMs=3000')
  simulator.clock.hold()
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  await simulator.clock.napping()
  simulator.clock.wake()
  expect((await caller.next()).content).toBe(WORDS[0])
  await simulator.clock.napping()
  simulator.clock.pass(2_000)
  simulator.clock.wake()
  expect(await caller.closed).toBe(1006)
  await expect(call(simulator.url)).rejects.toMatchObject({ status: 503 })
  simulator.clock.pass(3_000)
  simulator.clock.release()
  await using again = await call(simulator.url)
  expect((await simulator.stats()).faults).toEqual({ flapping: 1 })
  again.ping()
  expect((await again.next()).content).toBe('pong')
})

test('[M14] silence reaches an answer that runs already', async () => {
  await using simulator = await startTestSimulator()
  simulator.clock.hold()
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  await simulator.clock.napping()
  simulator.clock.wake()
  expect((await caller.next()).content).toBe(WORDS[0])
  await simulator.clock.napping()
  await simulator.faults('silent')
  simulator.clock.release()
  caller.ping()
  await caller.hangUp()
  expect(caller.waiting).toEqual([])
})

test('[M13] rate-limited: so many in each window, and when to come back', async () => {
  await using simulator = await startTestSimulator('rate-limited allowed=1 windowMs=100000')
  await using caller = await call(simulator.url)
  caller.ask(QUESTION)
  const spentMs = 400 + 40 * ((await caller.answer()).length - 1)
  const second = caller.ask(QUESTION)
  expect(await caller.next()).toMatchObject({
    type: 'error',
    metadata: { inReplyTo: second, retryable: true, retryAfterMs: 100_000 - spentMs },
  })
  simulator.clock.pass(100_000 - spentMs)
  caller.ask(QUESTION)
  expect(textOf(await caller.answer())).toBe(ANSWER)
})

test('[M13] rate-limited at the handshake: 429 with Retry-After in whole seconds', async () => {
  await using simulator = await startTestSimulator('rate-limited at=handshake windowMs=2500')
  await expect(call(simulator.url)).rejects.toMatchObject({
    status: 429,
    retryAfter: '3',
    body: { error: { code: 'REFUSED', isRetryable: true } },
  })
})

test('[M2][M13] a script runs its steps one after the other', async () => {
  await using simulator = await startTestSimulator('error count=1, cut afterWords=1 count=1')
  await using first = await call(simulator.url)
  first.ask(QUESTION)
  expect((await first.next()).type).toBe('error')
  first.ask(QUESTION)
  expect((await first.next()).content).toBe(WORDS[0])
  expect(await first.closed).toBe(1006)
  await using second = await call(simulator.url)
  second.ask(QUESTION)
  expect(textOf(await second.answer())).toBe(ANSWER)
  expect(await simulator.stats()).toMatchObject({ connections: 2, questions: 3, finished: 1, faults: { error: 1, cut: 1 } })
})
