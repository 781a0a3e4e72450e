/**
 * What of an error may be logged. Messages of other people's errors can quote what they were given: `JSON.parse` quotes the
 * text, `in` quotes the operand. So only our own messages and the system's are kept; type and place are enough for the rest.
 */
import { ChatServiceError } from '../chat-service-error.ts'
import { clean } from './clean.ts'
import type { LogFields } from './log.ts'

const CAUSES_MAX = 4
const FRAMES_MAX = 12

/** `error.*` fields of a thrown value and, in `error.causes`, what caused it. */
export function errorFields(thrown: unknown): LogFields {
  const causes: string[] = []
  let cause = thrown instanceof Error ? thrown.cause : undefined
  while (cause !== undefined && causes.length < CAUSES_MAX) {
    causes.push([typeOf(cause), codeOf(cause), messageOf(cause)].filter((part) => part !== undefined).join(' '))
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return {
    'error.type': typeOf(thrown),
    'error.code': codeOf(thrown),
    'error.message': messageOf(thrown),
    'error.causes': causes.length === 0 ? undefined : causes.join(' < '),
    'error.stack_trace': placeOf(thrown),
  }
}

const typeOf = (thrown: unknown): string => (thrown instanceof Error ? clean(thrown.name) : `thrown ${typeof thrown}`)

function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? clean(thrown.code) : undefined
}

function messageOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  if (thrown instanceof ChatServiceError || ('syscall' in thrown && 'errno' in thrown)) return clean(thrown.message)
  // node:sqlite: SQLite's own text for its result code.
  return 'errstr' in thrown && typeof thrown.errstr === 'string' ? clean(thrown.errstr) : undefined
}

/** The stack frames alone: the lines above them repeat the message. */
function placeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || typeof thrown.stack !== 'string') return undefined
  const frames = thrown.stack.split('\n').filter((line) => /^ {4}at .+:\d+:\d+\)?$/.test(line))
  return frames.length === 0 ? undefined : frames.slice(0, FRAMES_MAX).map(clean).join('\n')
}
