/** A store that is not yet sure of what it accepted may lose it, and mostly nobody says so. */
import { describe, expect, test } from 'vitest'
import {
  accepted,
  ask,
  deviceOf,
  entryAt,
  framesIn,
  headAt,
  kindsOf,
  open,
  OTHER_LOG,
  pingAt,
  questionAt,
  rejected,
  sentIn,
  snapshotAt,
  welcome,
  type ClientLinkPlay,
} from '../testing/client-link-play.ts'

const REPLICATED = { durability: 'replicated' } as const
/** The log accepted the first two questions at 6 and 7, and the page has seen neither there. */
const unseen = (): ClientLinkPlay => open(REPLICATED).on(ask(1), ask(2)).hears(accepted(1, 6), accepted(2, 7))

describe('a question that was accepted is sent again', () => {
  test('[K23] when it lies beyond the cursor that was resumed, and not when it does not', () => {
    const play = unseen().hears(questionAt(6, 1)).closes().comesBack()
    play.hears(welcome('resumed', REPLICATED))
    expect([play.questions, sentIn(play.said)]).toEqual([{ 1: 'accepted', 2: 'sending' }, [[2, 2]]])
    expect(play.hears(accepted(2, 7, true), questionAt(7, 2)).questions).toEqual({ 1: 'accepted', 2: 'accepted' })
  })

  test('[K23] when another entry stands where it stood, and with it what came later', () => {
    const play = unseen().hears(entryAt(6))
    expect([play.questions, sentIn(play.said)]).toEqual([
      { 1: 'sending', 2: 'sending' },
      [
        [1, 1],
        [2, 2],
      ],
    ])
  })

  test('[K23] when a ping says that the log does not reach so far', () => {
    expect(sentIn(unseen().hears(pingAt(7)).said)).toEqual([])
    expect(sentIn(unseen().hears(pingAt(6)).said)).toEqual([[2, 2]])
    expect(sentIn(unseen().hears(pingAt(5)).said)).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  test('[K23] when the log still expects its number, before the one that was refused for that', () => {
    const play = unseen()
      .on(ask(3))
      .hears(rejected(3, 'order', { expectedNumber: 2 }))
    expect([play.questions, sentIn(play.said)]).toEqual([
      { 1: 'accepted', 2: 'sending', 3: 'sending' },
      [
        [2, 2],
        [3, 3],
      ],
    ])
  })
})

describe('what counted for an earlier device of the page', () => {
  /** The first question was accepted from the first device; the second goes out from the next. */
  const renewed = (): ClientLinkPlay => {
    const play = open(REPLICATED)
      .on(ask(1), ask(2))
      .hears(accepted(1, 6), questionAt(6, 1), rejected(2, 'order', { expectedNumber: 9 }))
    return play.comesBack().hears(welcome('resumed', { ...REPLICATED, head: headAt(6) }))
  }

  test('[K11] keeps no number while it is accepted', () => {
    const play = renewed()
    expect(play.client.questions.map(({ number, state }) => [number, state.status])).toEqual([
      [0, 'accepted'],
      [1, 'sending'],
    ])
  })

  test('[K11][K23] is numbered again, from yet another device, before it is sent again', () => {
    const play = renewed().hears(welcome('fork', { ...REPLICATED, logId: OTHER_LOG }))
    expect(kindsOf(play.effects)).toEqual(['close'])
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', device: deviceOf(2), resume: undefined }])
    play.hears(welcome('snapshot', { ...REPLICATED, logId: OTHER_LOG }), snapshotAt(3))
    expect(sentIn(play.said)).toEqual([
      [1, 1],
      [2, 2],
    ])
    expect(play.client.forks).toBe(1)
  })
})

test('[K10] after being asked to wait, a fork on the same link brings no more out at once', () => {
  const play = open()
    .on(ask(1))
    .hears(rejected(1, 'rate', { retryAfterMs: 1_000 }))
    .on(...[2, 3, 4, 5].map(ask))
    .hears(welcome('fork'), snapshotAt(0))
  expect(sentIn(framesIn(play.pass(1_200)))).toEqual([[1, 1]])
})
