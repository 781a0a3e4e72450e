import { ChatServiceError } from '../chat-service-error.ts'

/**
 * `unavailable`: busy, full, away or closing; retryable, and nothing of the command was stored or it is unknown.
 * `corrupt`: what was read breaks the log's own rules; not retryable.
 * `fatal`: an I/O error; the pages count as clean after a failed fsync, so the process must end (reliability reference §2.2).
 */
export type LogErrorKind = 'unavailable' | 'corrupt' | 'fatal'

/** A command on the log failed. The outcome of an append that fails with `unavailable` is unknown: send it again with the same id. */
export class LogError extends ChatServiceError {
  override name = 'LogError'
  readonly kind: LogErrorKind

  constructor(kind: LogErrorKind, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, { code: 'STORE_UNAVAILABLE', statusCode: 503, isRetryable: kind === 'unavailable', cause: options.cause })
    this.kind = kind
  }
}
