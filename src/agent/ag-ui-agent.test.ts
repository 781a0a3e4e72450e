import { describe, expect, test } from 'vitest'
import { AGENT_FRAME_BYTES_MAX, AGENT_MESSAGES_OPEN_MAX, AGENT_TAIL_MS } from '../conversation/limits.ts'
import { ask, failureFacts, QUESTION, textOf } from '../testing/asked-agent.ts'
import { createFakeAgentHttp, type FakeAgentRequest } from '../testing/fake-agent-http.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { AgUiAgent, type AgUiAgentOptions } from './ag-ui-agent.ts'

function createWorld(options: Partial<AgUiAgentOptions> = {}) {
  const clock = createSimulatedClock()
  const http = createFakeAgentHttp()
  const source = seededRandom(9)
  const random = (count: number): Uint8Array => source.bytes(count)
  const agent = new AgUiAgent({ url: 'https://agent.test/run', apiKey: undefined, clock, random, send: http.send, ...options })
  const aborter = new AbortController()
  /** A question that the agent has, and the id of its run. */
  const asked = async () => {
    const made = ask(agent, aborter.signal)
    const request = requestAt(http.all, -1)
    request.connect()
    await clock.settle()
    const runId = String(Object(request.heard).runId)
    return { ...made, request, runId }
  }
  /** A question whose run has begun. */
  const running = async () => {
    const made = await asked()
    made.request.answer(200)
    made.request.event({ type: 'RUN_STARTED', threadId: QUESTION.session, runId: made.runId, protocolVersion: '1.0' })
    await clock.settle()
    return made
  }
  return { clock, http, agent, aborter, asked, running }
}

function requestAt(all: readonly FakeAgentRequest[], index: number): FakeAgentRequest {
  const request = all.at(index)
  if (request === undefined) throw new Error('nobody asked')
  return request
}

const start = (messageId: string, more: object = {}) => ({ type: 'TEXT_MESSAGE_START', messageId, role: 'assistant', ...more })
const content = (messageId: string, delta: string) => ({ type: 'TEXT_MESSAGE_CONTENT', messageId, delta })
const end = (messageId: string) => ({ type: 'TEXT_MESSAGE_END', messageId })
const chunk = (more: object) => ({ type: 'TEXT_MESSAGE_CHUNK', ...more })
const whole = (messageId: string, text: string) => [start(messageId), content(messageId, text), end(messageId)]
const finished = (runId: string, more: object = {}) => ({ type: 'RUN_FINISHED', threadId: QUESTION.session, runId, ...more })

const PROTOCOL = { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }
const BROKE_OFF = { kind: 'broke-off', isRetryable: true, retryAfterMs: undefined }
const FAILED = { kind: 'error', isRetryable: true, retryAfterMs: undefined }

/** What becomes of a run in which the agent says `events` and ends the answer. */
async function outcome(...events: readonly (object | string)[]) {
  const { running } = createWorld()
  const { request, events: told, ended, runId } = await running()
  request.event(...events.map((event) => (typeof event === 'string' ? event : { runId, ...event })))
  request.end()
  const problem = await ended
  expect(String(problem)).not.toContain('secret')
  return [textOf(told), failureFacts(problem)]
}
/** `RUN_FINISHED` of whichever run it is. */
const done = { type: 'RUN_FINISHED', threadId: QUESTION.session }

describe('a question', () => {
  test('[A41][A70] opens a run of its own in the thread that is the session', async () => {
    const { asked } = createWorld({ apiKey: 'sesame', url: 'https://agent.test/{sessionId}' })
    const [one, other] = [await asked(), await asked()]
    expect(one.request.request).toMatchObject({ method: 'POST', url: `https://agent.test/${QUESTION.session}` })
    expect(one.request.request.headers).toEqual({
      'X-Session-ID': QUESTION.session,
      'X-User-ID': QUESTION.visitor,
      Authorization: 'Bearer sesame',
      traceparent: QUESTION.traceparent,
      'Content-Type': 'application/json',
      Accept: 'text/event-stream',
      'Idempotency-Key': QUESTION.turnId,
      'X-Deadline-Ms': '90001',
    })
    const [hello, morning] = QUESTION.history
    expect(one.request.heard).toEqual({
      threadId: QUESTION.session,
      runId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      protocolVersion: '1.0',
      messages: [
        { id: hello?.id, role: 'user', content: 'Hello' },
        { id: morning?.id, role: 'assistant', content: 'Good morning.' },
        { id: QUESTION.messageId, role: 'user', content: 'How do I renew? 🙂' },
      ],
      tools: [],
      context: [],
      state: {},
      forwardedProps: { turnId: QUESTION.turnId, attempt: 2, deadlineMs: 90_001 },
    })
    expect(other.runId).not.toBe(one.runId)
  })

  test('[A41] the agent is described without anything secret', () => {
    expect(createWorld({ url: 'http://agent.test:8080/?key=secret' }).agent.description).toBe('ag-ui http://agent.test:8080')
  })
})

