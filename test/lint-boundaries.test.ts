/**
 * Shows that the linter enforces the table of modules: every import between two modules is written into a file of its own, in a
 * copy of the repository's shape, and the linter must refuse exactly those that the table does not allow.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')

/** A file of each module that others enter by, and one that is the module's own business. */
const DOORS = {
  conversation: ['conversation.ts', 'limits.ts'],
  protocol: ['protocol.ts', 'close-codes.ts'],
  page: ['item-view.ts', 'page-data.ts'],
  resilience: ['breaker-registry.ts', 'backoff.ts'],
  'service-level': ['service-level.ts', 'health-checks.ts'],
  telemetry: ['events.ts', 'log.ts'],
  guidance: ['guidance.ts', 'front-matter.ts'],
  'conversation-log': ['conversation-log.ts', 'sqlite-log.ts'],
  gateway: ['gateway.ts', 'api.ts', 'error-replies.ts'],
  agent: ['agent.ts', 'websocket-agent.ts'],
  turns: ['turn-runner.ts', 'turn.ts'],
  operations: ['health.ts', 'metrics-route.ts'],
  plugins: ['resilience.ts', 'health-routes.ts'],
  'agent-simulator': ['main.ts', 'simulator.ts'],
  browser: ['chat.ts', 'outbox.ts'],
  app: ['main.ts', 'service.ts'],
  testing: ['simulation.ts', 'simulated-clock.ts'],
} as const

type Module = keyof typeof DOORS

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a constant
const MODULES = Object.keys(DOORS) as readonly Module[]
const open = (...modules: readonly Module[]): readonly string[] => modules.flatMap((name) => DOORS[name].map((file) => `${name}/${file}`))
const but = (...modules: readonly Module[]): readonly string[] => open(...MODULES.filter((name) => !modules.includes(name)))

/** The table: what each module may import of the others. */
const MAY_IMPORT: Readonly<Record<Module, readonly string[]>> = {
  conversation: [],
  resilience: [],
  protocol: open('conversation'),
  page: open('conversation'),
  'service-level': open('resilience'),
  telemetry: [...open('conversation'), 'service-level/service-level.ts'],
  guidance: open('conversation'),
  'conversation-log': [...open('conversation', 'resilience'), 'telemetry/events.ts'],
  agent: [...open('conversation', 'resilience'), 'telemetry/events.ts'],
  turns: [
    ...open('conversation', 'resilience'),
    'conversation-log/conversation-log.ts',
    'agent/agent.ts',
    'guidance/guidance.ts',
    'telemetry/events.ts',
  ],
  gateway: [
    ...open('conversation', 'protocol', 'page', 'resilience'),
    'conversation-log/conversation-log.ts',
    'service-level/service-level.ts',
    'guidance/guidance.ts',
    'telemetry/events.ts',
  ],
  operations: [...open('conversation', 'resilience', 'service-level'), 'conversation-log/conversation-log.ts', 'telemetry/events.ts'],
  plugins: [
    ...open('conversation', 'resilience', 'service-level'),
    'gateway/error-replies.ts',
    'operations/health.ts',
    'operations/ops-access.ts',
    'telemetry/events.ts',
  ],
  'agent-simulator': [...open('conversation', 'resilience'), 'guidance/guidance.ts'],
  browser: open('conversation', 'protocol', 'page', 'resilience'),
  app: but('app', 'browser', 'testing', 'agent-simulator'),
  testing: but('testing').filter((file) => file !== 'app/main.ts' && file !== 'agent-simulator/main.ts'),
}

const PURE: readonly Module[] = ['conversation', 'resilience', 'protocol', 'page', 'service-level']
const TIMELESS = MODULES.filter((name) => name !== 'app' && name !== 'testing')

/** Lines that stand in one file of a module, and the rule that must refuse them, if any. */
interface Probe {
  readonly name: string
  readonly file: string
  readonly source: string
  readonly refusedBy: string | undefined
}

const IMPORTS = 'no-restricted-imports'

