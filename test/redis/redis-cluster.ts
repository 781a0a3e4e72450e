/** Several real Redis servers together: a master with a replica, and a Cluster of three masters with or without replicas. */
import type { RedisAddress } from '../../src/conversation-log/redis-connection.ts'
import { addressOf, startRedis, until, type RedisProcess } from './redis-process.ts'
import { startProxy, type TcpProxy } from './tcp-proxy.ts'

export interface RedisPair extends AsyncDisposable {
  readonly master: RedisProcess
  readonly replica: RedisProcess
  /** Where clients connect, and through which the replica follows its master. */
  readonly proxy: TcpProxy
  /** Makes the replica the master, and leads clients to it. */
  readonly failOver: () => Promise<void>
  /** Resolves when the replica has everything that the master has now. */
  readonly replicaHasAll: () => Promise<void>
  /** The old master follows the new one. */
  readonly rejoin: () => Promise<void>
}

const infoOf = async (redis: RedisProcess, section: string): Promise<string> => String(await redis.send('INFO', section))

const offsetIn = (info: string, field: string): number => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? -1)

/** Resolves when the replica has a link to its master that is up. */
export const linked = (replica: RedisProcess): Promise<true> =>
  until(async () => ((await infoOf(replica, 'replication')).includes('master_link_status:up') ? true : undefined))

export async function startPair(...options: readonly string[]): Promise<RedisPair> {
  const master = await startRedis('--repl-diskless-sync-delay', '0', ...options)
  const proxy = await startProxy(master.port)
  const replica = await startRedis('--repl-diskless-sync-delay', '0', '--replicaof', '127.0.0.1', String(proxy.port), ...options)
  await linked(replica)
  return {
    master,
    replica,
    proxy,
    failOver: async () => {
      await replica.send('REPLICAOF', 'NO', 'ONE')
      proxy.leadTo(replica.port)
    },
    replicaHasAll: async () => {
      const offset = offsetIn(await infoOf(master, 'replication'), 'master_repl_offset')
      await until(async () => (offsetIn(await infoOf(replica, 'replication'), 'slave_repl_offset') >= offset ? true : undefined))
    },
    rejoin: async () => {
      proxy.releaseReplicas()
      await master.send('REPLICAOF', '127.0.0.1', String(proxy.port))
      await linked(master)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([proxy, replica, master].map((part) => part[Symbol.asyncDispose]()))
    },
  }
}

/** A slot on its way from one master to another. */
export interface MovingSlot {
  /** Moves its keys and hands it over. */
  readonly finish: () => Promise<void>
}

export interface RedisCluster extends AsyncDisposable {
  readonly masters: readonly RedisProcess[]
  /** One for each master, in the same order; none in a Cluster without. */
  readonly replicas: readonly RedisProcess[]
  /** In front of each master: clients and its replica come through it. */
  readonly proxies: readonly TcpProxy[]
  /** The addresses to begin with. */
  readonly addresses: readonly RedisAddress[]
  /** The master that a slot was given to at the start. */
  readonly masterOf: (slot: number) => number
  /** Resolves when all nodes have the same idea of who has which slot. */
  readonly agrees: () => Promise<true>
  /** Begins to move a slot. */
  readonly move: (slot: number, from: number, to: number) => Promise<MovingSlot>
}

const SLOTS = 16_384
const MASTERS = 3

