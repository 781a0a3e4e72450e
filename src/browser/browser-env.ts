/**
 * What the page needs of the browser, as a port: the real one is `window-env.ts`, tests and the simulation bring their own.
 */
import type { MessageId, RandomBytes, TurnId } from '../conversation/ids.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import type { Rung } from './client-link-state.ts'
import type { OutboxChange, OutboxRow, OutboxScope } from './outbox.ts'

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

/**
 * What happens to the page. `woke`: it is visible again, or came back from the back/forward cache. `left`: the person went elsewhere; it
 * may come back.
 */
export type PageEvent = 'online' | 'offline' | 'woke' | 'left'

/** What came of a change. `at` in milliseconds since the epoch; `birth` is another one once the storage has lost what was in it. */
export type OutboxOutcome =
  | { readonly type: 'stored'; readonly rows: readonly OutboxRow[]; readonly at: number; readonly birth: string }
  | { readonly type: 'unstored'; readonly why: 'full' | 'failed' }

/** What the device keeps of one visitor's questions in one session. */
export interface OutboxStore {
  /**
   * Does `change` in one transaction, after those asked for before, and gives all rows there are then. What it resolves with `stored` is
   * on the disk. Never rejects.
   */
  apply(change: OutboxChange): Promise<OutboxOutcome>
  /** `listener` hears that another page may have changed something; only a hint. */
  onHint(listener: () => void): void
}

export interface BrowserEnv {
  readonly clock: Clock
  readonly chance: Chance
  readonly randomBytes: RandomBytes
  /** What the device says of its network now. */
  readonly isOnline: () => boolean
  /** Dials the server's live link. What goes wrong is told by `closed`, never thrown. */
  openSocket(listener: SocketListener): BrowserSocket
  /** The same without a socket. `questionOf`: the question that a turn answers, when the page shows it. */
  openEvents(listener: SocketListener, questionOf: (turnId: TurnId) => MessageId | undefined): BrowserSocket
  /** How an earlier page of this tab followed, when that is known … */
  formerRung(): Rung | undefined
  /** … and how this one does. */
  rememberRung(rung: Rung): void
  /** SHA-256 of the text's UTF-8 in hex; `undefined` where the browser has none to offer (plain HTTP). */
  digest(text: string): Promise<string | undefined>
  onPageEvent(listener: (event: PageEvent) => void): void
  /** `undefined` where the device keeps nothing. */
  openOutbox(scope: OutboxScope): OutboxStore | undefined
  /** Notes that `page` is the one in this tab, and gives the one before it, when that is known. */
  succeed(page: string): string | undefined
}

/** Posts a form's fields to an address of this origin without leaving the page; whether the server took them. Never rejects. */
export type PostForm = (action: string, fields: URLSearchParams) => Promise<boolean>
