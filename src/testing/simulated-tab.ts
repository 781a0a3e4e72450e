/**
 * A browser tab and the person before it: the very steps of `browser/client-link.ts`, with simulated effects, and everything
 * that its page shows written down for the checker. What it keeps is on a device that it shares with other tabs.
 */
import { initialLink, nextDeadline, step } from '../browser/client-link.ts'
import type { ClientContext, ClientEffect, ClientEvent, ClientLink } from '../browser/client-link-state.ts'
import type { Item } from '../conversation/conversation.ts'
import { mintDeviceId, mintMessageId, type SessionId } from '../conversation/ids.ts'
import { formatFrames, parseServerFrames } from '../protocol/parse-frame.ts'
import type { OutboxChange } from '../browser/outbox.ts'
import type { HistoryRecord, ShownItem } from './history.ts'
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
  /** Tells the other tabs of the device that something on it has changed. */
  readonly hint: () => void
  readonly epochMs: number
  readonly digest: (text: string) => string
  readonly record: (entry: HistoryRecord) => void
  /** Planted bugs: what the link decided may be changed before it holds. */
  readonly tamper: (client: ClientLink, effects: readonly ClientEffect[]) => readonly [ClientLink, readonly ClientEffect[]]
  /** Planted bugs: what arrives may be changed. */
  readonly garble: (client: ClientLink, event: ClientEvent) => ClientEvent
}

const GOING_AWAY = 1001
const VISITOR = 'somebody'

export class SimulatedTab {
  readonly #options: SimulatedTabOptions
  readonly #process: SimulatedProcess
  /** Of what the device does, so that the rest of a history does not depend on it. */
  readonly #deviceRandom: SeededRandom
  #client: ClientLink
  #connections = new Map<number, Connection>()
  #told = new Set<string>()
  #asked = 0
  #takeBack: () => void = () => undefined
  /** When the last transaction is over: they come one after the other. */
  #storedAt = 0

  constructor(options: SimulatedTabOptions) {
    this.#options = options
    this.#process = new SimulatedProcess(options.world)
    this.#deviceRandom = options.random.stream('device')
    this.#client = this.#load(undefined)
  }

  /** Questions of this page that are not settled. */
  get unsettled(): number {
    return this.#client.questions.length
  }

  ask(): void {
    this.#process.run(() => {
      const { random, name, world, epochMs, record } = this.#options
      const messageId = mintMessageId(epochMs + world.now(), (count) => random.bytes(count))
      this.#asked += 1
      const text = `question ${this.#asked} of ${name}`
      record({ type: 'typed', tab: name, messageId, text })
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

  /** Another tab has changed something on the device. */
  hinted(): void {
    this.#process.run(() => this.#event({ type: 'hinted' }))
  }

  /** Loads the page again: nothing of the old one is left but what the device keeps. */
  reload(): void {
    // A tab that crashed knows what it was; another one that takes its place does not.
    const former = this.#deviceRandom.happens(0.6) ? this.#client.page : undefined
    this.#process.kill()
    this.#takeBack()
    for (const connection of this.#connections.values()) connection.kill('browser', GOING_AWAY)
    this.#connections = new Map()
    this.#process.start()
    this.#client = this.#load(former)
  }

  #load(former: string | undefined): ClientLink {
    const { random, session, name, record } = this.#options
    record({ type: 'loaded', tab: name })
    this.#told = new Set()
    this.#client = initialLink(
      session,
      mintDeviceId((count) => random.bytes(count)),
      true,
    )
    this.#event({ type: 'start', former })
    return this.#client
  }

  #event(happened: ClientEvent): void {
    const { random, tamper, garble } = this.#options
    const before = this.#client
    const mintDevice = (): ReturnType<ClientContext['mintDevice']> => mintDeviceId((count) => random.bytes(count))
    const context: ClientContext = { now: this.#process.world.now(), chance: random.next, mintDevice }
    const [client, effects] = tamper(...step(before, garble(before, happened), context))
    this.#client = client
    this.#observe(before)
    for (const effect of effects) this.#perform(effect)
    this.#plan()
  }

