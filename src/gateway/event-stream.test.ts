import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import type { ConversationLog, Session } from '../conversation-log/conversation-log.ts'
import { LogError } from '../conversation-log/log-error.ts'
import type { TurnBody } from '../conversation/entry.ts'
import {
  formatCursor,
  mintLogId,
  mintMessageId,
  mintSessionId,
  SERVER_DEVICE,
  mintDeviceId,
  type Cursor,
  type DeviceId,
  type SessionId,
  type VisitorId,
} from '../conversation/ids.ts'
import { EVENT_STREAM_MAX_MS, PING_INTERVAL_MS, READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { createAnswerBlocks } from './answer-blocks.ts'
import { parseServerFrames } from '../protocol/parse-frame.ts'
import { EVENT_STREAM_EVENTS, eventStream, type EventStreamRequest } from './event-stream.ts'
import { MOVE_ON } from './held-response.ts'
import type { ServiceLevel } from './gateway-context.ts'

const VISITOR = 'visitor-of-the-stream' as VisitorId

interface SentEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: unknown
}

/** A log with one session, and streams on it that are pulled by hand. */
class Play {
  readonly clock: SimulatedClock = createSimulatedClock()
  readonly random = seededRandom(5)
  readonly log: ConversationLog
  readonly session: SessionId
  readonly over = new AbortController()
  readonly positions: string[] = []
  level: ServiceLevel = 'full'
  /** Who wants to hear of changes of the level, when anybody tells. */
  levelListeners: Set<() => void> | undefined

  private constructor() {
    const bytes = (count: number): Uint8Array => this.random.bytes(count)
    this.log = createMemoryLog({ clock: this.clock, random: bytes })
    this.session = mintSessionId(bytes)
  }

  static async create(): Promise<Play> {
    const play = new Play()
    await play.log.createSession({ id: play.session, visitor: VISITOR, ttlMs: 3_600_000 })
    return play
  }

  async ask(text: string): Promise<Cursor> {
    const messageId = mintMessageId(this.clock.now(), (count) => this.random.bytes(count))
    const asked = await this.log.ask(this.session, { messageId, device: SERVER_DEVICE, number: undefined, text, inReplyTo: undefined })
    if (asked.type !== 'accepted') throw new Error(asked.type)
    return asked.cursor
  }

  async answer(...texts: readonly string[]): Promise<void> {
    const [claim] = await this.log.claim('test', 60_000, 1)
    if (claim === undefined) throw new Error('no question is open')
    const { turnId, fence } = claim
    const parts = texts.map((text, index): TurnBody => ({ kind: 'answer-part', turnId, attempt: 1, index, persona: undefined, text }))
    await this.log.write(claim, [{ kind: 'turn-started', turnId, attempt: 1, fence }])
    for (const part of parts) await this.log.write(claim, [part])
    const chars = texts.join('').length
    await this.log.write(claim, [
      {
        kind: 'turn-ended',
        turnId,
        attempt: 1,
        outcome: 'complete',
        reason: undefined,
        parts: parts.length,
        chars,
        sha256: '0'.repeat(64),
      },
    ])
  }

  open(after?: EventStreamRequest['after'], log: ConversationLog = this.log, device?: DeviceId): Reader {
    const blocks = createAnswerBlocks()
    const { levelListeners } = this
    const onLevelChange = (listener: () => void): (() => void) => {
      levelListeners?.add(listener)
      return () => void levelListeners?.delete(listener)
    }
    const ports = { log, clock: this.clock, level: () => this.level, onLevelChange, blocks }
    const stream = eventStream(ports, {
      session: this.session,
      after,
      device,
      signal: this.over.signal,
      onPositioned: (how) => this.positions.push(how),
    })
    return new Reader(this.clock, stream)
  }
}

class Reader {
  readonly #clock: SimulatedClock
  readonly #stream: AsyncGenerator<string, void, void>
  #pending: Promise<IteratorResult<string, void>> | undefined

  constructor(clock: SimulatedClock, stream: AsyncGenerator<string, void, void>) {
    this.#clock = clock
    this.#stream = stream
    onTestFinished(() => void stream.return())
  }

