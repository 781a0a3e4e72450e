import { describe, expect, test } from 'vitest'
import { AGENT_ERROR_BYTES_MAX, AGENT_TAIL_MS } from '../conversation/limits.ts'
import { ask, failureFacts, QUESTION, textOf } from '../testing/asked-agent.ts'
import { createFakeAgentHttp, type FakeAgentRequest } from '../testing/fake-agent-http.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { OpenAiAgent, type OpenAiAgentOptions } from './openai-agent.ts'

const URL_OF_AGENT = 'https://agent.test/v1'

function createWorld(options: Partial<OpenAiAgentOptions> = {}) {
  const clock = createSimulatedClock()
  const http = createFakeAgentHttp()
  const agent = new OpenAiAgent({ url: URL_OF_AGENT, model: 'large', apiKey: undefined, clock, send: http.send, ...options })
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

/** One chunk as agents send it. */
const chunk = (delta: object, more: object = {}): object => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_767_603_600,
  model: 'large-2026-01-01',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }],
})
const text = (content: string): object => chunk({ content })
const end = (reason: string): object => chunk({}, { finish_reason: reason })
const usage = { id: 'chatcmpl-1', choices: [], usage: { prompt_tokens: 31, completion_tokens: 7, total_tokens: 38 } }

const PROTOCOL = { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }
const BROKE_OFF = { kind: 'broke-off', isRetryable: true, retryAfterMs: undefined }

