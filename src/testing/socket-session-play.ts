/** Live links of one session's visitor on a store that fails when it is told to, and an agent that speaks when it is told to. */
import { mintDeviceId, mintMessageId, mintSessionId, type Cursor, type SessionId, type VisitorId } from '../conversation/ids.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import { createAdmission, type Admission } from '../gateway/admission.ts'
import { Drain } from '../gateway/drain.ts'
import type { GatewaySettings } from '../gateway/gateway-context.ts'
import { createAnswerBlocks, type AnswerBlocks } from '../gateway/answer-blocks.ts'
import { SocketSession, type LinkSocket } from '../gateway/socket-session.ts'
import { formatFrames, parseServerFrames } from '../protocol/parse-frame.ts'
import { ALL_WORKS, type ClientFrame, type ServerFrame } from '../protocol/protocol.ts'
import { createFaultyLog, type FaultyLog } from './faulty-log.ts'
import { plainProfile, type ServiceProfile } from '../service-profile/service-profile.ts'
import { TEST_SETTINGS } from './test-gateway.ts'
import { createRecordedEvents, type RecordedEvents } from './recorded-events.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from './simulated-clock.ts'

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any text of the form will do
const VISITOR = 'visitor-visitor-visitor' as VisitorId

/** The server's end of a socket whose other end reads when it is told to. */
export class FakeLinkSocket implements LinkSocket {
  bufferedAmount = 0
  readonly messages: string[] = []
  readonly codes: number[] = []

  send(text: string): void {
    this.messages.push(text)
  }

  close(code: number): void {
    this.codes.push(code)
  }

  /** Frames by message. */
  get said(): readonly (readonly ServerFrame[])[] {
    return this.messages.map((message) =>
      parseServerFrames(message).map((parsed) => {
        if (!parsed.ok) throw new Error(`the server sent what is no frame: ${parsed.problem}`)
        return parsed.frame
      }),
    )
  }

  get frames(): readonly ServerFrame[] {
    return this.said.flat()
  }

  /** Frames in short, and forgets them. */
  take(): readonly string[] {
    const { frames } = this
    this.messages.length = 0
    return frames.map(nameOf)
  }
}

/** A frame in short. */
export function nameOf(frame: ServerFrame): string {
  switch (frame.type) {
    case 'entry':
      return `entry ${frame.entry.seq} ${frame.entry.kind}`
    case 'block':
      return `block ${frame.index}`
    case 'welcome':
      return `welcome ${frame.outcome}`
    case 'rejected':
      return `rejected ${frame.code}`
    case 'bye':
      return `bye ${frame.code}`
    case 'snapshot':
    case 'accepted':
    case 'ping':
    case 'level':
    case 'drain':
      return frame.type
  }
}

/** A session of one visitor, a store that fails when told to, and links to it. */
export class SocketSessionPlay {
  readonly clock: SimulatedClock = createSimulatedClock()
  readonly events: RecordedEvents = createRecordedEvents()
  readonly admission: Admission = createAdmission(this.clock)
  readonly leaving = new AbortController()
  readonly drain: Drain
  readonly log: FaultyLog
  readonly session: SessionId
  level: 'full' | 'limited' | 'offline' = 'full'
  settings: GatewaySettings = TEST_SETTINGS
  service: ServiceProfile = plainProfile('Ask a test')
  blocks: AnswerBlocks = createAnswerBlocks()
  claim: Claim | undefined
  #parts = 0
  readonly #random = seededRandom(5)

  /** `isShared`: whether other processes serve the same log. */
  static async create(isShared = true): Promise<SocketSessionPlay> {
    const play = new SocketSessionPlay(isShared)
    await play.log.createSession({ id: play.session, visitor: VISITOR, ttlMs: 3_600_000 })
    return play
  }

  constructor(isShared = true) {
    this.drain = new Drain({ clock: this.clock, isShared })
    this.log = createFaultyLog(createMemoryLog({ clock: this.clock, random: this.bytes }))
    this.session = mintSessionId(this.bytes)
  }

  readonly bytes = (count: number): Uint8Array => this.#random.bytes(count)

  /** A socket that has just opened. */
  link(visitor = VISITOR): { readonly socket: FakeLinkSocket; readonly session: SocketSession } {
    const socket = new FakeLinkSocket()
    const { log, admission, clock, events, drain: moves } = this
    const context = {
      log,
      admission,
      clock,
      events,
      standing: () => ({ ...ALL_WORKS, level: this.level }),
      service: () => this.service,
      settings: this.settings,
    }
    return { socket, session: new SocketSession({ context, blocks: this.blocks, socket, visitor, moves, leaving: this.leaving.signal }) }
  }

  /** A link that is live, from `resume` on. */
  async open(resume?: Cursor): Promise<{ readonly socket: FakeLinkSocket; readonly session: SocketSession }> {
    const link = this.link()
    link.session.received(formatFrames([this.hello(resume)]))
    await this.clock.settle()
    return link
  }

  hello(resume?: Cursor): ClientFrame {
    return { type: 'hello', v: 1, session: this.session, device: mintDeviceId(this.bytes), resume }
  }

  question(number = 1, text = 'How?'): ClientFrame {
    return { type: 'send', messageId: mintMessageId(0, this.bytes), number, text, inReplyTo: undefined }
  }

  /** Somebody asks, from elsewhere. */
  async ask(): Promise<void> {
    const messageId = mintMessageId(0, this.bytes)
    await this.log.ask(this.session, { messageId, device: mintDeviceId(this.bytes), number: 1, text: 'How?', inReplyTo: undefined })
    await this.clock.settle()
  }

  /** The agent begins. */
  async begin(): Promise<void> {
    const [claim] = await this.log.claim('test', 60_000, 1)
    if (claim === undefined) throw new Error('no question is open')
    this.claim = claim
    this.#parts = 0
    await this.log.write(claim, [{ kind: 'turn-started', turnId: claim.turnId, attempt: 1, fence: claim.fence }])
    await this.clock.settle()
  }

  /** It goes on, and may end. */
  async say(texts: readonly string[], end?: string): Promise<void> {
    const { claim } = this
    if (claim === undefined) throw new Error('no turn is open')
    const { turnId } = claim
    await this.log.write(
      claim,
      texts.map((text) => {
        this.#parts += 1
        return { kind: 'answer-part', turnId, attempt: 1, index: this.#parts - 1, persona: undefined, text }
      }),
    )
    if (end !== undefined) {
      const { length: chars } = end
      const parts = this.#parts
      const ended = { kind: 'turn-ended', turnId, attempt: 1, outcome: 'complete', reason: undefined, parts, chars, sha256: '' } as const
      await this.log.write(claim, [ended])
    }
    await this.clock.settle()
  }

  async cursorAt(seq: number): Promise<Cursor> {
    const read = await this.log.read(this.session, undefined, 256)
    const entry = read.type === 'entries' ? read.entries[seq - 1] : undefined
    if (read.type !== 'entries' || entry === undefined) throw new Error(`no entry ${seq}`)
    return { logId: read.logId, seq, id: entry.id }
  }
}
