/**
 * Where things are kept in Redis: 256 partitions, each with its own hash tag, so that in a Cluster everything of a session (its
 * entries, turns and fence, and its partition's queue of open turns) is in one slot and one function can change it atomically.
 */
import { crc32 } from 'node:zlib'
import type { SessionId, VisitorId } from '../conversation/ids.ts'

/** Part of the format: it decides where everything is. */
export const PARTITIONS = 256
/** Slots of a Redis Cluster (redis.io/docs/reference/cluster-spec). */
export const SLOTS = 16_384

export interface Partition {
  readonly index: number
  readonly slot: number
  readonly meta: string
  readonly ready: string
  readonly untold: string
  readonly leased: string
  readonly expiry: string
  readonly probe: string
  /** Only that of the first partition is used. */
  readonly processes: string
  /** The channel of its doorbells. */
  readonly bell: string
}

export interface Partitions {
  readonly all: readonly Partition[]
  readonly ofSession: (session: SessionId) => Partition
  readonly ofVisitor: (visitor: VisitorId) => Partition
  /** The partition of a channel of `bell`, `undefined` for any other. */
  readonly ofBell: (channel: string) => Partition | undefined
  /** What format the data of this prefix has. */
  readonly formatKey: string
}

/** `prefix` stands before every key and channel. `count` is less than `PARTITIONS` only in tests. */
export function createPartitions(prefix: string, count: number = PARTITIONS): Partitions {
  const all = Array.from({ length: count }, (_unused, index): Partition => {
    const tag = `p${String(index).padStart(3, '0')}`
    const meta = `${prefix}{${tag}}`
    return {
      index,
      slot: slotOf(tag),
      meta,
      ready: `${meta}:ready`,
      untold: `${meta}:untold`,
      leased: `${meta}:leased`,
      expiry: `${meta}:expiry`,
      probe: `${meta}:probe`,
      processes: `${meta}:processes`,
      bell: `${meta}:bell`,
    }
  })
  const bells = new Map(all.map((partition) => [partition.bell, partition]))
  const of = (id: string): Partition => {
    const partition = all[crc32(id) % count]
    if (partition === undefined) throw new RangeError('R1: a remainder is less than its divisor')
    return partition
  }
  return { all, ofSession: of, ofVisitor: of, ofBell: (channel) => bells.get(channel), formatKey: `${all[0]?.meta}:format` }
}

/** The hash of a session. */
export const sessionKey = ({ meta }: Partition, session: SessionId): string => `${meta}:s:${session}`

/** The keys that a function of one session may touch, in the order in which it expects them. */
export const sessionKeys = (partition: Partition, session: SessionId): readonly string[] => [
  sessionKey(partition, session),
  `${partition.meta}:l:${session}`,
  partition.meta,
  partition.ready,
  partition.untold,
  partition.leased,
  partition.expiry,
]

export const visitorKey = ({ meta }: Partition, visitor: VisitorId): string => `${meta}:v:${visitor}`

/** CRC16 (XMODEM) of a hash tag, as the Cluster specification has it. */
export function slotOf(tag: string): number {
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc % SLOTS
}

/** @throws RangeError when there is no such partition */
export function partitionAt({ all }: Pick<Partitions, 'all'>, index: number): Partition {
  const partition = all[index]
  if (partition === undefined) throw new RangeError('R7: there is no such partition')
  return partition
}