  #plan(): void {
    this.#takeBack()
    const due = nextDeadline(this.#client)
    if (due !== undefined) this.#takeBack = this.#process.after(due - this.#process.world.now(), () => this.#event({ type: 'tick' }))
  }

  #perform(effect: ClientEffect): void {
    switch (effect.type) {
      case 'connect':
        this.#connections.set(effect.socket, this.#options.network.dial(this.#peer(effect.socket), this.#options.accept))
        return
      case 'send':
        this.#connections.get(effect.socket)?.send('browser', formatFrames(effect.frames))
        return
      case 'close':
        this.#connections.get(effect.socket)?.close('browser', effect.code)
        this.#connections.delete(effect.socket)
        return
      case 'store':
        this.#store(effect.change)
        return
      case 'verify': {
        const matches = this.#options.digest(effect.text) === effect.sha256
        this.#process.after(1, () => this.#event({ type: 'verified', matches }))
      }
    }
  }

  /** A transaction takes a moment; of one that was under way when its tab died nobody can say whether it was committed. */
  #store(change: OutboxChange): void {
    const { device, session, epochMs, world, hint } = this.#options
    const random = this.#deviceRandom
    let isAlive = false
    const commitsAt = Math.max(this.#storedAt, world.now() + random.between(1, 5))
    this.#storedAt = commitsAt
    this.#process.after(commitsAt - world.now(), () => {
      isAlive = true
    })
    world.after(commitsAt - world.now(), () => {
      if (!isAlive && random.happens(0.5)) return
      const outcome = device.transact(change, { visitor: VISITOR, session }, epochMs + world.now())
      if (change.type !== 'look' && random.happens(0.8)) hint()
      this.#process.after(1, () => this.#event({ ...outcome, change }))
    })
  }

  #peer(socket: number): Peer {
    return {
      opened: this.#process.bound(() => this.#event({ type: 'opened', socket })),
      received: this.#process.bound((text) => this.#event({ type: 'frames', socket, frames: parseServerFrames(text) })),
      closed: this.#process.bound((code) => {
        this.#connections.delete(socket)
        this.#event({ type: 'closed', socket, code })
      }),
    }
  }

  /** Writes down what the page shows now and did not before. */
  #observe(before: ClientLink): void {
    const { name, record } = this.#options
    const { view, questions, forks } = this.#client
    if (forks > before.forks) record({ type: 'forked', tab: name })
    for (const { messageId, state, isKept } of questions) {
      if (isKept) this.#tellOnce('kept', messageId)
      if (state.status === 'accepted') this.#tellOnce('sent', messageId)
      if (state.status === 'refused') this.#tellOnce('refused', messageId)
    }
    if (view.conversation === before.view.conversation) return
    const { head, items } = view.conversation
    for (const item of items) if (item.kind === 'question') this.#tellOnce('sent', item.messageId)
    record({ type: 'view', tab: name, seq: head?.seq ?? 0, id: head?.id, items: items.map(shownItem) })
  }

  #tellOnce(type: 'kept' | 'sent' | 'refused', messageId: string): void {
    const { name, record } = this.#options
    if (this.#told.has(type + messageId)) return
    this.#told.add(type + messageId)
    record({ type, tab: name, messageId })
  }
}

function shownItem(item: Item): ShownItem {
  switch (item.kind) {
    case 'question':
      return { kind: 'question', key: item.messageId, text: item.text, status: item.status }
    case 'answer':
      return { kind: 'answer', key: `${item.turnId}/${item.attempt}`, text: item.text, status: item.status }
    case 'notice':
      return { kind: 'notice', key: String(item.seq), text: item.text, status: item.topic }
  }
}
