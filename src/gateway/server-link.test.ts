import { describe, expect, test } from 'vitest'
import { SERVER_DEVICE } from '../conversation/ids.ts'
import {
  FRAME_STRIKES_MAX,
  FRAMES_BURST_MAX,
  FRAMES_PER_MINUTE_MAX,
  HELLO_TIMEOUT_MS,
  LINK_SILENCE_MAX_MS,
  PING_INTERVAL_MS,
  READ_ENTRIES_MAX,
  SEND_BUFFER_CHECK_MS,
  SEND_BUFFER_PAUSE_BYTES,
  SENDS_IN_FLIGHT_MAX,
  SLOW_READER_MAX_MS,
} from '../conversation/limits.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { ALL_WORKS, type ServiceStanding, type ClientFrame, type ServerFrame } from '../protocol/protocol.ts'
import {
  idOf,
  LOG,
  OTHER_LOG,
  SESSION,
  DEVICE,
  TURN,
  messageIdOf,
  cursorAt,
  entryAt,
  HELLO,
  sendOf,
  heard,
  GARBAGE,
  opened,
  read,
  readFailed,
  readFork,
  folded,
  foldFailed,
  asked,
  acceptedAt,
  TICK,
  ServerLinkPlay,
  framesIn,
  kindsOf,
  bye,
  opening,
  positioning,
  reading,
  live,
  folding,
  retrying,
  paused,
} from '../testing/server-link-play.ts'
import type { AskedResult, LinkEffect, ReadOutcome } from './server-link-state.ts'
import { nextDeadline } from './server-link.ts'

const LIMITED = { ...ALL_WORKS, level: 'limited', away: ['agent'] as ServiceStanding['away'] } as const

describe('hello', () => {
  test('[S1] must come in time, whatever else is said', () => {
    const play = new ServerLinkPlay().on(GARBAGE)
    play.now = HELLO_TIMEOUT_MS - 1
    expect(play.on(TICK).effects).toEqual([])
    play.now = HELLO_TIMEOUT_MS
    expect(play.on(TICK).effects).toEqual(bye(CLOSE_CODES.silent, 'resume'))
  })
  test('[S2] of another version, or as the device of the server, ends the link for good', () => {
    expect(new ServerLinkPlay().on(heard({ ...HELLO, v: 2 })).effects).toEqual(bye(CLOSE_CODES.version, 'never'))
    const [report, ...rest] = new ServerLinkPlay().on(heard({ ...HELLO, device: SERVER_DEVICE })).effects
    expect([report?.type, rest]).toEqual(['report', bye(CLOSE_CODES.protocol, 'never')])
  })
  test('[S2] what follows a goodbye in the same message is not heard', () => {
    const play = new ServerLinkPlay().on(heard({ type: 'probe' }, HELLO, HELLO))
    expect(kindsOf(play.effects)).toEqual(['report', 'bye', 'close'])
  })
  test('[S3] finds no session, no room or no store', () => {
    const ended = (type: 'gone' | 'full' | 'failed') => opening().on({ type: 'opened', result: { type } }).effects
    expect(ended('gone')).toEqual(bye(CLOSE_CODES.sessionGone, 'never'))
    expect(ended('full')).toEqual(bye(CLOSE_CODES.overload, 'resume', 5_000))
    expect(ended('failed')).toEqual(bye(CLOSE_CODES.storeUnavailable, 'resume', 1_000))
    expect(positioning().on(foldFailed).effects).toEqual(bye(CLOSE_CODES.storeUnavailable, 'resume', 1_000))
    expect(positioning().on({ type: 'folded', result: { type: 'gone' } }).effects).toEqual(bye(CLOSE_CODES.sessionGone, 'never'))
    const gone: ReadOutcome = { type: 'gone' }
    expect(positioning(cursorAt(1)).on({ type: 'read', result: gone }).effects).toEqual(bye(CLOSE_CODES.sessionGone, 'never'))
  })
})

