/** The way from `npm start` to a running script, with an npm that only pretends to install. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { countTests, summary } from '../scripts/steps.ts'

const bootstrap = path.resolve(import.meta.dirname, '../scripts/bootstrap.mjs')
const integrity = 'sha512-x'

let clone: string
let npm: string
let npmCalls: string

/** What package-lock.json and npm's own record of an installation look like, as far as anyone reads them. */
const lockFile = (nodeVersion: string, thing = '1.0.0') =>
  JSON.stringify({
    packages: {
      '': {},
      'node_modules/node': { version: nodeVersion, integrity },
      'node_modules/thing': { version: thing, integrity },
      'node_modules/for-another-platform': { version: '1.0.0', integrity, optional: true },
    },
  })

const installedRecord = (nodeVersion: string, thing = '1.0.0') =>
  JSON.stringify({
    packages: { 'node_modules/node': { version: nodeVersion, integrity }, 'node_modules/thing': { version: thing, integrity } },
  })

/** Puts into place what `npm ci` would. */
function installInto(folder: string, nodeVersion: string, node = process.execPath): void {
  for (const name of ['.bin', 'node', 'thing']) mkdirSync(path.join(folder, 'node_modules', name), { recursive: true })
  writeFileSync(path.join(folder, 'node_modules/.package-lock.json'), installedRecord(nodeVersion))
  symlinkSync(node, path.join(folder, 'node_modules/.bin/node'))
}

const pinned = process.versions.node

/** A clone whose lock file pins this Node, and an npm that records how it was called and does `body`. */
beforeEach(() => {
  clone = mkdtempSync(path.join(os.tmpdir(), 'chat-clone-'))
  mkdirSync(path.join(clone, 'scripts'))
  copyFileSync(bootstrap, path.join(clone, 'scripts/bootstrap.mjs'))
  writeFileSync(path.join(clone, 'package-lock.json'), lockFile(pinned))
  writeFileSync(path.join(clone, 'scripts/hello.ts'), `console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7`)
  npm = path.join(clone, 'npm-cli.js')
  npmCalls = path.join(clone, 'npm-calls')
  pretendNpm('process.exit(1)')
})

afterEach(() => rmSync(clone, { recursive: true, force: true }))

function pretendNpm(body: string): void {
  writeFileSync(
    npm,
    `const fs = require('node:fs'); fs.appendFileSync(${JSON.stringify(npmCalls)}, process.argv.slice(2).join(' ') + '\\n');\n${body}`,
  )
}

/** An npm that installs `nodeVersion` as the pinned Node. */
function pretendInstall(node = process.execPath): void {
  pretendNpm(`
    for (const name of ['.bin', 'node', 'thing']) fs.mkdirSync('node_modules/' + name, { recursive: true });
    fs.writeFileSync('node_modules/.package-lock.json', ${JSON.stringify(installedRecord(pinned))});
    fs.rmSync('node_modules/.bin/node', { force: true });
    fs.symlinkSync(${JSON.stringify(node)}, 'node_modules/.bin/node');
  `)
}

function run(script = 'scripts/hello.ts', ...args: readonly string[]) {
  const result = spawnSync(process.execPath, ['scripts/bootstrap.mjs', script, ...args], {
    cwd: clone,
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: npm },
  })
  const calls = existsSync(npmCalls) ? readFileSync(npmCalls, 'utf8').trim().split('\n') : []
  return { code: result.status, out: result.stdout, err: result.stderr, calls }
}

test('[O1][O2] what is installed as locked runs at once, with arguments and exit code passed on', () => {
  installInto(clone, pinned)
  expect(run('scripts/hello.ts', 'one', 'two words')).toEqual({ code: 7, out: '["one","two words"]\n', err: '', calls: [] })
})

test('[O1] the script runs under the pinned Node, not under the one that npm was started with', () => {
  installInto(clone, pinned)
  const other = path.join(clone, 'node_modules/.bin/node')
  rmSync(other)
  writeFileSync(other, `#!/bin/sh\n[ "$1" = --version ] && echo v${pinned} || echo "pinned node runs: $1"\n`)
  chmodSync(other, 0o755)
  expect(run()).toMatchObject({ code: 0, out: `pinned node runs: ${path.join(clone, 'scripts/hello.ts')}\n`, calls: [] })
})

test('[O2] a fresh clone is installed first', () => {
  pretendInstall()
  expect(run()).toMatchObject({ code: 7, out: '[]\n', calls: [expect.stringMatching(/^ci( |$)/)] })
})

