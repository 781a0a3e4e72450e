/**
 * The events of AG-UI 1.0 that an answer is made of, and the only way from the wire to them. Pure.
 *
 * What the specification does not describe is left alone: events of other types, and members we do not know. A member it does describe
 * with a value of another form is refused, as it asks ("Processing model"). Refusals never repeat the input.
 */
import * as v from 'valibot'
import { AgentError } from './agent-error.ts'
import type { Question } from './agent.ts'

/** What we speak, and say that we do. */
const PROTOCOL_VERSION = '1.0'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const role = v.picklist(['developer', 'system', 'assistant', 'user'])
const usage = v.optional(v.array(v.object({ inputTokens: v.optional(count), outputTokens: v.optional(count) })))

const eventSchema = v.variant('type', [
  v.object({ type: v.literal('RUN_STARTED'), threadId: v.string(), runId: v.string() }),
  v.object({
    type: v.literal('RUN_FINISHED'),
    threadId: v.string(),
    runId: v.string(),
    outcome: v.optional(v.looseObject({ type: v.string() })),
    usage,
  }),
  v.object({ type: v.literal('RUN_ERROR'), message: v.string(), code: v.optional(v.string()), usage }),
  v.object({
    type: v.literal('TEXT_MESSAGE_START'),
    messageId: v.string(),
    role: v.optional(role, 'assistant'),
    name: v.optional(v.string()),
  }),
  v.object({ type: v.literal('TEXT_MESSAGE_CONTENT'), messageId: v.string(), delta: v.string() }),
  v.object({ type: v.literal('TEXT_MESSAGE_END'), messageId: v.string() }),
  v.object({
    type: v.literal('TEXT_MESSAGE_CHUNK'),
    messageId: v.optional(v.string()),
    role: v.optional(role),
    name: v.optional(v.string()),
    delta: v.optional(v.string(), ''),
  }),
])

/** An event that means something to an answer. */
export type RunEvent = KnownEvent | OtherEvent
type KnownEvent = v.InferOutput<typeof eventSchema>
type KnownType = KnownEvent['type']
export type TextChunk = Extract<RunEvent, { readonly type: 'TEXT_MESSAGE_CHUNK' }>
export type RunFinished = Extract<RunEvent, { readonly type: 'RUN_FINISHED' }>
export type TokenUsage = NonNullable<RunFinished['usage']>

const KNOWN: ReadonlySet<string> = new Set<KnownType>(eventSchema.options.map((option) => option.entries.type.literal))
const OTHER: OtherEvent = { type: 'other' }
const anyEvent = v.looseObject({ type: v.string() })

/** An event that an answer has no use for, or that nobody describes. */
interface OtherEvent {
  readonly type: 'other'
}

/** @throws AgentError `protocol` for what is no event, and for a known one of another form */
export function parseRunEvent(data: string): RunEvent {
  const value = parseJson(data)
  const event = v.safeParse(anyEvent, value)
  if (!event.success) throw broken('the agent sent what is no event')
  if (!KNOWN.has(event.output.type)) return OTHER
  const known = v.safeParse(eventSchema, value, { abortEarly: true })
  if (known.success) return known.output
  throw broken(`the agent sent another form: ${v.getDotPath(known.issues[0]) ?? 'event'}`)
}

/** The `RunAgentInput` for a question. Members that may be left out are not: agents of before 1.0 need them. */
export const formatRunInput = (question: Question, runId: string): string =>
  JSON.stringify({
    threadId: question.session,
    runId,
    protocolVersion: PROTOCOL_VERSION,
    messages: [
      ...question.history.map(({ id, role: by, text }) => ({ id, role: by, content: text })),
      { id: question.messageId, role: 'user', content: question.text },
    ],
    tools: [],
    context: [],
    state: {},
    forwardedProps: { turnId: question.turnId, attempt: question.attempt, deadlineMs: Math.ceil(question.deadlineMs) },
  })

function parseJson(data: string): unknown {
  try {
    const value: unknown = JSON.parse(data)
    return value
  } catch {
    // The parser's own words would repeat what the agent said.
    throw broken('the agent sent what is not JSON')
  }
}

const broken = (message: string): AgentError => new AgentError('protocol', message, { isRetryable: false })
