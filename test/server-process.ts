/** The real server and the real agent simulator as processes of their own, on free ports of this machine. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onAction, startProcess, type ProcessOptions, type RunningProcess } from './processes.ts'

/** Nothing listens there: port 1 is not for users. */
export const NO_AGENT = 'ws://127.0.0.1:1/'

export interface ServerOptions extends ProcessOptions {
  readonly dataDir: string
  readonly agentUrl?: string
}

export interface RunningServer extends RunningProcess {
  /** Where it listens, without a slash at the end. */
  readonly url: string
}

/** Starts the server process and returns at once; it may be one that cannot start. */
export const beginServer = ({ dataDir, agentUrl = NO_AGENT, ...options }: ServerOptions): RunningProcess =>
  startProcess('src/app/main.ts', {
    ...options,
    env: { PORT: '0', DATA_DIR: dataDir, AGENT_URL: agentUrl, ...options.env },
  })

/** Starts the server and waits until it takes questions. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const running = beginServer(options)
  try {
    return Object.assign(running, { url: await running.line(onAction('sys_startup', 'url.full')) })
  } catch (error) {
    await running[Symbol.asyncDispose]()
    throw error
  }
}

export interface RunningSimulator extends RunningProcess {
  /** What `AGENT_URL` must be. */
  readonly url: string
}

/** Starts the agent simulator and waits until it listens. */
export async function startSimulator(...flags: readonly string[]): Promise<RunningSimulator> {
  const running = startProcess('src/agent-simulator/main.ts', { args: ['--port', '0', ...flags] })
  return Object.assign(running, { url: await running.line((line) => /\bws:\/\/\S+/.exec(line)?.[0]) })
}

export interface TemporaryFolder extends Disposable {
  readonly path: string
}

/** A folder that is gone when disposed of. */
export function temporaryFolder(): TemporaryFolder {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chat-test-'))
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}
