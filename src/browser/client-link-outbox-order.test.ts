/** In which order questions leave a page whose device keeps them. */
import { describe, expect, test } from 'vitest'
import { OUTBOX_PATIENCE_MS } from '../conversation/limits.ts'
import {
  accepted,
  ask,
  ClientLinkPlay,
  EPOCH_MS,
  headAt,
  kindsOf,
  openOn,
  OTHER_LOG,
  questionItem,
  rejected,
  SCOPE,
  sentIn,
  snapshotAt,
  welcome,
} from '../testing/client-link-play.ts'
import { SimulatedDevice } from '../testing/simulated-device.ts'
import { rowsOf } from './outbox.ts'

const kept = (device: SimulatedDevice): readonly number[] =>
  rowsOf(device.records, SCOPE).map(({ messageId }) => Number(messageId.slice(-12)))
const isKept = ({ client }: ClientLinkPlay): readonly boolean[] => client.questions.map((question) => question.isKept)
const away = (device: SimulatedDevice, number = 0, ...questions: readonly number[]): ClientLinkPlay =>
  new ClientLinkPlay(device, number).on({ type: 'start' }, ...questions.map(ask))
const connects = (play: ClientLinkPlay): ClientLinkPlay => play.opens().hears(welcome('snapshot', { head: headAt(5) }), snapshotAt(5))

describe('order', () => {
  test('[K27] what is asked while the storage opens goes behind what is in it', () => {
    const device = new SimulatedDevice()
    away(device, 1, 1)
    const next = new ClientLinkPlay(device, 2)
    next.isDeviceSilent = true
    next.on({ type: 'start' }, ask(2))
    const [arrive] = next.effects
    expect([next.questions, arrive]).toEqual([{ 2: 'keeping' }, undefined])
    next.isDeviceSilent = false
    next.pass(OUTBOX_PATIENCE_MS)
    expect(next.questions).toEqual({ 2: 'kept' })
    // It answers later: what was kept before comes first all the same.
    next.on({ type: 'woke' })
    expect([Object.keys(next.questions), kept(device)]).toEqual([
      ['1', '2'],
      [1, 2],
    ])
    expect(sentIn(connects(next).said)).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  test('[K27][K35] what could not be kept is kept with the next question, before it', () => {
    const device = new SimulatedDevice()
    const play = away(device, 1)
    device.mode = 'full'
    play.on(ask(1))
    device.mode = 'well'
    play.on(ask(2))
    expect([isKept(play), Object.keys(play.questions), kept(device)]).toEqual([
      [true, true],
      ['1', '2'],
      [1, 2],
    ])
    device.evict()
    play.on({ type: 'woke' })
    expect([isKept(play), kept(device)]).toEqual([
      [true, true],
      [1, 2],
    ])
  })

  test('[K28] a question that another page took first is not overtaken by one that only this page has', () => {
    const device = new SimulatedDevice()
    const one = openOn(device, 1).on(ask(1))
    device.mode = 'full'
    one.on(ask(2)).hears(rejected(1, 'unavailable', { retryAfterMs: 60_000 }), rejected(2, 'unavailable', { retryAfterMs: 60_000 }))
    expect(one.questions).toEqual({ 1: 'waiting', 2: 'waiting' })
    one.closes()
    const two = openOn(device, 2)
    expect(sentIn(two.said)).toEqual([[1, 1]])
    one.comesBack().hears(welcome('resumed', { head: headAt(5) }))
    expect([one.client.questions.map(({ number }) => number), one.client.device]).toEqual([[0, 0], expect.not.stringMatching(/^d+1$/)])
    expect(sentIn(one.said)).toEqual([])
  })

  test('[K11][K28] and when the page learns that as it greets the server, it greets it again', () => {
    const device = new SimulatedDevice()
    const one = openOn(device, 1).on(ask(1))
    device.mode = 'full'
    one.on(ask(2)).hears(rejected(1, 'unavailable', { retryAfterMs: 60_000 }), rejected(2, 'unavailable', { retryAfterMs: 60_000 }))
    one.closes().comesBack()
    openOn(device, 2)
    const greeted = one.client.device
    one.on({ type: 'hinted' })
    expect([kindsOf(one.effects), one.client.device === greeted]).toEqual([['store', 'close'], false])
    expect(one.comesBack().said).toMatchObject([{ type: 'hello', device: one.client.device }])
  })
  test('[K28] what a fork puts in doubt is taken before what was taken behind it meanwhile, however little the server takes at once', () => {
    const device = new SimulatedDevice()
    away(device, 1, 1)
    const play = new ClientLinkPlay(device, 2).on({ type: 'start' }).opens()
    const terms = { durability: 'replicated', maxInFlight: 1 } as const
    play.hears(welcome('snapshot', { head: headAt(6), ...terms })).on(ask(2))
    play.isDeviceSilent = true
    play.hears(snapshotAt(6, questionItem(1, 6)))
    const [taking] = play.effects
    play.hears(welcome('fork', { logId: OTHER_LOG, head: headAt(3), ...terms }), snapshotAt(3))
    expect(play.questions).toEqual({ 1: 'kept', 2: 'kept' })
    play.isDeviceSilent = false
    if (taking?.type !== 'store') throw new Error('nothing is taken')
    play.on({ ...device.transact(taking.change, SCOPE, EPOCH_MS), change: taking.change })
    expect([play.questions, sentIn(play.said)]).toEqual([{ 1: 'sending', 2: 'waiting' }, [[1, 1]]])
    expect(sentIn(play.hears(accepted(1, 4)).said)).toEqual([[2, 2]])
  })
  test('[K27] what is asked while the storage cannot be read goes behind what was in it all the time', () => {
    const device = new SimulatedDevice()
    away(device, 1, 1, 2)
    device.mode = 'broken'
    const next = away(device, 2, 3)
    expect([next.questions, isKept(next)]).toEqual([{ 3: 'kept' }, [false]])
    device.mode = 'well'
    next.on(ask(4))
    expect(kept(device)).toEqual([1, 2, 3, 4])
    expect(sentIn(connects(next).said)).toEqual([1, 2, 3, 4].map((number) => [number, number]))
  })
})
