/**
 * `npm run bench`: what our parts cost, beside others that do the same.
 *
 * Candidates run in turn within each repetition, in reversed order every other time, after a warm-up, and each figure is
 * the median of the ratios to the reference of the same repetition. All repetitions are printed. Absolute times are not:
 * the same code varies several times over within an hour on a shared machine.
 */
import { deliveryBenches, runDeliveryBench } from './bench-delivery.ts'
import { resilienceBenches } from './bench-resilience.ts'
import type { Bench } from './bench-run.ts'
import { runBench } from './bench-run.ts'

const benches: readonly Bench[] = [...resilienceBenches]

console.log(`Node ${process.version}\n`)
let isMet = true
for (const bench of benches) isMet = (await runBench(bench)) && isMet
for (const bench of deliveryBenches(false)) isMet = (await runDeliveryBench(bench, undefined)) && isMet
// A goal that is missed is shown, not failed: one noisy run on a shared machine decides nothing.
console.log(isMet ? 'Every goal is met in this run.' : 'A goal is missed in this run: see above.')
