/** SPEC.md and the tests name each other: no rule without a test, no test without a rule. */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
const RULE_ITEM = /^- \*\*\[([A-Z]+\d+)\]\*\* (.+)$/gm
/** A first argument with others behind it, after the name of the function or after the table of an each. */
const TITLE =
  /(?:\b(?:test|it)(?:\.(?:only|skip|fails|concurrent|sequential))?\(|\)\()\s*(?<quote>['"`])(?<title>(?:\\.|(?!\k<quote>).)*)\k<quote>\s*,/gs
const DISABLED = /\b(?:test|it|describe)\.(?:only|skip|todo|skipIf|runIf)\b/
const RULES_IN_FRONT = /^(?:\[[A-Z]+\d+\])+ \S/

interface TestTitle {
  readonly file: string
  readonly title: string
}

const spec = readFileSync(path.join(root, 'SPEC.md'), 'utf8')
const rules = [...spec.matchAll(RULE_ITEM)].map(([, id = '', sentence = '']) => ({ id, sentence }))
const files = globSync(['src/**/*.{test,contract}.ts', 'test/**/*.{test,contract}.ts'], { cwd: root }).toSorted()

const sourceOf = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const titlesIn = (file: string): readonly TestTitle[] =>
  [...sourceOf(file).matchAll(TITLE)].map((match) => ({ file, title: match.groups?.['title'] ?? '' }))
const idsOf = (title: string): readonly string[] =>
  RULES_IN_FRONT.test(title) ? [...(title.split(' ')[0] ?? '').matchAll(/[A-Z]+\d+/g)].map(([id]) => id) : []

const titles = files.flatMap(titlesIn)

test('[O19] SPEC.md numbers its rules once each, in one sentence', () => {
  const ids = rules.map(({ id }) => id)
  expect(ids.length).toBeGreaterThan(20)
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
  expect(rules.filter(({ sentence }) => !sentence.endsWith('.'))).toEqual([])
})

test('[O19] every test title starts with the rules it shows', () => {
  expect(titles.filter(({ title }) => idsOf(title).length === 0)).toEqual([])
})

test('[O19] every rule that a test names is in SPEC.md', () => {
  const known = new Set(rules.map(({ id }) => id))
  const unknown = titles
    .flatMap(({ file, title }) => idsOf(title).map((id) => `${id} in ${file}`))
    .filter((where) => !known.has(where.split(' ')[0] ?? ''))
  expect(unknown).toEqual([])
})

test('[O19] every rule of SPEC.md is named by a test', () => {
  const shown = new Set(titles.flatMap(({ title }) => idsOf(title)))
  expect(rules.map(({ id }) => id).filter((id) => !shown.has(id))).toEqual([])
})

test('[O19] no test is switched off', () => {
  expect(files.filter((file) => file !== 'test/spec-coverage.test.ts' && DISABLED.test(sourceOf(file)))).toEqual([])
})
