/**
 * One page and one server, joined by nothing but the steps of `browser/client-link.ts` and `gateway/server-link.ts`: a network that
 * cuts, a store that hesitates, fails and may forget what was not settled, and a person in a hurry.
 *
 * Narrower than `simulation.ts`: nothing crashes and nobody answers but a scribe. What it adds are stores that are rolled back,
 * bursts of questions up to what a page holds, long ones among them, and the limits of the door.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { canAsk, initialLink, nextDeadline as clientDeadline, step as stepClient } from '../browser/client-link.ts'
import { moveUnderWay } from '../browser/client-link-socket.ts'
import type { ClientContext, ClientEffect, ClientEvent, ClientLink } from '../browser/client-link-state.ts'
import type { Entry } from '../conversation/entry.ts'
import { mintDeviceId, mintMessageId, type MessageId } from '../conversation/ids.ts'
import { FRAME_BYTES_MAX } from '../conversation/limits.ts'
import { utf8Bytes } from '../conversation/question-text.ts'
import { initialServerLink, nextDeadline as serverDeadline, step as stepServer } from '../gateway/server-link.ts'
import type { LinkEffect, LinkEvent, ServerLink } from '../gateway/server-link-state.ts'
import { formatFrames, parseClientFrames, parseServerFrames } from '../protocol/parse-frame.ts'
import { ALL_WORKS, type ServerFrame } from '../protocol/protocol.ts'
import { PAIR_EPOCH_MS, PairStore, type PairDurability } from './pair-store.ts'
import { seededRandom, type SeededRandom } from './seeded-random.ts'
import { createSimulatedNetwork, type Connection, type Peer, type SimulatedNetwork } from './simulated-network.ts'
import { createWorld, type World } from './world.ts'

export interface LinkPairOptions {
  readonly seed: number
  readonly durability: PairDurability
  /** The server goes away now and then, in good order: it asks its links to move, to a process that is the same to a page. */
  readonly drains?: boolean
}

/** What came of it. */
export interface LinkPairResult {
  readonly asked: readonly MessageId[]
  readonly client: ClientLink
  readonly log: readonly Entry[]
  /** Views that were no prefix of any log there ever was. */
  readonly wrongViews: readonly string[]
  readonly closeCodes: readonly number[]
  readonly counts: {
    readonly cuts: number
    readonly rollbacks: number
    readonly failures: number
    readonly links: number
    readonly moves: number
  }
  /** It never came to rest. */
  readonly isEndless: boolean
}

const TROUBLE_MS = 90_000
const REST_MS = 900_000
const STEPS_MAX = 200_000
const TOO_LARGE = 1009

/** Plays one history to its end. The same options give the same result. */
export function playLinkPair(options: LinkPairOptions): LinkPairResult {
  return new LinkPair(options).play()
}

class LinkPair {
  readonly #random: SeededRandom
  readonly #world: World = createWorld()
  readonly #network: SimulatedNetwork
  readonly #store: PairStore
  readonly #asked: MessageId[] = []
  readonly #wrongViews: string[] = []
  readonly #closeCodes: number[] = []
  readonly #links = new Set<PairLink>()
  readonly #counts = { cuts: 0, links: 0, moves: 0 }
  readonly #drains: boolean
  readonly #sockets = new Map<number, Connection>()
  #client: ClientLink
  #takeBack: () => void = () => undefined

  constructor({ seed, durability, drains = false }: LinkPairOptions) {
    this.#drains = drains
    this.#random = seededRandom(seed)
    this.#network = createSimulatedNetwork(this.#world, this.#random.stream('network'))
    this.#store = new PairStore(this.#world, this.#random.stream('store'), durability)
    this.#client = initialLink(this.#store.session, this.#mintDevice())
  }