describe('an answer', () => {
  test('[A42] is what the assistant says in the run, whole when that has finished', async () => {
    expect(await outcome(start('m'), content('m', 'You '), content('m', ''), content('m', 'can.'), end('m'), done)).toEqual([
      'You can.|',
      undefined,
    ])
  })

  test('[A42] may come in chunks, which begin and end messages by themselves', async () => {
    const chunks = [
      chunk({ messageId: 'm', role: 'assistant', delta: 'You ' }),
      chunk({ delta: 'can' }),
      chunk({ messageId: 'm', delta: '.' }),
    ]
    expect(await outcome(...chunks, chunk({ messageId: 'n', delta: 'Really' }), chunk({ delta: '.' }), done)).toEqual([
      'You can.\n\nReally.|',
      undefined,
    ])
  })

  test('[A42] is one message after the other, in the order in which they were opened, however they are interleaved', async () => {
    const events = [
      start('a'),
      content('a', 'First'),
      start('b'),
      content('b', 'Second'),
      start('c'),
      content('c', 'Third.'),
      end('c'),
      content('a', ', and more.'),
      end('a'),
      content('b', '.'),
      end('b'),
    ]
    expect(await outcome(...events, done)).toEqual(['First, and more.\n\nSecond.\n\nThird.|', undefined])
  })

  test('[A42] goes on in a message that is opened again', async () => {
    expect(await outcome(...whole('m', 'You '), ...whole('m', 'can.'), done)).toEqual(['You can.|', undefined])
  })

  test('[A42] is not what others say in it, nor tools, steps, state, reasoning, or what nobody describes', async () => {
    const others = [
      start('u', { role: 'user' }),
      content('u', 'secret words'),
      end('u'),
      chunk({ messageId: 's', role: 'system', delta: 'secret words' }),
      { type: 'TOOL_CALL_START', toolCallId: 't', toolCallName: 'search' },
      { type: 'TOOL_CALL_RESULT', messageId: 'r', toolCallId: 't', content: 'secret words' },
      { type: 'STEP_STARTED', stepName: 'thinking' },
      { type: 'REASONING_MESSAGE_CONTENT', messageId: 'x', delta: 'secret words' },
      { type: 'STATE_SNAPSHOT', snapshot: { secret: 'words' } },
      { type: 'MESSAGES_SNAPSHOT', messages: [{ id: 'z', role: 'assistant', content: 'secret words' }] },
      { type: 'SOMETHING_NEW', secret: 'words' },
    ]
    expect(await outcome(...others, ...whole('m', 'Yes.'), done)).toEqual(['Yes.|', undefined])
  })

  test('[A43] is none of an earlier run that the agent tells of again', async () => {
    const { asked, clock } = createWorld()
    const { request, events, ended, runId } = await asked()
    const earlier = { threadId: QUESTION.session, runId: 'earlier' }
    request.answer(200)
    request.event({ type: 'RUN_STARTED', ...earlier }, ...whole('old', 'secret words'), { type: 'RUN_FINISHED', ...earlier })
    request.event({ type: 'RUN_STARTED', ...earlier, runId: 'failed' }, { type: 'RUN_ERROR', message: 'secret words' })
    request.event({ type: 'RUN_STARTED', ...earlier, runId }, ...whole('new', 'Yes.'), finished(runId))
    request.event({ type: 'RUN_STARTED', ...earlier, runId: 'later' })
    request.end()
    expect([await ended, textOf(events), clock.waiting]).toEqual([undefined, 'Yes.|', 0])
  })

  test.each([
    ['begins with something else', [content('m', 'secret words')], PROTOCOL],
    ['is of another conversation', [{ type: 'RUN_STARTED', threadId: 'another', runId: 'r' }], PROTOCOL],
    [
      'tells of an earlier run only',
      [
        { type: 'RUN_STARTED', threadId: QUESTION.session, runId: 'r' },
        { ...done, runId: 'r' },
      ],
      PROTOCOL,
    ],
    [
      'begins a run inside an earlier one',
      Array.from({ length: 2 }, () => ({ type: 'RUN_STARTED', threadId: QUESTION.session, runId: 'r' })),
      PROTOCOL,
    ],
    ['fails before it begins', [{ type: 'RUN_ERROR', message: 'secret words', code: 'secret' }], FAILED],
    ['says nothing', [], BROKE_OFF],
  ])('[A43] that %s is none', async (_what, said, expected) => {
    const { asked } = createWorld()
    const { request, events, ended } = await asked()
    request.answer(200)
    request.event(...said)
    request.end()
    const problem = await ended
    expect([textOf(events), failureFacts(problem), String(problem).includes('secret')]).toEqual(['', expected, false])
  })

  test.each([
    ['opens a message twice', [start('m'), start('m')], ''],
    ['opens a message twice, once by a chunk', [start('m'), chunk({ messageId: 'm', delta: 'x' })], ''],
    ['goes on with a message that is not open', [content('m', 'secret words')], ''],
    ['goes on with a message that has ended', [...whole('m', 'Yes.'), content('m', 'secret words')], 'Yes.'],
    ['goes on by hand with what chunks began', [chunk({ messageId: 'm', delta: 'Yes' }), content('m', 'secret words')], 'Yes'],
    ['ends a message that is not open', [end('m')], ''],
    ['sends a chunk of no message', [chunk({ delta: 'secret words' })], ''],
    [
      'changes the speaker between chunks',
      [chunk({ messageId: 'm', delta: 'Yes' }), chunk({ role: 'user', delta: 'secret words' })],
      'Yes',
    ],
    ['changes the name between chunks', [chunk({ messageId: 'm', delta: 'Yes' }), chunk({ name: 'secret', delta: 'words' })], 'Yes'],
    ['ends in the middle of a message', [start('m'), content('m', 'Yes'), done], 'Yes'],
    ['begins again inside itself', [{ type: 'RUN_STARTED', threadId: QUESTION.session }], ''],
    ['ends another run', [{ ...done, runId: 'another' }], ''],
    ['ends in another conversation', [{ ...done, threadId: 'another' }], ''],
    ['goes on after its end', [...whole('m', 'Yes.'), done, start('n')], 'Yes.'],
    ['is not JSON', ['secret words {'], ''],
    ['is no event', ['[]'], ''],
    ['has an event without type', ['{"secret":"words"}'], ''],
    ['has a number for text', [{ ...content('m', ''), delta: 7 }], ''],
    ['has a role that is none', [start('m', { role: 'secret' })], ''],
    ['has half a token', [{ ...done, usage: [{ inputTokens: 0.5 }] }], ''],
  ])('[A43] of a run that %s breaks the protocol', async (_what, events, text) => {
    expect(await outcome(...events)).toEqual([text, PROTOCOL])
  })

  test('[A43] of more open messages than any answer needs breaks the protocol', async () => {
    const { running } = createWorld()
    const { request, ended } = await running()
    for (let index = 0; index <= AGENT_MESSAGES_OPEN_MAX; index += 1) request.event(start(`m${index}`, { role: 'user' }))
    expect(failureFacts(await ended)).toEqual(PROTOCOL)
  })

  test('[A43] of more text than can be held for its turn breaks the protocol', async () => {
    const half = 'x'.repeat(AGENT_FRAME_BYTES_MAX / 2)
    expect(await outcome(start('a'), start('b'), content('b', half), content('b', half), content('b', 'x'))).toEqual(['', PROTOCOL])
  })

  test.each([
    ['success', { type: 'success', pendingToolCallIds: ['t'] }, ['Yes.|', undefined]],
    ['something that is not described yet', { type: 'new', secret: 'words' }, ['Yes.|', undefined]],
    ['interrupt', { type: 'interrupt', interrupts: [{ id: 'i', reason: 'secret' }] }, ['Yes.', { ...FAILED, isRetryable: false }]],
    ['cancelled', { type: 'cancelled' }, ['Yes.', BROKE_OFF]],
  ])('[A44] ends as the outcome of its run: %s', async (_name, result, expected) => {
    expect(await outcome(...whole('m', 'Yes.'), { ...done, outcome: result })).toEqual(expected)
  })

  test('[A44] of a run that fails, or is cut off, has no end, and what was said stays', async () => {
    expect(await outcome(start('m'), content('m', 'Yes'), { type: 'RUN_ERROR', message: 'secret words' })).toEqual(['Yes', FAILED])
    expect(await outcome(start('m'), content('m', 'Yes'))).toEqual(['Yes', BROKE_OFF])
  })

  test('[A44] of a run that fails after its end has failed', async () => {
    const { running, clock } = createWorld()
    const { request, events, ended, runId } = await running()
    request.event(...whole('m', 'Yes.'), finished(runId))
    await clock.settle()
    request.event({ type: 'RUN_ERROR', message: 'secret words' })
    expect([failureFacts(await ended), textOf(events), clock.waiting]).toEqual([FAILED, 'Yes.', 0])
  })

  test.each([
    ['nothing', () => undefined],
    ['a broken connection', (request: FakeAgentRequest) => request.fail(new Error('reset'))],
  ])('[A44] of a run that has finished is whole after %s, and nobody waits for long', async (_what, after) => {
    const { running, clock } = createWorld()
    const { request, events, ended, runId } = await running()
    request.event(...whole('m', 'Yes.'), finished(runId))
    await clock.settle()
    after(request)
    await clock.advance(AGENT_TAIL_MS)
    expect([await ended, textOf(events), request.isAborted, clock.waiting]).toEqual([undefined, 'Yes.|', true, 0])
  })

  test('[A32] says what all models took, and leaves open what nobody counted', async () => {
    const { running } = createWorld()
    const { request, events, ended, runId } = await running()
    request.event(...whole('m', 'Yes.'), finished(runId, { usage: [{ inputTokens: 5, model: 'a' }, { inputTokens: 6 }] }))
    request.end()
    expect([await ended, events.slice(1)]).toEqual([
      undefined,
      [{ type: 'usage', inputTokens: 11, outputTokens: undefined }, { type: 'finished' }],
    ])
  })

  test('[A33] that is refused is none', async () => {
    const { asked } = createWorld()
    const { request, ended } = await asked()
    request.answer(503, { 'retry-after': '7' })
    request.end()
    expect(failureFacts(await ended)).toEqual({ kind: 'busy', isRetryable: true, retryAfterMs: 7_000 })
  })

  test('[A37] ends at once when the question is given up, and nothing is left', async () => {
    const { running, aborter, clock } = createWorld()
    const { request, events, ended } = await running()
    request.event(start('m'), content('m', 'Yes'))
    await clock.settle()
    aborter.abort(new Error('enough'))
    expect([await ended, textOf(events), request.isAborted, clock.waiting]).toEqual([undefined, 'Yes', true, 0])
  })
})

