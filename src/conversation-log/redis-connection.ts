/**
 * One connection to one Redis server, made again for as long as it takes.
 *
 *   connecting   the server is being reached and greeted
 *   ready        commands go out, in order, those of one tick together
 *   waiting      it was lost, or could not be made; the next try has its time
 *   closed       for good
 *
 * In every state but `ready` a command fails at once: nothing is queued here, and nothing is ever sent twice. Replies come in the
 * order of the commands, so when the oldest has waited too long the server is not answering anybody, and the connection is given
 * up: everything in flight fails then, its outcome unknown.
 */
import { RedisClient, type RedisFunctions, type RedisModules, type RedisScripts, type TypeMapping } from '@redis/client'
import {
  REDIS_CONNECT_MAX_MS,
  REDIS_RECONNECT_BASE_MS,
  REDIS_RECONNECT_CAP_MS,
  REDIS_REPLY_MAX_MS,
  REDIS_SILENCE_MAX_MS,
  STORE_QUEUE_MAX,
} from '../conversation/limits.ts'
import { backoffMs } from '../resilience/backoff.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import { withTimeLimit } from '../resilience/deadline.ts'
import { LogError } from './log-error.ts'
import { toLogError } from './redis-errors.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

/** What Redis answers, in RESP2. */
export type Reply = string | number | null | readonly Reply[]
export type Send = (args: readonly string[]) => Promise<Reply>
/** Listens to a channel of the server's shard for as long as the connection lasts. */
export type Subscribe = (channel: string, listener: (message: string) => void) => Promise<void>

export interface RedisConnectionOptions {
  readonly address: RedisAddress
  /** What people see in `CLIENT LIST`. */
  readonly name: string
  /** Clock and chance of the network, which is never simulated. */
  readonly clock: Clock
  readonly chance: Chance
  /** Looks at the server before anybody else may use it; throws when it will not do. */
  readonly greet: (send: Send, subscribe: Subscribe) => Promise<void>
  readonly onReady: () => void
  /** Called once when a connection was lost or could not be made, and not again until one was ready. */
  readonly onLost: (error: LogError) => void
}

/** What one connection needs. */
type LineOptions = Pick<RedisConnectionOptions, 'address' | 'name' | 'clock'>

const TIME_LIMIT = { service: 'redis', kind: 'attempt', ms: REDIS_CONNECT_MAX_MS } as const

/** Connects, asks, and leaves, all within the time that connecting may take. @throws ErrorReply, LogError, TimeoutError */
export async function visit<Answer>(options: LineOptions, ask: (send: Send) => Promise<Answer>): Promise<Answer> {
  const line = new Line(options)
  try {
    return await withTimeLimit(
      async () => {
        await line.open()
        return ask((args) => line.send(args))
      },
      TIME_LIMIT,
      options.clock,
    )
  } finally {
    line.lose(new LogError('unavailable', 'the visit is over'))
  }
}

/** Never connects twice at a time; dispose of it to end it. */
export class RedisConnection implements AsyncDisposable {
  readonly #options: RedisConnectionOptions
  readonly #closing = new AbortController()
  readonly #finished: Promise<void>
  #line: Line | undefined
  readonly #waiters = new Set<() => void>()
  #loss: LogError | undefined
  #isLossTold = false

  /** Begins to connect at once. */
  constructor(options: RedisConnectionOptions) {
    this.#options = options
    this.#finished = this.#run()
  }

  get isReady(): boolean {
    return this.#line !== undefined
  }

  /** @throws ErrorReply when Redis refuses the command; LogError `unavailable` for everything else that goes wrong. */
  send(args: readonly string[]): Promise<Reply> {
    return this.#line === undefined ? Promise.reject(this.#offline()) : this.#line.send(args)
  }

  /** Several in a row, with nothing of anybody else's in between. */
  sendTogether(commands: readonly (readonly string[])[]): Promise<readonly Reply[]> {
    return Promise.all(commands.map((args) => this.send(args)))
  }

