import { ChatServiceError } from '../chat-service-error.ts'

/** What is wrong with one file. */
export interface PageFault {
  /** Name of the file in the folder, or the folder itself. */
  readonly file: string
  readonly problem: string
}

/** The guidance cannot be used as it is. Not retryable: a person must change a file first. The message names each and says what. */
export class GuidanceError extends ChatServiceError {
  override name = 'GuidanceError'
  readonly faults: readonly PageFault[]

  constructor(faults: readonly PageFault[], options: { readonly cause?: unknown } = {}) {
    const lines = faults.map(({ file, problem }) => `  ${file}: ${problem}`)
    super(['The guidance pages cannot be used:', ...lines].join('\n'), {
      code: 'GUIDANCE_ERROR',
      statusCode: 500,
      isRetryable: false,
      cause: options.cause,
    })
    this.faults = faults
  }
}
