/**
 * A conversation as the API shows it: the same fold as everywhere else, in the words of requirement R10.
 */
import type {
  AnswerItem,
  AnswerStatus,
  Conversation,
  Item,
  NoticeItem,
  QuestionItem,
  QuestionStatus,
} from '../conversation/conversation.ts'
import type { NoticeReason, NoticeTopic } from '../conversation/entry.ts'
import type { SessionId } from '../conversation/ids.ts'

export interface MessageMetadata {
  readonly inReplyTo?: string
  /** A question: asked to stop, and not yet ended. */
  readonly isStopping?: true
  /** Why the turn did not end `complete`, or why there is a notice. */
  readonly reason?: NoticeReason
  /** An answer: which try at its question it is, from 1. */
  readonly attempt?: number
  readonly persona?: string
  /** An answer: it was cut off, and another one to the same question follows. */
  readonly isSuperseded?: true
  /** A notice: what it is about. */
  readonly topic?: NoticeTopic
  /** Words of the service's own guidance, not of the agent. */
  readonly fallback?: true
}

export interface MessageView {
  readonly id: string
  readonly sessionId: SessionId
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: string
  /** ISO 8601, UTC. */
  readonly timestamp: string
  readonly status: QuestionStatus | AnswerStatus
  readonly metadata: MessageMetadata
}

/**
 * The id of an item in the API: a question's own id; `{turn}.{attempt}` for an answer; `notice.{seq}` for a notice.
 *
 * An answer without text may still be taken over by another attempt, so it has no lasting id and is not shown (`isShown`).
 */
export function messageIdOf(item: Item): string {
  switch (item.kind) {
    case 'question':
      return item.messageId
    case 'answer':
      return `${item.turnId}.${item.attempt}`
    case 'notice':
      return `notice.${item.seq}`
  }
}

/** Whether the API lists the item: an answer from its first text or its end on. */
export const isShown = (item: Item): boolean => item.kind !== 'answer' || item.text !== '' || item.status !== 'streaming'

export function messageView(sessionId: SessionId, item: Item): MessageView {
  const common = { id: messageIdOf(item), sessionId, content: item.text, timestamp: new Date(item.at).toISOString() }
  switch (item.kind) {
    case 'question':
      return { ...common, role: 'user', status: item.status, metadata: questionMetadata(item) }
    case 'answer':
      return { ...common, role: 'assistant', status: item.status, metadata: answerMetadata(item) }
    case 'notice':
      return { ...common, role: 'system', status: 'complete', metadata: noticeMetadata(item) }
  }
}

/**
 * The items that were added or have changed since `earlier`, in log order.
 *
 * `earlier` must have been folded on to make `later`: an item that is the same object has not changed.
 */
export const changedItems = (earlier: Conversation, later: Conversation): readonly Item[] =>
  later.items.filter((item, index) => earlier.items[index] !== item)

const questionMetadata = ({ inReplyTo, isStopping, reason }: QuestionItem): MessageMetadata => ({
  ...(inReplyTo === undefined ? {} : { inReplyTo }),
  ...(isStopping ? { isStopping: true } : {}),
  ...(reason === undefined ? {} : { reason }),
})

const answerMetadata = ({ inReplyTo, attempt, persona, reason, isSuperseded }: AnswerItem): MessageMetadata => ({
  inReplyTo,
  attempt,
  ...(persona === undefined ? {} : { persona }),
  ...(reason === undefined ? {} : { reason }),
  ...(isSuperseded ? { isSuperseded: true } : {}),
})

const noticeMetadata = ({ topic, inReplyTo, reason }: NoticeItem): MessageMetadata => ({ topic, fallback: true, reason, inReplyTo })
