/** Telling a page that what was accepted is settled, where accepting alone settles nothing. */
import { describe, expect, test } from 'vitest'
import { PING_INTERVAL_MS, SETTLED_LOOK_MS } from '../conversation/limits.ts'
import {
  acceptedAt,
  asked,
  cursorAt,
  heard,
  idOf,
  kindsOf,
  LOG,
  openedAs,
  opening,
  read,
  sendOf,
  TICK,
  type ServerLinkPlay,
} from '../testing/server-link-play.ts'

describe('where accepted is not settled', () => {
  const accepting = (durability: 'replicated' | 'best-effort' | 'memory' | 'fsync'): ServerLinkPlay =>
    opening(cursorAt(5))
      .on(openedAs(durability), read(5, 5), read(5, 5), heard(sendOf(4)), asked(4, acceptedAt(6)))
      .on(read(5, 6, LOG, 5))

  test('[L71] tell that what was accepted is settled as soon as it is', () => {
    const play = accepting('replicated')
    expect(play.said).toEqual([])
    expect(kindsOf(play.pass(SETTLED_LOOK_MS))).toEqual(['read'])
    expect(kindsOf(play.on(read(6, 7, LOG, 5)).effects)).toEqual(['deliver'])
    expect(kindsOf(play.pass(2 * SETTLED_LOOK_MS))).toEqual(['read'])
    const settled = play.on(read(7, 8, LOG, 6))
    expect(kindsOf(settled.effects)).toEqual(['deliver', 'ping'])
    expect(settled.said).toEqual([{ type: 'ping', n: 1, head: { seq: 8, id: idOf(8) }, settled: 6 }])
    expect(kindsOf(play.pass(PING_INTERVAL_MS - 3 * SETTLED_LOOK_MS))).toEqual(['ping', 'read'])
    expect(play.link).toMatchObject({ unsettled: undefined })
  })
  test('[L71] and at once when the very read that shows it says so', () => {
    const play = opening(cursorAt(5)).on(openedAs('best-effort'), read(5, 5), read(5, 5), heard(sendOf(4)), asked(4, acceptedAt(6)))
    expect(play.on(read(5, 6)).said).toMatchObject([{ type: 'ping', settled: 6 }])
  })
  test('[L71] look less and less often, and for as long as it takes', () => {
    const play = accepting('replicated')
    const waits = Array.from({ length: 8 }, () => {
      const { unsettled } = play.link.status === 'live' ? play.link : { unsettled: undefined }
      play.now = unsettled?.lookAt ?? play.now
      play.on(heard({ type: 'pong', n: 1, cursor: undefined }), TICK, TICK, read(6, 6, LOG, 5), read(6, 6, LOG, 5))
      return unsettled?.waitMs
    })
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  })
  test('[L71] look for what was not settled when the browser came', () => {
    const play = opening(cursorAt(5)).on(openedAs('replicated'), read(5, 5, LOG, 3), read(5, 5, LOG, 3))
    expect(kindsOf(play.pass(SETTLED_LOOK_MS))).toEqual(['read'])
    expect(play.on(read(5, 5)).said).toMatchObject([{ type: 'ping', settled: 5 }])
  })
  test('[L71] do not look where nothing settles later', () => {
    for (const durability of ['memory', 'fsync'] as const) {
      const play = accepting(durability)
      expect(kindsOf(play.pass(PING_INTERVAL_MS - 1))).toEqual([])
    }
  })
})
