/** The chat page as its template needs it: the conversation as it stands, the forms, and the data for its script. */
import type { Request } from '@hapi/hapi'
import { isOpen, type AnswerItem, type Item, type QuestionItem } from '../conversation/conversation.ts'
import { mintMessageId, type MessageId } from '../conversation/ids.ts'
import { QUESTION_GRAPHEMES_MAX, SESSION_ENDING_MS, SNAPSHOT_ITEMS_MAX } from '../conversation/limits.ts'
import type { Session } from '../conversation-log/conversation-log.ts'
import { formatTime, questionKey, viewItems, type ItemAction, type ItemView } from '../page/item-view.ts'
import { fill, saySlow, type PageData } from '../page/page-data.ts'
import { asAnswer, type AnswerBlocks } from './answer-blocks.ts'
import { linksIn } from './answer-links.ts'
import { itemWordsOf, renderPage, type PageShell } from './page-shell.ts'
import type { Paths } from './paths.ts'
import { LINK_PATH } from './routes.ts'
import type { OwnConversation } from './visitor-sessions.ts'
import { deviceOwnerOf } from './visitor.ts'
import { ENGLISH } from './words.ts'

/** What is special about this rendering of the page. */
export interface ChatPageOptions {
  /** Stands in the box. */
  readonly typed?: string
  /** The hidden id of a form that was sent before, so that sending it again asks once. */
  readonly messageId?: MessageId
  /** What is wrong with it, in words. */
  readonly problem?: string
  /** What it may hold that the assistant does not need, in words: it can be sent all the same. */
  readonly warning?: string
  /** Said above the box; not an error. */
  readonly notice?: string
  /** Loads again by itself while a question waits, because the person asked for it. */
  readonly refreshes?: boolean
  /** Stands still: no script follows a conversation that is none. */
  readonly isStill?: boolean
  /** Items before this place in the log, instead of the latest. */
  readonly before?: number
}

const REFRESH_SECONDS = 10

/** The ways to the answer of a question that waits. */
/** When the conversation closes. Every page about one says it. */
export const keptUntilLine = ({ context }: PageShell, { expiresAt }: Session): string =>
  fill(ENGLISH.chat.keptUntil, { time: formatTime(expiresAt, context.clock.now(), ENGLISH.item) })

/** What is said of the conversation's end; `isNear` when it is about to come. */
const endingOf = ({ expiresAt }: Session, now: number) => ({
  isNear: expiresAt - now <= SESSION_ENDING_MS,
  time: formatTime(expiresAt, now, ENGLISH.item),
  isoTime: new Date(expiresAt).toISOString(),
})

export interface ChatPages {
  render(request: Request, own: OwnConversation, options?: ChatPageOptions): string
}

