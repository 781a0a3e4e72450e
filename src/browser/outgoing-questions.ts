/**
 * The questions of one page until they are settled: numbered, in order, and never sent under two ids. Pure.
 *
 * Nothing else knows how questions travel. A question gets its number when it is first sent from here; until then it can be taken back.
 */
import type { MessageId } from '../conversation/ids.ts'
import { ACCEPT_TIMEOUT_MS } from '../conversation/limits.ts'
import type { RejectCode, SendFrame } from '../protocol/protocol.ts'

export interface OutgoingQuestion {
  readonly messageId: MessageId
  /** The device's gap-free count; 0 while it has none, or counts no more: refused for good, or accepted from an earlier device of this page. */
  readonly number: number
  readonly text: string
  readonly inReplyTo: MessageId | undefined
  /** When the person sent it, monotonic ms. */
  readonly askedAt: number
  /** The same in milliseconds since the epoch, for people. */
  readonly keptAt: number
  /** Order among those of the session that have no number. */
  readonly place: number
  /** Whether the device holds it too, so that it survives this page. */
  readonly isKept: boolean
  readonly state: OutgoingState
}

export type OutgoingState =
  /** On its way to the device's storage, and sent after that only. */
  | { readonly status: 'keeping' }
  /** Not sent from here. `isTried`: another page may have sent it; it has it to itself until `heldUntil`, monotonic ms. */
  | { readonly status: 'kept'; readonly isTried: boolean; readonly heldUntil: number }
  /** This page's to send, not before `retryAt`. `isUnknown`: it may have arrived before. */
  | { readonly status: 'waiting'; readonly retryAt: number; readonly code: RejectCode | undefined; readonly isUnknown: boolean }
  /** Sent; whether it arrived is unknown. `tries` on this link. */
  | { readonly status: 'sending'; readonly since: number; readonly tries: number }
  /** In the log at `seq`; `wasThere` already when it was last sent, so that it may have counted for another device. */
  | { readonly status: 'accepted'; readonly seq: number; readonly wasThere: boolean }
  /** The server will never take it. */
  | { readonly status: 'refused'; readonly code: RejectCode }
  /** It waited too long to be sent by itself. */
  | { readonly status: 'expired' }

type Questions = readonly OutgoingQuestion[]

export const KEPT: OutgoingState = { status: 'kept', isTried: false, heldUntil: 0 }
export const UNKNOWN: OutgoingState = { status: 'waiting', retryAt: 0, code: undefined, isUnknown: true }

const change = (questions: Questions, messageId: MessageId, what: (question: OutgoingQuestion) => OutgoingQuestion): Questions => {
  const index = questions.findIndex((question) => question.messageId === messageId)
  const question = questions[index]
  return question === undefined ? questions : questions.with(index, what(question))
}

/** The log has the question, whoever sent it. */
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
    const isLater = refused.number > 0 && question.number > refused.number
    return isLater ? { ...question, number: question.number - 1, state: UNKNOWN } : question
  })
}

/** The question is sent again from `retryAt` on; those after it that are not on their way wait behind it. */
export const postpone = (questions: Questions, messageId: MessageId, retryAt: number, code: RejectCode | undefined): Questions =>
  change(questions, messageId, (question) =>
    question.state.status === 'sending' ? { ...question, state: { status: 'waiting', retryAt, code, isUnknown: false } } : question,
  )

/** A link ended: what was on its way may not have arrived. A question the server asked to hold back keeps its time. */
export const unsend = (questions: Questions): Questions =>
  questions.map((question) => (question.state.status === 'sending' ? { ...question, state: UNKNOWN } : question))

/** Nothing says that the log still has what it accepted after `seq`: it goes out again, which is harmless when it has. */
export function doubtAfter(questions: Questions, seq: number): Questions {
  const isDoubtful = ({ state }: OutgoingQuestion): boolean => state.status === 'accepted' && state.seq > seq
  if (!questions.some(isDoubtful)) return questions
  return questions.map((question) => (isDoubtful(question) ? { ...question, state: doubted(question) } : question))
}

/** One that has no number here may be another page's to send: the device is asked first. */
const doubted = ({ number, isKept }: OutgoingQuestion): OutgoingState =>
  number === 0 && isKept ? { status: 'kept', isTried: true, heldUntil: 0 } : UNKNOWN

const isOpen = ({ state }: OutgoingQuestion): boolean => state.status === 'waiting' || state.status === 'sending'
const isNumbered = (question: OutgoingQuestion): boolean => isOpen(question) && question.number > 0

