/** What the page shows of the client link. Pure. */
import { mayWithdraw } from './client-link.ts'
import { isGone } from './client-link-socket.ts'
import type { ClientLink, LinkStatus } from './client-link-state.ts'
import { blocksOf, showsQuestion } from './log-view.ts'
import type { OutgoingQuestion } from './outgoing-questions.ts'
import type { LinkView, PendingQuestion } from './view-model.ts'

export function viewOfLink(link: ClientLink): LinkView {
  const { items } = link.view.conversation
  const inLog = new Set(items.flatMap((item) => (item.kind === 'question' ? [item.messageId] : [])))
  // A question that the log shows further up, before the first item held, must not move below the conversation.
  const isShown = ({ messageId, state }: OutgoingQuestion): boolean =>
    inLog.has(messageId) ||
    (state.status === 'accepted' && (showsQuestion(link.view, messageId, state.seq) || link.rendered.shown.includes(messageId)))
  return {
    status: statusOf(link.link),
    isDeviceOffline: !link.isDeviceOnline,
    standing: link.standing,
    items,
    blocksOf: (answer) => blocksOf(link.view, answer),
    pending: link.questions.filter((question) => !isShown(question)).map(pendingOf),
    forks: link.forks,
    failures: link.link.status === 'closed' ? 0 : link.link.failures,
    keeps: link.outbox.status === 'open' || link.outbox.status === 'opening',
  }
}

function statusOf(link: LinkStatus): LinkView['status'] {
  switch (link.status) {
    case 'waiting':
    case 'connecting':
    case 'greeting':
      return 'away'
    case 'open':
      return link.snapshotDue === undefined ? 'connected' : 'away'
    case 'closed':
      return isGone(link) ? 'gone' : 'closed'
  }
}

function pendingOf(question: OutgoingQuestion): PendingQuestion {
  const { messageId, text, askedAt, keptAt, isKept, state } = question
  const mayTakeBack = mayWithdraw(question)
  const known = { messageId, text, sentAt: askedAt, keptAt, isKept, mayTakeBack, code: undefined, retryAt: 0 }
  switch (state.status) {
    case 'keeping':
      return { ...known, state: 'keeping' }
    case 'kept':
      return { ...known, state: state.isTried ? 'unknown' : 'kept' }
    case 'waiting':
      return { ...known, state: state.isUnknown ? 'unknown' : 'held', code: state.code, retryAt: state.retryAt }
    case 'sending':
      return { ...known, state: 'unknown' }
    case 'accepted':
      return { ...known, state: 'accepted' }
    case 'refused':
      return { ...known, state: 'refused', code: state.code }
    case 'expired':
      return { ...known, state: 'expired' }
  }
}
