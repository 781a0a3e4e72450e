/** What the log shows of a page's questions, and what the page may forget for it. Pure. */
import { findQuestion, isOpen, questionOfTurn } from '../conversation/conversation.ts'
import type { MessageId, TurnId } from '../conversation/ids.ts'
import type { ClientLink } from './client-link-state.ts'
import { showsQuestion } from './log-view.ts'
import { accept, forgetSettled } from './outgoing-questions.ts'

/** Forgets the questions that the log shows and that survive without this page, and fulfilled wishes to stop. */
export function settle(client: ClientLink): ClientLink {
  const settled = client.durability === 'fsync' ? Math.max(client.settled, client.view.conversation.head?.seq ?? 0) : client.settled
  const { view, rendered } = client
  const isShown = (messageId: MessageId, seq: number): boolean =>
    view.logId === undefined ? rendered.shown.includes(messageId) : showsQuestion(view, messageId, seq)
  const questions = forgetSettled(client.questions, settled, isShown)
  const forgotten = questions === client.questions ? [] : client.questions.filter((one) => one.isKept && !questions.includes(one))
  const settledHere = [...client.settledHere, ...forgotten.map(({ messageId }) => messageId)]
  return { ...client, settled, questions, settledHere, stops: stillWanted(client) }
}

/** What the page shows of the log is accepted, whoever sent it; which device's count it was in is not known. */
export function acceptShown(client: ClientLink): ClientLink {
  const { view, questions, rendered } = client
  const found =
    view.logId === undefined
      ? rendered.shown.map((messageId) => ({ messageId, seq: rendered.head }))
      : questions.flatMap(({ messageId }) => findQuestion(view.conversation, messageId) ?? [])
  return { ...client, questions: found.reduce((all, { messageId, seq }) => accept(all, messageId, seq, true), questions) }
}

/** A wish to stop is fulfilled once the log shows it, or the turn's end. */
function stillWanted({ stops, view }: ClientLink): ClientLink['stops'] {
  const isOver = (turnId: TurnId): boolean => {
    const question = questionOfTurn(view.conversation, turnId)
    return question === undefined || question.isStopping || !isOpen(question)
  }
  return stops.some(({ turnId }) => isOver(turnId)) ? stops.filter(({ turnId }) => !isOver(turnId)) : stops
}
