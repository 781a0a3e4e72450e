import { describe, expect, test } from 'vitest'
import { UNSETTLED_QUESTIONS_MAX } from '../conversation/limits.ts'
import {
  accepted,
  ask,
  awaitingSnapshot,
  deviceOf,
  entryAt,
  entryFrame,
  framesIn,
  greeting,
  headAt,
  idOf,
  kindsOf,
  LOG,
  messageIdOf,
  open,
  OTHER_LOG,
  pingAt,
  questionAt,
  rejected,
  sentIn,
  SESSION,
  snapshotAt,
  started,
  TURN,
  welcome,
} from '../testing/client-link-play.ts'
import { canAsk } from './client-link.ts'

const cursorAt = (seq: number) => ({ logId: LOG, seq, id: idOf(seq) })
const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1)

describe('opening', () => {
  test('[K1] says hello with the cursor of what is shown', () => {
    expect(greeting().said).toEqual([{ type: 'hello', v: 1, session: SESSION, device: deviceOf(0), resume: undefined }])
    expect(open().closes().comesBack().said).toMatchObject([{ type: 'hello', resume: cursorAt(5) }])
  })
  test('[K1] that takes longer than five seconds is given up, and so is a greeting', () => {
    for (const begin of [started, greeting]) {
      const play = begin()
      play.chance = 0.5
      expect(kindsOf(play.pass(4_999))).toEqual([])
      expect(play.pass(1)).toMatchObject([{ type: 'close', socket: 1, code: 1000 }, { type: 'connect' }])
      if (begin === greeting) play.opens()
      expect(kindsOf(play.pass(4_999))).toEqual([])
      expect(play.pass(1)).toEqual([{ type: 'close', socket: 2, code: 1000 }])
      expect(play.client.link).toMatchObject({ status: 'waiting', failures: 1, retryAt: 10_500 })
    }
  })
})

describe('entries', () => {
  test('[K4] are applied in their place, and dropped when they were seen', () => {
    const play = open().hears(entryAt(6), entryAt(7), entryAt(6), entryAt(5))
    expect([play.client.view.conversation.head, play.client.link.status]).toEqual([headAt(7), 'open'])
  })
  test('[K4] over a hole, or after another entry than ours, are never applied: the page resumes', () => {
    const fork = entryAt(6)
    if (fork.type !== 'entry') throw new Error('no entry')
    const others = { ...fork, entry: { ...fork.entry, prev: idOf(99) } }
    for (const frame of [entryAt(7), others]) {
      const play = open().hears(frame, entryAt(6))
      expect([kindsOf(play.effects), play.client.view.conversation.head]).toEqual([['close'], headAt(5)])
      expect(play.comesBack().said).toMatchObject([{ type: 'hello', resume: cursorAt(5) }])
    }
  })
  test('[K4] that no conversation can have make the page fetch it anew', () => {
    const play = open().hears(entryFrame({ seq: 6, kind: 'turn-superseded', turnId: TURN, attempt: 1 }))
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', resume: undefined }])
  })
  test('[K17] that end an answer have its text compared, and a digest that differs fetches the view anew', () => {
    const place = { turnId: TURN, attempt: 1 }
    const play = open().hears(
      questionAt(6, 9),
      entryFrame({ seq: 7, kind: 'turn-started', ...place, fence: 1 }),
      entryFrame({ seq: 8, kind: 'answer-part', ...place, index: 0, persona: undefined, text: 'Yes.' }),
      entryFrame({
        seq: 9,
        kind: 'turn-ended',
        ...place,
        outcome: 'complete',
        reason: undefined,
        parts: 1,
        chars: 4,
        sha256: 'f'.repeat(64),
      }),
    )
    expect(play.effects).toEqual([{ type: 'verify', text: 'Yes.', sha256: 'f'.repeat(64) }])
    expect(kindsOf(play.on({ type: 'verified', matches: false }).effects)).toEqual(['close'])
    expect(play.client.mismatches).toBe(1)
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', resume: undefined }])
    // Cut off before the snapshot: what is to be replaced must not be resumed.
    play.hears(welcome('snapshot', { head: headAt(9) })).closes()
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', resume: undefined }])
  })
})

