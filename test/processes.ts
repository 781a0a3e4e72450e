/**
 * Real processes for tests: started, listened to, killed. Waiting is for a line or an exit, never for a time:
 * a test that waits in vain is ended by its own time limit, and the failure says what the process had printed.
 */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const root = path.resolve(import.meta.dirname, '..')

/** A test that ran out of time never comes to dispose of what it started. */
const END_WITH_PARENT = pathToFileURL(path.join(root, 'scripts/end-with-parent.mjs')).href

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number
  /** Lines of standard output and of standard error so far, in the order they came. */
  readonly lines: readonly string[]
  /** Lines of standard error alone. */
  readonly errors: readonly string[]
  /** The first line, past or to come, that `read` makes something of. Rejects when the process ends without it. */
  line<Value>(read: (line: string) => Value | undefined): Promise<Value>
  readonly exited: Promise<Exit>
  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Exit>
  /** Sends a signal and waits for nothing. */
  signal(signal: NodeJS.Signals): void
}

export interface ProcessOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Runs the process in a group of its own, so that a signal to the group is a Ctrl-C at its terminal. */
  readonly isGroup?: boolean
}

interface Waiter {
  readonly tell: (line: string) => void
  readonly giveUp: () => void
}

/** Starts `script`, a path in the repository, under this Node with nothing of our own environment but the path. */
export function startProcess(script: string, options: ProcessOptions = {}): RunningProcess {
  const child = spawn(process.execPath, ['--import', END_WITH_PARENT, path.join(root, script), ...(options.args ?? [])], {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', NODE_ENV: 'test', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: options.isGroup === true,
  })
  const { pid, stdout, stderr } = child
  if (pid === undefined || stdout === null || stderr === null) throw new Error(`${script} could not be started`)
  const lines: string[] = []
  const errors: string[] = []
  const waiters = new Set<Waiter>()
  const hear = (line: string): void => {
    lines.push(line)
    for (const waiter of waiters) waiter.tell(line)
  }
  createInterface(stdout).on('line', hear)
  createInterface(stderr).on('line', (line) => {
    errors.push(line)
    hear(line)
  })
  const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>()
  // After the last line: 'close' waits for the output as well.
  child.once('close', (code, signal) => {
    exit({ code, signal })
    for (const waiter of waiters) waiter.giveUp()
  })
  const send = (signal: NodeJS.Signals): void => void process.kill(options.isGroup === true ? -pid : pid, signal)
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  return {
    pid,
    lines,
    errors,
    exited,
    signal: send,
    line: async (read) => {
      const { promise, resolve, reject } = Promise.withResolvers<NonNullable<ReturnType<typeof read>>>()
      const waiter: Waiter = {
        tell(line) {
          const value = read(line)
          if (value === undefined || value === null) return
          waiters.delete(waiter)
          resolve(value)
        },
        giveUp: () => reject(new Error(`${script} ended without the line that was waited for:\n${lines.join('\n')}`)),
      }
      waiters.add(waiter)
      for (const line of lines) waiter.tell(line)
      if (!isRunning()) void exited.then(waiter.giveUp)
      return promise
    },
    kill(signal) {
      if (isRunning()) send(signal)
      return exited
    },
    async [Symbol.asyncDispose]() {
      if (isRunning()) send('SIGKILL')
      await exited
    },
  }
}

/** A field of a JSON log line, or `undefined` for any other line. */
function logField(line: string, name: string): unknown {
  if (!line.startsWith('{')) return undefined
  const fields: unknown = JSON.parse(line)
  return typeof fields === 'object' && fields !== null ? Reflect.get(fields, name) : undefined
}

/** Reads lines with this `event.action`; gives the value of `field`. */
export const onAction =
  (action: string, field = 'event.action') =>
  (line: string): string | undefined =>
    logField(line, 'event.action') === action ? String(logField(line, field)) : undefined
