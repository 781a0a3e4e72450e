import type { IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import type { AgentHttpResponse, SendAgentRequest } from './agent-http.ts'

/** `request` of `node:http` and of `node:https`; passed in, so that only `app/` can open connections. */
export interface NodeRequests {
  readonly http: typeof request
  readonly https: typeof request
}

/**
 * The HTTP port on Node's own client, which follows nothing and has no time limits of its own.
 *
 * Connections are not kept: what one person's answer leaves behind can then never be read as another's, and none is used that the
 * agent has closed meanwhile.
 */
export const createNodeAgentHttp =
  (requests: NodeRequests): SendAgentRequest =>
  async ({ method, url, headers, body }, { signal, onConnected }) => {
    const { promise, resolve, reject } = Promise.withResolvers<AgentHttpResponse>()
    const target = new URL(url)
    const isSecure = target.protocol === 'https:'
    const outgoing = (isSecure ? requests.https : requests.http)(target, {
      method,
      signal,
      headers: { ...headers, 'accept-encoding': 'identity', connection: 'close' },
    })
    let answer: IncomingMessage | undefined
    outgoing.on('socket', (socket) => {
      // One that a proxy has brought stands already.
      if (isStanding(socket)) onConnected()
      else socket.once(isSecure ? 'secureConnect' : 'connect', onConnected)
    })
    outgoing.on('response', (incoming) => {
      answer = incoming
      // It is told to whoever reads the body, and there may be nobody.
      incoming.on('error', () => undefined)
      resolve(responseOf(incoming))
    })
    // After the head it is what ended the body, and says more than that the body ended.
    outgoing.on('error', (error) => (answer === undefined ? reject(error) : answer.destroy(error)))
    outgoing.end(body)
    return promise
  }

const isStanding = (socket: Socket): boolean => !socket.connecting && !('secureConnecting' in socket && socket.secureConnecting === true)

const responseOf = (incoming: IncomingMessage): AgentHttpResponse => ({
  status: incoming.statusCode ?? 0,
  header(name) {
    const value = incoming.headers[name]
    return Array.isArray(value) ? value[0] : value
  },
  body: incoming,
})
