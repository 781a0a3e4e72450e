/**
 * Whom a request to an agent is for, and how every form of agent is told.
 */
import type { Question } from './agent.ts'

export interface Caller {
  readonly session: string
  readonly visitor: string
  /** The step of a trace that the request is. */
  readonly traceparent?: string
}

/** A check is nobody's. */
export const HEALTH_CHECK: Caller = { session: 'health-check', visitor: 'health-check' }

/** `template` with `{sessionId}` and `{userId}` filled in. */
export const filledUrl = (template: string, { session, visitor }: Caller): string =>
  template.replaceAll('{sessionId}', encodeURIComponent(session)).replaceAll('{userId}', encodeURIComponent(visitor))

/** Protocol and host of an agent's address, and nothing that may be secret. @throws TypeError when it is not a URL */
export function placeOf(url: string): string {
  const { protocol, host } = new URL(filledUrl(url, HEALTH_CHECK))
  return `${protocol}//${host}`
}

/** Session, person and key (requirement R10), and the trace. */
export const callerHeaders = ({ session, visitor, traceparent }: Caller, apiKey: string | undefined): Readonly<Record<string, string>> => ({
  'X-Session-ID': session,
  'X-User-ID': visitor,
  ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
  ...(traceparent === undefined ? {} : { traceparent }),
})

/** For a question whose body is JSON and whose answer is an event stream. The turn makes it safe to ask twice. */
export const questionHeaders = (question: Question, apiKey: string | undefined): Readonly<Record<string, string>> => ({
  ...callerHeaders(question, apiKey),
  'Content-Type': 'application/json',
  Accept: 'text/event-stream',
  'Idempotency-Key': question.turnId,
  'X-Deadline-Ms': String(Math.ceil(question.deadlineMs)),
})
