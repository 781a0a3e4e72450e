/** One real Redis server: what is kept there, what it is worth, and what happens when the server is away, slow, empty or not fit. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorld, answer, readAll, started, type World } from '../../src/conversation-log/world.contract.ts'
import { createRecordedEvents } from '../../src/testing/recorded-events.ts'
import { createPartitions, PARTITIONS, visitorKey } from '../../src/conversation-log/redis-partitions.ts'
import { ChatTown, NOTHING_WRONG } from './chat-town.ts'
import { network, newPrefix, openLog, random } from './open-log.ts'
import { freePort } from '../free-port.ts'
import { addressOf, isBack, startRedis, until, type RedisProcess } from './redis-process.ts'
import { startProxy } from './tcp-proxy.ts'

const unavailable = { name: 'LogError', kind: 'unavailable', isRetryable: true }
const LEASE_MS = 60_000

let redis: RedisProcess
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis[Symbol.asyncDispose]())

/** A world on a server, with real time and a prefix that others can open as well. */
const worldOn = (options: Partial<Parameters<typeof openLog>[0]> = {}): Promise<World> =>
  createWorld(() => openLog({ addresses: [redis.address], ...options }))

test('[L51] every key and channel begins with the prefix, and another prefix is another log', async () => {
  const server = await startRedis()
  await using world = await worldOn({ addresses: [server.address], keyPrefix: 'team-a:' })
  await using other = await worldOn({ addresses: [server.address], keyPrefix: 'team-b:' })
  const visitor = world.newVisitor()
  const id = await world.begin(visitor)
  await world.ask(id)
  await world.ask(id)
  const claim = await world.claimOne()
  await world.log.write(claim, [started(claim)])
  await world.log.probe()
  const keys = (await server.send('KEYS', '*')) as readonly string[]
  const channels = (await server.send('PUBSUB', 'SHARDCHANNELS')) as readonly string[]
  expect(keys.filter((key) => !/^team-[ab]:\{p\d{3}\}/.test(key))).toEqual([])
  expect(channels.filter((channel) => !/^team-[ab]:\{p\d{3}\}:bell$/.test(channel))).toEqual([])
  expect([keys.length > 8, channels.length]).toEqual([true, 32])
  expect([await other.log.findSession(id), await other.log.listSessions(visitor), (await other.log.tally()).accepted]).toEqual([
    undefined,
    [],
    0,
  ])
  await world.log.deleteSession(id)
  const left = (await server.send('KEYS', `*${id}*`)) as readonly string[]
  expect(left).toEqual([])
  await server[Symbol.asyncDispose]()
})

