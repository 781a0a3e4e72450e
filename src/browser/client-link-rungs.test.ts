/** How a page follows where sockets pass, and where they do not. */
import { describe, expect, test } from 'vitest'
import type { ClientEffect } from './client-link-state.ts'
import {
  ask,
  ClientLinkPlay,
  entryFrame,
  headAt,
  kindsOf,
  messageIdOf,
  open,
  snapshotAt,
  started,
  TURN,
  welcome,
} from '../testing/client-link-play.ts'

const rungsIn = (effects: readonly ClientEffect[]): readonly string[] =>
  effects.flatMap((effect) => (effect.type === 'connect' ? [effect.rung] : []))
/** Which ways each of the next tries goes when all of them fail: at once one after the other, as far as it goes both. */
function triesOf(play: ClientLinkPlay, count: number): readonly (readonly string[])[] {
  return Array.from({ length: count }, () => {
    const ways: string[] = []
    for (play.comesBackDialling(); play.client.link.status === 'connecting'; play.closes()) ways.push(play.client.rung)
    return ways
  })
}
const both = ['socket', 'events']
const welcomed = (play: ClientLinkPlay): ClientLinkPlay => play.opens().hears(welcome('snapshot', { head: headAt(5) }), snapshotAt(5))
/** A page that follows by events because its first try by socket failed. */
const byEvents = (): ClientLinkPlay => welcomed(started().closes())
const MOVE = { type: 'drain', afterMs: 0, windowMs: 0, deadlineMs: 0 } as const

describe('going down', () => {
  test('[K45] a try by socket that fails goes on by events at once, and a try by events by socket', () => {
    const refused = started().closes()
    expect([refused.effects, refused.client.link]).toMatchObject([[{ type: 'connect', rung: 'events' }], { failures: 0 }])
    expect(refused.closes().client.link).toMatchObject({ status: 'waiting', failures: 1 })
    for (const mute of [started(), started().opens()]) expect(rungsIn(mute.pass(5_000))).toEqual(['events'])
    expect(triesOf(started().fails(), 3)).toEqual([both, both, both])
    expect(triesOf(byEvents().closes(), 2)).toEqual([both.toReversed(), both.toReversed()])
  })

  test('[K45] not when the server asks to wait', () => {
    const told = started().opens().hears({ type: 'bye', code: 1013, retry: 'resume', afterMs: 3_000 })
    expect([told.client.link.status, rungsIn(told.pass(2_999)), rungsIn(told.pass(1_001))]).toEqual(['waiting', [], ['socket']])
  })

  test('[K45] where sockets have worked, the first try goes by both and then one in three', () => {
    const play = open()
    play.pass(10_000)
    expect(triesOf(play.closes(), 7)).toEqual([both, ['socket'], ['socket'], both, ['socket'], ['socket'], both])
  })

  test('[K46] a link that was open is come back to the same way', () => {
    const play = byEvents().closes()
    expect([play.client.rung, open().closes().client.rung]).toEqual(['events', 'socket'])
    // … also when the other way did not work meanwhile.
    expect(rungsIn(byEvents().closes().comesBackDialling().closes().closes().comesBackDialling().effects)).toEqual(['events'])
    expect(rungsIn(started().closes().on({ type: 'left' }, { type: 'woke' }).effects)).toEqual(['socket'])
  })

  test('[K46] a page that is loaded again begins with what worked in its tab', () => {
    expect(rungsIn(new ClientLinkPlay().on({ type: 'start', rung: 'events' }).effects)).toEqual(['events'])
  })

  test('[K48] a device that comes online begins with a socket', () => {
    const play = byEvents().closes().on({ type: 'offline' })
    expect(rungsIn(play.on({ type: 'online' }).effects)).toEqual(['socket'])
    const proven = open().on({ type: 'offline' }).on({ type: 'online' }).closes()
    expect(triesOf(proven, 2)).toEqual([both, both])
  })
})

describe('going up again', () => {
  test('[K47] is tried when another stream is opened, not before ten minutes, and only while nobody waits', () => {
    const play = byEvents()
    play.hears(MOVE).pass(0)
    expect(play.client.link).toMatchObject({ status: 'connecting' })
    expect(play.client.rung).toBe('events')
    welcomed(play)
    play.now += 600_000
    play.hears(MOVE)
    play.on(ask(1))
    expect(rungsIn(play.on({ type: 'tick' }).effects)).toEqual(['events'])
    const idle = byEvents()
    idle.now += 600_000
    idle.hears(MOVE)
    expect(rungsIn(idle.pass(0))).toEqual(['socket'])
    expect(welcomed(idle).client).toMatchObject({ rung: 'socket', isSocketProven: true, isTrial: false })
  })

  test('[K47] is tried after a minute where sockets have worked', () => {
    const play = welcomed(open().closes().comesBackDialling().closes())
    play.now += 59_999
    play.hears(MOVE)
    expect(rungsIn(play.pass(0))).toEqual(['events'])
    welcomed(play).now += 1
    play.hears(MOVE)
    expect(rungsIn(play.pass(0))).toEqual(['socket'])
  })

  test('[K47] is not tried while an answer is being written', () => {
    const play = byEvents()
    play.now += 600_000
    play.hears(
      entryFrame({
        seq: 6,
        kind: 'message',
        messageId: messageIdOf(1),
        turnId: TURN,
        device: play.client.device,
        number: 1,
        text: 'Why?',
        inReplyTo: undefined,
      }),
      MOVE,
    )
    expect(rungsIn(play.pass(0))).toEqual(['events'])
  })

  test('[K47] is given up quickly, for events at once, and not repeated soon', () => {
    for (const fails of ['at once', 'silently', 'mutely'] as const) {
      const play = byEvents()
      play.now += 600_000
      play.hears(MOVE).pass(0)
      const began = play.now
      if (fails === 'at once') play.closes()
      if (fails === 'mutely') play.opens()
      const effects = fails === 'at once' ? play.effects : play.pass(750)
      expect([rungsIn(effects), kindsOf(effects).at(-1), play.now - began]).toEqual([['events'], 'connect', fails === 'at once' ? 0 : 750])
      expect(play.client).toMatchObject({ rung: 'events', isTrial: false })
      welcomed(play).hears(MOVE)
      expect(rungsIn(play.pass(0))).toEqual(['events'])
    }
  })
})
