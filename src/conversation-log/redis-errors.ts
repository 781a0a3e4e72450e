/**
 * What an error of Redis, or of the way to it, means for the log.
 *
 * An error reply starts with a code in capitals (redis.io/docs/reference/protocol-spec). Some say that nothing was done and that it
 * may work later; of a connection that was lost nobody knows what was done.
 */
import { ErrorReply } from '@redis/client'
import { LogError } from './log-error.ts'

/** Replies that pass by themselves, or when somebody mends Redis. */
const PASSING: ReadonlySet<string> = new Set([
  'ASK',
  'BUSY',
  'CLUSTERDOWN',
  'LOADING',
  'LOGBUSY',
  'LOGNEWER',
  'MASTERDOWN',
  'MISCONF',
  'MOVED',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'UNBLOCKED',
])
/** Redis does not let this user in, or do this. */
const REFUSING: ReadonlySet<string> = new Set(['NOAUTH', 'NOPERM', 'WRONGPASS'])

/** The code of an error reply, `undefined` for an error of another kind. Our own functions' come as `ERR <code> …` in some versions. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof ErrorReply)) return undefined
  const [first = '', second = ''] = error.message.split(' ')
  return first === 'ERR' && second.startsWith('LOG') ? second : first
}

/** Where the Cluster says that the keys are. */
export interface Redirection {
  readonly type: 'MOVED' | 'ASK'
  readonly host: string
  readonly port: number
}

/** `MOVED 3999 127.0.0.1:6381`; an empty host is the one that said so. */
export function redirectionIn(error: unknown): Redirection | undefined {
  if (!(error instanceof ErrorReply)) return undefined
  const [, type, host, port] = /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(error.message) ?? []
  if ((type !== 'MOVED' && type !== 'ASK') || host === undefined) return undefined
  return { type, host, port: Number(port) }
}

export const isUnknownFunction = (error: unknown): boolean => error instanceof ErrorReply && /^ERR Function not found/i.test(error.message)

/** Redis before version 7 has no functions. */
export const isUnknownCommand = (error: unknown): boolean => error instanceof ErrorReply && /^ERR unknown command/i.test(error.message)

/** Whether Redis refuses us, so that trying again changes nothing. */
export const isRefusal = (error: unknown): boolean => REFUSING.has(replyCode(error) ?? '')

/** A `LogError` for whatever a command failed with. */
export function toLogError(error: unknown): LogError {
  if (error instanceof LogError) return error
  const code = replyCode(error)
  if (code === undefined) {
    return new LogError('unavailable', 'the connection to Redis was lost; what was sent may be done', { cause: error })
  }
  const message = `Redis: ${error instanceof Error ? error.message : code}`
  return new LogError(PASSING.has(code) || REFUSING.has(code) ? 'unavailable' : 'corrupt', message, { cause: error })
}
