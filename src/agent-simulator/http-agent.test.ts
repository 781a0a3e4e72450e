/** The simulated agent over HTTP, by itself and met by the service's own adapters, which were written apart. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { describe, expect, test } from 'vitest'
import { AgUiAgent } from '../agent/ag-ui-agent.ts'
import type { Agent } from '../agent/agent.ts'
import { createNodeAgentHttp } from '../agent/node-agent-http.ts'
import { OpenAiAgent } from '../agent/openai-agent.ts'
import { createClock } from '../app/ports.ts'
import { SIMULATOR_MESSAGE_BYTES_MAX } from '../conversation/limits.ts'
import { ask, failureFacts, QUESTION, textOf } from '../testing/asked-agent.ts'
import { composeAnswer, piecesOf } from './composed-answer.ts'
import { turnHash } from './stats.ts'
import { guidance, startTestSimulator, type TestSimulator } from './test-simulator.ts'

const ANSWER = composeAnswer(QUESTION.text, guidance)
const WORDS = piecesOf(ANSWER, 'word')
const send = createNodeAgentHttp({ http: httpRequest, https: httpsRequest })
const random = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count))

const openai = ({ simulator }: TestSimulator): Agent =>
  new OpenAiAgent({ url: `${simulator.controlUrl}v1`, model: 'large', apiKey: 'key', send, clock: createClock() })
const agUi = ({ simulator }: TestSimulator): Agent =>
  new AgUiAgent({ url: `${simulator.controlUrl}ag-ui`, apiKey: 'key', send, clock: createClock(), random })

const FORMS = [
  ['chat completions', openai],
  ['AG-UI', agUi],
] as const

/** Looks until the simulator has nothing open. Each look is a round trip. */
async function closed(simulator: TestSimulator): Promise<void> {
  while ((await simulator.stats()).openConnections > 0);
}

