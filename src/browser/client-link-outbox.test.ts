/** What a page does with its device's storage. */
import { describe, expect, test } from 'vitest'
import { mintSessionId } from '../conversation/ids.ts'
import { OUTBOX_EXPIRES_MS, OUTBOX_LEASE_MS, OUTBOX_PATIENCE_MS } from '../conversation/limits.ts'
import {
  accepted,
  ask,
  ClientLinkPlay,
  EPOCH_MS,
  framesIn,
  headAt,
  kindsOf,
  messageIdOf,
  openOn,
  pingAt,
  questionAt,
  questionItem,
  rejected,
  SCOPE,
  sentIn,
  snapshotAt,
  welcome,
} from '../testing/client-link-play.ts'
import { SimulatedDevice } from '../testing/simulated-device.ts'
import { mayWithdraw } from './client-link.ts'
import { rowsOf } from './outbox.ts'

const kept = (device: SimulatedDevice): readonly number[] =>
  rowsOf(device.records, SCOPE).map(({ messageId }) => Number(messageId.slice(-12)))
/** Whether each question is on the device, as far as the page knows. */
const isKept = ({ client }: ClientLinkPlay): readonly boolean[] => client.questions.map((question) => question.isKept)
/** A page that is not connected, with questions. */
const away = (device: SimulatedDevice, number = 0, ...questions: readonly number[]): ClientLinkPlay =>
  new ClientLinkPlay(device, number).on({ type: 'start' }, ...questions.map(ask))
const connects = (play: ClientLinkPlay): ClientLinkPlay => play.opens().hears(welcome('snapshot', { head: headAt(5) }), snapshotAt(5))

describe('a question', () => {
  test('[K25] is on the device before it is sent, and until it is settled and shown', () => {
    const device = new SimulatedDevice()
    const play = openOn(device)
    play.isDeviceSilent = true
    expect([kindsOf(play.on(ask(1)).effects), play.questions, isKept(play)]).toEqual([['store'], { 1: 'keeping' }, [false]])
    play.isDeviceSilent = false
    const other = openOn(device)
    other.on(ask(2))
    expect([kindsOf(other.effects), other.questions, kept(device), isKept(other)]).toEqual([
      ['store', 'store', 'send'],
      { 2: 'sending' },
      [2],
      [true],
    ])
    other.hears(accepted(2, 6))
    expect(kept(device)).toEqual([2])
    other.hears(questionAt(6, 2))
    expect([other.questions, kept(device)]).toEqual([{}, []])
  })

  test('[K25] stays on the device while its log may still lose it', () => {
    const device = new SimulatedDevice()
    const play = new ClientLinkPlay(device).on({ type: 'start' }).opens()
    play.hears(welcome('snapshot', { head: headAt(5), durability: 'replicated' }), snapshotAt(5))
    play.on(ask(1)).hears(accepted(1, 6), questionAt(6, 1))
    expect(kept(device)).toEqual([1])
    play.hears({ type: 'ping', n: 1, head: headAt(6), settled: 6 })
    expect(kept(device)).toEqual([])
  })

  test('[K31] gets its number when it is first sent, from the page that sends it', () => {
    const device = new SimulatedDevice()
    const play = away(device, 0, 1, 2)
    expect(play.client.questions.map(({ number }) => number)).toEqual([0, 0])
    expect(sentIn(connects(play).said)).toEqual([
      [1, 1],
      [2, 2],
    ])
    expect(play.client.lastNumber).toBe(2)
  })

  test('[K10][K32] that is refused stays on the device until a person has seen it', () => {
    const device = new SimulatedDevice()
    openOn(device)
      .on(ask(1))
      .hears(rejected(1, 'invalid', { temporary: false }))
    const next = openOn(device, 1)
    expect([next.questions, sentIn(next.said)]).toEqual([{ 1: 'refused' }, []])
    next.on({ type: 'withdraw', messageIds: [messageIdOf(1)] })
    expect([next.questions, kept(device)]).toEqual([{}, []])
  })

  test('[K38] of a conversation that is gone is refused, on the device too, and stays', () => {
    const device = new SimulatedDevice()
    const play = away(device, 0, 1, 2)
    play.opens().hears({ type: 'bye', code: 4404, retry: 'never', afterMs: 0 })
    expect(play.questions).toEqual({ 1: 'refused', 2: 'refused' })
    expect(away(device, 1).questions).toEqual({ 1: 'refused', 2: 'refused' })
  })
})

