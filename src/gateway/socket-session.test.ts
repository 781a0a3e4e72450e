import { describe, expect, test } from 'vitest'
import { fold } from '../conversation/conversation.ts'
import type { VisitorId } from '../conversation/ids.ts'
import {
  DRAIN_WINDOW_MIN_MS,
  HELLO_TIMEOUT_MS,
  LINKS_PER_SESSION_MAX,
  MESSAGE_CHARS_SENT_MAX,
  PING_INTERVAL_MS,
  SEND_BUFFER_PAUSE_BYTES,
  SENDS_IN_FLIGHT_MAX,
  SLOW_READER_MAX_MS,
} from '../conversation/limits.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { formatFrames } from '../protocol/parse-frame.ts'
import type { ClientFrame } from '../protocol/protocol.ts'
import { nameOf, SocketSessionPlay } from '../testing/socket-session-play.ts'
import { renderBlocks } from './render-answer.ts'
import type { SocketSession } from './socket-session.ts'

describe('blocks', () => {
  const ANSWER = ['First.\n\nSec', 'ond.\n\nThird.']

  test('[S18] each goes out once, after the entry that completed it and in the same message', async () => {
    const play = await SocketSessionPlay.create()
    const { socket } = await play.open()
    await play.ask()
    await play.begin()
    await play.say(ANSWER.slice(0, 1))
    await play.say(ANSWER.slice(1), ANSWER.join(''))
    const messages = socket.said.map((frames) => frames.map(nameOf)).filter((names) => names.some((name) => name.startsWith('block')))
    expect(messages).toEqual([
      ['entry 3 answer-part', 'block 0'],
      ['entry 4 answer-part', 'block 1'],
      ['entry 5 turn-ended', 'block 2'],
    ])
    const sent = socket.frames.flatMap((frame) => (frame.type === 'block' ? [{ html: frame.html, upTo: frame.upTo }] : []))
    expect(sent).toEqual(renderBlocks(ANSWER.join(''), true).map(({ html, upTo }) => ({ html, upTo })))
  })

  test('[S18] wherever a browser resumes, it gets the rest, and all blocks of an answer it was in the middle of', async () => {
    const play = await SocketSessionPlay.create()
    await play.ask()
    await play.begin()
    await play.say(ANSWER, ANSWER.join(''))
    const expected = [
      ['entry 2 turn-started', 'entry 3 answer-part', 'block 0', 'entry 4 answer-part', 'block 1', 'entry 5 turn-ended', 'block 2'],
      ['entry 3 answer-part', 'block 0', 'entry 4 answer-part', 'block 1', 'entry 5 turn-ended', 'block 2'],
      // From here on the beginning has to be read again for them.
      ['entry 4 answer-part', 'block 0', 'block 1', 'entry 5 turn-ended', 'block 2'],
      ['entry 5 turn-ended', 'block 0', 'block 1', 'block 2'],
      [],
    ]
    for (const [index, rest] of expected.entries()) {
      const { socket } = await play.open(await play.cursorAt(index + 1))
      expect(socket.take()).toEqual(['welcome resumed', ...rest])
    }
  })

  test('[S18] a browser that resumed in the middle of an answer is not read for from the start again', async () => {
    const play = await SocketSessionPlay.create()
    await play.ask()
    await play.begin()
    await play.say(['First.\n\n'])
    await play.open(await play.cursorAt(3))
    await play.say(['Second.\n\n'])
    const reads = play.log.count('read')
    await play.say(['Third.\n\n'])
    expect(play.log.count('read') - reads).toBeLessThanOrEqual(1)
  })

  test('[S18] a snapshot is followed by the blocks of its answers, in the same message, and they are not sent again', async () => {
    const play = await SocketSessionPlay.create()
    await play.ask()
    await play.begin()
    await play.say(['First.\n\nSec'])
    const { socket } = await play.open()
    expect(socket.said.map((frames) => frames.map(nameOf))).toEqual([['welcome snapshot'], ['snapshot', 'block 0']])
    socket.take()
    await play.say(['ond.\n\nThird.'])
    expect(socket.take()).toEqual(['entry 4 answer-part', 'block 1'])
  })

  test('[S18] what is ready together goes in messages of a moderate size, each entry with its blocks', async () => {
    const play = await SocketSessionPlay.create()
    await play.ask()
    await play.begin()
    const paragraph = `${'word '.repeat(800)}\n\n`
    await play.say(Array.from({ length: 30 }, () => paragraph))
    const { socket } = await play.open(await play.cursorAt(2))
    const sizes = socket.messages.map((message) => message.length)
    expect(sizes.length).toBeGreaterThan(10)
    expect(sizes.filter((size) => size > MESSAGE_CHARS_SENT_MAX)).toEqual([])
    for (const frames of socket.said) expect(frames[0]?.type === 'block').toBe(false)
    expect(socket.take().filter((name) => name.startsWith('entry'))).toHaveLength(30)
  })
})

