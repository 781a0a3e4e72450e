/**
 * The HTTP server under hapi, and how hapi is to be set up around it. Made here, opened by app/ only.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Server as HapiServer, ServerOptions } from '@hapi/hapi'
import { CONNECTION_CHECK_INTERVAL_MS, HEADERS_TIMEOUT_MS, REQUEST_BYTES_MAX, REQUEST_TIMEOUT_MS } from '../conversation/limits.ts'
import type { Events } from '../telemetry/events.ts'
import { RequestError, ValidationError } from './errors.ts'
import type { Scope } from './scope.ts'
import type { HeaderList } from './security-headers.ts'

/** hapi's own payload time-out is not enforced on a stalled body; Node's are. */
export const createListener = (): Server =>
  createServer({
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: CONNECTION_CHECK_INTERVAL_MS,
    // `refuseMissingHost` does it, with our headers.
    requireHostHeader: false,
    // Some HTTP clients offer to go on in HTTP/2 with every request; that is no reason to refuse it.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
  })

/** The hapi options the gateway relies on; `server.start()` then listens on `host` and `port`. */
export const serverOptions = (listener: Server, place: { readonly host: string; readonly port: number }): ServerOptions => ({
  ...place,
  listener,
  // Failures are reported as events; hapi's own console output would repeat them with internals.
  debug: false,
  router: { stripTrailingSlash: true },
  // A compressor would gather the events of a stream instead of letting each one through.
  mime: { override: { 'text/event-stream': { compressible: false } } },
  // Other services on the same domain set cookies, too; odd ones are theirs and must not break a request to us.
  state: { strictHeader: false, ignoreErrors: true },
  routes: {
    // `visitor.ts` reads the one cookie we have itself.
    state: { parse: false, failAction: 'ignore' },
    payload: { maxBytes: REQUEST_BYTES_MAX, multipart: false },
  },
})

const PARSER_STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/**
 * Answers what is not HTTP, and what does not arrive in time, with the security headers, which hapi's own answers lack.
 *
 * Nonsense in the body of a request that hapi has begun to handle is left to hapi, whose answer has them.
 */
export function answerParserErrors(server: HapiServer, headers: HeaderList, events: Pick<Events, 'requestFailed'>): void {
  const { listener } = server
  const begun = new WeakMap<object, Set<ServerResponse>>()
  listener.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const responses = begun.get(socket) ?? new Set()
    begun.set(socket, responses.add(response))
    response.once('close', () => responses.delete(response))
  })
  const hapis = listener.listeners('clientError')
  listener.removeAllListeners('clientError')
  listener.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const responses = [...(begun.get(socket) ?? [])]
    // Written between two answers of one connection, ours would garble them.
    const isFree =
      responses.length === 0 || (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && responses.length === 1 && !responses[0]?.headersSent)
    if (!isFree) return hapis.forEach((answer) => Reflect.apply(answer, listener, [error, socket]))
    if (!socket.writable || error.code === 'ECONNRESET') return socket.destroy()
    const status = PARSER_STATUS[error.code ?? ''] ?? '400 Bad Request'
    events.requestFailed({ method: 'unknown', route: 'parser', status: Number.parseInt(status, 10), reference: '', cause: error })
    socket.end(rawResponse(status, headers))
  })
}

/** HTTP/1.1 demands a host; Node would refuse its absence itself, without our headers. */
export function refuseMissingHost(scope: Scope): void {
  scope.onBegin(({ headers, raw }, h) => {
    if (headers['host'] !== undefined || raw.req.httpVersion === '1.0') return h.continue
    throw new ValidationError([{ where: 'header.host', problem: 'is required' }])
  })
}

/**
 * Refuses bodies in an encoding before anybody begins to read them. Where a body is refused for another reason, hapi's decoder has nobody who
 * hears of its failure, and a failure that nobody hears of ends the process.
 */
export function refuseEncodedBodies(scope: Scope): void {
  scope.onBegin(({ headers, method }, h) => {
    const encoding = headers['content-encoding']
    if (encoding === undefined || encoding === 'identity' || method === 'get' || method === 'head') return h.continue
    throw new RequestError(415, 'UNSUPPORTED_MEDIA_TYPE')
  })
}

/** A whole answer without a body, for sockets that hapi does not know. */
export const rawResponse = (status: string, headers: HeaderList): string =>
  [
    `HTTP/1.1 ${status}`,
    ...Object.entries({ ...headers, connection: 'close', 'content-length': '0' }).map(([name, value]) => `${name}: ${value}`),
    '\r\n',
  ].join('\r\n')