test('[L52] functions that are missing are loaded, and another release’s stay', async () => {
  await using world = await worldOn()
  const id = await world.begin()
  await redis.send('FUNCTION', 'FLUSH')
  await redis.send(
    'FUNCTION',
    'LOAD',
    "#!lua name=chat_log_1_other\nredis.register_function('chat_log_1_other_f', function() return 1 end)",
  )
  const asked = await Promise.all([world.ask(id), world.ask(id), world.ask(id)])
  expect(asked.map(({ number }) => number)).toEqual([1, 2, 3])
  const libraries = JSON.stringify(await redis.send('FUNCTION', 'LIST'))
  expect(libraries.match(/chat_log_1_[0-9a-z]+"/g)).toHaveLength(2)
})

test('[L52][L53] a Redis that comes back empty is used as it is: nothing is there, and everything works', async () => {
  await using server = await startRedis()
  await using world = await worldOn({ addresses: [server.address] })
  const id = await world.begin()
  await server.kill()
  await expect(world.log.ask(id, world.question())).rejects.toMatchObject(unavailable)
  await server.start()
  await isBack(world.log)
  expect(await world.log.ask(id, world.question())).toEqual({ type: 'gone' })
  expect(await world.ask(await world.begin())).toMatchObject({ number: 1 })
})

test('[L53] killed and started again, a Redis that syncs every write has all that was acknowledged', async () => {
  await using server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  await using world = await worldOn({ addresses: [server.address] })
  const id = await world.begin()
  const questions = Array.from({ length: 12 }, () => world.question())
  const outcomes = questions.map((question) =>
    world.log.ask(id, question).then(
      ({ type }) => type,
      () => 'unknown',
    ),
  )
  await outcomes[3]
  await server.kill()
  const acknowledged = (await Promise.all(outcomes)).filter((outcome) => outcome === 'accepted').length
  await server.start()
  await isBack(world.log)
  const kept = (await world.entries(id)).flatMap((entry) => (entry.kind === 'message' ? [entry.messageId] : []))
  expect(kept.length).toBeGreaterThanOrEqual(acknowledged)
  expect(kept).toEqual(questions.slice(0, kept.length).map(({ messageId }) => messageId))
  for (const question of questions) expect(await world.log.ask(id, question)).toMatchObject({ type: 'accepted' })
  expect(await world.entries(id)).toHaveLength(12)
})

test('[L53] while Redis is paused commands fail, the first after its time and the others at once, and all goes on by itself', async () => {
  await using world = await worldOn()
  const events = createRecordedEvents()
  await using log = await openLog({ addresses: [redis.address] }, { events })
  await using world2 = await createWorld(async () => log)
  const id = await world2.begin()
  redis.signal('SIGSTOP')
  const question = world2.question()
  await expect(log.ask(id, question)).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('may be done') })
  // Nothing is sent any more, so nothing has to be waited for.
  for (let count = 0; count < 50; count += 1) await expect(log.ask(id, question)).rejects.toMatchObject(unavailable)
  expect(events.of('storeFailed')).toHaveLength(1)
  redis.signal('SIGCONT')
  await isBack(log)
  expect(await log.ask(id, question)).toMatchObject({ type: 'accepted', number: 1 })
  expect(await world2.entries(id)).toHaveLength(1)
  await isBack(world.log)
})

test('[L54] a write that was given up and comes late to Redis is done before the next read, or never', async () => {
  await using proxy = await startProxy(redis.port)
  await using world = await worldOn({ addresses: [addressOf(proxy.port)] })
  const { log } = world
  const id = await world.begin()
  await world.ask(id)
  const claim = await world.claimOne()
  proxy.hold()
  await expect(log.write(claim, answer(claim))).rejects.toMatchObject(unavailable)
  await isBack(log)
  expect((await world.entries(id)).map(({ kind }) => kind)).toEqual(['message'])
  // Now it arrives.
  await proxy.release()
  expect((await world.entries(id)).map(({ kind }) => kind)).toEqual(['message'])
  expect(await log.write(claim, answer(claim))).toMatchObject({ type: 'written', head: { seq: 4 } })
  expect((await log.tally()).ended.answered).toBe(1)
})

test('[L55] what another process does rings here, and can be read then', async () => {
  const keyPrefix = newPrefix()
  await using here = await worldOn({ keyPrefix })
  await using there = await worldOn({ keyPrefix })
  const id = await there.begin()
  const [appended, work] = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()]
  here.log.onAppend(id, () => appended.resolve(here.log.read(id, undefined, 1)))
  here.log.onWork(() => work.resolve(here.log.claim('here', LEASE_MS, 1)))
  const { turnId } = await there.ask(id)
  expect(await appended.promise).toMatchObject({ entries: [{ kind: 'message', turnId }] })
  expect(await work.promise).toMatchObject([{ session: id, turnId }])
  const gone = Promise.withResolvers<unknown>()
  here.log.onAppend(id, () => gone.resolve(here.log.read(id, undefined, 1)))
  await there.log.deleteSession(id)
  expect(await gone.promise).toEqual({ type: 'gone' })
})

test('[L55] after the bells were cut off everybody is rung for, because nobody knows what was missed', async () => {
  await using proxy = await startProxy(redis.port)
  await using world = await worldOn({ addresses: [addressOf(proxy.port)] })
  const rung = Promise.withResolvers<string>()
  world.log.onAppend(await world.begin(), () => rung.resolve('rung'))
  proxy.leadTo(redis.port)
  expect(await rung.promise).toBe('rung')
})