describe('a store that fails', () => {
  test('[S19][S8] refuses questions for now, is reported, and the link goes on when it is back', async () => {
    const play = await SocketSessionPlay.create()
    const { socket, session } = await play.open()
    socket.take()
    play.log.fault('refuses')
    const question = play.question()
    session.received(formatFrames([question]))
    await play.clock.settle()
    expect(socket.take()).toEqual(['rejected unavailable'])
    expect(play.events.of('storeFailed')).toEqual([{ kind: 'link', cause: expect.any(LogError) }])
    play.log.fault(undefined)
    session.received(formatFrames([question]))
    await play.clock.settle()
    expect(socket.take().toSorted()).toEqual(['accepted', 'entry 1 message'])
  })

  test('[S19][S8] costs a live link nothing but time', async () => {
    const play = await SocketSessionPlay.create()
    const { socket } = await play.open()
    socket.take()
    play.log.fault('refuses', ['read'])
    await play.ask()
    await play.clock.advance(4_000)
    expect(play.events.of('storeFailed').length).toBeGreaterThan(2)
    expect(socket.take()).toEqual([])
    play.log.fault(undefined, ['read'])
    await play.clock.advance(5_000)
    expect(socket.take()).toEqual(['entry 1 message'])
  })

  test.each(['findSession', 'lastNumber', 'read'] as const)('[S19][S3] ends a link that is only being opened: %s', async (command) => {
    const play = await SocketSessionPlay.create()
    play.log.fault('refuses', [command])
    const { socket, session } = await play.open()
    expect([socket.take(), socket.codes]).toEqual([[`bye ${CLOSE_CODES.storeUnavailable}`], [CLOSE_CODES.storeUnavailable]])
    session.closed(CLOSE_CODES.storeUnavailable)
    expect([play.log.listeners, play.clock.waiting]).toEqual([0, 0])
  })

  test('[S19] does not keep a wish to stop from being reported', async () => {
    const play = await SocketSessionPlay.create()
    const { session } = await play.open()
    await play.ask()
    await play.begin()
    play.log.fault('refuses', ['stop'])
    const turnId = play.claim?.turnId
    if (turnId === undefined) throw new Error('no turn')
    session.received(formatFrames([{ type: 'stop', turnId }]))
    await play.clock.settle()
    expect(play.events.of('storeFailed')).toHaveLength(1)
    play.log.fault(undefined, ['stop'])
    session.received(formatFrames([{ type: 'stop', turnId }]))
    await play.clock.settle()
    expect(play.events.of('stopRequested')).toEqual([{ session: play.session, turn: turnId }])
  })
})

test('[S19] frames go out in the order they were decided, however long an effect takes', async () => {
  const play = await SocketSessionPlay.create()
  const { socket, session } = await play.open()
  socket.take()
  play.log.fault('holds')
  const questions = Array.from({ length: SENDS_IN_FLIGHT_MAX }, (_unused, index) => play.question(1, `${index}?`))
  const [first] = questions
  const asDevice = (number: number, frame: ClientFrame): ClientFrame => ({ ...frame, number }) as ClientFrame
  session.received(formatFrames(questions.map((frame, index) => asDevice(index + 1, frame))))
  session.received(formatFrames([{ type: 'probe' }]))
  await play.clock.settle()
  expect(socket.take()).toEqual(['ping'])
  play.log.fault(undefined)
  await play.clock.settle()
  const { frames } = socket
  expect(frames.flatMap((frame) => (frame.type === 'accepted' ? [frame.number] : []))).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(frames.flatMap((frame) => (frame.type === 'entry' ? [frame.entry.seq] : []))).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(first?.type).toBe('send')
})

test('[S19] a fault of ours ends this link, which comes back, and nothing else', async () => {
  const play = await SocketSessionPlay.create()
  const other = await play.open()
  const cause = new TypeError('a renderer that is broken')
  play.blocks = {
    of: () => {
      throw cause
    },
  }
  const { socket, session } = await play.open()
  await play.ask()
  await play.begin()
  await play.say(['Word.\n\n'])
  expect(socket.codes).toEqual([1011])
  expect(play.events.of('requestFailed')).toEqual([{ method: 'GET', route: '/ws', status: 500, reference: '', cause }])
  socket.take()
  session.received(formatFrames([{ type: 'probe' }]))
  session.closed(1011)
  expect(socket.take()).toEqual([])
  other.socket.take()
  other.session.received(formatFrames([{ type: 'probe' }]))
  expect(other.socket.take()).toEqual(['ping'])
})

