/**
 * A browser tab and the person before it: the very steps of `browser/client-link.ts`, with simulated effects, and everything
 * that its page shows, tells and holds written down for the checker. What it keeps is on a device that it shares with other tabs.
 */
import { canAsk, initialLink, nextDeadline, step } from '../browser/client-link.ts'
import { moveUnderWay } from '../browser/client-link-socket.ts'
import type { ClientContext, ClientEffect, ClientEvent, ClientLink } from '../browser/client-link-state.ts'
import { blocksOf, type LogView } from '../browser/log-view.ts'
import type { Durability } from '../conversation/durability.ts'
import type { Item } from '../conversation/conversation.ts'
import { mintDeviceId, mintMessageId, type Cursor, type SessionId } from '../conversation/ids.ts'
import { formatFrames, parseServerFrames, type Parsed } from '../protocol/parse-frame.ts'
import type { ClientFrame, ServerFrame } from '../protocol/protocol.ts'
import type { OutboxChange } from '../browser/outbox.ts'
import type { HistoryRecord, ShownItem, TabFact } from './history.ts'
import type { PlantedBug } from './planted-bugs.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedDevice } from './simulated-device.ts'
import type { Accept, Connection, Peer, SimulatedNetwork } from './simulated-network.ts'
import { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

export interface SimulatedTabOptions {
  readonly name: string
  readonly world: World
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly accept: Accept
  readonly session: SessionId
  readonly device: SimulatedDevice
  /** Whose page it is. */
  readonly visitor: string
  /** Tells the other tabs of the session that something on the device has changed. */
  readonly hint: () => void
  readonly epochMs: number
  readonly digest: (text: string) => string
  readonly record: (entry: HistoryRecord) => void
  /** Planted bugs: what the link decided may be changed before it holds. */
  readonly tamper: NonNullable<PlantedBug['client']>
  /** Planted bugs: what it knows and what happens to it may be changed. */
  readonly bend: (client: ClientLink, event: ClientEvent) => readonly [ClientLink, ClientEvent]
  readonly ignoresRoom: boolean
}

const GOING_AWAY = 1001
const WATCH_MS = 5_000
/** A page that has heard nothing for so long has given its link up. */
const QUIET_MS = 20_000

export class SimulatedTab {
  readonly #options: SimulatedTabOptions
  readonly #process: SimulatedProcess
  /** Of what the device does, so that the rest of a history does not depend on it. */
  readonly #deviceRandom: SeededRandom
  #client: ClientLink
  #connections = new Map<number, Connection>()
  #told = new Set<string>()
  #asked = 0
  #mostHeld = 0
  #durability: Durability | undefined
  #heardAt = 0
  #offlineUntil = 0
  #noSocketsUntil = 0
  #takeBack: () => void = () => undefined
  /** When the last transaction is over: they come one after the other. */
  #storedAt = 0

  constructor(options: SimulatedTabOptions) {
    this.#options = options
    this.#process = new SimulatedProcess(options.world)
    this.#deviceRandom = options.random.stream('device')
    this.#client = this.#load(undefined)
    this.#watch()
  }

  /** Questions of this page that are not settled. */
  get unsettled(): number {
    return this.#client.questions.filter(({ state }) => state.status !== 'refused').length
  }

  get session(): SessionId {
    return this.#options.session
  }

  /** Where its view stands. */
  get head(): LogView['conversation']['head'] {
    return this.#client.view.conversation.head
  }

  /** It was told never to come back. */
  get isClosed(): boolean {
    return this.#client.link.status === 'closed'
  }

  ask(): void {
    this.#process.run(() => {
      const { random, name, world, epochMs, ignoresRoom } = this.#options
      // The page says so and the text stays in its box.
      if (this.isClosed || (!canAsk(this.#client) && !ignoresRoom)) return
      const messageId = mintMessageId(epochMs + world.now(), (count) => random.bytes(count))
      this.#asked += 1
      const text = `question ${this.#asked} of ${name}`
      this.#record({ type: 'typed', messageId, text })
      this.#event({ type: 'ask', messageId, text, inReplyTo: undefined })
    })
  }

  /** Stops whatever is being answered. */
  stop(): void {
    this.#process.run(() => {
      const open = this.#client.view.conversation.items.findLast((item) => item.kind === 'question')
      if (open?.kind === 'question') this.#event({ type: 'stop', turnId: open.turnId })
    })
  }

  freezeFor(ms: number): void {
    this.#process.pauseFor(ms)
    this.#process.after(ms, () => this.#event({ type: 'woke' }))
  }

  /** Its device has no network: what is open stalls, what is new fails. */
  offlineFor(ms: number): void {
    const { world } = this.#options
    this.#offlineUntil = Math.max(this.#offlineUntil, world.now() + ms)
    for (const connection of this.#connections.values()) connection.hold(ms)
    this.#process.run(() => this.#event({ type: 'offline' }))
    this.#process.after(ms, () => this.#event({ type: 'online' }))
  }

  /** Its network lets no socket through: those that are open are cut, new ones fail. The link by events goes on. */
  blockSocketsFor(ms: number): void {
    const { world } = this.#options
    this.#noSocketsUntil = Math.max(this.#noSocketsUntil, world.now() + ms)
    if (this.#client.rung === 'socket') for (const connection of this.#connections.values()) connection.cut()
  }

  /** Another tab has changed something on the device. */

  hinted(): void {
    this.#process.run(() => this.#event({ type: 'hinted' }))
  }

  /** Loads the page again, now or when its person comes back after a crash: nothing of the old one is left but what the device keeps. */
  reload(afterMs: number): void {
    // A tab that was loaded again knows what it was; another one that takes its place does not.
    const former = this.#deviceRandom.happens(0.6) ? this.#client.page : undefined
    this.#process.kill()
    this.#takeBack()
    for (const connection of this.#connections.values()) connection.kill('browser', GOING_AWAY)
    this.#connections = new Map()
    this.#options.world.after(afterMs, () => {
      if (this.#process.isAlive) return
      this.#process.start()
      this.#client = this.#load(former)
      this.#watch()
    })
  }

  #load(former: string | undefined): ClientLink {
    const { random, session } = this.#options
    this.#record({ type: 'loaded' })
    this.#told = new Set()
    this.#mostHeld = 0
    this.#heardAt = this.#process.world.now()
    this.#client = initialLink(
      session,
      mintDeviceId((count) => random.bytes(count)),
      true,
    )
    this.#event({ type: 'start', former })
    return this.#client
  }

  #event(happened: ClientEvent): void {
    const { random, tamper, bend } = this.#options
    const before = this.#client
    const mintDevice = (): ReturnType<ClientContext['mintDevice']> => mintDeviceId((count) => random.bytes(count))
    const context: ClientContext = { now: this.#process.world.now(), chance: random.next, mintDevice }
    const [known, event] = bend(before, happened)
    const [client, effects] = tamper(...step(known, event, context), before, event)
    this.#client = client
    if (client !== before) this.#observe(before, event.type === 'ask')
    for (const effect of effects) this.#perform(effect)
    this.#plan()
  }

  #plan(): void {
    this.#takeBack()
    const due = nextDeadline(this.#client)
    if (due !== undefined) this.#takeBack = this.#process.after(due - this.#process.world.now(), () => this.#event({ type: 'tick' }))
  }

  #perform(effect: ClientEffect): void {
    const { network, accept, digest } = this.#options
    switch (effect.type) {
      case 'connect': {
        const now = this.#process.world.now()
        const isOffline = now < this.#offlineUntil || (effect.rung === 'socket' && now < this.#noSocketsUntil)
        this.#connections.set(
          effect.socket,
          network.dial(this.#peer(effect.socket), (connection) => (isOffline ? undefined : accept(connection))),
        )
        return
      }
      case 'send':
        for (const frame of effect.frames) this.#observeSaid(frame)
        // A message for each, as the running page sends them.
        for (const frame of effect.frames) this.#connections.get(effect.socket)?.send('browser', formatFrames([frame]))
        return
      case 'close':
        this.#connections.get(effect.socket)?.close('browser', effect.code)
        this.#connections.delete(effect.socket)
        return
      case 'store':
        this.#store(effect.change)
        return
      case 'verify': {
        const matches = digest(effect.text) === effect.sha256
        this.#process.after(1, () => this.#event({ type: 'verified', matches }))
      }
    }
  }

  /** A transaction takes a moment; of one that was under way when its tab died nobody can say whether it was committed. */
  #store(change: OutboxChange): void {
    const { device, visitor, session, epochMs, world, hint } = this.#options
    const random = this.#deviceRandom
    if (change.type === 'forget') for (const messageId of change.messageIds) this.#record({ type: 'forgot', messageId })
    let isAlive = false
    this.#storedAt = Math.max(this.#storedAt, world.now() + random.between(1, 5))
    const inMs = this.#storedAt - world.now()
    this.#process.after(inMs, () => {
      isAlive = true
    })
    world.after(inMs, () => {
      if (!isAlive && random.happens(0.5)) return
      const outcome = device.transact(change, { visitor, session }, epochMs + world.now())
      if (change.type !== 'look' && random.happens(0.8)) hint()
      this.#process.after(1, () => this.#event({ ...outcome, change }))
    })
  }

  #peer(socket: number): Peer {
    return {
      opened: this.#process.bound(() => this.#event({ type: 'opened', socket })),
      received: this.#process.bound((text) => {
        const frames = parseServerFrames(text)
        if (isHeard(this.#client.link, socket)) this.#observeHeard(frames)
        this.#event({ type: 'frames', socket, frames })
      }),
      closed: this.#process.bound((code) => {
        this.#connections.delete(socket)
        this.#event({ type: 'closed', socket, code })
      }),
    }
  }

  // ── what an observer writes down ───────────────────────────────────────────

  #record(fact: TabFact): void {
    const { record, session, name } = this.#options
    record({ ...fact, session, tab: name })
  }

  /** What the page shows and holds now and did not before. */
  #observe(before: ClientLink, isAsk: boolean): void {
    const { view, forks, link } = this.#client
    if (link.status === 'closed' && before.link.status !== 'closed') this.#record({ type: 'left', code: link.code })
    if (forks > before.forks) this.#record({ type: 'forked' })
    this.#observeQuestions(before, isAsk)
    if (view.conversation === before.view.conversation && view.blocks === before.view.blocks) return
    const { head, items } = view.conversation
    for (const item of items) if (item.kind === 'question') this.#tellOnce('sent', item.messageId)
    this.#record({ type: 'view', seq: head?.seq ?? 0, id: head?.id, items: items.map((item) => shownItem(item, view)) })
  }

  #observeQuestions(before: ClientLink, isAsk: boolean): void {
    const { questions } = this.#client
    if (questions === before.questions) return
    for (const { messageId, state, isKept } of questions) {
      if (isKept) this.#tellOnce('kept', messageId)
      if (state.status === 'accepted') this.#tellOnce('sent', messageId)
      if (state.status === 'refused') this.#tellOnce('refused', messageId)
    }
    const held = new Set(questions.map(({ messageId }) => messageId))
    // What the device keeps is forgotten there, by whichever page.
    for (const { messageId, state, isKept } of before.questions)
      if (!held.has(messageId) && !isKept && state.status !== 'refused') this.#record({ type: 'forgot', messageId })
    // What comes from other pages of the device does not count for this one, but all of it does for the device.
    const taken = isAsk ? questions.length : 0
    const count = Math.max(taken, this.#options.device.count(this.#options.session))
    if (count > this.#mostHeld) this.#record({ type: 'held', count })
    this.#mostHeld = Math.max(this.#mostHeld, count)
  }

  #tellOnce(type: 'kept' | 'sent' | 'refused', messageId: string): void {
    if (this.#told.has(type + messageId)) return
    this.#told.add(type + messageId)
    this.#record({ type, messageId })
  }

  /** Up to where the page has been told that it need not keep anything. */
  #observeHeard(frames: readonly Parsed<ServerFrame>[]): void {
    this.#heardAt = this.#process.world.now()
    for (const parsed of frames) {
      if (!parsed.ok) continue
      const { frame } = parsed
      if (frame.type === 'welcome') this.#durability = frame.durability
      const seq = settledBy(frame, this.#durability)
      if (seq !== undefined) this.#record({ type: 'marked', seq })
    }
  }

  #observeSaid(frame: ClientFrame): void {
    const cursor = toldBy(frame)
    if (cursor !== undefined) this.#record({ type: 'cursor', seq: cursor.seq, id: cursor.id })
    const { outbox } = this.#client
    if (frame.type === 'send' && outbox.status === 'failing' && outbox.birth === undefined)
      this.#record({ type: 'blind', messageId: frame.messageId })
  }

  #watch(): void {
    const { world } = this.#process
    const forMs = world.now() - Math.max(this.#heardAt, this.#process.awakeSince)
    if (this.#client.link.status === 'open' && forMs > QUIET_MS) this.#record({ type: 'quiet', forMs })
    this.#process.after(WATCH_MS, () => this.#watch())
  }
}

