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
export const END_WITH_PARENT = pathToFileURL(path.join(root, 'scripts/end-with-parent.mjs')).href

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
export const startProcess = (script: string, { args = [], env, isGroup }: ProcessOptions = {}): RunningProcess =>
  startProgram(process.execPath, {
    name: script,
    args: ['--import', END_WITH_PARENT, path.join(root, script), ...args],
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', NODE_ENV: 'test', ...env },
    isGroup: isGroup === true,
  })

export interface ProgramOptions {
  /** What messages call it. */
  readonly name: string
  readonly args: readonly string[]
  readonly cwd: string
  /** All that it has of an environment. */
  readonly env: Readonly<Record<string, string>>
  readonly isGroup?: boolean
  /** Whom it runs as, where that may be chosen. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
}

/** Starts any program. One that is not ours outlives a test process that is killed: it must have an end of its own. */
export function startProgram(command: string, options: ProgramOptions): RunningProcess {
  const child = spawn(command, options.args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: options.isGroup === true,
    ...options.user,
  })
  const { pid, stdout, stderr } = child
  if (pid === undefined || stdout === null || stderr === null) throw new Error(`${options.name} could not be started`)
  const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>()
  const said = listen(stdout, stderr, options.name)
  // After the last line: 'close' waits for the output as well.
  child.once('close', (code, signal) => {
    exit({ code, signal })
    said.end()
  })
  const send = (signal: NodeJS.Signals): void => void process.kill(options.isGroup === true ? -pid : pid, signal)
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  return {
    pid,
    lines: said.lines,
    errors: said.errors,
    exited,
    signal: send,
    line: said.line,
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

interface Said extends Pick<RunningProcess, 'lines' | 'errors' | 'line'> {
  /** No line will come any more. */
  end(): void
}

/** Gathers the lines of a process and hands each to whoever waits for one. */
function listen(stdout: NodeJS.ReadableStream, stderr: NodeJS.ReadableStream, name: string): Said {
  const lines: string[] = []
  const errors: string[] = []
  const waiters = new Set<Waiter>()
  let hasEnded = false
  const hear = (line: string): void => {
    lines.push(line)
    for (const waiter of waiters) waiter.tell(line)
  }
  createInterface(stdout).on('line', hear)
  createInterface(stderr).on('line', (line) => {
    errors.push(line)
    hear(line)
  })
  return {
    lines,
    errors,
    async line(read) {
      const { promise, resolve, reject } = Promise.withResolvers<NonNullable<ReturnType<typeof read>>>()
      const waiter: Waiter = {
        tell(line) {
          const value = read(line)
          if (value === undefined || value === null) return
          waiters.delete(waiter)
          resolve(value)
        },
        giveUp: () => reject(new Error(`${name} ended without the line that was waited for:\n${lines.join('\n')}`)),
      }
      waiters.add(waiter)
      for (const line of lines) waiter.tell(line)
      if (hasEnded) waiter.giveUp()
      return promise
    },
    end() {
      hasEnded = true
      for (const waiter of waiters) waiter.giveUp()
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

/** Reads lines that have all of these fields with these values. */
export const onFields =
  (fields: Readonly<Record<string, string>>) =>
  (line: string): true | undefined =>
    Object.entries(fields).every(([name, value]) => logField(line, name) === value) ? true : undefined

/** Reads the lines of a circuit breaker that has come to `to`. */
export const onBreaker = (to: 'open' | 'half-open' | 'closed'): ((line: string) => true | undefined) =>
  onFields({ 'event.action': 'breaker.changed', 'chat.breaker.to': to })
