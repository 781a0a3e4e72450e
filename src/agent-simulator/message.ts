/**
 * The messages of the agent protocol as an agent sees them (`docs/agent-protocol.md`): what comes in, checked, and what goes out.
 *
 * Written from the document alone and sharing nothing with the service's own adapter, so that a misreading on either side shows.
 */
import * as v from 'valibot'
import { expectationOf } from './expectation.ts'

const ID_CHARS_MAX = 200
const id = v.pipe(v.string(), v.minLength(1), v.maxLength(ID_CHARS_MAX))
const inReplyTo = v.object({ inReplyTo: id })

const questionSchema = v.object({
  id,
  type: v.literal('message'),
  content: v.pipe(v.string(), v.minLength(1)),
  timestamp: v.pipe(v.string(), v.isoTimestamp()),
  metadata: v.object({
    sessionId: id,
    turnId: id,
    attempt: v.pipe(v.number(), v.integer(), v.minValue(1)),
    deadlineMs: v.pipe(v.number(), v.minValue(0)),
    history: v.array(v.object({ role: v.picklist(['user', 'assistant']), content: v.string() })),
  }),
})
const cancelSchema = v.object({ id, type: v.literal('status'), content: v.literal('cancel'), metadata: inReplyTo })
const pingSchema = v.object({ id, type: v.literal('status'), content: v.literal('ping') })
const pongSchema = v.object({ id, type: v.literal('status'), content: v.literal('pong') })
const typeSchema = v.object({ type: v.picklist(['message', 'status']) })
const statusSchema = v.variant('content', [cancelSchema, pingSchema, pongSchema])
const idSchema = v.object({ id })

export type Question = v.InferOutput<typeof questionSchema>
export type Incoming = Question | v.InferOutput<typeof statusSchema>

export type Reading =
  | { readonly ok: true; readonly message: Incoming }
  /** `id` is the message's own, when it has one that can be read. */
  | { readonly ok: false; readonly problem: string; readonly id: string | undefined }

/** Reads one text message. What is wrong is said without repeating it. */
export function readMessage(text: string): Reading {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { ok: false, problem: 'the message is not JSON', id: undefined }
  }
  const known = v.safeParse(idSchema, value)
  const wrong = (issues: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): Reading => {
    const [issue] = issues
    const where = v.getDotPath(issue) ?? 'the message'
    const problem = issue.input === undefined ? `${where} is missing` : `${where} must be ${expectationOf(issue)}`
    return { ok: false, problem, id: known.success ? known.output.id : undefined }
  }
  const type = v.safeParse(typeSchema, value)
  if (!type.success) return wrong(type.issues)
  const result = type.output.type === 'message' ? v.safeParse(questionSchema, value) : v.safeParse(statusSchema, value)
  return result.success ? { ok: true, message: result.output } : wrong(result.issues)
}

/** Everything an agent says beside its own id and time. */
export type Outgoing =
  | { readonly type: 'response'; readonly content: string; readonly metadata: ResponseMetadata }
  | { readonly type: 'error'; readonly content: string; readonly metadata: ErrorMetadata }
  | { readonly type: 'status'; readonly content: 'pong'; readonly metadata: { readonly inReplyTo: string } }

interface ResponseMetadata {
  readonly inReplyTo: string
  /** From 0, without gaps. */
  readonly sequence: number
  readonly done: boolean
}

interface ErrorMetadata {
  readonly inReplyTo: string | undefined
  readonly retryable: boolean
  readonly retryAfterMs?: number | undefined
}

/** The message as JSON text. `at` is milliseconds since the epoch. */
export const writeMessage = (messageId: string, at: number, { type, content, metadata }: Outgoing): string =>
  JSON.stringify({ id: messageId, type, content, timestamp: new Date(at).toISOString(), metadata })
