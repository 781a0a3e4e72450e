/**
 * The words of `client-link.ts`: what a page knows, what can happen to it, and what it asks its shell to do.
 */
import type { DeviceId, LogId, MessageId, SessionId, TurnId } from '../conversation/ids.ts'
import type { Durability } from '../conversation/durability.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import type { ClientFrame, LEVELS, ServerFrame } from '../protocol/protocol.ts'
import type { Chance } from '../resilience/clock.ts'
import type { LogView } from './log-view.ts'
import type { OutgoingQuestion } from './outgoing-questions.ts'

export interface ClientContext {
  /** Monotonic milliseconds. */
  readonly now: number
  readonly chance: Chance
  /** A device id that was never used, for a device whose numbers the log does not know any more. */
  readonly mintDevice: () => DeviceId
}

/**
 * The socket, as far as the page knows. `failures` counts tries since a link last held; `socket` numbers them, so that
 * whatever an older one still says is ignored.
 */
export type LinkStatus =
  /** Between tries. */
  | { readonly status: 'waiting'; readonly failures: number; readonly retryAt: number }
  | { readonly status: 'connecting'; readonly failures: number; readonly socket: number; readonly by: number }
  /** Hello was sent. */
  | { readonly status: 'greeting'; readonly failures: number; readonly socket: number; readonly by: number }
  | OpenLink
  /** The server said never to come back; the form of the page still works. */
  | { readonly status: 'closed'; readonly code: number }

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
  /** The server asked to move to another process by then. */
  readonly moveAt: number | undefined
  /** Where the view stood at the last ping that named a later head. */
  readonly behindAt: number | undefined
  /** Questions that may be on their way at once, as the server allows … */
  readonly maxInFlight: number
  /** … and now: one after the server asked to wait, doubling with each it takes. */
  readonly window: number
}

export interface ClientLink {
  readonly session: SessionId
  readonly device: DeviceId
  readonly link: LinkStatus
  /** Sockets dialled so far. */
  readonly sockets: number
  /** What the device says of its network. */
  readonly isDeviceOnline: boolean
  readonly view: LogView
  /** Of this page, in the order of their numbers, until they are settled and shown. */
  readonly questions: readonly OutgoingQuestion[]
  /** Turns that the person wants to stop and the log does not show to be stopping; on which socket it was said last. */
  readonly stops: readonly { readonly turnId: TurnId; readonly saidOn: number | undefined }[]
  /** The last number this device has given. */
  readonly lastNumber: number
  readonly durability: Durability | undefined
  /** Entries up to here survive without the device. */
  readonly settled: number
  readonly level: (typeof LEVELS)[number]
  /** How often another log took the place of the one that was shown. */
  readonly forks: number
  /** The log is another one than the view is of; its snapshot, whichever link brings it, takes the view's place. */
  readonly isForked: boolean
  /** Digests that did not match the text shown. */
  readonly mismatches: number
  readonly reconnect: { readonly baseMs: number; readonly capMs: number }
}

export type ClientEvent =
  | { readonly type: 'start' }
  /** A person asked; the text has passed `checkQuestion`. */
  | { readonly type: 'ask'; readonly messageId: MessageId; readonly text: string; readonly inReplyTo: MessageId | undefined }
  | { readonly type: 'stop'; readonly turnId: TurnId }
  /** The person has seen that this question was refused. */
  | { readonly type: 'dismiss'; readonly messageId: MessageId }
  | { readonly type: 'opened'; readonly socket: number }
  | { readonly type: 'frames'; readonly socket: number; readonly frames: readonly Parsed<ServerFrame>[] }
  | { readonly type: 'closed'; readonly socket: number; readonly code: number }
  | { readonly type: 'online' }
  | { readonly type: 'offline' }
  /** The page is visible again, or came back from the back/forward cache, or a person asks to try now. */
  | { readonly type: 'woke' }
  /** Answers the effect `verify`. */
  | { readonly type: 'verified'; readonly matches: boolean }
  | { readonly type: 'tick' }

export type ClientEffect =
  | { readonly type: 'connect'; readonly socket: number }
  | { readonly type: 'send'; readonly socket: number; readonly frames: readonly ClientFrame[] }
  | { readonly type: 'close'; readonly socket: number; readonly code: number }
  /** Compare the digest of a finished answer's text with the log's. */
  | { readonly type: 'verify'; readonly text: string; readonly sha256: string }

export type ClientStep = readonly [ClientLink, readonly ClientEffect[]]
