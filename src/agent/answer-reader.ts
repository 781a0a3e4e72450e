/**
 * Reads the answer to one question out of an agent's messages: whose they are, in which order, and when it is whole. Pure.
 */
import { AgentError } from './agent-error.ts'
import type { AgentMessage, ErrorMessage, ResponseMessage } from './agent-messages.ts'

/** What has been read. `next` is the number that the next part must carry; `undefined` before the first. */
export interface Reading {
  readonly parts: number
  readonly next: number | undefined
}

export const NOTHING_READ: Reading = { parts: 0, next: undefined }

export type Heard =
  | { readonly type: 'text'; readonly text: string; readonly isLast: boolean; readonly reading: Reading }
  /** The agent says that it failed, or is busy. */
  | { readonly type: 'failed'; readonly error: AgentError }
  /** About nobody's question, or another's. */
  | { readonly type: 'stray' }
  | { readonly type: 'ping'; readonly id: string | undefined }
  /** A word about how it goes: a sign of life and nothing more. */
  | { readonly type: 'status' }

/**
 * What `message` means to the one question that runs on its connection, known to the agent as `questionId`.
 *
 * @throws AgentError `protocol` when a part is missing, repeated or out of place.
 */
export function hear(reading: Reading, message: AgentMessage, questionId: string): Heard {
  const inReplyTo = message.metadata?.inReplyTo
  if (message.type === 'status') {
    if (message.content === 'ping') return { type: 'ping', id: message.id }
    return inReplyTo === undefined || inReplyTo === questionId ? { type: 'status' } : { type: 'stray' }
  }
  if (inReplyTo !== undefined && inReplyTo !== questionId) return { type: 'stray' }
  if (message.type === 'error') return { type: 'failed', error: failureOf(message) }
  return hearPart(reading, message)
}

function hearPart({ parts, next }: Reading, { content, metadata }: ResponseMessage): Heard {
  const { sequence, done } = metadata ?? {}
  const text = content ?? ''
  if (sequence === undefined && done === undefined) {
    if (parts > 0) throw outOfPlace('a whole answer after parts of one')
    return { type: 'text', text, isLast: true, reading: { parts: 1, next: undefined } }
  }
  // Numbers may begin at 0 or at 1; agents do either.
  const isNext = sequence === undefined || (next === undefined ? parts === 0 && sequence <= 1 : sequence === next)
  if (!isNext) throw outOfPlace('a part is missing, repeated or out of order')
  const following = sequence === undefined ? next : sequence + 1
  return { type: 'text', text, isLast: done === true, reading: { parts: parts + 1, next: following } }
}

const outOfPlace = (what: string): AgentError =>
  new AgentError('protocol', `the agent broke its own order: ${what}`, { isRetryable: false })

/** An agent that says when to come back is busy; any other failure is an error. Its words stay out of it. */
function failureOf({ metadata }: ErrorMessage): AgentError {
  const retryAfterMs = metadata?.retryAfterMs
  if (retryAfterMs === undefined) return new AgentError('error', 'the agent failed', { isRetryable: metadata?.retryable ?? false })
  return new AgentError('busy', 'the agent is busy', { isRetryable: metadata?.retryable ?? true, retryAfterMs })
}
