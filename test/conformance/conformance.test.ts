import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { cases, runConformance } from './conformance.ts'
import { renderVerdicts } from './conformance-document.ts'
import { ours } from './ours.ts'
import { runCase } from './run-case.ts'

test.each(cases.map((testCase) => [testCase.id, testCase.title, testCase] as const))('[R40] case %i: %s', async (_id, _title, testCase) => {
  expect(await runCase(testCase, ours)).toEqual({ type: 'pass' })
})

test('[R40] every case has a number of its own, and only one about cost alone is left out', () => {
  const ids = cases.map(({ id }) => id)
  const all = Array.from({ length: 44 }, (_, index) => index + 1)
  expect(all.filter((id) => !ids.includes(id))).toEqual([23])
  expect(new Set(ids).size).toBe(ids.length)
})

test('[R41] docs/conformance.md says what a run says now; if not, run npm run conformance', async () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/conformance.md'), 'utf8')
  expect(page).toContain(renderVerdicts(await runConformance()))
}, 20_000)
