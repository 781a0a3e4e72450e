/**
 * What the page says about one item of a conversation: heading, status, and what can be done. Pure.
 *
 * The page without JavaScript, a reload and the live page all show items through this, so a status never changes
 * because somebody looked at it another way.
 */
import { isOpen, type AnswerItem, type Item, type NoticeItem, type QuestionItem } from '../conversation/conversation.ts'
import type { MessageId, TurnId } from '../conversation/ids.ts'
import { fill, type ItemWords } from './page-data.ts'

/** A form of the item; both pages have the same ones. */
export type ItemAction =
  | { readonly name: 'cancel'; readonly messageId: MessageId; readonly turnId: TurnId; readonly label: string; readonly about: string }
  | {
      readonly name: 'ask-again'
      /** The question that is asked again or gone on from. */
      readonly messageId: MessageId
      /** What is asked. */
      readonly text: string
      readonly label: string
      readonly about: string
    }

export interface ItemView {
  readonly kind: Item['kind']
  /** The same for the item's whole life, also before the server has it; the element's id. */
  readonly key: string
  readonly heading: string
  /** Spoken after the heading. */
  readonly time: string
  /** Machine-readable form of the time. */
  readonly isoTime: string
  /** Lines under the text. */
  readonly status: readonly string[]
  /** `running`: more will come. */
  readonly state: 'running' | 'done' | 'attention'
  /** Sign of life beside the last line of status: somebody is at work on it now. */
  readonly isWorking: boolean
  readonly action: ItemAction | undefined
}

export interface ViewContext {
  readonly words: ItemWords
  /** Milliseconds since the epoch; `undefined` for who reads on any later day, so that every time has its date. */
  readonly now: number | undefined
  /** Whether the answer's links are listed under it. */
  readonly hasLinks: (answer: AnswerItem) => boolean
}

type Times = Pick<ViewContext, 'words' | 'now'>

/** Views of `items` in their order. Items left out at the start only cost the numbers of places in the queue. */
export function viewItems(items: readonly Item[], context: ViewContext): readonly ItemView[] {
  const questions = new Map<MessageId, QuestionItem>()
  const answers = new Map<TurnId, AnswerItem>()
  for (const item of items) {
    if (item.kind === 'question') questions.set(item.messageId, item)
    if (item.kind === 'answer') answers.set(item.turnId, item)
  }
  let openBefore = 0
  return items.map((item) => {
    switch (item.kind) {
      case 'question': {
        const before = openBefore
        if (isOpen(item)) openBefore += 1
        return viewQuestion(item, { answer: answers.get(item.turnId), openBefore: before }, context)
      }
      case 'answer':
        return viewAnswer(item, questions.get(item.inReplyTo), context)
      case 'notice':
        return viewNotice(item, context)
    }
  })
}

/** The element id of a question: known before the server has the question, so that a link to it works at once. */
export const questionKey = (messageId: MessageId | ''): string => `m-${messageId}`
/** The element id of an answer or notice; its place in the log, which never changes. */
const placeKey = (seq: number): string => `i-${seq}`
export const itemKey = (item: Item): string => (item.kind === 'question' ? questionKey(item.messageId) : placeKey(item.seq))

/** What else the page shows bears on how a question stands. */
interface Around {
  /** The latest answer to it. */
  readonly answer: AnswerItem | undefined
  /** Open questions above it. */
  readonly openBefore: number
}

function viewQuestion(item: QuestionItem, { answer, openBefore }: Around, { words, now }: Times): ItemView {
  const sent = fill(words.sent, { time: formatTime(item.at, now, words) })
  const base = { ...placed(item, words.you, { words, now }), key: questionKey(item.messageId), isWorking: false }
  const askAgain = askingAgain(item, item.text, words.askAgain, words)
  switch (item.status) {
    case 'sent':
    case 'queued': {
      const stopping = item.isStopping ? [words.stopping] : []
      const status = [`${sent}. ${[words.waiting, ...placeInQueue(openBefore, words), ...stopping].join(' ')}`]
      const cancel = { name: 'cancel', ...idsOf(item), label: words.cancel, about: aboutQuestion(words.cancelAbout, item.text) } as const
      return { ...base, status, state: 'running', action: item.isStopping ? undefined : cancel }
    }
    case 'delivered': {
      const received = fill(words.received, { time: formatTime(answer?.at ?? item.at, now, words) })
      return { ...base, status: item.isStopping ? [received, words.stopping] : [received], state: 'running', action: undefined }
    }
    case 'answered':
      return { ...base, status: [sent], state: 'done', action: undefined }
    case 'cancelled':
      return { ...base, status: [`${sent}. ${words.cancelled}`], state: 'done', action: askAgain }
    case 'failed':
    case 'expired':
      // An answer that had begun says itself what became of it.
      return answer !== undefined
        ? { ...base, status: [sent], state: 'done', action: undefined }
        : { ...base, status: [sent, whyFailed(item.reason, words)], state: 'attention', action: askAgain }
  }
}

