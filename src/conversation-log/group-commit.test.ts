import { expect, test } from 'vitest'
import { mintSessionId } from '../conversation/ids.ts'
import { STORE_BATCH_MAX, STORE_QUEUE_MAX, STORE_STALL_MAX_MS } from '../conversation/limits.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { GroupCommit, type Batch, type BatchAnswers } from './group-commit.ts'
import { LogError } from './log-error.ts'
import type { LogCommand } from './sync-log.ts'
import { randomBytes } from './world.contract.ts'

const session = mintSessionId(randomBytes(1))
const write: LogCommand = { name: 'deleteSession', args: [session] }
const read: LogCommand = { name: 'findSession', args: [session] }
const fatal = new LogError('fatal', 'the disk is broken')
const full = new LogError('unavailable', 'the disk is full')

interface Store {
  readonly commits: GroupCommit
  readonly clock: SimulatedClock
  /** `[reads, writes]` of every batch so far. */
  readonly batches: () => readonly (readonly [number, number])[]
  /** Answers the batch in flight; every command is answered `true` unless said otherwise. */
  readonly answer: (answers?: Partial<BatchAnswers>) => Promise<void>
  readonly breakDown: (error: unknown) => Promise<void>
  readonly said: string[]
}

const yes = (commands: readonly LogCommand[] = []) => commands.map(() => ({ ok: true, result: true }) as const)

function createStore(): Store {
  const clock = createSimulatedClock()
  const said: string[] = []
  const batches: Batch[] = []
  let reply = Promise.withResolvers<BatchAnswers>()
  const commits = new GroupCommit({
    clock,
    events: {
      storeCommitted: ({ commands, tookMs }) => said.push(`committed ${commands} in ${tookMs}`),
      storeFailed: ({ kind }) => said.push(`failed ${kind}`),
      commandRefused: () => said.push('refused'),
      queueFull: ({ depth }) => said.push(`full at ${depth}`),
    },
    run: (batch) => {
      batches.push(batch)
      reply = Promise.withResolvers()
      return reply.promise
    },
    onDone: ({ name }) => said.push(`done ${name}`),
    onFatal: ({ message }) => said.push(`fatal ${message}`),
  })
  return {
    commits,
    clock,
    said,
    batches: () => batches.map(({ reads, writes }) => [reads.length, writes.length]),
    answer: async (answers) => {
      const last = batches.at(-1)
      reply.resolve({ reads: yes(last?.reads), writes: { type: 'committed', answers: yes(last?.writes) }, trouble: undefined, ...answers })
      await clock.settle()
    },
    breakDown: async (error) => {
      reply.reject(error)
      await clock.settle()
    },
  }
}

interface Submitted {
  readonly result: Promise<unknown>
  readonly isSettled: () => boolean
}

/** Submits commands and lets them be sent; the results never stay unobserved. */
async function submit({ commits, clock }: Store, ...commands: readonly LogCommand[]): Promise<readonly Submitted[]> {
  const submitted = commands.map((command) => observe(commits.submit(command)))
  await clock.settle()
  return submitted
}

function observe(result: Promise<unknown>): Submitted {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  result.then(settle, settle)
  return { result, isSettled: () => settled }
}

const resultsOf = (...submitted: readonly Submitted[]): Promise<readonly unknown[]> => Promise.all(submitted.map(({ result }) => result))
const outcomesOf = (submitted: readonly Submitted[]): Promise<readonly unknown[]> =>
  Promise.allSettled(submitted.map(({ result }) => result))

test('[L32] commands of one moment share a transaction, and what comes meanwhile is the next', async () => {
  const store = createStore()
  const first = await submit(store, write, write)
  const second = await submit(store, write)
  await submit(store, write, read)
  expect(store.batches()).toEqual([[0, 2]])
  store.clock.advanceSync(3)
  await store.answer()
  expect(await resultsOf(...first)).toEqual([true, true])
  expect(store.batches()).toEqual([
    [0, 2],
    [1, 2],
  ])
  await store.answer()
  expect(await resultsOf(...second)).toEqual([true])
  const done = 'done deleteSession'
  expect(store.said).toEqual(['committed 2 in 3', done, done, 'done findSession', 'committed 2 in 0', done, done])
  expect(store.clock.waiting).toBe(0)
})

test('[L32] a transaction takes a bounded number of commands', async () => {
  const store = createStore()
  await submit(store, ...Array.from({ length: STORE_BATCH_MAX + 3 }, () => write))
  await store.answer()
  expect(store.batches()).toEqual([
    [0, STORE_BATCH_MAX],
    [0, 3],
  ])
})

test('[L32] when the commit fails no command that writes is acknowledged; reads are, and the next transaction is tried', async () => {
  const store = createStore()
  const results = await submit(store, write, read, write)
  await store.answer({ writes: { type: 'failed', error: full } })
  expect(await outcomesOf(results)).toMatchObject([
    { status: 'rejected', reason: full },
    { status: 'fulfilled', value: true },
    { status: 'rejected', reason: full },
  ])
  expect(store.said).toEqual(['done findSession', 'failed unavailable'])
  const [later] = await submit(store, write)
  await store.answer()
  expect(await later?.result).toBe(true)
})

test('[L33] one command fails alone, and a wrong one is not the fault of the store', async () => {
  const store = createStore()
  const results = await submit(store, write, write, write)
  const wrong = new RangeError('no such attempt')
  await store.answer({
    writes: {
      type: 'committed',
      answers: [
        { ok: false, error: wrong },
        { ok: true, result: true },
        { ok: false, error: new TypeError('unexpected') },
      ],
    },
  })
  expect(await outcomesOf(results)).toMatchObject([{ reason: wrong }, { value: true }, { reason: { name: 'TypeError' } }])
  expect(store.said).toEqual(['committed 3 in 0', 'done deleteSession', 'failed corrupt'])
})

