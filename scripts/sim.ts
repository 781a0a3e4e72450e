/**
 * `npm run sim -- --from 1 --seeds 20000`: plays that many simulated histories and says what broke, how fast it went, and how much went
 * wrong on purpose. `--seed N` plays one; `--bugs N` says how many of N seeds catch each planted bug; `--report` says all of it as Markdown.
 */
import os from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { PLANTED_BUGS } from '../src/testing/planted-bugs.ts'
import { shrink } from '../src/testing/shrink.ts'
import { simulate } from '../src/testing/simulation.ts'
import { NO_TOTALS, sum, type Totals } from '../src/testing/totals.ts'
import { describeBugs, describeTotals, renderReport, type BugCaught } from './sim-report.ts'
import type { Played, Task } from './sim-worker.ts'

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
    jobs: { type: 'string', default: String(os.availableParallelism()) },
    report: { type: 'boolean', default: false },
  },
})
const from = whole('from', values.seed ?? values.from, 0)
const seeds = values.seed === undefined ? whole('seeds', values.seeds, 1) : 1
const bugSeeds = whole('bugs', values.report && values.bugs === '0' ? '500' : values.bugs, 0)
const jobs = whole('jobs', values.jobs, 1)

/** Plays tasks on so many threads; the answers are in the order of the tasks. */
async function playAll(tasks: readonly Task[]): Promise<readonly Played[]> {
  const threads = Math.min(jobs, tasks.length)
  const shareOf = (thread: number): readonly Task[] => tasks.filter((_task, index) => index % threads === thread)
  const played = await Promise.all(Array.from({ length: threads }, (_unused, thread) => playOn(shareOf(thread))))
  return tasks.map((_task, index) => {
    const one = played[index % threads]?.[Math.floor(index / threads)]
    if (one === undefined) throw new Error('a thread gave too few answers')
    return one
  })
}

function playOn(tasks: readonly Task[]): Promise<readonly Played[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Played[]>()
  const worker = new Worker(new URL('./sim-worker.ts', import.meta.url), { workerData: tasks })
  worker.once('message', resolve)
  worker.once('error', reject)
  return promise
}

/** The fewest faults that still break it, and what they break. */
function explain(seed: number): void {
  const { faults: drawn } = simulate({ seed })
  const faults = shrink(drawn, (fewer) => simulate({ seed, faults: fewer }).violations.length > 0)
  console.log(`seed ${seed} fails with ${faults.length} of ${drawn.length} faults:`, faults, simulate({ seed, faults }).violations)
}

async function playSeeds(): Promise<Totals> {
  const perJob = Math.ceil(seeds / jobs)
  const tasks = Array.from({ length: jobs }, (_unused, job): Task => {
    const begin = from + job * perJob
    return { from: begin, seeds: Math.max(0, Math.min(perJob, from + seeds - begin)), bug: undefined }
  })
  return (await playAll(tasks)).reduce((so, { totals }) => sum(so, totals), NO_TOTALS)
}

async function playBugs(): Promise<readonly BugCaught[]> {
  const names = bugSeeds > 0 ? Object.keys(PLANTED_BUGS) : []
  const played = await playAll(names.map((bug) => ({ from: 1, seeds: bugSeeds, bug })))
  return names.map((name, index) => ({ name, caught: played[index]?.totals.failing ?? [], seenAs: played[index]?.invariants ?? [] }))
}

const startedAt = performance.now()
const totals = await playSeeds()
const seconds = (performance.now() - startedAt) / 1000
const run = { from, seconds, jobs, totals }
if (values.report) {
  console.log(renderReport(run, { seeds: bugSeeds, bugs: await playBugs() }))
} else {
  for (const seed of totals.failing.slice(0, 5)) explain(seed)
  console.log(describeTotals(run))
  if (bugSeeds > 0) console.log(describeBugs(bugSeeds, await playBugs()))
}
process.exitCode = totals.failing.length === 0 ? 0 : 1