describe('a snapshot', () => {
  test('[K5] is waited for: entries before it mean nothing, and no question is sent', () => {
    const play = awaitingSnapshot().on(ask(1)).hears(entryAt(1), entryAt(6))
    expect([play.client.view.conversation.head, play.said]).toEqual([undefined, []])
    play.hears(snapshotAt(5))
    expect([play.client.view.conversation.head, sentIn(play.said)]).toEqual([headAt(5), [[1, 1]]])
  })
  test('[K5] that does not come within twenty seconds is asked for on another link, however much is heard', () => {
    const play = awaitingSnapshot()
    play.pass(15_000)
    play.hears(pingAt(5))
    expect(kindsOf(play.pass(4_999))).toEqual([])
    expect(kindsOf(play.pass(1))).toEqual(['close', 'connect'])
    expect(play.opens().said).toMatchObject([{ type: 'hello', resume: undefined }])
  })
  test('[K5] that nobody announced is ignored', () => {
    expect(open().hears(snapshotAt(3)).client.view.conversation.head).toEqual(headAt(5))
  })
  test('[K6] after a fork shows the log as it is, and the page says so and sends again what was not settled', () => {
    const play = open({ durability: 'memory' }).on(ask(1), ask(2)).hears(accepted(1, 6), questionAt(6, 1))
    play.hears(welcome('fork', { durability: 'memory', logId: OTHER_LOG }))
    // The second is on its way still, and will be answered.
    expect([play.questions, play.said]).toEqual([{ 1: 'waiting', 2: 'sending' }, []])
    play.hears(snapshotAt(3))
    expect([play.client.view.logId, sentIn(play.said)]).toEqual([OTHER_LOG, [[1, 1]]])
    expect(sentIn(play.hears(rejected(2, 'order', { expectedNumber: 1 })).said)).toEqual([[2, 2]])
  })
  test('[K6] after a fork is told once, with what takes the place of the old view, whichever link brings it', () => {
    const play = open().hears(welcome('fork', { logId: OTHER_LOG }))
    const before = play.client.view.conversation
    expect([play.client.forks, before.head]).toEqual([0, headAt(5)])
    play
      .closes()
      .comesBack()
      .hears(welcome('snapshot', { logId: OTHER_LOG }))
    expect([play.client.forks, play.client.view.conversation]).toEqual([0, before])
    play.hears(snapshotAt(3))
    expect([play.client.forks, play.client.view.conversation.head]).toEqual([1, headAt(3)])
    play
      .closes()
      .comesBack()
      .hears(welcome('snapshot', { logId: OTHER_LOG }), snapshotAt(3))
    expect(play.client.forks).toBe(1)
  })
  test('[K6] of a log that may have been lost and begun again is treated the same', () => {
    const play = open({ durability: 'memory' }).on(ask(1)).hears(accepted(1, 6), questionAt(6, 1))
    play
      .on({ type: 'verified', matches: false })
      .comesBack()
      .hears(welcome('snapshot', { durability: 'memory' }), snapshotAt(2))
    expect(sentIn(play.said)).toEqual([[1, 1]])
  })
})

