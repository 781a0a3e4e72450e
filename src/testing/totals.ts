/** What many simulated histories come to together. Plain data, so that parts of it can be played elsewhere. */
import type { FaultKind } from './faults.ts'
import type { Fired, SimulationResult } from './simulation.ts'

export interface Totals {
  readonly seeds: number
  /** Those that broke a promise. */
  readonly failing: readonly number[]
  readonly steps: number
  readonly simulatedMs: number
  readonly questions: number
  /** Questions that stores forgot, and those of them that were put back. */
  readonly forgotten: number
  readonly repaired: number
  readonly fired: Readonly<Partial<Record<FaultKind, Fired>>>
}

export const NO_TOTALS: Totals = { seeds: 0, failing: [], steps: 0, simulatedMs: 0, questions: 0, forgotten: 0, repaired: 0, fired: {} }

/** What one history comes to. */
export const totalsOf = (
  seed: number,
  { violations, steps, simulatedMs, questions, forgotten, repaired, fired }: SimulationResult,
): Totals => ({
  seeds: 1,
  failing: violations.length > 0 ? [seed] : [],
  steps,
  simulatedMs,
  questions,
  forgotten,
  repaired,
  fired: Object.fromEntries(fired),
})

export const firedOf = ({ fired }: Totals, kind: FaultKind): Fired => fired[kind] ?? { times: 0, inFlight: 0 }

export function sum(one: Totals, other: Totals): Totals {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of both are kinds
  const kinds = Object.keys({ ...one.fired, ...other.fired }) as readonly FaultKind[]
  const fired = kinds.map((kind): readonly [FaultKind, Fired] => {
    const [mine, theirs] = [firedOf(one, kind), firedOf(other, kind)]
    return [kind, { times: mine.times + theirs.times, inFlight: mine.inFlight + theirs.inFlight }]
  })
  return {
    seeds: one.seeds + other.seeds,
    failing: [...one.failing, ...other.failing],
    steps: one.steps + other.steps,
    simulatedMs: one.simulatedMs + other.simulatedMs,
    questions: one.questions + other.questions,
    forgotten: one.forgotten + other.forgotten,
    repaired: one.repaired + other.repaired,
    fired: Object.fromEntries(fired),
  }
}
