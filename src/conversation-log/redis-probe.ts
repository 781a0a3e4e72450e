/** Whether the store takes and gives back what it is told: one write and read for each Redis server. */
import type { RandomBytes } from '../conversation/ids.ts'
import { LogError } from './log-error.ts'
import { toLogError } from './redis-errors.ts'
import type { Partition, Partitions } from './redis-partitions.ts'
import type { RedisServers } from './redis-servers.ts'

/** What a probe leaves is gone by itself after so many seconds. */
const PROBE_SECONDS = '60'

export interface ProbeOptions {
  readonly servers: RedisServers
  readonly partitions: Partitions
  readonly process: string
  readonly random: RandomBytes
}

/**
 * A Cluster works while most of its partitions do: those whose master is away are offline, the others go on.
 *
 * @throws LogError when it does not
 */
export async function probeRedis(options: ProbeOptions): Promise<void> {
  const { servers, partitions } = options
  const reached = servers.servers
  const outcomes = await Promise.allSettled(reached.map((server) => probeServer(options, server.partitions)))
  const works = outcomes.map(({ status }, index) => (status === 'fulfilled' ? (reached[index]?.partitions.length ?? 0) : 0))
  if (works.reduce((sum, count) => sum + count, 0) * 2 > partitions.all.length) return
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw toLogError(outcome.reason)
  // Not even one server is known; the first partition's says why.
  await probeServer(options, partitions.all)
  throw new LogError('unavailable', 'most of the Redis Cluster is not there')
}

async function probeServer({ servers, process, random }: ProbeOptions, [partition]: readonly Partition[]): Promise<void> {
  if (partition === undefined) return
  const value = Buffer.from(random(8)).toString('hex')
  const key = `${partition.probe}:${process}`
  const [, read] = await Promise.all([
    servers.send(partition, ['SET', key, value, 'EX', PROBE_SECONDS]),
    servers.send(partition, ['GET', key]),
  ])
  if (read !== value) throw new LogError('unavailable', 'Redis read back something else than was written')
  await servers.inspect(partition)
}