  play(): LinkPairResult {
    this.#event({ type: 'start' })
    this.#planPerson(this.#random.stream('person'))
    this.#planTrouble(this.#random.stream('trouble'))
    this.#planScribe(this.#random.stream('scribe'))
    if (this.#drains) this.#planDrains(this.#random.stream('drains'))
    const steps = this.#world.runUntil(REST_MS, STEPS_MAX)
    const { rollbacks, failures } = this.#store
    return {
      asked: this.#asked,
      client: this.#client,
      log: this.#store.entries(),
      wrongViews: this.#wrongViews,
      closeCodes: this.#closeCodes,
      counts: { ...this.#counts, rollbacks, failures },
      isEndless: steps >= STEPS_MAX,
    }
  }

  #mintDevice(): ReturnType<typeof mintDeviceId> {
    return mintDeviceId((count) => this.#random.bytes(count))
  }

  // ── the page ───────────────────────────────────────────────────────────────

  #event(event: ClientEvent): void {
    const before = this.#client
    const ctx: ClientContext = { now: this.#world.now(), chance: this.#random.next, mintDevice: () => this.#mintDevice() }
    const [client, effects] = stepClient(before, event, ctx)
    this.#client = client
    if (client.view.conversation !== before.view.conversation) this.#check(client)
    if (moveUnderWay(before.link)?.status === 'greeting' && client.link.status === 'open' && isAnother(client, before))
      this.#counts.moves += 1
    for (const effect of effects) this.#perform(effect)
    this.#takeBack()
    const due = clientDeadline(this.#client)
    if (due !== undefined) this.#takeBack = this.#world.after(due - this.#world.now(), () => this.#event({ type: 'tick' }))
  }

  #perform(effect: ClientEffect): void {
    switch (effect.type) {
      case 'connect': {
        const { socket } = effect
        const peer: Peer = {
          opened: () => this.#event({ type: 'opened', socket }),
          received: (text) => this.#event({ type: 'frames', socket, frames: parseServerFrames(text) }),
          closed: (code) => {
            this.#closeCodes.push(code)
            this.#event({ type: 'closed', socket, code })
          },
        }
        this.#sockets.set(
          socket,
          this.#network.dial(peer, (connection) => this.#accept(connection)),
        )
        return
      }
      case 'send':
        for (const frame of effect.frames) this.#sockets.get(effect.socket)?.send('browser', formatFrames([frame]))
        return
      case 'close':
        this.#sockets.get(effect.socket)?.close('browser', effect.code)
        return
      case 'store':
        throw new Error('unreachable link-pair-2: this page has no device')
      case 'verify': {
        const matches = createHash('sha256').update(effect.text).digest('hex') === effect.sha256
        this.#world.after(1, () => this.#event({ type: 'verified', matches }))
      }
    }
  }

  #check({ view }: ClientLink): void {
    const { conversation, earlier } = view
    const truth = this.#store.viewAt(conversation.head?.seq ?? 0, conversation.head?.id)
    if (truth === undefined) return
    if (isDeepStrictEqual(conversation.items, truth.items.slice(earlier))) return
    this.#wrongViews.push(`at ${conversation.head?.seq}: ${JSON.stringify(conversation.items)}`)
  }

  #accept(connection: Connection): Peer {
    this.#counts.links += 1
    const link = new PairLink(this.#world, this.#store, connection, () => this.#links.delete(link))
    this.#links.add(link)
    return link
  }

  // ── what happens ───────────────────────────────────────────────────────────

  #planPerson(random: SeededRandom): void {
    for (let burst = random.between(1, 4); burst > 0; burst -= 1) {
      const count = random.happens(0.3) ? 20 : random.between(1, 4)
      this.#world.after(random.between(0, TROUBLE_MS), () => {
        for (let left = count; left > 0; left -= 1) this.#ask(random)
      })
    }
    for (const event of ['woke', 'offline', 'online'] as const) {
      for (let times = random.between(0, 4); times > 0; times -= 1) {
        this.#world.after(random.between(0, TROUBLE_MS), () => this.#event({ type: event }))
      }
    }
  }

  #ask(random: SeededRandom): void {
    if (!canAsk(this.#client)) return
    const messageId = mintMessageId(PAIR_EPOCH_MS + this.#world.now(), (count) => random.bytes(count))
    this.#asked.push(messageId)
    const text = random.happens(0.2) ? 'ก็็็็็็็'.repeat(600) : `question ${this.#asked.length}`
    this.#event({ type: 'ask', messageId, text, inReplyTo: undefined })
  }

  #planTrouble(random: SeededRandom): void {
    const often = (most: number, action: () => void): void => {
      for (let times = random.between(0, most); times > 0; times -= 1) this.#world.after(random.between(0, TROUBLE_MS), action)
    }
    const any = (): Connection | undefined => [...this.#network.connections].at(random.between(-2, 0))
    often(8, () => {
      this.#counts.cuts += 1
      any()?.cut()
    })
    often(3, () => any()?.swallow(random.pick([['browser'], ['server'], ['browser', 'server']] as const)))
    often(2, () => {
      this.#network.block(random.pick(['refuse', 'silent'] as const))
      this.#world.after(random.between(500, 20_000), () => this.#network.block('no'))
    })
    often(2, () => this.#store.awayFor(random.between(100, 15_000)))
    often(3, () => this.#store.rollBack())
    this.#world.after(TROUBLE_MS + 20_000, () => this.#network.block('no'))
  }

  /** Whoever is asked and does not come in time is told goodbye. */
  #planDrains(random: SeededRandom): void {
    for (let times = random.between(1, 6); times > 0; times -= 1) {
      const [windowMs, limitMs] = [random.between(0, 3_000), random.between(0, 8_000)]
      this.#world.after(random.between(0, TROUBLE_MS), () => {
        const leaving = [...this.#links]
        for (const link of leaving) link.event({ type: 'drain', afterMs: 0, windowMs, deadlineMs: limitMs })
        this.#world.after(limitMs, () => {
          for (const link of leaving) link.event({ type: 'end', reason: 'drain', afterMs: 0 })
        })
      })
    }
  }

  /** Answers questions, now and then, as long as there are any. */
  #planScribe(random: SeededRandom): void {
    this.#world.after(random.between(20, 3_000), () => {
      this.#store.answerOne(random)
      // A bell may be lost.
      if (random.happens(0.8)) for (const link of this.#links) link.event({ type: 'rung' })
      if (this.#world.now() < REST_MS - 60_000) this.#planScribe(random)
    })
  }
}

