/** How a page moves to another process: it makes the new link before it breaks the old one. */
import { describe, expect, test } from 'vitest'
import type { Cursor } from '../conversation/ids.ts'
import type { ServerFrame } from '../protocol/protocol.ts'
import {
  accepted,
  ask,
  entryAt,
  framesIn,
  headAt,
  kindsOf,
  LOG,
  open,
  OTHER_LOG,
  pingAt,
  questionAt,
  sentIn,
  snapshotAt,
  TURN,
  welcome,
  type ClientLinkPlay,
} from '../testing/client-link-play.ts'
import { moveUnderWay } from './client-link-socket.ts'

const cursorAt = (seq: number): Cursor => ({ logId: LOG, ...headAt(seq) })

/** The two links of a page that moves. */
const [OLD, NEW] = [1, 2] as const

const drain = (changes: Partial<Extract<ServerFrame, { type: 'drain' }>> = {}): ServerFrame => ({
  type: 'drain',
  afterMs: 0,
  windowMs: 0,
  deadlineMs: 25_000,
  ...changes,
})
/** An open page that has dialled its new link, … */
function dialled(changes: Parameters<typeof open>[0] = {}): ClientLinkPlay {
  const play = open(changes).hears(drain())
  play.effects = play.pass(0)
  return play
}
/** … and one that has said hello on it. */
const greeted = (changes: Parameters<typeof open>[0] = {}): ClientLinkPlay => dialled(changes).opens()
const resumed = (seq: number): ServerFrame => welcome('resumed', { head: headAt(seq) })
const linkOf = ({ client }: ClientLinkPlay): unknown => ({
  status: client.link.status,
  socket: 'socket' in client.link ? client.link.socket : undefined,
  move: moveUnderWay(client.link)?.status,
})

describe('asked to move', () => {
  test('[K16] it dials at a time spread over the window', () => {
    const play = open()
    play.chance = 0.25
    play.hears(drain({ afterMs: 1_000, windowMs: 4_000 }))
    expect(kindsOf(play.pass(1_999))).toEqual([])
    expect(play.pass(1)).toEqual([{ type: 'connect', socket: NEW, rung: 'socket' }])
  })

  test('[K80] it says hello from its cursor, and sends and hears on the old link meanwhile', () => {
    const play = dialled().hearsOn(OLD, entryAt(6))
    expect(linkOf(play)).toEqual({ status: 'open', socket: OLD, move: 'connecting' })
    expect(play.opens().effects).toMatchObject([{ type: 'send', socket: NEW, frames: [{ type: 'hello', resume: cursorAt(6) }] }])
    play.hearsOn(OLD, entryAt(7))
    expect([play.client.view.conversation.head, linkOf(play)]).toEqual([headAt(7), { status: 'open', socket: OLD, move: 'greeting' }])
    expect(play.on(ask(1)).effects).toMatchObject([{ type: 'send', socket: OLD, frames: [{ type: 'send' }] }])
    expect(play.hearsOn(OLD, pingAt(7)).effects).toMatchObject([{ type: 'send', socket: OLD, frames: [{ type: 'pong' }] }])
  })

  test('[K80] the welcome ends the old link, and what both said is applied once', () => {
    const play = greeted().hearsOn(OLD, entryAt(6), entryAt(7))
    play.hears(resumed(7), entryAt(6), entryAt(7), entryAt(8))
    expect([play.client.view.conversation.head, linkOf(play)]).toEqual([headAt(8), { status: 'open', socket: NEW, move: undefined }])
    expect(play.effects).toEqual([{ type: 'close', socket: OLD, code: 1000 }])
    const before = play.client
    expect(play.hearsOn(OLD, entryAt(9), welcome('fork')).on({ type: 'closed', socket: OLD, code: 4404 }).client).toBe(before)
  })

  test('[K80] what was on its way, and a wish to stop, is said again on the new link', () => {
    const play = greeted().hearsOn(OLD, questionAt(6, 9)).on(ask(1), { type: 'stop', turnId: TURN })
    play.hears(resumed(6))
    expect(play.said.map(({ type }) => type)).toEqual(['stop', 'send'])
    expect(sentIn(play.said)).toEqual([[1, 1]])
    expect(play.hears(accepted(1, 7, true), questionAt(7, 1)).questions).toEqual({})
  })

  test('[K80] it begins another move when the new process goes away, too', () => {
    const play = greeted().hears(resumed(5), drain())
    expect(play.pass(0)).toMatchObject([{ type: 'connect', socket: 3 }])
  })

  test('[K80] asked again while it moves, it goes on', () => {
    const play = greeted()
    const before = play.client.link
    expect(play.hearsOn(OLD, drain()).client.link).toEqual(before)
  })

  test('[K83] the welcome vouches for no more than the hello named', () => {
    const play = greeted({ durability: 'replicated' }).on(ask(1)).hearsOn(OLD, accepted(1, 6), questionAt(6, 1), entryAt(7))
    play.hears(welcome('resumed', { durability: 'replicated', head: headAt(7) }))
    expect(sentIn(play.said)).toEqual([[1, 1]])
  })

  test('[K80][K83] a log that is another one by then takes the place of the view, and is told once', () => {
    const play = greeted().hearsOn(OLD, entryAt(6))
    play.hears(welcome('fork', { logId: OTHER_LOG }), snapshotAt(3))
    expect([play.client.view.conversation.head, play.client.forks, linkOf(play)]).toEqual([
      headAt(3),
      1,
      { status: 'open', socket: NEW, move: undefined },
    ])
  })
})

