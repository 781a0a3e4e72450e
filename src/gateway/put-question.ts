/** A question from a form: it is asked and its answer shown, or it comes back as it was typed with what is to be done. */
import { createHash } from 'node:crypto'
import type { Request, ResponseObject, ResponseToolkit } from '@hapi/hapi'
import { isMessageId, mintMessageId, type MessageId } from '../conversation/ids.ts'
import { fill } from '../page/page-data.ts'
import { sayPersonal } from '../page/personal-words.ts'
import type { ChatPageOptions, ChatPages } from './chat-page.ts'
import {
  MessageConflictError,
  OverloadError,
  PersonalInformationError,
  QuestionsClosedError,
  QuestionTextError,
  RateLimitError,
} from './errors.ts'
import { formField } from './forgery.ts'
import { FORM_FIELDS } from './form-fields.ts'
import type { GatewayContext } from './gateway-context.ts'
import { htmlReply } from './page-shell.ts'
import type { NewAsk } from './visitor-sessions.ts'
import { ENGLISH } from './words.ts'

/** A form that puts a question, and what is needed to answer it. */
export interface Posted {
  readonly context: GatewayContext
  readonly pages: ChatPages
  readonly request: Request
  readonly h: ResponseToolkit
}

type Put = Pick<NewAsk, 'typed' | 'inReplyTo'> & { readonly session: string; readonly messageId: MessageId; readonly isConfirmed: boolean }

/** Appends a question and sends the person to its answer, or shows the page again with what they typed. */
export async function putQuestion(posted: Posted, question: Put): Promise<ResponseObject> {
  const { context, pages, request, h } = posted
  const { messageId, typed, session } = question
  const visitor = context.visitorOf(request)
  try {
    await context.sessions.ask(visitor, { ...question, transport: 'form', from: context.traceOf(request) })
    return h.redirect(context.paths.answer(session, messageId)).code(303)
  } catch (error) {
    if (error instanceof MessageConflictError) return putQuestion(posted, { ...question, messageId: editedId(messageId, typed) })
    const shown = notTaken(error)
    if (shown === undefined) throw error
    const own = await context.sessions.read(visitor, session)
    return htmlReply(h, pages.render(request, own, { typed, messageId, ...shown.options }), shown.status)
  }
}

/** What the page says of a question that was not taken for a reason that the person can do something about. */
function notTaken(error: unknown): { readonly status: number; readonly options: ChatPageOptions } | undefined {
  if (error instanceof PersonalInformationError) {
    const { kinds, mayConfirm } = error
    if (mayConfirm) return { status: 422, options: { warning: sayPersonal('warn', kinds, ENGLISH.live) } }
    return { status: 400, options: { problem: sayPersonal('block', kinds, ENGLISH.live) } }
  }
  if (error instanceof QuestionTextError) return { status: 400, options: { problem: ENGLISH.live.problems[error.problem] } }
  if (error instanceof RateLimitError) {
    const seconds = Math.max(1, Math.ceil(error.retryAfterMs / 1_000))
    return { status: 429, options: { notice: fill(ENGLISH.chat.rate, { seconds }) } }
  }
  if (error instanceof OverloadError) return { status: 429, options: { notice: ENGLISH.live.overload } }
  return error instanceof QuestionsClosedError ? { status: 503, options: {} } : undefined
}

/**
 * The id of a form that was sent before with another text: somebody went back and changed their question.
 * Made from both, so that sending the changed form twice asks it once.
 */
function editedId(messageId: MessageId, typed: string): MessageId {
  const digest = createHash('sha256').update(`${messageId}\n${typed}`).digest()
  return mintMessageId(digest.readUIntBE(0, 6), (count) => digest.subarray(6, 6 + count))
}

/** What the form says, but for where it goes. */
export const postedQuestion = (context: GatewayContext, request: Request): Omit<Put, 'session'> => ({
  typed: formField(request, FORM_FIELDS.question) ?? '',
  messageId: postedMessageId(context, request),
  inReplyTo: undefined,
  isConfirmed: formField(request, FORM_FIELDS.confirm) !== undefined,
})

/** The id that the form carries. One that we did not make is replaced: it could not be told from another's. */
export function postedMessageId(context: GatewayContext, request: Request): MessageId {
  const posted = formField(request, FORM_FIELDS.messageId) ?? ''
  return isMessageId(posted) ? posted : mintMessageId(context.clock.now(), context.randomBytes)
}