const isAnother = (one: ClientLink, other: ClientLink): boolean =>
  'socket' in one.link && 'socket' in other.link && one.link.socket !== other.link.socket

/** The server's end of one connection. */
class PairLink implements Peer {
  readonly #world: World
  readonly #store: PairStore
  readonly #connection: Connection
  readonly #ended: () => void
  #link: ServerLink
  #takeBack: () => void = () => undefined

  constructor(world: World, store: PairStore, connection: Connection, ended: () => void) {
    this.#world = world
    this.#store = store
    this.#connection = connection
    this.#ended = ended
    this.#link = initialServerLink(world.now())
    this.#plan()
  }

  opened(): void {
    throw new Error('unreachable link-pair-1: only a browser is told that its connection opened')
  }

  received(text: string): void {
    // What `ws` does with a message that is too large.
    if (utf8Bytes(text) <= FRAME_BYTES_MAX) return this.event({ type: 'frames', frames: parseClientFrames(text) })
    this.#connection.close('server', TOO_LARGE)
    return this.event({ type: 'closed' })
  }

  closed(): void {
    this.event({ type: 'closed' })
  }

  event(event: LinkEvent): void {
    const [link, effects] = stepServer(this.#link, event, { now: this.#world.now(), buffered: 0 })
    this.#link = link
    for (const effect of effects) this.#perform(effect)
    if (link.status === 'closed') this.#ended()
    this.#plan()
  }

  #plan(): void {
    this.#takeBack()
    const due = serverDeadline(this.#link)
    if (due !== undefined) this.#takeBack = this.#world.after(due - this.#world.now(), () => this.event({ type: 'tick' }))
  }

  #perform(effect: LinkEffect): void {
    switch (effect.type) {
      case 'open': {
        const { session, device } = effect.hello
        this.#store.submit(
          (store) => ({ logId: this.#store.logId, lastNumber: store.lastNumber(session, device) }),
          (found) => {
            const { durability } = this.#store
            const result =
              found === undefined
                ? ({ type: 'failed' } as const)
                : ({ type: 'opened', opened: { ...found, session, device, durability, standing: ALL_WORKS } } as const)
            this.event({ type: 'opened', result })
          },
        )
        return
      }
      case 'read':
        this.#store.submit(
          () => this.#store.read(effect.after),
          (result) => this.event({ type: 'read', result: result ?? { type: 'failed' } }),
        )
        return
      case 'fold':
        this.#store.submit(
          () => this.#store.folded(),
          (result) => this.event({ type: 'folded', result: result ?? { type: 'failed' } }),
        )
        return
      case 'ask': {
        const { question } = effect
        this.#store.submit(
          () => this.#store.ask(question),
          (result) => this.event({ type: 'asked', messageId: question.messageId, result: result ?? { type: 'failed' } }),
        )
        return
      }
      case 'send':
        this.#send(effect.frames)
        return
      case 'deliver':
        this.#send(effect.entries.map((entry) => ({ type: 'entry', entry })))
        return
      case 'show':
        this.#send([{ type: 'snapshot', head: effect.head, items: [...effect.items], earlier: effect.earlier }])
        return
      case 'close':
        this.#connection.close('server', effect.code)
        return
      case 'stop':
      case 'report':
    }
  }

  #send(frames: readonly ServerFrame[]): void {
    this.#connection.send('server', formatFrames(frames))
  }
}
