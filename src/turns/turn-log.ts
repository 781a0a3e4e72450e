/**
 * What a session's log says about one turn. Pure.
 */
import {
  applyEntry,
  EMPTY_CONVERSATION,
  isOpen,
  latestAnswer,
  questionOfTurn,
  type AnswerItem,
  type Conversation,
} from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import type { MessageId, TurnId } from '../conversation/ids.ts'
import { HISTORY_ITEMS_MAX } from '../conversation/limits.ts'
import type { HistoryItem } from '../agent/agent.ts'

/** A conversation, and the fence of the turn's newest attempt, which the fold does not keep. */
export interface TurnLog {
  readonly turnId: TurnId
  readonly conversation: Conversation
  readonly fence: number
}

/** How the turn stands. `parts` and `text` are of the newest attempt, which is 0 when none has started. */
export interface TurnView {
  readonly isOpen: boolean
  readonly isStopping: boolean
  readonly attempt: number
  /** Under which the newest attempt was started, 0 for none. */
  readonly fence: number
  readonly parts: number
  readonly text: string
  readonly isSuperseded: boolean
  readonly question: TurnQuestion
}

export interface AskedQuestion {
  readonly messageId: MessageId
  readonly text: string
}

export interface TurnQuestion extends AskedQuestion {
  /** It has been given other help than the agent's. */
  readonly isTold: boolean
}

export const emptyTurnLog = (turnId: TurnId): TurnLog => ({ turnId, conversation: EMPTY_CONVERSATION, fence: 0 })

/**
 * The log after more of its entries.
 *
 * @throws RangeError when they do not continue it.
 */
export function extendTurnLog(log: TurnLog, entries: readonly Entry[]): TurnLog {
  let { conversation, fence } = log
  for (const entry of entries) {
    conversation = applyEntry(conversation, entry)
    if (entry.kind === 'turn-started' && entry.turnId === log.turnId) ({ fence } = entry)
  }
  return { turnId: log.turnId, conversation, fence }
}

/** `undefined` when the log holds no such turn. */
export function viewTurn({ conversation, turnId, fence }: TurnLog): TurnView | undefined {
  const question = questionOfTurn(conversation, turnId)
  if (question === undefined) return undefined
  const answer = latestAnswer(conversation, turnId)
  return {
    isOpen: isOpen(question),
    isStopping: question.isStopping,
    attempt: answer?.attempt ?? 0,
    fence,
    parts: answer?.parts ?? 0,
    text: answer?.text ?? '',
    isSuperseded: answer?.isSuperseded ?? false,
    question: { messageId: question.messageId, text: question.text, isTold: hasNotice(conversation, turnId) },
  }
}

const hasNotice = ({ items }: Conversation, turnId: TurnId): boolean =>
  items.some((item) => item.kind === 'notice' && item.turnId === turnId)

/** What is to be asked. `undefined` when the log holds no such turn. */
export function askedQuestion({ conversation, turnId }: TurnLog): AskedQuestion | undefined {
  const question = questionOfTurn(conversation, turnId)
  return question === undefined ? undefined : { messageId: question.messageId, text: question.text }
}

/**
 * The complete exchanges before the turn's question, and the one that it goes on from as far as that was shown, oldest first, at most the
 * last `HISTORY_ITEMS_MAX`.
 */
export function historyBefore({ conversation, turnId }: TurnLog): readonly HistoryItem[] {
  const question = questionOfTurn(conversation, turnId)
  const before = question?.seq ?? 0
  const answers = new Map<TurnId, AnswerItem>()
  for (const item of conversation.items) {
    if (item.kind !== 'answer') continue
    const isCutOff = item.inReplyTo === question?.inReplyTo && item.status !== 'streaming' && item.text !== ''
    if (item.status === 'complete' || isCutOff) answers.set(item.turnId, item)
  }
  return conversation.items
    .flatMap((item): (readonly HistoryItem[])[] => {
      if (item.kind !== 'question' || item.seq >= before) return []
      const answer = answers.get(item.turnId)
      if (answer === undefined) return []
      return [
        [
          { id: item.messageId, role: 'user', text: item.text },
          { id: item.turnId, role: 'assistant', text: answer.text },
        ],
      ]
    })
    .slice(-HISTORY_ITEMS_MAX)
    .flat()
}
