/**
 * The real browser behind `browser-env.ts`. The only file of the page with chance and sockets of its own.
 */
import { SUBPROTOCOL } from '../protocol/protocol.ts'
import { mintDeviceId, type RandomBytes } from '../conversation/ids.ts'
import type { BrowserEnv, BrowserSocket, PostForm, SocketListener } from './browser-env.ts'
import { createIndexedOutbox } from './indexed-outbox.ts'
import { clock } from './window-clock.ts'

const ABNORMAL = 1006
const POST_MAX_MS = 10_000

const randomBytes: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count))

/** @param path of the live link on this origin, such as `/ws` */
export function createWindowEnv(path: string): BrowserEnv {
  return {
    clock,
    chance: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
    randomBytes,
    isOnline: () => navigator.onLine,
    openSocket: (listener) => openSocket(new URL(path, location.href), listener),
    digest,
    onPageEvent(listener) {
      addEventListener('online', () => listener('online'))
      addEventListener('offline', () => listener('offline'))
      addEventListener('pageshow', (event) => {
        if (event.persisted) listener('woke')
      })
      document.addEventListener('visibilitychange', () => {
        if (document.visibilityState === 'visible') listener('woke')
      })
      addEventListener('pagehide', () => listener('left'))
    },
    openOutbox: (scope) => createIndexedOutbox(scope, { now: () => clock.now(), mintBirth: () => mintDeviceId(randomBytes) }),
    succeed,
  }
}

/** Survives a reload and a crash of the tab, and nothing else. */
const TAB_KEY = 'chat-page'

function succeed(page: string): string | undefined {
  try {
    const former = sessionStorage.getItem(TAB_KEY) ?? undefined
    sessionStorage.setItem(TAB_KEY, page)
    return former
  } catch {
    // A browser that keeps nothing: what an earlier page was sending is free when its lease is over.
    return undefined
  }
}

function openSocket(url: URL, listener: SocketListener): BrowserSocket {
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  let socket: WebSocket
  try {
    socket = new WebSocket(url, SUBPROTOCOL)
  } catch {
    // A browser without sockets, or one whose policy forbids them, is one that cannot connect: the link's rules say what then.
    queueMicrotask(() => listener.closed(ABNORMAL))
    return { send: () => undefined, close: () => undefined }
  }
  socket.addEventListener('open', () => listener.opened())
  socket.addEventListener('message', ({ data }) => listener.received(String(data)))
  // `error` says nothing that the `close` after it does not.
  socket.addEventListener('close', ({ code }) => listener.closed(code))
  return {
    send(text) {
      // Between the loss of a link and its `close` the browser would throw away what is sent; the link sends it again later.
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    close: (code) => socket.close(code),
  }
}

async function digest(text: string): Promise<string | undefined> {
  // Only pages on secure origins and localhost have it.
  if (!isSecureContext) return undefined
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The server answers a form that it took with the way to its result; everything else, no answer among it, is unknown or a no. */
export const postForm: PostForm = async (action, fields) => {
  try {
    const signal = AbortSignal.timeout(POST_MAX_MS)
    const { type } = await fetch(action, { method: 'POST', body: fields, redirect: 'manual', signal })
    return type === 'opaqueredirect'
  } catch {
    // Whoever asked sends it again under the same id.
    return false
  }
}