  /** Everything that is sent without time passing, until nothing more is; `end` at the end. */
  async text(): Promise<string> {
    let text = ''
    for (;;) {
      this.#pending ??= this.#stream.next()
      const nothing = this.#clock.settle().then(() => undefined)
      const piece = await Promise.race([this.#pending, nothing])
      if (piece === undefined) return text
      if (piece.done === true) return `${text}end`
      this.#pending = undefined
      text += piece.value
    }
  }

  async events(): Promise<readonly SentEvent[]> {
    return eventsIn(await this.text())
  }
}

function eventsIn(text: string): readonly SentEvent[] {
  return text.split('\n\n').flatMap((piece) => {
    const fields = new Map(piece.split('\n').map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]))
    const event = fields.get('event')
    return event === undefined ? [] : [{ event, id: fields.get('id'), data: JSON.parse(fields.get('data') ?? 'null') as unknown }]
  })
}
const names = (events: readonly SentEvent[]): readonly string[] => events.map(({ event, data }) => nameOf(event, data))
const nameOf = (event: string, data: unknown): string => {
  const { kind, index } = Object(data) as { kind?: string; index?: number }
  return [event, kind ?? index].filter((part) => part !== undefined).join(' ')
}

/** What an event source remembers: the last `id` it was sent, nothing when that is empty. */
const placeAfter = (events: readonly SentEvent[]): string | undefined => events.findLast(({ id }) => id !== undefined)?.id

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
    const ports = { log, clock: play.clock, level: () => 'full' as const, blocks }
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

describe('a page’s link', () => {
  const deviceOf = (play: Play): DeviceId => mintDeviceId((count) => play.random.bytes(count))
  /** The frames that the events are, as the page reads them. */
  const framesOf = (events: readonly SentEvent[]): readonly unknown[] =>
    events.map(({ event, data }) => (event === 'entry' ? { type: event, entry: data } : { type: event, ...Object(data) }))

  test('[H55] is told where it stands before anything of the log, in frames that parse as the link’s do', async () => {
    const play = await Play.create()
    const device = deviceOf(play)
    await play.log.ask(play.session, {
      messageId: mintMessageId(0, (n) => play.random.bytes(n)),
      device,
      number: 1,
      text: 'One?',
      inReplyTo: undefined,
    })
    await play.answer('First.\n\nSecond.')
    const reader = play.open(undefined, play.log, device)
    const events = await reader.events()
    expect(names(events)).toEqual(['level', 'welcome', 'snapshot', 'block 0', 'block 1'])
    expect(events[1]).toEqual({
      event: 'welcome',
      id: undefined,
      data: {
        session: play.session,
        logId: await logIdOf(play),
        head: { seq: 4, id: await idOf(play, 4) },
        outcome: 'snapshot',
        durability: 'memory',
        settled: 0,
        lastNumber: 1,
        pingMs: PING_INTERVAL_MS,
        maxInFlight: 1,
        reconnect: { baseMs: 1_000, capMs: 30_000 },
        level: 'full',
      },
    })
    await play.ask('Two?')
    const entry = await reader.events()
    await play.clock.advance(PING_INTERVAL_MS)
    const more = [...entry, ...(await reader.events())]
    expect(names(more)).toEqual(['entry message', 'ping'])
    expect(more.at(-1)?.data).toEqual({ n: 1, head: { seq: 5, id: await idOf(play, 5) }, settled: 0 })
    const parsed = parseServerFrames(
      framesOf([...events, ...more])
        .map((frame) => JSON.stringify(frame))
        .join('\n'),
    )
    expect(parsed.filter(({ ok }) => !ok)).toEqual([])
  })

  test('[H55] resumes, and is told of another log with a welcome that takes its cursor away', async () => {
    const play = await Play.create()
    const cursor = await play.ask('One?')
    const switched = createSwitched(play.log)
    const reader = play.open(cursor, switched.log, deviceOf(play))
    expect((await reader.events()).map(({ event, data }) => [event, Object(data).outcome])).toEqual([
      ['level', undefined],
      ['welcome', 'resumed'],
    ])
    const another = createMemoryLog({ clock: play.clock, random: (count) => play.random.bytes(count) })
    await another.createSession({ id: play.session, visitor: VISITOR, ttlMs: 3_600_000 })
    switched.to(another)
    await play.ask('Rings the bell.')
    const events = await reader.events()
    expect(events.map(({ event, id, data }) => [event, id, Object(data).outcome])).toEqual([
      ['welcome', '', 'fork'],
      ['snapshot', '', undefined],
    ])
    const empty = await play.log.createSession({ id: mintSessionId((n) => play.random.bytes(n)), visitor: VISITOR, ttlMs: 3_600_000 })
    expect(empty.type).toBe('created')
  })

  test('[H55] is asked to open another when it has lasted its time, and not when its server goes or its reader leaves', async () => {
    const play = await Play.create()
    const reader = play.open(undefined, play.log, deviceOf(play))
    await reader.events()
    play.over.abort(MOVE_ON)
    expect(await reader.text()).toBe('event: drain\ndata: {"afterMs":0,"windowMs":0,"deadlineMs":0}\n\nend')
    const other = await Play.create()
    const plain = other.open(undefined, other.log)
    const drained = other.open(undefined, other.log, deviceOf(other))
    await Promise.all([plain.events(), drained.events()])
    other.over.abort()
    expect([await plain.text(), await drained.text()]).toEqual(['end', 'end'])
  })

  test('[H55] hears a ping every 15 seconds, also while there is much to say', async () => {
    const play = await Play.create()
    const reader = play.open(undefined, play.log, deviceOf(play))
    await reader.events()
    await play.clock.advance(10_000)
    await play.ask('After ten seconds?')
    expect(names(await reader.events())).toEqual(['entry message'])
    await play.clock.advance(6_000)
    await play.ask('After sixteen?')
    expect(names(await reader.events())).toEqual(['ping', 'entry message'])
  })
})

