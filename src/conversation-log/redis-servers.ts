/**
 * The Redis servers behind `REDIS_URL` and which of them has which partition: one server that has all, or the masters of a Cluster.
 *
 * It routes: a command goes to the server of its partition, follows the Cluster's redirections a few times, and has the function
 * library loaded where it is missing (a new master, a Redis that was emptied). It never sends a command twice that may have been
 * carried out. The layout is learnt anew whenever something says that it has changed, from every node that answers, and the one
 * with the highest epoch is believed: a master cut off from the others goes on saying what it knew.
 */
import { REDIS_CONNECT_MAX_MS, REDIS_RECONNECT_BASE_MS, REDIS_RECONNECT_CAP_MS } from '../conversation/limits.ts'
import { backoffMs } from '../resilience/backoff.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import { LogError } from './log-error.ts'
import { RedisConnection, visit, type RedisAddress, type Reply, type Send } from './redis-connection.ts'
import { isUnknownCommand, isUnknownFunction, redirectionIn, replyCode, toLogError, type Redirection } from './redis-errors.ts'
import type { RedisLibrary } from './redis-library.ts'
import { REDIS_FORMAT } from './redis-library.ts'
import type { Partition, Partitions } from './redis-partitions.ts'
import { checkFacts, readClusterView, readFacts, refusalOf, type ClusterView, type ServerFacts } from './redis-server-facts.ts'

/** How often one command is sent on to where the Cluster says it belongs, or tried again while a slot is on its way. */
const REDIRECTIONS_MAX = 5
const TRY_AGAIN_MS = 50
/** A server that was just heard of is waited for this long. */
const NEW_SERVER_MAX_MS = 1_000

export interface RedisServersOptions {
  /** At least one; several are nodes of one Cluster. */
  readonly addresses: readonly RedisAddress[]
  readonly partitions: Partitions
  readonly library: RedisLibrary
  readonly clock: Clock
  readonly chance: Chance
  /** A server was lost or could not be reached; told once until it is back. */
  readonly onLost: (error: LogError) => void
  /** Which server has what, or what a server says of itself, has changed. */
  readonly onChange: () => void
  /** Redis must not be used: it is too old, holds a newer log, or may throw ours away. */
  readonly onFatal: (error: LogError) => void
}

/** A master. */
export interface RedisServer {
  readonly address: RedisAddress
  readonly connection: RedisConnection
  /** Those it has, in their order; replaced with the layout. */
  partitions: readonly Partition[]
  /** As it was when it was last greeted; `undefined` before. */
  facts: ServerFacts | undefined
}

export const CLIENT_NAME = 'govuk-chat'

export class RedisServers implements AsyncDisposable {
  readonly #options: RedisServersOptions
  readonly #servers = new Map<string, RedisServer>()
  readonly #owners: (RedisServer | undefined)[]
  readonly #closing = new AbortController()
  readonly #loading = new Map<RedisServer, Promise<void>>()
  /** Rejects when Redis must not be used. */
  readonly #unfit = Promise.withResolvers<never>()
  #isCluster: boolean | undefined
  #isLearning = false
  #isLearningDue = false
  #failures = 0

  constructor(options: RedisServersOptions) {
    this.#options = options
    this.#owners = options.partitions.all.map(() => undefined)
    // Whoever opens hears of it; later it is told by `onFatal`.
    this.#unfit.promise.catch(() => undefined)
  }

