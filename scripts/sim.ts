/**
 * `npm run sim -- --from 1 --seeds 20000`: plays that many simulated histories and says what broke, how fast it went, and how much went
 * wrong on purpose. `--seed N` plays one and shortens what breaks it; `--bugs N` says how many of N seeds catch each planted bug.
 */
import { parseArgs } from 'node:util'
import { FAULT_KINDS } from '../src/testing/faults.ts'
import { PLANTED_BUGS, type PlantedBug } from '../src/testing/planted-bugs.ts'
import { shrink } from '../src/testing/shrink.ts'
import { simulate } from '../src/testing/simulation.ts'
import { addUp, createTotals } from '../src/testing/totals.ts'

const whole = (name: string, text: string, least: number): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`--${name} takes a whole number from ${least}`)
  return value
}

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    bugs: { type: 'string', default: '0' },
  },
})
const from = whole('from', values.seed ?? values.from, 0)
const seeds = values.seed === undefined ? whole('seeds', values.seeds, 1) : 1
const bugSeeds = whole('bugs', values.bugs, 0)

/** The fewest faults that still break it, and what they break. */
function explain(seed: number): void {
  const { faults: drawn } = simulate({ seed })
  const faults = shrink(drawn, (fewer) => simulate({ seed, faults: fewer }).violations.length > 0)
  console.log(`seed ${seed} fails with ${faults.length} of ${drawn.length} faults:`, faults, simulate({ seed, faults }).violations)
}

const startedAt = performance.now()
const totals = createTotals()
for (let seed = from; seed < from + seeds; seed += 1) {
  const result = simulate({ seed })
  addUp(totals, result)
  if (result.violations.length > 0) explain(seed)
}
const seconds = (performance.now() - startedAt) / 1000
const all = [...totals.fired.values()]
const sum = (count: 'times' | 'inFlight'): number => all.reduce((so, fired) => so + fired[count], 0)
console.log(`${seeds} seeds from ${from}: ${totals.failing} failing`)
console.log(
  `${totals.steps} steps, ${(totals.simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${totals.questions} questions, ${sum('times')} faults of which ${sum('inFlight')} hit something under way`,
)
console.log(`${Math.round(seeds / seconds)} seeds and ${Math.round(totals.steps / seconds)} steps a second`)
console.table(Object.fromEntries(FAULT_KINDS.map((kind) => [kind, totals.fired.get(kind) ?? { times: 0, inFlight: 0 }])))

for (const [name, bug] of bugSeeds > 0 ? Object.entries<PlantedBug>(PLANTED_BUGS) : []) {
  const caught: number[] = []
  const seen = new Set<string>()
  for (let seed = 1; seed <= bugSeeds; seed += 1) {
    const { violations } = simulate({ seed, bug })
    if (violations.length > 0) caught.push(seed)
    for (const { invariant } of violations) seen.add(invariant)
  }
  console.log(
    `planted: ${name}: caught by ${caught.length} of ${bugSeeds} seeds, first ${caught[0] ?? 'never'}, seen as ${[...seen].join(' ')}`,
  )
}
process.exitCode = totals.failing === 0 ? 0 : 1
