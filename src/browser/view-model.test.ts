import { describe, expect, test } from 'vitest'
import type { AnswerItem, AnswerStatus, Item, QuestionItem } from '../conversation/conversation.ts'
import { mintMessageId, mintTurnId } from '../conversation/ids.ts'
import { ENGLISH } from '../gateway/words.ts'
import { ALL_WORKS } from '../protocol/protocol.ts'
import { initialView, nextDeadline, stepView, type PageView, type LinkView, type PendingQuestion, type ViewState } from './view-model.ts'

const words = ENGLISH.live
const ids = (byte: number) => ({
  messageId: mintMessageId(byte, (count) => new Uint8Array(count).fill(byte)),
  turnId: mintTurnId((count) => new Uint8Array(count).fill(byte)),
})

const question = (byte: number, change: Partial<QuestionItem> = {}): QuestionItem => ({
  kind: 'question',
  seq: byte * 10,
  at: 0,
  ...ids(byte),
  text: `Question ${byte}?`,
  inReplyTo: undefined,
  status: 'delivered',
  isStopping: false,
  reason: undefined,
  ...change,
})
const answer = (byte: number, text: string, status: AnswerStatus = 'streaming', change: Partial<AnswerItem> = {}): AnswerItem => ({
  kind: 'answer',
  seq: byte * 10 + 1,
  at: 0,
  turnId: ids(byte).turnId,
  attempt: 1,
  inReplyTo: ids(byte).messageId,
  persona: undefined,
  text,
  parts: 1,
  status,
  reason: undefined,
  isSuperseded: false,
  ...change,
})
const pending = (byte: number, change: Partial<PendingQuestion> = {}): PendingQuestion => ({
  messageId: ids(byte).messageId,
  text: `Question ${byte}?`,
  sentAt: 0,
  keptAt: 0,
  isKept: true,
  mayTakeBack: false,
  state: 'unknown',
  code: undefined,
  retryAt: 0,
  ...change,
})

const LINK: LinkView = {
  status: 'connected',
  isDeviceOffline: false,
  standing: ALL_WORKS,
  items: [],
  blocksOf: () => ({ html: [], upTo: 0 }),
  pending: [],
  forks: 0,
  failures: 0,
  keeps: true,
}

/** A page over time: each call is one look at the link. */
function createPage() {
  let state: ViewState = initialView(0)
  let link = LINK
  return {
    at(now: number, change: Partial<LinkView> = {}, acted = false) {
      link = { ...link, ...change }
      state = stepView(state, link, { itemWords: ENGLISH.item, words, now, wallNow: now }, acted)
      return state.view
    },
    next: () => nextDeadline(state),
    says(now: number, change: Partial<LinkView> = {}, acted = false): readonly string[] {
      const { connection } = this.at(now, change, acted)
      return connection.kind === 'none' ? [] : [...connection.lines, ...(connection.action === undefined ? [] : [`[${connection.action}]`])]
    },
    status(now: number, items?: readonly Item[]): readonly string[] {
      return this.at(now, items === undefined ? {} : { items }).items.flatMap((item) => item.status)
    },
    hears(now: number, items: readonly Item[]): readonly string[] {
      return this.at(now, { items }).announcements
    },
  }
}

describe('other help', () => {
  const notice = (byte: number): Item => ({
    kind: 'notice',
    seq: byte * 10 + 2,
    at: 0,
    topic: 'fallback',
    turnId: ids(byte).turnId,
    inReplyTo: ids(byte).messageId,
    reason: 'circuit-breaker-open',
    text: 'Sorry.',
  })
  test('[W80] is shown in the blocks of the server, under its own heading, and said once', () => {
    const page = createPage()
    page.at(0, { items: [question(1, { status: 'sent' })] })
    const html = ['<p>Sorry.</p>']
    const blocksOf: LinkView['blocksOf'] = ({ attempt }) => (attempt === 0 ? { html, upTo: 6 } : { html: [], upTo: 0 })
    const items = [question(1, { status: 'queued' }), notice(1)]
    const view = page.at(1, { items, blocksOf })
    expect(view.items[1]).toMatchObject({ kind: 'notice', heading: ENGLISH.item.fallbackHeading, blocks: html, text: '', isWorking: false })
    expect(view.announcements).toEqual([words.say.fallback])
    expect(page.hears(2, items)).toEqual([])
  })
  test('[W80] a question that waits again after it was asked does not seem to be worked on', () => {
    const page = createPage()
    page.at(0, { items: [question(1), answer(1, '')] })
    const items = [question(1, { status: 'queued' }), answer(1, ''), notice(1)]
    const view = page.at(30_000, { items })
    expect(view.items[1]).toMatchObject({ status: [ENGLISH.item.waiting], isWorking: false })
    expect(page.hears(60_000, items)).toEqual([])
    expect(page.status(70_000, [question(1), answer(1, ''), notice(1)])).toContain(ENGLISH.item.finding)
  })
})

