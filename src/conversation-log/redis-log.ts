/**
 * The conversation log in Redis: one server, a server with replicas, or a Cluster; one to many processes of ours on it.
 *
 * Guarantees: every step is atomic (`redis-functions.lua`); a command that fails was not done or its outcome is unknown, and
 * either way sending it again is safe; what an acknowledgement is worth is what Redis does to keep it, and the profile says that.
 * While Redis is away every command fails at once, and all goes on by itself when it is back.
 */
import { isDeepStrictEqual } from 'node:util'
import { PROCESS_ABOUT_CHARS_MAX, REDIS_CONNECT_MAX_MS, REDIS_REPLY_MAX_MS, STORE_QUEUE_MAX } from '../conversation/limits.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import type { Events } from '../telemetry/events.ts'
import type { AnnouncedProcess, Backlog, ConversationLog, StoreProfile } from './conversation-log.ts'
import { createDoorbells, type Doorbells } from './doorbells.ts'
import { LogError } from './log-error.ts'
import { RedisBells, type RemoteRing } from './redis-bells.ts'
import type { RedisAddress } from './redis-connection.ts'
import { replyCode } from './redis-errors.ts'
import { guaranteeOf, type Guarantee } from './redis-guarantee.ts'
import { loadLibrary } from './redis-library.ts'
import { createPartitions } from './redis-partitions.ts'
import { RedisServers } from './redis-servers.ts'
import { RedisSettling } from './redis-settling.ts'
import { RedisStore } from './redis-store.ts'
import { isRead, portOf, ringsOf, runCommand, type CommandName, type LogCommand, type LogPorts, type ResultOf } from './sync-log.ts'

export interface RedisLogOptions {
  /** One server, or several nodes of one Cluster. */
  readonly addresses: readonly RedisAddress[]
  /** Before every key and channel. Without braces: they would choose the slot. */
  readonly keyPrefix: string
  /** How many replicas must have something before it is settled, at least; 0: whatever is accepted counts as settled. */
  readonly waitReplicas: number
  /** Called once when the log there must not be used: written by a newer release, or kept where it may be thrown away. */
  readonly onFatal: (error: LogError) => void
  /** Only for tests, which have little to spread. */
  readonly partitions?: number
  /** `ours`: leases run on the clock of the ports. Only for tests, whose clock is simulated. */
  readonly leaseClock?: 'redis' | 'ours'
}

export interface RedisLogPorts extends LogPorts {
  readonly events: Pick<Events, 'storeFailed' | 'storeCommitted' | 'commandRefused' | 'queueFull' | 'storeGuarantee' | 'storeSettling'>
  /** For the network alone: waits there are real, also where everything else is simulated. */
  readonly network: { readonly clock: Clock; readonly chance: Chance }
}

/**
 * Opens the log. Resolves also when Redis is away: then it is tried for ever, and commands fail until it is there.
 *
 * @throws LogError `fatal` with one sentence for people on call: it lets nobody in, is too old, holds a newer log, may lose keys.
 */
export async function openRedisLog(options: RedisLogOptions, ports: RedisLogPorts): Promise<ConversationLog> {
  const log = new RedisLog(options, ports)
  await log.open()
  return log.port
}

const PROCESS_BYTES = 8

class RedisLog {
  readonly port: ConversationLog
  readonly #options: RedisLogOptions
  readonly #ports: RedisLogPorts
  readonly #servers: RedisServers
  readonly #bells: RedisBells
  readonly #settling: RedisSettling | undefined
  readonly #store: RedisStore
  readonly #doorbells: Doorbells = createDoorbells()
  #state: 'opening' | 'open' | 'closed' = 'opening'
  #closing: Promise<void> | undefined
  /** Commands that are not answered, the first first. */
  readonly #running = new Set<{ readonly since: number }>()
  #isFull = false
  #quiet: (() => void) | undefined
  #batch: Batch | undefined
  #toldGuarantee: Guarantee | undefined

