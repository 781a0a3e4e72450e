/** What `docs/conformance.md` says, made from results. */
import { subjects, type CaseResult } from './conformance.ts'
import type { Measurement } from './measured.ts'
import type { Verdict } from './subject.ts'

export interface Measured {
  readonly measurement: Measurement
  /** In the order of `subjects`; `undefined` where it does not apply. */
  readonly values: readonly (number | undefined)[]
}

const MARKS: Readonly<Record<Verdict['type'], string>> = { pass: 'pass', fail: '**fail**', 'n/a': 'n/a' }
const names = subjects.map(({ name, version }) => (version === '' ? name : `${name.split(' ')[0]} ${version}`))
const head = (first: string): string => `| ${[first, 'case', ...names].join(' | ')} |\n|${'---|'.repeat(names.length + 2)}`

/** The table of verdicts and why each that is not a pass is none: the part that a test compares with a fresh run. */
export function renderVerdicts(results: readonly CaseResult[]): string {
  const rows = results.map(({ id, title, verdicts }) => `| ${[id, title, ...verdicts.map(({ type }) => MARKS[type])].join(' | ')} |`)
  const counts = subjects.map((_, index) => results.filter(({ verdicts }) => verdicts[index]?.type === 'pass').length)
  const total = `| | passed of ${results.length} | ${counts.join(' | ')} |`
  return [head('no.'), ...rows, total, '', '## Why', '', ...reasons(results)].join('\n')
}

function reasons(results: readonly CaseResult[]): readonly string[] {
  return results.flatMap(({ id, verdicts }) => {
    const byReason = Map.groupBy(
      verdicts.flatMap((verdict, index) =>
        verdict.type === 'pass' ? [] : [{ name: names[index], reason: `${verdict.type}: ${verdict.why}` }],
      ),
      ({ reason }) => reason,
    )
    return Array.from(byReason, ([reason, of]) => `- ${id} · ${of.map(({ name }) => name).join(', ')} · ${reason}`)
  })
}

function renderMeasured(measured: readonly Measured[]): string {
  const rows = measured.map(({ measurement: { id, what, limit, unit }, values }) => {
    const cells = values.map((value) => (value === undefined ? 'n/a' : `${value <= limit ? 'pass' : '**fail**'} ${format(value)}${unit}`))
    return `| ${[id, `${what} (up to ${limit}${unit})`, ...cells].join(' | ')} |`
  })
  return [head('no.'), ...rows].join('\n')
}

const format = (value: number): string => (value < 10 ? value.toFixed(1) : Math.round(value).toString())

export function renderDocument(results: readonly CaseResult[], measured: readonly Measured[]): string {
  return `# Conformance

What a resilience library must do for a chat that keeps its promises, as cases by behaviour, run as they stand against our own core
(\`src/resilience/\`, \`src/service-level/\`) and, through thin adapters (\`test/conformance/\`), against the libraries teams know.
Made by \`npm run conformance\`; \`npm test\` runs the cases again and fails when this page says otherwise.

- Each library is set up as its documentation shows, with the options closest to what the case asks. \`n/a\`: it has no such part; a case is all or nothing.
- Clock, timers and chance are simulated for everyone, so hours pass in milliseconds and every run is the same run.
- The cases were chosen for what this product needs: a library that fails one may be right for another use.

${renderVerdicts(results)}

## Measured

Figures of one run on one machine, medians of ratios within the run; nothing asserts them.

${renderMeasured(measured)}
`
}