describe('questions', () => {
  test('[K7] go out numbered and in order, as many at once as the server allows', () => {
    const play = greeting()
      .on(...numbers(5).map(ask))
      .hears(welcome('snapshot', { maxInFlight: 3 }), snapshotAt(0))
    expect(sentIn(play.said)).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    expect(sentIn(play.hears(accepted(1, 1)).said)).toEqual([[4, 4]])
  })
  test('[K7][K10] that the server asks to hold back are not overtaken, and go out at their time', () => {
    const play = open()
      .on(ask(1))
      .hears(rejected(1, 'rate', { retryAfterMs: 4_000 }))
      .on(ask(2))
    expect([play.questions, play.said]).toEqual([{ 1: 'waiting', 2: 'kept' }, []])
    expect(sentIn(framesIn(play.pass(3_999)))).toEqual([])
    expect(sentIn(framesIn(play.pass(1)))).toEqual([[1, 1]])
    expect(sentIn(play.hears(accepted(1, 6)).said)).toEqual([[2, 2]])
  })
  test('[K7] after being asked to wait, one goes at a time, then twice as many with each that is taken', () => {
    const play = open()
      .on(ask(1))
      .hears(rejected(1, 'overload', { retryAfterMs: 1_000 }))
      .on(...numbers(12).slice(1).map(ask))
    const sent = [sentIn(framesIn(play.pass(1_000)))]
    for (const number of numbers(3)) sent.push(sentIn(play.hears(accepted(number, number + 5)).said))
    expect(sent.map((each) => each.length)).toEqual([1, 2, 3, 5])
  })
  test('[K8] that were on their way go out again on the next link, under the same id and number', () => {
    const play = open().on(ask(1), ask(2)).hears(accepted(1, 6)).closes()
    expect(play.questions).toEqual({ 1: 'accepted', 2: 'waiting' })
    play.comesBack().hears(welcome('resumed', { head: headAt(6) }))
    expect(sentIn(play.said)).toEqual([
      [1, 1],
      [2, 2],
    ])
  })
  test('[K8] are forgotten only when they are settled and the view shows them', () => {
    const fsync = open().on(ask(1)).hears(accepted(1, 6))
    expect(fsync.questions).toEqual({ 1: 'accepted' })
    expect(fsync.hears(questionAt(6, 1)).questions).toEqual({})
    const replicated = open({ durability: 'replicated' }).on(ask(1)).hears(accepted(1, 6), questionAt(6, 1))
    expect(replicated.questions).toEqual({ 1: 'accepted' })
    expect(replicated.hears({ type: 'ping', n: 1, head: headAt(6), settled: 6 }).questions).toEqual({})
  })
  test('[K8] that another log took while this page still shows the old one are not forgotten', () => {
    // Accepted at a place that the page seems to have passed, because the log was rolled back.
    const play = open().on(ask(1)).hears(accepted(1, 3))
    expect(play.questions).toEqual({ 1: 'accepted' })
    play.hears(welcome('fork'), snapshotAt(2))
    expect(sentIn(play.said)).toEqual([[1, 1]])
    expect(play.hears(accepted(1, 3), questionAt(3, 1)).questions).toEqual({})
  })
  test('[K8] that stand before the first item of a snapshot are shown by it', () => {
    const play = open({ durability: 'replicated' }).on(ask(1)).hears(accepted(1, 6))
    const about = { topic: 'fallback', turnId: TURN, inReplyTo: messageIdOf(9), reason: 'agent-error' } as const
    const item = { kind: 'notice', seq: 40, at: 0, ...about, text: '' } as const
    play
      .closes()
      .comesBack()
      .hears(welcome('snapshot', { durability: 'replicated', settled: 40 }))
    play.hears({ type: 'snapshot', head: headAt(40), items: [item], earlier: 20 }, accepted(1, 6))
    expect(play.questions).toEqual({})
  })
  test('[K9] without an answer go out again after five seconds, and with the third silence the link is given up', () => {
    const play = open().on(ask(1))
    expect(sentIn(framesIn(play.pass(4_999)))).toEqual([])
    expect(sentIn(framesIn(play.pass(1)))).toEqual([[1, 1]])
    expect(sentIn(framesIn(play.pass(5_000)))).toEqual([[1, 1]])
    const last = play.pass(5_000)
    expect([sentIn(framesIn(last)), kindsOf(last)[0]]).toEqual([[], 'close'])
  })
  test('[K10] refused for good stay until the person has seen it, and their number goes to the next', () => {
    const play = open()
      .on(ask(1), ask(2))
      .hears(rejected(1, 'invalid', { temporary: false }))
    expect([play.questions, sentIn(play.said)]).toEqual([{ 1: 'refused', 2: 'sending' }, [[2, 1]]])
    expect(sentIn(play.on(ask(3)).said)).toEqual([[3, 2]])
    expect(play.on({ type: 'withdraw', messageIds: [messageIdOf(2)] }).questions).toMatchObject({ 1: 'refused', 2: 'sending' })
    expect(play.on({ type: 'withdraw', messageIds: [messageIdOf(1)] }).questions).toEqual({ 2: 'sending', 3: 'sending' })
  })
  test('[K11] go on from the number that is expected', () => {
    const play = open()
      .on(ask(1), ask(2), ask(3))
      .hears(rejected(1, 'unavailable', { retryAfterMs: 2_000 }))
    play.hears(rejected(2, 'order', { expectedNumber: 1 }), rejected(3, 'order', { expectedNumber: 1 }))
    expect(play.questions).toEqual({ 1: 'waiting', 2: 'waiting', 3: 'waiting' })
    expect(sentIn(framesIn(play.pass(2_000)))).toEqual([[1, 1]])
    expect(sentIn(play.hears(accepted(1, 6)).said)).toEqual([
      [2, 2],
      [3, 3],
    ])
  })
  test('[K11] whose number is not expected and not held any more come from a new device, under the same ids', () => {
    const play = open().on(ask(1), ask(2)).hears(accepted(1, 6), questionAt(6, 1))
    play.hears(rejected(2, 'order', { expectedNumber: 1 }))
    expect(kindsOf(play.effects)).toEqual(['close'])
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', device: deviceOf(1) }])
    expect(sentIn(play.hears(welcome('resumed', { head: headAt(6) })).on(ask(3)).said)).toEqual([[3, 2]])
    expect(play.client.questions.map(({ messageId, number }) => [messageId, number])).toEqual([
      [messageIdOf(2), 1],
      [messageIdOf(3), 2],
    ])
  })
  test('[K11] that the log has from another device do not count for the new one', () => {
    const play = open()
      .on(ask(1), ask(2))
      .hears(rejected(1, 'order', { expectedNumber: 7 }))
    play.comesBack().hears(welcome('resumed', { head: headAt(5) }))
    // The first stands in the log already, so the log still expects number 1 of the new device.
    play.hears(accepted(1, 4, true), rejected(2, 'order', { expectedNumber: 1 }))
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', device: deviceOf(2) }])
    expect(sentIn(play.hears(welcome('resumed', { head: headAt(5) })).said)).toEqual([[2, 1]])
  })
  test('[K11] whose number another question has come from a new device', () => {
    const play = open()
      .on(ask(1), ask(2))
      .hears(rejected(1, 'order', { expectedNumber: 2 }))
    expect([kindsOf(play.effects), play.client.device]).toEqual([['close'], deviceOf(1)])
  })
  test('[K12] are twenty at most that are not settled', () => {
    const play = open().on(...numbers(UNSETTLED_QUESTIONS_MAX).map(ask))
    expect(canAsk(play.client)).toBe(false)
    const before = play.client
    expect(play.on(ask(21)).client).toBe(before)
    play.hears(accepted(1, 6), questionAt(6, 1))
    expect([canAsk(play.client), play.on(ask(21)).questions[21]]).toEqual([true, 'kept'])
  })
})

