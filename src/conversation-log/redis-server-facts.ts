/**
 * What a Redis server says of itself, read from `INFO`, `CONFIG GET` and the Cluster commands.
 *
 * Some providers forbid `CONFIG`: what cannot be read is taken for the weaker of the two.
 */
import { LogError } from './log-error.ts'
import type { Reply, Send } from './redis-connection.ts'
import { isRefusal, replyCode } from './redis-errors.ts'

/** Functions and sharded pub/sub came with it. */
const VERSION_MIN = 7

export interface ServerFacts {
  readonly version: string
  /** Of this run of the process. */
  readonly runId: string
  readonly isMaster: boolean
  readonly isCluster: boolean
  /** How writes reach the disk, in Redis' words; `always`: before they are answered. */
  readonly persistence: 'always' | 'everysec' | 'no' | 'off' | 'unknown'
  /** Replicas that are connected now. */
  readonly replicas: number
  /** It may throw away keys when its memory is full. */
  readonly evicts: string | undefined
}

/** Asks for all of it. @throws ErrorReply, LogError */
export async function readFacts(send: Send): Promise<ServerFacts> {
  const [info, config] = await Promise.all([
    send(['INFO', 'server', 'persistence', 'replication', 'memory', 'cluster']),
    send(['CONFIG', 'GET', 'appendfsync']).catch((error: unknown) => {
      if (replyCode(error) === undefined) throw error
      return null
    }),
  ])
  const lines = parseLines(info)
  const fsync = Array.isArray(config) ? String(config[1]) : undefined
  const policy = lines.get('maxmemory_policy') ?? ''
  const hasLimit = Number(lines.get('maxmemory') ?? 0) > 0
  return {
    version: lines.get('redis_version') ?? 'unknown',
    runId: lines.get('run_id') ?? '',
    isMaster: lines.get('role') === 'master',
    isCluster: lines.get('cluster_enabled') === '1',
    persistence: lines.get('aof_enabled') === '1' ? fsyncOf(fsync) : 'off',
    replicas: Number(lines.get('connected_slaves') ?? 0),
    // Nothing here has a time to live, so the other policies have nothing of ours to evict.
    evicts: hasLimit && policy.startsWith('allkeys') ? policy : undefined,
  }
}

/** @throws LogError `fatal` with one sentence for people on call, when the store must not be kept there. */
export function checkFacts({ version, evicts }: ServerFacts): void {
  if (Number.parseInt(version, 10) < VERSION_MIN) throw new LogError('fatal', `Redis ${version} is older than ${VERSION_MIN}`)
  if (evicts !== undefined) {
    throw new LogError('fatal', `Redis may throw conversations away: its maxmemory-policy is ${evicts} and must be noeviction`)
  }
}

function fsyncOf(text: string | undefined): ServerFacts['persistence'] {
  return text === 'always' || text === 'everysec' || text === 'no' ? text : 'unknown'
}

function parseLines(reply: Reply): ReadonlyMap<string, string> {
  const lines = typeof reply === 'string' ? reply.split('\r\n') : []
  return new Map(lines.flatMap((line): [string, string][] => (line.includes(':') ? [[before(line), after(line)]] : [])))
}

const before = (line: string): string => line.slice(0, line.indexOf(':'))
const after = (line: string): string => line.slice(line.indexOf(':') + 1)

/** Which server has which slots, as one node of a Cluster sees it. */
export interface ClusterView {
  readonly isOk: boolean
  /** Grows with every fail-over; the higher one knows better. */
  readonly epoch: number
  readonly ranges: readonly SlotRange[]
}

interface SlotRange {
  readonly from: number
  readonly to: number
  /** Empty: the node that was asked. */
  readonly host: string
  readonly port: number
}

/** @throws ErrorReply, LogError */
export async function readClusterView(send: Send): Promise<ClusterView> {
  const [info, slots] = await Promise.all([send(['CLUSTER', 'INFO']), send(['CLUSTER', 'SLOTS'])])
  const lines = parseLines(info)
  return {
    isOk: lines.get('cluster_state') === 'ok',
    epoch: Number(lines.get('cluster_current_epoch') ?? 0),
    ranges: (Array.isArray(slots) ? slots : []).map(parseRange),
  }
}

function parseRange(reply: Reply): SlotRange {
  const [from, to, master] = Array.isArray(reply) ? reply : []
  const [host, port] = Array.isArray(master) ? master : []
  if (typeof from !== 'number' || typeof to !== 'number' || typeof port !== 'number') {
    throw new LogError('unavailable', 'Redis describes its Cluster in no known form')
  }
  return { from, to, host: typeof host === 'string' && host !== '?' ? host : '', port }
}

/** The replicas of the master that is asked, those that are not there now included: each may be promoted one day. */
export async function countClusterReplicas(send: Send): Promise<number> {
  const nodes = await send(['CLUSTER', 'NODES'])
  const lines = typeof nodes === 'string' ? nodes.split('\n').map((line) => line.split(' ')) : []
  const myself = lines.find(([, , flags = '']) => flags.split(',').includes('myself'))?.[0]
  return lines.filter(([, , flags = '', master]) => flags.split(',').includes('slave') && master === myself).length
}

/** A sentence for the person who set `REDIS_URL`, when Redis does not let us in; otherwise `undefined`. */
export const refusalOf = (error: LogError): LogError | undefined =>
  isRefusal(error.cause) ? new LogError('fatal', `Redis does not let this user in: ${error.message}`, { cause: error.cause }) : undefined