describe('where the view stands', () => {
  const WELCOME = {
    type: 'welcome',
    session: SESSION,
    logId: LOG,
    durability: 'fsync',
    lastNumber: 3,
    pingMs: PING_INTERVAL_MS,
    maxInFlight: SENDS_IN_FLIGHT_MAX,
    reconnect: { baseMs: 1_000, capMs: 30_000 },
    ...ALL_WORKS,
  } as const

  test('[S4] on the log: resumed, with the entries after it', () => {
    const play = positioning(cursorAt(5))
    expect(play.effects).toEqual([{ type: 'read', after: cursorAt(5) }])
    expect(play.on(read(5, 7)).effects).toEqual([
      { type: 'report', fact: { type: 'positioned', how: 'resumed', missed: 2 } },
      { type: 'send', frames: [{ ...WELCOME, outcome: 'resumed', head: { seq: 7, id: idOf(7) }, settled: 7 }] },
      { type: 'deliver', entries: [entryAt(6), entryAt(7)] },
      { type: 'read', after: cursorAt(7) },
    ])
  })
  test('[S4] nowhere: a snapshot', () => {
    const play = positioning()
    expect(play.effects).toEqual([{ type: 'fold' }])
    expect(play.on(folded(7)).effects).toEqual([
      { type: 'report', fact: { type: 'positioned', how: 'snapshot', missed: 0 } },
      { type: 'send', frames: [{ ...WELCOME, outcome: 'snapshot', head: { seq: 7, id: idOf(7) }, settled: 7 }] },
      { type: 'show', head: { seq: 7, id: idOf(7) }, items: [], earlier: 0 },
      { type: 'read', after: cursorAt(7) },
    ])
  })
  test('[S4] not on the log: a fork, and a snapshot of the log that there is', () => {
    const play = positioning(cursorAt(5)).on(readFork)
    expect(play.effects).toEqual([{ type: 'fold' }])
    expect(play.on(folded(2, OTHER_LOG)).said).toEqual([
      { ...WELCOME, logId: OTHER_LOG, outcome: 'fork', head: { seq: 2, id: idOf(2) }, settled: 2 },
    ])
  })
  test('[S4] an empty log is shown as it is, and followed', () => {
    const play = positioning().on(folded(0))
    expect(play.said).toMatchObject([{ type: 'welcome', outcome: 'snapshot', head: undefined, settled: 0 }])
    expect(play.effects.at(-1)).toEqual({ type: 'read', after: undefined })
    expect(play.on(read(0, 1)).effects).toEqual([{ type: 'deliver', entries: [entryAt(1)] }])
  })
  test('[S16] the welcome says the level of its moment, and a change is told once', () => {
    const play = positioning().on({ type: 'level', standing: LIMITED }, folded(0))
    expect(play.said).toMatchObject([{ type: 'welcome', ...LIMITED }])
    for (const standing of [
      { ...LIMITED, away: ['link' as const] },
      { ...ALL_WORKS, answersTakeMs: 60_000 },
      { ...LIMITED, level: 'offline' as const, away: ['store' as const] },
    ]) {
      expect(play.on({ type: 'level', standing }).said).toEqual([{ type: 'level', ...standing }])
      expect(play.on({ type: 'level', standing: { ...standing } }).said).toEqual([])
    }
  })
})