const idsOf = ({ messageId, turnId }: QuestionItem) => ({ messageId, turnId })

const placeInQueue = (before: number, words: ItemWords): readonly string[] => {
  if (before === 0) return []
  return [before === 1 ? words.oneBefore : fill(words.manyBefore, { count: before })]
}

function viewAnswer(item: AnswerItem, question: QuestionItem | undefined, context: ViewContext): ItemView {
  const { words } = context
  const base = { ...placed(item, item.persona ?? words.assistant, context), key: placeKey(item.seq), isWorking: false }
  // A page that does not hold the question leaves it to the server to know its words.
  const asked = question ?? { messageId: item.inReplyTo, text: '' }
  const askAgain = askingAgain(asked, asked.text, words.askAgain, words)
  switch (item.status) {
    case 'streaming':
      // Its owner is gone, or could not put the question to the agent; it is asked again when the agent is back.
      if (question?.status === 'queued') return { ...base, status: [words.waiting], state: 'running', action: undefined }
      return {
        ...base,
        status: [item.text === '' ? words.finding : words.answering],
        state: 'running',
        isWorking: true,
        action: undefined,
      }
    case 'complete':
      return { ...base, status: [context.hasLinks(item) ? words.caveatPages : words.caveat], state: 'done', action: undefined }
    case 'stopped':
      return { ...base, status: [words.stopped], state: 'done', action: askAgain }
    case 'interrupted':
      if (item.isSuperseded) return { ...base, status: [words.cutOffAskedAgain], state: 'attention', action: undefined }
      if (item.reason === 'withheld') return { ...base, status: [words.cutOff, words.withheld], state: 'attention', action: askAgain }
      return {
        ...base,
        status: [item.reason === 'too-long' ? words.tooLong : words.cutOff],
        state: 'attention',
        action: askingAgain(asked, asked.text === '' ? '' : aboutQuestion(words.restOf, asked.text), words.getRest, words),
      }
    case 'failed':
      return { ...base, status: [whyFailed(item.reason, words)], state: 'attention', action: askAgain }
  }
}

/** A new question that names the one it repeats or goes on from. */
const askingAgain = (question: Asked, text: string, label: string, words: ItemWords): ItemAction => ({
  name: 'ask-again',
  messageId: question.messageId,
  text,
  label,
  about: question.text === '' ? '' : aboutQuestion(words.askAgainAbout, question.text),
})

type Asked = Pick<QuestionItem, 'messageId' | 'text'>

/** Help of the service's own: it must never look like an answer of the assistant. */
function viewNotice(item: NoticeItem, context: ViewContext): ItemView {
  const base = { ...placed(item, context.words.fallbackHeading, context), key: placeKey(item.seq) }
  return { ...base, status: [], state: 'done', isWorking: false, action: undefined }
}

function placed(item: Item, heading: string, { words, now }: Times): Pick<ItemView, 'kind' | 'heading' | 'time' | 'isoTime'> {
  const time = fill(words.at, { time: formatTime(item.at, now, words) })
  return { kind: item.kind, heading, time, isoTime: new Date(item.at).toISOString() }
}

function whyFailed(reason: QuestionItem['reason'], words: ItemWords): string {
  switch (reason) {
    case 'first-token-timeout':
    case 'idle-timeout':
    case 'deadline':
    case 'expired':
      return words.timedOut
    case 'agent-unreachable':
    case 'agent-busy':
      return words.unreachable
    case 'withheld':
      return words.refused
    case 'agent-error':
    case 'agent-protocol':
    case 'agent-broke-off':
    case 'empty-answer':
    case 'too-many-attempts':
    case 'too-long':
    case 'asked-to-stop':
    case undefined:
      return words.failed
  }
}

const ABOUT_CHARS = 60

/** The beginning of the question, so that a list of buttons tells them apart. */
export const aboutQuestion = (words: string, text: string): string => {
  const start = text.replace(/\s+/g, ' ').slice(0, ABOUT_CHARS).toWellFormed()
  return fill(words, { question: start.length < text.length ? `${start}…` : start })
}

// People of one service read one clock, wherever their device thinks it is.
const clockTime = new Intl.DateTimeFormat('en-GB', { hour: 'numeric', minute: '2-digit', hour12: true, timeZone: 'Europe/London' })
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'Europe/London' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone: 'Europe/London' })

/** `3 May`. */
export const formatDay = (at: number): string => day.format(at)

/** `10:42am`, with the day when it is not today, and with the date when `now` is not known. Both in milliseconds since the epoch. */
export function formatTime(at: number, now: number | undefined, words: Pick<ItemWords, 'timeOnDay'>): string {
  const time = clockTime.format(at).replace(/\s/g, '')
  if (now === undefined) return fill(words.timeOnDay, { time, day: date.format(at) })
  return day.format(at) === day.format(now) ? time : fill(words.timeOnDay, { time, day: day.format(at) })
}