/** Starts a Cluster and resolves when all of its nodes say that it works. */
export async function startCluster({ withReplicas }: { readonly withReplicas: boolean }): Promise<RedisCluster> {
  const options = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-require-full-coverage', 'no']
  const nodes = await Promise.all(
    Array.from({ length: withReplicas ? 2 * MASTERS : MASTERS }, () => startRedis('--repl-diskless-sync-delay', '0', ...options)),
  )
  const masters = nodes.slice(0, MASTERS)
  const replicas = nodes.slice(MASTERS)
  const proxies = await Promise.all(masters.map(({ port }) => startProxy(port)))
  await Promise.all(
    masters.map(async (master, index) => {
      await master.send('CONFIG', 'SET', 'cluster-announce-port', String(proxies[index]?.port), 'cluster-announce-bus-port', busOf(master))
      const [from, to] = [Math.floor((index * SLOTS) / MASTERS), Math.floor(((index + 1) * SLOTS) / MASTERS) - 1]
      await master.send('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
      await master.send('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
    }),
  )
  const [first, ...others] = nodes
  for (const node of others) await first?.send('CLUSTER', 'MEET', '127.0.0.1', String(node.port), busOf(node))
  await Promise.all(nodes.map((node) => knows(node, nodes.length)))
  await Promise.all(
    replicas.map(async (replica, index) => {
      await replica.send('CLUSTER', 'REPLICATE', String(await masters[index]?.send('CLUSTER', 'MYID')))
      await linked(replica)
    }),
  )
  await Promise.all(nodes.map(works))
  const nodeAt = (index: number): RedisProcess => {
    const node = masters[index]
    if (node === undefined) throw new RangeError(`there is no master ${index}`)
    return node
  }
  return {
    masters,
    replicas,
    proxies,
    addresses: proxies.map(({ port }) => addressOf(port)),
    masterOf: (slot) => Math.floor((slot * MASTERS) / SLOTS),
    agrees: () => agree(nodes),
    move: (slot, from, to) => moveSlot(String(slot), nodeAt(from), nodeAt(to), nodes),
    async [Symbol.asyncDispose]() {
      await Promise.all([...proxies, ...nodes].map((part) => part[Symbol.asyncDispose]()))
    },
  }
}

/** As `redis-cli --cluster reshard` does it. */
async function moveSlot(slot: string, from: RedisProcess, to: RedisProcess, nodes: readonly RedisProcess[]): Promise<MovingSlot> {
  const [source, target] = [String(await from.send('CLUSTER', 'MYID')), String(await to.send('CLUSTER', 'MYID'))]
  await to.send('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source)
  await from.send('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target)
  return {
    finish: async () => {
      for (;;) {
        const keys = await from.send('CLUSTER', 'GETKEYSINSLOT', slot, '100')
        if (!Array.isArray(keys) || keys.length === 0) break
        await from.send('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys.map(String))
      }
      await to.send('CLUSTER', 'SETSLOT', slot, 'NODE', target)
      await from.send('CLUSTER', 'SETSLOT', slot, 'NODE', target)
      await agree(nodes)
    },
  }
}

/** Resolves when all have heard by gossip who has what. One that heard of the next change first would have a slot at nobody. */
const agree = (nodes: readonly RedisProcess[]): Promise<true> =>
  until(async () => (new Set(await Promise.all(nodes.map(slotsSeenBy))).size === 1 ? true : undefined))

/** Which master has which slots, in a node's view. */
async function slotsSeenBy(node: RedisProcess): Promise<string> {
  const lines = String(await node.send('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
  const masters = lines.flatMap((line) => {
    const [id, , flags, , , , , , ...slots] = line.trim().split(' ')
    return flags?.includes('master') ? [`${id} ${slots.join(' ')}`] : []
  })
  return masters.toSorted().join('\n')
}

/** How often a server answered with an error of this code. */
export async function errorsOf(redis: RedisProcess, code: string): Promise<number> {
  return Number(new RegExp(`^errorstat_${code}:count=(\\d+)`, 'm').exec(await infoOf(redis, 'errorstats'))?.[1] ?? 0)
}

const busOf = ({ port }: RedisProcess): string => String(port + 10_000)

const knows = (node: RedisProcess, count: number): Promise<true> =>
  until(async () => (String(await node.send('CLUSTER', 'INFO')).includes(`cluster_known_nodes:${count}`) ? true : undefined))

const works = (node: RedisProcess): Promise<true> =>
  until(async () => (String(await node.send('CLUSTER', 'INFO')).includes('cluster_state:ok') ? true : undefined))