export function createChatPages(shell: PageShell, blocks: AnswerBlocks): ChatPages {
  const { context } = shell
  const { paths } = context
  const mintId = (): MessageId => mintMessageId(context.clock.now(), context.randomBytes)

  return {
    render(request, { session, conversation, cursor }, options = {}) {
      const now = context.clock.now()
      const service = context.service()
      const words = itemWordsOf(service)
      const { items } = conversation
      const window = windowOf(items, options.before)
      // Only what is shown is rendered.
      const shown = new Set(items.slice(window.start, window.end))
      const hasLinks = (answer: AnswerItem): boolean => shown.has(answer) && linksIn(blocks.of(answer)).length > 0
      const views = viewItems(items, { words, now, hasLinks }).slice(window.start, window.end)
      const running = items.find((item) => item.kind === 'question' && isOpen(item))
      const waiting = items.findLast((item) => item.kind === 'question' && isOpen(item))
      const base = paths.conversation(session.id)
      const first = items[window.start]
      return renderPage(shell, request, 'chat', {
        title: service.topic === undefined ? ENGLISH.chat.heading : fill(ENGLISH.chat.headingAbout, { topic: service.topic }),
        robots: 'none',
        hasError: options.problem !== undefined,
        base,
        items: views.map((view, index) => itemModel(view, items[window.start + index], blocks, mintId)),
        earlierHref: window.start > 0 && first !== undefined ? `${base}?before=${first.seq}` : undefined,
        latestHref: window.end < items.length ? base : undefined,
        running: running?.kind === 'question' ? running : undefined,
        check: waiting?.kind === 'question' ? checkOf(paths, session.id, waiting) : undefined,
        isStill: options.isStill,
        refreshSeconds: options.refreshes === true && waiting !== undefined ? REFRESH_SECONDS : undefined,
        connection: context.doAnswersWait() ? ENGLISH.live.limited : saySlow(context.standing().answersTakeMs, ENGLISH.live),
        error: options.problem,
        notice: options.notice,
        warning: options.warning,
        isNotSent: options.notice !== undefined || options.warning !== undefined,
        typed: options.typed,
        newMessageId: options.messageId ?? mintId(),
        questionMax: QUESTION_GRAPHEMES_MAX,
        keptUntil: keptUntilLine(shell, session),
        ending: endingOf(session, now),
        blank: BLANK,
        pageData: dataBlock({
          session: session.id,
          visitor: deviceOwnerOf(session.visitor, context.settings.secret),
          log: { head: cursor?.seq ?? 0, settled: context.log.profile.durability === 'fsync' ? (cursor?.seq ?? 0) : 0 },
          linkPath: paths.at(LINK_PATH),
          sessionPath: paths.at(`/api/v1/sessions/${session.id}`),
          itemWords: words,
          liveWords: ENGLISH.live,
          startHref: paths.at('/conversations'),
          personalInformation: context.settings.personalInformation,
        }),
      })
    },
  }
}

/** How to look for the answer to a question that has none yet. */
const checkOf = (paths: Paths, session: string, { messageId, status }: QuestionItem) => ({
  href: paths.answer(session, messageId),
  asWrittenHref: paths.written(session, messageId),
  refreshHref: `${paths.conversation(session)}?refresh=on#${questionKey(messageId)}`,
  text: status === 'queued' ? ENGLISH.chat.waitingForAssistant : ENGLISH.chat.working,
})

/** Which of the items are shown: the latest, or those before a place in the log. */
function windowOf(items: readonly Item[], before: number | undefined): { readonly start: number; readonly end: number } {
  const later = before === undefined ? -1 : items.findIndex((item) => item.seq >= before)
  const end = later > 0 ? later : items.length
  return { start: Math.max(0, end - SNAPSHOT_ITEMS_MAX), end }
}

/** One message for the template. */
function itemModel(view: ItemView, item: Item | undefined, blocks: AnswerBlocks, mintId: () => MessageId): object {
  const action = view.action === undefined ? undefined : { ...view.action, newMessageId: mintId() }
  if (item === undefined || item.kind === 'question') return { ...view, action, text: item?.text ?? '', blocks: [], links: [] }
  const done = blocks.of(item.kind === 'notice' ? asAnswer(item) : item)
  const rest = item.text.slice(done.at(-1)?.upTo ?? 0)
  return {
    ...view,
    action,
    text: rest.trim() === '' ? '' : rest.trimStart(),
    blocks: done.map(({ html }) => html),
    links: item.kind === 'notice' || item.status === 'streaming' ? [] : linksIn(done),
  }
}

const blankView = (kind: ItemView['kind']) => ({
  kind,
  key: '',
  heading: '',
  time: '',
  isoTime: '',
  status: [],
  state: 'done',
  isWorking: false,
  blocks: [],
  links: [],
  text: '',
})
const blankAction = (name: ItemAction['name']) => ({ name, messageId: '', newMessageId: '', text: '', label: '', about: '' })

/** What the page's `<template>` elements hold. */
const BLANK = {
  question: blankView('question'),
  answer: blankView('answer'),
  notice: blankView('notice'),
  askAgain: blankAction('ask-again'),
  cancel: blankAction('cancel'),
}

/** JSON that cannot end its script element. */
const dataBlock = (data: PageData): string =>
  JSON.stringify(data).replace(/[<\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