function probes(): readonly Probe[] {
  const between = MODULES.flatMap((from) =>
    MODULES.filter((to) => to !== from)
      .flatMap((to) => DOORS[to].map((file) => `${to}/${file}`))
      .map((target) =>
        probe(
          from,
          `import ${target}`,
          `import * as it from '../${target}'\nexport { it }`,
          MAY_IMPORT[from].includes(target) ? undefined : IMPORTS,
        ),
      ),
  )
  const everyForm = [
    probe('conversation', 'import type', `import type { It } from '../gateway/gateway.ts'\nexport type { It }`, IMPORTS),
    probe('conversation', 'export from', `export { it } from '../gateway/gateway.ts'`, IMPORTS),
    probe('conversation', 'import()', `export const it = () => import('../gateway/gateway.ts')`, IMPORTS),
    probe('conversation', 'a detour', `export * as it from '../conversation/../gateway/gateway.ts'`, IMPORTS),
  ]
  const errors = MODULES.map((from) =>
    probe(from, 'the base error', `export { ChatServiceError } from '../chat-service-error.ts'`, undefined),
  )
  const platform = [
    ...[...PURE, 'browser' as const].flatMap((from) => [
      probe(from, 'node:fs', `export * as it from 'node:fs'`, IMPORTS),
      probe(from, 'node:fs/promises', `export * as it from 'node:fs/promises'`, IMPORTS),
      probe(from, 'pino', `export * as it from 'pino'`, IMPORTS),
      probe(from, 'ws', `export * as it from 'ws'`, IMPORTS),
    ]),
    ...TIMELESS.map((from) => probe(from, 'node:timers/promises', `export * as it from 'node:timers/promises'`, IMPORTS)),
    ...MODULES.flatMap((from) => [
      probe(from, 'Date.now', 'export const it = () => Date.now()', 'no-restricted-properties'),
      probe(from, 'Math.random', 'export const it = () => Math.random()', 'no-restricted-properties'),
      probe(from, 'setTimeout', 'export const it = () => setTimeout(() => undefined, 1)', 'no-restricted-globals'),
      probe(from, 'process.env', "export const it = () => process.env['HOME']", 'no-process-env'),
      probe(from, 'any', 'export const it = (value: any) => String(value)', 'no-explicit-any'),
      probe(from, 'export default', 'export default 1', 'no-default-export'),
    ]),
    probe('protocol', 'valibot', `export * as it from 'valibot'`, undefined),
    probe('browser', 'govuk-frontend', `export { createAll } from 'govuk-frontend'`, undefined),
  ]
  return [...between, ...everyForm, ...errors, ...platform]
}

function probe(from: Module, what: string, source: string, refusedBy: string | undefined): Probe {
  const file = `src/${from}/probe-${what.replaceAll(/[^a-z]+/gi, '-').toLowerCase()}.ts`
  return { name: `${from}/: ${what}`, file, source: `${source}\n`, refusedBy }
}

const PROBES = probes()
let folder: string
let refusals: ReadonlyMap<string, readonly string[]>

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'chat-boundaries-'))
  copyFileSync(path.join(root, '.oxlintrc.json'), path.join(folder, '.oxlintrc.json'))
  for (const { file, source } of PROBES) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), source)
  }
  const oxlint = path.join(root, 'node_modules/.bin/oxlint')
  const { stdout } = spawnSync(oxlint, ['--format=json', 'src'], { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  refusals = readRefusals(stdout)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Rules by file, from the linter's own report. */
function readRefusals(report: string): ReadonlyMap<string, readonly string[]> {
  const { diagnostics } = JSON.parse(report) as { diagnostics: readonly { filename: string; code: string }[] }
  const byFile = new Map<string, string[]>()
  for (const { filename, code } of diagnostics) {
    const rule = /\(([^)]+)\)/.exec(code)?.[1] ?? code
    byFile.set(filename, [...(byFile.get(filename) ?? []), rule])
  }
  return byFile
}

test('[O18] no two probes stand in the same file', () => {
  expect(new Set(PROBES.map(({ file }) => file)).size).toBe(PROBES.length)
})

test.each(MODULES)('[O18] %s/ may import what the table allows and nothing else', (from) => {
  const own = PROBES.filter(({ file }) => file.startsWith(`src/${from}/`))
  const found = own.map(({ name, file, refusedBy }) => {
    const rules = refusals.get(file) ?? []
    return [name, refusedBy === undefined ? rules.filter((rule) => rule === IMPORTS) : rules.includes(refusedBy)]
  })
  expect(found).toEqual(own.map(({ name, refusedBy }) => [name, refusedBy === undefined ? [] : true]))
})
