/**
 * The door to the live link: decides over every upgrade on the listener, which bypasses hapi, and holds what may be open.
 *
 * Each refusal is an HTTP answer with the security headers and is reported by its reason. Behind the door `openSession` has
 * the socket; here only what is true of any socket: text, not too large, not too many pings, an end when the server ends.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Server } from '@hapi/hapi'
import { WebSocketServer, type ServerOptions as SocketOptions, type WebSocket } from 'ws'
import type { VisitorId } from '../conversation/ids.ts'
import {
  CONTROL_FRAMES_PER_MINUTE_MAX,
  DRAIN_GOODBYE_MS,
  FRAME_BYTES_MAX,
  FRAME_CHUNKS_MAX,
  FRAME_FRAGMENTS_MAX,
} from '../conversation/limits.ts'
import { SUBPROTOCOL } from '../protocol/protocol.ts'
import { takeToken, type Bucket } from '../resilience/token-bucket.ts'
import type { Events } from '../telemetry/events.ts'
import { isOurOrigin } from './forgery.ts'
import type { GatewayContext, GatewaySettings } from './gateway-context.ts'
import { rawResponse } from './listener.ts'
import { addressOf } from './request-address.ts'
import { LINK_PATH } from './routes.ts'
import { securityHeaders } from './security-headers.ts'
import type { Visitors } from './visitor.ts'

/** A browser's socket that has come through the door. */
export interface OpenLink {
  readonly socket: WebSocket
  readonly visitor: VisitorId
  /** Aborts when the server can keep it no longer: say goodbye and close. */
  readonly leaving: AbortSignal
}

/** Takes a socket over until it closes. Must not throw. */
export type OpenSession = (link: OpenLink) => void

type Reason = Parameters<Events['linkRefused']>[0]['reason']

