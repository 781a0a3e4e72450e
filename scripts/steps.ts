/** The steps that `npm test` and `npm run check` are made of: each runs one tool, shows what it says, and counts. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** How many checks passed and failed. A tool without tests of its own is one check. */
export interface Count {
  readonly passed: number
  readonly failed: number
}

export const root = path.resolve(import.meta.dirname, '..')

/** What must hold of the text of the repository before any test runs. */
const STATIC_STEPS: readonly (readonly [name: string, tool: string, args: readonly string[]])[] = [
  ['format', 'oxfmt', ['--check', '.']],
  ['types', 'tsc', ['-b']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings', 'src', 'test', 'scripts', 'monitoring', 'examples']],
  ['unused files, exports and packages', 'knip', []],
]

/** Runs a tool of `node_modules/.bin` and says whether it was content. */
function isContent(tool: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): boolean {
  const binary = path.join(root, 'node_modules', '.bin', tool)
  const result = spawnSync(binary, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.error !== undefined) console.error(`${tool} could not be run: ${result.error.message}`)
  return result.status === 0
}

/** Runs one step that counts as one check. */
export function runStep(name: string, tool: string, args: readonly string[]): Count {
  console.log(`\n── ${name}`)
  const passed = isContent(tool, args)
  if (!passed) console.error(`✗ ${name}: ${tool} ${args.join(' ')}`)
  return passed ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** Format, types, lint and unused things. */
export const runStaticSteps = (): readonly Count[] => STATIC_STEPS.map(([name, tool, args]) => runStep(name, tool, args))

/** Runs Vitest and counts its tests. A run that fails without a failed test (an unhandled error, a broken file) is a failure too. */
export function runTests(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Count {
  console.log('\n── tests')
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chat-tests-'))
  const report = path.join(folder, 'report.json')
  const passed = isContent('vitest', ['run', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`, ...args], env)
  try {
    return countTests(readFileSync(report, 'utf8'), passed)
  } catch (error) {
    console.error('✗ Vitest left no readable report:', error)
    return { passed: 0, failed: 1 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The numbers of a Vitest JSON report. */
export function countTests(report: string, isRunContent: boolean): Count {
  const parsed: unknown = JSON.parse(report)
  const read = (name: string): number => {
    const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, name) : undefined
    if (typeof value !== 'number') throw new TypeError(`the report has no number ${name}`)
    return value
  }
  const passed = read('numPassedTests')
  // What did not run did not pass.
  const failed = read('numTotalTests') - passed
  if (passed + failed === 0) return { passed: 0, failed: 1 }
  return { passed, failed: failed === 0 && !isRunContent ? 1 : failed }
}

/** The sum of all counts as the last line has it, and the exit code. */
export function summary(counts: readonly Count[]): { readonly line: string; readonly exitCode: 0 | 1 } {
  const passed = counts.reduce((sum, count) => sum + count.passed, 0)
  const failed = counts.reduce((sum, count) => sum + count.failed, 0)
  return { line: `${passed} passed, ${failed} failed`, exitCode: failed === 0 ? 0 : 1 }
}

/** Prints the sum as the last line and gives the exit code. */
export function conclude(counts: readonly Count[]): 0 | 1 {
  const { line, exitCode } = summary(counts)
  console.log(`\n${line}`)
  return exitCode
}
