/**
 * Shows that the live link works, the way a browser would find out: through the real listener, with a cookie and an Origin of ours,
 * up to the first ping. It says no hello, so no session and no conversation ever sees it.
 */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { LINK_PATH } from '../gateway/routes.ts'
import { SUBPROTOCOL } from '../protocol/protocol.ts'

const NORMAL = 1000

export interface LinkPlace {
  /** Where the service is, without a slash at the end. */
  readonly url: string
  /** What browsers send as `Origin`. */
  readonly origin: string
}

/** @throws when the handshake is refused or no ping is answered before the signal aborts. */
export async function checkLink({ url, origin }: LinkPlace, signal: AbortSignal): Promise<void> {
  // The start page greets a new visitor with a cookie, and comes up whatever the store does.
  const response = await fetch(url, { signal })
  await response.body?.cancel()
  const cookie = response.headers
    .getSetCookie()
    .map((header) => header.split(';')[0])
    .join('; ')
  const socket = new WebSocket(url.replace(/^http/, 'ws') + LINK_PATH, SUBPROTOCOL, {
    headers: { cookie, origin },
    perMessageDeflate: false,
  })
  // `once` rejects with the first error; one that comes later must not end the process.
  socket.on('error', () => undefined)
  try {
    await once(socket, 'open', { signal })
    const ponged = once(socket, 'pong', { signal })
    socket.ping()
    await ponged
    // In order, so that our own look does not count among the links that broke.
    socket.close(NORMAL)
  } catch (error) {
    socket.terminate()
    throw error
  }
}
