/**
 * The real world: time, chance and the terminal. Everything else takes them as parameters, so that tests bring their own.
 */
import { createHash, randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import os from 'node:os'
import type { RandomBytes } from '../conversation/ids.ts'
import { WebSocket } from 'ws'
import { AgUiAgent } from '../agent/ag-ui-agent.ts'
import type { Agent } from '../agent/agent.ts'
import { createNodeAgentHttp } from '../agent/node-agent-http.ts'
import { OpenAiAgent } from '../agent/openai-agent.ts'
import { WebSocketAgent } from '../agent/websocket-agent.ts'
import { createWsAgentSockets } from '../agent/ws-agent-socket.ts'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { openRedisLog } from '../conversation-log/redis-log.ts'
import { openSqliteLog } from '../conversation-log/sqlite-log.ts'
import type { LogPorts } from '../conversation-log/sync-log.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import type { Events } from '../telemetry/events.ts'
import { realDisk, type LogDisk } from '../telemetry/log-files.ts'
import type { LineWriter } from '../telemetry/log.ts'
import type { Config } from './config.ts'
import { storeFileIn } from './data-folder.ts'
import { checkLink, type LinkPlace } from './link-check.ts'

/** What the service needs of the world around it, beside its settings. */
export interface Ports {
  readonly clock: Clock
  readonly chance: Chance
  readonly randomBytes: RandomBytes
  /** SHA-256 of UTF-8 text, in lower-case hexadecimal. */
  readonly digest: (text: string) => string
  /** Where log lines go. */
  readonly writeLine: LineWriter
  /** Where log files are. */
  readonly logDisk: LogDisk
  /** Which machine or container this is, for the log. */
  readonly hostName: string
  /** Whether the platform's own metrics are collected, which needs timers for as long as the process lives. */
  readonly measuresRuntime: boolean
  /** Opens the store that the settings name. `onFatal` is called once when it can no longer be trusted. */
  readonly openLog: (config: Config, ports: OpenLogPorts, onFatal: (cause: unknown) => void) => Promise<ConversationLog>
  /** Connects to nothing yet: the agent that the settings name. */
  readonly createAgent: (config: Config, ports: AgentPorts) => Agent
  /** Shows that the live link takes a connection and answers a ping; rejects when it does not. */
  readonly checkLink: (place: LinkPlace, signal: AbortSignal) => Promise<void>
}

type OpenLogPorts = LogPorts & { readonly chance: Chance; readonly events: Events }
type AgentPorts = Pick<Ports, 'clock' | 'randomBytes'> & { readonly events: Pick<Events, 'agentStrayed'> }

/** What one timer of the platform can wait for, in milliseconds. */
const TIMER_MS_MAX = 2 ** 31 - 1
/** A reader of our output that has stalled for this long costs lines, not answers (operations reference §3). */
const STALL_MS_MAX = 250
const STALL_STEP_MS = 5

/** The ports of a running process. */
export const createPorts = (): Ports => ({
  clock: createClock(),
  chance: Math.random,
  randomBytes: (count) => new Uint8Array(randomBytes(count)),
  digest: (text) => createHash('sha256').update(text, 'utf8').digest('hex'),
  writeLine: createLineWriter(fileDescriptorOf(process.stdout)),
  logDisk: realDisk,
  hostName: os.hostname(),
  measuresRuntime: true,
  checkLink,
  openLog: ({ dataDir, redis }, ports, onFatal) =>
    redis === undefined
      ? openSqliteLog({ file: storeFileIn(dataDir), onFatal }, ports)
      : openRedisLog({ ...redis, onFatal }, { ...ports, network: ports }),
  createAgent,
})

function createAgent({ agent: { protocol, url, model = '', apiKey } }: Config, { clock, randomBytes: random, events }: AgentPorts): Agent {
  const send = createNodeAgentHttp({ http: httpRequest, https: httpsRequest })
  switch (protocol) {
    case 'messages':
      return new WebSocketAgent({ url, apiKey, clock, random, open: createWsAgentSockets(WebSocket), onStray: events.agentStrayed })
    case 'openai':
      return new OpenAiAgent({ url, model, apiKey, clock, send })
    case 'ag-ui':
      return new AgUiAgent({ url, apiKey, clock, random, send })
  }
}

/** Calls `then` after `ms` milliseconds, however long that is, unless called off. */
function schedule(ms: number, then: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (leftMs: number): void => {
    const nowMs = Math.min(leftMs, TIMER_MS_MAX)
    timer = setTimeout(() => (leftMs > nowMs ? wait(leftMs - nowMs) : then()), nowMs)
  }
  wait(Math.max(0, ms))
  return () => clearTimeout(timer)
}

/** The machine's clock. */
export const createClock = (): Clock => ({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule,
  async sleep(ms, signal) {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const cancel = schedule(ms, resolve)
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      cancel()
      signal.removeEventListener('abort', onAbort)
    }
  },
})

/** Whoever has looked at the stream has made its pipe one that says when it is full, instead of waiting for a reader for ever. */
const fileDescriptorOf = ({ fd }: { readonly fd: number }): number => fd

/**
 * Writes lines to a file descriptor before it returns, so that none is lost when the process ends.
 *
 * A pipe that is full is waited for, `STALL_MS_MAX` in all; then the line is given up and the writer throws. After that nothing is
 * waited for until a line has gone through again, so that a reader that has stalled does not stop the process with every line.
 */
export function createLineWriter(fd: number): LineWriter {
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  let isCutOff = false
  let patienceMs = STALL_MS_MAX
  return (line) => {
    // A line given up in its middle must not swallow the next one.
    let bytes = Buffer.from(isCutOff ? `\n${line}` : line)
    const whole = bytes.length
    let waitedMs = 0
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(writeSync(fd, bytes))
        isCutOff = bytes.length > 0
      } catch (error) {
        const isFull = error instanceof Error && 'code' in error && error.code === 'EAGAIN'
        if (!isFull || waitedMs >= patienceMs) {
          patienceMs = 0
          isCutOff ||= bytes.length < whole
          throw error
        }
        Atomics.wait(sleeper, 0, 0, STALL_STEP_MS)
        waitedMs += STALL_STEP_MS
      }
    }
    patienceMs = STALL_MS_MAX
  }
}
