import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { formatCursor, mintLogId, type Cursor } from '../conversation/ids.ts'
import { EVENT_STREAM_MAX_MS, PING_INTERVAL_MS, READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { ALL_WORKS } from '../protocol/protocol.ts'
import {
  createSwitched,
  delegate,
  eventsIn,
  idOf,
  logIdOf,
  names,
  placeAfter,
  StreamPlay as Play,
  VISITOR,
  type SentEvent,
} from '../testing/event-stream-play.ts'
import { createAnswerBlocks } from './answer-blocks.ts'
import { EVENT_STREAM_EVENTS, eventStream } from './event-stream.ts'

const LEVEL_FIRST: SentEvent = { event: 'level', id: undefined, data: { level: 'full' } }
const EMPTY_SNAPSHOT: SentEvent = { event: 'snapshot', id: '', data: { items: [], earlier: 0 } }
describe('following', () => {
  test('[H40] an empty session is shown as it is, and then every entry as it is appended', async () => {
    const play = await Play.create()
    const reader = play.open()
    expect(await reader.events()).toEqual([LEVEL_FIRST, { event: 'snapshot', id: '', data: { items: [], earlier: 0 } }])
    const cursor = await play.ask('Where is my form?')
    const read = await play.log.read(play.session, undefined, 10)
    const [entry] = read.type === 'entries' ? read.entries : []
    expect(await reader.events()).toEqual([{ event: 'entry', id: formatCursor(cursor), data: JSON.parse(JSON.stringify(entry)) }])
    expect(play.positions).toEqual(['snapshot'])
  })

  test('[H40] after a cursor come the entries that follow it, however many there are', async () => {
    const play = await Play.create()
    const first = await play.ask('One?')
    await play.answer(...Array.from({ length: READ_ENTRIES_MAX * 2 }, (_, index) => `part ${index} `))
    const events = await play.open(first).events()
    const seqs = events.flatMap(({ event, data }) => (event === 'entry' ? [Number(Object(data).seq)] : []))
    expect(seqs).toEqual(Array.from({ length: READ_ENTRIES_MAX * 2 + 2 }, (_, index) => index + 2))
    expect(play.positions).toEqual(['resumed'])
  })

  test('[H40][H42] wherever a stream is cut, resuming gives the rest and leaves out nothing', async () => {
    const play = await Play.create()
    await play.ask('One?')
    await play.answer('First paragraph.\n\nSecond', ' paragraph.\n\nThird.')
    await play.ask('Two?')
    const whole = eventsIn(await play.open({ logId: await logIdOf(play), seq: 1, id: await idOf(play, 1) }).text())
    for (let cut = 1; cut <= whole.length; cut += 1) {
      const had = whole.slice(0, cut)
      const place = placeAfter(had)
      const seq = place === undefined ? 1 : Number(place.split('.')[1])
      const rest = await play.open({ logId: await logIdOf(play), seq, id: await idOf(play, seq) }).events()
      const seen = new Set(JSON.stringify([...had, ...rest].map(({ data }) => data)).match(/"seq":\d+|"index":\d+,"html"/g))
      expect(seen).toEqual(new Set(JSON.stringify(whole.map(({ data }) => data)).match(/"seq":\d+|"index":\d+,"html"/g)))
    }
  })

  test('[H42] blocks follow the entry that completed them, each once, and the last of them carries the place', async () => {
    const play = await Play.create()
    const reader = play.open()
    await reader.events()
    await play.ask('One?')
    await play.answer('First.\n\nSecond.\n\nThi', 'rd.')
    const events = await reader.events()
    const said = names(events)
    expect(said.filter((name) => name.startsWith('block'))).toEqual(['block 0', 'block 1', 'block 2'])
    expect(said.indexOf('block 0')).toBe(said.indexOf('entry answer-part') + 1)
    expect(said.slice(0, 2)).toEqual(['entry message', 'entry turn-started'])
    expect(said.at(-1)).toBe('block 2')
    // The last event before the next entry, and only that one, says where to resume.
    const isLast = events.map((_event, index) => events[index + 1]?.event !== 'block')
    expect(events.map(({ id }) => id !== undefined)).toEqual(isLast)
    expect(events.flatMap(({ id }) => (id === undefined ? [] : [id.split('.')[1]]))).toEqual(['1', '2', '3', '4', '5'])
    expect(events[3]?.data).toEqual({
      turnId: expect.any(String),
      attempt: 1,
      index: 0,
      html: expect.stringContaining('First.'),
      upTo: expect.any(Number),
    })
  })

  test('[H42] a snapshot brings the blocks of its answers, and only the last of them the place', async () => {
    const play = await Play.create()
    await play.ask('One?')
    await play.answer('First.\n\nSecond.')
    const events = await play.open().events()
    expect(names(events)).toEqual(['level', 'snapshot', 'block 0', 'block 1'])
    expect(events.map(({ id }) => id?.split('.')[1])).toEqual([undefined, undefined, undefined, '4'])
  })
})

describe('a cursor that is not on the log', () => {
  test('[H41] is taken away, and a snapshot shows the log', async () => {
    const play = await Play.create()
    const { logId, seq } = await play.ask('One?')
    const elsewhere = { logId, seq, id: '0'.repeat(24) as Cursor['id'] }
    const beyond = { ...(await play.ask('Two?')), seq: 9 }
    const another = { ...elsewhere, logId: mintLogId((count) => play.random.bytes(count)) }
    for (const after of [elsewhere, beyond, another, 'unknown'] as const) {
      const events = await play.open(after).events()
      expect(names(events)).toEqual(['level', 'fork', 'snapshot'])
      expect(events.map(({ id }) => id?.split('.')[1])).toEqual([undefined, undefined, '2'])
      expect(events[1]).toEqual({ event: 'fork', id: '', data: {} })
    }
    expect(play.positions).toEqual(['fork', 'fork', 'fork', 'fork'])
  })

  test('[H41] is found in the middle of a stream, too, and the stream goes on with the log as it is', async () => {
    const play = await Play.create()
    const switched = createSwitched(play.log)
    const reader = play.open(undefined, switched.log)
    await play.ask('One?')
    await play.ask('Two?')
    await reader.events()
    const another = createMemoryLog({ clock: play.clock, random: (count) => play.random.bytes(count) })
    await another.createSession({ id: play.session, visitor: VISITOR, ttlMs: 3_600_000 })
    switched.to(another)
    await play.ask('Rings the bell.')
    expect(names(await reader.events())).toEqual(['fork', 'snapshot'])
    await play.clock.advance(PING_INTERVAL_MS)
    expect(await reader.events()).toEqual([])
    expect(play.positions).toEqual(['snapshot'])
  })
})

describe('a stream', () => {
  test('[H43] says how soon to come back, and is heard of every 15 seconds', async () => {
    const play = await Play.create()
    const reader = play.open()
    expect(await reader.text()).toMatch(/^retry: 1000\n\n/)
    await play.clock.advance(PING_INTERVAL_MS - 1)
    expect(await reader.text()).toBe('')
    await play.clock.advance(1)
    expect(await reader.text()).toBe(':\n\n')
    await play.clock.advance(PING_INTERVAL_MS)
    expect(await reader.text()).toBe(':\n\n')
  })

  test('[H43] that missed its bell has the entry one heartbeat later', async () => {
    const play = await Play.create()
    const reader = play.open(undefined, { ...delegate(play.log), onAppend: () => () => undefined })
    await reader.events()
    await play.ask('One?')
    expect(await reader.events()).toEqual([])
    await play.clock.advance(PING_INTERVAL_MS)
    expect(names(await reader.events())).toEqual(['entry message'])
  })

  test('[H44] ends when its session is deleted, from the first event on or later', async () => {
    const play = await Play.create()
    const cursor = await play.ask('One?')
    const readers = [play.open(), play.open(cursor)]
    await Promise.all(readers.map((reader) => reader.events()))
    await play.log.deleteSession(play.session)
    await play.clock.advance(PING_INTERVAL_MS)
    for (const reader of [...readers, play.open(), play.open(cursor), play.open('unknown')]) expect(await reader.text()).toMatch(/end$/)
    expect(play.clock.waiting).toBe(0)
  })

  test('[H44] leaves no timer and no listener behind when it is ended, wherever it stands', async () => {
    const play = await Play.create()
    let listening = 0
    const counted: ConversationLog = {
      ...delegate(play.log),
      onAppend: (session, bell) => {
        listening += 1
        const stop = play.log.onAppend(session, bell)
        return () => {
          listening -= 1
          stop()
        }
      },
    }
    const waiting = play.open(undefined, counted)
    await waiting.events()
    expect([play.clock.waiting, listening]).toEqual([1, 1])
    play.over.abort()
    expect(await waiting.text()).toBe('end')
    expect([play.clock.waiting, listening]).toEqual([0, 0])
    expect(await play.open(undefined, counted).text()).toMatch(/end$/)
    expect([play.clock.waiting, listening]).toEqual([0, 0])
  })

  test('[H45] that nobody reads reads nothing', async () => {
    const play = await Play.create()
    let reads = 0
    const log: ConversationLog = {
      ...delegate(play.log),
      read: (...query) => {
        reads += 1
        return play.log.read(...query)
      },
    }
    const blocks = createAnswerBlocks()
    const ports = { log, clock: play.clock, standing: () => ALL_WORKS, blocks, drain: play.drain }
    const { signal } = play.over
    const stream = eventStream(ports, { session: play.session, after: await play.ask('One?'), signal, onPositioned: () => undefined })
    await stream.next()
    const before = reads
    await play.answer('One. ', 'Two. ', 'Three. ')
    await play.clock.advance(EVENT_STREAM_MAX_MS)
    expect(reads).toBe(before)
    await stream.next()
    await stream.next()
    // What was known when it stood at the cursor, and one batch of entries for all that followed.
    expect(reads).toBe(before + 2)
    await stream.return()
  })

  test('[H46] says when the service level changes, at the latest with the next heartbeat', async () => {
    const play = await Play.create()
    play.level = 'limited'
    const reader = play.open()
    expect(await reader.events()).toEqual([{ ...LEVEL_FIRST, data: { level: 'limited' } }, EMPTY_SNAPSHOT])
    play.level = 'full'
    await play.clock.advance(PING_INTERVAL_MS)
    expect(await reader.events()).toEqual([LEVEL_FIRST])
    await play.clock.advance(PING_INTERVAL_MS)
    expect(await reader.events()).toEqual([])
  })

  test('[H46] says so at once when it is told of the change, and stops listening at its end', async () => {
    const play = await Play.create()
    play.levelListeners = new Set()
    const reader = play.open()
    await reader.events()
    play.level = 'limited'
    for (const tell of play.levelListeners) tell()
    expect(await reader.events()).toEqual([{ ...LEVEL_FIRST, data: { level: 'limited' } }])
    play.away = ['link']
    for (const tell of play.levelListeners) tell()
    expect(await reader.events()).toEqual([{ ...LEVEL_FIRST, data: { level: 'limited', away: ['link'] } }])
    expect(play.levelListeners.size).toBe(1)
    play.over.abort()
    expect([await reader.text(), play.levelListeners.size]).toEqual(['end', 0])
  })

  test('[H47] whose store fails ends with that failure and leaves nothing behind', async () => {
    const play = await Play.create()
    const failure = new LogError('unavailable', 'the store is away')
    const stream = play.open(undefined, { ...delegate(play.log), read: () => Promise.reject(failure) })
    await expect(stream.text()).rejects.toBe(failure)
    expect(play.clock.waiting).toBe(0)
  })
})

test('[P6] PROTOCOL.md lists the events of a stream, and no others', () => {
  const page = readFileSync(fileURLToPath(new URL('../../PROTOCOL.md', import.meta.url)), 'utf8')
  const section = page.slice(page.indexOf('## 17. Server-sent events'))
  const listed = [...section.matchAll(/^\| `(.+?)` \|/gm)].map(([, name = '']) => name)
  expect(listed.toSorted()).toEqual([...EVENT_STREAM_EVENTS].toSorted())
})