describe('questions', () => {
  test('[S6] are given to the log as they were sent, normalised', () => {
    expect(live().on(heard(sendOf(4, '  Why?\r\n'))).effects).toEqual([
      { type: 'ask', question: { messageId: messageIdOf(4), device: DEVICE, number: 4, text: 'Why?', inReplyTo: undefined } },
    ])
  })
  const rejected = { type: 'rejected', messageId: messageIdOf(4), retryAfterMs: undefined, expectedNumber: undefined } as const
  test.each<readonly [string, AskedResult, ServerFrame]>([
    ['conflict', { type: 'conflict' }, { ...rejected, code: 'conflict', temporary: false }],
    ['order', { type: 'order', expected: 2 }, { ...rejected, code: 'order', temporary: true, expectedNumber: 2 }],
    ['overload', { type: 'overload' }, { ...rejected, code: 'overload', temporary: true, retryAfterMs: 5_000 }],
    ['invalid', { type: 'personal' }, { ...rejected, code: 'invalid', temporary: false }],
    ['unavailable', { type: 'switched-off' }, { ...rejected, code: 'unavailable', temporary: true, retryAfterMs: 30_000 }],
    ['rate', { type: 'rate', retryAfterMs: 4_000 }, { ...rejected, code: 'rate', temporary: true, retryAfterMs: 4_000 }],
    ['failed', { type: 'failed' }, { ...rejected, code: 'unavailable', temporary: true, retryAfterMs: 1_000 }],
  ])('[S6][S8] that the log answers with %s are refused with it, and the link lives', (_name, result, frame) => {
    const play = live().on(heard(sendOf(4)), asked(4, result))
    expect([play.said, play.link.status]).toEqual([[frame], 'live'])
    expect(play.effects[0]).toMatchObject({ type: 'report', fact: { type: 'question-refused' } })
  })
  test('[S6] that the log has, now or from before, are accepted with where they stand', () => {
    const duplicate: AskedResult = { type: 'accepted', cursor: cursorAt(2), turnId: TURN, number: 1, duplicate: true }
    const play = live().on(heard(sendOf(4)), asked(4, duplicate))
    expect(play.said).toEqual([{ type: 'accepted', messageId: messageIdOf(4), number: 1, seq: 2, duplicate: true }])
  })
  test('[S6][S14] to a session that is gone are refused before the goodbye', () => {
    const play = live().on(heard(sendOf(4)), asked(4, { type: 'gone' }))
    expect(play.said).toMatchObject([
      { type: 'rejected', code: 'closed', temporary: false },
      { type: 'bye', code: CLOSE_CODES.sessionGone },
    ])
  })
  test('[S7] that are none are refused without asking the log', () => {
    for (const text of ['', ' \n ', 'a\u0000b', 'a'.repeat(2_001)]) {
      const play = live().on(heard(sendOf(4, text)))
      expect(kindsOf(play.effects)).toEqual(['report', 'rejected'])
      expect(play.said).toMatchObject([{ code: 'invalid', temporary: false }])
    }
  })
  test('[S7] beyond eight at once are refused for now, and taken when one is answered', () => {
    const play = live()
    for (let number = 1; number <= SENDS_IN_FLIGHT_MAX; number += 1)
      expect(kindsOf(play.on(heard(sendOf(number))).effects)).toEqual(['ask'])
    expect(play.on(heard(sendOf(9))).said).toMatchObject([{ type: 'rejected', code: 'overload', temporary: true, retryAfterMs: 1_000 }])
    expect(kindsOf(play.on(asked(1, acceptedAt(6)), heard(sendOf(9))).effects)).toEqual(['ask'])
  })
})

describe('following', () => {
  test('[S9] reads once at a time, from what was delivered, and again when it rang meanwhile', () => {
    const play = live().on({ type: 'rung' })
    expect(play.effects).toEqual([{ type: 'read', after: cursorAt(5) }])
    expect(play.on({ type: 'rung' }, { type: 'rung' }).effects).toEqual([])
    expect(play.on(read(5, 6)).effects).toEqual([
      { type: 'deliver', entries: [entryAt(6)] },
      { type: 'read', after: cursorAt(6) },
    ])
    expect(play.on(read(6, 6)).effects).toEqual([])
  })
  test('[S9] reads on while batches come full', () => {
    const play = live().on({ type: 'rung' }, read(5, 5 + READ_ENTRIES_MAX + 1))
    expect(play.effects.at(-1)).toEqual({ type: 'read', after: cursorAt(5 + READ_ENTRIES_MAX) })
  })
  test('[S8] goes on by itself after growing pauses when the store does not answer', () => {
    const play = reading()
    const pauses = Array.from({ length: 7 }, () => {
      const since = play.on(readFailed).now
      play.on(heard({ type: 'pong', n: 1, cursor: undefined }))
      while (play.link.status === 'live' && play.link.delivery.status === 'retrying') {
        play.now = nextDeadline(play.link) ?? play.now
        play.on(TICK)
      }
      expect(play.effects).toEqual([{ type: 'read', after: cursorAt(5) }])
      return play.now - since
    })
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000])
    expect(play.on(read(5, 6), readFailed).link).toMatchObject({ delivery: { failures: 1 } })
  })
  test('[S8] folds again when the fold failed', () => {
    const play = folding().on(foldFailed)
    play.now += 250
    expect(play.on(TICK).effects).toEqual([{ type: 'fold' }])
  })
  test('[S10] looks at the log with every ping, also one that was asked for', () => {
    const play = live()
    play.now = PING_INTERVAL_MS
    expect(kindsOf(play.on(TICK).effects)).toEqual(['ping', 'read'])
    expect(kindsOf(live().on(heard({ type: 'probe' })).effects)).toEqual(['ping', 'read'])
  })
  test('[S14] a log that turns out to be another is announced and shown on the same link, which goes on', () => {
    const play = folding().on(heard(sendOf(4)), folded(2, OTHER_LOG))
    expect(kindsOf(play.effects)).toEqual(['report', 'welcome', 'show', 'read'])
    expect(play.said).toMatchObject([{ outcome: 'fork', logId: OTHER_LOG, head: { seq: 2 } }])
    expect(play.effects.at(-1)).toEqual({ type: 'read', after: cursorAt(2, OTHER_LOG) })
    expect(play.on(asked(4, acceptedAt(3))).said).toMatchObject([{ type: 'accepted', seq: 3 }])
  })
  test('[S14] a session that is gone ends the link for good', () => {
    expect(reading().on({ type: 'read', result: { type: 'gone' } }).effects).toEqual(bye(CLOSE_CODES.sessionGone, 'never'))
    expect(folding().on({ type: 'folded', result: { type: 'gone' } }).effects).toEqual(bye(CLOSE_CODES.sessionGone, 'never'))
  })
})