describe('the end', () => {
  test('[S20] leaves no timer, bell or place behind, in whatever the link was doing', async () => {
    const play = await SocketSessionPlay.create()
    const ways: readonly (() => Promise<SocketSession>)[] = [
      async () => play.link().session,
      async () => {
        play.log.fault('holds')
        const { session } = play.link()
        session.received(formatFrames([play.hello()]))
        return session
      },
      async () => {
        play.log.fault('holds', ['lastNumber'])
        return (await play.open()).session
      },
      async () => {
        play.log.fault('holds', ['read'])
        return (await play.open()).session
      },
      async () => (await play.open()).session,
      async () => {
        const { session } = await play.open()
        play.log.fault('holds')
        session.received(formatFrames([play.question()]))
        return session
      },
    ]
    for (const way of ways) {
      const session = await way()
      session.closed(1006)
      play.log.fault(undefined)
      await play.clock.settle()
      expect([play.log.listeners, play.clock.waiting]).toEqual([0, 0])
    }
    const places = Array.from({ length: LINKS_PER_SESSION_MAX }, () => play.admission.joinSession(play.session))
    expect(places.map(({ ok }) => ok)).toEqual(places.map(() => true))
    expect(play.events.of('linkClosed')).toHaveLength(ways.length)
  })

  test('[S20] a link that is refused holds no place', async () => {
    const play = await SocketSessionPlay.create()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any text of the form will do
    const stranger = play.link('somebody-somebody-else' as VisitorId)
    stranger.session.received(formatFrames([play.hello()]))
    await play.clock.settle()
    expect(stranger.socket.take()).toEqual([`bye ${CLOSE_CODES.sessionGone}`])
    const open = await Promise.all(Array.from({ length: LINKS_PER_SESSION_MAX }, () => play.open()))
    const { socket } = await play.open()
    expect(socket.take()).toEqual([`bye ${CLOSE_CODES.overload}`])
    open[0]?.session.closed(1001)
    expect((await play.open()).socket.take()).toEqual(['welcome snapshot', 'snapshot'])
  })

  test('[S15][S20] a process that drains says goodbye to every link, and to those that come later', async () => {
    const play = await SocketSessionPlay.create()
    const { socket } = await play.open()
    socket.take()
    play.leaving.abort()
    expect([socket.take(), socket.codes]).toEqual([[`bye ${CLOSE_CODES.drain}`], [CLOSE_CODES.drain]])
    expect(play.link().socket.take()).toEqual([`bye ${CLOSE_CODES.drain}`])
  })

  test('[S21] a process that drains asks each link once to move, one that becomes live later within what is left of the time', async () => {
    const play = await SocketSessionPlay.create()
    const { socket } = await play.open()
    const late = play.link()
    socket.take()
    void play.drain.begin(25_000)
    expect(socket.frames).toEqual([{ type: 'drain', afterMs: 0, windowMs: DRAIN_WINDOW_MIN_MS, deadlineMs: 25_000 }])
    expect(late.socket.frames).toEqual([])
    await play.clock.advance(400)
    late.session.received(formatFrames([play.hello()]))
    await play.clock.settle()
    expect(late.socket.frames.at(-1)).toEqual({ type: 'drain', afterMs: 0, windowMs: DRAIN_WINDOW_MIN_MS - 400, deadlineMs: 24_600 })
    play.level = 'limited'
    await play.clock.advance(PING_INTERVAL_MS)
    expect(socket.take()).toEqual(['drain', 'ping', 'level'])
    late.session.closed(1000)
  })

  test('[S21] where nobody else serves the log, no link is asked to move', async () => {
    const play = await SocketSessionPlay.create(false)
    const { socket } = await play.open()
    socket.take()
    await play.drain.begin(25_000)
    await play.clock.settle()
    expect(socket.take()).toEqual([])
  })

  test('[S1][S20] a socket that says nothing is ended by the clock alone', async () => {
    const play = await SocketSessionPlay.create()
    const { socket } = play.link()
    await play.clock.advance(HELLO_TIMEOUT_MS)
    expect([socket.take(), socket.codes, play.clock.waiting]).toEqual([[`bye ${CLOSE_CODES.silent}`], [CLOSE_CODES.silent], 0])
  })
})

test('[S16] a change of the level is told with whatever happens next, at the latest with the next ping', async () => {
  const play = await SocketSessionPlay.create()
  play.level = 'limited'
  const { socket } = await play.open()
  expect(socket.frames[0]).toMatchObject({ type: 'welcome', level: 'limited' })
  socket.take()
  play.level = 'full'
  await play.clock.advance(PING_INTERVAL_MS)
  expect(socket.take()).toEqual(['ping', 'level'])
})

