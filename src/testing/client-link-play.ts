/** One client link that is told what happens to it. Ids are numbers that can be read. */
import { initialLink, nextDeadline, step } from '../browser/client-link.ts'
import type { ClientContext, ClientEffect, ClientEvent, ClientLink } from '../browser/client-link-state.ts'
import type { Entry } from '../conversation/entry.ts'
import type { DeviceId, EntryId, LogId, MessageId, SessionId, TurnId } from '../conversation/ids.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import type { OutboxChange, OutboxScope } from '../browser/outbox.ts'
import { ALL_WORKS, type ClientFrame, type ServerFrame, type WelcomeFrame } from '../protocol/protocol.ts'
import type { SimulatedDevice } from './simulated-device.ts'

// oxlint-disable typescript/no-unsafe-type-assertion -- ids that can be read in a failing test
export const idOf = (seq: number): EntryId => seq.toString(16).padStart(24, '0') as EntryId
export const LOG = 'a'.repeat(24) as LogId
export const OTHER_LOG = 'b'.repeat(24) as LogId
export const SESSION = 'c'.repeat(32) as SessionId
export const TURN = 'e'.repeat(24) as TurnId
export const deviceOf = (number: number): DeviceId => String(number).padStart(24, 'd') as DeviceId
export const messageIdOf = (number: number): MessageId => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}` as MessageId
// oxlint-enable typescript/no-unsafe-type-assertion

export const headAt = (seq: number): { readonly seq: number; readonly id: EntryId } => ({ seq, id: idOf(seq) })
export const welcome = (outcome: WelcomeFrame['outcome'], changes: Partial<WelcomeFrame> = {}): WelcomeFrame => ({
  type: 'welcome',
  session: SESSION,
  logId: LOG,
  head: undefined,
  outcome,
  durability: 'fsync',
  settled: 0,
  lastNumber: 0,
  pingMs: 15_000,
  maxInFlight: 8,
  reconnect: { baseMs: 1_000, capMs: 30_000 },
  ...ALL_WORKS,
  ...changes,
})
type Items = Extract<ServerFrame, { type: 'snapshot' }>['items']
export const snapshotAt = (seq: number, ...items: Items): ServerFrame => ({
  type: 'snapshot',
  head: seq === 0 ? undefined : headAt(seq),
  items,
  earlier: 0,
})
/** A question that waits for its answer, in a snapshot. */
export const questionItem = (number: number, seq: number): Items[number] => ({
  kind: 'question',
  seq,
  at: 0,
  messageId: messageIdOf(number),
  turnId: TURN,
  text: 'Why?',
  inReplyTo: undefined,
  status: 'sent',
  isStopping: false,
  reason: undefined,
})
/** An entry that shows nothing, so that it can stand anywhere. */
export const entryAt = (seq: number): ServerFrame => entryFrame({ seq, kind: 'stop-requested', turnId: TURN })
export const questionAt = (seq: number, number: number): ServerFrame =>
  entryFrame({
    seq,
    kind: 'message',
    messageId: messageIdOf(number),
    turnId: TURN,
    device: deviceOf(0),
    number,
    text: 'Why?',
    inReplyTo: undefined,
  })
type EntryFacts = Entry extends infer Kind ? (Kind extends Entry ? Omit<Kind, 'id' | 'prev' | 'at'> : never) : never
export const entryFrame = (facts: EntryFacts): ServerFrame => ({
  type: 'entry',
  entry: { id: idOf(facts.seq), prev: facts.seq === 1 ? undefined : idOf(facts.seq - 1), at: 0, ...facts },
})
export const accepted = (number: number, seq: number, duplicate = false): ServerFrame => ({
  type: 'accepted',
  messageId: messageIdOf(number),
  number,
  seq,
  duplicate,
})
type Rejected = Extract<ServerFrame, { type: 'rejected' }>
export const rejected = (number: number, code: Rejected['code'], changes: Partial<Rejected> = {}): ServerFrame => ({
  type: 'rejected',
  messageId: messageIdOf(number),
  code,
  temporary: true,
  retryAfterMs: undefined,
  expectedNumber: undefined,
  ...changes,
})
export const pingAt = (seq: number, n = 1): ServerFrame => ({ type: 'ping', n, head: seq === 0 ? undefined : headAt(seq), settled: 0 })
export const ask = (number: number): ClientEvent => ({ type: 'ask', messageId: messageIdOf(number), text: 'Why?', inReplyTo: undefined })

const TICKS_MAX = 10_000

/** Whose page it is, for the device. */
export const SCOPE: OutboxScope = { session: SESSION, visitor: 'somebody' }
/** Of the device's clock when the link's begins. */
export const EPOCH_MS = 1_700_000_000_000

export class ClientLinkPlay {
  client: ClientLink
  now = 0
  chance = 0
  devices: number
  effects: readonly ClientEffect[] = []
  /** The device does not answer while this holds. */
  isDeviceSilent = false
  readonly #device: SimulatedDevice | undefined

  /** @param number tells pages of one device apart */
  constructor(device?: SimulatedDevice, number = 0) {
    this.#device = device
    this.devices = number
    this.client = initialLink(SESSION, deviceOf(number), device !== undefined)
  }

  on(...events: readonly ClientEvent[]): this {
    const ctx: ClientContext = { now: this.now, chance: () => this.chance, mintDevice: () => deviceOf((this.devices += 1)) }
    for (const event of events) {
      const [client, effects] = step(this.client, event, ctx)
      this.client = client
      this.effects = effects
      for (const effect of effects) if (effect.type === 'store') this.#store(effect.change)
    }
    return this
  }

  /** The device does it at once; what comes of it comes behind the effects that there were. */
  #store(change: OutboxChange): void {
    if (this.isDeviceSilent || this.#device === undefined) return
    const before = this.effects
    this.on({ ...this.#device.transact(change, SCOPE, EPOCH_MS + this.now), change })
    this.effects = [...before, ...this.effects]
  }

  /** One message of the newest socket. */
  hears(...frames: readonly ServerFrame[]): this {
    return this.hearsOn(this.client.sockets, ...frames)
  }

  /** One message of a socket, which may not be the newest. */
  hearsOn(socket: number, ...frames: readonly ServerFrame[]): this {
    return this.on({ type: 'frames', socket, frames: frames.map((frame) => ({ ok: true, frame })) })
  }

  hearsNonsense(): this {
    const nonsense: Parsed<ServerFrame> = { ok: false, problem: 'not JSON' }
    return this.on({ type: 'frames', socket: this.client.sockets, frames: [nonsense] })
  }

  /** Opens the newest socket. */
  opens(): this {
    return this.on({ type: 'opened', socket: this.client.sockets })
  }

  closes(code = 1006): this {
    return this.on({ type: 'closed', socket: this.client.sockets, code })
  }

  /** A whole try fails, whichever ways it goes. */
  fails(): this {
    this.closes()
    return this.client.link.status === 'connecting' ? this.closes() : this
  }

  /** Time passes; whatever falls due on the way is ticked. Gives every effect of it. */
  pass(ms: number): readonly ClientEffect[] {
    const until = this.now + ms
    const all: ClientEffect[] = []
    for (let ticks = 0; ticks < TICKS_MAX; ticks += 1) {
      const due = nextDeadline(this.client)
      if (due === undefined || due > until) {
        this.now = until
        return all
      }
      this.now = Math.max(this.now, due)
      all.push(...this.on({ type: 'tick' }).effects)
    }
    throw new Error('the link ticks without end')
  }

  /** Ends the wait between two tries. */
  comesBack(): this {
    return this.comesBackDialling().opens()
  }

  /** The same, and the next try is still under way. */
  comesBackDialling(): this {
    const { link } = this.client
    if (link.status !== 'waiting') throw new Error(`the link is ${link.status}`)
    this.now = Math.max(this.now, link.retryAt)
    return this.on({ type: 'tick' })
  }

  get said(): readonly ClientFrame[] {
    return framesIn(this.effects)
  }

  /** How each question stands, by its number in the test. */
  get questions(): Readonly<Record<number, string>> {
    return Object.fromEntries(this.client.questions.map(({ messageId, state }) => [Number(messageId.slice(-12)), state.status]))
  }
}

export const framesIn = (effects: readonly ClientEffect[]): readonly ClientFrame[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? effect.frames : []))
export const kindsOf = (effects: readonly ClientEffect[]): readonly string[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? effect.frames.map(({ type }) => type) : [effect.type]))
/** The questions that go out, by their number in the test, with the number they are sent under. */
export const sentIn = (frames: readonly ClientFrame[]): readonly (readonly [number, number])[] =>
  frames.flatMap((frame) => (frame.type === 'send' ? [[Number(frame.messageId.slice(-12)), frame.number] as const] : []))

/** A page of the device that is open on a log of five entries. */
export const openOn = (device: SimulatedDevice, number = 0, start: Partial<StartEvent> = {}): ClientLinkPlay =>
  new ClientLinkPlay(device, number)
    .on({ type: 'start', ...start })
    .opens()
    .hears(welcome('snapshot', { head: headAt(5) }), snapshotAt(5))
type StartEvent = Extract<ClientEvent, { type: 'start' }>

export const started = (): ClientLinkPlay => new ClientLinkPlay().on({ type: 'start' })
export const greeting = (): ClientLinkPlay => started().opens()
/** Open on a log of five entries, all of which the page has. */
export const open = (changes: Partial<WelcomeFrame> = {}): ClientLinkPlay =>
  greeting().hears(welcome('snapshot', { head: headAt(5), ...changes }), snapshotAt(5))
export const awaitingSnapshot = (): ClientLinkPlay => greeting().hears(welcome('snapshot', { head: headAt(5) }))