test('[P6] PROTOCOL.md lists the events of a stream, and no others', () => {
  const page = readFileSync(fileURLToPath(new URL('../../PROTOCOL.md', import.meta.url)), 'utf8')
  const section = page.slice(page.indexOf('## 17. Server-sent events'))
  const listed = [...section.matchAll(/^\| `(.+?)` \|/gm)].map(([, name = '']) => name)
  expect(listed.toSorted()).toEqual([...EVENT_STREAM_EVENTS].toSorted())
})

/** The log with its methods as properties, so that a test can put others in their place. */
function delegate(log: ConversationLog): ConversationLog {
  return {
    profile: log.profile,
    createSession: (session) => log.createSession(session),
    findSession: (id) => log.findSession(id),
    listSessions: (visitor) => log.listSessions(visitor),
    keepSession: (id) => log.keepSession(id),
    deleteSession: (id) => log.deleteSession(id),
    deleteExpired: (limit) => log.deleteExpired(limit),
    ask: (session, question) => log.ask(session, question),
    stop: (session, turnId) => log.stop(session, turnId),
    lastNumber: (session, device) => log.lastNumber(session, device),
    read: (session, after, limit) => log.read(session, after, limit),
    onAppend: (session, bell) => log.onAppend(session, bell),
    claim: (owner, leaseMs, limit) => log.claim(owner, leaseMs, limit),
    claimUntold: (owner, leaseMs, limit) => log.claimUntold(owner, leaseMs, limit),
    renew: (claim, leaseMs) => log.renew(claim, leaseMs),
    release: (claim) => log.release(claim),
    write: (claim, bodies) => log.write(claim, bodies),
    onWork: (bell) => log.onWork(bell),
    probe: () => log.probe(),
    tally: () => log.tally(),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
}

/** A log whose store can be replaced by another under its readers, as a restored backup would. */
function createSwitched(first: ConversationLog): { readonly log: ConversationLog; to(log: ConversationLog): void } {
  let current = first
  return {
    log: { ...delegate(first), read: (session, after, limit) => current.read(session, after, limit) },
    to(log) {
      current = log
    },
  }
}

async function logIdOf(play: Play): Promise<Session['logId']> {
  const session = await play.log.findSession(play.session)
  if (session === undefined) throw new Error('no session')
  return session.logId
}
async function idOf(play: Play, seq: number): Promise<Cursor['id']> {
  const read = await play.log.read(play.session, undefined, READ_ENTRIES_MAX)
  const entry = read.type === 'entries' ? read.entries[seq - 1] : undefined
  if (entry === undefined) throw new Error(`no entry ${seq}`)
  return entry.id
}