/** Whether the page listens to what the socket says. */
const isHeard = (link: ClientLink['link'], socket: number): boolean =>
  ('socket' in link && link.socket === socket) || moveUnderWay(link)?.socket === socket

/** Where a frame says that the view stands. */
function toldBy(frame: ClientFrame): Cursor | undefined {
  if (frame.type === 'hello') return frame.resume
  return frame.type === 'pong' ? frame.cursor : undefined
}

/** Up to where a frame says that the log keeps everything: with `fsync`, what is accepted and what is shown is settled. */
function settledBy(frame: ServerFrame, durability: Durability | undefined): number | undefined {
  if (frame.type === 'welcome' || frame.type === 'ping') return frame.settled
  if (durability !== 'fsync') return undefined
  if (frame.type === 'accepted') return frame.seq
  if (frame.type === 'entry') return frame.entry.seq
  return frame.type === 'snapshot' ? frame.head?.seq : undefined
}

function shownItem(item: Item, view: LogView): ShownItem {
  switch (item.kind) {
    case 'question':
      return { kind: 'question', key: item.messageId, text: item.text, blocks: '', status: item.status }
    case 'answer': {
      const blocks = blocksOf(view, item).html.join('')
      return { kind: 'answer', key: `${item.turnId}/${item.attempt}`, text: item.text, blocks, status: item.status }
    }
    case 'notice':
      return { kind: 'notice', key: String(item.seq), text: item.text, blocks: '', status: item.topic }
  }
}
