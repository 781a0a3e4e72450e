import { ChatServiceError } from '../chat-service-error.ts'
import type { ProfileFault } from './parse-profile.ts'

/** The service file cannot be used as it is. Not retryable: a person must change it first. The message says where and what. */
export class ProfileError extends ChatServiceError {
  override name = 'ProfileError'
  readonly faults: readonly ProfileFault[]

  constructor(path: string, faults: readonly ProfileFault[], options: { readonly cause?: unknown } = {}) {
    const lines = faults.map(({ line, problem }) => `  line ${line}: ${problem}`)
    super([`The service file ${path} cannot be used:`, ...lines].join('\n'), {
      code: 'PROFILE_ERROR',
      statusCode: 500,
      isRetryable: false,
      cause: options.cause,
    })
    this.faults = faults
  }
}