describe('a move that fails', () => {
  test.each([
    ['is refused', (play: ClientLinkPlay) => play.closes()],
    ['is refused for good', (play: ClientLinkPlay) => play.closes(4406)],
    ['gets no welcome', (play: ClientLinkPlay) => play.opens().closes()],
    ['is told to go', (play: ClientLinkPlay) => play.opens().hears({ type: 'bye', code: 1013, retry: 'resume', afterMs: 0 })],
    ['is told nonsense', (play: ClientLinkPlay) => play.opens().hearsNonsense()],
  ])('[K81] because it %s is tried again after a while, and the old link goes on', (_how, fail) => {
    const play = dialled()
    play.chance = 0.5
    fail(play)
    expect(linkOf(play)).toEqual({ status: 'open', socket: OLD, move: undefined })
    expect(play.hearsOn(OLD, entryAt(6)).client.view.conversation.head).toEqual(headAt(6))
    expect(kindsOf(play.pass(499))).toEqual([])
    expect(play.pass(1)).toEqual([{ type: 'connect', socket: 3, rung: 'socket' }])
    // The second wait is twice as long.
    play.closes()
    expect([kindsOf(play.pass(999)), kindsOf(play.pass(1))]).toEqual([[], ['connect']])
  })

  test('[K81] because nobody answers in time is closed and tried again', () => {
    for (const play of [dialled(), greeted()]) {
      expect(kindsOf(play.pass(4_999))).toEqual([])
      expect(play.pass(1)[0]).toEqual({ type: 'close', socket: NEW, code: 1000 })
    }
  })

  test('[K81] is not tried again sooner than the server asks', () => {
    const play = greeted().hears({ type: 'bye', code: 1013, retry: 'resume', afterMs: 3_000 })
    expect(kindsOf(play.pass(2_999))).toEqual([])
    expect(kindsOf(play.pass(1))).toEqual(['connect'])
  })

  test('[K18][K81] and says something before its welcome is not heard', () => {
    const play = greeted()
    const before = play.client
    expect(play.hears(entryAt(6), snapshotAt(9)).client).toBe(before)
  })
})

