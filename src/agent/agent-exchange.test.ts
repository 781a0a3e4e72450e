/** What becomes of the connection of an agent that speaks HTTP; the OpenAI-compatible one stands for all. */
import { expect, test } from 'vitest'
import { AGENT_CONNECT_TIMEOUT_MS } from '../conversation/limits.ts'
import { ask, failureFacts, QUESTION, textOf } from '../testing/asked-agent.ts'
import { createFakeAgentHttp, type FakeAgentRequest } from '../testing/fake-agent-http.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { OpenAiAgent } from './openai-agent.ts'

function createWorld() {
  const clock = createSimulatedClock()
  const http = createFakeAgentHttp()
  const agent = new OpenAiAgent({ url: 'https://agent.test/v1', model: 'large', apiKey: undefined, clock, send: http.send })
  const aborter = new AbortController()
  /** A question that the agent has. */
  const asked = async () => {
    const made = ask(agent, aborter.signal)
    const request = requestAt(http.all, -1)
    request.connect()
    await clock.settle()
    return { ...made, request }
  }
  /** A question whose answer has begun. */
  const answering = async () => {
    const made = await asked()
    made.request.answer(200)
    await clock.settle()
    return made
  }
  return { clock, http, agent, aborter, asked, answering }
}

function requestAt(all: readonly FakeAgentRequest[], index: number): FakeAgentRequest {
  const request = all.at(index)
  if (request === undefined) throw new Error('nobody asked')
  return request
}

const text = (content: string): object => ({ choices: [{ index: 0, delta: { content } }] })
const STOP = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
const PROTOCOL = { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }

test.each([
  ['ECONNREFUSED', { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
  ['ENOTFOUND', { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
  ['ECONNRESET', { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
  ['ETIMEDOUT', { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
  ['CERT_HAS_EXPIRED', { kind: 'unreachable', isRetryable: false, retryAfterMs: undefined }],
  ['HPE_INVALID_CONSTANT', PROTOCOL],
])('[A36] a connection that fails with %s says so', async (code, expected) => {
  const { asked, clock } = createWorld()
  const { request, ended } = await asked()
  const cause = Object.assign(new Error('x'), { code })
  request.fail(cause)
  const problem = await ended
  expect([failureFacts(problem), Object(problem).cause, clock.waiting]).toEqual([expected, cause, 0])
})

test('[A36] a connection whose rules are broken in the middle is a protocol failure', async () => {
  const { answering, clock } = createWorld()
  const { request, ended } = await answering()
  request.event(text('You'))
  await clock.settle()
  request.fail(Object.assign(new Error('x'), { code: 'HPE_INVALID_CHUNK_SIZE' }))
  expect(failureFacts(await ended)).toEqual(PROTOCOL)
})

test('[A38] a connection that does not stand in time is given up; one that does has all the time it needs for its answer', async () => {
  const { clock, http, agent, answering } = createWorld()
  const { ended } = ask(agent)
  await clock.advance(AGENT_CONNECT_TIMEOUT_MS)
  expect([failureFacts(await ended), requestAt(http.all, 0).isAborted]).toEqual([
    { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined },
    true,
  ])
  const slow = await answering()
  await clock.advance(100 * AGENT_CONNECT_TIMEOUT_MS)
  slow.request.event(text('Yes.'), STOP)
  slow.request.end()
  expect([await slow.ended, textOf(slow.events), clock.waiting]).toEqual([undefined, 'Yes.|', 0])
})

test('[A37] a connection ends at once when the question is given up, in every phase, and nothing is left', async () => {
  const phases = [
    (_request: FakeAgentRequest) => undefined,
    (request: FakeAgentRequest) => request.connect(),
    (request: FakeAgentRequest) => request.answer(200),
    (request: FakeAgentRequest) => request.answer(500),
    (request: FakeAgentRequest) => {
      request.answer(200)
      request.event(text('You'))
    },
    (request: FakeAgentRequest) => {
      request.answer(200)
      request.send('data: {"cho')
    },
  ]
  for (const reach of phases) {
    const { agent, aborter, clock, http } = createWorld()
    const { ended } = ask(agent, aborter.signal)
    const request = requestAt(http.all, 0)
    reach(request)
    await clock.settle()
    aborter.abort(new Error('enough'))
    expect([await ended, request.isAborted, clock.waiting]).toEqual([undefined, true, 0])
  }
})

test('[A37] a connection is not even asked for when the question was given up before', async () => {
  const { agent, http } = createWorld()
  expect([await ask(agent, AbortSignal.abort()).ended, http.all]).toEqual([undefined, []])
})

test('[A37] a connection ends when whoever reads has had enough', async () => {
  const { agent, http, clock } = createWorld()
  const stream = agent.answer(QUESTION, new AbortController().signal)
  const first = stream.next()
  const request = requestAt(http.all, 0)
  request.answer(200)
  request.event(text('You'), text(' can'))
  expect(await first).toMatchObject({ value: { text: 'You' } })
  await stream.return(undefined)
  expect([request.isAborted, clock.waiting]).toEqual([true, 0])
})

test('[A37] a connection ends with the agent, whose streams end unfinished and whose checks reject', async () => {
  const { agent, answering, http, clock } = createWorld()
  const { ended, events } = await answering()
  const [checked] = [Promise.allSettled([agent.ping(new AbortController().signal)])]
  await agent[Symbol.asyncDispose]()
  expect([await ended, textOf(events), (await checked)[0].status]).toEqual([undefined, '', 'rejected'])
  expect([http.all.map(({ isAborted }) => isAborted), clock.waiting]).toEqual([[true, true], 0])
})

test('[A39] a connection is read no faster than its answer is', async () => {
  const { agent, http, clock } = createWorld()
  const stream = agent.answer(QUESTION, new AbortController().signal)
  const first = stream.next()
  const request = requestAt(http.all, 0)
  request.answer(200)
  for (let index = 0; index < 1_000; index += 1) request.event(text(`${index} `))
  await first
  await clock.settle()
  expect(request.waiting).toBe(999)
  request.event(STOP)
  request.end()
  const rest: string[] = []
  for await (const event of stream) if (event.type === 'text') rest.push(event.text)
  expect(rest).toHaveLength(999)
})
