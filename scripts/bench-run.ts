/** Runs one comparison the way `bench.ts` says, and prints it. */
export interface Candidate {
  readonly name: string
  readonly run: () => Promise<unknown>
  readonly dispose?: () => void
}

export interface Goal {
  readonly candidate: string
  /** The candidate it is measured against. */
  readonly against: string
  /** At most this many times as long. */
  readonly ratioMax: number
}

export interface Bench {
  readonly title: string
  /** The first is the reference. */
  readonly candidates: () => readonly Candidate[]
  readonly goals: readonly Goal[]
  /** Calls of each candidate in one repetition. */
  readonly calls: number
}

const REPETITIONS = 7
const WARM_UP_MS = 300

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
const ignore = (): void => undefined

/** Microseconds of processor time: nothing here waits, and what else the machine does is not what is measured. */
async function timeOf({ run }: Candidate, calls: number): Promise<number> {
  const before = process.cpuUsage()
  for (let call = 0; call < calls; call += 1) await run().catch(ignore)
  const { user, system } = process.cpuUsage(before)
  return user + system
}

async function warmUp(candidate: Candidate): Promise<void> {
  const startedAt = performance.now()
  while (performance.now() - startedAt < WARM_UP_MS) await timeOf(candidate, 100)
}

/** Ratios to the reference of the same repetition, by candidate. */
async function measure(candidates: readonly Candidate[], calls: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>(candidates.map(({ name }) => [name, []]))
  for (const candidate of candidates) await warmUp(candidate)
  for (let repetition = 0; repetition < REPETITIONS; repetition += 1) {
    for (const candidate of repetition % 2 === 0 ? candidates : candidates.toReversed()) {
      times.get(candidate.name)?.push(await timeOf(candidate, calls))
    }
  }
  const reference = times.get(candidates[0]?.name ?? '') ?? []
  return new Map(Array.from(times, ([name, list]) => [name, list.map((time, index) => time / (reference[index] ?? Number.NaN))]))
}

/** Prints medians and all repetitions. Resolves with whether every goal is met. */
export async function runBench({ title, candidates, goals, calls }: Bench): Promise<boolean> {
  const made = candidates()
  try {
    const ratios = await measure(made, calls)
    console.log(`${title}, as a multiple of "${made[0]?.name}", median of ${REPETITIONS}`)
    for (const [name, list] of ratios) {
      console.log(`  ${name.padEnd(46)} ${median(list).toFixed(2).padStart(8)}   (${list.map((ratio) => ratio.toFixed(1)).join(' ')})`)
    }
    const met = goals.map((goal) => checkGoal(goal, ratios))
    console.log('')
    return met.every(Boolean)
  } finally {
    for (const { dispose } of made) dispose?.()
  }
}

function checkGoal({ candidate, against, ratioMax }: Goal, ratios: ReadonlyMap<string, readonly number[]>): boolean {
  const other = ratios.get(against) ?? []
  const ratio = median((ratios.get(candidate) ?? []).map((value, index) => value / (other[index] ?? Number.NaN)))
  const isMet = ratio <= ratioMax
  console.log(
    `  goal ${isMet ? 'met' : 'MISSED'}: "${candidate}" is ${ratio.toFixed(2)} times "${against}", at most ${ratioMax.toFixed(2)}`,
  )
  return isMet
}
