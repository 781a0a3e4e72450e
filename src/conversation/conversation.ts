/**
 * What was said in a session, folded from its entries. Pure.
 *
 * The live page, a reload, a second tab, the page without JavaScript, the API and the agent's history all use this fold,
 * so they cannot disagree. Items keep the order of the log: an item is placed when its first entry is applied and never moves.
 */
import type { Entry, NoticeReason, NoticeTopic, TurnEndReason, TurnOutcome } from './entry.ts'
import type { EntryId, MessageId, TurnId } from './ids.ts'

/** A person's message: `delivered` means its turn has started (requirements R10). */
export type QuestionStatus = 'sent' | 'queued' | 'delivered' | 'answered' | 'failed' | 'expired' | 'cancelled'
export type AnswerStatus = 'streaming' | 'complete' | 'stopped' | 'interrupted' | 'failed'

export interface QuestionItem {
  readonly kind: 'question'
  readonly seq: number
  readonly at: number
  readonly messageId: MessageId
  readonly turnId: TurnId
  readonly text: string
  readonly inReplyTo: MessageId | undefined
  readonly status: QuestionStatus
  /** Someone asked for it to stop and its turn has not ended yet. */
  readonly isStopping: boolean
  readonly reason: TurnEndReason | undefined
}

export interface AnswerItem {
  readonly kind: 'answer'
  readonly seq: number
  readonly at: number
  readonly turnId: TurnId
  readonly attempt: number
  readonly inReplyTo: MessageId
  readonly persona: string | undefined
  readonly text: string
  /** `answer-part` entries folded in so far. */
  readonly parts: number
  readonly status: AnswerStatus
  readonly reason: TurnEndReason | undefined
  /** Its owner died after showing text; the next attempt follows below. */
  readonly isSuperseded: boolean
}

export interface NoticeItem {
  readonly kind: 'notice'
  readonly seq: number
  readonly at: number
  readonly topic: NoticeTopic
  readonly turnId: TurnId
  readonly inReplyTo: MessageId
  readonly reason: NoticeReason
  readonly text: string
}

export type Item = QuestionItem | AnswerItem | NoticeItem

/** The last entry applied. */
export interface Head {
  readonly seq: number
  readonly id: EntryId
}

export interface Conversation {
  readonly head: Head | undefined
  readonly items: readonly Item[]
}

export const EMPTY_CONVERSATION: Conversation = { head: undefined, items: [] }

/** `next` continues the view, `seen` is in it already, `hole` and `fork` must never be applied: resume from the head instead. */
export type Fit = 'next' | 'seen' | 'hole' | 'fork'

/** Whether `entry` may be applied after `head` (delivery reference §2.3 rule 3). */
export function fit(head: Head | undefined, entry: Pick<Entry, 'seq' | 'id' | 'prev'>): Fit {
  const at = head?.seq ?? 0
  if (entry.seq < at) return 'seen'
  if (entry.seq === at) return entry.id === head?.id ? 'seen' : 'fork'
  if (entry.seq > at + 1) return 'hole'
  return entry.prev === head?.id ? 'next' : 'fork'
}

/**
 * The conversation after `entry`.
 *
 * @throws RangeError when the entry does not continue the conversation; callers ask `fit` first.
 */
export function applyEntry(conversation: Conversation, entry: Entry): Conversation {
  const fits = fit(conversation.head, entry)
  if (fits !== 'next') throw new RangeError(`entry ${entry.seq} cannot be applied: ${fits}`)
  return { head: { seq: entry.seq, id: entry.id }, items: nextItems(conversation.items, entry) }
}

/** Folds entries, from the start of a log or onto an earlier conversation. */
export const fold = (entries: Iterable<Entry>, from: Conversation = EMPTY_CONVERSATION): Conversation => {
  let conversation = from
  for (const entry of entries) conversation = applyEntry(conversation, entry)
  return conversation
}

/** The turn's latest answer, when one has begun. */
export const latestAnswer = (conversation: Conversation, turnId: TurnId): AnswerItem | undefined =>
  conversation.items.findLast((item): item is AnswerItem => item.kind === 'answer' && item.turnId === turnId)

export const questionOfTurn = (conversation: Conversation, turnId: TurnId): QuestionItem | undefined =>
  conversation.items.find((item): item is QuestionItem => item.kind === 'question' && item.turnId === turnId)

export const findQuestion = (conversation: Conversation, messageId: MessageId): QuestionItem | undefined =>
  conversation.items.find((item): item is QuestionItem => item.kind === 'question' && item.messageId === messageId)

/** Whether the question still waits for its one outcome. */
export const isOpen = (question: QuestionItem): boolean =>
  question.status === 'sent' || question.status === 'queued' || question.status === 'delivered'

export const openQuestions = (conversation: Conversation): readonly QuestionItem[] =>
  conversation.items.filter((item): item is QuestionItem => item.kind === 'question' && isOpen(item))

