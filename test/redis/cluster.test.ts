/** A Cluster of three masters with a replica each: slots that move, a master that is away, and masters that lose their place. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorld, type World } from '../../src/conversation-log/world.contract.ts'
import { createPartitions, type Partition } from '../../src/conversation-log/redis-partitions.ts'
import type { SessionId } from '../../src/conversation/ids.ts'
import { ChatTown, NOTHING_WRONG, type Outcome } from './chat-town.ts'
import { openLog } from './open-log.ts'
import { errorsOf, startCluster, type RedisCluster } from './redis-cluster.ts'
import { until, type RedisProcess } from './redis-process.ts'

const PARTITIONS = 16
const partitions = createPartitions('', PARTITIONS)
const LEASE_MS = 60_000
/** So many that nobody who gave up looking would still be at it. */
const REFUSALS = 25
const unavailable = { name: 'LogError', kind: 'unavailable' }

let cluster: RedisCluster
beforeAll(async () => {
  cluster = await startCluster({ withReplicas: true })
})
afterAll(() => cluster[Symbol.asyncDispose]())

const worldOn = (options: Partial<Parameters<typeof openLog>[0]> = {}): Promise<World> =>
  createWorld(() => openLog({ addresses: cluster.addresses, partitions: PARTITIONS, ...options }))

const nodeAt = (nodes: readonly RedisProcess[], index: number): RedisProcess => {
  const node = nodes[index]
  if (node === undefined) throw new RangeError(`there is no node ${index}`)
  return node
}

const never = (): never => {
  throw new Error('a slot that nobody has took a question')
}

/** One that is in a partition which this master was given. */
function found<Id>(mint: () => Id, of: (id: Id) => Partition, isWanted: (partition: Partition) => boolean): Id {
  for (;;) {
    const id = mint()
    if (isWanted(of(id))) return id
  }
}

test('[L76] a slot that moves takes its sessions along: commands follow it, wait for it, and load its new master’s functions', async () => {
  await using world = await worldOn()
  const { log } = world
  const visitor = found(world.newVisitor, partitions.ofVisitor, ({ slot }) => cluster.masterOf(slot) === 2)
  const partition = partitions.ofVisitor(visitor)
  const inPartition = (other: Partition): boolean => other === partition
  const id = found(world.newSessionId, partitions.ofSession, inPartition)
  await log.createSession({ id, visitor, ttlMs: LEASE_MS })
  await world.ask(id)
  const [source, target] = [nodeAt(cluster.masters, 2), nodeAt(cluster.masters, 0)]
  await target.send('FUNCTION', 'FLUSH')
  const slot = await cluster.move(partition.slot, 2, 0)
  // Nothing of theirs is at the old master, so the new one is asked; what is in both places at once has to wait.
  const nobody = found(world.newVisitor, partitions.ofVisitor, inPartition)
  expect(await log.listSessions(nobody)).toEqual([])
  const asked = world.ask(id)
  await until(async () => (await errorsOf(source, 'TRYAGAIN')) > 0 || undefined)
  await slot.finish()
  expect(await asked).toMatchObject({ number: 2 })
  expect(await log.listSessions(visitor)).toMatchObject([{ id }])
  expect(await world.ask(id)).toMatchObject({ number: 3 })
  expect((await world.entries(id)).map(({ seq }) => seq)).toEqual([1, 2, 3])
  expect(await errorsOf(source, 'ASK')).toBeGreaterThan(0)
  expect(await errorsOf(source, 'MOVED')).toBeGreaterThan(0)
  await (await cluster.move(partition.slot, 0, 2)).finish()
})

test('[L76] people who ask while slots move notice nothing', async () => {
  await using town = await ChatTown.found({ addresses: cluster.addresses, partitions: PARTITIONS, processes: 2, people: 8 })
  const asking = town.everybodyAsks(6)
  for (const { slot } of partitions.all.filter((each) => cluster.masterOf(each.slot) === 1)) await (await cluster.move(slot, 1, 0)).finish()
  await asking
  await town.isQuiet()
  expect(await town.outcome()).toMatchObject({ ...NOTHING_WRONG, asked: 48 })
  for (const { slot } of partitions.all.filter((each) => cluster.masterOf(each.slot) === 1)) await (await cluster.move(slot, 0, 1)).finish()
})

