/** docs/from-the-plan.md maps every requirement to our name, rule and test: what it points to must be there. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
const COLUMNS = ['item', 'our name', 'rule', 'test', 'departure']
const REQUIREMENTS = ['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R9', 'R10']

const plan = readFileSync(path.join(root, 'docs/from-the-plan.md'), 'utf8')
const spec = readFileSync(path.join(root, 'SPEC.md'), 'utf8')

interface Row {
  readonly line: number
  readonly cells: readonly string[]
}

const cellsOf = (line: string): readonly string[] =>
  line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim())

/** Every row of every table of the document, without heads and rulers. */
const tableRows: readonly Row[] = plan
  .split('\n')
  .map((text, index) => ({ line: index + 1, cells: text.startsWith('|') ? cellsOf(text.trimEnd()) : [] }))
  .filter(({ cells }) => cells.length > 0 && !cells.every((cell) => /^:?-+:?$/.test(cell)))

const isHead = ({ cells }: Row): boolean => cells[0]?.toLowerCase() === COLUMNS[0]
const rows = tableRows.filter((row) => !isHead(row))
const quoted = (text: string): readonly string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, token = '']) => token)
const rulesIn = (row: Row): readonly string[] => [...(row.cells[2] ?? '').matchAll(/\b[A-Z]+\d+\b/g)].map(([id]) => id)
const testsIn = (row: Row): readonly string[] => quoted(row.cells[3] ?? '').filter((token) => token.endsWith('.ts'))

test('[O20] every table has the same five columns', () => {
  const heads = tableRows.filter(isHead).map(({ cells }) => cells.map((cell) => cell.toLowerCase()))
  expect(heads.length).toBeGreaterThan(0)
  expect(heads.filter((head) => head.join() !== COLUMNS.join())).toEqual([])
  expect(rows.filter(({ cells }) => cells.length !== COLUMNS.length)).toEqual([])
})

test('[O20] every requirement has rows', () => {
  const headings = [...plan.matchAll(/^#+ .*?\b(R\d+)\b/gm)].map(([, id = '']) => id)
  expect(REQUIREMENTS.filter((id) => !headings.includes(id))).toEqual([])
  expect(rows.length).toBeGreaterThan(REQUIREMENTS.length)
})

test('[O20] every file and link is there', () => {
  const files = quoted(plan).filter((token) => /^(?:src|test|docs|scripts|guidance)\/[\w./-]+$/.test(token))
  const links = [...plan.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => path.join('docs', target))
  expect(files.length).toBeGreaterThan(0)
  expect([...files, ...links].filter((file) => !existsSync(path.join(root, file)))).toEqual([])
})

test('[O20] every rule is in SPEC.md', () => {
  const missing = rows
    .flatMap((row) => rulesIn(row).map((id) => ({ line: row.line, id })))
    .filter(({ id }) => !spec.includes(`**[${id}]**`))
  expect(missing).toEqual([])
})

test('[O20] every test of a row shows a rule of that row', () => {
  const wrong = rows.flatMap((row) =>
    testsIn(row)
      .filter((file) => {
        const place = path.join(root, file)
        const source = existsSync(place) ? readFileSync(place, 'utf8') : ''
        return !rulesIn(row).some((id) => source.includes(`[${id}]`))
      })
      .map((file) => ({ line: row.line, file })),
  )
  expect(wrong).toEqual([])
})

test('[O20] every row that names a rule names a test', () => {
  expect(rows.filter((row) => rulesIn(row).length > 0 && testsIn(row).length === 0).map(({ line }) => line)).toEqual([])
})
