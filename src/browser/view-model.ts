/**
 * What the live page shows, from what the link knows and the words of the page. Pure: `stepView` is called whenever
 * something changed or `nextDeadline` has come, and says what to show and what to say aloud.
 *
 * What depends on time is here and nowhere else: a change of the connection is shown only once it has lasted, a question
 * is "sending" only when it takes a second, and waiting is put into words as it grows longer.
 */
import { isOpen, type AnswerItem, type Item, type QuestionItem } from '../conversation/conversation.ts'
import type { MessageId, TurnId } from '../conversation/ids.ts'
import { viewItems, type ItemView } from '../page/item-view.ts'
import { fill, saySlow, type ItemWords, type LiveWords } from '../page/page-data.ts'
import { NOTICE_ATTEMPT, type RejectCode, type ServiceStanding } from '../protocol/protocol.ts'
import { announce, SPEAK_EVERY_MS, TAKING_LONG_AFTER_MS, type ReadyAnswer } from './announcements.ts'
import { isOnItsWay, pendingItems, sayRefused, SENDING_AFTER_MS } from './pending-view.ts'

/** A question of this page that the log does not show yet. */
export interface PendingQuestion {
  readonly messageId: MessageId
  readonly text: string
  /** When the person sent it, monotonic ms. */
  readonly sentAt: number
  /** The same in milliseconds since the epoch, once it is on the device; 0: by another release, which did not say. */
  readonly keptAt: number
  /** The device keeps it, so it survives this page. */
  readonly isKept: boolean
  /** Nobody can have sent it, or nobody will. */
  readonly mayTakeBack: boolean
  /**
   * `keeping`: on its way to the device. `kept`: never sent. `held`: to be sent, and not at the server. `unknown`: it may be there.
   * `accepted`: it is, and the log is about to show it. `refused`: the server will never take it. `expired`: not sent by itself any more.
   */
  readonly state: 'keeping' | 'kept' | 'held' | 'unknown' | 'accepted' | 'refused' | 'expired'
  /** Why it was refused or has to wait. */
  readonly code: RejectCode | undefined
  /** When a question that has to wait is sent again, monotonic ms. */
  readonly retryAt: number
}

/** An answer's completed blocks, and how much of its text they cover. */
export interface ShownBlocks {
  readonly html: readonly string[]
  readonly upTo: number
}

/** What the page must know of the link to show it. */
export interface LinkView {
  /** `gone`: the conversation is no more. `closed`: it is, but this page cannot follow it any longer. */
  readonly status: 'connected' | 'away' | 'closed' | 'gone'
  /** The device says it has no network. */
  readonly isDeviceOffline: boolean
  readonly standing: ServiceStanding
  readonly items: readonly Item[]
  /** Of an answer, or of a notice by `NOTICE_ATTEMPT` of its turn. */
  readonly blocksOf: (answer: Pick<AnswerItem, 'turnId' | 'attempt'>) => ShownBlocks
  readonly pending: readonly PendingQuestion[]
  /** How often the log turned out not to be the one that was shown. */
  readonly forks: number
  /** Tries to connect that failed in a row. */
  readonly failures: number
  /** The device keeps questions. */
  readonly keeps: boolean
}

/** What a person can do with a question that is not in the log; live only, because without a script there are none. */
export interface Choice {
  readonly name: 'send-now' | 'revive' | 'edit' | 'delete'
  readonly label: string
  readonly about: string
}

export interface ShownItem extends ItemView {
  /** A question's text, or the part of an answer or notice that is not in blocks. */
  readonly text: string
  readonly blocks: readonly string[]
  /** Sent from this device and not in the log. */
  readonly isPending: boolean
  readonly choices: readonly Choice[]
}

export type Connection =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'said'
      readonly lines: readonly string[]
      readonly action: 'try-now' | 'start-new' | undefined
      /** Questions on the device that nobody has sent can be deleted all at once. */
      readonly mayDelete: boolean
    }

