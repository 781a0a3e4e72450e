/**
 * Runs a script of this repository with the Node it is pinned to, from a fresh clone and under any Node from 20 on.
 *
 *     node scripts/bootstrap.mjs scripts/start.ts [arguments]
 *
 * Plain JavaScript, because the Node that npm was started with may not run TypeScript. It installs when what is in
 * `node_modules` is not what `package-lock.json` says, then hands over to `node_modules/.bin/node`: same terminal, same
 * signals, same exit code.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 20
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const binaries = path.join(root, 'node_modules', '.bin')
const pinnedNode = path.join(binaries, process.platform === 'win32' ? 'node.cmd' : 'node')

/** Ends with one message for the person who typed the command. */
function giveUp(message) {
  process.stderr.write(`\n${message}\n`)
  process.exit(1)
}

const readJson = (...names) => JSON.parse(readFileSync(path.join(root, ...names), 'utf8'))

/**
 * Whether every package of the lock file is installed in its locked version, by npm's own record of what it installed.
 * Packages for other platforms are optional and may be missing.
 */
function isInstalled(lock) {
  let installed
  try {
    installed = readJson('node_modules', '.package-lock.json').packages
  } catch {
    return false // never installed, or an install that did not finish
  }
  return Object.entries(lock.packages).every(([place, wanted]) => {
    if (place === '') return true
    const found = installed[place]
    if (found === undefined) return wanted.optional === true
    return found.version === wanted.version && found.integrity === wanted.integrity && existsSync(path.join(root, place))
  })
}

/** The version that the pinned Node says it is, or `undefined` when it cannot be run. */
function pinnedVersion() {
  const asked = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8', shell: process.platform === 'win32' })
  return asked.status === 0 ? asked.stdout.trim() : undefined
}

/**
 * The search path without our own `node_modules`. npm puts that in front for its scripts, so this very process may be running
 * the Node that an installation deletes before it brings it back: npm must run under another one.
 */
function pathOutside() {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter)
  return folders.filter((folder) => !path.resolve(folder).startsWith(path.join(root, 'node_modules')))
}

function install() {
  process.stderr.write('Installing what package-lock.json lists (once; about a minute) …\n')
  const folders = pathOutside()
  const options = {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: folders.join(path.delimiter) },
    shell: process.platform === 'win32',
  }
  // What builds and starts is among the development packages, which npm leaves out where NODE_ENV is "production".
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const npm = process.env['npm_execpath'] ?? ''
  const node = folders.map((folder) => path.join(folder, 'node')).find((file) => existsSync(file))
  // npm tells its scripts where it is; run by hand, it is on the path.
  const result =
    /npm-cli\.[cm]?js$/.test(npm) && node !== undefined ? spawnSync(node, [npm, ...args], options) : spawnSync('npm', args, options)
  if (result.error !== undefined) giveUp(`npm could not be run (${result.error.message}). Install npm 10 or later, then try again.`)
  if (result.status !== 0) {
    giveUp(
      `npm ci failed (${result.signal ?? `exit code ${result.status}`}); what npm said is above.\n` +
        'It needs the package registry. If package.json was changed by hand, run "npm install" once so that package-lock.json follows.',
    )
  }
}

const [script, ...rest] = process.argv.slice(2)
if (script === undefined) giveUp('usage: node scripts/bootstrap.mjs SCRIPT [ARGUMENTS]')
if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  giveUp(`This needs Node ${NODE_MAJOR_MIN} or later to begin with; ${process.execPath} is ${process.version}. See https://nodejs.org`)
}

const lock = readJson('package-lock.json')
const wantedVersion = `v${lock.packages['node_modules/node'].version}`
if (!isInstalled(lock) || pinnedVersion() !== wantedVersion) install()
const version = pinnedVersion()
if (version !== wantedVersion) {
  giveUp(
    `node_modules/.bin/node should be ${wantedVersion} and ${version === undefined ? 'cannot be run' : `is ${version}`}.\n` +
      'The install script of the "node" package did not run: look for "ignore-scripts" in "npm config list", switch it off, and run "npm ci".',
  )
}

process.env['PATH'] = `${binaries}${path.delimiter}${process.env['PATH'] ?? ''}`
const child = spawn(pinnedNode, [path.resolve(root, script), ...rest], { stdio: 'inherit', shell: process.platform === 'win32' })
// Ctrl-C reaches the child from the terminal as well; whoever is started here takes signals that come together for one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.once('error', (error) => giveUp(`${pinnedNode} could not be started: ${error.message}`))
child.once('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  // End the same way, so that whoever waits for us sees the signal.
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
