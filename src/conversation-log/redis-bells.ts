/**
 * Doorbells between processes, by sharded pub/sub: one connection for each server, one channel for each partition.
 *
 * A bell that is missed costs a look and nothing else. After a connection was lost everything rings, because nobody knows what was
 * missed. What this process did itself rings here when it was answered, so its own messages are ignored.
 */
import type { Chance, Clock } from '../resilience/clock.ts'
import { isSessionId, type SessionId } from '../conversation/ids.ts'
import { RedisConnection } from './redis-connection.ts'
import { CLIENT_NAME, type RedisServer } from './redis-servers.ts'
import type { Partition, Partitions } from './redis-partitions.ts'

/** What another process did. */
export interface RemoteRing {
  readonly partition: Partition
  readonly session: SessionId
  readonly what: 'append' | 'work' | 'again'
}

export interface RedisBellsOptions {
  readonly partitions: Partitions
  /** Who this is among the senders. */
  readonly process: string
  readonly clock: Clock
  readonly chance: Chance
  readonly onRing: (ring: RemoteRing) => void
  /** Something may have been missed. */
  readonly onGap: () => void
}

interface Listening {
  readonly connection: RedisConnection
  readonly channels: string
}

export class RedisBells implements AsyncDisposable {
  readonly #options: RedisBellsOptions
  readonly #listening = new Map<RedisServer, Listening>()
  #isClosed = false

  constructor(options: RedisBellsOptions) {
    this.#options = options
  }

  /** Listens to these servers, to the partitions they have now, and to no others. */
  follow(servers: readonly RedisServer[]): void {
    if (this.#isClosed) return
    for (const [server, listening] of this.#listening) {
      if (!servers.includes(server) || listening.channels !== channelsOf(server)) this.#leave(server, listening)
    }
    for (const server of servers) if (!this.#listening.has(server)) this.#listen(server)
  }

  /** Resolves when every channel is listened to, or after `ms` milliseconds. */
  async whenReady(ms: number): Promise<void> {
    await Promise.allSettled(Array.from(this.#listening.values(), ({ connection }) => connection.whenReady(ms)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#listening.values(), ({ connection }) => connection[Symbol.asyncDispose]()))
  }

  #listen(server: RedisServer): void {
    const { clock, chance, onGap } = this.#options
    const { partitions } = server
    const connection: RedisConnection = new RedisConnection({
      address: server.address,
      name: `${CLIENT_NAME}-bells`,
      clock,
      chance,
      greet: async (_send, subscribe) => {
        await Promise.all(partitions.map(({ bell }) => subscribe(bell, (message) => this.#hear(bell, message))))
      },
      onReady: onGap,
      // Its command connection tells, too, and that one matters.
      onLost: () => undefined,
    })
    this.#listening.set(server, { connection, channels: channelsOf(server) })
  }

  #leave(server: RedisServer, { connection }: Listening): void {
    this.#listening.delete(server)
    void connection[Symbol.asyncDispose]()
  }

  #hear(channel: string, message: string): void {
    const partition = this.#options.partitions.ofBell(channel)
    const [from, what, session = ''] = message.split(' ')
    if (partition === undefined || from === this.#options.process || !isSessionId(session)) return
    if (what === 'append' || what === 'work' || what === 'again') this.#options.onRing({ partition, session, what })
  }
}

const channelsOf = ({ partitions }: RedisServer): string => partitions.map(({ index }) => index).join()
