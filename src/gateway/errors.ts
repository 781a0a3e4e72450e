import { ChatServiceError } from '../chat-service-error.ts'
import { QUESTION_BYTES_MAX, QUESTION_GRAPHEMES_MAX } from '../conversation/limits.ts'
import type { PersonalKind } from '../conversation/personal-information.ts'
import type { QuestionProblem } from '../conversation/question-text.ts'

/** No such session, or it is somebody else's: the two are told apart by nobody. */
export class SessionNotFoundError extends ChatServiceError {
  override name = 'SessionNotFoundError'

  constructor() {
    // Not retryable: sessions do not come back.
    super('no such session', { code: 'SESSION_NOT_FOUND', statusCode: 404, isRetryable: false })
  }
}

/** The session has no such question. */
export class MessageNotFoundError extends ChatServiceError {
  override name = 'MessageNotFoundError'

  constructor() {
    super('no such message', { code: 'MESSAGE_NOT_FOUND', statusCode: 404, isRetryable: false })
  }
}

/** A question could not be kept for a reason of ours; whether it was is unknown, so the same id may be sent again. */
export class MessageSendError extends ChatServiceError {
  override name = 'MessageSendError'

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, { code: 'MESSAGE_SEND_ERROR', statusCode: 500, isRetryable: true, cause: options.cause })
  }
}

/** The id was used before with another text. */
export class MessageConflictError extends ChatServiceError {
  override name = 'MessageConflictError'

  constructor() {
    // Not retryable: the same id with the same text will conflict for the life of the session.
    super('the id was used before with another text', { code: 'MESSAGE_CONFLICT', statusCode: 409, isRetryable: false })
  }
}

/** A page's question has not the number that the log expects of its device next. */
export class MessageOrderError extends ChatServiceError {
  override name = 'MessageOrderError'
  readonly expectedNumber: number

  constructor(expectedNumber: number) {
    // Retryable: once the one with that number has been sent, or by a device that counts anew.
    super(`number ${expectedNumber} is expected`, { code: 'MESSAGE_OUT_OF_ORDER', statusCode: 409, isRetryable: true })
    this.expectedNumber = expectedNumber
  }
}

/** One thing wrong with the input: where (`body.content`, `query.limit`), and what, never repeating the input. */
export interface InputFault {
  readonly where: string
  readonly problem: string
}

/** The input breaks the documented rules. */
export class ValidationError extends ChatServiceError {
  override name = 'ValidationError'
  readonly faults: readonly InputFault[]

  constructor(faults: readonly InputFault[], options: { readonly cause?: unknown } = {}) {
    // Not retryable: the same input is wrong next time, too.
    super('the request is not valid', { code: 'VALIDATION_ERROR', statusCode: 400, isRetryable: false, cause: options.cause })
    this.faults = faults
  }
}

/** The question's text cannot be kept as it was typed. */
export class QuestionTextError extends ValidationError {
  override name = 'QuestionTextError'
  readonly problem: QuestionProblem

  constructor(problem: QuestionProblem) {
    super([{ where: 'body.content', problem: QUESTION_PROBLEMS[problem] }])
    this.problem = problem
  }
}

/** The question may hold personal information: it is not taken, or not before the person has said so. */
export class PersonalInformationError extends ValidationError {
  override name = 'PersonalInformationError'
  readonly kinds: readonly PersonalKind[]
  /** The person may send it all the same. */
  readonly mayConfirm: boolean

  constructor(kinds: readonly PersonalKind[], mayConfirm: boolean) {
    super(kinds.map((kind) => ({ where: 'body.content', problem: `must not include what looks like: ${kind.replaceAll('-', ' ')}` })))
    this.kinds = kinds
    this.mayConfirm = mayConfirm
  }
}

const QUESTION_PROBLEMS: Readonly<Record<QuestionProblem, string>> = {
  empty: 'must not be empty or blank',
  'too-long': `must be ${QUESTION_GRAPHEMES_MAX} characters or fewer`,
  'too-large': `must be ${QUESTION_BYTES_MAX} bytes or fewer in UTF-8`,
  'not-text': 'must not hold NUL or lone surrogates',
}

/** The cursor does not lie on this session's log: the store was rolled back, or it is another log's. */
export class CursorNotOnLogError extends ChatServiceError {
  override name = 'CursorNotOnLogError'

  constructor() {
    // Not retryable as it stands: read again from the start.
    super('the cursor is not on this log', { code: 'CURSOR_NOT_ON_LOG', statusCode: 409, isRetryable: false })
  }
}

/** The visitor owns as many sessions as anyone may. */
export class TooManySessionsError extends ChatServiceError {
  override name = 'TooManySessionsError'

  constructor() {
    // Not retryable until one is deleted or expires.
    super('too many sessions', { code: 'TOO_MANY_SESSIONS', statusCode: 409, isRetryable: false })
  }
}

/** More than the limit allows now. */
export class RateLimitError extends ChatServiceError {
  override name = 'RateLimitError'
  /** Milliseconds after which the same request may succeed. */
  readonly retryAfterMs: number

  constructor(retryAfterMs: number) {
    super('too many requests', { code: 'RATE_LIMITED', statusCode: 429, isRetryable: true })
    this.retryAfterMs = retryAfterMs
  }
}

/** The session has as many open questions as it may, or its log is full. */
export class OverloadError extends ChatServiceError {
  override name = 'OverloadError'
  readonly retryAfterMs: number

  constructor(retryAfterMs: number) {
    super('too many questions are open', { code: 'TOO_MANY_OPEN_QUESTIONS', statusCode: 429, isRetryable: true })
    this.retryAfterMs = retryAfterMs
  }
}

/** The service level is `offline`: nothing was tried. */
export class OfflineError extends ChatServiceError {
  override name = 'OfflineError'

  constructor() {
    super('the service is offline', { code: 'STORE_UNAVAILABLE', statusCode: 503, isRetryable: true })
  }
}

/** The team has switched questions off for now; everything else goes on. */
export class QuestionsClosedError extends ChatServiceError {
  override name = 'QuestionsClosedError'

  constructor() {
    super('questions are not taken at the moment', { code: 'QUESTIONS_CLOSED', statusCode: 503, isRetryable: true })
  }
}

/** The request does not come from our own pages, or its form token is wrong or too old. */
export class ForgeryError extends ChatServiceError {
  override name = 'ForgeryError'

  constructor(what: 'origin' | 'token') {
    // Not retryable: the same request is refused again; a fresh page is needed.
    super(`refused ${what}`, { code: what === 'origin' ? 'FORBIDDEN_ORIGIN' : 'FORM_EXPIRED', statusCode: 403, isRetryable: false })
  }
}

/** A request that HTTP itself has a word for: wrong method, wrong content type, no such route. */
export class RequestError extends ChatServiceError {
  override name = 'RequestError'
  /** Headers that belong to the answer, such as `allow`. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    statusCode: number,
    code: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly cause?: unknown } = {},
  ) {
    super(code.toLowerCase().replaceAll('_', ' '), { code, statusCode, isRetryable: false, cause: options.cause })
    this.headers = options.headers ?? {}
  }
}