export interface PageView {
  readonly connection: Connection
  readonly items: readonly ShownItem[]
  /** The turn that "Stop" stops, when one is open. */
  readonly running: { readonly messageId: MessageId; readonly turnId: TurnId } | undefined
  /** The latest answer, once it has come to its end on this page. */
  readonly ready: ReadyAnswer | undefined
  /** What went wrong with sending; said at once. */
  readonly alert: string | undefined
  /** To be said once each, in this order; a reader may skip to the last. */
  readonly announcements: readonly string[]
  readonly forks: number
  readonly isLive: boolean
  /** The link was up at some time. */
  readonly wasLive: boolean
}

export interface ViewState {
  readonly view: PageView
  readonly memory: Memory
}

/** What the next view depends on besides what the link says. */
interface Memory {
  /** What is shown of the connection, and since when something else would be, monotonic ms. */
  readonly shown: ConnectionKind
  readonly candidate: { readonly kind: ConnectionKind; readonly since: number }
  readonly wasConnected: boolean
  /** When each open turn was first seen to wait, monotonic ms. */
  readonly waitingSince: ReadonlyMap<TurnId, number>
  readonly before: readonly Item[] | undefined
  /** When the running answer was last spoken of, monotonic ms. */
  readonly spokeAt: number
  /** Questions that were on their way: of them it is news that they were refused. */
  readonly onTheirWay: ReadonlySet<MessageId>
  readonly now: number
  readonly pendingSince: readonly number[]
  readonly forks: number
}

type ConnectionKind =
  | 'none'
  | 'connecting'
  | 'lost'
  | 'trying-long'
  | 'failing'
  | 'again'
  | 'device-offline'
  | 'limited'
  | 'slow'
  | 'offline'
  | 'restored'
  | 'closed'
  | 'gone'

export interface ViewContext {
  readonly itemWords: ItemWords
  readonly words: LiveWords
  /** Monotonic ms. */
  readonly now: number
  /** Milliseconds since the epoch, for times that people read. */
  readonly wallNow: number
}

/** A change of the connection is shown once it has lasted this long. */
const SHOW_AFTER_MS = 2_000
const OFFER_RETRY_AFTER_MS = 30_000
/** After so many failures in a row the page says that it goes on trying (requirement R1). */
const FAILURES_SAID = 5
const STILL_LOOKING_AFTER_MS = 7_000

const NOTHING: PageView = {
  connection: { kind: 'none' },
  items: [],
  running: undefined,
  ready: undefined,
  alert: undefined,
  announcements: [],
  forks: 0,
  isLive: false,
  wasLive: false,
}

/** Before the link has said anything; the page shows what the server wrote. */
export const initialView = (now: number): ViewState => ({
  view: NOTHING,
  memory: {
    shown: 'none',
    candidate: { kind: 'none', since: now },
    wasConnected: false,
    waitingSince: new Map(),
    before: undefined,
    spokeAt: now,
    onTheirWay: new Set(),
    now,
    pendingSince: [],
    forks: 0,
  },
})