function nextItems(items: readonly Item[], entry: Entry): readonly Item[] {
  switch (entry.kind) {
    case 'message':
      return [...items, questionItem(entry)]
    case 'notice':
      // Other help is given while a question waits, or once it has failed.
      return updateQuestion([...items, noticeItem(entry)], (q) => q.turnId === entry.turnId && isOpen(q), { status: 'queued' })
    case 'turn-started':
      return startAnswer(items, entry)
    case 'answer-part':
      return updateAnswer(items, entry, (answer) => ({
        ...answer,
        text: answer.text + entry.text,
        parts: answer.parts + 1,
        persona: entry.persona ?? answer.persona,
      }))
    case 'turn-superseded':
      return updateAnswer(items, entry, (answer) => ({ ...answer, status: 'interrupted', isSuperseded: true }))
    case 'stop-requested':
      return updateQuestion(items, (q) => q.turnId === entry.turnId && isOpen(q), { isStopping: true })
    case 'turn-ended':
      return endTurn(items, entry)
  }
}

const questionItem = (entry: Entry & { kind: 'message' }): QuestionItem => ({
  kind: 'question',
  seq: entry.seq,
  at: entry.at,
  messageId: entry.messageId,
  turnId: entry.turnId,
  text: entry.text,
  inReplyTo: entry.inReplyTo,
  status: 'sent',
  isStopping: false,
  reason: undefined,
})

const noticeItem = (entry: Entry & { kind: 'notice' }): NoticeItem => ({
  kind: 'notice',
  seq: entry.seq,
  at: entry.at,
  topic: entry.topic,
  turnId: entry.turnId,
  inReplyTo: entry.inReplyTo,
  reason: entry.reason,
  text: entry.text,
})

/** A new attempt takes over an answer that has shown nothing; otherwise it gets an item of its own, below. */
function startAnswer(items: readonly Item[], entry: Entry & { kind: 'turn-started' }): readonly Item[] {
  const question = items.find((item): item is QuestionItem => item.kind === 'question' && item.turnId === entry.turnId)
  if (question === undefined) throw new RangeError(`entry ${entry.seq} starts a turn nobody opened`)
  const delivered = updateQuestion(items, (q) => q === question, { status: 'delivered' })
  const blank = delivered.findLastIndex(
    (item) => item.kind === 'answer' && item.turnId === entry.turnId && item.text === '' && !item.isSuperseded,
  )
  const earlier = delivered[blank]
  if (earlier?.kind === 'answer') return delivered.with(blank, { ...earlier, attempt: entry.attempt })
  const answer: AnswerItem = {
    kind: 'answer',
    seq: entry.seq,
    at: entry.at,
    turnId: entry.turnId,
    attempt: entry.attempt,
    inReplyTo: question.messageId,
    persona: undefined,
    text: '',
    parts: 0,
    status: 'streaming',
    reason: undefined,
    isSuperseded: false,
  }
  return [...delivered, answer]
}

function endTurn(items: readonly Item[], entry: Entry & { kind: 'turn-ended' }): readonly Item[] {
  const started = entry.attempt > 0
  const status = questionStatusAtEnd(entry.outcome, started)
  const settled = updateQuestion(items, (q) => q.turnId === entry.turnId, { status, isStopping: false, reason: entry.reason })
  if (!started) return settled
  return updateAnswer(settled, entry, (answer) => ({ ...answer, status: answerStatusAtEnd(entry.outcome), reason: entry.reason }))
}

function questionStatusAtEnd(outcome: TurnOutcome, started: boolean): QuestionStatus {
  switch (outcome) {
    case 'complete':
    case 'interrupted':
      return 'answered'
    case 'stopped':
      return started ? 'answered' : 'cancelled'
    case 'failed':
      return 'failed'
    case 'expired':
      return 'expired'
  }
}

function answerStatusAtEnd(outcome: TurnOutcome): AnswerStatus {
  return outcome === 'expired' ? 'failed' : outcome
}

function updateQuestion(
  items: readonly Item[],
  matches: (question: QuestionItem) => boolean,
  change: Partial<Pick<QuestionItem, 'status' | 'isStopping' | 'reason'>>,
): readonly Item[] {
  const index = items.findIndex((item) => item.kind === 'question' && matches(item))
  const question = items[index]
  return question?.kind === 'question' ? items.with(index, { ...question, ...change }) : items
}

function updateAnswer(
  items: readonly Item[],
  entry: { readonly turnId: TurnId; readonly attempt: number; readonly seq: number },
  change: (answer: AnswerItem) => AnswerItem,
): readonly Item[] {
  const index = items.findLastIndex((item) => item.kind === 'answer' && item.turnId === entry.turnId && item.attempt === entry.attempt)
  const answer = items[index]
  if (answer?.kind !== 'answer') throw new RangeError(`entry ${entry.seq} belongs to an attempt that never started`)
  return items.with(index, change(answer))
}