test('[L35] a fatal error is reported once and refuses everything from then on', async () => {
  const store = createStore()
  const results = await submit(store, write)
  const queued = await submit(store, write, read)
  await store.answer({ writes: { type: 'failed', error: fatal } })
  for (const { result } of [...results, ...queued, ...(await submit(store, read, write))]) await expect(result).rejects.toBe(fatal)
  store.commits.die(new LogError('fatal', 'again'))
  expect(store.said).toEqual(['failed fatal', 'fatal the disk is broken'])
  expect(store.batches()).toEqual([[0, 1]])
  await store.commits.drain()
})

test('[L35] a thread that ends, or leaves a command unanswered, is fatal too', async () => {
  const ended = createStore()
  const [lost] = await submit(ended, write)
  await ended.breakDown(new Error('thread gone'))
  await expect(lost?.result).rejects.toMatchObject({ name: 'LogError', kind: 'fatal' })
  expect(ended.said).toEqual(['failed fatal', 'fatal the store cannot run commands any more'])

  const silent = createStore()
  const [unanswered] = await submit(silent, write)
  await silent.answer({ writes: { type: 'committed', answers: [] } })
  await expect(unanswered?.result).rejects.toMatchObject({ kind: 'fatal' })
})

test('[L35][L40] what goes wrong after a commit leaves its answers standing and is reported', async () => {
  const store = createStore()
  const [first] = await submit(store, write)
  await store.answer({ trouble: { error: full } })
  expect(await first?.result).toBe(true)
  const [second] = await submit(store, write)
  await store.answer({ trouble: { error: fatal } })
  expect(await second?.result).toBe(true)
  expect(store.said.filter((line) => !line.startsWith('committed') && !line.startsWith('done'))).toEqual([
    'failed unavailable',
    'failed fatal',
    'fatal the disk is broken',
  ])
})

test('[L41] a full queue refuses, and takes commands again when there is room', async () => {
  const store = createStore()
  await submit(store, write)
  await submit(store, ...Array.from({ length: STORE_QUEUE_MAX }, () => write))
  const [late] = await submit(store, write)
  await expect(late?.result).rejects.toMatchObject({ name: 'LogError', kind: 'unavailable', isRetryable: true })
  await store.answer()
  const [next] = await submit(store, write)
  expect(next?.isSettled()).toBe(false)
})

test('[L41] reads do not wait behind queued writes', async () => {
  const store = createStore()
  await submit(store, write)
  await submit(store, ...Array.from({ length: STORE_BATCH_MAX * 3 }, () => write))
  const [reading] = await submit(store, read)
  await store.answer()
  expect(store.batches()[1]).toEqual([1, STORE_BATCH_MAX])
  await store.answer()
  expect(await reading?.result).toBe(true)
})

test('[L42] a transaction that takes too long is answered "unknown", and so is what comes until it is over', async () => {
  const store = createStore()
  const waiting = [...(await submit(store, write)), ...(await submit(store, read, write))]
  await store.clock.advance(STORE_STALL_MAX_MS)
  waiting.push(...(await submit(store, write, read)))
  for (const { result } of waiting) await expect(result).rejects.toMatchObject({ name: 'LogError', kind: 'unavailable' })
  expect(store.said).toEqual(['failed unavailable'])
  await store.answer()
  // It was done after all: who follows the session is told, who asked asks again.
  expect(store.said.at(-1)).toBe('done deleteSession')
  const [after] = await submit(store, write)
  expect(store.batches()).toEqual([
    [0, 1],
    [0, 1],
  ])
  await store.answer()
  expect(await after?.result).toBe(true)
})

test('[L43] draining refuses what comes, does what was queued, and then resolves', async () => {
  const store = createStore()
  const [first] = await submit(store, write)
  const [second] = await submit(store, write)
  const drained = observe(store.commits.drain())
  const [late] = await submit(store, write)
  await expect(late?.result).rejects.toMatchObject({ kind: 'unavailable' })
  expect(drained.isSettled()).toBe(false)
  await store.answer()
  expect(drained.isSettled()).toBe(false)
  await store.answer()
  await drained.result
  expect([await first?.result, await second?.result]).toEqual([true, true])
  await expect(createStore().commits.drain()).resolves.toBeUndefined()
})

test('[L42][L43] draining does not wait for a stalled store for ever', async () => {
  const store = createStore()
  await submit(store, write)
  const drained = observe(store.commits.drain())
  await store.clock.advance(STORE_STALL_MAX_MS)
  await expect(drained.result).rejects.toMatchObject({ kind: 'unavailable' })
})

test('[L41] what waits is known, with how long the first of it has waited; a flood of refusals is told once', async () => {
  const store = createStore()
  const { commits, clock, said } = store
  expect(commits.backlog()).toEqual({ depth: 0, capacity: STORE_QUEUE_MAX, oldestMs: 0 })
  const fill = (count: number): void => {
    for (let index = 0; index < count; index += 1) commits.submit({ name: 'probe', args: [] }).catch(() => undefined)
  }
  fill(1)
  await clock.advance(10)
  fill(2)
  await clock.advance(5)
  expect(commits.backlog()).toMatchObject({ depth: 3, oldestMs: 15 })
  await store.answer()
  expect(commits.backlog()).toMatchObject({ depth: 2, oldestMs: 5 })
  fill(STORE_QUEUE_MAX + 2)
  expect(said.filter((word) => word !== 'refused').at(-1)).toBe(`full at ${STORE_QUEUE_MAX}`)
  expect(said.filter((word) => word.startsWith('full'))).toHaveLength(1)
  expect(said.filter((word) => word === 'refused')).toHaveLength(2)
})
