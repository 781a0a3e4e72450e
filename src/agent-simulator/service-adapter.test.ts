/** The simulator and the service's own adapter were written apart, each from the document; here they meet. */
import { WebSocket } from 'ws'
import { expect, test } from 'vitest'
import { AgentError } from '../agent/agent-error.ts'
import type { AgentEvent, Question } from '../agent/agent.ts'
import { WebSocketAgent } from '../agent/websocket-agent.ts'
import { createWsAgentSockets } from '../agent/ws-agent-socket.ts'
import { createClock } from '../app/ports.ts'
import { mintMessageId, mintSessionId, mintTurnId, type VisitorId } from '../conversation/ids.ts'
import { composeAnswer } from './composed-answer.ts'
import { turnHash } from './stats.ts'
import { guidance, startTestSimulator, type TestSimulator } from './test-simulator.ts'

const random = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count))
const QUESTION: Question = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  session: mintSessionId(random),
  visitor: 'Vq3nJm0x6sQyT1bL' as VisitorId,
  turnId: mintTurnId(random),
  messageId: mintMessageId(1_700_000_000_000, random),
  attempt: 1,
  text: 'How do I delete a conversation?',
  history: [
    { id: mintMessageId(0, random), role: 'user', text: 'Hello' },
    { id: mintTurnId(random), role: 'assistant', text: 'Hello. What would you like to know?' },
  ],
  deadlineMs: 120_000,
}

const agentOf = ({ url }: TestSimulator): WebSocketAgent =>
  new WebSocketAgent({ url: `${url}{sessionId}`, apiKey: 'key', open: createWsAgentSockets(WebSocket), clock: createClock(), random })

/** What the adapter makes of an answer: its text, and how it ended. */
async function ask(
  agent: WebSocketAgent,
  signal = new AbortController().signal,
): Promise<{ readonly text: string; readonly end: unknown }> {
  const events: AgentEvent[] = []
  let end: unknown = 'unfinished'
  try {
    for await (const event of agent.answer(QUESTION, signal)) events.push(event)
    if (events.at(-1)?.type === 'finished') end = 'finished'
  } catch (error) {
    end = error instanceof AgentError ? { kind: error.kind, isRetryable: error.isRetryable, retryAfterMs: error.retryAfterMs } : error
  }
  return { text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''), end }
}

test('[M7] the adapter reads a whole answer', async () => {
  await using simulator = await startTestSimulator()
  await using agent = agentOf(simulator)
  expect(await ask(agent)).toEqual({ text: composeAnswer(QUESTION.text, guidance), end: 'finished' })
  expect((await simulator.stats()).turns).toEqual({ [turnHash(QUESTION.turnId)]: { questions: 1, attempt: 1, cancels: 0 } })
})

test('[M9] the adapter gets its ping answered', async () => {
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
  ['refused status=500', { kind: 'unreachable', isRetryable: true, retryAfterMs: undefined }],
  ['cut afterWords=0', { kind: 'broke-off', isRetryable: true, retryAfterMs: undefined }],
  ['garbage kind=text', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ['garbage kind=json', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ['garbage kind=form', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ['garbage kind=binary', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
  ['garbage kind=order', { kind: 'protocol', isRetryable: false, retryAfterMs: undefined }],
])('[M13] the adapter tells what %s is', async (faults, end) => {
  await using simulator = await startTestSimulator(faults)
  await using agent = agentOf(simulator)
  expect(await ask(agent)).toEqual({ text: '', end })
})

test('[M10][M13] an answer to somebody else is not shown, and giving up tells the agent to stop', async () => {
  await using simulator = await startTestSimulator('garbage kind=stranger afterWords=1')
  await using agent = agentOf(simulator)
  const controller = new AbortController()
  const answered = ask(agent, controller.signal)
  // Each look is a round trip to the simulator; nothing tells a test that a message was ignored.
  while (agent.strayMessages < 2) await simulator.stats()
  controller.abort()
  expect(await answered).toEqual({ text: '##', end: 'unfinished' })
  while ((await simulator.stats()).openConnections > 0);
  expect(await simulator.stats()).toMatchObject({ cancels: 1, faults: { garbage: 1 } })
})