/** For a device that has numbered nothing yet. What was accepted counted for another one. */
export const renumber = (questions: Questions): { readonly questions: Questions; readonly lastNumber: number } => ({
  questions: questions.map((question) => ({ ...question, number: 0, state: isOpen(question) ? UNKNOWN : question.state })),
  lastNumber: 0,
})

/** Whether a question without a number has to go before one that has one. */
export function lacksNumber(questions: Questions): boolean {
  const first = questions.findIndex(({ number, state }) => number === 0 && (state.status === 'waiting' || state.status === 'kept'))
  return first >= 0 && questions.slice(first).some(isNumbered)
}

/** By number, and what has none behind, by place: it gets a later one. */
export const inOrder = (questions: Questions): Questions => [
  ...questions.filter(isNumbered).toSorted((one, other) => one.number - other.number),
  ...questions.filter((question) => !isNumbered(question)).toSorted((one, other) => one.place - other.place),
]

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

export interface SendTerms {
  readonly now: number
  /** How many may be on their way. */
  readonly maxInFlight: number
  /** The last number that the device has given. */
  readonly lastNumber: number
  /** Until when what this page took from the device is its own to send; infinite where it holds its questions alone. */
  readonly heldUntil: number
}

/** Whether it may be sent from here without asking the device first. */
const isOurs = ({ state, isKept }: OutgoingQuestion, { now, heldUntil }: SendTerms): boolean =>
  !isKept || (state.status === 'kept' ? heldUntil === Number.POSITIVE_INFINITY : now < heldUntil)

/** What may be sent now, in order; a question that goes out for the first time gets its number. */
export function due(
  questions: Questions,
  terms: SendTerms,
): { readonly questions: Questions; readonly frames: readonly SendFrame[]; readonly lastNumber: number } {
  const { now, maxInFlight } = terms
  const frames: SendFrame[] = []
  let { lastNumber } = terms
  let inFlight = questions.filter(({ state }) => state.status === 'sending').length
  let isBlocked = false
  const next = questions.map((question) => {
    const { state, messageId, text, inReplyTo } = question
    if (isOver(question) || state.status === 'sending') return question
    // Order: nothing overtakes a question that has to wait.
    const isEarly = state.status === 'keeping' || (state.status === 'waiting' && state.retryAt > now)
    isBlocked ||= isEarly || !isOurs(question, terms) || inFlight >= maxInFlight
    if (isBlocked) return question
    inFlight += 1
    if (question.number === 0) lastNumber += 1
    const number = question.number === 0 ? lastNumber : question.number
    frames.push({ type: 'send', messageId, number, text, inReplyTo })
    return { ...question, number, state: { status: 'sending', since: now, tries: 1 } as const }
  })
  return frames.length > 0 ? { questions: next, frames, lastNumber } : { questions, frames, lastNumber }
}

/** Whether nothing is to be done about it. */
const isOver = ({ state }: OutgoingQuestion): boolean =>
  state.status === 'accepted' || state.status === 'refused' || state.status === 'expired'

/**
 * Sends the first again, under the same id, that has not been answered for too long. A link keeps its order, so what was sent behind it
 * is still on its way too; saying all of it again would use up the frames of a link whose server is only slow.
 */
export function overdue(
  questions: Questions,
  now: number,
): { readonly questions: Questions; readonly frames: readonly SendFrame[]; readonly tries: number } {
  const isOverdue = ({ state }: OutgoingQuestion): boolean => state.status === 'sending' && now >= state.since + ACCEPT_TIMEOUT_MS
  const first = questions.find(isOverdue)
  if (first?.state.status !== 'sending') return { questions, frames: [], tries: 0 }
  const { messageId, number, text, inReplyTo, state } = first
  const next = questions.map((question) => {
    if (question.state.status !== 'sending' || !isOverdue(question)) return question
    return { ...question, state: { ...question.state, since: now, tries: question.state.tries + (question === first ? 1 : 0) } }
  })
  return { questions: next, frames: [{ type: 'send', messageId, number, text, inReplyTo }], tries: state.tries }
}

/** When something is due or overdue next; `undefined` when only an answer can move things. */
export function questionsDeadline(questions: Questions, terms: SendTerms): number | undefined {
  const times = questions.flatMap(({ state }) => (state.status === 'sending' ? [state.since + ACCEPT_TIMEOUT_MS] : []))
  // Nothing overtakes the first that waits.
  const first = questions.find((question) => !isOver(question) && question.state.status !== 'sending')
  if (first?.state.status === 'waiting' && times.length < terms.maxInFlight && isOurs(first, terms)) times.push(first.state.retryAt)
  return times.length > 0 ? Math.min(...times) : undefined
}