describe('the connection', () => {
  test('[W20] nothing is said of a change that does not last two seconds', () => {
    const page = createPage()
    expect(page.says(0)).toEqual([])
    expect(page.says(10_000, { status: 'away' })).toEqual([])
    expect(page.next()).toBe(12_000)
    expect(page.says(11_999)).toEqual([])
    expect(page.says(11_999, { status: 'connected' })).toEqual([])
    expect(page.says(20_000)).toEqual([])
  })

  test('[W20] the first connection is "connecting" and its arrival is not news', () => {
    const page = createPage()
    expect(page.says(0, { status: 'away' })).toEqual([])
    expect(page.says(2_000)).toEqual([words.connecting])
    expect(page.says(3_000, { status: 'connected' })).toEqual([])
  })

  test('[W20] after two seconds an outage is said, after thirty a way to try now is offered, and its end is said until the next action', () => {
    const page = createPage()
    page.at(0)
    page.at(1_000, { status: 'away' })
    expect(page.says(3_000)).toEqual([words.reconnecting])
    expect(page.next()).toBe(31_000)
    expect(page.says(31_000)).toEqual([words.reconnecting, '[try-now]'])
    expect(page.says(40_000, { status: 'connected' })).toEqual([words.connectedAgain])
    expect(page.says(90_000)).toEqual([words.connectedAgain])
    expect(page.says(91_000, {}, true)).toEqual([])
  })

  test('[W20] a device without a network is said to be offline, with the questions that wait', () => {
    const page = createPage()
    page.at(0)
    page.at(1_000, { status: 'away', isDeviceOffline: true, pending: [pending(1)] })
    expect(page.says(3_000)).toEqual([words.browserOffline, words.oneUnsent])
    expect(page.says(4_000, { pending: [pending(1), pending(2)] })).toEqual([words.browserOffline, '2 questions are waiting to be sent.'])
  })

  test.each([
    ['limited', words.limited],
    ['offline', words.offline],
  ] as const)('[W20] the level %s is said when it lasts and goes at once', (level, said) => {
    const page = createPage()
    page.at(0)
    expect(page.says(5_000, { standing: { ...ALL_WORKS, level } })).toEqual([])
    expect(page.says(7_000)).toEqual([said])
    expect(page.says(7_100, { standing: ALL_WORKS })).toEqual([])
  })

  test('[W110] of parts that are away a page that is connected names the assistant and the store, never the live link', () => {
    const page = createPage()
    page.at(0)
    expect(page.says(3_000, { standing: { ...ALL_WORKS, level: 'limited', away: ['link'] } })).toEqual([])
    expect(page.says(9_000)).toEqual([])
    page.at(10_000, { standing: { ...ALL_WORKS, level: 'limited', away: ['agent', 'link'] } })
    expect(page.says(12_000)).toEqual([words.limited])
    page.at(13_000, { standing: { ...ALL_WORKS, level: 'offline', away: ['store', 'link'] } })
    expect(page.says(15_000)).toEqual([words.offline])
    page.at(16_000, { standing: { ...ALL_WORKS, level: 'limited', away: ['link'] }, status: 'away' })
    expect(page.says(18_000)).toEqual([words.reconnecting])
  })

  test('[W111] that answers take long is said with how long they took lately, and only when nothing worse is to be said', () => {
    const page = createPage()
    page.at(0)
    page.at(1_000, { standing: { ...ALL_WORKS, answersTakeMs: 60_000 } })
    expect(page.says(3_000)).toEqual(['Answers are taking longer than usual. Yours may take about 1 minute.'])
    expect(page.says(3_100, { standing: { ...ALL_WORKS, answersTakeMs: 180_000 } })).toEqual([
      'Answers are taking longer than usual. Yours may take about 3 minutes.',
    ])
    page.at(3_200, { standing: { level: 'limited', away: ['agent'], answersTakeMs: 180_000 } })
    expect(page.says(5_200)).toEqual([words.limited])
    expect(page.says(5_300, { standing: ALL_WORKS })).toEqual([])
  })

  test('[W20] a conversation that is no more is said at once, with the way to a new one', () => {
    const page = createPage()
    page.at(0)
    expect(page.says(1, { status: 'gone' })).toEqual([words.closed, '[start-new]'])
  })

  test('[W20] a page that cannot be live any more says that it still works', () => {
    const page = createPage()
    page.at(0)
    page.at(1, { status: 'closed' })
    expect(page.says(2_001)).toEqual([words.notLive])
  })

  test('[W20] a log that was rolled back is said until the next action', () => {
    const page = createPage()
    page.at(0, { items: [question(1)] })
    expect(page.says(1, { forks: 1, items: [] })).toEqual([words.restored])
    expect(page.says(60_000)).toEqual([words.restored])
    expect(page.says(60_001, {}, true)).toEqual([])
  })
})

