/** What many simulated histories come to together. */
import type { FaultKind } from './faults.ts'
import type { Fired, SimulationResult } from './simulation.ts'

export interface Totals {
  seeds: number
  failing: number
  steps: number
  simulatedMs: number
  questions: number
  forgotten: number
  repaired: number
  readonly fired: Map<FaultKind, Fired>
}

export const createTotals = (): Totals => ({
  seeds: 0,
  failing: 0,
  steps: 0,
  simulatedMs: 0,
  questions: 0,
  forgotten: 0,
  repaired: 0,
  fired: new Map(),
})

export function addUp(totals: Totals, result: SimulationResult): void {
  totals.seeds += 1
  totals.failing += result.violations.length > 0 ? 1 : 0
  totals.steps += result.steps
  totals.simulatedMs += result.simulatedMs
  totals.questions += result.questions
  totals.forgotten += result.forgotten
  totals.repaired += result.repaired
  for (const [kind, { times, inFlight }] of result.fired) {
    const so = totals.fired.get(kind) ?? { times: 0, inFlight: 0 }
    totals.fired.set(kind, { times: so.times + times, inFlight: so.inFlight + inFlight })
  }
}