test('[L56] leases run on the clock of Redis, whatever ours says', async () => {
  const keyPrefix = newPrefix()
  await using here = await createWorld((ports) => openLog({ addresses: [redis.address], keyPrefix }, ports))
  await using there = await createWorld((ports) => openLog({ addresses: [redis.address], keyPrefix }, ports))
  await here.ask(await here.begin())
  const [claim] = await here.log.claim('here', 300, 1)
  here.clock.advanceSync(10_000)
  expect(await here.log.claim('here', 300, 1)).toEqual([])
  expect(await there.log.claim('there', 300, 1)).toEqual([])
  // Looking is all that moves their own clock on; the lease ends with Redis' time.
  const taken = await until(async () => {
    there.clock.advanceSync(1_000)
    const claims = await there.log.claim('there', 300, 1)
    return claims.length > 0 ? claims : undefined
  })
  expect(taken).toEqual([{ ...claim, fence: (claim?.fence ?? 0) + 1 }])
  expect(claim === undefined || (await here.log.write(claim, []))).toEqual({ type: 'fenced' })
})

test('[L17][L56] a lease that Redis gave before its clock went back an hour has run out', async () => {
  const keyPrefix = newPrefix()
  const at = (monotonic: number): Promise<World> => {
    const clock = { ...network.clock, monotonic: () => monotonic }
    return createWorld(() => openLog({ addresses: [redis.address], keyPrefix, leaseClock: 'ours' }, { clock }))
  }
  await using before = await at(3_600_000)
  await before.ask(await before.begin())
  const [claim] = await before.log.claim('before', 30_000, 1)
  await using soon = await at(3_600_001)
  expect(await soon.log.claim('soon', 30_000, 1)).toEqual([])
  await using after = await at(0)
  expect(await after.log.claim('after', 30_000, 1)).toEqual([{ ...claim, fence: (claim?.fence ?? 0) + 1 }])
})

test('[L57] with all partitions, turns are claimed oldest first wherever they are', async () => {
  await using world = await worldOn({ partitions: PARTITIONS })
  const ids = []
  for (let count = 0; count < 40; count += 1) ids.push(await world.begin())
  for (const id of ids) await world.ask(id)
  const claims = [...(await world.log.claim('one', LEASE_MS, 15)), ...(await world.log.claim('two', LEASE_MS, 100))]
  expect(claims.map(({ session }) => session)).toEqual(ids)
})

test('[L58] a name without a session is passed over, takes no place for long, and one that was lost is put back', async () => {
  const keyPrefix = newPrefix()
  await using world = await worldOn({ keyPrefix })
  const visitor = world.newVisitor()
  const partitions = createPartitions(keyPrefix, 16)
  const key = visitorKey(partitions.ofVisitor(visitor), visitor)
  const id = await world.begin(visitor)
  // What is left when a process dies between the name and the session, long ago and just now.
  const oldUs = String((Date.UTC(2026, 0, 1) - 3_600_000) * 1_000)
  const names = Array.from({ length: 99 }, () => world.newSessionId())
  for (const name of names) await redis.send('ZADD', key, oldUs, name)
  expect((await world.log.listSessions(visitor)).map((session) => session.id)).toEqual([id])
  expect(await redis.send('ZCARD', key)).toBe(1)
  for (const name of names) await redis.send('ZADD', key, oldUs, name)
  expect(await world.log.createSession({ id: world.newSessionId(), visitor, ttlMs: LEASE_MS })).toMatchObject({ type: 'created' })
  const fresh = world.newSessionId()
  await redis.send('ZADD', key, String(4_000_000_000_000_000), fresh)
  expect(await world.log.listSessions(visitor)).toHaveLength(2)
  expect(await redis.send('ZSCORE', key, fresh)).not.toBeNull()
  // What is left when a fail-over has taken back the name, but not the session.
  await redis.send('DEL', key)
  await using another = await worldOn({ keyPrefix })
  expect(await another.log.listSessions(visitor)).toEqual([])
  await another.log.ask(id, another.question())
  expect(await until(async () => (await another.log.listSessions(visitor))[0])).toMatchObject({ id })
})