test.each([
  ['an old version', () => writeFileSync(path.join(clone, 'package-lock.json'), lockFile(pinned, '1.0.1'))],
  ['a missing package', () => rmSync(path.join(clone, 'node_modules/thing'), { recursive: true })],
  ['an install that did not finish', () => rmSync(path.join(clone, 'node_modules/.package-lock.json'))],
  ['a missing Node', () => rmSync(path.join(clone, 'node_modules/.bin/node'))],
])('[O2] %s is put right first', (_what, spoil) => {
  installInto(clone, pinned)
  spoil()
  pretendInstall()
  const { calls } = run()
  expect(calls).toEqual([expect.stringMatching(/^ci( |$)/)])
})

test('[O2] npm never runs under the Node that it is about to replace', () => {
  installInto(clone, pinned)
  rmSync(path.join(clone, 'node_modules/thing'), { recursive: true })
  const seen = path.join(clone, 'npm-path')
  pretendNpm(`fs.writeFileSync(${JSON.stringify(seen)}, process.env.PATH); process.exit(1)`)
  // As npm starts its scripts: our own binaries first.
  const binaries = path.join(clone, 'node_modules/.bin')
  spawnSync(path.join(binaries, 'node'), ['scripts/bootstrap.mjs', 'scripts/hello.ts'], {
    cwd: clone,
    env: { ...process.env, npm_execpath: npm, PATH: `${binaries}${path.delimiter}${process.env['PATH'] ?? ''}` },
  })
  expect(readFileSync(seen, 'utf8').split(path.delimiter)).toEqual((process.env['PATH'] ?? '').split(path.delimiter))
})

test('[O140] a fresh clone gets what builds and starts it, too, where npm would leave that out', () => {
  pretendInstall()
  expect(run('scripts/hello.ts').calls).toEqual([expect.stringMatching(/^ci --include=dev( |$)/)])
})

test('[O3] a failing npm ends in one message that says what to do', () => {
  const { code, err, out } = run()
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toContain('npm ci failed (exit code 1)')
  expect(err).toContain('npm install')
})

test('[O3] an installation without the pinned Node says why that happens', () => {
  pretendInstall('/bin/false')
  const { code, err, out } = run()
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toContain(`node_modules/.bin/node should be v${pinned} and cannot be run`)
  expect(err).toContain('ignore-scripts')
})

test('[O3] a Node older than 20 is told so', () => {
  const old = path.join(clone, 'old.cjs')
  writeFileSync(old, `Object.defineProperty(process.versions, 'node', { value: '18.20.0' })`)
  const result = spawnSync(process.execPath, ['--require', old, 'scripts/bootstrap.mjs', 'scripts/hello.ts'], {
    cwd: clone,
    encoding: 'utf8',
  })
  expect({ code: result.status, out: result.stdout }).toEqual({ code: 1, out: '' })
  expect(result.stderr).toContain('needs Node 20 or later')
})

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('[O1] %s reaches the script', async (signal) => {
  installInto(clone, pinned)
  const script = `process.once('${signal}', () => { console.log('got ${signal}'); process.exit(3) }); console.log('ready'); setInterval(() => {}, 1000)`
  writeFileSync(path.join(clone, 'scripts/wait.ts'), script)
  const child = spawn(process.execPath, ['scripts/bootstrap.mjs', 'scripts/wait.ts'], { cwd: clone, stdio: ['ignore', 'pipe', 'inherit'] })
  const said: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.push(text)
    if (text.includes('ready')) child.kill(signal)
  })
  const [code]: readonly unknown[] = await once(child, 'close')
  expect({ code, said: said.join('') }).toEqual({ code: 3, said: `ready\ngot ${signal}\n` })
})

const report = (passed: number, total: number) => JSON.stringify({ numPassedTests: passed, numTotalTests: total })

test.each([
  ['all passed', report(5, 5), true, { passed: 5, failed: 0 }],
  ['one failed', report(4, 5), false, { passed: 4, failed: 1 }],
  ['one did not run', report(4, 5), true, { passed: 4, failed: 1 }],
  ['there was an error outside every test', report(5, 5), false, { passed: 5, failed: 1 }],
  ['there was no test', report(0, 0), true, { passed: 0, failed: 1 }],
])('[O17] tests are counted when %s', (_what, text, isRunContent, count) => {
  expect(countTests(text, isRunContent)).toEqual(count)
})

test('[O17] a report that says nothing is not a success', () => {
  expect(() => countTests('{}', true)).toThrow(TypeError)
})

test('[O17] one failure anywhere makes the exit code 1', () => {
  expect(summary([{ passed: 3, failed: 0 }])).toEqual({ line: '3 passed, 0 failed', exitCode: 0 })
  const counts = [
    { passed: 3, failed: 0 },
    { passed: 0, failed: 1 },
    { passed: 4, failed: 0 },
  ]
  expect(summary(counts)).toEqual({ line: '7 passed, 1 failed', exitCode: 1 })
})