describe('without a link', () => {
  const kept = (byte: number): PendingQuestion => pending(byte, { state: 'kept', mayTakeBack: true })
  const mayDelete = ({ connection }: PageView): boolean => connection.kind === 'said' && connection.mayDelete

  test('[W92] the page says how many questions wait, and offers to delete those that nobody has sent', () => {
    const page = createPage()
    page.at(0)
    page.at(1, { status: 'away', pending: [kept(1), kept(2), pending(3), pending(4, { state: 'refused' })] })
    expect(page.says(3_000)).toEqual([words.reconnecting, '3 questions are waiting to be sent.'])
    expect(mayDelete(page.at(3_001))).toBe(true)
    expect(mayDelete(page.at(3_002, { pending: [pending(3)] }))).toBe(false)
    expect(mayDelete(page.at(3_003, { pending: [{ ...kept(1), isKept: false }] }))).toBe(false)
    expect(page.says(3_004, { pending: [kept(1)] })).toEqual([words.reconnecting, words.oneUnsent])
    expect(mayDelete(page.at(3_005, { status: 'connected' }))).toBe(false)
  })

  test('[W93] it says after the fifth failure that it goes on, and offers to try at once', () => {
    const page = createPage()
    page.at(0, { status: 'away', failures: 4 })
    expect(page.says(2_000)).toEqual([words.connecting])
    page.at(2_001, { failures: 5 })
    expect(page.says(4_001)).toEqual([words.stillTrying, '[try-now]'])
    const later = createPage()
    later.at(0)
    later.at(1, { status: 'away', failures: 1 })
    expect(later.says(2_001)).toEqual([words.reconnecting])
    // Still the same outage.
    expect(later.says(2_002, { failures: 5 })).toEqual([words.stillTrying, '[try-now]'])
    expect(later.says(2_003, { status: 'connected', failures: 0 })).toEqual([words.connectedAgain])
  })

  test('[W90] it promises to save a question on the device only where that is so', () => {
    const page = createPage()
    page.at(0, { status: 'away', isDeviceOffline: true })
    expect(page.says(2_000)).toEqual([words.browserOffline])
    expect(page.says(2_001, { keeps: false })).toEqual([words.browserOfflineUnkept])
  })

  test('[W21] what was refused before the page was loaded is no news', () => {
    const page = createPage()
    expect(page.at(0, { pending: [pending(1, { state: 'refused' })] }).alert).toBeUndefined()
  })
})

describe('a question of this page', () => {
  test('[W21] it stands below the conversation, and is "sending" only when it takes a second', () => {
    const page = createPage()
    const view = page.at(0, { items: [question(1)], pending: [pending(2)] })
    expect(view.items.map(({ key, isPending }) => [key, isPending])).toEqual([
      [`m-${ids(1).messageId}`, false],
      [`m-${ids(2).messageId}`, true],
    ])
    expect(view.items.at(-1)?.status).toEqual([])
    expect(page.next()).toBe(1_000)
    expect(page.status(1_000).slice(1)).toEqual([words.sending])
    // A link that has only just gone is not told of, so neither is what it means for the question.
    expect(page.at(1_000, { status: 'away' }).items.at(-1)?.status).toEqual([words.sending])
  })

  test('[W21] once in the log it keeps its key and is there once', () => {
    const page = createPage()
    const before = page.at(0, { pending: [pending(2)] })
    const after = page.at(10, { items: [question(2, { status: 'sent' })], pending: [] })
    expect(after.items.map(({ key }) => key)).toEqual(before.items.map(({ key }) => key))
  })

  test('[W21] one that has to wait says why, and one that is refused is said once, at once', () => {
    const page = createPage()
    page.at(0, { pending: [pending(1, { code: 'rate', retryAt: 9_000 })] })
    expect(page.status(4_000)).toEqual(['You have sent many questions in the last minute. This one will be sent in 5 seconds.'])
    const refused = { pending: [pending(1, { state: 'refused', code: 'overload' })] }
    expect(page.at(5_000, refused).alert).toBe(words.overload)
    expect(page.at(5_001, refused).alert).toBeUndefined()
    expect(page.status(5_002)).toEqual([`Not sent. ${words.overload}`])
  })
})

