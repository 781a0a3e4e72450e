/**
 * `npm start`: builds what browsers load, starts the agent simulator (unless `AGENT_URL` names an agent) and the server, each as
 * a process of its own, and stops both when asked to. With `--watch` (`npm run dev`) a change of a source file builds and starts
 * the server again.
 *
 * The two run in process groups of their own, so that a Ctrl-C reaches them through this script alone: first the server, which
 * lets running answers finish, then the simulator that they come from.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { root } from './steps.ts'

const END_WITH_PARENT = pathToFileURL(path.join(root, 'scripts/end-with-parent.mjs')).href

const say = (text: string): void => void process.stderr.write(`${text}\n`)

/** Whether the browser bundle is there and up to date now. */
const isBuilt = (): boolean => spawnSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' }).status === 0

/** Starts a program that ends when this one does. Its standard output is ours unless it is to be read here. */
function startProgram(script: string, output: 'inherit' | 'pipe', env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, ['--import', END_WITH_PARENT, script], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, 'inherit', 'ipc'],
    detached: true,
  })
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

/** Sends the signal and waits for the end. */
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (!isRunning(child)) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

interface Simulator extends AsyncDisposable {
  /** The port that it listens at, or the exit code with which it could not start; it has said why. */
  readonly started: { readonly port: string } | { readonly exitCode: number }
}

/** Starts the simulator and waits until it says where it listens. */
async function startSimulator(): Promise<Simulator> {
  const child = startProgram('src/agent-simulator/main.ts', 'pipe')
  const { promise, resolve } = Promise.withResolvers<Simulator['started']>()
  let isWanted = true
  let isUp = false
  if (child.stdout !== null) {
    createInterface(child.stdout).on('line', (line) => {
      say(`simulator: ${line}`)
      const port = /\bws:\/\/\S+:(\d+)\//.exec(line)?.[1]
      if (port === undefined) return
      isUp = true
      resolve({ port })
    })
  }
  child.once('exit', (code, signal) => {
    resolve({ exitCode: code ?? 1 })
    if (!isWanted || !isUp) return
    say(`The agent simulator has ended (${signal ?? `exit code ${code}`}). The server goes on: questions wait for an agent.`)
    say('To start it again: npm run simulator')
  })
  return {
    started: await promise,
    async [Symbol.asyncDispose]() {
      isWanted = false
      await end(child, 'SIGTERM')
    },
  }
}

/** Resolves at the next change of a file that the server or the bundle is made of. */
function nextChange(): { readonly changed: Promise<void>; readonly stop: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const watchers = ['src', 'guidance'].map((folder) =>
    watch(path.join(root, folder), { recursive: true }, (_event, file) => {
      if (file?.endsWith('.test.ts') !== true) resolve()
    }),
  )
  return { changed: promise, stop: () => watchers.forEach((watcher) => watcher.close()) }
}

/** The server that runs now; with `--watch` one follows the other. */
let server: ChildProcess | undefined
let isStopping = false

/** Runs the server until it ends, and gives its exit code. */
async function serve(env: Readonly<Record<string, string>>): Promise<number> {
  server = startProgram('src/app/main.ts', 'inherit', env)
  const [code]: readonly unknown[] = await once(server, 'exit')
  return typeof code === 'number' ? code : 1
}

/** Runs a server after every change, until asked to stop. */
async function serveAndWatch(env: Readonly<Record<string, string>>): Promise<number> {
  for (;;) {
    const change = nextChange()
    const served = serve(env)
    await Promise.race([served, change.changed])
    if (server !== undefined && isRunning(server)) await end(server, 'SIGTERM')
    const code = await served
    if (!isStopping && code !== 0) say('The server has ended; it is started again when a file changes.')
    if (!isStopping && code !== 0) await change.changed
    change.stop()
    if (isStopping) return code
    isBuilt()
  }
}

async function run(): Promise<number> {
  const isWatching = process.argv.includes('--watch')
  if (!isBuilt() && !isWatching) return 1
  const hasAgent = (process.env['AGENT_URL'] ?? '') !== ''
  await using simulator = hasAgent ? undefined : await startSimulator()
  // A server that asks whatever else has the simulator's port would only seem to work.
  const started = simulator?.started
  if (started !== undefined && 'exitCode' in started) return started.exitCode
  // The settings know where the simulator takes each form, once they know its port.
  const env = started === undefined ? {} : { SIMULATOR_PORT: started.port }
  // In development nobody wants to wait for answers that are being written.
  return isWatching ? await serveAndWatch({ ...env, DRAIN_MS: process.env['DRAIN_MS'] ?? '0' }) : await serve(env)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    const isFirst = !isStopping
    isStopping = true
    if (server !== undefined && isRunning(server)) server.kill(signal)
    // Nothing to wait for yet: what was started ends with us. Later it is the same Ctrl-C once more.
    else if (isFirst) process.exit(1)
  })
}

process.exitCode = await run()
