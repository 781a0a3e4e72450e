/** Real Redis servers for tests: on free ports of this machine, in temporary folders, ended by their own process ids. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { createClient } from '@redis/client'
import { createClock } from '../../src/app/ports.ts'
import type { ConversationLog } from '../../src/conversation-log/conversation-log.ts'
import type { RedisAddress, Reply } from '../../src/conversation-log/redis-connection.ts'
import { freePort } from '../free-port.ts'

const REDIS_SERVER = process.env['REDIS_SERVER_PATH'] ?? '/usr/bin/redis-server'
const HOST = '127.0.0.1'

export interface RedisProcess extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly address: RedisAddress
  /** Sends a command of its own connection, which is made anew when it has broken. */
  readonly send: (...args: readonly string[]) => Promise<Reply>
  readonly signal: (signal: NodeJS.Signals) => void
  /** Ends the process with a signal and waits for it. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>
  /** Starts it again after a kill, on the same port and folder. */
  readonly start: () => Promise<void>
}

export const addressOf = (port: number): RedisAddress => ({
  host: HOST,
  port,
  isTls: false,
  username: undefined,
  password: undefined,
  database: 0,
})

/** Starts `redis-server` with further options, as on its command line. */
export async function startRedis(...options: readonly string[]): Promise<RedisProcess> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chat-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined
  let client: ReturnType<typeof createClient> | undefined

  const start = async (): Promise<void> => {
    const args = ['--port', String(port), '--bind', HOST, '--dir', folder, '--save', '', '--daemonize', 'no', '--logfile', '', ...options]
    child = spawn(REDIS_SERVER, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    endWithUs.add(child)
    await ready(child)
  }
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    client?.destroy()
    client = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    // A stopped process ends only once it goes on, unless it is killed.
    child.kill('SIGCONT')
    await exited
    endWithUs.delete(child)
  }
  await start()
  return {
    port,
    url: `redis://${HOST}:${port}`,
    address: addressOf(port),
    send: async (...args) => {
      if (client?.isReady !== true) {
        client?.destroy()
        client = createClient({ socket: { host: HOST, port, reconnectStrategy: false }, RESP: 2, maintNotifications: 'disabled' })
        client.on('error', () => undefined)
        await client.connect()
      }
      return client.sendCommand<Reply>([...args])
    },
    signal: (signal) => void child?.kill(signal),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A test that ran out of time never comes to dispose of what it started. */
const endWithUs = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of endWithUs) child.kill('SIGKILL')
})

async function ready(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const lines: string[] = []
  if (child.stdout === null) throw new Error('a Redis without output')
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    if (line.includes('Ready to accept connections')) resolve()
  })
  child.once('error', reject)
  child.once('exit', () => reject(new Error(`redis-server ended:\n${lines.join('\n')}`)))
  await promise
}

/** Asks again and again until `read` makes something of it; the test's own time limit ends what never comes. */
export async function until<Value>(read: () => Promise<Value | undefined>): Promise<Value> {
  const clock = createClock()
  for (;;) {
    const value = await read()
    if (value !== undefined) return value
    await clock.sleep(20, new AbortController().signal)
  }
}

/** Resolves when the log answers. */
export const isBack = (log: ConversationLog): Promise<true> =>
  until(async () => {
    await log.probe().catch(() => undefined)
    return log.probe().then(
      () => true,
      () => undefined,
    )
  })
