/** What a `ChatServiceError` is made from. */
export interface ChatServiceErrorOptions {
  /** Stable, upper-case, part of the API: `SESSION_NOT_FOUND`. */
  readonly code: string
  /** HTTP status that answers it. */
  readonly statusCode: number
  /** Whether the same request may succeed later without a change. */
  readonly isRetryable: boolean
  readonly cause?: unknown
}

/**
 * Base of every fault this service throws on purpose.
 *
 * Subclasses live beside their thrower and set `override name`. Messages are for people on call:
 * they never hold anyone's words, names or ids.
 */
export class ChatServiceError extends Error {
  override name = 'ChatServiceError'
  readonly code: string
  readonly statusCode: number
  readonly isRetryable: boolean

  constructor(message: string, options: ChatServiceErrorOptions) {
    super(message, { cause: options.cause })
    this.code = options.code
    this.statusCode = options.statusCode
    this.isRetryable = options.isRetryable
  }
}