  /** Resolves once it is ready; rejects when that takes longer than `ms` milliseconds. */
  async whenReady(ms: number): Promise<void> {
    if (this.isReady) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.schedule(ms, () => reject(this.#offline()))
    this.#waiters.add(resolve)
    try {
      await promise
    } finally {
      cancel()
      this.#waiters.delete(resolve)
    }
  }

  /** Gives the connection up and makes another. */
  reconnect(reason: LogError): void {
    this.#line?.lose(reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#line?.lose(new LogError('unavailable', 'the log is closed'))
    await this.#finished
  }

  async #run(): Promise<void> {
    const { clock, chance, onReady } = this.#options
    const { signal } = this.#closing
    let failures = 0
    while (!signal.aborted) {
      const line = new Line(this.#options)
      try {
        await withTimeLimit(() => this.#open(line), TIME_LIMIT, clock, signal)
        failures = 0
        this.#isLossTold = false
        this.#line = line
        for (const ready of this.#waiters) ready()
        onReady()
        throw await line.lost
      } catch (error) {
        this.#line = undefined
        line.lose(toLogError(error))
        this.#tellLoss(toLogError(error))
      }
      failures += 1
      const waitMs = backoffMs({ baseMs: REDIS_RECONNECT_BASE_MS, capMs: REDIS_RECONNECT_CAP_MS }, failures, chance)
      // Closing ends the wait, and the loop sees it by itself.
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }

  async #open(line: Line): Promise<void> {
    await line.open()
    await this.#options.greet(
      (args) => line.send(args),
      (channel, listener) => line.subscribe(channel, listener),
    )
  }

  #tellLoss(error: LogError): void {
    this.#loss = error
    if (this.#isLossTold || this.#closing.signal.aborted) return
    this.#isLossTold = true
    this.#options.onLost(error)
  }

  #offline(): LogError {
    const { host, port } = this.#options.address
    const message = this.#closing.signal.aborted ? 'the log is closed' : `Redis at ${host}:${port} is not connected`
    return new LogError('unavailable', message, { cause: this.#loss })
  }
}

// The class and not `createClient`, which makes a new class with every command as a method for each set of options, in 50 ms.
type Client = RedisClient<RedisModules, RedisFunctions, RedisScripts, 2, TypeMapping>

/** One socket, from its making to its loss. */
class Line {
  /** Resolves with the reason when it is lost. */
  readonly lost: Promise<LogError>
  readonly #clock: Clock
  readonly #client: Client
  readonly #lose: (reason: LogError) => void
  /** When each command was sent; the first `#answered` of them have had their replies. */
  #sentAt: number[] = []
  #answered = 0
  #heardAt: number
  #cancelWatch: (() => void) | undefined
  #reason: LogError | undefined

  constructor({ address, name, clock }: LineOptions) {
    const { promise, resolve } = Promise.withResolvers<LogError>()
    this.lost = promise
    this.#lose = resolve
    this.#clock = clock
    this.#heardAt = clock.monotonic()
    const { host, port, isTls, username, password, database } = address
    this.#client = new RedisClient({
      socket: { host, port, ...(isTls ? { tls: true } : {}), connectTimeout: REDIS_CONNECT_MAX_MS, reconnectStrategy: false },
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      database,
      name,
      RESP: 2,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: 'disabled',
      // Its time-out ends when a command has left; ours is below.
      commandOptions: { timeout: 0 },
    })
    this.#client.on('error', (error: unknown) => this.lose(toLogError(error)))
    this.#client.on('sharded-channel-moved', () => this.lose(new LogError('unavailable', 'a partition has moved to another server')))
  }

  async open(): Promise<void> {
    try {
      await this.#client.connect()
    } finally {
      // A client that is destroyed while it connects goes on connecting.
      if (this.#reason !== undefined) this.#client.destroy()
    }
    if (this.#reason !== undefined) throw this.#reason
    this.#watch()
  }

  async send(args: readonly string[]): Promise<Reply> {
    if (this.#reason !== undefined) throw this.#reason
    if (this.#sentAt.length - this.#answered >= STORE_QUEUE_MAX) throw new LogError('unavailable', 'too many commands wait for Redis')
    this.#sentAt.push(this.#clock.monotonic())
    try {
      return await this.#client.sendCommand<Reply>([...args])
    } catch (error) {
      throw this.#reason ?? error
    } finally {
      this.#answered += 1
      this.#heardAt = this.#clock.monotonic()
      if (this.#answered === this.#sentAt.length || this.#answered > STORE_QUEUE_MAX) {
        this.#sentAt = this.#sentAt.slice(this.#answered)
        this.#answered = 0
      }
    }
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    if (this.#reason !== undefined) throw this.#reason
    await this.#client.sSubscribe(channel, listener)
  }

  lose(reason: LogError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#cancelWatch?.()
    this.#lose(reason)
    // Rejects everything in flight; `send` gives the reason instead.
    this.#client.destroy()
  }

  /** Gives the line up when the oldest command has waited too long, and asks for a sign of life when there is nothing else to wait for. */
  #watch(): void {
    const now = this.#clock.monotonic()
    const oldest = this.#sentAt[this.#answered]
    if (oldest !== undefined && now - oldest >= REDIS_REPLY_MAX_MS) {
      this.lose(new LogError('unavailable', `Redis has not answered for ${REDIS_REPLY_MAX_MS} ms; what it was told may be done`))
      return
    }
    if (oldest === undefined && now - this.#heardAt >= REDIS_SILENCE_MAX_MS) {
      // Its failure is the line's, which is told there.
      void this.send(['PING']).catch(() => undefined)
    }
    const waitMs = Math.min(REDIS_REPLY_MAX_MS, REDIS_SILENCE_MAX_MS) / WATCHES
    this.#cancelWatch = this.#clock.schedule(waitMs, () => this.#watch())
  }
}

/** Looks at a line in the time it may be silent. */
const WATCHES = 8
