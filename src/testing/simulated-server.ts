/**
 * A server process: links and turns over one store. It can crash, start again and stand still.
 */
import { SEND_BUFFER_PAUSE_BYTES } from '../conversation/limits.ts'
import type { SimulatedAgent } from './simulated-agent.ts'
import { SimulatedLink, type SimulatedLinkOptions } from './simulated-link.ts'
import type { Connection, Peer } from './simulated-network.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedStore } from './simulated-store.ts'
import { SimulatedTurns, type SimulatedTurnsOptions } from './simulated-turns.ts'
import type { World } from './world.ts'

export interface SimulatedServerOptions {
  readonly world: World
  readonly random: SeededRandom
  readonly store: SimulatedStore
  readonly agent: SimulatedAgent
  readonly links: Pick<SimulatedLinkOptions, 'session' | 'tamper'>
  readonly turns: Pick<SimulatedTurnsOptions, 'epochMs' | 'settings' | 'leaseLost' | 'tamper'>
}

const ABNORMAL = 1006
/** Until then what it gives back is on its way to the store. */
const HAND_OVER_MS = 500

export class SimulatedServer {
  readonly #options: SimulatedServerOptions
  readonly #process: SimulatedProcess
  readonly #links = new Map<Connection, SimulatedLink>()
  #turns: SimulatedTurns
  #slowUntil = 0

  constructor(options: SimulatedServerOptions) {
    this.#options = options
    this.#process = new SimulatedProcess(options.world)
    this.#turns = this.#newTurns()
  }

  /** Turns under way. */
  get running(): number {
    return this.#process.isAlive ? this.#turns.running : 0
  }

  get isAlive(): boolean {
    return this.#process.isAlive
  }

  accept(connection: Connection): Peer | undefined {
    if (!this.#process.isAlive) return undefined
    const { world, links } = this.#options
    const buffered = (): number => (world.now() < this.#slowUntil ? SEND_BUFFER_PAUSE_BYTES : 0)
    const link = new SimulatedLink({ ...this.#options, ...links, buffered, process: this.#process }, connection, () =>
      this.#links.delete(connection),
    )
    this.#links.set(connection, link)
    return link
  }

  /** The store's doorbells, which are rung in the process that wrote. */
  rung({ appended, work }: { readonly appended: boolean; readonly work: boolean }): void {
    this.#process.run(() => {
      if (appended) for (const link of this.#links.values()) link.event({ type: 'rung' })
      if (appended || work) this.#turns.rung()
    })
  }

  agentBack(): void {
    this.#process.run(() => this.#turns.agentBack())
  }

  pauseFor(ms: number): void {
    this.#process.pauseFor(ms)
  }

  /** For `ms`, no browser takes what it is sent. */
  readersSlowFor(ms: number): void {
    this.#slowUntil = Math.max(this.#slowUntil, this.#options.world.now() + ms)
  }

  /** Goes as a deployment does: says goodbye, gives its turns back, and starts again `ms` after it has ended. */
  drain(ms: number): void {
    this.#process.run(() => {
      for (const link of this.#links.values()) link.event({ type: 'end', reason: 'drain', afterMs: 0 })
      this.#turns.drain()
      this.#process.after(HAND_OVER_MS, () => this.crash(ms))
    })
  }

  /** Dies at once; everything volatile is gone. Starts again after `ms`. */
  crash(ms: number): void {
    this.#process.kill()
    this.#options.store.crash()
    for (const connection of this.#links.keys()) connection.kill('server', ABNORMAL)
    this.#links.clear()
    this.#options.world.after(ms, () => {
      if (this.#process.isAlive) return
      this.#process.start()
      this.#turns = this.#newTurns()
    })
  }

  #newTurns(): SimulatedTurns {
    return new SimulatedTurns({ ...this.#options, ...this.#options.turns, process: this.#process })
  }
}