describe('a slow reader', () => {
  /** Keeps the link alive, as a browser that reads slowly does. */
  const passAlive = (play: ServerLinkPlay, ms: number): readonly LinkEffect[] => {
    const all: LinkEffect[] = []
    for (let passed = 0; passed < ms; passed += SEND_BUFFER_CHECK_MS) {
      all.push(...play.pass(SEND_BUFFER_CHECK_MS), ...play.on(heard({ type: 'pong', n: 1, cursor: undefined })).effects)
    }
    return all
  }
  /** No flood: one token a second is what pongs may cost. */
  const alive = (play: ServerLinkPlay, seconds: number): readonly LinkEffect[] => {
    const all: LinkEffect[] = []
    for (let passed = 0; passed < seconds; passed += 5) {
      all.push(...play.pass(5_000))
      all.push(...play.on(heard({ type: 'pong', n: 1, cursor: undefined })).effects)
    }
    return all
  }
  test('[S11] is not read for until it has taken what it was sent', () => {
    const play = paused()
    expect(kindsOf(alive(play, 10))).toEqual([])
    play.buffered = SEND_BUFFER_PAUSE_BYTES - 1
    expect(play.pass(SEND_BUFFER_CHECK_MS)).toEqual([{ type: 'read', after: cursorAt(5) }])
  })
  test('[S11] that takes something goes on, however slowly', () => {
    const play = paused()
    play.buffered = SEND_BUFFER_PAUSE_BYTES * 10
    for (let look = 0; look < 10; look += 1) {
      play.buffered -= 1
      expect(kindsOf(alive(play, 25))).not.toContain('bye')
    }
  })
  test('[S11][S12] that takes something is there, though its pongs wait behind the rest', () => {
    const play = paused()
    play.buffered = SEND_BUFFER_PAUSE_BYTES * 10
    for (let look = 0; look < 100; look += 1) {
      play.buffered -= 1
      expect(kindsOf(play.pass(1_000))).not.toContain('bye')
    }
    expect(play.pass(LINK_SILENCE_MAX_MS).slice(-2)).toEqual(bye(CLOSE_CODES.silent, 'resume'))
  })
  test('[S11] that takes nothing for thirty seconds is told to come back', () => {
    const play = paused()
    expect(kindsOf(alive(play, SLOW_READER_MAX_MS / 1_000 - 5))).not.toContain('bye')
    expect(alive(play, 5).slice(-2)).toEqual(bye(CLOSE_CODES.slow, 'resume'))
  })
  test('[S13] that sends more than it may is ended for that', () => {
    expect(framesIn(passAlive(paused(), SLOW_READER_MAX_MS))).toContainEqual(expect.objectContaining({ code: CLOSE_CODES.flood }))
  })
})

