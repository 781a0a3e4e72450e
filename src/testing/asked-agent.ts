/**
 * An agent adapter under test: asks one question, and keeps what comes of it.
 */
import { AgentError } from '../agent/agent-error.ts'
import type { Agent, AgentEvent, Question } from '../agent/agent.ts'
import { mintMessageId, mintSessionId, mintTurnId, type VisitorId } from '../conversation/ids.ts'
import { seededRandom } from './seeded-random.ts'

const random = seededRandom(3)
const bytes = (count: number): Uint8Array => random.bytes(count)

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a visitor's id is made by the gateway alone
const visitor = 'visitor-0123456789' as VisitorId

/** A question with an exchange before it. */
export const QUESTION: Question = {
  session: mintSessionId(bytes),
  visitor,
  turnId: mintTurnId(bytes),
  messageId: mintMessageId(0, bytes),
  attempt: 2,
  text: 'How do I renew? 🙂',
  history: [
    { id: mintMessageId(0, bytes), role: 'user', text: 'Hello' },
    { id: mintTurnId(bytes), role: 'assistant', text: 'Good morning.' },
  ],
  deadlineMs: 90_000.4,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
}

/** What came of a question. */
export interface Asked {
  /** So far. */
  readonly events: readonly AgentEvent[]
  /** What the stream ended with; `undefined` for an ordinary end. */
  readonly ended: Promise<unknown>
}

export function ask(agent: Agent, signal: AbortSignal = new AbortController().signal): Asked {
  const events: AgentEvent[] = []
  const gather = async (): Promise<unknown> => {
    try {
      for await (const event of agent.answer(QUESTION, signal)) events.push(event)
      return undefined
    } catch (problem) {
      return problem
    }
  }
  return { events, ended: gather() }
}

/** The text of an answer, with `|` for its end and `/` for one before it was whole. */
export const textOf = (events: readonly AgentEvent[]): string => events.map(letterOf).join('')

function letterOf(event: AgentEvent): string {
  switch (event.type) {
    case 'text':
      return event.text
    case 'usage':
      return ''
    case 'cut-short':
      return '/'
    case 'finished':
      return '|'
  }
}

/** What an error says of itself; anything but an `AgentError` is given as it is. */
export const failureFacts = (problem: unknown): unknown =>
  problem instanceof AgentError ? { kind: problem.kind, isRetryable: problem.isRetryable, retryAfterMs: problem.retryAfterMs } : problem