test('[S10] a bell that was missed costs one interval', async () => {
  const play = await SocketSessionPlay.create()
  const { socket } = await play.open()
  socket.take()
  play.log.deafen(true)
  await play.ask()
  expect(socket.take()).toEqual([])
  await play.clock.advance(PING_INTERVAL_MS)
  expect(socket.take()).toEqual(['ping', 'entry 1 message'])
})

test('[S11] a full socket is not read for, and its browser has everything once it reads', async () => {
  const play = await SocketSessionPlay.create()
  const { socket } = await play.open()
  socket.take()
  socket.bufferedAmount = SEND_BUFFER_PAUSE_BYTES
  await play.ask()
  const reads = play.log.count('read')
  await play.begin()
  await play.clock.advance(1_000)
  expect([socket.take(), play.log.count('read')]).toEqual([[], reads])
  socket.bufferedAmount = 0
  await play.clock.advance(1_000)
  expect(socket.take()).toEqual(['entry 1 message', 'entry 2 turn-started'])
})

test('[S11] a browser that takes nothing is told to come back, and has everything then', async () => {
  const play = await SocketSessionPlay.create()
  const { socket, session } = await play.open()
  socket.take()
  const cursor = await play.ask().then(() => play.cursorAt(1))
  socket.take()
  socket.bufferedAmount = SEND_BUFFER_PAUSE_BYTES
  await play.begin()
  for (let passed = 0; passed < SLOW_READER_MAX_MS; passed += 5_000) {
    session.received(formatFrames([{ type: 'pong', n: 1, cursor }]))
    await play.clock.advance(5_000)
  }
  await play.clock.advance(1_000)
  expect([socket.take().at(-1), socket.codes]).toEqual([`bye ${CLOSE_CODES.slow}`, [CLOSE_CODES.slow]])
  session.closed(CLOSE_CODES.slow)
  expect([play.log.listeners, play.clock.waiting]).toEqual([0, 0])
  expect((await play.open(cursor)).socket.take()).toEqual(['welcome resumed', 'entry 2 turn-started'])
})

test('[S14] a session that is deleted ends its links at once and for good, whatever they were doing', async () => {
  const play = await SocketSessionPlay.create()
  const links = [await play.open(), await play.open()]
  await play.ask()
  await play.begin()
  for (const { socket } of links) socket.take()
  await play.log.deleteSession(play.session)
  await play.clock.settle()
  for (const { socket, session } of links) {
    expect([socket.take(), socket.codes]).toEqual([[`bye ${CLOSE_CODES.sessionGone}`], [CLOSE_CODES.sessionGone]])
    session.received(formatFrames([play.question()]))
    expect(socket.take()).toEqual([])
    session.closed(CLOSE_CODES.sessionGone)
  }
  expect([play.log.listeners, play.clock.waiting]).toEqual([0, 0])
})

test('[S6][S9] two tabs of one session see the same, and each is answered for its own questions', async () => {
  const play = await SocketSessionPlay.create()
  const tabs = [await play.open(), await play.open()] as const
  const [one, other] = tabs
  for (const { socket } of tabs) socket.take()
  one.session.received(formatFrames([play.question(1, 'From one?')]))
  other.session.received(formatFrames([play.question(1, 'From the other?')]))
  await play.clock.settle()
  const entriesOf = ({ socket }: typeof one) => socket.frames.flatMap((frame) => (frame.type === 'entry' ? [frame.entry] : []))
  const read = await play.log.read(play.session, undefined, 256)
  expect(tabs.map(entriesOf)).toEqual(tabs.map(() => (read.type === 'entries' ? read.entries : undefined)))
  const accepted = ({ socket }: typeof one) => socket.frames.flatMap((frame) => (frame.type === 'accepted' ? [frame.seq] : []))
  expect(tabs.map(accepted)).toEqual([[1], [2]])
})

test('[S4][S5] what a link shows is the fold of the log', async () => {
  const play = await SocketSessionPlay.create()
  await play.ask()
  await play.begin()
  await play.say(['Half of '])
  const { socket } = await play.open()
  await play.say(['it.'], 'Half of it.')
  const [, snapshot, ...rest] = socket.frames
  if (snapshot?.type !== 'snapshot') throw new Error('no snapshot')
  const shown = fold(
    rest.flatMap((frame) => (frame.type === 'entry' ? [frame.entry] : [])),
    { head: snapshot.head, items: snapshot.items },
  )
  const read = await play.log.read(play.session, undefined, 256)
  expect(shown).toEqual(read.type === 'entries' ? fold(read.entries) : undefined)
})