describe('heartbeats', () => {
  test('[S12] go out every fifteen seconds with where the log stands', () => {
    const play = live()
    const said = [1, 2].map((n) => {
      const frames = framesIn(play.pass(PING_INTERVAL_MS))
      play.on(heard({ type: 'pong', n, cursor: undefined }))
      return frames
    })
    expect(said).toEqual([1, 2].map((n) => [{ type: 'ping', n, head: { seq: 5, id: idOf(5) }, settled: 5 }]))
  })
  test('[S12] never say less of the log than was accepted', () => {
    const play = reading().on(heard(sendOf(4)), asked(4, acceptedAt(7)), heard({ type: 'probe' }))
    expect(play.said).toMatchObject([{ type: 'ping', head: { seq: 7, id: idOf(7) } }])
  })
  test('[S12] a browser that is silent is ended, wherever its link stands', () => {
    for (const begin of [opening, () => positioning(), live, reading, folding, retrying, paused]) {
      const play = begin()
      const effects = play.pass(LINK_SILENCE_MAX_MS)
      expect(effects.slice(-2)).toEqual(bye(CLOSE_CODES.silent, 'resume'))
      expect([play.now, play.link]).toEqual([LINK_SILENCE_MAX_MS, { status: 'closed' }])
    }
  })
})

describe('what a browser may not', () => {
  test('[S13] frames that do not parse are reported, and the third ends the link', () => {
    const play = live()
    for (let strike = 1; strike < FRAME_STRIKES_MAX; strike += 1) {
      expect(play.on(GARBAGE).effects).toEqual([{ type: 'report', fact: { type: 'frame-refused', problem: 'not JSON' } }])
    }
    const [, ...ending] = play.on(GARBAGE).effects
    expect(ending).toEqual(bye(CLOSE_CODES.protocol, 'never'))
  })
  test('[S13] as many frames at once as are allowed, and not one more', () => {
    const pong: ClientFrame = { type: 'pong', n: 1, cursor: undefined }
    const play = new ServerLinkPlay().on(heard(HELLO, ...Array.from({ length: FRAMES_BURST_MAX - 1 }, () => pong)))
    expect(play.link.status).toBe('opening')
    expect(play.on(heard(pong)).said).toMatchObject([{ type: 'bye', code: CLOSE_CODES.flood, retry: 'never' }])
  })
  test('[S13] after a pause as many at once again, and not one more', () => {
    const pong: ClientFrame = { type: 'pong', n: 1, cursor: undefined }
    const play = live()
    for (let minute = 0; minute < 60_000; minute += 10_000) {
      play.now += 10_000
      play.on(heard(pong))
    }
    play.now += 10_000
    const burst = Array.from({ length: FRAMES_BURST_MAX }, () => pong)
    expect(play.on(heard(...burst)).link.status).toBe('live')
    expect(play.on(heard(pong)).link.status).toBe('closed')
  })
  test('[S13] frames at the allowed rate go on for ever', () => {
    const play = live()
    for (let count = 0; count < FRAMES_PER_MINUTE_MAX * 10; count += 1) {
      play.now += 60_000 / FRAMES_PER_MINUTE_MAX
      play.on(heard({ type: 'pong', n: 1, cursor: undefined }))
    }
    expect(play.link.status).toBe('live')
  })
})

describe('the end', () => {
  test('[S15] a link is asked to move, and ended when the process goes', () => {
    const play = live().on({ type: 'drain', afterMs: 1, windowMs: 2, deadlineMs: 3 })
    expect(play.said).toEqual([{ type: 'drain', afterMs: 1, windowMs: 2, deadlineMs: 3 }])
    expect(play.on({ type: 'end', reason: 'drain', afterMs: 0 }).effects).toEqual(bye(CLOSE_CODES.drain, 'resume'))
  })
  test('[S17] is final: nothing is due and nothing has an effect', () => {
    const play = live().on({ type: 'closed' })
    expect(nextDeadline(play.link)).toBeUndefined()
    for (const event of [heard(HELLO), opened, read(5, 6), folded(5), TICK]) expect(play.on(event).effects).toEqual([])
    expect(play.link).toEqual({ status: 'closed' })
  })
})
