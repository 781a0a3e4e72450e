/**
 * The words of `client-link.ts`: what a page knows, what can happen to it, and what it asks its shell to do.
 */
import type { DeviceId, LogId, MessageId, SessionId, TurnId } from '../conversation/ids.ts'
import type { Durability } from '../conversation/durability.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import type { ClientFrame, ServerFrame, ServiceStanding } from '../protocol/protocol.ts'
import type { Chance } from '../resilience/clock.ts'
import type { LogView } from './log-view.ts'
import type { OutboxChange, OutboxRow } from './outbox.ts'
import type { OutgoingQuestion } from './outgoing-questions.ts'

export interface ClientContext {
  /** Monotonic milliseconds. */
  readonly now: number
  readonly chance: Chance
  /** A device id that was never used, for a device whose numbers the log does not know any more. */
  readonly mintDevice: () => DeviceId
}

/** How a page follows: by a socket, or, where none gets through, by an event stream and requests. Both say the same frames. */
export type Rung = 'socket' | 'events'

/**
 * The socket, as far as the page knows. `failures` counts tries since a link last held; `socket` numbers them, so that
 * whatever an older one still says is ignored.
 */
export type LinkStatus =
  /** Between tries. */
  | { readonly status: 'waiting'; readonly failures: number; readonly retryAt: number }
  | { readonly status: 'connecting'; readonly failures: number; readonly socket: number; readonly by: number }
  /** Hello was sent; `from` is where the cursor stood that it named, 0 for none. */
  | { readonly status: 'greeting'; readonly failures: number; readonly socket: number; readonly by: number; readonly from: number }
  | OpenLink
  /** The server said never to come back; the form of the page still works. */
  | { readonly status: 'closed'; readonly code: number }

/** The way to another process while a link goes on. `failures` counts tries of this move. */
export type Move =
  /** To be begun at `at`. Unless it `mayStay`, the link is over then, and nothing is waited for. */
  | { readonly status: 'due'; readonly failures: number; readonly at: number; readonly mayStay: boolean }
  | { readonly status: 'connecting'; readonly failures: number; readonly socket: number; readonly by: number }
  /** As of a link that greets. */
  | { readonly status: 'greeting'; readonly failures: number; readonly socket: number; readonly by: number; readonly from: number }

export interface OpenLink {
  readonly status: 'open'
  readonly failures: number
  readonly socket: number
  readonly since: number
  readonly heardAt: number
  /** A snapshot of this log was announced and must come by then: entries mean nothing before it. */
  readonly snapshotDue: { readonly logId: LogId; readonly by: number } | undefined
  /** Something must be heard by then, because a probe was sent. */
  readonly probeBy: number | undefined
  /** No probe before then: a person who switches tabs to and fro must not use up the link's frames. */
  readonly probeAgainAt: number
  /** The server asked to move to another process. */
  readonly move: Move | undefined
  /** Where the view stood at the last ping that named a later head. */
  readonly behindAt: number | undefined
  /** Questions that may be on their way at once, as the server allows … */
  readonly maxInFlight: number
  /** … and now: one after the server asked to wait, doubling with each it takes. */
  readonly window: number
}

/** What the page knows of the device's storage. */
export type DeviceOutbox =
  /** There is none: the page holds its questions alone. */
  | { readonly status: 'absent' }
  /** `opening`: what was kept before is not known yet, so nothing is sent. `failing`: it did not do, or did not answer, what it was asked last. */
  | {
      readonly status: 'opening' | 'open' | 'failing'
      /** Changes it was asked for and has not answered, the oldest first; `at` monotonic ms. */
      readonly asked: readonly { readonly change: OutboxChange; readonly at: number }[]
      /** Until when what this page took is its own to send, monotonic ms. */
      readonly heldUntil: number
      /** Which life of the storage this is; another one has lost what was in it. */
      readonly birth: string | undefined
    }

/** What the page said when the server wrote it, which counts until a snapshot has come. */
export interface Rendered {
  /** The questions that it shows, all of them in the log … */
  readonly shown: readonly MessageId[]
  /** … at this entry or before it. */
  readonly head: number
  /** Entries up to here survive without the device. */
  readonly settled: number
}

