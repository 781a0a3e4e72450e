/**
 * Which failures another try may cure, for each kind of service, and how patiently (requirements R1).
 */
import { ChatServiceError } from '../chat-service-error.ts'
import { type Backoff } from './backoff.ts'
import { TimeoutError } from './deadline.ts'
import { ResilienceError } from './resilience-error.ts'

/** `websocket`: links to the agent and from the browser. `api`: agents over HTTP. `database`: Redis, and SQLite when busy. */
export type ServiceKind = 'websocket' | 'api' | 'database'

export interface RetryRule {
  /** Tries in all, the first included. */
  readonly attempts: number
  readonly backoff: Backoff
  readonly shouldRetry: (error: unknown) => boolean
}

const CAUSES_DEEP = 5
const WEBSOCKET_CODES = ['WEBSOCKET_CONNECTION_ERROR', 'ECONNRESET', 'ETIMEDOUT']
/** Beside those of the requirement: connections that were never made, so that the service cannot have seen the request. */
const API_CODES = ['ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']
const DATABASE_CODES = ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE']
/** Client errors that say "later", not "never". */
const PATIENT_STATUS: readonly unknown[] = [408, 425, 429]

export const RETRY_RULES: Readonly<Record<ServiceKind, RetryRule>> = {
  websocket: { attempts: 5, backoff: { baseMs: 1_000, capMs: 30_000 }, shouldRetry: (error) => mayRecover(error, WEBSOCKET_CODES) },
  api: { attempts: 3, backoff: { baseMs: 500, capMs: 5_000 }, shouldRetry: (error) => mayRecover(error, API_CODES) },
  database: { attempts: 4, backoff: { baseMs: 2_000, capMs: 10_000 }, shouldRetry: (error) => mayRecover(error, DATABASE_CODES) },
}

/**
 * Whether no predicate may ask for another try: we refused it ourselves (open breaker, full bulkhead), the time for the
 * whole is over, someone aborted, or the program is wrong.
 */
export function isNeverRetried(error: unknown): boolean {
  if (error instanceof ResilienceError && !error.blamesService) return true
  if (error instanceof TimeoutError && error.kind === 'deadline') return true
  if (error instanceof Error && error.name === 'AbortError') return true
  return isProgrammingError(error)
}

/**
 * Whether another try may cure `error`: our own errors say so themselves; an HTTP status of 408, 425, 429 or 5xx;
 * else one of `codes` on the error or on what caused it.
 */
function mayRecover(error: unknown, codes: readonly string[]): boolean {
  if (error instanceof ChatServiceError) return error.isRetryable
  const status = statusOf(error)
  if (status !== undefined) return PATIENT_STATUS.includes(status) || (status >= 500 && status <= 599)
  return codesOf(error).some((code) => codes.includes(code))
}

/** fetch reports a lost network as a TypeError with the system's error as its cause; that one is no programming error. */
function isProgrammingError(error: unknown): boolean {
  const isKind =
    error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError || error instanceof SyntaxError
  return isKind && codesOf(error.cause).length === 0
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const status = 'statusCode' in error ? error.statusCode : 'status' in error && error.status
  return typeof status === 'number' ? status : undefined
}

/** The codes of the error and of its causes. */
function codesOf(error: unknown): readonly string[] {
  const codes: string[] = []
  let at = error
  for (let depth = 0; depth < CAUSES_DEEP && typeof at === 'object' && at !== null; depth += 1) {
    if ('code' in at && typeof at.code === 'string') codes.push(at.code)
    at = 'cause' in at ? at.cause : undefined
  }
  return codes
}
