import { describe, expect, test } from 'vitest'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { randomBytes } from './world.contract.ts'
import { mintMessageId, mintSessionId, SERVER_DEVICE, isVisitorId } from '../conversation/ids.ts'
import { describeConversationLog } from './conversation-log.contract.ts'
import type { NewQuestion, Session } from './conversation-log.ts'
import { createMemoryLog, createMemoryStore, type MemoryStore } from './memory-log.ts'

describeConversationLog('memory', async (ports) => createMemoryLog(ports))

describe('memory store', () => {
  const random = randomBytes(3)
  const clock = createSimulatedClock()
  const ports = { now: () => clock.now(), leaseNow: () => clock.monotonic(), random }
  const question = (): NewQuestion => ({
    messageId: mintMessageId(clock.now(), random),
    device: SERVER_DEVICE,
    number: undefined,
    text: 'Hello',
    inReplyTo: undefined,
  })
  const begin = (store: MemoryStore): Session['id'] => {
    const id = mintSessionId(random)
    const visitor = mintSessionId(random)
    if (isVisitorId(visitor)) store.createSession({ id, visitor, ttlMs: 1_000 })
    return id
  }

  test('[L15] a store that stands for a disk settles what it has', () => {
    const store = createMemoryStore(ports, { durability: 'fsync' })
    const id = begin(store)
    store.ask(id, question())
    expect(store.read(id, undefined, 5)).toMatchObject({ head: { seq: 1 }, settled: 1 })
  })

  test('[L31] a restored store is what it was, and every snapshot keeps its own future', () => {
    const store = createMemoryStore(ports)
    const id = begin(store)
    const [first, second, third] = [question(), question(), question()]
    store.ask(id, first)
    const early = store.snapshot()
    store.ask(id, second)
    const [claim] = store.claim('owner', 1_000, 1)
    const late = store.snapshot()
    const lateRead = store.read(id, undefined, 9)

    store.restore(early)
    expect(store.read(id, undefined, 9)).toMatchObject({ head: { seq: 1 }, entries: [{ messageId: first.messageId }] })
    expect(store.ask(id, third)).toMatchObject({ type: 'accepted', duplicate: false, cursor: { seq: 2 } })
    expect(store.ask(id, second)).toMatchObject({ type: 'accepted', duplicate: false, cursor: { seq: 3 } })
    const order = [first, third, second].map(({ messageId }) => ({ messageId }))
    expect(store.read(id, undefined, 9)).toMatchObject({ head: { seq: 3 }, entries: order })
    expect(store.claim('owner', 1_000, 1)).toEqual([claim])

    store.restore(late)
    expect(store.read(id, undefined, 9)).toEqual(lateRead)
    expect(store.ask(id, third)).toMatchObject({ type: 'accepted', duplicate: false, cursor: { seq: 3 } })
    expect(store.claim('owner', 1_000, 1)).toEqual([])
  })

  test('[L111][L113] what vanishes from beside the ledger is found once', () => {
    const store = createMemoryStore(ports)
    const id = begin(store)
    const before = store.snapshot()
    store.ask(id, question())
    store.ask(id, question())
    store.restore({ ...store.snapshot(), sessions: before.sessions })
    const lostAt = clock.now()
    expect(store.tally()).toMatchObject({ accepted: 2, waiting: 0, lost: 2, lostAt, found: 2 })
    clock.advanceSync(1)
    expect(store.tally()).toMatchObject({ accepted: 2, lost: 2, lostAt, found: 0 })
  })

  test('[L37] voiding all leases frees every turn, and fences go on growing', () => {
    const store = createMemoryStore(ports)
    const id = begin(store)
    store.ask(id, question())
    const [before] = store.claim('dead', 1_000, 1)
    store.releaseAll()
    const [after] = store.claim('alive', 1_000, 1)
    expect(after).toEqual({ ...before, fence: (before?.fence ?? 0) + 1 })
  })
})
