/**
 * Connections between browsers and servers that behave as TCP does when things go wrong: what arrives, arrives in order;
 * what is lost is always the end of what was sent; and a dead link may stay silent for ever.
 */
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

export type Side = 'browser' | 'server'

/** What happens at one end of a connection. */
export interface Peer {
  /** Only the browser's end: the server took the connection. */
  opened(): void
  received(text: string): void
  /** The last thing that happens at this end. */
  closed(code: number): void
}

export interface Connection {
  send(from: Side, text: string): void
  /** Says goodbye: what was sent before still arrives. */
  close(from: Side, code: number): void
  /** Breaks it now; each end learns of it when its own next packet fails. */
  cut(): void
  /** Swallows everything from now on in these directions, and tells nobody. */
  swallow(directions: readonly Side[]): void
  /** Holds everything in both directions for so long, and then delivers it. */
  hold(ms: number): void
  /** One end's process is gone: it hears nothing any more, the other end is told with `code`. */
  kill(side: Side, code: number): void
  readonly isOpen: boolean
}

/** Takes the server's end of a new connection, or refuses it. */
export type Accept = (connection: Connection) => Peer | undefined

/** New connections work, are refused, are never answered, or open and then swallow everything. */
export type Blockade = 'no' | 'refuse' | 'silent' | 'swallow'

export interface SimulatedNetwork {
  /** Dials; `opened` or `closed` of `browser` follows. */
  dial(browser: Peer, accept: Accept): Connection
  /** Connections that have not ended at both ends. */
  readonly connections: ReadonlySet<Connection>
  /** How new connections fare until it is called again. */
  block(how: Blockade): void
}

const ABNORMAL = 1006
const other = (side: Side): Side => (side === 'browser' ? 'server' : 'browser')

class SimulatedConnection implements Connection {
  readonly #world: World
  readonly #latency: () => number
  readonly #ended: () => void
  readonly #peers: Record<Side, Peer | undefined>
  readonly #arrival: Record<Side, number> = { browser: 0, server: 0 }
  readonly #swallowed = new Set<Side>()
  /** A browser that has said goodbye, and may still be given what was on its way. */
  #leaving: Peer | undefined
  #isCut = false

  constructor(browser: Peer, world: World, latency: () => number, ended: () => void) {
    this.#peers = { browser, server: undefined }
    this.#world = world
    this.#latency = latency
    this.#ended = ended
  }

  get isOpen(): boolean {
    return !this.#isCut && this.#peers.browser !== undefined && this.#peers.server !== undefined
  }

  /** The first packet reached the server's machine. A connection that is `doomed` opens, and then nothing of it arrives. */
  arrive(accept: Accept | undefined, isDoomed: boolean): void {
    if (this.#peers.browser === undefined || this.#isCut) return
    this.#peers.server = accept?.(this)
    if (this.#peers.server === undefined) {
      this.#world.after(this.#latency(), () => this.#end('browser', ABNORMAL))
      return
    }
    this.#deliver('browser', (peer) => {
      if (isDoomed) this.swallow(['browser', 'server'])
      peer.opened()
    })
  }

  send(from: Side, text: string): void {
    if (this.#peers[from] !== undefined) this.#deliver(other(from), (peer) => peer.received(text), true)
  }

  close(from: Side, code: number): void {
    const peer = this.#peers[from]
    if (peer === undefined) return
    if (from === 'browser') this.#leaving = peer
    this.#peers[from] = undefined
    this.#deliver(other(from), () => this.#end(other(from), code))
  }

  cut(): void {
    this.#isCut = true
    for (const side of ['browser', 'server'] as const) this.#world.after(this.#latency(), () => this.#end(side, ABNORMAL))
  }

  swallow(directions: readonly Side[]): void {
    for (const direction of directions) this.#swallowed.add(direction)
  }

  hold(ms: number): void {
    const until = this.#world.now() + ms
    this.#arrival.browser = Math.max(this.#arrival.browser, until)
    this.#arrival.server = Math.max(this.#arrival.server, until)
  }

  kill(side: Side, code: number): void {
    this.#peers[side] = undefined
    this.#world.after(this.#latency(), () => this.#end(other(side), code))
  }

  /** In order, like TCP: nothing overtakes what was sent before it. */
  #deliver(to: Side, action: (peer: Peer) => void, mayBeLate = false): void {
    const now = this.#world.now()
    this.#arrival[to] = Math.max(this.#arrival[to], now + this.#latency())
    this.#world.after(this.#arrival[to] - now, () => {
      const peer = this.#peers[to] ?? (mayBeLate && to === 'browser' ? this.#leaving : undefined)
      if (peer !== undefined && !this.#isCut && !this.#swallowed.has(other(to))) action(peer)
    })
  }

  #end(side: Side, code: number): void {
    const peer = this.#peers[side]
    this.#peers[side] = undefined
    if (this.#peers.browser === undefined && this.#peers.server === undefined) this.#ended()
    peer?.closed(code)
  }
}

export function createSimulatedNetwork(world: World, random: SeededRandom): SimulatedNetwork {
  const connections = new Set<Connection>()
  let blocked: Blockade = 'no'
  // Mostly a few milliseconds, now and then a second: both orders of any two races happen.
  const latency = (): number => (random.happens(0.05) ? random.between(200, 1500) : random.between(1, 40))

  return {
    connections,
    block: (how) => {
      blocked = how
    },
    dial(browser, accept) {
      const connection = new SimulatedConnection(browser, world, latency, () => connections.delete(connection))
      connections.add(connection)
      world.after(latency(), () => {
        if (blocked !== 'silent') connection.arrive(blocked === 'refuse' ? undefined : accept, blocked === 'swallow')
      })
      return connection
    },
  }
}
