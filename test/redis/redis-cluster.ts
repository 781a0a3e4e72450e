/** Several real Redis servers together: a master with a replica, and a Cluster of three masters with or without replicas. */
import { startRedis, until, type RedisProcess } from './redis-process.ts'
import { startProxy, type TcpProxy } from './tcp-proxy.ts'

export interface RedisPair extends AsyncDisposable {
  readonly master: RedisProcess
  readonly replica: RedisProcess
  /** Where clients connect, and through which the replica follows its master. */
  readonly proxy: TcpProxy
  /** Makes the replica the master, and leads clients to it. */
  readonly failOver: () => Promise<void>
}

const infoOf = async (redis: RedisProcess, section: string): Promise<string> => String(await redis.send('INFO', section))

/** Resolves when the replica has a link to its master that is up. */
const linked = (replica: RedisProcess): Promise<true> =>
  until(async () => ((await infoOf(replica, 'replication')).includes('master_link_status:up') ? true : undefined))

export async function startPair(...options: readonly string[]): Promise<RedisPair> {
  const master = await startRedis('--repl-diskless-sync-delay', '0', ...options)
  const proxy = await startProxy(master.port)
  const replica = await startRedis('--replicaof', '127.0.0.1', String(proxy.port), ...options)
  await linked(replica)
  return {
    master,
    replica,
    proxy,
    failOver: async () => {
      await replica.send('REPLICAOF', 'NO', 'ONE')
      proxy.leadTo(replica.port)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([proxy, replica, master].map((part) => part[Symbol.asyncDispose]()))
    },
  }
}

export interface RedisCluster extends AsyncDisposable {
  readonly masters: readonly RedisProcess[]
  /** One for each master, in the same order; none in a Cluster without. */
  readonly replicas: readonly RedisProcess[]
  /** In front of each master: clients and its replica come through it. */
  readonly proxies: readonly TcpProxy[]
  /** The addresses to begin with. */
  readonly urls: readonly string[]
}

const SLOTS = 16_384
const MASTERS = 3

/** Starts a Cluster and resolves when all of its nodes say that it works. */
export async function startCluster({ withReplicas }: { readonly withReplicas: boolean }): Promise<RedisCluster> {
  const options = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0', '--appendonly', 'no']
  const nodes = await Promise.all(Array.from({ length: withReplicas ? 2 * MASTERS : MASTERS }, () => startRedis(...options)))
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
  return {
    masters,
    replicas,
    proxies,
    urls: proxies.map(({ port }) => `redis://127.0.0.1:${port}`),
    async [Symbol.asyncDispose]() {
      await Promise.all([...proxies, ...nodes].map((part) => part[Symbol.asyncDispose]()))
    },
  }
}

const busOf = ({ port }: RedisProcess): string => String(port + 10_000)

const knows = (node: RedisProcess, count: number): Promise<true> =>
  until(async () => (String(await node.send('CLUSTER', 'INFO')).includes(`cluster_known_nodes:${count}`) ? true : undefined))

const works = (node: RedisProcess): Promise<true> =>
  until(async () => (String(await node.send('CLUSTER', 'INFO')).includes('cluster_state:ok') ? true : undefined))