export interface ClientLink {
  readonly session: SessionId
  readonly device: DeviceId
  /** This page among those of its session: it holds what it sends under this name. */
  readonly page: string
  readonly outbox: DeviceOutbox
  readonly link: LinkStatus
  /** How it is followed or tried. */
  readonly rung: Rung
  /** How it was followed last, and so how each try to come back begins. */
  readonly home: Rung
  /** A socket has worked on this page, on this network. */
  readonly isSocketProven: boolean
  /** A socket is tried although the events work: only as long as nobody notices. */
  readonly isTrial: boolean
  /** Not before then, monotonic ms. */
  readonly trialAt: number
  /** Sockets dialled so far. */
  readonly sockets: number
  /** What the device says of its network. */
  readonly isDeviceOnline: boolean
  readonly view: LogView
  readonly rendered: Rendered
  /** Those of the session that this page knows of, in the order in which they are sent, until they are settled and shown. */
  readonly questions: readonly OutgoingQuestion[]
  /** Settled and shown, and the device still keeps them. */
  readonly settledHere: readonly MessageId[]
  /** Turns that the person wants to stop and the log does not show to be stopping; on which socket it was said last. */
  readonly stops: readonly { readonly turnId: TurnId; readonly saidOn: number | undefined }[]
  /** The last number this device has given. */
  readonly lastNumber: number
  readonly durability: Durability | undefined
  /** Entries up to here survive without the device. */
  readonly settled: number
  readonly standing: ServiceStanding
  /** How often another log took the place of the one that was shown. */
  readonly forks: number
  /** The log is another one than the view is of; its snapshot, whichever link brings it, takes the view's place. */
  readonly isForked: boolean
  /** Digests that did not match the text shown. */
  readonly mismatches: number
  readonly reconnect: { readonly baseMs: number; readonly capMs: number }
}

export type ClientEvent =
  /** `former`: the page before this one in the same tab; `rung`: what worked there. */
  | { readonly type: 'start'; readonly former?: string | undefined; readonly rendered?: Rendered; readonly rung?: Rung }
  /** A person asked; the text has passed `checkQuestion`. */
  | { readonly type: 'ask'; readonly messageId: MessageId; readonly text: string; readonly inReplyTo: MessageId | undefined }
  | { readonly type: 'stop'; readonly turnId: TurnId }
  /** The person takes these back: refused or expired ones, and those that nobody has sent yet. */
  | { readonly type: 'withdraw'; readonly messageIds: readonly MessageId[] }
  /** The person wants this one sent although it has expired. */
  | { readonly type: 'revive'; readonly messageId: MessageId }
  /** The device's storage has done `change`; these are the session's rows since, at `at` of the device's clock. */
  | {
      readonly type: 'stored'
      readonly change: OutboxChange
      readonly rows: readonly OutboxRow[]
      readonly at: number
      readonly birth: string
    }
  /** It has not done it. `full`: for want of room. */
  | { readonly type: 'unstored'; readonly change: OutboxChange; readonly why: 'full' | 'failed' }
  /** Another page of this device may have changed something in the storage. */
  | { readonly type: 'hinted' }
  | { readonly type: 'opened'; readonly socket: number }
  | { readonly type: 'frames'; readonly socket: number; readonly frames: readonly Parsed<ServerFrame>[] }
  | { readonly type: 'closed'; readonly socket: number; readonly code: number }
  | { readonly type: 'online' }
  | { readonly type: 'offline' }
  /** The page is visible again, or came back from the back/forward cache, or a person asks to try now. */
  | { readonly type: 'woke' }
  /** The page is left; it may come back from the back/forward cache. */
  | { readonly type: 'left' }
  /** Answers the effect `verify`. */
  | { readonly type: 'verified'; readonly matches: boolean }
  | { readonly type: 'tick' }

export type ClientEffect =
  | { readonly type: 'connect'; readonly socket: number; readonly rung: Rung }
  | { readonly type: 'send'; readonly socket: number; readonly frames: readonly ClientFrame[] }
  | { readonly type: 'close'; readonly socket: number; readonly code: number }
  /** Have the device's storage do this, in the order it is asked; `stored` or `unstored` answers. */
  | { readonly type: 'store'; readonly change: OutboxChange }
  /** Compare the digest of a finished answer's text with the log's. */
  | { readonly type: 'verify'; readonly text: string; readonly sha256: string }

export type ClientStep = readonly [ClientLink, readonly ClientEffect[]]
