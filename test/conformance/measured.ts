/**
 * The parts of cases 6, 22 and 23 that are about speed and memory. Measured, never asserted: figures of one run on one
 * machine, as ratios to something in the same run.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createSimulatedClock } from '../../src/testing/simulated-clock.ts'
import { simulateGlobals } from './simulated-globals.ts'
import { fail, type CostSubject, type Subject } from './subject.ts'

export interface Measurement {
  readonly id: number
  readonly what: string
  /** What is still a pass. */
  readonly limit: number
  readonly unit: string
  readonly measure: (subject: Subject) => Promise<number | undefined>
}

const CALLS = 2_000
const ROUNDS = 7
const FILL = 100_000
const BREAKERS = 10_000

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN

/** Milliseconds for `calls` calls that reject, one after the other. */
async function timeOf(calls: number, reject: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  for (let index = 0; index < calls; index += 1) await reject().catch(ignore)
  return performance.now() - startedAt
}

const ignore = (): void => undefined

async function withCost<Value>(
  subject: Subject,
  ratePercent: number,
  use: (cost: CostSubject) => Promise<Value>,
): Promise<Value | undefined> {
  const cost = subject.cost?.(ratePercent)
  if (cost === undefined) return undefined
  try {
    return await use(cost)
  } finally {
    cost.dispose?.()
  }
}

/** Interleaved with the reference, so that both see the same machine. */
const refusal = (subject: Subject): Promise<number | undefined> =>
  withCost(subject, 1, async (cost) => {
    for (let index = 0; index < 50; index += 1) await cost.execute(fail).catch(ignore)
    const ratios: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const bare = await timeOf(CALLS, () => Promise.reject(new Error('refused')))
      ratios.push((await timeOf(CALLS, () => cost.execute(fail))) / bare)
    }
    return median(ratios)
  })

/** A failing call with 100,000 results in the window, against one with next to none. */
const failing = async (subject: Subject): Promise<number | undefined> => {
  const ratios: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const ratio = await withCost(subject, 99, async (cost) => {
      for (let index = 0; index < 200; index += 1) await cost.execute(async () => 1)
      const empty = await timeOf(100, () => cost.execute(fail))
      for (let index = 0; index < FILL; index += 1) await cost.execute(async () => 1)
      return (await timeOf(100, () => cost.execute(fail))) / empty
    })
    if (ratio === undefined) return undefined
    ratios.push(ratio)
  }
  return median(ratios)
}

/** Bytes that a breaker leaves behind once nobody has it. Its timers are the simulated clock's, which lives on. */
const leftBehind = async (subject: Subject): Promise<number | undefined> => {
  const { breaker } = subject
  if (breaker === undefined) return undefined
  const clock = createSimulatedClock()
  const globals = simulateGlobals(clock)
  const make = (count: number): void => {
    for (let index = 0; index < count; index += 1) breaker({ minCalls: 5, ratePercent: 50, openMs: 1_000 }, clock)
  }
  try {
    make(100)
    const before = await heapUsed()
    make(BREAKERS)
    return Math.max(0, (await heapUsed()) - before) / BREAKERS
  } finally {
    globals[Symbol.dispose]()
  }
}

async function heapUsed(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new TypeError('this runtime does not let itself be asked to collect garbage')
  for (let round = 0; round < 3; round += 1) {
    collect()
    await new Promise((resolve) => process.nextTick(resolve))
  }
  return process.memoryUsage().heapUsed
}

export const measurements: readonly Measurement[] = [
  { id: 6, what: 'a refused call, against `Promise.reject(new Error())`', limit: 2, unit: '×', measure: refusal },
  { id: 22, what: 'bytes left behind by a breaker that was made and dropped', limit: 50, unit: ' B', measure: leftBehind },
  { id: 23, what: 'a failing call with 100,000 results in the window, against one with none', limit: 2, unit: '×', measure: failing },
]
