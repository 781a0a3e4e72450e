/** The contract of the conversation log, on real Redis servers: one alone, one with a replica, and a Cluster. */
import { afterAll, beforeAll } from 'vitest'
import { describeConversationLog } from '../../src/conversation-log/conversation-log.contract.ts'
import { openLog } from './open-log.ts'
import { startCluster, startPair, type RedisCluster, type RedisPair } from './redis-cluster.ts'
import { addressOf, startRedis, type RedisProcess } from './redis-process.ts'

let redis: RedisProcess
let pair: RedisPair
let cluster: RedisCluster
beforeAll(async () => {
  ;[redis, pair, cluster] = await Promise.all([startRedis(), startPair(), startCluster({ withReplicas: false })])
})
afterAll(() => Promise.all([redis, pair, cluster].map((servers) => servers[Symbol.asyncDispose]())))

describeConversationLog('Redis', (ports) => openLog({ addresses: [redis.address], leaseClock: 'ours' }, ports))

describeConversationLog('Redis with a replica', (ports) =>
  openLog({ addresses: [addressOf(pair.proxy.port)], waitReplicas: 1, leaseClock: 'ours' }, ports),
)

describeConversationLog('a Redis Cluster', (ports) => openLog({ addresses: cluster.addresses, leaseClock: 'ours' }, ports))