describe('a page that was closed', () => {
  test('[K27] leaves its questions to the next one, which sends them in order under the same ids', () => {
    const device = new SimulatedDevice()
    away(device, 0, 1, 2, 3)
    const next = openOn(device, 7)
    expect(sentIn(next.said)).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    expect(next.on(ask(4)).questions).toEqual({ 1: 'sending', 2: 'sending', 3: 'sending', 4: 'sending' })
  })

  test('[K27] what the log has already is not sent again', () => {
    const device = new SimulatedDevice()
    openOn(device).on(ask(1), ask(2))
    const next = new ClientLinkPlay(device, 7).on({ type: 'start', former: away(device).client.page }).opens()
    next.hears(welcome('snapshot', { head: headAt(6) }), snapshotAt(6, questionItem(1, 6)))
    expect([sentIn(next.said), kept(device)]).toEqual([[[2, 1]], [2]])
  })

  test('[K27] what the served page shows is in the log, whether or not a link ever opens', () => {
    const device = new SimulatedDevice()
    away(device, 0, 1, 2)
    const shown = [messageIdOf(1)]
    const settled = new ClientLinkPlay(device, 1).on({ type: 'start', rendered: { shown, head: 9, settled: 9 } })
    expect([settled.questions, kept(device)]).toEqual([{ 2: 'kept' }, [2]])
    away(device, 2, 1)
    const unsettled = new ClientLinkPlay(device, 3).on({ type: 'start', rendered: { shown, head: 9, settled: 0 } })
    expect([unsettled.questions, kept(device)]).toEqual([{ 2: 'kept', 1: 'accepted' }, [2, 1]])
    // A log that does not have it after all gets it.
    unsettled.opens().hears(welcome('snapshot', { head: headAt(5), durability: 'replicated' }), snapshotAt(5))
    expect(unsettled.questions).toEqual({ 2: 'sending', 1: 'sending' })
  })

  test('[K95] what was left to another session leaves the device when a page shows it as its own, and not before it is settled', () => {
    const device = new SimulatedDevice()
    away(device, 0, 1, 2)
    const elsewhere = (record: unknown): unknown => ({ ...(record as object), session: mintSessionId(() => new Uint8Array(16)) })
    device.records = device.records.map(elsewhere)
    const shown = [messageIdOf(1)]
    for (const [settled, left] of [
      [8, 2],
      [9, 1],
    ] as const) {
      new ClientLinkPlay(device, settled).on({ type: 'start', rendered: { shown, head: 9, settled } })
      expect(device.records).toHaveLength(left)
    }
  })

  test('[K29] in the same tab is succeeded at once, and in another when its lease is over', () => {
    const device = new SimulatedDevice()
    const dead = openOn(device, 1).on(ask(1))
    expect(dead.questions).toEqual({ 1: 'sending' })
    const other = openOn(device, 2)
    expect([other.questions, sentIn(other.said)]).toEqual([{ 1: 'kept' }, []])
    other.hears(pingAt(5))
    expect(sentIn(framesIn(other.pass(OUTBOX_LEASE_MS)))).toEqual([[1, 1]])
    const again = openOn(device, 3, { former: other.client.page })
    expect(sentIn(again.said)).toEqual([[1, 1]])
  })

  test('[K32] yesterday: its questions are shown and not sent, until a person says so', () => {
    const device = new SimulatedDevice()
    away(device, 0, 1)
    const next = new ClientLinkPlay(device, 1)
    next.now = OUTBOX_EXPIRES_MS + 1
    connects(next.on({ type: 'start' }))
    expect([next.questions, next.client.questions[0]?.keptAt, sentIn(next.said)]).toEqual([{ 1: 'expired' }, EPOCH_MS, []])
    expect(sentIn(next.on({ type: 'revive', messageId: messageIdOf(1) }).said)).toEqual([[1, 1]])
    expect(next.on({ type: 'revive', messageId: messageIdOf(9) }).effects).toEqual([])
  })
})