describe('heartbeats', () => {
  test('[K13] are answered with the cursor, and twenty seconds of silence end the link', () => {
    const play = open().hears(pingAt(5, 7))
    expect(play.said).toEqual([{ type: 'pong', n: 7, cursor: cursorAt(5) }])
    expect(kindsOf(play.pass(19_999))).toEqual([])
    expect(kindsOf(play.pass(1))[0]).toBe('close')
  })
  test('[K14] tell an idle page what is missing', () => {
    const resumes = (...heads: readonly (number | { readonly seq: number; readonly id: string })[]): boolean => {
      const play = open()
      for (const head of heads)
        play.hears(typeof head === 'number' ? pingAt(head) : { type: 'ping', n: 1, head: { ...headAt(5), id: idOf(99) }, settled: 0 })
      return play.client.link.status === 'waiting'
    }
    expect([resumes(5, 5, 5), resumes(7), resumes(4), resumes({ seq: 5, id: 'other' }), resumes(7, 7), resumes(7, 9)]).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
    ])
    const moving = open().hears(pingAt(7), entryAt(6), pingAt(7), entryAt(7), pingAt(7))
    expect(moving.client.link.status).toBe('open')
  })
})

describe('a server', () => {
  test('[K18] that speaks nonsense is left, and asked again from the cursor', () => {
    const play = open().hearsNonsense()
    expect(kindsOf(play.effects)).toEqual(['close'])
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', resume: cursorAt(5) }])
  })
  test('[K18] that says anything before its welcome is not heard', () => {
    const play = greeting().hears(entryAt(1), snapshotAt(5), pingAt(5), accepted(1, 1))
    expect([play.client.link.status, play.said, play.client.view.conversation.head]).toEqual(['greeting', [], undefined])
  })
  test('[K16] that asks for a stop only while there is a link says it once', () => {
    expect(open().on({ type: 'stop', turnId: TURN }).said).toEqual([{ type: 'stop', turnId: TURN }])
    expect(started().closes().on({ type: 'stop', turnId: TURN }).said).toEqual([])
  })
  test('[K24] a wish to stop that a dying link may have taken along is said on the next, until the log shows it', () => {
    const asked = open().hears(questionAt(6, 1))
    const play = asked.on({ type: 'stop', turnId: TURN })
    expect([play.said, play.on({ type: 'stop', turnId: TURN }).said]).toEqual([[{ type: 'stop', turnId: TURN }], []])
    play
      .closes()
      .comesBack()
      .hears(welcome('resumed', { head: headAt(6) }))
    expect(play.said).toEqual([{ type: 'stop', turnId: TURN }])
    play.hears(entryFrame({ seq: 7, kind: 'stop-requested', turnId: TURN }))
    expect(play.client.stops).toEqual([])
  })
})
