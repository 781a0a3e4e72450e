/** What `sim.ts` says of what it has played. */
import { execFileSync } from 'node:child_process'
import os from 'node:os'
import { FAULT_KINDS } from '../src/testing/faults.ts'
import { firedOf, type Totals } from '../src/testing/totals.ts'

export interface Run {
  readonly from: number
  readonly seconds: number
  readonly jobs: number
  readonly totals: Totals
}

/** By which seeds a planted bug was caught, and which rules it broke. */
export interface BugCaught {
  readonly name: string
  readonly caught: readonly number[]
  readonly seenAs: readonly string[]
}

const faultsIn = (totals: Totals, count: 'times' | 'inFlight'): number =>
  FAULT_KINDS.reduce((so, kind) => so + firedOf(totals, kind)[count], 0)

const number = (value: number): string => value.toLocaleString('en-GB', { maximumFractionDigits: value < 10 ? 1 : 0 })
const hours = ({ simulatedMs }: Totals): string => number(simulatedMs / 3_600_000)
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

export function describeTotals({ from, seconds, jobs, totals }: Run): string {
  const { seeds, failing, steps, questions, forgotten, repaired } = totals
  const kinds = FAULT_KINDS.map((kind) => {
    const { times, inFlight } = firedOf(totals, kind)
    return `  ${kind.padEnd(20)} ${String(times).padStart(8)} ${String(inFlight).padStart(8)}`
  })
  return [
    `${seeds} seeds from ${from}: ${failing.length} failing${failing.length > 0 ? `: ${failing.slice(0, 20).join(' ')}` : ''}`,
    `${number(steps)} steps, ${hours(totals)} simulated hours, ${number(questions)} questions`,
    `${number(forgotten)} questions forgotten by stores, ${number(repaired)} of them put back`,
    `${number(faultsIn(totals, 'times'))} faults, of which ${number(faultsIn(totals, 'inFlight'))} hit something under way:`,
    ...kinds,
    `${number(seeds / seconds)} seeds and ${number(steps / seconds)} steps a second on ${jobs} threads`,
  ].join('\n')
}

const firstOf = ({ caught }: BugCaught): string => String(caught[0] ?? 'never')

export const describeBugs = (seeds: number, bugs: readonly BugCaught[]): string =>
  bugs
    .map(
      (bug) =>
        `planted: ${bug.name}: caught by ${bug.caught.length} of ${seeds} seeds, first ${firstOf(bug)}, seen as ${bug.seenAs.join(' ')}`,
    )
    .join('\n')

const git = (...args: readonly string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim()

function commitOf(): string {
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' and changes that are not committed')
  } catch {
    return 'unknown'
  }
}

/** The figures of a release, as Markdown. */
export function renderReport(run: Run, planted: { readonly seeds: number; readonly bugs: readonly BugCaught[] }): string {
  const { from, seconds, jobs, totals } = run
  const { seeds, failing, steps, questions, forgotten, repaired } = totals
  const firsts = planted.bugs.map(({ caught }) => caught[0] ?? Number.POSITIVE_INFINITY).toSorted((one, other) => one - other)
  const missed = planted.bugs.filter(({ caught }) => caught.length === 0)
  return `# Simulation

Made by \`npm run sim -- --report --from ${from} --seeds ${seeds} --bugs ${planted.seeds}\` at ${commitOf()}, on ${os.cpus()[0]?.model ?? 'an unknown machine'}, ${jobs} threads, Node ${process.version}.

- **${number(failing.length)} of ${number(seeds)} seeds failed**${failing.length > 0 ? `: ${failing.join(', ')}` : ''}. No failure in n seeds bounds the rate of failing at 3/n = ${(3 / seeds).toExponential(1)} (95 %), for this mix of faults.
- ${number(steps)} steps, ${hours(totals)} simulated hours, ${number(questions)} questions; ${number(seeds / seconds)} seeds and ${number(steps / seconds)} steps a second.
- ${number(forgotten)} questions were forgotten by stores and ${number(repaired)} of them put back; the others were their people's to lose: a tab that died, a copy that was put back, a session that was deleted.
- ${planted.bugs.length - missed.length} of ${planted.bugs.length} planted bugs caught; seeds to the first catch: median ${number(firsts[Math.floor(firsts.length / 2)] ?? 0)}, most ${number(firsts.at(-1) ?? 0)}.

## Faults

${table(
  ['Fault', 'Times', 'While something was under way'],
  FAULT_KINDS.map((kind) => {
    const { times, inFlight } = firedOf(totals, kind)
    return [kind, number(times), number(inFlight)]
  }),
)}

## Planted bugs

${table(
  ['Bug', `Caught by, of ${planted.seeds} seeds`, 'First', 'Seen as'],
  planted.bugs.map((bug) => [bug.name, number(bug.caught.length), firstOf(bug), bug.seenAs.join(' ')]),
)}
`
}
