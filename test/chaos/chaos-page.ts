/**
 * A page of the recorder: follows a session and asks in it by the words of `PROTOCOL.md`, with none of the product's own code, and
 * writes down everything that it is shown and told. Where its frames come from and go to is somebody else's: `carrier`.
 */
import { randomUUID } from 'node:crypto'
import { nextView, type ExpectedItem } from '../../src/testing/expected-view.ts'
import type { StoredEntry } from '../../src/testing/history.ts'
import type { Clock } from '../../src/resilience/clock.ts'
import type { Recording } from './recording.ts'

/** A frame of the server, as it came: what is wrong with it must show in the history, and not here. */
export interface ServerFrame {
  readonly type: string
  readonly [field: string]: unknown
}

export interface Cursor {
  readonly logId: string
  readonly seq: number
  readonly id: string
}

/** One link, from its greeting to its end. */
export interface Link {
  /** Sends one question. */
  send(question: Question): void
  pong(n: number, cursor: Cursor | undefined): void
  end(): void
}

export interface LinkEvents {
  frame(frame: ServerFrame): void
  ended(): void
}

/** Opens a link that says where the page stands; reports its end once, also when it cannot be opened. */
export type Carrier = (hello: { readonly device: string; readonly resume: Cursor | undefined }, on: LinkEvents) => Link

export interface Question {
  readonly id: string
  readonly number: number
  readonly text: string
}

export interface First {
  readonly cursor: Cursor
  readonly entry: StoredEntry
}

interface Outgoing extends Question {
  sentAt: number | undefined
}

export interface ChaosPageOptions {
  readonly session: string
  readonly name: string
  readonly carrier: Carrier
  readonly clock: Clock
  /** Where it writes; a page without only reads the log. */
  readonly recording: Recording | undefined
  /** How many questions may be under way. */
  readonly inFlightMax: number
  /** A cursor to begin at instead of the beginning. */
  readonly from?: Cursor | undefined
}

const TICK_MS = 250
const RETURN_MS = 400
const SEND_AGAIN_MS = 5_000
const SILENCE_MAX_MS = 20_000
/** The last items are shown often enough to compare all of them. */
const ITEMS_SHOWN = 6

export class ChaosPage implements Disposable {
  /** Entries as they came, where it only reads. */
  readonly entries: StoredEntry[] = []
  readonly #options: ChaosPageOptions
  readonly #device = randomUUID().replaceAll('-', '').slice(0, 24)
  #outgoing: readonly Outgoing[] = []
  #asked = 0
  #items: readonly ExpectedItem[] = []
  #cursor: Cursor | undefined
  #first: First | undefined
  #logId = ''
  #awaitsSnapshot = false
  #link: Link | undefined
  #isGreeted = false
  #heardAt = 0
  /** Nothing is sent before then. */
  #restUntil = 0
  #isOver = false
  #cancel: () => void = () => undefined

  constructor(options: ChaosPageOptions) {
    this.#options = options
    this.#cursor = options.from
    this.#logId = options.from?.logId ?? ''
    this.#write({ type: 'loaded' })
    this.#connect()
    this.#tick()
  }

  /** Where its view stands. */
  get cursor(): Cursor | undefined {
    return this.#cursor
  }

  /** The first entry of the log, and the cursor at it. */
  get first(): First | undefined {
    return this.#first
  }

  get isGreeted(): boolean {
    return this.#isGreeted
  }

  /** How many questions it ever sent. */
  get asked(): number {
    return this.#asked
  }

  /** Questions that it was not told of that they are in the log. */
  get unacknowledged(): number {
    return this.#outgoing.length
  }