test('[L84] people move freely between processes on one Redis, in the middle of questions and answers', async () => {
  // One page more than can be shared out evenly, so that each comes to another process.
  await using town = await ChatTown.found({ addresses: [redis.address], processes: 3, people: 10 })
  const asking = town.everybodyAsks(8)
  for (let moves = 0; moves < 6; moves += 1) await town.everybodyMoves()
  await asking
  await town.isQuiet()
  expect(await town.outcome()).toEqual({ ...NOTHING_WRONG, asked: 80, repaired: 0 })
  expect(town.pages.every(({ forks }) => forks === 0)).toBe(true)
})

test('[L84] killed in mid-question under several processes, a Redis that syncs every write has lost nothing that was acknowledged', async () => {
  await using server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  await using town = await ChatTown.found({ addresses: [server.address], processes: 2, people: 6 })
  expect(town.log.profile.durability).toBe('fsync')
  const asking = town.everybodyAsks(8)
  await until(async () => town.pages.every(({ turns }) => turns.size > 0) || undefined)
  await server.kill()
  await server.start()
  await asking
  await town.isQuiet()
  expect(await town.outcome()).toEqual({ ...NOTHING_WRONG, asked: 48, repaired: 0 })
})

test.each(['0 16', 'something else'])('[L59] a log of an older format, or of none, is refused and stays as it was: %s', async (written) => {
  const keyPrefix = newPrefix()
  const { formatKey } = createPartitions(keyPrefix, 16)
  await redis.send('SET', formatKey, written)
  await expect(openLog({ addresses: [redis.address], keyPrefix })).rejects.toMatchObject({
    kind: 'fatal',
    message: `the log in Redis has a format that this version cannot read (“${written}” at ${formatKey}; this one knows 1)`,
  })
  expect(await redis.send('GET', formatKey)).toBe(written)
})

test('[L59] a log of a newer release is refused and stays as it was; a session of one is not touched', async () => {
  const keyPrefix = newPrefix()
  const { formatKey, ofSession } = createPartitions(keyPrefix, 16)
  await redis.send('SET', formatKey, '2 16')
  await expect(openLog({ addresses: [redis.address], keyPrefix })).rejects.toMatchObject({
    kind: 'fatal',
    message: 'the log in Redis was written by a newer version (format 2, this one knows 1)',
  })
  expect(await redis.send('GET', formatKey)).toBe('2 16')
  await redis.send('SET', formatKey, '1 8')
  await expect(openLog({ addresses: [redis.address], keyPrefix })).rejects.toMatchObject({ kind: 'fatal' })

  await redis.send('DEL', formatKey)
  await using world = await worldOn({ keyPrefix })
  expect(await redis.send('GET', formatKey)).toBe('1 16')
  const id = await world.begin()
  await world.ask(id)
  const key = `${ofSession(id).meta}:s:${id}`
  await redis.send('HSET', key, 'format', '2')
  const fields = async (): Promise<unknown> => ((await redis.send('HGETALL', key)) as readonly string[]).toSorted()
  const before = await fields()
  await expect(world.log.findSession(id)).rejects.toMatchObject(unavailable)
  await expect(world.log.ask(id, world.question())).rejects.toMatchObject(unavailable)
  await expect(world.log.read(id, undefined, 1)).rejects.toMatchObject(unavailable)
  expect(await fields()).toEqual(before)
})

