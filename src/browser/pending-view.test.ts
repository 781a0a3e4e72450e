import { describe, expect, test } from 'vitest'
import { mintMessageId } from '../conversation/ids.ts'
import { ENGLISH } from '../gateway/words.ts'
import { ALL_WORKS } from '../protocol/protocol.ts'
import { pendingItems } from './pending-view.ts'
import type { LinkView, PendingQuestion } from './view-model.ts'

const words = ENGLISH.live
const NOW = 100_000
const MAY_3 = Date.UTC(2026, 4, 3, 9)

const pending = (change: Partial<PendingQuestion>): PendingQuestion => ({
  messageId: mintMessageId(0, (count) => new Uint8Array(count)),
  text: 'Why?',
  sentAt: 0,
  keptAt: MAY_3,
  isKept: true,
  mayTakeBack: false,
  state: 'unknown',
  code: undefined,
  retryAt: 0,
  ...change,
})

/** What is said under the question, and the buttons there. */
function shown(question: Partial<PendingQuestion>, status: LinkView['status'] = 'away', isCalm = false): readonly string[] {
  const link: LinkView = {
    status,
    isDeviceOffline: false,
    standing: ALL_WORKS,
    items: [],
    blocksOf: () => ({ html: [], upTo: 0 }),
    pending: [pending(question)],
    forks: 0,
    failures: 0,
    keeps: true,
  }
  const items = pendingItems(link, isCalm, { itemWords: ENGLISH.item, words, now: NOW, wallNow: MAY_3 })
  return items.flatMap(({ status: lines, choices }) => [...lines, ...choices.map(({ label }) => `[${label}]`)])
}

describe('a question that is not in the log', () => {
  test('[W90] is saved on this device only when it is', () => {
    expect(shown({ state: 'kept', mayTakeBack: true })).toEqual([words.kept, '[Send now]', '[Edit]', '[Delete]'])
    expect(words.kept).toContain('Saved on this device')
    expect(shown({ state: 'kept', isKept: false, mayTakeBack: true })[0]).toBe(words.notKept)
    expect(shown({ state: 'keeping', isKept: false })[0]).toBe(words.notKept)
    expect(shown({ state: 'held' })).toEqual([words.kept, '[Send now]'])
  })

  test('[W90] is not confirmed when it may have arrived, and can be sent again but not taken back', () => {
    expect(shown({})).toEqual([`Not confirmed. ${words.notConfirmed}`, '[Send again]'])
  })

  test('[W90] is being sent while there is a link, or was a moment ago, and in its first second says nothing', () => {
    expect(shown({}, 'connected')).toEqual([words.sending])
    expect(shown({ state: 'kept', mayTakeBack: true }, 'connected')).toEqual([words.sending])
    expect(shown({}, 'away', true)).toEqual([words.sending])
    expect(shown({ sentAt: NOW - 999 }, 'connected')).toEqual([])
    expect(shown({ state: 'held', code: 'rate', retryAt: NOW + 5_000 }, 'connected')).toEqual([words.heldRate.replace('{seconds}', '5')])
    expect(shown({ state: 'held', code: 'overload', retryAt: NOW + 1 }, 'connected')).toEqual([words.heldOverload])
    expect(shown({ state: 'held', retryAt: NOW + 1 }, 'connected')).toEqual([words.heldUnavailable])
  })

  test('[W90] that nobody sends by itself says why, and can be sent, changed and deleted', () => {
    const expired = { state: 'expired', mayTakeBack: true } as const
    expect(shown(expired)).toEqual([
      'Not sent. You wrote this on 3 May, so we did not send it automatically.',
      '[Send now]',
      '[Edit]',
      '[Delete]',
    ])
    expect(shown({ ...expired, keptAt: 0 }, 'connected')[0]).toBe(words.setAside)
    const refused = { state: 'refused', mayTakeBack: true } as const
    expect(shown(refused, 'connected')).toEqual([`Not sent. ${words.notSent}`, '[Edit]', '[Delete]'])
    expect(shown({ ...refused, code: 'overload' })[0]).toBe(`Not sent. ${words.overload}`)
  })

  test('[W90] of a conversation that is gone will not be sent, whatever it was before', () => {
    for (const state of ['kept', 'unknown', 'expired', 'refused'] as const) {
      expect(shown({ state, mayTakeBack: true }, 'gone')).toEqual([`Not sent. ${words.closed}`, '[Edit]', '[Delete]'])
    }
    expect(shown({ state: 'accepted' }, 'gone')).toEqual([])
  })

  test('[W90] where the page cannot follow any more, waits for the page to be loaded again', () => {
    expect(shown({ state: 'kept', mayTakeBack: true }, 'closed')).toEqual([words.kept])
  })
})
