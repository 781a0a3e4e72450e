/** Processes on one Redis: who announces itself is seen by the others, for as long as it says. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PROCESS_ABOUT_CHARS_MAX, PROCESSES_MAX } from '../../src/conversation/limits.ts'
import type { ConversationLog } from '../../src/conversation-log/conversation-log.ts'
import { newPrefix, openLog } from './open-log.ts'
import { startRedis, until, type RedisProcess } from './redis-process.ts'

const LEASE_MS = 60_000

let redis: RedisProcess
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis[Symbol.asyncDispose]())

const announce = ({ announce: say }: ConversationLog, id: string, leaseMs = LEASE_MS, about = `about ${id}`) => {
  if (say === undefined) throw new Error('the log has no processes')
  return say({ id, about }, leaseMs)
}

test('[L120] each process is told the others of its log with what they say of themselves, and those of another prefix are not', async () => {
  const keyPrefix = newPrefix()
  await using one = await openLog({ addresses: [redis.address], keyPrefix })
  await using two = await openLog({ addresses: [redis.address], keyPrefix })
  await using other = await openLog({ addresses: [redis.address] })
  expect(await announce(one, 'one')).toEqual([])
  expect(await announce(two, 'two', LEASE_MS, 'a b  "c"')).toEqual([{ id: 'one', about: 'about one' }])
  expect(await announce(one, 'one', LEASE_MS, 'news')).toEqual([{ id: 'two', about: 'a b  "c"' }])
  expect(await announce(two, 'two')).toEqual([{ id: 'one', about: 'news' }])
  expect(await announce(other, 'elsewhere')).toEqual([])
})

test('[L121] a process that has left, or whose lease is over, is not told any more, whatever others do, and nothing of the last stays', async () => {
  const keyPrefix = newPrefix()
  await using log = await openLog({ addresses: [redis.address], keyPrefix })
  await announce(log, 'stays')
  await announce(log, 'leaves')
  await announce(log, 'dies', 300)
  await announce(log, 'leaves', 0)
  const others = async () => (await announce(log, 'looks', 300)).map(({ id }) => id)
  expect(await until(async () => ((await others()).includes('dies') ? undefined : others()))).toEqual(['stays'])
  await announce(log, 'stays', 0)
  await announce(log, 'looks', 0)
  expect(await redis.send('KEYS', `${keyPrefix}*:processes`)).toEqual([])
})

test('[L121] no more processes than the bound are listed, and none says more of itself than its bound', async () => {
  await using log = await openLog({ addresses: [redis.address] })
  for (let count = 0; count < PROCESSES_MAX + 5; count += 1) await announce(log, `process-${count}`)
  expect(await announce(log, 'looks')).toHaveLength(PROCESSES_MAX)
  await expect(announce(log, 'talks', LEASE_MS, 'x'.repeat(PROCESS_ABOUT_CHARS_MAX + 1))).rejects.toThrow(RangeError)
})

test('[L122] while Redis is away announcing fails as unavailable, and goes on by itself when it is back', async () => {
  await using server = await startRedis()
  await using log = await openLog({ addresses: [server.address] })
  await announce(log, 'one')
  await server.kill()
  await expect(announce(log, 'one')).rejects.toMatchObject({ name: 'LogError', kind: 'unavailable' })
  await server.start()
  expect(
    await until(() =>
      announce(log, 'one').then(
        (others) => others,
        () => undefined,
      ),
    ),
  ).toEqual([])
})
