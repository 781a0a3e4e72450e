/**
 * The questions of one page until they are settled: numbered, in order, and never sent under two ids. Pure.
 *
 * This list is what a later version keeps on the device; nothing else knows how questions travel.
 */
import type { MessageId } from '../conversation/ids.ts'
import { ACCEPT_TIMEOUT_MS } from '../conversation/limits.ts'
import type { RejectCode, SendFrame } from '../protocol/protocol.ts'

export interface OutgoingQuestion {
  readonly messageId: MessageId
  /** The device's gap-free count; 0 once it counts no more: refused for good, or accepted from an earlier device of this page. */
  readonly number: number
  readonly text: string
  readonly inReplyTo: MessageId | undefined
  /** When the person sent it, monotonic ms. */
  readonly askedAt: number
  readonly state: OutgoingState
}

export type OutgoingState =
  /** Not sent, or the server asked to send it again later. */
  | { readonly status: 'waiting'; readonly retryAt: number; readonly code: RejectCode | undefined }
  /** Sent; whether it arrived is unknown. `tries` on this link. */
  | { readonly status: 'sending'; readonly since: number; readonly tries: number }
  /** In the log at `seq`; `wasThere` already when it was last sent, so that it may have counted for another device. */
  | { readonly status: 'accepted'; readonly seq: number; readonly wasThere: boolean }
  /** The server will never take it. */
  | { readonly status: 'refused'; readonly code: RejectCode }

type Questions = readonly OutgoingQuestion[]

const WAITING: OutgoingState = { status: 'waiting', retryAt: 0, code: undefined }

const change = (questions: Questions, messageId: MessageId, what: (question: OutgoingQuestion) => OutgoingQuestion): Questions => {
  const index = questions.findIndex((question) => question.messageId === messageId)
  const question = questions[index]
  return question === undefined ? questions : questions.with(index, what(question))
}

export const newQuestion = (question: Omit<OutgoingQuestion, 'state'>): OutgoingQuestion => ({ ...question, state: WAITING })

/** The log has the question. */
export const accept = (questions: Questions, messageId: MessageId, seq: number, wasThere = false): Questions =>
  change(questions, messageId, (question) =>
    question.state.status === 'accepted' || question.state.status === 'refused'
      ? question
      : { ...question, state: { status: 'accepted', seq, wasThere } },
  )

/** The server will not take the question: it counts no more, and those after it move up. */
export function refuse(questions: Questions, messageId: MessageId, code: RejectCode): Questions {
  const refused = questions.find((question) => question.messageId === messageId)
  if (refused === undefined || refused.state.status === 'accepted' || refused.state.status === 'refused') return questions
  return questions.map((question) => {
    if (question === refused) return { ...question, number: 0, state: { status: 'refused', code } }
    return question.number > refused.number ? { ...question, number: question.number - 1, state: WAITING } : question
  })
}

/** The question is sent again from `retryAt` on; those after it that are not on their way wait behind it. */
export const postpone = (questions: Questions, messageId: MessageId, retryAt: number, code: RejectCode | undefined): Questions =>
  change(questions, messageId, (question) =>
    question.state.status === 'sending' ? { ...question, state: { status: 'waiting', retryAt, code } } : question,
  )

/** A link ended: what was on its way may not have arrived. A question the server asked to hold back keeps its time. */
export const unsend = (questions: Questions): Questions =>
  questions.map((question) => (question.state.status === 'sending' ? { ...question, state: WAITING } : question))

/** Nothing says that the log still has what it accepted after `seq`: it goes out again, which is harmless when it has. */
export const doubtAfter = (questions: Questions, seq: number): Questions =>
  questions.some(({ state }) => state.status === 'accepted' && state.seq > seq)
    ? questions.map((question) =>
        question.state.status === 'accepted' && question.state.seq > seq ? { ...question, state: WAITING } : question,
      )
    : questions

/** Numbered from 1 for a new device, in their order; what was accepted counted for another one. */
export function renumber(questions: Questions): { readonly questions: Questions; readonly lastNumber: number } {
  let lastNumber = 0
  const renumbered = questions.map((question) => {
    if (question.state.status === 'refused' || question.state.status === 'accepted') return { ...question, number: 0 }
    lastNumber += 1
    return { ...question, number: lastNumber, state: WAITING }
  })
  return { questions: renumbered, lastNumber }
}

/** Whether a question has to be sent that counted for another device. */
export const lacksNumber = (questions: Questions): boolean =>
  questions.some(({ number, state }) => number === 0 && state.status === 'waiting')

/** Forgets what survives without this page and is shown by the log itself. */
export const forgetSettled = (
  questions: Questions,
  settled: number,
  isShown: (messageId: MessageId, seq: number) => boolean,
): Questions => {
  const isDone = ({ messageId, state }: OutgoingQuestion): boolean =>
    state.status === 'accepted' && state.seq <= settled && isShown(messageId, state.seq)
  return questions.some(isDone) ? questions.filter((question) => !isDone(question)) : questions
}

/** What may be sent now, in order, with at most `maxInFlight` on their way. */
export function due(
  questions: Questions,
  now: number,
  maxInFlight: number,
): { readonly questions: Questions; readonly frames: readonly SendFrame[] } {
  const frames: SendFrame[] = []
  let inFlight = questions.filter(({ state }) => state.status === 'sending').length
  let isBlocked = false
  const next = questions.map((question) => {
    const { state, messageId, number, text, inReplyTo } = question
    if (state.status !== 'waiting') return question
    // Order: nothing overtakes a question that has to wait.
    isBlocked ||= state.retryAt > now || inFlight >= maxInFlight
    if (isBlocked) return question
    inFlight += 1
    frames.push({ type: 'send', messageId, number, text, inReplyTo })
    return { ...question, state: { status: 'sending', since: now, tries: 1 } as const }
  })
  return frames.length > 0 ? { questions: next, frames } : { questions, frames }
}

/** Sends again, under the same ids, what has not been answered for too long. */
export function overdue(
  questions: Questions,
  now: number,
): { readonly questions: Questions; readonly frames: readonly SendFrame[]; readonly tries: number } {
  const frames: SendFrame[] = []
  let most = 0
  const next = questions.map((question) => {
    const { state, messageId, number, text, inReplyTo } = question
    if (state.status !== 'sending' || now < state.since + ACCEPT_TIMEOUT_MS) return question
    most = Math.max(most, state.tries)
    frames.push({ type: 'send', messageId, number, text, inReplyTo })
    return { ...question, state: { status: 'sending', since: now, tries: state.tries + 1 } as const }
  })
  return { questions: next, frames, tries: most }
}

/** When something is due or overdue next; `undefined` when only an answer can move things. */
export function questionsDeadline(questions: Questions, maxInFlight: number): number | undefined {
  const times = questions.flatMap(({ state }) => (state.status === 'sending' ? [state.since + ACCEPT_TIMEOUT_MS] : []))
  // Nothing overtakes the first that waits.
  const first = questions.find(({ state }) => state.status === 'waiting')?.state
  if (first?.status === 'waiting' && times.length < maxInFlight) times.push(first.retryAt)
  return times.length > 0 ? Math.min(...times) : undefined
}
