import { describe, expect, test } from 'vitest'
import { mintDeviceId, mintMessageId, mintSessionId, type SessionId, type VisitorId } from '../conversation/ids.ts'
import type { AskResult, NewQuestion, ReadResult } from '../conversation-log/conversation-log.ts'
import { describeConversationLog } from '../conversation-log/conversation-log.contract.ts'
import type { LogCommand } from '../conversation-log/sync-log.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedLog } from './simulated-log.ts'
import { SimulatedStore, type Branch, type StoreKind } from './simulated-store.ts'
import { createWorld, type World } from './world.ts'

describe('[I29] while nothing goes wrong', () => {
  for (const kind of ['file', 'shared', 'replicated'] as const) {
    describeConversationLog(`a simulated store, ${kind}`, async (ports) => createSimulatedLog(kind, ports))
  }
})

/** A store with one session in it, and one device that asks. */
class Bench {
  readonly world: World = createWorld()
  readonly session: SessionId
  readonly branches: Branch[] = []
  readonly store: SimulatedStore
  readonly #random = seededRandom(3)
  readonly #device = mintDeviceId((count) => this.#random.bytes(count))
  #asked = 0

  constructor(kind: StoreKind) {
    this.session = mintSessionId((count) => this.#random.bytes(count))
    const ignore = (): void => undefined
    this.store = new SimulatedStore({
      world: this.world,
      random: seededRandom(5),
      kind,
      wallNow: () => this.world.now(),
      leaseNow: () => this.world.now(),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any text of the form will do
      sessions: [{ id: this.session, visitor: 'bench-visitor-000' as VisitorId, ttlMs: 3_600_000 }],
      bug: {},
      hearing: {
        durable: ignore,
        settled: ignore,
        claimed: ignore,
        deleted: ignore,
        ring: ignore,
        branched: (branch) => void this.branches.push(branch),
      },
    })
  }

  pass(ms: number): void {
    this.world.runUntil(this.world.now() + ms, 100_000)
  }

  /** What the store answers a process; `undefined` when it does not within a second. */
  submit(command: LogCommand, owner = 'one/1'): unknown {
    let result: unknown
    this.store.portOf(owner).submit(command, (answer) => {
      result = answer.ok ? answer.result : answer.error.kind
    })
    this.pass(10)
    return result
  }

  question(): NewQuestion {
    this.#asked += 1
    const messageId = mintMessageId(0, (count) => this.#random.bytes(count))
    return { messageId, device: this.#device, number: this.#asked, text: `question ${this.#asked}`, inReplyTo: undefined }
  }

  ask(owner?: string): AskResult['type'] | undefined {
    const result = this.submit({ name: 'ask', args: [this.session, this.question()] }, owner)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `ask` answers so
    return (result as AskResult | undefined)?.type
  }

  /** How many entries there are, and how many are settled. */
  read(owner?: string): readonly [entries: number, settled: number] {
    const result = this.submit({ name: 'read', args: [this.session, undefined, 100] }, owner)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `read` answers so
    const read = result as ReadResult & { readonly type: 'entries' }
    return [read.entries.length, read.settled]
  }
}

test('[I29] a replica that has fallen behind holds back what is settled, and takes over without it', () => {
  const bench = new Bench('replicated')
  bench.ask()
  bench.pass(1_000)
  expect(bench.read()).toEqual([1, 1])
  bench.store.lag(0, 60_000)
  bench.ask()
  bench.pass(1_000)
  expect(bench.read()).toEqual([2, 1])
  expect(bench.store.failOver(0)).toBe(true)
  expect(bench.ask()).toBe(undefined)
  bench.pass(4_000)
  expect(bench.read()[0]).toBe(1)
  expect(bench.branches).toMatchObject([{ lineage: 1, from: 0, keeps: 1, isThere: true, isRestored: false }])
})

test('[I29] a store that is cut off from its replicas goes on for those on its side, and settles nothing', () => {
  const bench = new Bench('replicated')
  bench.ask()
  bench.pass(1_000)
  expect(bench.store.partition(0, ['one'], 10_000)).toBe(true)
  bench.pass(4_000)
  expect([bench.ask('one/1'), bench.ask('two/1')]).toEqual(['accepted', 'order'])
  expect([bench.read('one/1'), bench.read('two/1')[0]]).toEqual([[2, 1], 1])
  bench.pass(10_000)
  expect(bench.read('one/1')[0]).toBe(1)
})

test('[I29] a shared store outlives a process, a file and its leases end with it', () => {
  const claimAgain = (kind: StoreKind): unknown => {
    const bench = new Bench(kind)
    bench.ask()
    expect(bench.submit({ name: 'claim', args: ['one', 5_000, 1] })).toHaveLength(1)
    bench.store.died('one/1')
    return bench.submit({ name: 'claim', args: ['two', 5_000, 1] }, 'two/1')
  }
  expect(claimAgain('shared')).toEqual([])
  expect(claimAgain('file')).toHaveLength(1)
})

test('[I29] a turn is written by nobody but the process that claimed it, also when a fence is given twice', () => {
  const bench = new Bench('shared')
  bench.ask()
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `claim` answers so
  const [claim] = bench.submit({ name: 'claim', args: ['one', 5_000, 1] }) as readonly [Parameters<typeof renewal>[0]]
  expect([bench.submit(renewal(claim), 'two/1'), bench.submit(renewal(claim), 'one/2'), bench.submit(renewal(claim))]).toEqual([
    false,
    false,
    true,
  ])
})

const renewal = (claim: Extract<LogCommand, { readonly name: 'renew' }>['args'][0]): LogCommand => ({ name: 'renew', args: [claim, 5_000] })

test('[I29] who waits for a store that stalls learns that nothing is known, and it goes on when it can', () => {
  const bench = new Bench('shared')
  const answers: unknown[] = []
  bench.store.stallFor(8_000)
  bench.store.portOf('one/1').submit({ name: 'ask', args: [bench.session, bench.question()] }, (answer) => answers.push(answer.ok))
  bench.pass(4_900)
  expect(answers).toEqual([])
  bench.pass(200)
  expect([answers, bench.submit({ name: 'probe', args: [] })]).toEqual([[false], 'unavailable'])
  bench.pass(4_000)
  expect([0, 1]).toContain(bench.read()[0])
})

test('[I29] a full store is read, and written when there is space again', () => {
  const bench = new Bench('file')
  bench.ask()
  bench.store.fullFor(1_000)
  expect([bench.submit({ name: 'ask', args: [bench.session, bench.question()] }), bench.read()]).toEqual(['unavailable', [1, 1]])
})

test('[I29] an old copy that is put back is another history, with what it had', () => {
  const bench = new Bench('file')
  bench.ask()
  bench.pass(15_000)
  bench.ask()
  bench.store.restoreBackup()
  expect([bench.read()[0], bench.branches[0]?.isRestored]).toEqual([0, true])
})
