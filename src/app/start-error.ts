import { ChatServiceError } from '../chat-service-error.ts'

/** The service cannot start, and a person must change something first. The message says what and how; it is shown as it is. */
export class StartError extends ChatServiceError {
  override name = 'StartError'

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, { code: 'START_ERROR', statusCode: 500, isRetryable: false, cause: options.cause })
  }
}

/** The system's code of an error, such as `EADDRINUSE`. */
export const systemCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