interface Refusal {
  readonly reason: Reason
  readonly status: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What this server does with an upgrade before it knows who asks. */
export interface UpgradeFacts {
  readonly url: string | undefined
  readonly method: string | undefined
  readonly headers: Readonly<Record<string, unknown>>
}

const SOCKET_OPTIONS: SocketOptions & { readonly closeTimeout: number } = {
  // A peer that does not answer our goodbye is gone. (`ws` has it, its types do not.)
  closeTimeout: DRAIN_GOODBYE_MS,
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: FRAME_BYTES_MAX,
  maxFragments: FRAME_FRAGMENTS_MAX,
  maxBufferedChunks: FRAME_CHUNKS_MAX,
  handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
}

/** WebSocket's own words for a message of a kind that is not taken. */
const UNSUPPORTED_DATA = 1003

const DRAINING: Refusal = { reason: 'draining', status: '503 Service Unavailable', headers: { 'retry-after': '1' } }
const STRANGER: Refusal = { reason: 'session', status: '403 Forbidden' }
const MALFORMED: Refusal = { reason: 'version', status: '400 Bad Request' }
const CROWDED: Refusal = { reason: 'capacity', status: '503 Service Unavailable', headers: { 'retry-after': '5' } }
const GREEDY: Refusal = { reason: 'rate', status: '429 Too Many Requests', headers: { 'retry-after': '30' } }

/** Why an upgrade is refused that no cookie could save, or `undefined`; pure. */
export function refusalOf(
  { url, method, headers }: UpgradeFacts,
  settings: Pick<GatewaySettings, 'publicOrigin'> & { readonly path: string },
): Refusal | undefined {
  if (url?.split('?')[0] !== settings.path) return { reason: 'path', status: '404 Not Found' }
  if (method !== 'GET' || !isOurOrigin(headers['origin'], headers['host'], settings)) return { reason: 'origin', status: '403 Forbidden' }
  if (headers['sec-websocket-version'] !== '13') {
    return { reason: 'version', status: '426 Upgrade Required', headers: { 'sec-websocket-version': '13', upgrade: 'websocket' } }
  }
  const offered = headers['sec-websocket-protocol']
  const isOurs = typeof offered === 'string' && offered.split(',').some((protocol) => protocol.trim() === SUBPROTOCOL)
  return isOurs ? undefined : MALFORMED
}

/** What the door needs of the gateway. */
export type LinkContext = Pick<GatewayContext, 'settings' | 'events' | 'admission' | 'drain' | 'clock' | 'isWholeServer' | 'paths'>

/** What can be seen of the links at any moment. */
export interface LinkGauges {
  /** Bytes given to their sockets that have not left. */
  readonly bufferedBytes: () => number
}

export function registerLiveLink(server: Server, context: LinkContext, visitors: Visitors, openSession: OpenSession): LinkGauges {
  const { settings, events, admission, drain, isWholeServer, paths } = context
  const sockets = new WebSocketServer(SOCKET_OPTIONS)
  const open = new Set<WebSocket>()
  const headers = securityHeaders({ ...settings, paths })

  const refuse = (socket: Duplex, refusal: Refusal): void => {
    events.linkRefused({ transport: 'websocket', reason: refusal.reason })
    if (!socket.writable) return void socket.destroy()
    // A peer that keeps its own half open would hold the socket for ever.
    socket.once('finish', () => socket.destroy())
    socket.end(rawResponse(refusal.status, { ...headers, ...refusal.headers }))
    return undefined
  }

  const admit = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const { cookie } = request.headers
    const visitor = await visitors.ofCookies(cookie)
    if (visitor === undefined) return refuse(socket, STRANGER)
    const renewed = await visitors.refresh(cookie)
    if (renewed !== undefined) renewals.set(request, renewed)
    // Asked again: either may have happened meanwhile. From here on nothing is waited for.
    if (drain.begun.aborted) return refuse(socket, DRAINING)
    if (socket.destroyed) return undefined
    const place = admission.openLink(addressOf(request.socket.remoteAddress ?? '', request.headers, settings.trustedProxyHops))
    if (!place.ok) return refuse(socket, place.reason === 'rate' ? GREEDY : CROWDED)
    socket.once('close', place.release)
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      open.add(webSocket)
      webSocket.once('close', () => open.delete(webSocket))
      guard(webSocket, context)
      openSession({ socket: webSocket, visitor, leaving: drain.hold(webSocket) })
    })
    return undefined
  }

  const renewals = new WeakMap<IncomingMessage, string>()
  sockets.on('headers', (lines, request) => {
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
    const renewed = renewals.get(request)
    if (renewed !== undefined) lines.push(`set-cookie: ${renewed}`)
  })
  // Handshakes that `ws` itself finds malformed.
  sockets.on('wsClientError', (_error, socket) => refuse(socket, MALFORMED))

  server.listener.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Before `ws` listens for them: a reset in mid-handshake ends this socket and nothing else.
    socket.on('error', () => socket.destroy())
    const { url, method } = request
    // Somebody else's, on a server that is somebody else's.
    if (!isWholeServer && url?.split('?')[0] !== paths.at(LINK_PATH)) return
    const refusal =
      refusalOf({ url, method, headers: request.headers }, { ...settings, path: paths.at(LINK_PATH) }) ??
      (drain.begun.aborted ? DRAINING : undefined)
    if (refusal !== undefined) return refuse(socket, refusal)
    admit(request, socket, head).catch((cause: unknown) => {
      events.requestFailed({ method: 'GET', route: LINK_PATH, status: 500, reference: '', cause })
      socket.destroy()
    })
  })
  return { bufferedBytes: () => open.values().reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0) }
}

/** What holds for every socket, whatever is said over it. */
function guard(socket: WebSocket, { clock, events }: LinkContext): void {
  // `ws` closes the socket after an error with the fitting code; without a listener the process would end.
  socket.on('error', (error: NodeJS.ErrnoException) => events.frameRefused(error.code ?? error.name))
  socket.on('message', (_data, isBinary) => {
    if (isBinary) socket.close(UNSUPPORTED_DATA)
  })
  let bucket: Bucket | undefined
  const count = (): void => {
    const taken = takeToken(bucket, CONTROL_FRAMES_PER_MINUTE_MAX, clock.monotonic())
    bucket = taken.bucket
    // A goodbye would wait behind the flood.
    if (!taken.verdict.ok) socket.terminate()
  }
  socket.on('ping', count)
  socket.on('pong', count)
}
