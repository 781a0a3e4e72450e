/** How the page shows a question that the log does not show: what has become of it, in words, and what a person can do. Pure. */
import { aboutQuestion, formatDay, questionKey } from '../page/item-view.ts'
import { fill, type LiveWords } from '../page/page-data.ts'
import type { Choice, LinkView, PendingQuestion, ShownItem, ViewContext } from './view-model.ts'

/** A question is "sending" only when it takes so long. */
export const SENDING_AFTER_MS = 1_000

/** Whether it will be sent, or has been, without anybody doing anything. */
export const isOnItsWay = ({ state }: PendingQuestion): boolean => state !== 'accepted' && state !== 'refused' && state !== 'expired'

/** `isCalm`: the page says nothing of the connection, so a link that is away has been so for a moment only. */
export const pendingItems = (link: LinkView, isCalm: boolean, context: ViewContext): readonly ShownItem[] =>
  link.pending.map((question) => {
    const isSending = link.status === 'connected' || (link.status === 'away' && isCalm)
    const isOver = link.status === 'gone' || !isOnItsWay(question)
    return {
      kind: 'question',
      key: questionKey(question.messageId),
      heading: context.itemWords.you,
      time: '',
      isoTime: '',
      status: isOver ? sayOver(question, link, context) : sayOnItsWay(question, isSending, context),
      state: isOver && question.state !== 'accepted' ? 'attention' : 'running',
      action: undefined,
      choices: choicesOf(question, link, isSending, context.words),
      text: question.text,
      blocks: [],
      isPending: true,
      isWorking: false,
    }
  })

function sayOnItsWay(question: PendingQuestion, isSending: boolean, { words, now }: ViewContext): readonly string[] {
  const { state, isKept, sentAt } = question
  if (now - sentAt < SENDING_AFTER_MS) return []
  if (isSending) return [saySending(question, words, now)]
  if (state === 'unknown') return [`${words.notConfirmedTag}. ${words.notConfirmed}`]
  return [isKept ? words.kept : words.notKept]
}

function saySending({ code, retryAt }: PendingQuestion, words: LiveWords, now: number): string {
  if (retryAt <= now) return words.sending
  switch (code) {
    case 'rate':
      return fill(words.heldRate, { seconds: Math.ceil((retryAt - now) / 1_000) })
    case 'overload':
      return words.heldOverload
    case 'conflict':
    case 'order':
    case 'invalid':
    case 'closed':
    case 'unavailable':
    case undefined:
      return words.heldUnavailable
  }
}

function sayOver({ state, code, keptAt }: PendingQuestion, { status }: LinkView, { words }: ViewContext): readonly string[] {
  if (state === 'accepted') return []
  if (state === 'expired' && status !== 'gone') {
    return [keptAt === 0 ? words.setAside : fill(words.expired, { day: formatDay(keptAt) })]
  }
  return [`${words.notSentTag}. ${sayRefused({ code: status === 'gone' ? 'closed' : code }, words)}`]
}

export function sayRefused({ code }: Pick<PendingQuestion, 'code'>, words: LiveWords): string {
  switch (code) {
    case 'overload':
      return words.overload
    case 'closed':
      return words.closed
    case 'rate':
    case 'conflict':
    case 'order':
    case 'invalid':
    case 'unavailable':
    case undefined:
      return words.notSent
  }
}

function choicesOf(question: PendingQuestion, { status }: LinkView, isSending: boolean, words: LiveWords): readonly Choice[] {
  const { state, mayTakeBack } = question
  const about = aboutQuestion(words.choiceAbout, question.text)
  const choice = (name: Choice['name'], label: string): Choice => ({ name, label, about })
  const takeBack = mayTakeBack ? [choice('edit', words.edit), choice('delete', words.delete)] : []
  if (status === 'gone') return takeBack
  if (state === 'expired') return [choice('revive', words.sendNow), ...takeBack]
  if (!isOnItsWay(question)) return takeBack
  if (isSending || status !== 'away') return []
  return [choice('send-now', state === 'unknown' ? words.sendAgain : words.sendNow), ...takeBack]
}
