/** One of the threads of `sim.ts`: plays the histories it is given, and says what they came to. */
import { parentPort, workerData } from 'node:worker_threads'
import { PLANTED_BUGS, type PlantedBug } from '../src/testing/planted-bugs.ts'
import { simulate } from '../src/testing/simulation.ts'
import { NO_TOTALS, sum, totalsOf, type Totals } from '../src/testing/totals.ts'

/** Seeds from `from` on, and the planted bug that they are played with, if any. */
export interface Task {
  readonly from: number
  readonly seeds: number
  readonly bug: string | undefined
}

export interface Played {
  readonly totals: Totals
  /** Rules that were broken. */
  readonly invariants: readonly string[]
}

const bugs: Readonly<Record<string, PlantedBug>> = PLANTED_BUGS

function play({ from, seeds, bug }: Task): Played {
  let totals = NO_TOTALS
  const invariants = new Set<string>()
  for (let seed = from; seed < from + seeds; seed += 1) {
    const result = simulate({ seed, bug: bug === undefined ? {} : (bugs[bug] ?? {}) })
    totals = sum(totals, totalsOf(seed, result))
    for (const { invariant } of result.violations) invariants.add(invariant)
  }
  return { totals, invariants: [...invariants] }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion, unicorn/require-post-message-target-origin -- `sim.ts` starts this with tasks; a thread has no origin
parentPort?.postMessage((workerData as readonly Task[]).map(play))
