import { expect, test } from 'vitest'
import { isVisitorId, mintSessionId } from '../conversation/ids.ts'
import { createPartitions, PARTITIONS, sessionKeys, SLOTS, slotOf, visitorKey } from './redis-partitions.ts'
import { randomBytes } from './world.contract.ts'

const random = randomBytes(5)

test('[L50] the slot of a tag is the one of the Cluster specification', () => {
  // redis.io/docs/reference/cluster-spec: the CRC16 of 123456789 is 0x31C3; the others are what CLUSTER KEYSLOT answers.
  expect(slotOf('123456789')).toBe(0x31c3 % SLOTS)
  expect([slotOf('p000'), slotOf('p128'), slotOf('p255')]).toEqual([13_334, 9_292, 13_606])
})

test('[L50] everything of a session has the tag of its partition, the one of the bell too', () => {
  const partitions = createPartitions('team:')
  const session = mintSessionId(random)
  const partition = partitions.ofSession(session)
  const tag = `team:{p${String(partition.index).padStart(3, '0')}}`
  const all = [...sessionKeys(partition, session), partition.bell, partition.probe]
  expect(all.filter((key) => !key.startsWith(tag))).toEqual([])
  expect(new Set(all).size).toBe(all.length)
  expect(partitions.ofBell(partition.bell)).toBe(partition)
  expect(partitions.ofBell('another')).toBeUndefined()
})

test('[L50] sessions and visitors spread over all partitions', () => {
  const partitions = createPartitions('x:')
  const [sessions, visitors] = [new Set<number>(), new Set<number>()]
  for (let count = 0; count < PARTITIONS * 20; count += 1) {
    const id = mintSessionId(random)
    sessions.add(partitions.ofSession(id).index)
    if (isVisitorId(id)) visitors.add(partitions.ofVisitor(id).index)
  }
  expect([sessions.size, visitors.size]).toEqual([PARTITIONS, PARTITIONS])
})

test('[L51] every key begins with the prefix', () => {
  const partitions = createPartitions('a/b:')
  const visitor = mintSessionId(random)
  const keys = partitions.all.flatMap((partition) => Object.values(partition).filter((value) => typeof value === 'string'))
  const own = isVisitorId(visitor) ? [visitorKey(partitions.ofVisitor(visitor), visitor)] : []
  expect([...keys, ...own, partitions.formatKey].filter((key) => !key.startsWith('a/b:{p'))).toEqual([])
})
