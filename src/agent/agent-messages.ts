/**
 * The messages that a WebSocket agent and this service exchange (requirements R10), and the only way from the wire to them.
 *
 * What an agent adds beside the fields we know is ignored; what it says in place of them is refused. Refusals never repeat the input.
 */
import * as v from 'valibot'
import { AgentError } from './agent-error.ts'
import type { HistoryItem, Question } from './agent.ts'

const maybe = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  )
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const id = maybe(v.string())

const response = v.object({
  id,
  type: v.literal('response'),
  content: maybe(v.string()),
  metadata: maybe(v.object({ inReplyTo: id, sequence: maybe(count), done: maybe(v.boolean()) })),
})
const failure = v.object({
  id,
  type: v.literal('error'),
  metadata: maybe(v.object({ inReplyTo: id, retryable: maybe(v.boolean()), retryAfterMs: maybe(v.pipe(v.number(), v.minValue(0))) })),
})
const status = v.object({ id, type: v.literal('status'), content: maybe(v.string()), metadata: maybe(v.object({ inReplyTo: id })) })
const agentMessageSchema = v.variant('type', [response, failure, status])

/** What an agent may say. */
export type AgentMessage = v.InferOutput<typeof agentMessageSchema>
export type ResponseMessage = AgentMessage & { readonly type: 'response' }
export type ErrorMessage = AgentMessage & { readonly type: 'error' }

/** @throws AgentError `protocol` for what is not one message of the form. */
export function parseAgentMessage(text: string): AgentMessage {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own words would repeat what the agent said.
    throw new AgentError('protocol', 'the agent sent what is not JSON', { isRetryable: false })
  }
  const result = v.safeParse(agentMessageSchema, value, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  throw new AgentError('protocol', `the agent sent another form: ${v.getDotPath(issue) ?? 'message'}`, { isRetryable: false })
}

/** Who and when, of a message of ours. */
export interface Envelope {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The question as a message. `deadlineMs` is what is left, so that clocks need not agree. */
export const formatQuestion = (question: Question, { id: messageId, now }: Envelope): string =>
  format({ id: messageId, now }, 'message', question.text, {
    sessionId: question.session,
    turnId: question.turnId,
    attempt: question.attempt,
    deadlineMs: question.deadlineMs,
    history: question.history.map((item: HistoryItem) => ({ role: item.role, content: item.text })),
  })

export const formatCancel = (envelope: Envelope, inReplyTo: string): string => format(envelope, 'status', 'cancel', { inReplyTo })
export const formatPing = (envelope: Envelope): string => format(envelope, 'status', 'ping', {})
export const formatPong = (envelope: Envelope, inReplyTo: string | undefined): string => format(envelope, 'status', 'pong', { inReplyTo })

const format = (envelope: Envelope, type: 'message' | 'status', content: string, metadata: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ id: envelope.id, type, content, timestamp: new Date(envelope.now).toISOString(), metadata })
