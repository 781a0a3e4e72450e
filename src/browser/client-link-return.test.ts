/** When and how a page comes back. */
import { describe, expect, test } from 'vitest'
import { kindsOf, open, pingAt, snapshotAt, started, welcome } from '../testing/client-link-play.ts'

describe('coming back', () => {
  test('[K2] doubles to thirty seconds, spread over the whole of it, and goes on for ever', () => {
    const play = started()
    play.chance = 0.999_999_9
    const found: number[] = []
    for (let failure = 0; failure < 8; failure += 1) {
      play.fails()
      const { link } = play.client
      if (link.status !== 'waiting') throw new Error(link.status)
      found.push(Math.round(link.retryAt - play.now))
      play.now = link.retryAt
      play.on({ type: 'tick' })
    }
    expect(found).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
    play.chance = 0
    expect(play.fails().client.link).toEqual({ status: 'waiting', failures: 9, retryAt: play.now })
  })
  test('[K2] starts over after a link that held for ten seconds, and not before', () => {
    const failuresAfter = (heldMs: number): unknown => {
      const play = started().fails().comesBack().hears(welcome('snapshot'), snapshotAt(0))
      play.pass(heldMs)
      return play.closes().client.link
    }
    expect(failuresAfter(9_999)).toMatchObject({ failures: 2 })
    expect(failuresAfter(10_000)).toMatchObject({ failures: 1 })
  })
  test('[K2] waits as long as the server asks, and more', () => {
    const play = open()
    play.chance = 0.5
    play.hears({ type: 'bye', code: 1013, retry: 'resume', afterMs: 5_000 })
    expect([play.effects, play.client.link]).toEqual([
      [{ type: 'close', socket: 1, code: 1000 }],
      { status: 'waiting', failures: 1, retryAt: 5_500 },
    ])
    // The socket ends after its goodbye; that is no second failure.
    expect(play.closes(1013).client.link).toEqual({ status: 'waiting', failures: 1, retryAt: 5_500 })
  })
  test('[K2] without a cursor when the server says so', () => {
    const play = open().hears({ type: 'bye', code: 4503, retry: 'fresh', afterMs: 0 })
    expect(play.comesBack().said).toMatchObject([{ type: 'hello', resume: undefined }])
  })
  test('[K3] is a matter of the code alone', () => {
    expect(open().hears({ type: 'bye', code: 4404, retry: 'resume', afterMs: 0 }).client.link).toEqual({ status: 'closed', code: 4404 })
    expect(open().hears({ type: 'bye', code: 4999, retry: 'never', afterMs: 0 }).client.link).toMatchObject({ status: 'waiting' })
  })
  test('[K3][K17] is over for good, whatever a digest says later', () => {
    const play = open().closes(4404).on({ type: 'verified', matches: false })
    expect([play.client.link.status, play.client.mismatches]).toEqual(['closed', 1])
  })
  test('[K15] a page that wakes up connects at once', () => {
    for (const type of ['woke', 'online'] as const) expect(kindsOf(started().fails().on({ type }).effects)).toEqual(['connect'])
  })
  test('[K15] and gives a link up that does not answer its probe within three seconds', () => {
    const play = open().on({ type: 'woke' })
    expect(play.said).toEqual([{ type: 'probe' }])
    expect(kindsOf(play.on({ type: 'woke' }).effects)).toEqual([])
    expect(kindsOf(play.pass(2_999))).toEqual([])
    expect(kindsOf(play.pass(1))[0]).toBe('close')
    const heard = open().on({ type: 'woke' }).hears(pingAt(5))
    expect(kindsOf(heard.pass(3_000))).toEqual([])
  })
  test('[K15] that is told the network is gone asks its link at once whether that is so', () => {
    const play = open().on({ type: 'offline' })
    expect([play.said, play.client.isDeviceOnline]).toEqual([[{ type: 'probe' }], false])
    expect(kindsOf(play.on({ type: 'offline' }).effects)).toEqual([])
    expect(kindsOf(play.pass(3_000))[0]).toBe('close')
  })
  test('[K15] a link is probed every five seconds at most, however often the page wakes up', () => {
    const play = open().on({ type: 'woke' }).hears(pingAt(5))
    expect(kindsOf(play.on({ type: 'woke' }).effects)).toEqual([])
    play.pass(5_000)
    expect(play.on({ type: 'woke' }).said).toEqual([{ type: 'probe' }])
  })
})
