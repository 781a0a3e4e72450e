/**
 * The real browser behind `browser-env.ts`. The only file of the page with chance and sockets of its own.
 */
import { SUBPROTOCOL } from '../protocol/protocol.ts'
import { mintDeviceId, type RandomBytes } from '../conversation/ids.ts'
import type { BrowserEnv, BrowserSocket, PostForm, SocketListener } from './browser-env.ts'
import type { Rung } from './client-link-state.ts'
import type { EventLinkOptions } from './event-link.ts'
import { createIndexedOutbox } from './indexed-outbox.ts'
import { clock } from './window-clock.ts'

const ABNORMAL = 1006
const POST_MAX_MS = 10_000

const randomBytes: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count))

/** Where the live link is, and the session in the API: paths on this origin. */
export interface ServerPaths {
  readonly linkPath: string
  readonly sessionPath: string
}

export function createWindowEnv({ linkPath, sessionPath }: ServerPaths): BrowserEnv {
  // While the server is there: a browser may remember for the whole page that a script could not be loaded.
  loadEventLink().catch(reportError)
  return {
    clock,
    chance: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
    randomBytes,
    isOnline: () => navigator.onLine,
    openSocket: (listener) => openSocket(new URL(linkPath, location.href), listener),
    openEvents: (listener, questionOf) => openEvents({ sessionPath, listener, questionOf, fetch: (...request) => fetch(...request) }),
    formerRung,
    rememberRung: (rung) => void keepForTab(RUNG_KEY, rung),
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
    succeed: (page) => keepForTab(PAGE_KEY, page),
  }
}

/** What survives a reload and a crash of the tab, and nothing else. */
const PAGE_KEY = 'chat-page'
const RUNG_KEY = 'chat-link'

/** Returns what was there before; `undefined` in a browser that keeps nothing: then a page does not know what was there before it. */
function keepForTab(key: string, value: string): string | undefined {
  try {
    const before = sessionStorage.getItem(key) ?? undefined
    sessionStorage.setItem(key, value)
    return before
  } catch {
    return undefined
  }
}

function formerRung(): Rung | undefined {
  try {
    return sessionStorage.getItem(RUNG_KEY) === 'events' ? 'events' : undefined
  } catch {
    return undefined
  }
}

const loadEventLink = () => import('./loaded-later.ts')

function openEvents(options: EventLinkOptions): BrowserSocket {
  let link: BrowserSocket | undefined
  let isClosed = false
  const open = async (): Promise<void> => {
    const { openEventLink } = await loadEventLink()
    if (!isClosed) link = openEventLink(options)
  }
  open().catch(() => options.listener.closed(ABNORMAL))
  return {
    send: (text) => link?.send(text),
    close(code) {
      isClosed = true
      link?.close(code)
    },
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
