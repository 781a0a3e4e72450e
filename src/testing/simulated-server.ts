/**
 * A server process: links and turns over one store. It can crash, drain, start again and stand still.
 */
import type { SessionId, VisitorId } from '../conversation/ids.ts'
import { SEND_BUFFER_PAUSE_BYTES } from '../conversation/limits.ts'
import type { AskResult, NewQuestion } from '../conversation-log/conversation-log.ts'
import type { Rings } from '../conversation-log/doorbells.ts'
import { createAdmission, type Admission } from '../gateway/admission.ts'
import type { SimulatedAgent } from './simulated-agent.ts'
import { isAskResult, SimulatedLink, type SimulatedLinkOptions } from './simulated-link.ts'
import type { Connection, Peer } from './simulated-network.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedStore, StorePort } from './simulated-store.ts'
import { SimulatedTurns, type SimulatedTurnsOptions } from './simulated-turns.ts'
import type { StoreAnswer } from './store-node.ts'
import type { World } from './world.ts'

export interface SimulatedServerOptions {
  readonly name: string
  readonly world: World
  readonly random: SeededRandom
  readonly store: SimulatedStore
  readonly agent: SimulatedAgent
  readonly epochMs: number
  readonly links: Pick<SimulatedLinkOptions, 'tamper'>
  readonly turns: Pick<SimulatedTurnsOptions, 'settings' | 'tamper' | 'bend'>
}

const ABNORMAL = 1006
/** Browsers are asked to move spread over so long. */
const MOVE_WITHIN_MS = 2_000
/** Until then what it gives back is on its way to the store. */
const HAND_OVER_MS = 500

export class SimulatedServer {
  readonly name: string
  readonly #options: SimulatedServerOptions
  readonly #process: SimulatedProcess
  readonly #links = new Map<Connection, SimulatedLink>()
  #admission: Admission
  #turns: SimulatedTurns
  #lives = 0
  #port: StorePort
  #isDraining = false
  #slowUntil = 0
  #clockOff = 0

  constructor(options: SimulatedServerOptions) {
    this.name = options.name
    this.#options = options
    this.#process = new SimulatedProcess(options.world)
    this.#admission = this.#newAdmission()
    this.#port = options.store.portOf(this.#owner)
    this.#turns = this.#newTurns()
  }

  /** Turns under way. */
  get running(): SimulatedTurns['running'] {
    return this.#process.isAlive ? this.#turns.running : []
  }

  get isAlive(): boolean {
    return this.#process.isAlive
  }

  /** Takes a browser's connection, unless it is dead or about to go. */
  accept(connection: Connection, visitor: VisitorId): Peer | undefined {
    if (!this.#process.isAlive || this.#isDraining) return undefined
    const { world, links, store } = this.#options
    const buffered = (): number => (world.now() < this.#slowUntil ? SEND_BUFFER_PAUSE_BYTES : 0)
    const { durability } = store
    const link = new SimulatedLink(
      { ...links, durability, visitor, buffered, store: this.#port, admission: this.#admission, process: this.#process },
      connection,
      () => this.#links.delete(connection),
    )
    this.#links.set(connection, link)
    return link
  }

  /** A form or the API: `answer` gets what the log said, `undefined` when it failed, and nothing when this process dies. */
  post(session: SessionId, question: NewQuestion, answer: (result: AskResult | undefined) => void): void {
    this.#process.run(() => {
      const reply = this.#process.bound((given: StoreAnswer) => answer(given.ok ? askResult(given.result) : undefined))
      this.#port.submit({ name: 'ask', args: [session, question] }, reply)
    })
  }

  /** The store's doorbells. */
  rung({ session, work }: Rings): void {
    this.#process.run(() => {
      if (session !== undefined) for (const link of this.#links.values()) link.rung(session)
      if (session !== undefined || work) this.#turns.rung(session)
    })
  }

  agentBack(): void {
    this.#process.run(() => this.#turns.agentChanged())
  }

  pauseFor(ms: number): void {
    this.#process.pauseFor(ms)
  }