describe.each(FORMS)('[M30] %s', (_form, agentOf) => {
  test('[M30] an answer comes whole, word by word, with what it took', async () => {
    await using simulator = await startTestSimulator()
    await using agent = agentOf(simulator)
    const { events, ended } = ask(agent)
    expect([await ended, textOf(events)]).toEqual([undefined, `${ANSWER}|`])
    expect(events.filter(({ type }) => type === 'text').map((event) => textOf([event]))).toEqual(WORDS)
    expect(events.at(-2)).toMatchObject({ type: 'usage', outputTokens: WORDS.length, inputTokens: expect.any(Number) })
    expect(simulator.clock.naps).toEqual(WORDS.map((_word, index) => (index === 0 ? 400 : 40)))
    await closed(simulator)
    const { turns, connections, finished, cancels } = await simulator.stats()
    expect({ connections, finished, cancels }).toEqual({ connections: 1, finished: 1, cancels: 0 })
    expect(Object.keys(turns)).toEqual([turnHash(QUESTION.turnId)])
  })

  test('[M30] a check is answered and counted, and asks nothing', async () => {
    await using simulator = await startTestSimulator('hang')
    await using agent = agentOf(simulator)
    await agent.ping(new AbortController().signal)
    expect(await simulator.stats()).toMatchObject({ pings: 1, questions: 0 })
  })

  test.each([
    ['error', { kind: 'error', isRetryable: true, retryAfterMs: undefined }],
    ['error retryable=false', { kind: 'error', isRetryable: false, retryAfterMs: undefined }],
    ['rate-limited windowMs=5000', { kind: 'busy', isRetryable: true, retryAfterMs: 5_000 }],
    ['rate-limited at=handshake windowMs=5000', { kind: 'busy', isRetryable: true, retryAfterMs: 5_000 }],
    ['refused', { kind: 'busy', isRetryable: true, retryAfterMs: undefined }],
    ['refused status=502', { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
    ['cut afterWords=0', { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
    ['garbage kind=text', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
    ['garbage kind=json', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
    ['garbage kind=form', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
    ['garbage kind=binary', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
    ['garbage kind=order', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ])('[M13][M30] %s is told by the adapter', async (faults, expected) => {
    await using simulator = await startTestSimulator(faults)
    await using agent = agentOf(simulator)
    const { events, ended } = ask(agent)
    expect([failureFacts(await ended), textOf(events)]).toEqual([expected, ''])
  })

  test.each([
    ['error afterWords=3', { kind: 'error', isRetryable: true, retryAfterMs: undefined }],
    ['garbage kind=json afterWords=3', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ])('[M13][M30] %s is told after the words that came', async (faults, expected) => {
    await using simulator = await startTestSimulator(faults)
    await using agent = agentOf(simulator)
    const { events, ended } = ask(agent)
    expect([failureFacts(await ended), textOf(events)]).toEqual([expected, WORDS.slice(0, 3).join('')])
  })

  test('[M13][M30] a connection cut in the middle is an answer cut off', async () => {
    await using simulator = await startTestSimulator('cut afterWords=3')
    await using agent = agentOf(simulator)
    const { events, ended } = ask(agent)
    expect(failureFacts(await ended)).toEqual({ kind: 'broke-off', isRetryable: true, retryAfterMs: undefined })
    expect(WORDS.slice(0, 3).join('')).toContain(textOf(events))
    await closed(simulator)
    expect(await simulator.stats()).toMatchObject({ cancels: 0, faults: { cut: 1 } })
  })

  test('[M13][M30] dribble is the whole answer, letter by letter', async () => {
    await using simulator = await startTestSimulator('dribble')
    await using agent = agentOf(simulator)
    const { events, ended } = ask(agent)
    expect([await ended, textOf(events), events.filter(({ type }) => type === 'text').length]).toEqual([
      undefined,
      `${ANSWER}|`,
      piecesOf(ANSWER, 'letter').length,
    ])
  })

  test('[M13][M31] what is nobody’s is not shown, and giving up tells the agent to stop', async () => {
    await using simulator = await startTestSimulator('garbage kind=stranger afterWords=1')
    await using agent = agentOf(simulator)
    const aborter = new AbortController()
    const { events, ended } = ask(agent, aborter.signal)
    while ((await simulator.stats()).faults['garbage'] === undefined);
    aborter.abort()
    expect([await ended, textOf(events)]).toEqual([undefined, WORDS[0]])
    await closed(simulator)
    expect(await simulator.stats()).toMatchObject({ cancels: 1, finished: 0 })
  })

  test.each(['silent', 'hang'])('[M13][M31] %s: the question is never answered, until it is given up', async (fault) => {
    await using simulator = await startTestSimulator(fault)
    await using agent = agentOf(simulator)
    const aborter = new AbortController()
    const { events, ended } = ask(agent, aborter.signal)
    while ((await simulator.stats()).faults[fault] === undefined);
    aborter.abort()
    expect([await ended, events]).toEqual([undefined, []])
    await closed(simulator)
  })
})

test('[M31] the deadline ends an answer', async () => {
  await using simulator = await startTestSimulator('hang')
  const answered = simulator.request('POST', '/v1/chat/completions', completion({}), { 'x-deadline-ms': '5000' })
  while ((await simulator.stats()).faults['hang'] === undefined);
  simulator.clock.pass(5_000)
  await expect(answered).rejects.toThrow('fetch failed')
  expect(await simulator.stats()).toMatchObject({ cancels: 0, openConnections: 0 })
})

const completion = (more: object): string =>
  JSON.stringify({ model: 'large', messages: [{ role: 'user', content: 'secret words' }], stream: true, ...more })
const run = (more: object): string =>
  JSON.stringify({ threadId: 't', runId: 'r', messages: [{ id: 'm', role: 'user', content: 'secret words' }], ...more })

test.each([
  ['/v1/chat/completions', 'secret words', 'the body is not JSON'],
  ['/v1/chat/completions', '[]', 'model is missing'],
  ['/v1/chat/completions', completion({ stream: false }), 'stream must be true'],
  ['/v1/chat/completions', completion({ messages: [] }), 'messages must be of length 1 or more'],
  ['/v1/chat/completions', completion({ messages: [{ role: 'secret', content: '' }] }), 'messages.0.role must be one of'],
  ['/v1/chat/completions', completion({ messages: [{ role: 'assistant', content: 'secret' }] }), 'the last of messages must be a question'],
  ['/ag-ui', '{}', 'threadId is missing'],
  ['/ag-ui', run({ runId: 7 }), 'runId must be text'],
  ['/ag-ui', run({ messages: [{ id: 'm', role: 'assistant', content: 'secret' }] }), 'the last of messages must be a question'],
  ['/ag-ui', run({ forwardedProps: { attempt: 0 } }), 'forwardedProps.attempt must be 1 or more'],
])('[M32] a question at %s of another form is refused: %s', async (where, body, problem) => {
  await using simulator = await startTestSimulator()
  const response = await simulator.request('POST', where, body)
  const text = await response.text()
  expect([response.status, text]).toEqual([400, expect.stringContaining(`"message":"${problem}`)])
  expect(text).not.toContain('secret')
  expect(await simulator.stats()).toMatchObject({ badMessages: 1, questions: 0 })
})

test('[M32] too much, the wrong method and other websites are refused, and the next question is answered', async () => {
  await using simulator = await startTestSimulator()
  const statuses = [
    await simulator.request('POST', '/ag-ui', 'x'.repeat(SIMULATOR_MESSAGE_BYTES_MAX + 1)),
    await simulator.request('PUT', '/v1/chat/completions', completion({})),
    await simulator.request('POST', '/v1/models', '{}'),
    await simulator.request('POST', '/ag-ui', run({}), { origin: 'https://evil.example' }),
    await simulator.request('POST', '/ag-ui?x=1', run({})),
  ].map(({ status }) => status)
  expect(statuses).toEqual([413, 405, 405, 403, 200])
})
