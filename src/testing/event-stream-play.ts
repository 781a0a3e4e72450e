/** Streams of a log with one session, pulled by hand: time passes only when a test says so. */
import { onTestFinished } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import type { ConversationLog, Session } from '../conversation-log/conversation-log.ts'
import type { TurnBody } from '../conversation/entry.ts'
import {
  mintMessageId,
  mintSessionId,
  SERVER_DEVICE,
  type Cursor,
  type DeviceId,
  type SessionId,
  type VisitorId,
} from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { createAnswerBlocks } from '../gateway/answer-blocks.ts'
import { Drain } from '../gateway/drain.ts'
import { eventStream, type EventStreamRequest } from '../gateway/event-stream.ts'
import { ALL_WORKS, type ServiceStanding } from '../protocol/protocol.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from './simulated-clock.ts'

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any text of the form will do
export const VISITOR = 'visitor-of-the-stream' as VisitorId

export interface SentEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: unknown
}

/** A log with one session, and streams on it that are pulled by hand. */
export class StreamPlay {
  readonly clock: SimulatedClock = createSimulatedClock()
  readonly random = seededRandom(5)
  readonly log: ConversationLog
  readonly session: SessionId
  readonly over = new AbortController()
  readonly positions: string[] = []
  level: ServiceStanding['level'] = 'full'
  away: ServiceStanding['away']
  readonly drain = new Drain({ clock: this.clock, isShared: true })
  /** Who wants to hear of changes of the level, when anybody tells. */
  levelListeners: Set<() => void> | undefined

  private constructor() {
    const bytes = (count: number): Uint8Array => this.random.bytes(count)
    this.log = createMemoryLog({ clock: this.clock, random: bytes })
    this.session = mintSessionId(bytes)
  }

  static async create(): Promise<StreamPlay> {
    const play = new StreamPlay()
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
    const onStandingChange = (listener: () => void): (() => void) => {
      levelListeners?.add(listener)
      return () => void levelListeners?.delete(listener)
    }
    const ports = {
      log,
      clock: this.clock,
      standing: () => ({ ...ALL_WORKS, level: this.level, away: this.away }),
      onStandingChange,
      blocks,
      drain: this.drain,
    }
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

export class Reader {
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

export function eventsIn(text: string): readonly SentEvent[] {
  return text.split('\n\n').flatMap((piece) => {
    const fields = new Map(piece.split('\n').map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]))
    const event = fields.get('event')
    return event === undefined ? [] : [{ event, id: fields.get('id'), data: JSON.parse(fields.get('data') ?? 'null') as unknown }]
  })
}
export const names = (events: readonly SentEvent[]): readonly string[] => events.map(({ event, data }) => nameOf(event, data))
const nameOf = (event: string, data: unknown): string => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- either field may be missing, and is then not shown
  const { kind, index } = Object(data) as { kind?: string; index?: number }
  return [event, kind ?? index].filter((part) => part !== undefined).join(' ')
}

/** What an event source remembers: the last `id` it was sent, nothing when that is empty. */
export const placeAfter = (events: readonly SentEvent[]): string | undefined => events.findLast(({ id }) => id !== undefined)?.id

/** The log with its methods as properties, so that a test can put others in their place. */
export function delegate(log: ConversationLog): ConversationLog {
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
export function createSwitched(first: ConversationLog): { readonly log: ConversationLog; to(log: ConversationLog): void } {
  let current = first
  return {
    log: { ...delegate(first), read: (session, after, limit) => current.read(session, after, limit) },
    to(log) {
      current = log
    },
  }
}

export async function logIdOf(play: StreamPlay): Promise<Session['logId']> {
  const session = await play.log.findSession(play.session)
  if (session === undefined) throw new Error('no session')
  return session.logId
}
export async function idOf(play: StreamPlay, seq: number): Promise<Cursor['id']> {
  const read = await play.log.read(play.session, undefined, READ_ENTRIES_MAX)
  const entry = read.type === 'entries' ? read.entries[seq - 1] : undefined
  if (entry === undefined) throw new Error(`no entry ${seq}`)
  return entry.id
}
