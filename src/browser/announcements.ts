/**
 * What a screen reader is told about the conversation: one short sentence at each milestone, never the answer itself. Pure.
 *
 * What was there when the page was opened is not said again. Everything said is also visible on the page.
 */
import type { AnswerItem, Item } from '../conversation/conversation.ts'
import type { TurnId } from '../conversation/ids.ts'
import { itemKey } from '../page/item-view.ts'
import { fill, type LiveWords } from '../page/page-data.ts'

/** An answer that came to its end on this page. */
export interface ReadyAnswer {
  readonly key: string
  readonly text: string
}

export interface Said {
  /** In this order; whoever speaks may skip to the last. */
  readonly announcements: readonly string[]
  readonly ready: ReadyAnswer | undefined
  /** When the running answer was last spoken of, monotonic ms. */
  readonly spokeAt: number
}

export interface SayContext {
  readonly words: LiveWords
  /** Monotonic ms, like all times here. */
  readonly now: number
  /** When this was last asked. */
  readonly lastNow: number
  readonly spokeAt: number
  /** Since when each turn has been waiting for its first word. */
  readonly waitingSince: ReadonlyMap<TurnId, number>
  readonly linksIn: (answer: AnswerItem) => number
}

export const SPEAK_EVERY_MS = 15_000
export const TAKING_LONG_AFTER_MS = 20_000

/** What is to be said when the page showed `before` and now shows `items`; `before` is `undefined` at first. */
export function announce(before: readonly Item[] | undefined, items: readonly Item[], context: SayContext): Said {
  const { words, now, spokeAt } = context
  if (before === undefined) return { announcements: [], ready: undefined, spokeAt: now }
  const known = new Map(before.map((item) => [itemKey(item), item]))
  const changed = items.filter((item) => known.get(itemKey(item)) !== item)
  const news = changed.flatMap((item) => saysOf(item, known.get(itemKey(item)), context))
  const late = [...context.waitingSince.values()].map((since) => since + TAKING_LONG_AFTER_MS)
  const isLate = late.some((at) => at > context.lastNow && at <= now)
  const isSilent = now - spokeAt >= SPEAK_EVERY_MS && items.some((item) => isWriting(item))
  const announcements = [
    ...news,
    ...(isLate ? [words.takingLong] : []),
    ...(isSilent && news.length === 0 ? [words.say.stillAnswering] : []),
  ]
  const ended = changed.findLast(
    (item): item is AnswerItem => item.kind === 'answer' && item.status === 'complete' && isRunning(known.get(itemKey(item))),
  )
  const ready = ended === undefined ? undefined : { key: itemKey(ended), text: readyText(ended, context) }
  return { announcements, ready, spokeAt: announcements.length > 0 ? now : spokeAt }
}

const isRunning = (item: Item | undefined): boolean => item === undefined || (item.kind === 'answer' && item.status === 'streaming')
const isWriting = (item: Item): boolean => item.kind === 'answer' && item.status === 'streaming' && item.text !== ''

function saysOf(item: Item, before: Item | undefined, context: SayContext): readonly string[] {
  const { say } = context.words
  switch (item.kind) {
    case 'question':
      return before === undefined ? [say.sent] : []
    case 'notice':
      return before === undefined && item.topic === 'fallback' ? [say.fallback] : []
    case 'answer':
      return saysOfAnswer(item, before?.kind === 'answer' ? before : undefined, context)
  }
}

function saysOfAnswer(item: AnswerItem, before: AnswerItem | undefined, context: SayContext): readonly string[] {
  const { say } = context.words
  if (before !== undefined && before.status !== 'streaming') return []
  switch (item.status) {
    case 'streaming':
      if (item.text === '') return before === undefined || before.attempt !== item.attempt ? [say.finding] : []
      return before === undefined || before.text === '' ? [say.answering] : []
    case 'complete':
      return [readyText(item, context)]
    case 'stopped':
      return [say.stopped]
    case 'interrupted':
      return [say.cutOff]
    case 'failed':
      return [say.failed]
  }
}

function readyText(item: AnswerItem, { words: { say }, linksIn }: SayContext): string {
  const count = item.text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length
  const words = count === 1 ? say.oneWord : fill(say.manyWords, { count })
  const links = linksIn(item)
  if (links === 0) return fill(say.ready, { words })
  return fill(say.ready, { words: links === 1 ? fill(say.oneLink, { words }) : fill(say.manyLinks, { words, count: links }) })
}