  /** For `ms`, no browser takes what it is sent. */
  readersSlowFor(ms: number): void {
    this.#slowUntil = Math.max(this.#slowUntil, this.#options.world.now() + ms)
  }

  /** Somebody sets the machine's clock. */
  clockJumps(ms: number): void {
    this.#clockOff += ms
  }

  /** Goes as a deployment does: asks browsers to move, lets answers go on for `limitMs`, gives the rest back, and starts again `ms` after it has ended. */
  drain(limitMs: number, ms: number): void {
    this.#process.run(() => {
      this.#isDraining = true
      const deadlineMs = MOVE_WITHIN_MS + limitMs
      for (const link of this.#links.values()) link.event({ type: 'drain', afterMs: 0, windowMs: MOVE_WITHIN_MS, deadlineMs })
      this.#turns.drain(limitMs)
      this.#process.after(deadlineMs, () => {
        for (const link of this.#links.values()) link.event({ type: 'end', reason: 'drain', afterMs: 0 })
        this.#process.after(HAND_OVER_MS, () => this.crash(ms))
      })
    })
  }

  /** Dies at once; everything volatile is gone. Starts again after `ms`. */
  crash(ms: number): void {
    this.#process.kill()
    this.#options.store.died(this.#owner)
    for (const connection of this.#links.keys()) connection.kill('server', ABNORMAL)
    this.#links.clear()
    this.#options.world.after(ms, () => {
      if (this.#process.isAlive) return
      this.#process.start()
      this.#isDraining = false
      this.#admission = this.#newAdmission()
      this.#turns = this.#newTurns()
    })
  }

  #newAdmission(): Admission {
    return createAdmission({ monotonic: () => this.#options.world.now() })
  }

  #newTurns(): SimulatedTurns {
    const { store, world, epochMs, agent, random, turns } = this.#options
    this.#lives += 1
    this.#port = store.portOf(this.#owner)
    const wallNow = (): number => epochMs + world.now() + this.#clockOff
    return new SimulatedTurns({ ...turns, agent, random, owner: this.#owner, wallNow, store: this.#port, process: this.#process })
  }

  /** This life of it. */
  get #owner(): string {
    return `${this.name}/${this.#lives}`
  }
}

const askResult = (result: Extract<StoreAnswer, { ok: true }>['result']): AskResult | undefined =>
  isAskResult(result) ? result : undefined

/** Which of several servers gets a connection or a ring: any of them, the dead ones too. */
export class SimulatedCluster {
  readonly servers: readonly SimulatedServer[]
  readonly #world: World
  readonly #random: SeededRandom
  readonly #bellsLost: number
  #deafUntil = 0

  constructor(servers: readonly SimulatedServer[], world: World, random: SeededRandom) {
    this.servers = servers
    this.#world = world
    this.#random = random
    this.#bellsLost = random.pick([0, 0.05, 0.2])
  }

  /** As a load balancer does: to one that is up, or, now and then, to one that has just gone. */
  accept(connection: Connection, visitor: VisitorId): Peer | undefined {
    const alive = this.servers.filter((server) => server.isAlive)
    const among = alive.length === 0 || this.#random.happens(0.1) ? this.servers : alive
    return this.#random.pick(among).accept(connection, visitor)
  }

  /** Posts to one of the servers; without one, nothing comes back. */
  post(session: SessionId, question: NewQuestion, answer: (result: AskResult | undefined) => void): void {
    const alive = this.servers.filter((server) => server.isAlive)
    if (alive.length > 0) this.#random.pick(alive).post(session, question, answer)
  }

  /** Each server hears by itself, or does not: a missed doorbell costs latency and never data. */
  ring(rings: Rings): void {
    for (const server of this.servers) {
      if (this.#world.now() < this.#deafUntil || this.#random.happens(this.#bellsLost)) continue
      this.#world.after(this.#random.between(0, 5), () => server.rung(rings))
    }
  }

  /** Nobody hears the doorbells for so long. */
  deafFor(ms: number): void {
    this.#deafUntil = this.#world.now() + ms
  }
}
