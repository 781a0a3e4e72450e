/** `npm run conformance`: runs every case against every library, prints the table and keeps it in docs/conformance.md. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { runConformance, subjects } from '../test/conformance/conformance.ts'
import { renderDocument, type Measured } from '../test/conformance/conformance-document.ts'
import { measurements } from '../test/conformance/measured.ts'

const results = await runConformance()
const measured: Measured[] = []
for (const measurement of measurements) {
  const values: (number | undefined)[] = []
  for (const subject of subjects) values.push(await measurement.measure(subject))
  measured.push({ measurement, values })
}
const page = renderDocument(results, measured)
console.log(page)
writeFileSync(path.resolve(import.meta.dirname, '../docs/conformance.md'), page)

// The first subject is ours, and it passes everything or the run has failed.
const failed = results.filter(({ verdicts }) => verdicts[0]?.type !== 'pass')
for (const { id, title } of failed) console.error(`ours does not pass case ${id}: ${title}`)
process.exitCode = failed.length === 0 ? 0 : 1
