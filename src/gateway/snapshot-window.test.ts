import { expect, test } from 'vitest'
import fc from 'fast-check'
import { EMPTY_CONVERSATION, fold, isOpen, type Item } from '../conversation/conversation.ts'
import type { Entry, EntryBody } from '../conversation/entry.ts'
import { mintEntryId, mintMessageId, mintTurnId, SERVER_DEVICE, type TurnId } from '../conversation/ids.ts'
import { SNAPSHOT_ITEMS_MAX } from '../conversation/limits.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { snapshotWindow } from './snapshot-window.ts'

const random = seededRandom(3)
const bytes = (count: number): Uint8Array => random.bytes(count)

type Move = 'ask' | 'answer' | 'start' | 'withdraw'

/** A log in which people ask and the oldest question is answered, in any order. */
function entriesOf(moves: readonly Move[]): readonly Entry[] {
  const entries: Entry[] = []
  const waiting: { readonly turnId: TurnId; attempt: number }[] = []
  const append = (body: EntryBody): void => {
    entries.push({ seq: entries.length + 1, id: mintEntryId(bytes), prev: entries.at(-1)?.id, at: 0, ...body })
  }
  for (const move of moves) {
    const [oldest] = waiting
    if (move === 'ask') {
      const turnId = mintTurnId(bytes)
      append({
        kind: 'message',
        messageId: mintMessageId(0, bytes),
        turnId,
        device: SERVER_DEVICE,
        number: 1,
        text: '?',
        inReplyTo: undefined,
      })
      waiting.push({ turnId, attempt: 0 })
    } else if (oldest !== undefined) {
      const { turnId } = oldest
      if (move !== 'withdraw' && oldest.attempt === 0) append({ kind: 'turn-started', turnId, attempt: (oldest.attempt = 1), fence: 1 })
      if (move === 'start') continue
      const { attempt } = oldest
      append({ kind: 'turn-ended', turnId, attempt, outcome: 'stopped', reason: undefined, parts: 0, chars: 0, sha256: '' })
      waiting.shift()
    }
  }
  return entries
}

/** Long enough to leave something out; at first sight `fast-check` tries short lists only. */
const moves = fc.array(fc.constantFrom<Move>('ask', 'ask', 'ask', 'answer', 'start', 'withdraw'), { maxLength: 120, size: 'max' })

test('[S5] a snapshot is the latest 20 items, and more where a question waits or is being answered', () => {
  let longer = 0
  fc.assert(
    fc.property(moves, (list) => {
      const { items } = fold(entriesOf(list))
      const { items: shown, earlier } = snapshotWindow(items)
      expect([...items.slice(0, earlier), ...shown]).toEqual(items)
      expect(items.slice(0, earlier).filter(isUnderWay)).toEqual([])
      const isLonger = shown.length > SNAPSHOT_ITEMS_MAX
      if (isLonger && earlier > 0) longer += 1
      expect(isLonger ? isUnderWay(shown[0]) : shown.length === Math.min(items.length, SNAPSHOT_ITEMS_MAX)).toBe(true)
    }),
  )
  expect(longer).toBeGreaterThan(5)
})

const isUnderWay = (item: Item | undefined): boolean =>
  (item?.kind === 'question' && isOpen(item)) || (item?.kind === 'answer' && item.status === 'streaming')

test('[S5] whatever the log goes on with, a snapshot goes on with it as the whole would', () => {
  fc.assert(
    fc.property(moves, fc.nat(), (list, where) => {
      const entries = entriesOf(list)
      const cut = where % (entries.length + 1)
      const whole = fold(entries.slice(0, cut))
      const { items, earlier } = snapshotWindow(whole.items)
      const continued = fold(entries.slice(cut), { head: whole.head, items })
      expect(continued.items).toEqual(fold(entries).items.slice(earlier))
    }),
  )
})

test('[S5] nothing was said, nothing is left out', () => {
  expect(snapshotWindow(EMPTY_CONVERSATION.items)).toEqual({ items: [], earlier: 0 })
})