describe('a health check', () => {
  test.each([200, 204, 400, 405, 406, 422])('[A45] is well when the address of the agent answers with %i', async (status) => {
    const { agent, http, clock } = createWorld({ apiKey: 'sesame' })
    const checked = Promise.allSettled([agent.ping(new AbortController().signal)])
    const request = requestAt(http.all, 0)
    expect(request.request).toMatchObject({ method: 'GET', url: 'https://agent.test/run', body: undefined })
    expect(request.request.headers).toMatchObject({ 'X-Session-ID': 'health-check', Authorization: 'Bearer sesame' })
    request.answer(status, {})
    expect([await checked, request.isAborted, clock.waiting]).toEqual([[{ status: 'fulfilled', value: undefined }], true, 0])
  })

  test.each([301, 401, 403, 404, 429, 500, 502, 503])('[A45] fails when it answers with %i', async (status) => {
    const { agent, http } = createWorld()
    const checked = Promise.allSettled([agent.ping(new AbortController().signal)])
    requestAt(http.all, 0).answer(status, {})
    expect(await checked).toMatchObject([{ status: 'rejected', reason: { kind: 'unreachable' } }])
  })

  test('[A45] ends with the agent', async () => {
    const { agent } = createWorld()
    const checked = Promise.allSettled([agent.ping(new AbortController().signal)])
    await agent[Symbol.asyncDispose]()
    expect(await checked).toMatchObject([{ status: 'rejected', reason: { kind: 'unreachable', isRetryable: false } }])
  })
})
