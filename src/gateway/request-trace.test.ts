import { expect, test } from 'vitest'
import { referenceOf } from '../conversation/trace.ts'
import { createTestGateway } from '../testing/test-gateway.ts'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const TRACEPARENT = `00-${TRACE_ID}-b7ad6b7169203331-00`
const CDP_ID = '5f2c1b7e-0c9d-4c1a-9e57-3d1b2a4c6e80'

/** What a request that fails is known by. */
async function failedWith(headers: Readonly<Record<string, string>>) {
  await using gateway = await createTestGateway()
  const answer = await gateway.server.inject({ url: '/nothing', headers: { host: 'localhost', ...headers } })
  const [failed] = gateway.events.of('requestFailed')
  return { answered: answer.headers['x-request-id'], payload: answer.payload, failed, trace: failed?.trace }
}

test('[O99][O101] a request goes on in the trace of its caller, as a step of its own, and the reference is made from it', async () => {
  const { answered, payload, failed, trace } = await failedWith({ traceparent: TRACEPARENT })
  expect(trace).toEqual({ traceId: TRACE_ID, spanId: expect.stringMatching(/^(?!b7ad6b7169203331)[0-9a-f]{16}$/), requestId: TRACE_ID })
  expect([answered, failed?.reference]).toEqual([TRACE_ID, referenceOf({ traceId: TRACE_ID })])
  expect(payload).toContain(`Reference: ${failed?.reference}`)
})

test('[O99] the platform’s id of a request is kept, and is its trace where there is no other', async () => {
  const alone = await failedWith({ 'x-cdp-request-id': CDP_ID.toUpperCase() })
  expect([alone.answered, alone.trace?.requestId, alone.trace?.traceId]).toEqual([CDP_ID, CDP_ID, CDP_ID.replaceAll('-', '')])
  const both = await failedWith({ 'x-cdp-request-id': CDP_ID, traceparent: TRACEPARENT })
  expect([both.answered, both.trace?.traceId]).toEqual([CDP_ID, TRACE_ID])
})

test.each([
  ['a name', { 'x-cdp-request-id': 'Jane-Doe' }],
  ['nothing but zeros', { 'x-cdp-request-id': '0'.repeat(32) }],
  ['a line end', { traceparent: `${TRACEPARENT}%0a` }],
  ['another version', { traceparent: TRACEPARENT.replace('00-', 'cc-') }],
])('[O99] %s is as if it were not there', async (_what, headers) => {
  const { trace } = await failedWith(headers)
  expect(trace?.traceId).toMatch(/^(?!0{32})(?!0af7651916cd43dd)[0-9a-f]{32}$/)
  expect(Object.values(headers)).not.toContain(trace?.traceId)
})

test('[O99] every answer says its id, also one that did not fail', async () => {
  await using gateway = await createTestGateway()
  const { headers } = await gateway.server.inject({ url: '/', headers: { host: 'localhost' } })
  expect(headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/)
})

test('[O100] a question that is accepted names the request that it came with', async () => {
  await using gateway = await createTestGateway()
  const visitor = gateway.visitor()
  const session = await visitor.session()
  await visitor.request('POST', `/api/v1/sessions/${session}/messages`, {
    headers: { traceparent: TRACEPARENT, 'content-type': 'application/json' },
    payload: '{"content":"Hello"}',
  })
  expect(gateway.events.of('questionAccepted')).toMatchObject([{ from: { traceId: TRACE_ID, requestId: TRACE_ID } }])
})

test('[O81] a request is timed under its template', async () => {
  await using gateway = await createTestGateway()
  const served = gateway.events.next('requestServed')
  await gateway.server.inject({ url: '/api/v1/sessions/not-a-session', headers: { host: 'localhost' } })
  await served
  expect(gateway.events.of('requestServed')).toEqual([{ method: 'GET', route: '/api/v1/sessions/{session}', status: 404, tookMs: 0 }])
})