describe('a link that ends while the page moves', () => {
  test('[K81] leaves its place to the one under way, which resumes from where it said', () => {
    for (const end of ['closed', 'bye'] as const) {
      const play = greeted().on(ask(1)).hearsOn(OLD, entryAt(6))
      if (end === 'closed') play.on({ type: 'closed', socket: OLD, code: 1006 })
      else play.hearsOn(OLD, { type: 'bye', code: 1012, retry: 'resume', afterMs: 0 })
      expect(linkOf(play)).toEqual({ status: 'greeting', socket: NEW, move: undefined })
      play.hears(resumed(6), entryAt(6), entryAt(7))
      expect([play.client.view.conversation.head, sentIn(play.said)]).toEqual([headAt(7), [[1, 1]]])
    }
    const dialling = dialled().on({ type: 'closed', socket: OLD, code: 1012 })
    expect(linkOf(dialling)).toEqual({ status: 'connecting', socket: NEW, move: undefined })
    expect(dialling.opens().said).toMatchObject([{ type: 'hello', resume: cursorAt(5) }])
  })

  test('[K81] between two tries is come back to as always', () => {
    const play = dialled()
    play.chance = 0.5
    play.closes().on({ type: 'closed', socket: OLD, code: 1012 })
    expect(linkOf(play)).toMatchObject({ status: 'waiting' })
    expect(kindsOf(play.pass(500))).toEqual(['connect'])
  })

  test('[K81] for good takes the move with it', () => {
    const play = greeted().on({ type: 'closed', socket: OLD, code: 4404 })
    expect([linkOf(play), play.effects]).toMatchObject([{ status: 'closed' }, [{ type: 'close', socket: NEW }]])
  })
})

describe('what its hello said holds no longer', () => {
  test('[K82] when the old link shows another log: the move is begun anew', () => {
    const play = greeted().hearsOn(OLD, welcome('fork', { logId: OTHER_LOG }), snapshotAt(3))
    expect([play.client.forks, play.effects]).toEqual([1, [{ type: 'close', socket: NEW, code: 1000 }]])
    expect(play.pass(0)).toMatchObject([{ type: 'connect', socket: 3 }])
    expect(play.opens().said).toMatchObject([{ type: 'hello', resume: { logId: OTHER_LOG, seq: 3 } }])
    expect(play.hears(welcome('resumed', { logId: OTHER_LOG, head: headAt(3) })).client.forks).toBe(1)
  })

  test('[K82] when the link is given up: both sockets are closed', () => {
    const hole = greeted().hearsOn(OLD, entryAt(9))
    expect(hole.effects).toEqual([
      { type: 'close', socket: OLD, code: 1000 },
      { type: 'close', socket: NEW, code: 1000 },
    ])
    expect(linkOf(hole)).toMatchObject({ status: 'waiting' })
    for (const event of [{ type: 'left' }, { type: 'verified', matches: false }] as const) {
      expect(kindsOf(dialled().on(event).effects)).toEqual(['close', 'close'])
    }
    const fresh = greeted().hearsOn(OLD, { type: 'bye', code: 4503, retry: 'fresh', afterMs: 0 })
    expect(kindsOf(fresh.effects)).toEqual(['close', 'close'])
    expect(fresh.comesBack().said).toMatchObject([{ type: 'hello', resume: undefined }])
  })
})

describe('a link that has no time left', () => {
  test('[K84] is ended before another is dialled', () => {
    const play = open().hears(drain({ deadlineMs: 0 }))
    expect(kindsOf(play.pass(0))).toEqual(['close', 'connect'])
    expect(play.opens().said).toMatchObject([{ type: 'hello', resume: cursorAt(5) }])
  })

  test('[K84] leaves its place at once to the one that is being opened', () => {
    const play = greeted().hearsOn(OLD, drain({ deadlineMs: 0 }))
    expect([linkOf(play), play.effects]).toEqual([
      { status: 'greeting', socket: NEW, move: undefined },
      [{ type: 'close', socket: OLD, code: 1000 }],
    ])
  })
})

test('[K16] a page whose log turned out to be another one before its time moves from there', () => {
  const play = open().hears(drain({ afterMs: 1_000 }), welcome('fork', { logId: OTHER_LOG }), snapshotAt(2))
  expect(kindsOf(play.pass(1_000))).toEqual(['connect'])
  expect(framesIn(play.opens().effects)).toMatchObject([{ type: 'hello', resume: { logId: OTHER_LOG, seq: 2 } }])
})

test('[K80] a page that waits for a snapshot asks for it on the new link, too', () => {
  const play = open().hears(welcome('fork', { logId: OTHER_LOG }), drain())
  play.pass(0)
  expect(play.opens().said).toMatchObject([{ type: 'hello', resume: undefined }])
  play.hears(welcome('snapshot', { logId: OTHER_LOG }), snapshotAt(4))
  expect([play.client.view.conversation.head, play.client.forks]).toEqual([headAt(4), 1])
})