describe('two pages', () => {
  test('[K28] one sends at a time, whoever was asked', () => {
    const device = new SimulatedDevice()
    const [one, two] = [openOn(device, 1), openOn(device, 2)]
    one.on(ask(1))
    two.on(ask(2))
    expect([two.questions, sentIn(two.said)]).toEqual([{ 1: 'kept', 2: 'kept' }, []])
    one.hears(accepted(1, 6), questionAt(6, 1))
    expect([one.questions, sentIn(one.said)]).toEqual([{ 2: 'sending' }, [[2, 2]]])
    expect([two.on({ type: 'hinted' }).questions, sentIn(two.said)]).toEqual([{ 2: 'kept' }, []])
    two.hears(questionAt(6, 1), questionAt(7, 2))
    expect([two.questions, kept(device)]).toEqual([{}, []])
  })

  test('[K28] and without a hint, as soon as it sees the first in the log', () => {
    const device = new SimulatedDevice()
    const [one, two] = [openOn(device, 1).on(ask(1)), openOn(device, 2).on(ask(2))]
    expect(one.questions).toEqual({ 1: 'sending' })
    expect(sentIn(two.hears(questionAt(6, 1)).said)).toEqual([[2, 1]])
    expect(kept(device)).toEqual([2])
  })

  test('[K28][K29] a page that sends for long holds on to it, and one that lost its link lets go', () => {
    const device = new SimulatedDevice()
    const one = openOn(device, 1)
      .on(ask(1))
      .hears(rejected(1, 'rate', { retryAfterMs: 60_000 }))
    for (const second of [10, 20, 30]) {
      one.now = second * 1_000 - 5_000
      one.hears(pingAt(5)).on({ type: 'tick' })
      const two = new ClientLinkPlay(device, 2)
      two.now = second * 1_000 - 1
      expect(connects(two.on({ type: 'start' })).questions).toEqual({ 1: 'kept' })
    }
    const two = new ClientLinkPlay(device, 2)
    two.now = one.now
    connects(two.on({ type: 'start' }))
    one.closes()
    expect(sentIn(two.on({ type: 'hinted' }).said)).toEqual([[1, 1]])
  })

  test('[K29] a page that comes back finds what another one sends meanwhile, and does not send it', () => {
    const device = new SimulatedDevice()
    const one = openOn(device, 1).on(ask(1), ask(2)).closes()
    const two = openOn(device, 2)
    expect(sentIn(two.said)).toHaveLength(2)
    one.comesBack().hears(welcome('resumed', { head: headAt(5) }))
    expect([one.questions, sentIn(one.said)]).toEqual([{ 1: 'kept', 2: 'kept' }, []])
    one.hears(questionAt(6, 1))
    expect([one.questions, kept(device)]).toEqual([{ 2: 'kept' }, [2]])
  })

  test('[K30] either takes back what nobody has sent, and neither what somebody may have', () => {
    const device = new SimulatedDevice()
    const one = away(device, 1, 1)
    const two = away(device, 2)
    const withdraw = { type: 'withdraw', messageIds: [messageIdOf(1), messageIdOf(2)] } as const
    two.on(withdraw)
    expect([kept(device), one.on({ type: 'hinted' }).questions]).toEqual([[], {}])
    connects(one.on(ask(2)))
    expect(two.on({ type: 'hinted' }).client.questions.map(mayWithdraw)).toEqual([false])
    expect([two.on(withdraw).questions, kept(device)]).toEqual([{ 2: 'kept' }, [2]])
  })

  test('[K30] one that takes back what the other has just begun to send is told so', () => {
    const device = new SimulatedDevice()
    const one = away(device, 1, 1)
    const two = away(device, 2)
    connects(one)
    // It does not know yet.
    two.on({ type: 'withdraw', messageIds: [messageIdOf(1)] })
    expect([two.questions, kept(device)]).toEqual([{ 1: 'kept' }, [1]])
  })
})

