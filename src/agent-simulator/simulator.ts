/**
 * The agent simulator: an HTTP server that takes agent connections, is told how to fail, and says what reached it.
 *
 * It stands in for a team's agent in development and tests. It listens where it is told, answers from the guidance, and knows
 * nothing of the service that asks, but for what that says of itself to whoever watches.
 */
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { ChatServiceError } from '../chat-service-error.ts'
import type { RandomBytes } from '../conversation/ids.ts'
import { SIMULATOR_CLOSE_MAX_MS, SIMULATOR_CONNECTIONS_MAX, SIMULATOR_MESSAGE_BYTES_MAX } from '../conversation/limits.ts'
import type { Guidance } from '../guidance/guidance.ts'
import type { Clock } from '../resilience/clock.ts'
import { AgentLink, type AgentWorld } from './agent-link.ts'
import { handleControl, type Control, type ServiceWatch } from './control.ts'
import type { Plan } from './fault.ts'
import { createHttpAgent } from './http-agent.ts'
import { decide, doorOf, startFaults, type Decision, type Occasion, type Pace } from './faults.ts'
import { createStats } from './stats.ts'

export interface SimulatorOptions {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  readonly plan: Plan
  /** For plans that bring none. */
  readonly seed: number
  readonly pace: Pace
  readonly guidance: Guidance
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** What the service says that asks this agent, for whoever watches. */
  readonly service?: ServiceWatch | undefined
}

export interface Simulator extends AsyncDisposable {
  /** For `AGENT_URL`; the addresses of its other forms are below the control. */
  readonly url: string
  /** The page and the HTTP control. */
  readonly controlUrl: string
}

/** It cannot listen. Not retryable: a person must choose another place. The message says what is wrong. */
export class SimulatorStartError extends ChatServiceError {
  override name = 'SimulatorStartError'

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, { code: 'SIMULATOR_START_ERROR', statusCode: 500, isRetryable: false, cause: options.cause })
  }
}

const GOING_AWAY = 1001
/** A connection that dies during its handshake was nobody's yet. */
const ignoreLoss = (): void => undefined
const HEADER_FORM = /^[\x21-\x7e]{1,200}$/

/**
 * Resolves when it takes connections; disposing of it closes them all.
 *
 * @throws SimulatorStartError when it cannot listen.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { clock } = options
  const stats = createStats()
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: SIMULATOR_MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    // Silence is one of the faults.
    autoPong: false,
  })
  const { pace, decideAt, door, control } = createFaultControl(options)
  const world: AgentWorld = { ...options, stats, pace, decideQuestion: () => decideAt('question'), door }
  const agent = createHttpAgent({ ...world, decideHandshake: () => decideAt('handshake') })
  const readStats = () => stats.read(sockets.clients.size + agent.openConnections)
  const http = createServer((request, response) => {
    if (agent.handle(request, response)) return
    handleControl({ ...control, readStats, resetStats: () => stats.reset(), service: options.service }, request, response)
  })
  http.on('upgrade', (request, socket: Duplex, head) => {
    socket.on('error', ignoreLoss)
    const caller = callerOf(request)
    if (!caller.ok) return refuse(socket, { status: 400, code: 'VALIDATION_ERROR', message: caller.problem })
    if (sockets.clients.size >= SIMULATOR_CONNECTIONS_MAX)
      return refuse(socket, { status: 503, code: 'OVERLOAD', message: 'too many connections' })
    const decision = decideAt('handshake')
    if (decision.type === 'refuse') {
      stats.count('refusals')
      return refuse(socket, { ...decision, code: 'REFUSED', message: 'the simulator was told to take no connections' })
    }
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      socket.off('error', ignoreLoss)
      stats.count('connections')
      const isSilent = decision.type === 'silence'
      if (isSilent) stats.fault('silent')
      void new AgentLink(accepted, world, { sessionId: caller.sessionId, isSilent })
    })
  })

  const address = await listen(http, options)
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `ws://${host}:${address.port}/`,
    controlUrl: `http://${host}:${address.port}/`,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>()
      http.close(() => closed.resolve())
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'the simulator stops')
      agent.cut()
      const callOff = clock.schedule(SIMULATOR_CLOSE_MAX_MS, () => {
        for (const socket of sockets.clients) socket.terminate()
        http.closeAllConnections()
      })
      http.closeIdleConnections()
      await closed.promise
      callOff()
    },
  }
}

interface FaultControl {
  readonly pace: () => Pace
  readonly decideAt: (occasion: Occasion) => Decision
  readonly door: AgentWorld['door']
  readonly control: Pick<Control, 'readFaults' | 'setPlan' | 'setPace'>
}

/** The faults in force, as one state that everybody asks and the control changes. */
function createFaultControl({ clock, plan, seed, pace: firstPace }: SimulatorOptions): FaultControl {
  const now = (): number => clock.monotonic()
  let state = startFaults(plan, seed, now())
  let pace = firstPace
  return {
    pace: () => pace,
    decideAt(occasion) {
      const [next, decision] = decide(state, occasion, now())
      state = next
      return decision
    },
    door: () => doorOf(state, now()),
    control: {
      readFaults: () => ({ state, pace, now: now() }),
      setPlan: (next) => {
        state = startFaults(next, state.seed, now())
      },
      setPace: (next) => {
        pace = { ...pace, ...next }
      },
    },
  }
}

type Caller = { readonly ok: true; readonly sessionId: string } | { readonly ok: false; readonly problem: string }

/** Who asks, from the two headers that every agent connection must have. */
function callerOf({ headers }: IncomingMessage): Caller {
  for (const name of ['X-Session-ID', 'X-User-ID']) {
    const value = headers[name.toLowerCase()]
    if (value === undefined) return { ok: false, problem: `the handshake has no ${name} header` }
    if (typeof value !== 'string' || !HEADER_FORM.test(value)) {
      return { ok: false, problem: `the ${name} header must be 1 to 200 visible ASCII characters` }
    }
  }
  return { ok: true, sessionId: String(headers['x-session-id']) }
}

interface Refusal {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly retryAfterMs?: number | undefined
}

/** Answers a handshake with HTTP instead of a connection. */
function refuse(socket: Duplex, { status, code, message, retryAfterMs }: Refusal): void {
  const body = JSON.stringify({ error: { code, message, isRetryable: status >= 500 || status === 429 } })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(retryAfterMs === undefined ? [] : [`Retry-After: ${Math.ceil(retryAfterMs / 1_000)}`]),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

async function listen(server: Server, { host, port }: SimulatorOptions): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port }, resolve)
  try {
    await promise
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    const why =
      code === 'EADDRINUSE'
        ? `port ${port} on ${host} is in use. Choose another with --port or SIMULATOR_PORT`
        : `${host} port ${port} (${code})`
    throw new SimulatorStartError(`The agent simulator cannot listen: ${why}.`, { cause })
  }
  server.off('error', reject)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new SimulatorStartError('The agent simulator has no address (SIM-2).')
  return address
}
