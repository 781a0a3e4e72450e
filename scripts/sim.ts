/** `npm run sim -- --from 1 --seeds 20000`: plays that many simulated histories and says what broke, how fast it went, and how much went wrong on purpose. */
import { parseArgs } from 'node:util'
import { PLANTED_BUGS, type PlantedBug } from '../src/testing/planted-bugs.ts'
import { shrink } from '../src/testing/shrink.ts'
import { simulate } from '../src/testing/simulation.ts'

const { values } = parseArgs({ options: { from: { type: 'string', default: '1' }, seeds: { type: 'string', default: '10000' } } })
const from = Number(values.from)
const seeds = Number(values.seeds)
if (!Number.isInteger(from) || !Number.isInteger(seeds) || seeds < 1) throw new RangeError('--from and --seeds take whole numbers')

const startedAt = performance.now()
const fired = new Map<string, number>()
const total = { steps: 0, questions: 0, faults: 0, hits: 0, failing: 0 }
for (let seed = from; seed < from + seeds; seed += 1) {
  const result = simulate({ seed })
  total.steps += result.steps
  total.questions += result.questions
  total.hits += result.hits
  for (const [kind, count] of result.fired) {
    fired.set(kind, (fired.get(kind) ?? 0) + count)
    total.faults += count
  }
  if (result.violations.length === 0) continue
  total.failing += 1
  const faults = shrink(result.faults, (fewer) => simulate({ seed, faults: fewer }).violations.length > 0)
  console.log(`seed ${seed} fails with ${faults.length} faults:`, faults, simulate({ seed, faults }).violations)
}
const seconds = (performance.now() - startedAt) / 1000
console.log(
  `${seeds} seeds, ${total.failing} failing, ${total.steps} steps, ${total.questions} questions, ${total.faults} faults of which ${total.hits} hit something under way`,
)
console.log(`${Math.round(seeds / seconds)} seeds and ${Math.round(total.steps / seconds)} steps a second`)
console.log(Object.fromEntries([...fired].toSorted(([one], [other]) => one.localeCompare(other))))

const KILL_SEEDS = 500
for (const [name, bug] of Object.entries<PlantedBug>(PLANTED_BUGS)) {
  let first: number | undefined
  let failing = 0
  for (let seed = 1; seed <= KILL_SEEDS; seed += 1) {
    if (simulate({ seed, bug }).violations.length === 0) continue
    failing += 1
    first ??= seed
  }
  console.log(`planted: ${name}: caught by ${failing} of ${KILL_SEEDS} seeds, first ${first ?? 'never'}`)
}
process.exitCode = total.failing === 0 ? 0 : 1