  /**
   * Learns the layout and reaches every server, in bounded time. A server that cannot be reached now is tried for ever afterwards.
   *
   * @throws LogError `fatal` when Redis must not be used or does not let us in
   */
  async open(): Promise<void> {
    const error = await this.#learnOnce()
    if (error?.kind === 'fatal') throw error
    if (error !== undefined) {
      this.#options.onLost(error)
      this.#learnSoon()
      return
    }
    const reached = Promise.allSettled(this.servers.map(({ connection }) => connection.whenReady(REDIS_CONNECT_MAX_MS)))
    await Promise.race([reached, this.#unfit.promise])
  }

  /** Those that have partitions. */
  get servers(): readonly RedisServer[] {
    return [...this.#servers.values()].filter(({ partitions }) => partitions.length > 0)
  }

  get isCluster(): boolean {
    return this.#isCluster === true
  }

  serverOf({ index }: Partition): RedisServer | undefined {
    return this.#owners[index]
  }

  /** Carries out a function on keys of one partition. @throws LogError */
  call(partition: Partition, name: string, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    const verb = READ_FUNCTIONS.has(name) ? 'FCALL_RO' : 'FCALL'
    return this.send(partition, [verb, this.#options.library.functionName(name), String(keys.length), ...keys, ...args])
  }

  /** Sends a command about keys of one partition. @throws LogError */
  send(partition: Partition, args: readonly string[]): Promise<Reply> {
    const server = this.serverOf(partition)
    if (server === undefined) {
      this.#learnSoon()
      return Promise.reject(this.#unreached())
    }
    return server.connection.send(args).catch((error: unknown) => this.#recover({ partition, args, server, tries: 1 }, error))
  }

  /** Asks the partition's server what it is now. @throws LogError when the log is not safe there any more */
  async inspect(partition: Partition): Promise<void> {
    const server = this.serverOf(partition)
    if (server === undefined) throw this.#unreached()
    try {
      const facts = await readFacts((args) => server.connection.send(args))
      server.facts = facts
      checkFacts(facts)
    } catch (cause) {
      const error = toLogError(cause)
      // It was fit when it was greeted: whoever changed it can change it back.
      throw error.kind === 'fatal' ? new LogError('unavailable', error.message, { cause: error }) : error
    } finally {
      this.#options.onChange()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#servers.values()].map(({ connection }) => connection[Symbol.asyncDispose]()))
  }

  // ── what goes wrong with a command ─────────────────────────────────────────

  async #recover(sent: Sent, error: unknown): Promise<Reply> {
    const { partition, args, server } = sent
    if (error instanceof LogError) {
      if (this.isCluster) this.#learnSoon()
      throw error
    }
    if (sent.tries > REDIRECTIONS_MAX || this.#closing.signal.aborted) throw toLogError(error)
    if (isUnknownFunction(error)) {
      await this.#load(server)
      return this.#again(sent, server, args)
    }
    const redirection = redirectionIn(error)
    if (redirection !== undefined) return this.#redirect(sent, redirection)
    switch (replyCode(error)) {
      case 'TRYAGAIN': {
        await this.#options.clock.sleep(TRY_AGAIN_MS * sent.tries, this.#closing.signal).catch(() => undefined)
        return this.#again(sent, this.serverOf(partition) ?? server, args)
      }
      case 'READONLY':
        // A master no more. Where there is one address only, its name may lead elsewhere by now.
        server.connection.reconnect(new LogError('unavailable', 'Redis is a replica now', { cause: error }))
        this.#learnSoon()
        throw toLogError(error)
      case 'CLUSTERDOWN':
        this.#learnSoon()
        throw toLogError(error)
      case undefined:
      default:
        throw toLogError(error)
    }
  }

  #again({ partition, tries }: Sent, server: RedisServer, args: readonly string[]): Promise<Reply> {
    const sent = { partition, args, server, tries: tries + 1 }
    return server.connection.send(args).catch((error: unknown) => this.#recover(sent, error))
  }

  async #redirect(sent: Sent, { type, host, port }: Redirection): Promise<Reply> {
    const { partition, args, server } = sent
    const target = this.#serverAt(host === '' ? server.address.host : host, port)
    if (type === 'MOVED') {
      this.#owners[partition.index] = target
      this.#learnSoon()
    }
    await target.connection.whenReady(NEW_SERVER_MAX_MS)
    if (type === 'MOVED') return this.#again(sent, target, args)
    try {
      const [, reply] = await target.connection.sendTogether([['ASKING'], args])
      return reply ?? null
    } catch (error) {
      return this.#recover({ ...sent, server: target, tries: sent.tries + 1 }, error)
    }
  }

  #load(server: RedisServer): Promise<void> {
    const running = this.#loading.get(server)
    if (running !== undefined) return running
    const loading = loadFunctions((args) => server.connection.send(args), this.#options.library).finally(() => this.#loading.delete(server))
    this.#loading.set(server, loading)
    return loading
  }

  #unfitFor(error: LogError): void {
    this.#unfit.reject(error)
    this.#options.onFatal(error)
  }

  #unreached(): LogError {
    const [first] = this.#options.addresses
    return new LogError('unavailable', `Redis at ${first?.host}:${first?.port} has not been reached`)
  }

  // ── which server has what ──────────────────────────────────────────────────

  /** Learns the layout soon, and again and again while a server is away. */
  #learnSoon(): void {
    this.#isLearningDue = true
    if (this.#isLearning) return
    this.#isLearning = true
    // It never rejects: what it cannot learn it tries again.
    void this.#learn()
  }

  async #learn(): Promise<void> {
    const { clock, chance } = this.#options
    const { signal } = this.#closing
    while (this.#isLearningDue && !signal.aborted) {
      this.#isLearningDue = false
      const error = await this.#learnOnce()
      if (error?.kind === 'fatal') this.#unfitFor(error)
      // While a replica takes its master's place nobody has the slots.
      const isWhole = error === undefined && this.#owners.every((server) => server?.connection.isReady === true)
      this.#failures = isWhole ? 0 : this.#failures + 1
      if (!isWhole && (this.#isCluster !== false || error !== undefined)) this.#isLearningDue = true
      const waitMs = backoffMs({ baseMs: REDIS_RECONNECT_BASE_MS, capMs: REDIS_RECONNECT_CAP_MS }, Math.max(1, this.#failures), chance)
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
    this.#isLearning = false
  }

  /** `undefined` once it is known; otherwise why it is not. */
  async #learnOnce(): Promise<LogError | undefined> {
    const views = await Promise.all(this.#nodes().map((address) => this.#viewFrom(address)))
    const failed = views.flatMap(({ error }) => error ?? [])
    const fatal = failed.find(({ kind }) => kind === 'fatal')
    const found = views.flatMap(({ view, address }) => (view === undefined ? [] : [{ view, address }]))
    const best = found.toSorted((a, b) => rankOf(b.view) - rankOf(a.view))[0]
    if (fatal !== undefined && best === undefined) return fatal
    if (best === undefined) return failed[0] ?? this.#unreached()
    if (best.view === 'alone' && this.#options.addresses.length > 1) {
      return new LogError('fatal', 'several addresses of Redis name a Cluster, and this is none')
    }
    this.#apply(best.view, best.address)
    return undefined
  }

  /** Every node that was ever named, by us or by the Cluster. */
  #nodes(): readonly RedisAddress[] {
    const all = [...this.#options.addresses, ...Array.from(this.#servers.values(), ({ address }) => address)]
    return [...new Map(all.map((address) => [nameOf(address), address])).values()]
  }

  async #viewFrom(address: RedisAddress): Promise<{
    readonly address: RedisAddress
    readonly view?: ClusterView | 'alone'
    readonly error?: LogError
  }> {
    try {
      const view = await visit({ address, name: CLIENT_NAME, clock: this.#options.clock }, async (send) =>
        (await readFacts(send)).isCluster ? readClusterView(send) : 'alone',
      )
      return { address, view }
    } catch (cause) {
      const error = toLogError(cause)
      return { address, error: refusalOf(error) ?? error }
    }
  }

  #apply(view: ClusterView | 'alone', from: RedisAddress): void {
    this.#isCluster = view !== 'alone'
    const { all } = this.#options.partitions
    for (const { index, slot } of all) {
      const range = view === 'alone' ? undefined : view.ranges.find((each) => each.from <= slot && slot <= each.to)
      if (view === 'alone') this.#owners[index] = this.#serverAt(from.host, from.port)
      else this.#owners[index] = range && this.#serverAt(range.host === '' ? from.host : range.host, range.port)
    }
    for (const server of this.#servers.values()) {
      server.partitions = all.filter((partition) => this.serverOf(partition) === server)
      if (server.partitions.length === 0) this.#dismiss(server)
    }
    this.#options.onChange()
  }

  /** The server at an address, with a connection that is made or on its way. */
  #serverAt(host: string, port: number): RedisServer {
    const [first] = this.#options.addresses
    if (first === undefined) throw new RangeError('R2: Redis has an address')
    const address = { ...first, host, port }
    const known = this.#servers.get(nameOf(address))
    if (known !== undefined) return known
    const { clock, chance, onLost, onChange } = this.#options
    const server: RedisServer = {
      address,
      partitions: [],
      facts: undefined,
      connection: new RedisConnection({
        address,
        name: CLIENT_NAME,
        clock,
        chance,
        greet: (send) => this.#greet(server, send),
        onReady: onChange,
        onLost: (error) => {
          if (this.#servers.get(nameOf(address)) !== server) return
          onLost(error)
          if (this.isCluster) this.#learnSoon()
        },
      }),
    }
    this.#servers.set(nameOf(address), server)
    return server
  }

  #dismiss(server: RedisServer): void {
    this.#servers.delete(nameOf(server.address))
    // Nobody waits for it: what was in flight fails at once, and the rest is the socket's own end.
    void server.connection[Symbol.asyncDispose]()
  }

  /** Looks at a server before it is used, and makes it ready. */
  async #greet(server: RedisServer, send: Send): Promise<void> {
    const facts = await readFacts(send)
    try {
      checkFacts(facts)
      if (!facts.isMaster) throw new LogError('unavailable', 'Redis is a replica')
      if (facts.isCluster !== this.isCluster) throw new LogError('unavailable', 'Redis has become, or is no longer, a Cluster')
      await loadFunctions(send, this.#options.library)
      await this.#checkFormat(server, send)
    } catch (cause) {
      const error = toLogError(cause)
      if (error.kind === 'fatal') this.#unfitFor(error)
      throw error
    }
    server.facts = facts
  }

  /** A log of a newer release, or of a format that there is no more, is refused, untouched. */
  async #checkFormat(server: RedisServer, send: Send): Promise<void> {
    const { all, formatKey } = this.#options.partitions
    if (all[0] === undefined || this.serverOf(all[0]) !== server) return
    const ours = `${REDIS_FORMAT} ${all.length}`
    const known = (await send(['GET', formatKey])) ?? (await send(['SET', formatKey, ours, 'NX', 'GET']))
    if (known === null || known === ours) return
    const [format, partitions] = String(known).split(' ').map(Number)
    if (Number(format) > REDIS_FORMAT) {
      throw new LogError('fatal', `the log in Redis was written by a newer version (format ${format}, this one knows ${REDIS_FORMAT})`)
    }
    if (format !== REDIS_FORMAT || !Number.isSafeInteger(partitions)) {
      const where = `“${String(known)}” at ${formatKey}; this one knows ${REDIS_FORMAT}`
      throw new LogError('fatal', `the log in Redis has a format that this version cannot read (${where})`)
    }
    throw new LogError('fatal', `the log in Redis has ${partitions} partitions, and this version works with ${all.length}`)
  }
}

/** A command on its way, and how often it was sent. */
interface Sent {
  readonly partition: Partition
  readonly args: readonly string[]
  readonly server: RedisServer
  readonly tries: number
}

/** Those that write nothing (`redis-functions.lua`): they are answered even when Redis takes no writes. */
const READ_FUNCTIONS: ReadonlySet<string> = new Set(['read'])

const nameOf = ({ host, port }: RedisAddress): string => `${host}:${port}`

/** A view that says it is whole counts for more than any that does not. */
const rankOf = (view: ClusterView | 'alone'): number => (view === 'alone' ? 0 : view.epoch + (view.isOk ? Number.MAX_SAFE_INTEGER / 2 : 0))

async function loadFunctions(send: Send, { code }: RedisLibrary): Promise<void> {
  try {
    await send(['FUNCTION', 'LOAD', code])
  } catch (error) {
    if (isUnknownCommand(error)) throw new LogError('fatal', 'this Redis has no functions: version 7 or later is needed', { cause: error })
    // The name is made of the text, so one that is there is the same.
    if (error instanceof Error && /already exists/i.test(error.message)) return
    const failed = toLogError(error)
    throw failed.kind === 'corrupt'
      ? new LogError('fatal', `Redis takes none of our functions: ${failed.message}`, { cause: error })
      : failed
  }
}
