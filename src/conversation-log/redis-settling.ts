/**
 * Finds out what is settled: which changes every replica has that may be promoted.
 *
 * A probe, on a connection of its own to each server: read how far each partition has counted, write something, and `WAIT` until
 * all those replicas have that. Replication is one ordered stream, so then they have everything that was counted before, whoever
 * wrote it. The mark is kept in Redis beside the count that it is about: a fail-over takes both or neither, so no mark
 * of one history is ever held against another.
 *
 * "All" are those that the Cluster knows, also when they are not there now, and never fewer than were asked for or were seen on
 * the server since it was reached: one that was left out may be the one that is promoted. While one is away nothing settles.
 */
import { REDIS_SETTLE_INTERVAL_MS, REDIS_SETTLE_WAIT_MS } from '../conversation/limits.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import type { Events } from '../telemetry/events.ts'
import { RedisConnection } from './redis-connection.ts'
import { toLogError } from './redis-errors.ts'
import type { RedisLibrary } from './redis-library.ts'
import type { Partition } from './redis-partitions.ts'
import { listOf, numberAt } from './redis-replies.ts'
import { countClusterReplicas, readFacts } from './redis-server-facts.ts'
import { CLIENT_NAME, type RedisServer } from './redis-servers.ts'

/** Replicas are counted again after this long. */
const RECOUNT_MS = 5_000

export interface RedisSettlingOptions {
  /** Replicas that must have a change before it is settled, at least. */
  readonly replicas: number
  readonly library: RedisLibrary
  readonly clock: Clock
  readonly chance: Chance
  readonly events: Pick<Events, 'storeSettling'>
}

export class RedisSettling implements AsyncDisposable {
  readonly #options: RedisSettlingOptions
  readonly #probers = new Map<RedisServer, Prober>()
  #isClosed = false

  constructor(options: RedisSettlingOptions) {
    this.#options = options
  }

  /** Probes these servers and no others. */
  follow(servers: readonly RedisServer[]): void {
    if (this.#isClosed) return
    for (const [server, prober] of this.#probers) {
      if (servers.includes(server)) continue
      this.#probers.delete(server)
      void prober[Symbol.asyncDispose]()
    }
    for (const server of servers) if (!this.#probers.has(server)) this.#probers.set(server, new Prober(server, this.#options))
  }

  /** Something of this partition is not settled yet. */
  touched(server: RedisServer | undefined, partition: Partition): void {
    if (server !== undefined) this.#probers.get(server)?.touched(partition)
  }

  /**
   * Resolves with whether the change that was counted as `count` is settled: with `true` as soon as it is, with `false` after `ms`
   * milliseconds or when the server is another by then.
   */
  whenSettled(server: RedisServer | undefined, partition: Partition, count: number, ms: number): Promise<boolean> {
    const prober = server === undefined ? undefined : this.#probers.get(server)
    return prober === undefined ? Promise.resolve(false) : prober.whenSettled(partition, count, ms)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#probers.values(), (prober) => prober[Symbol.asyncDispose]()))
  }
}

interface Waiter {
  readonly partition: Partition
  readonly count: number
  /** The server as it was when the change was made. */
  readonly runId: string | undefined
  readonly tell: (isSettled: boolean) => void
}

/** The probes of one server. */
class Prober implements AsyncDisposable {
  readonly #server: RedisServer
  readonly #options: RedisSettlingOptions
  readonly #connection: RedisConnection
  readonly #closing = new AbortController()
  readonly #finished: Promise<void>
  /** Partitions with something that is not settled; emptied by the probe that takes it on. */
  #unsettled = new Set<Partition>()
  readonly #waiters = new Set<Waiter>()
  #runId: string | undefined
  #needed = 0
  #countedAt = Number.NEGATIVE_INFINITY
  #wake: (() => void) | undefined
  #isStalled = false

  constructor(server: RedisServer, options: RedisSettlingOptions) {
    this.#server = server
    this.#options = options
    const { clock, chance } = options
    this.#connection = new RedisConnection({
      address: server.address,
      name: `${CLIENT_NAME}-settling`,
      clock,
      chance,
      greet: async (send) => {
        this.#runId = (await readFacts(send)).runId
        this.#needed = 0
        this.#countedAt = Number.NEGATIVE_INFINITY
      },
      onReady: () => this.#wake?.(),
      // Its command connection tells, too, and that one matters.
      onLost: () => undefined,
    })
    this.#finished = this.#run()
  }

  touched(partition: Partition): void {
    this.#unsettled.add(partition)
    this.#wake?.()
  }