test('[L79] a slot that nobody has, as in the middle of a fail-over, is looked for until somebody has it', async () => {
  await using world = await worldOn()
  const id = found(world.newSessionId, partitions.ofSession, ({ slot }) => cluster.masterOf(slot) === 0)
  await world.log.createSession({ id, visitor: world.newVisitor(), ttlMs: LEASE_MS })
  const slot = String(partitions.ofSession(id).slot)
  const owner = nodeAt(cluster.masters, 0)
  for (const node of [owner, ...cluster.masters.slice(1), ...cluster.replicas]) await node.send('CLUSTER', 'DELSLOTS', slot)
  // First the master says so, and then nobody is asked any more.
  await expect(world.ask(id)).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('CLUSTERDOWN') })
  let refusals = 0
  const refused = ({ message }: Error): true | undefined => {
    refusals += message.includes('has not been reached') ? 1 : 0
    return refusals > REFUSALS ? true : undefined
  }
  await until(() => world.ask(id).then(never, refused))
  await owner.send('CLUSTER', 'ADDSLOTS', slot)
  expect(await until(() => world.ask(id).catch(() => undefined))).toMatchObject({ number: 1 })
  await cluster.agrees()
})

test('[L77] while one master is away its sessions are offline, all others go on, and the store counts as working', async () => {
  await using world = await worldOn()
  const { log } = world
  const begin = async (master: number): Promise<SessionId> => {
    const id = found(world.newSessionId, partitions.ofSession, ({ slot }) => cluster.masterOf(slot) === master)
    const visitor = found(world.newVisitor, partitions.ofVisitor, ({ slot }) => cluster.masterOf(slot) === master)
    await log.createSession({ id, visitor, ttlMs: LEASE_MS })
    return id
  }
  const [first, second, away] = [await begin(0), await begin(1), await begin(2)]
  await world.ask(away)
  await nodeAt(cluster.replicas, 2).send('CONFIG', 'SET', 'cluster-replica-no-failover', 'yes')
  const master = nodeAt(cluster.masters, 2)
  master.signal('SIGSTOP')
  await expect(world.ask(away)).rejects.toMatchObject(unavailable)
  await expect(log.read(away, undefined, 1)).rejects.toMatchObject(unavailable)
  await world.ask(first)
  await world.ask(second)
  await log.probe()
  expect((await log.claim('here', LEASE_MS, 10)).map(({ session }) => session)).toEqual([first, second])
  master.signal('SIGCONT')
  await until(() => world.ask(away).catch(() => undefined))
  expect((await log.claim('here', LEASE_MS, 10)).map(({ session }) => session)).toEqual([away])
  await nodeAt(cluster.replicas, 2).send('CONFIG', 'SET', 'cluster-replica-no-failover', 'no')
})

/** People ask, are shown their questions as saved, and then the master of a third of them is another, which never had the last ones. */
async function loseWhatWasSaved(replace: (replica: RedisProcess) => Promise<void>, replica: RedisProcess): Promise<Outcome> {
  await using town = await ChatTown.found({
    addresses: cluster.addresses,
    partitions: PARTITIONS,
    waitReplicas: 1,
    processes: 2,
    people: 16,
  })
  await town.everybodyAsks(2)
  await town.isQuiet()
  for (const proxy of cluster.proxies) proxy.holdReplicas()
  await town.everybodyAsks(2)
  await until(async () => town.pages.every(({ turns }) => turns.size === 4) || undefined)
  const asking = town.everybodyAsks(2)
  await replace(replica)
  await until(async () => String(await replica.send('ROLE')).startsWith('master') || undefined)
  for (const proxy of cluster.proxies) proxy.releaseReplicas()
  await asking
  await town.isQuiet()
  const outcome = await town.outcome()
  return outcome
}

test('[L72][L74] a replica that takes over by force takes back what it never had, and pages put all of it back', async () => {
  const outcome = await loseWhatWasSaved(
    async (replica) => {
      await replica.send('CLUSTER', 'FAILOVER', 'TAKEOVER')
    },
    nodeAt(cluster.replicas, 0),
  )
  expect(outcome).toMatchObject({ ...NOTHING_WRONG, asked: 96 })
  expect(outcome.repaired).toBeGreaterThan(0)
})

test('[L72][L74][L78] a master that stands still loses its place, and what it says when it wakes up is not believed', async () => {
  const master = nodeAt(cluster.masters, 1)
  const outcome = await loseWhatWasSaved(
    async (replica) => {
      master.signal('SIGSTOP')
      await until(async () => String(await replica.send('ROLE')).startsWith('master') || undefined)
      master.signal('SIGCONT')
    },
    nodeAt(cluster.replicas, 1),
  )
  expect(outcome).toMatchObject({ ...NOTHING_WRONG, asked: 96 })
  expect(outcome.repaired).toBeGreaterThan(0)
})
