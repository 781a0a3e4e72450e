import type { RawData, WebSocket } from 'ws'
import type { AgentSocketEnd, OpenAgentSocket } from './agent-socket.ts'

const NORMAL = 1000

/** The socket port on the `ws` package; its class is passed in, so that only `app/` can open connections. */
export const createWsAgentSockets =
  (Socket: typeof WebSocket): OpenAgentSocket =>
  ({ url, headers, messageBytesMax }, listener) => {
    const socket = new Socket(url, { headers, maxPayload: messageBytesMax, perMessageDeflate: false, followRedirects: false })
    let hasOpened = false
    let hasEnded = false
    let fault: Error | undefined
    const end = (how: AgentSocketEnd): void => {
      if (hasEnded) return
      hasEnded = true
      listener.ended(how)
    }
    socket.on('open', () => {
      hasOpened = true
      listener.opened()
    })
    socket.on('message', (data, isBinary) => {
      if (hasEnded) return
      if (!isBinary) return listener.message(textOf(data))
      end({ type: 'violated', cause: undefined })
      socket.terminate()
    })
    socket.on('ping', () => listener.alive())
    socket.on('pong', () => listener.alive())
    socket.on('unexpected-response', (_request, response) => {
      end({ type: 'refused', status: response.statusCode, retryAfter: response.headers['retry-after'], cause: undefined })
      socket.terminate()
    })
    // `ws` reports every failure here first and then closes.
    socket.on('error', (error) => {
      fault ??= error
    })
    socket.on('close', (code) => {
      if (!hasOpened) end({ type: 'refused', status: undefined, retryAfter: undefined, cause: fault })
      else if (isViolation(fault)) end({ type: 'violated', cause: fault })
      else end({ type: 'closed', code })
    })
    const isOpen = (): boolean => socket.readyState === Socket.OPEN
    return {
      send(text) {
        // A message that cannot be delivered any more is told by the connection's end.
        if (isOpen()) socket.send(text, () => undefined)
      },
      ping() {
        if (isOpen()) socket.ping(undefined, undefined, () => undefined)
      },
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      close: () => socket.close(NORMAL),
      cut: () => socket.terminate(),
    }
  }

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8')
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8')
}

/** `ws` names what the other side did against the protocol `WS_ERR_…`. */
const isViolation = (fault: Error | undefined): boolean =>
  fault !== undefined && 'code' in fault && typeof fault.code === 'string' && fault.code.startsWith('WS_ERR_')