test.each([
  ['lets nobody in without a password', ['--requirepass', 'secret'], /^Redis does not let this user in: .*NOAUTH/],
  ['may throw keys away', ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'], /maxmemory-policy is allkeys-lru and must be/],
])('[L60] a Redis that %s is refused with a sentence', async (_what, options, message) => {
  await using server = await startRedis(...options)
  await expect(openLog({ addresses: [server.address] })).rejects.toMatchObject({
    name: 'LogError',
    kind: 'fatal',
    message: expect.stringMatching(message),
  })
})

test('[L60] with the password it is let in', async () => {
  await using server = await startRedis('--requirepass', 'p@ss')
  await using world = await worldOn({ addresses: [{ ...server.address, password: 'p@ss' }] })
  expect(await world.ask(await world.begin())).toMatchObject({ number: 1 })
})

test('[L60] several addresses that are no Cluster are refused', async () => {
  await using server = await startRedis()
  await expect(openLog({ addresses: [redis.address, server.address] })).rejects.toMatchObject({
    kind: 'fatal',
    message: expect.stringContaining('this is none'),
  })
})

test('[L53] a Redis that is not there yet is waited for: commands fail, and work when it has come', async () => {
  const port = await freePort()
  const events = createRecordedEvents()
  await using log = await openLog({ addresses: [addressOf(port)] }, { events })
  await expect(log.probe()).rejects.toMatchObject(unavailable)
  expect([log.profile.durability, events.of('storeFailed').length]).toEqual(['best-effort', 1])
  await using server = await startRedis('--port', String(port))
  expect(server.port).not.toBe(port)
  await isBack(log)
})

test('[L61] what acknowledgements are worth is said at the start and when it changes', async () => {
  await using server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  const events = createRecordedEvents()
  await using log = await openLog({ addresses: [server.address] }, { events })
  expect(log.profile).toEqual({
    store: 'redis',
    durability: 'fsync',
    isShared: true,
    description: `Redis, 127.0.0.1:${server.port} (fsync)`,
  })
  await server.send('CONFIG', 'SET', 'appendfsync', 'everysec')
  await log.probe()
  expect(log.profile.durability).toBe('best-effort')
  await server.send('CONFIG', 'SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru')
  await expect(log.probe()).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('maxmemory-policy') })
  expect(events.of('storeGuarantee').map(({ durability, weaknesses }) => [durability, weaknesses.length])).toEqual([
    ['fsync', 0],
    ['best-effort', 1],
  ])
})

test('[L62] a session of which a part has vanished is refused as damaged, never continued', async () => {
  const keyPrefix = newPrefix()
  await using world = await worldOn({ keyPrefix })
  const { ofSession } = createPartitions(keyPrefix, 16)
  const corrupt = { name: 'LogError', kind: 'corrupt' }
  const [whole, holed] = [await world.begin(), await world.begin()]
  for (const id of [whole, holed]) for (let count = 0; count < 3; count += 1) await world.ask(id)
  await redis.send('DEL', `${ofSession(whole).meta}:l:${whole}`)
  await redis.send('XDEL', `${ofSession(holed).meta}:l:${holed}`, '2-0')
  await expect(world.log.ask(whole, world.question())).rejects.toMatchObject(corrupt)
  await expect(world.log.ask(holed, world.question())).rejects.toMatchObject(corrupt)
  await expect(world.log.read(holed, undefined, 10)).rejects.toMatchObject(corrupt)
  // The tally misses what vanished: three questions of the one, and one of the other.
  expect(await world.log.tally()).toMatchObject({ accepted: 6, waiting: 2, found: 4 })
})

test('[L53] a Redis whose memory is full refuses questions for now, and still lets people read and delete', async () => {
  await using server = await startRedis()
  await using world = await worldOn({ addresses: [server.address] })
  const id = await world.begin()
  await world.ask(id)
  await server.send('CONFIG', 'SET', 'maxmemory', '1')
  await expect(world.log.ask(id, world.question())).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('OOM') })
  expect(await readAll(world.log, id)).toHaveLength(1)
  expect(await world.log.deleteSession(id)).toBe(true)
  await server.send('CONFIG', 'SET', 'maxmemory', '0')
  expect(await world.ask(await world.begin())).toMatchObject({ number: 1 })
})

test('[L26] what was asked for before the close is answered', async () => {
  await using world = await createWorld(() => openLog({ addresses: [redis.address] }, { random, network }))
  const id = await world.begin()
  const asked = Array.from({ length: 30 }, () => world.log.ask(id, world.question()))
  await world.log[Symbol.asyncDispose]()
  expect(new Set((await Promise.all(asked)).map(({ type }) => type))).toEqual(new Set(['accepted', 'overload']))
})
