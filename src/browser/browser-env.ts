/**
 * What the page needs of the browser, as a port: the real one is `window-env.ts`, tests and the simulation bring their own.
 */
import type { RandomBytes } from '../conversation/ids.ts'
import type { Chance, Clock } from '../resilience/clock.ts'

/** One socket; after `closed` it says nothing more. */
export interface BrowserSocket {
  send(text: string): void
  close(code: number): void
}

export interface SocketListener {
  opened(): void
  received(text: string): void
  closed(code: number): void
}

/** What happens to the page. `woke`: it is visible again, or came back from the back/forward cache. */
export type PageEvent = 'online' | 'offline' | 'woke'

export interface BrowserEnv {
  readonly clock: Clock
  readonly chance: Chance
  readonly randomBytes: RandomBytes
  /** What the device says of its network now. */
  readonly isOnline: () => boolean
  /** Dials the server's live link. What goes wrong is told by `closed`, never thrown. */
  openSocket(listener: SocketListener): BrowserSocket
  /** SHA-256 of the text's UTF-8 in hex; `undefined` where the browser has none to offer (plain HTTP). */
  digest(text: string): Promise<string | undefined>
  onPageEvent(listener: (event: PageEvent) => void): void
}

/** Posts a form's fields to an address of this origin without leaving the page; whether the server took them. Never rejects. */
export type PostForm = (action: string, fields: URLSearchParams) => Promise<boolean>
