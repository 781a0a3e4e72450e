/** Opens logs on real Redis servers for tests, each under a key prefix of its own. */
import { randomBytes } from 'node:crypto'
import { createClock } from '../../src/app/ports.ts'
import type { ConversationLog } from '../../src/conversation-log/conversation-log.ts'
import { openRedisLog, type RedisLogOptions, type RedisLogPorts } from '../../src/conversation-log/redis-log.ts'
import type { RandomBytes } from '../../src/conversation/ids.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

export const random: RandomBytes = (count) => new Uint8Array(randomBytes(count))
export const newPrefix = (): string => `${randomBytes(4).toString('hex')}:`

const chance = seededRandom(1)
export const network = { clock: createClock(), chance: chance.next }
const events: RedisLogPorts['events'] = {
  storeCommitted: () => undefined,
  storeFailed: () => undefined,
  commandRefused: () => undefined,
  queueFull: () => undefined,
  storeGuarantee: () => undefined,
  storeSettling: () => undefined,
}
const fail = (error: Error): never => {
  throw error
}

type Options = Pick<RedisLogOptions, 'addresses'> & Partial<RedisLogOptions>

/** With a prefix of its own, and real time unless other ports say otherwise. */
export const openLog = (options: Options, ports: Partial<RedisLogPorts> = {}): Promise<ConversationLog> =>
  openRedisLog(
    { keyPrefix: newPrefix(), waitReplicas: 0, onFatal: fail, partitions: 16, ...options },
    { clock: network.clock, random, events, network, ...ports },
  )