describe('a question', () => {
  test('[A30][A70] goes out with the model, the history, and what makes it safe to ask twice', async () => {
    const { asked } = createWorld({ apiKey: 'sesame' })
    const { request } = await asked()
    const { headers, method, url } = request.request
    expect({ method, url, headers }).toEqual({
      method: 'POST',
      url: 'https://agent.test/v1/chat/completions',
      headers: {
        'X-Session-ID': QUESTION.session,
        'X-User-ID': QUESTION.visitor,
        Authorization: 'Bearer sesame',
        traceparent: QUESTION.traceparent,
        'Content-Type': 'application/json',
        Accept: 'text/event-stream',
        'Idempotency-Key': QUESTION.turnId,
        'X-Deadline-Ms': '90001',
      },
    })
    expect(request.heard).toEqual({
      model: 'large',
      messages: [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: 'Good morning.' },
        { role: 'user', content: 'How do I renew? 🙂' },
      ],
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  test.each([
    ['https://agent.test/v1/', 'https://agent.test/v1/chat/completions'],
    ['http://agent.test:8080', 'http://agent.test:8080/chat/completions'],
    ['https://agent.test/openai?api-version=1', 'https://agent.test/openai/chat/completions?api-version=1'],
    ['https://agent.test/{userId}/v1', `https://agent.test/${QUESTION.visitor}/v1/chat/completions`],
  ])('[A30] to %s goes to %s', async (url, expected) => {
    const { asked } = createWorld({ url })
    expect((await asked()).request.request.url).toBe(expected)
  })

  test('[A30] has no key where there is none, and the agent is described without anything secret', async () => {
    const { asked, agent } = createWorld({ url: 'https://agent.test:8443/v1?key=secret' })
    expect(Object.keys((await asked()).request.request.headers)).not.toContain('Authorization')
    expect(agent.description).toBe('openai https://agent.test:8443')
  })
})

describe('an answer', () => {
  test('[A31] is whole when the agent says stop', async () => {
    const { answering } = createWorld()
    const { request, events, ended } = await answering()
    request.event(chunk({ role: 'assistant', content: '' }), text('You '), text('can.'), end('stop'), '[DONE]')
    expect([await ended, textOf(events)]).toEqual([undefined, 'You can.|'])
  })

  test('[A31] ends with the chunk that says so, its text included, and a refusal of the model is an answer', async () => {
    const { answering } = createWorld()
    const { request, events, ended } = await answering()
    request.event(chunk({ refusal: 'I cannot ' }), chunk({ content: 'say.' }, { finish_reason: 'stop' }))
    request.end()
    expect([await ended, textOf(events)]).toEqual([undefined, 'I cannot say.|'])
  })

  test('[A31] of another choice than the one that was asked for is ignored', async () => {
    const { answering } = createWorld()
    const { request, events, ended } = await answering()
    request.event(chunk({ content: 'no' }, { index: 1 }), chunk({}, { index: 1, finish_reason: 'length' }), text('yes'), end('stop'))
    request.end()
    expect([await ended, textOf(events)]).toEqual([undefined, 'yes|'])
  })

  test.each([
    ['length', 'too-long'],
    ['content_filter', 'withheld'],
  ])('[A31] that ended with %s is not whole, and says why', async (reason, why) => {
    const { answering } = createWorld()
    const { request, events, ended } = await answering()
    request.event(text('You can'), end(reason), '[DONE]')
    expect([await ended, textOf(events), events.at(-1)]).toEqual([undefined, 'You can/', { type: 'cut-short', reason: why }])
  })

  test.each(['tool_calls', 'function_call', 'whatever'])('[A31] that ended with %s has no end that counts', async (reason) => {
    const { answering } = createWorld()
    const { request, events, ended } = await answering()
    request.event(text('You can'), end(reason))
    const problem = await ended
    expect([failureFacts(problem), textOf(events), String(problem).includes(reason)]).toEqual([PROTOCOL, 'You can', false])
  })

  test.each([
    ['the body ends', (request: FakeAgentRequest) => request.end()],
    ['the connection breaks', (request: FakeAgentRequest) => request.fail(Object.assign(new Error('x'), { code: 'ECONNRESET' }))],
  ])('[A31][A36] without an end of its own is cut off when %s', async (_how, cut) => {
    const { answering, clock } = createWorld()
    const { request, events, ended } = await answering()
    request.event(text('You can'))
    await clock.settle()
    cut(request)
    expect([failureFacts(await ended), textOf(events), clock.waiting]).toEqual([BROKE_OFF, 'You can', 0])
  })

  test('[A31] that is called done without having ended is cut off', async () => {
    const { answering } = createWorld()
    const { request, ended } = await answering()
    request.event(text('You can'), '[DONE]')
    expect(failureFacts(await ended)).toEqual(BROKE_OFF)
  })

  test('[A32] says what it took, once, right before the end', async () => {
    const { answering } = createWorld()
    const { request, events, ended } = await answering()
    request.event({ ...text('Yes.'), usage: { prompt_tokens: 31, completion_tokens: 1 } }, end('stop'), usage, '[DONE]')
    expect(await ended).toBeUndefined()
    expect(events).toEqual([
      { type: 'text', text: 'Yes.', persona: undefined },
      { type: 'usage', inputTokens: 31, outputTokens: 7 },
      { type: 'finished' },
    ])
  })

  test.each([
    ['nothing', () => undefined],
    ['garbage', (request: FakeAgentRequest) => request.event('no more')],
    ['a broken connection', (request: FakeAgentRequest) => request.fail(new Error('reset'))],
  ])('[A32] that has its end is whole after %s, and nobody waits for long', async (_what, after) => {
    const { answering, clock } = createWorld()
    const { request, events, ended } = await answering()
    request.event(text('Yes.'), end('stop'))
    await clock.settle()
    after(request)
    await clock.advance(AGENT_TAIL_MS)
    expect([await ended, textOf(events), request.isAborted, clock.waiting]).toEqual([undefined, 'Yes.|', true, 0])
  })

  test.each([
    ['is not JSON', 'secret words {'],
    ['is not an object', '[]'],
    ['has a number for text', chunk({ content: 7 })],
    ['has a text for choices', { choices: 'secret words' }],
    ['has half a token', { ...usage, usage: { prompt_tokens: 1.5 } }],
  ])('[A34] that %s breaks the protocol, and its words are not repeated', async (_name, data) => {
    const { answering } = createWorld()
    const { request, ended } = await answering()
    request.event(data)
    const problem = await ended
    expect([failureFacts(problem), String(problem).includes('secret'), request.isAborted]).toEqual([PROTOCOL, false, true])
  })

  test.each([
    [
      { message: 'secret words', type: 'server_error', code: null },
      { kind: 'error', isRetryable: true, retryAfterMs: undefined },
    ],
    [
      { message: 'secret words', code: 429 },
      { kind: 'busy', isRetryable: true, retryAfterMs: undefined },
    ],
    [
      { message: 'secret words', code: '503' },
      { kind: 'busy', isRetryable: true, retryAfterMs: undefined },
    ],
    [
      { message: 'secret words', code: 400 },
      { kind: 'error', isRetryable: false, retryAfterMs: undefined },
    ],
    ['secret words', { kind: 'error', isRetryable: true, retryAfterMs: undefined }],
  ])('[A33] may turn into a failure on its way: %j', async (error, expected) => {
    const { answering } = createWorld()
    const { request, events, ended } = await answering()
    request.event(text('You can'), { error })
    const problem = await ended
    expect([failureFacts(problem), textOf(events), String(problem).includes('secret')]).toEqual([expected, 'You can', false])
  })
})

describe('a refusal', () => {
  test.each([
    [301, {}, { kind: 'error', isRetryable: false, retryAfterMs: undefined }],
    [307, {}, { kind: 'error', isRetryable: false, retryAfterMs: undefined }],
    [400, {}, { kind: 'error', isRetryable: false, retryAfterMs: undefined }],
    [401, {}, { kind: 'error', isRetryable: false, retryAfterMs: undefined }],
    [404, {}, { kind: 'error', isRetryable: false, retryAfterMs: undefined }],
    [408, {}, { kind: 'error', isRetryable: true, retryAfterMs: undefined }],
    [425, {}, { kind: 'error', isRetryable: true, retryAfterMs: undefined }],
    [429, { 'retry-after': '3' }, { kind: 'busy', isRetryable: true, retryAfterMs: 3_000 }],
    [429, { 'retry-after': 'soon' }, { kind: 'busy', isRetryable: true, retryAfterMs: undefined }],
    [500, {}, { kind: 'error', isRetryable: true, retryAfterMs: undefined }],
    [502, {}, { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
    [503, { 'retry-after': 'Mon, 05 Jan 2026 09:00:30 GMT' }, { kind: 'busy', isRetryable: true, retryAfterMs: 30_000 }],
    [504, {}, { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
    [204, {}, { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ])('[A33] with %i %j says so', async (status, headers, expected) => {
    const { asked, clock } = createWorld()
    const { request, ended } = await asked()
    request.answer(status, { 'content-type': 'application/json', ...headers })
    request.send('{"error":{"message":"secret words","type":"some_error","param":null,"code":null}}')
    request.end()
    const problem = await ended
    expect([failureFacts(problem), String(problem).includes('secret'), clock.waiting]).toEqual([expected, false, 0])
  })

  test('[A33] because all that was paid for is used up is for good', async () => {
    const { asked } = createWorld()
    const { request, ended } = await asked()
    request.answer(429, { 'retry-after': '1' })
    request.send('{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}')
    request.end()
    expect(failureFacts(await ended)).toEqual({ kind: 'error', isRetryable: false, retryAfterMs: undefined })
  })

  test('[A33] of a question that a filter withholds is an answer that was withheld', async () => {
    const { asked } = createWorld()
    const { request, ended, events } = await asked()
    request.answer(400, {})
    request.send('{"error":{"code":"content_filter","message":"x"}}')
    request.end()
    expect([await ended, events]).toEqual([undefined, [{ type: 'cut-short', reason: 'withheld' }]])
  })

  test.each([
    ['that is no JSON', ['<html>502</html>']],
    ['without end', Array.from({ length: 9 }, () => 'x'.repeat(AGENT_ERROR_BYTES_MAX / 8))],
  ])('[A33] with a body %s is read no further than needed', async (_what, chunks) => {
    const { asked } = createWorld()
    const { request, ended } = await asked()
    request.answer(500, {})
    for (const bytes of chunks) request.send(bytes)
    if (chunks.length === 1) request.end()
    expect([failureFacts(await ended), request.isAborted]).toEqual([{ kind: 'error', isRetryable: true, retryAfterMs: undefined }, true])
  })

  test.each([['text/html'], ['application/json'], ['text/event-streams'], [undefined]])(
    '[A34] an answer of the type %s is none',
    async (type) => {
      const { asked } = createWorld()
      const { request, ended } = await asked()
      request.answer(200, type === undefined ? {} : { 'content-type': type })
      expect([failureFacts(await ended), request.isAborted]).toEqual([PROTOCOL, true])
    },
  )
})

describe('a health check', () => {
  const checking = async (options: Partial<OpenAiAgentOptions> = {}) => {
    const { agent, http, aborter, clock } = createWorld(options)
    const result = Promise.allSettled([agent.ping(aborter.signal)])
    await clock.settle()
    return { result, aborter, clock, request: requestAt(http.all, 0) }
  }

  test('[A40] asks for the list of models on a connection of its own, as nobody', async () => {
    const { result, request, clock } = await checking({ apiKey: 'sesame' })
    expect(request.request).toEqual({
      method: 'GET',
      url: 'https://agent.test/v1/models',
      headers: {
        'X-Session-ID': 'health-check',
        'X-User-ID': 'health-check',
        Authorization: 'Bearer sesame',
        Accept: 'application/json',
      },
      body: undefined,
    })
    request.connect()
    request.answer(200, { 'content-type': 'application/json; charset=utf-8' })
    expect(await result).toEqual([{ status: 'fulfilled', value: undefined }])
    expect([request.isAborted, clock.waiting]).toEqual([true, 0])
  })

  test.each([
    ['a refusal', 401, 'application/json', 'unreachable'],
    ['an address where nothing is', 404, 'application/json', 'unreachable'],
    ['a redirect', 302, 'application/json', 'unreachable'],
    ['a failure', 500, 'application/json', 'unreachable'],
    ['a page of some other server', 200, 'text/html', 'protocol'],
  ])('[A40] fails at %s', async (_what, status, type, kind) => {
    const { result, request } = await checking()
    request.answer(status, { 'content-type': type })
    expect(await result).toMatchObject([{ status: 'rejected', reason: { kind } }])
  })

  test('[A40] that nobody answers lasts until it is given up', async () => {
    const { result, request, aborter, clock } = await checking()
    request.connect()
    await clock.advance(60_000)
    aborter.abort(new Error('enough'))
    expect(await result).toMatchObject([{ status: 'rejected', reason: { message: 'enough' } }])
    expect([request.isAborted, clock.waiting]).toEqual([true, 0])
  })
})