  constructor(options: RedisLogOptions, ports: RedisLogPorts) {
    this.#options = options
    this.#ports = ports
    const { clock, chance } = ports.network
    const partitions = createPartitions(options.keyPrefix, options.partitions)
    const library = loadLibrary()
    const process = Buffer.from(ports.random(PROCESS_BYTES)).toString('hex')
    this.#servers = new RedisServers({
      addresses: options.addresses,
      partitions,
      library,
      clock,
      chance,
      onLost: (error) => ports.events.storeFailed({ kind: error.kind, during: 'wait', cause: error }),
      onChange: () => this.#serversChanged(),
      onFatal: (error) => {
        if (this.#state === 'open') options.onFatal(error)
      },
    })
    this.#bells = new RedisBells({
      partitions,
      process,
      clock,
      chance,
      onRing: (ring) => this.#hear(ring),
      onGap: () => this.#doorbells.ringAll(),
    })
    const replicas = options.waitReplicas
    this.#settling = replicas > 0 ? new RedisSettling({ replicas, library, clock, chance, events: ports.events }) : undefined
    const leaseNow = options.leaseClock === 'ours' ? () => String(ports.clock.monotonic()) : () => ''
    this.#store = new RedisStore({ ...ports, servers: this.#servers, partitions, process, leaseNow, settling: this.#settling })
    this.port = portOf({
      profile: () => this.#profile(),
      submit: (command) => this.#submit(command),
      doorbells: this.#doorbells,
      backlog: () => this.#backlog(),
      announce: (self, leaseMs) => this.#announce(self, leaseMs),
      close: () => (this.#closing ??= this.#close()),
    })
  }

  async open(): Promise<void> {
    try {
      await this.#servers.open()
      await this.#bells.whenReady(REDIS_CONNECT_MAX_MS)
    } catch (error) {
      await this.#dispose()
      throw error
    }
    this.#state = 'open'
  }

  #profile(): StoreProfile {
    const { servers, isCluster } = this.#servers
    const known = servers.length > 0 ? servers.map(({ address }) => address) : this.#options.addresses
    const places = known.map(({ host, port }) => `${host}:${port}`).join(', ')
    const { durability } = this.#guarantee()
    return { store: 'redis', durability, isShared: true, description: `Redis${isCluster ? ' Cluster' : ''}, ${places} (${durability})` }
  }

  #guarantee(): Guarantee {
    const facts = this.#servers.servers.map((server) => server.facts)
    return guaranteeOf(facts, this.#options.waitReplicas)
  }

  /** Once every server is known, and whenever it has become another one. */
  #tellGuarantee(): void {
    const { servers } = this.#servers
    if (servers.length === 0 || servers.some(({ facts }) => facts === undefined)) return
    const guarantee = this.#guarantee()
    if (isDeepStrictEqual(guarantee, this.#toldGuarantee)) return
    this.#toldGuarantee = guarantee
    this.#ports.events.storeGuarantee(guarantee)
  }

  async #submit(command: LogCommand): Promise<ResultOf<CommandName>> {
    if (this.#state === 'closed') throw new LogError('unavailable', 'the log is closed')
    if (this.#running.size >= STORE_QUEUE_MAX) throw this.#full()
    this.#isFull = false
    const committed = isRead(command) ? undefined : this.#inBatch()
    const running = { since: this.#ports.network.clock.monotonic() }
    this.#running.add(running)
    try {
      const result = await runCommand(this.#store, command)
      this.#doorbells.ring(ringsOf(command, result))
      return result
    } catch (error) {
      this.#report(error, isRead(command) ? 'read' : 'write')
      throw error
    } finally {
      this.#running.delete(running)
      committed?.()
      if (this.#running.size === 0) this.#quiet?.()
    }
  }

  /** No command: it is about processes and not about conversations, and nobody waits for it. */
  async #announce(self: AnnouncedProcess, leaseMs: number): Promise<readonly AnnouncedProcess[]> {
    if (this.#state === 'closed') throw new LogError('unavailable', 'the log is closed')
    if (self.about.length > PROCESS_ABOUT_CHARS_MAX) throw new RangeError('a process says too much of itself')
    return this.#store.announce(self, leaseMs)
  }

  #full(): LogError {
    const { events } = this.#ports
    events.commandRefused()
    if (!this.#isFull) events.queueFull({ queue: 'store', depth: this.#running.size })
    this.#isFull = true
    return new LogError('unavailable', 'too many commands wait for Redis')
  }

  /** What Redis itself answered, and what is wrong in it. That it is away is told once, by its connection. */
  #report(error: unknown, during: 'read' | 'write'): void {
    if (error instanceof LogError && (error.kind === 'corrupt' || replyCode(error.cause) !== undefined)) {
      this.#ports.events.storeFailed({ kind: error.kind, during, cause: error })
    }
  }

  #backlog(): Backlog {
    const [oldest] = this.#running
    const oldestMs = oldest === undefined ? 0 : this.#ports.network.clock.monotonic() - oldest.since
    return { depth: this.#running.size, capacity: STORE_QUEUE_MAX, oldestMs }
  }

  /** Commands of the same tick go out together; when the last of them is answered, that is one commit. */
  #inBatch(): () => void {
    const { clock } = this.#ports.network
    if (this.#batch === undefined) {
      this.#batch = { commands: 0, left: 0, since: clock.monotonic() }
      queueMicrotask(() => {
        this.#batch = undefined
      })
    }
    const batch = this.#batch
    batch.commands += 1
    batch.left += 1
    return () => {
      batch.left -= 1
      if (batch.left > 0) return
      this.#ports.events.storeCommitted({ commands: batch.commands, tookMs: clock.monotonic() - batch.since })
    }
  }

  #hear({ partition, session, what }: RemoteRing): void {
    if (what !== 'append') this.#store.rang(partition, what)
    this.#doorbells.ring({ session, work: what !== 'append' })
  }

  #serversChanged(): void {
    const { servers } = this.#servers
    this.#bells.follow(servers)
    this.#settling?.follow(servers)
    this.#store.serversChanged()
    this.#tellGuarantee()
  }

  async #close(): Promise<void> {
    this.#state = 'closed'
    if (this.#running.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#quiet = resolve
      const cancel = this.#ports.network.clock.schedule(REDIS_REPLY_MAX_MS, resolve)
      await promise
      cancel()
    }
    await this.#dispose()
  }

  async #dispose(): Promise<void> {
    this.#state = 'closed'
    await Promise.all([this.#bells[Symbol.asyncDispose](), this.#settling?.[Symbol.asyncDispose](), this.#servers[Symbol.asyncDispose]()])
  }
}

interface Batch {
  commands: number
  left: number
  readonly since: number
}