  async whenSettled(partition: Partition, count: number, ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiter: Waiter = { partition, count, runId: this.#server.facts?.runId, tell: resolve }
    this.#waiters.add(waiter)
    const cancel = this.#options.clock.schedule(ms, () => resolve(false))
    this.touched(partition)
    try {
      return await promise
    } finally {
      cancel()
      this.#waiters.delete(waiter)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#wake?.()
    for (const { tell } of this.#waiters) tell(false)
    await Promise.all([this.#connection[Symbol.asyncDispose](), this.#finished])
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      if (this.#unsettled.size === 0 || !this.#connection.isReady) await this.#pause(undefined)
      // Somebody who waits is not kept waiting for the interval, unless nothing settles now.
      else if (this.#waiters.size === 0 || this.#isStalled) await this.#pause(REDIS_SETTLE_INTERVAL_MS)
      if (signal.aborted || this.#unsettled.size === 0 || !this.#connection.isReady) continue
      const taken = this.#unsettled
      this.#unsettled = new Set()
      try {
        if (!(await this.#probe([...taken]))) this.#again(taken)
      } catch {
        // Lost, or no master any more: the connection and the servers tell that, and what is not settled stays so.
        this.#again(taken)
        await this.#pause(REDIS_SETTLE_INTERVAL_MS)
      }
    }
  }

  #again(partitions: ReadonlySet<Partition>): void {
    for (const partition of partitions) this.#unsettled.add(partition)
  }

  /** Waits for a change, or so many milliseconds; a change does not cut the interval short unless somebody waits for it. */
  async #pause(ms: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = ms === undefined ? undefined : this.#options.clock.schedule(ms, resolve)
    this.#wake = (): void => {
      if (ms === undefined || this.#closing.signal.aborted || (this.#waiters.size > 0 && !this.#isStalled)) resolve()
    }
    await promise
    cancel?.()
    this.#wake = undefined
  }

  /** Whether everything that these partitions had counted is settled now. */
  async #probe(partitions: readonly Partition[]): Promise<boolean> {
    const [first] = this.#server.partitions
    if (first === undefined) return true
    const needed = await this.#countReplicas()
    const counted = partitions.map(({ meta }) => this.#connection.send(['HGET', meta, 'n']))
    // After the counts and on the same connection, so that what was counted comes before it in the stream of replication.
    const written = this.#connection.send(['SET', `${first.probe}:settling`, String(this.#options.clock.now())])
    const waited = this.#connection.send(['WAIT', String(needed), String(REDIS_SETTLE_WAIT_MS)])
    const [counts, , replicas] = await Promise.all([Promise.all(counted), written, waited])
    const isSettled = typeof replicas === 'number' && replicas >= needed
    this.#tell(isSettled, Number(replicas), needed)
    if (!isSettled) return false
    await Promise.all(
      partitions.map(async ({ meta }, index) => {
        const count = counts[index]
        if (typeof count === 'string')
          await this.#connection.send(['FCALL', this.#options.library.functionName('settle'), '1', meta, count])
      }),
    )
    for (const waiter of this.#waiters) {
      const count = Number(counts[partitions.indexOf(waiter.partition)] ?? 0)
      if (waiter.runId === this.#runId && count >= waiter.count) waiter.tell(true)
    }
    return true
  }

  async #countReplicas(): Promise<number> {
    const { clock, replicas } = this.#options
    const now = clock.monotonic()
    if (now - this.#countedAt < RECOUNT_MS) return this.#needed
    const send = (args: readonly string[]): ReturnType<RedisConnection['send']> => this.#connection.send(args)
    const facts = await readFacts(send)
    if (!facts.isMaster) throw toLogError(new Error('a replica settles nothing'))
    const known = facts.isCluster ? await countClusterReplicas(send) : Math.max(this.#needed, facts.replicas)
    this.#needed = Math.max(replicas, known)
    this.#countedAt = now
    return this.#needed
  }

  #tell(isSettled: boolean, replicas: number, needed: number): void {
    if (isSettled !== this.#isStalled) return
    this.#isStalled = !isSettled
    const { host, port } = this.#server.address
    this.#options.events.storeSettling({ isStalled: this.#isStalled, server: `${host}:${port}`, replicas, needed })
  }
}

/** `n` at the end of a function's reply: how far the partition had counted. */
export const countIn = (reply: Parameters<typeof listOf>[0]): number => {
  const list = listOf(reply)
  return numberAt(list, list.length - 1)
}