/** The view after what the link says now. `acted`: the person has just done something, so what was news is read. */
export function stepView(state: ViewState, link: LinkView, context: ViewContext, acted = false): ViewState {
  const { memory } = state
  const { now } = context
  const connection = stepConnection(memory, link, now, acted)
  const waitingSince = stepWaiting(memory.waitingSince, link.items, now)
  const said = announce(memory.before, link.items, {
    words: context.words,
    now,
    lastNow: memory.now,
    spokeAt: memory.spokeAt,
    waitingSince,
    linksIn: (answer) => countLinks(link.blocksOf(answer).html),
  })
  const onTheirWay = link.pending.filter(isOnItsWay)
  const fresh = link.pending.findLast(({ messageId, state: how }) => how === 'refused' && memory.onTheirWay.has(messageId))
  const ready = said.ready ?? (acted ? undefined : state.view.ready)
  return {
    view: {
      connection: sayConnection(connection, link, context),
      items: [...shownItems(link, waitingSince, context), ...pendingItems(link, isCalm(connection), context)],
      running: link.items.find((item): item is QuestionItem => item.kind === 'question' && isOpen(item) && !item.isStopping),
      ready,
      alert: fresh === undefined ? undefined : sayRefused(fresh, context.words),
      announcements: said.announcements,
      forks: link.forks,
      isLive: link.status === 'connected',
      wasLive: connection.wasConnected,
    },
    memory: {
      ...connection,
      waitingSince,
      before: link.status === 'connected' || memory.before !== undefined ? link.items : undefined,
      spokeAt: said.spokeAt,
      onTheirWay: new Set(onTheirWay.map(({ messageId }) => messageId)),
      now,
      pendingSince: onTheirWay.map(({ sentAt }) => sentAt),
      forks: link.forks,
    },
  }
}

/** When time alone changes the view next, monotonic ms. */
export function nextDeadline({ memory }: ViewState): number | undefined {
  const { shown, candidate, waitingSince, pendingSince, spokeAt, now } = memory
  const times = [
    ...(shown === candidate.kind ? [] : [candidate.since + SHOW_AFTER_MS]),
    ...(shown === 'lost' || candidate.kind === 'lost' ? [candidate.since + OFFER_RETRY_AFTER_MS] : []),
    ...[...waitingSince.values()].flatMap((since) => [since + STILL_LOOKING_AFTER_MS, since + TAKING_LONG_AFTER_MS]),
    ...(waitingSince.size > 0 || isAnswering(memory.before) ? [spokeAt + SPEAK_EVERY_MS] : []),
    ...pendingSince.map((since) => since + SENDING_AFTER_MS),
  ].filter((time) => time > now)
  return times.length === 0 ? undefined : Math.min(...times)
}

const isAnswering = (items: readonly Item[] | undefined): boolean =>
  items?.some((item) => item.kind === 'answer' && item.status === 'streaming') === true

const isCalm = ({ shown }: ConnectionMemory): boolean => shown === 'none' || shown === 'again'

type ConnectionMemory = Pick<Memory, 'shown' | 'candidate' | 'wasConnected'>

function stepConnection(memory: Memory, link: LinkView, now: number, acted: boolean): ConnectionMemory {
  const wasConnected = memory.wasConnected || link.status === 'connected'
  const kind = connectionKind(memory, link, now, acted)
  const candidate = baseKind(kind) === baseKind(memory.candidate.kind) ? { ...memory.candidate, kind } : { kind, since: now }
  // Good news, and news that people must know before they type on, are not held back.
  const isDue = now - candidate.since >= SHOW_AFTER_MS || kind === 'none' || kind === 'again' || kind === 'gone' || kind === 'restored'
  return { candidate, wasConnected, shown: isDue ? kind : memory.shown }
}

/** Trying for long is still the same outage. */
const baseKind = (kind: ConnectionKind): ConnectionKind => (kind === 'trying-long' || kind === 'failing' ? 'lost' : kind)

function connectionKind(memory: Memory, link: LinkView, now: number, acted: boolean): ConnectionKind {
  if (link.status === 'closed' || link.status === 'gone') return link.status
  if (link.status !== 'connected') {
    if (link.isDeviceOffline) return 'device-offline'
    if (link.failures >= FAILURES_SAID) return 'failing'
    if (!memory.wasConnected) return 'connecting'
    const isLong = baseKind(memory.candidate.kind) === 'lost' && now - memory.candidate.since >= OFFER_RETRY_AFTER_MS
    return isLong ? 'trying-long' : 'lost'
  }
  const { level, away, answersTakeMs } = link.standing
  if (level === 'offline') return level
  // A page that is connected has no need of what else may be away: it is answered as usual.
  if (level === 'limited' && away?.includes('agent') !== false) return level
  if (link.forks > memory.forks || (memory.shown === 'restored' && !acted)) return 'restored'
  const wasOutage = baseKind(memory.shown) === 'lost' || memory.shown === 'device-offline'
  if (wasOutage) return 'again'
  if (memory.shown === 'again' && !acted) return 'again'
  return answersTakeMs === undefined ? 'none' : 'slow'
}

