/** What the page shows of the client link. Pure. */
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import type { ClientLink, LinkStatus } from './client-link-state.ts'
import { blocksOf, showsQuestion } from './log-view.ts'
import type { OutgoingQuestion } from './outgoing-questions.ts'
import type { LinkView, PendingQuestion } from './view-model.ts'

export function viewOfLink(link: ClientLink): LinkView {
  const { items } = link.view.conversation
  const inLog = new Set(items.flatMap((item) => (item.kind === 'question' ? [item.messageId] : [])))
  // A question that the log shows further up, before the first item held, must not move below the conversation.
  const isShown = ({ messageId, state }: OutgoingQuestion): boolean =>
    inLog.has(messageId) || (state.status === 'accepted' && showsQuestion(link.view, messageId, state.seq))
  return {
    status: statusOf(link.link),
    isDeviceOffline: !link.isDeviceOnline,
    level: link.level,
    items,
    blocksOf: (answer) => blocksOf(link.view, answer),
    pending: link.questions.filter((question) => !isShown(question)).map(pendingOf),
    forks: link.forks,
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
      return link.code === CLOSE_CODES.sessionGone || link.code === CLOSE_CODES.sessionExpired ? 'gone' : 'closed'
  }
}

function pendingOf({ messageId, text, askedAt, state }: OutgoingQuestion): PendingQuestion {
  const known = { messageId, text, sentAt: askedAt, retryAt: 0 }
  switch (state.status) {
    case 'waiting':
      return { ...known, state: 'on-its-way', code: state.code, retryAt: state.retryAt }
    case 'sending':
      return { ...known, state: 'on-its-way', code: undefined }
    case 'accepted':
      return { ...known, state: 'accepted', code: undefined }
    case 'refused':
      return { ...known, state: 'refused', code: state.code }
  }
}