describe('an answer', () => {
  test('[W22] waiting is put into words as it grows longer', () => {
    const page = createPage()
    const items = [question(1), answer(1, '')]
    const waiting = (now: number) => page.status(now, items).slice(1)
    expect(waiting(0)).toEqual([ENGLISH.item.finding])
    expect(page.next()).toBe(7_000)
    expect(waiting(7_000)).toEqual([words.stillLooking])
    expect(waiting(20_000)).toEqual([words.takingLong])
    expect(page.status(21_000, [question(1), answer(1, 'Now')]).slice(1)).toEqual([ENGLISH.item.answering])
  })

  test('[W22] what is not in blocks yet is plain text', () => {
    const page = createPage()
    const blocks = { html: ['<p>One.</p>'], upTo: 6 }
    const view = page.at(0, { items: [question(1), answer(1, 'One.\n\nTw')], blocksOf: () => blocks })
    expect(view.items[1]).toMatchObject({ blocks: blocks.html, text: 'Tw', isWorking: true })
    expect(page.at(1, { blocksOf: () => ({ ...blocks, upTo: 5 }), items: [question(1), answer(1, 'One.\n \n')] }).items[1]?.text).toBe('')
  })

  test('[W22] the oldest open question is the one that can be stopped, until that was asked', () => {
    const page = createPage()
    const items = [question(1, { status: 'answered' }), question(2), question(3, { status: 'sent' })]
    expect(page.at(0, { items }).running?.turnId).toBe(ids(2).turnId)
    expect(page.at(1, { items: [question(2, { isStopping: true })] }).running).toBeUndefined()
  })
})

describe('what is said aloud', () => {
  test('[W23] nothing of what was there when the page came up, nor of what a reconnect repeats', () => {
    const page = createPage()
    const items = [question(1, { status: 'answered' }), answer(1, 'All of it.', 'complete'), question(2), answer(2, 'Half')]
    page.at(0, { status: 'away' })
    expect(page.hears(1, items)).toEqual([])
    expect(page.at(2, { status: 'connected', items }).announcements).toEqual([])
    expect(
      page.hears(
        3,
        items.map((item) => ({ ...item })),
      ),
    ).toEqual([])
  })

  test('[W23] each milestone of an answer once, and its end with its size', () => {
    const page = createPage()
    const link = { ...LINK, blocksOf: () => ({ html: ['<p><a href="x">y</a></p>'], upTo: 3 }) }
    page.at(0, link)
    const asked = question(1, { status: 'sent' })
    expect(page.hears(1, [asked])).toEqual([words.say.sent])
    expect(page.hears(2, [question(1), answer(1, '')])).toEqual([words.say.finding])
    expect(page.hears(3, [question(1), answer(1, 'One two')])).toEqual([words.say.answering])
    expect(page.hears(4, [question(1), answer(1, 'One two three')])).toEqual([])
    const view = page.at(5, { items: [question(1, { status: 'answered' }), answer(1, 'One two three - *four*.', 'complete')] })
    expect(view.announcements).toEqual(['Answer ready. 4 words and 1 link.'])
    expect(view.ready).toEqual({ key: 'i-11', text: 'Answer ready. 4 words and 1 link.' })
    expect(page.at(6).announcements).toEqual([])
    expect(page.at(7, {}, true).ready).toBeUndefined()
  })

  test.each([
    ['stopped', words.say.stopped],
    ['interrupted', words.say.cutOff],
    ['failed', words.say.failed],
  ] as const)('[W23] an answer that ends %s is said so', (status, said) => {
    const page = createPage()
    page.at(0, { items: [question(1), answer(1, 'x')] })
    expect(page.hears(1, [question(1), answer(1, 'x', status)])).toEqual([said])
  })

  test('[W23] a long wait is said once, and a long answer every fifteen seconds', () => {
    const page = createPage()
    page.at(0, { items: [question(1)] })
    const waiting = [question(1), answer(1, '')]
    expect([0, 7_000, 20_000, 21_000].map((now) => page.hears(now, waiting))).toEqual([[words.say.finding], [], [words.takingLong], []])
    const writing = [question(1), answer(1, 'Word')]
    expect([30_000, 44_999, 45_000, 46_000, 60_000].map((now) => page.hears(now, writing))).toEqual([
      [words.say.answering],
      [],
      [words.say.stillAnswering],
      [],
      [words.say.stillAnswering],
    ])
    expect(page.next()).toBe(75_000)
  })
})
