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
/** How each of the next tries goes when all of them fail. */
function triesOf(play: ClientLinkPlay, count: number): readonly string[] {
  const rungs: string[] = []
  for (let index = 0; index < count; index += 1) {
    const { link } = play.closes().client
    if (link.status !== 'waiting') throw new Error(link.status)
    play.now = Math.max(play.now, link.retryAt)
    rungs.push(...rungsIn(play.on({ type: 'tick' }).effects))
  }
  return rungs
}
const welcomed = (play: ClientLinkPlay): ClientLinkPlay => play.opens().hears(welcome('snapshot', { head: headAt(5) }), snapshotAt(5))
/** A page that follows by events because its first try by socket failed. */
const byEvents = (): ClientLinkPlay => welcomed(started().closes().comesBackDialling())
const MOVE = { type: 'drain', afterMs: 0, windowMs: 0, deadlineMs: 0 } as const

describe('going down', () => {
  test('[K45] a try that fails is followed by one the other way', () => {
    expect(triesOf(started(), 4)).toEqual(['events', 'socket', 'events', 'socket'])
    const mute = started().opens()
    mute.pass(5_000)
    expect(mute.client.rung).toBe('events')
  })

  test('[K45] where sockets have worked, one in three goes by events', () => {
    const play = open()
    play.pass(10_000)
    expect(triesOf(play, 7)).toEqual(['socket', 'socket', 'events', 'socket', 'socket', 'events', 'socket'])
  })

  test('[K46] a link that was open is come back to the same way', () => {
    const play = byEvents().closes()
    expect([play.client.rung, open().closes().client.rung]).toEqual(['events', 'socket'])
  })

  test('[K46] a page that is loaded again begins with what worked in its tab', () => {
    expect(rungsIn(new ClientLinkPlay().on({ type: 'start', rung: 'events' }).effects)).toEqual(['events'])
  })

  test('[K48] a device that comes online begins with a socket', () => {
    const play = byEvents().closes().on({ type: 'offline' })
    expect(rungsIn(play.on({ type: 'online' }).effects)).toEqual(['socket'])
    const proven = open().on({ type: 'offline' }).on({ type: 'online' }).closes()
    expect(triesOf(proven.comesBackDialling(), 1)).toEqual(['events'])
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