  ask(text: string): void {
    const question = { id: randomUUID(), number: (this.#asked += 1), text, sentAt: undefined }
    this.#outgoing = [...this.#outgoing, question]
    this.#write({ type: 'typed', id: question.id, text })
    this.#pump()
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#cancel()
    this.#link?.end()
  }

  #connect(): void {
    const { carrier } = this.#options
    this.#isGreeted = false
    this.#heardAt = this.#options.clock.monotonic()
    this.#outgoing = this.#outgoing.map((question) => ({ ...question, sentAt: undefined }))
    // What an older link still says is nobody's.
    const own: { link?: Link } = {}
    const isOwn = (): boolean => !this.#isOver && own.link !== undefined && own.link === this.#link
    own.link = carrier(
      { device: this.#device, resume: this.#cursor },
      { frame: (frame) => (isOwn() ? this.#take(frame) : undefined), ended: () => (isOwn() ? this.#lose() : undefined) },
    )
    this.#link = own.link
  }

  #lose(): void {
    this.#link?.end()
    this.#link = undefined
    this.#isGreeted = false
    // A snapshot that did not come leaves the old view standing nowhere.
    if (this.#awaitsSnapshot) this.#cursor = undefined
    this.#awaitsSnapshot = false
    this.#restUntil = this.#options.clock.monotonic() + RETURN_MS
  }

  #tick(): void {
    const { clock } = this.#options
    const now = clock.monotonic()
    const isStuck = this.#outgoing.some(({ sentAt = now }) => now - sentAt > SEND_AGAIN_MS)
    if (this.#link !== undefined && (isStuck || now - this.#heardAt > SILENCE_MAX_MS)) this.#lose()
    if (this.#link === undefined && now >= this.#restUntil) this.#connect()
    this.#pump()
    this.#cancel = clock.schedule(TICK_MS, () => this.#tick())
  }

  /** Sends what there is, in order. */
  #pump(): void {
    const now = this.#options.clock.monotonic()
    if (!this.#isGreeted || this.#awaitsSnapshot || now < this.#restUntil) return
    for (const question of this.#outgoing.slice(0, this.#options.inFlightMax)) {
      if (question.sentAt !== undefined) continue
      question.sentAt = now
      this.#link?.send(question)
    }
  }

  #take(frame: ServerFrame): void {
    this.#heardAt = this.#options.clock.monotonic()
    switch (frame.type) {
      case 'welcome':
        this.#isGreeted = true
        this.#logId = String(frame['logId'])
        this.#awaitsSnapshot = frame['outcome'] !== 'resumed'
        if (frame['outcome'] === 'fork') this.#write({ type: 'forked' })
        return this.#pump()
      case 'snapshot':
        return this.#replace(frame)
      case 'entry':
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- whatever is wrong with it, the judge will see
        return this.#apply(frame['entry'] as StoredEntry)
      case 'accepted':
        return this.#acknowledged(String(frame['messageId']))
      case 'rejected':
        return this.#rejected(frame)
      case 'ping':
        return this.#link?.pong(Number(frame['n']), this.#cursor)
      default:
        return undefined
    }
  }

  #acknowledged(id: string): void {
    if (!this.#outgoing.some((question) => question.id === id)) return
    this.#outgoing = this.#outgoing.filter((question) => question.id !== id)
    this.#write({ type: 'acknowledged', id })
    this.#pump()
  }

  #rejected({ messageId, temporary, code, retryAfterMs }: ServerFrame): void {
    const id = String(messageId)
    if (temporary !== true) {
      this.#outgoing = this.#outgoing.filter((question) => question.id !== id)
      this.#write({ type: 'refused', id, code: String(code) })
      return
    }
    // All of them again, in their order.
    this.#outgoing = this.#outgoing.map((question) => ({ ...question, sentAt: undefined }))
    this.#restUntil = this.#options.clock.monotonic() + Math.max(TICK_MS, Number(retryAfterMs ?? 0))
  }

  #replace({ head, items }: ServerFrame): void {
    this.#awaitsSnapshot = false
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- whatever is wrong with it, the judge will see
    const at = head as { readonly seq: number; readonly id: string } | undefined
    this.#cursor = at === undefined ? undefined : { logId: this.#logId, ...at }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same
    this.#items = (items as readonly SnapshotItem[]).map(shownOf)
    this.#show()
    this.#pump()
  }

  #apply(entry: StoredEntry): void {
    if (entry.seq <= (this.#cursor?.seq ?? 0)) return
    if (entry.seq !== (this.#cursor?.seq ?? 0) + 1 || entry.prev !== this.#cursor?.id) return this.#lose()
    this.#cursor = { logId: this.#logId, seq: entry.seq, id: entry.id }
    if (entry.seq === 1) this.#first ??= { cursor: this.#cursor, entry }
    if (this.#options.recording === undefined) {
      this.entries.push(entry)
      return undefined
    }
    this.#items = nextView(this.#items, entry)
    this.#show()
    // What is in the log has been taken, whether or not anybody said so.
    if (entry.kind === 'message') this.#acknowledged(entry.messageId ?? '')
    return undefined
  }

  #show(): void {
    const items = this.#items.slice(-ITEMS_SHOWN).map(({ turnId: _turn, ...item }) => ({ ...item, blocks: '' }))
    this.#write({ type: 'view', seq: this.#cursor?.seq ?? 0, id: this.#cursor?.id, items })
  }

  #write(fact: PageFact): void {
    const { session, name, recording } = this.#options
    recording?.write({ session, page: name, ...fact })
  }
}

type Fact = Parameters<Recording['write']>[0]
type Without<Whole, Part> = Whole extends unknown ? Omit<Whole, keyof Part> : never
type PageFact = Without<Extract<Fact, { page: string }>, { session: string; page: string }>

type SnapshotItem = Readonly<Record<string, unknown>>

function shownOf(item: SnapshotItem): ExpectedItem {
  const common = { text: String(item['text']), turnId: String(item['turnId']) }
  switch (item['kind']) {
    case 'question':
      return { ...common, kind: 'question', key: String(item['messageId']), status: String(item['status']) }
    case 'answer':
      return { ...common, kind: 'answer', key: `${common.turnId}/${String(item['attempt'])}`, status: String(item['status']) }
    default:
      return { ...common, kind: 'notice', key: String(item['seq']), status: String(item['topic']), turnId: '' }
  }
}