describe('a device', () => {
  test('[K26] without room, or that fails, costs a question nothing but its safety', () => {
    for (const mode of ['full', 'broken'] as const) {
      const device = new SimulatedDevice()
      const play = openOn(device)
      device.mode = mode
      play.on(ask(1))
      expect([play.questions, isKept(play), sentIn(play.said)]).toEqual([{ 1: 'sending' }, [false], [[1, 1]]])
      expect(play.hears(accepted(1, 6), questionAt(6, 1)).questions).toEqual({})
    }
  })

  test('[K26] that is silent for three seconds is done without, at the start and later', () => {
    const start = new ClientLinkPlay(new SimulatedDevice())
    start.isDeviceSilent = true
    connects(start.on({ type: 'start' })).on(ask(1))
    expect(sentIn(framesIn(start.pass(OUTBOX_PATIENCE_MS - 1)))).toEqual([])
    expect(sentIn(framesIn(start.pass(1)))).toEqual([[1, 1]])
    const later = openOn(new SimulatedDevice())
    later.isDeviceSilent = true
    later.on(ask(1))
    expect(sentIn(framesIn(later.pass(OUTBOX_PATIENCE_MS)))).toEqual([[1, 1]])
  })

  test('[K26] that works again keeps what it missed', () => {
    const device = new SimulatedDevice()
    device.mode = 'broken'
    const play = away(device, 0, 1)
    expect([isKept(play), kept(device)]).toEqual([[false], []])
    device.mode = 'well'
    play.on(ask(2))
    expect([isKept(play), kept(device), play.questions]).toEqual([[true, true], [1, 2], { 1: 'kept', 2: 'kept' }])
  })

  test('[K35] that was emptied by the browser gets back all that the page holds', () => {
    const device = new SimulatedDevice()
    const play = openOn(device)
      .on(ask(1))
      .hears(rejected(1, 'rate', { retryAfterMs: 60_000 }))
      .on(ask(2))
    device.evict()
    play.on({ type: 'woke' })
    expect([kept(device), isKept(play), play.questions]).toEqual([[1, 2], [true, true], { 1: 'waiting', 2: 'kept' }])
    const next = openOn(device, 1)
    // The first may have been sent: no other page may let a person delete it.
    expect(next.client.questions.map(mayWithdraw)).toEqual([false, true])
  })

  test('[K36] is looked at again when another page gives a hint, when this one comes back, and at every ping', () => {
    for (const type of ['hinted', 'woke'] as const) {
      const device = new SimulatedDevice()
      const [one, two] = [away(device, 1), away(device, 2)]
      one.on(ask(1))
      expect([two.questions, two.on({ type }).questions]).toEqual([{}, { 1: 'kept' }])
    }
    const device = new SimulatedDevice()
    device.mode = 'broken'
    const late = openOn(device)
    device.mode = 'well'
    away(device, 9, 1)
    expect([late.questions, sentIn(late.hears(pingAt(5)).said)]).toEqual([{}, [[1, 1]]])
    const flooded = openOn(new SimulatedDevice())
    flooded.isDeviceSilent = true
    const looks = [1, 2, 3, 4].map(() => kindsOf(flooded.on({ type: 'hinted' }).effects))
    expect(looks).toEqual([['store'], ['store'], [], []])
  })

  test('[K25] that has another text under the same id keeps that one, and the page says no to the second', () => {
    const device = new SimulatedDevice()
    const two = away(device, 2)
    away(device, 1, 1)
    two.on({ type: 'ask', messageId: messageIdOf(1), text: 'Something else?', inReplyTo: undefined })
    expect(two.questions).toEqual({ 1: 'refused' })
    expect(rowsOf(device.records, SCOPE).map(({ text }) => text)).toEqual(['Why?'])
  })
})

describe('a page that is left', () => {
  test('[K37] closes its link and lets go, and connects at once when it comes back', () => {
    const device = new SimulatedDevice()
    const play = openOn(device, 1).on(ask(1))
    play.on({ type: 'left' })
    expect(kindsOf(play.effects)).toEqual(['close', 'store'])
    expect(sentIn(openOn(device, 2).said)).toEqual([[1, 1]])
    expect(kindsOf(play.on({ type: 'woke' }).effects)).toEqual(['store', 'connect'])
  })

  test('[K37] and is still there comes back by itself', () => {
    const play = openOn(new SimulatedDevice()).on({ type: 'left' })
    expect(kindsOf(play.pass(29_999))).toEqual([])
    expect(kindsOf(play.pass(1))).toEqual(['connect'])
  })
})