function sayConnection({ shown }: ConnectionMemory, link: LinkView, { words }: ViewContext): Connection {
  const said = (line: string, action?: 'try-now' | 'start-new'): Connection => ({
    kind: 'said',
    lines: [line, ...sayUnsent(link, words)],
    action,
    mayDelete: link.status === 'away' && link.pending.some(({ state, isKept }) => state === 'kept' && isKept),
  })
  switch (shown) {
    case 'none':
      return { kind: 'none' }
    case 'connecting':
      return said(words.connecting)
    case 'lost':
      return said(words.reconnecting)
    case 'trying-long':
      return said(words.reconnecting, 'try-now')
    case 'failing':
      return said(words.stillTrying, 'try-now')
    case 'again':
      return said(words.connectedAgain)
    case 'device-offline':
      return said(link.keeps ? words.browserOffline : words.browserOfflineUnkept)
    case 'limited':
      return said(words.limited)
    case 'slow':
      return said(saySlow(link.standing.answersTakeMs, words) ?? '')
    case 'offline':
      return said(words.offline)
    case 'restored':
      return said(words.restored)
    case 'closed':
      return said(words.notLive)
    case 'gone':
      return said(words.closed, 'start-new')
  }
}

function sayUnsent({ status, pending }: LinkView, words: LiveWords): readonly string[] {
  const count = pending.filter(isOnItsWay).length
  if (status === 'connected' || count === 0) return []
  return [count === 1 ? words.oneUnsent : fill(words.manyUnsent, { count })]
}

function stepWaiting(before: Memory['waitingSince'], items: readonly Item[], now: number): Memory['waitingSince'] {
  const queued = new Set(items.flatMap((item) => (item.kind === 'question' && item.status === 'queued' ? [item.turnId] : [])))
  const waiting = items.filter(
    (item): item is AnswerItem => item.kind === 'answer' && item.status === 'streaming' && item.text === '' && !queued.has(item.turnId),
  )
  return new Map(waiting.map(({ turnId }) => [turnId, before.get(turnId) ?? now]))
}

function shownItems(link: LinkView, waitingSince: Memory['waitingSince'], context: ViewContext): readonly ShownItem[] {
  const hasLinks = (answer: AnswerItem): boolean => countLinks(link.blocksOf(answer).html) > 0
  const views = viewItems(link.items, { words: context.itemWords, now: context.wallNow, hasLinks })
  return views.map((view, index) => {
    const item = link.items[index]
    if (item === undefined || item.kind === 'question')
      return { ...view, text: item?.text ?? '', blocks: [], choices: [], isPending: false }
    const { html, upTo } = link.blocksOf(item.kind === 'notice' ? { turnId: item.turnId, attempt: NOTICE_ATTEMPT } : item)
    const since = waitingSince.get(item.turnId)
    const status = since === undefined ? view.status : [sayWaiting(context.now - since, context)]
    const rest = item.text.slice(upTo)
    const text = rest.trim() === '' ? '' : rest.trimStart()
    return { ...view, status, text, blocks: html, choices: [], isPending: false }
  })
}

function sayWaiting(waitedMs: number, { itemWords, words }: ViewContext): string {
  if (waitedMs >= TAKING_LONG_AFTER_MS) return words.takingLong
  return waitedMs >= STILL_LOOKING_AFTER_MS ? words.stillLooking : itemWords.finding
}

const countLinks = (blocks: readonly string[]): number => blocks.reduce((count, html) => count + (html.split('<a ').length - 1), 0)
