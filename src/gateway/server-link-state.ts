/**
 * The words of `server-link.ts`: what one browser's link can be, what can happen to it, and what it asks its shell to do.
 */
import type { AskResult, NewQuestion, ReadResult } from '../conversation-log/conversation-log.ts'
import type { Head, Item } from '../conversation/conversation.ts'
import type { Durability } from '../conversation/durability.ts'
import type { Entry } from '../conversation/entry.ts'
import type { Trace } from '../conversation/trace.ts'
import type { Cursor, DeviceId, LogId, MessageId, SessionId, TurnId } from '../conversation/ids.ts'
import type { CloseReason } from '../protocol/close-codes.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import type { ClientFrame, HelloFrame, ServerFrame, ServiceStanding } from '../protocol/protocol.ts'
import type { Bucket } from '../resilience/token-bucket.ts'

export interface LinkContext {
  /** Monotonic milliseconds. */
  readonly now: number
  /** Bytes given to the socket that it has not sent. */
  readonly buffered: number
}

/** What holds of every link that is not closed. */
export interface Traffic {
  readonly heardAt: number
  readonly frames: Bucket | undefined
  /** Frames that did not parse. */
  readonly strikes: number
}

export interface OpenedSession {
  readonly session: SessionId
  readonly device: DeviceId
  readonly logId: LogId
  readonly lastNumber: number
  readonly durability: Durability
  readonly standing: ServiceStanding
}

/** How delivery stands. `failures` of the store in a row. */
export type Delivery =
  | { readonly status: 'idle' }
  | { readonly status: 'reading'; readonly failures: number }
  /** The view is on another log: the fold of this one is fetched. */
  | { readonly status: 'folding'; readonly failures: number }
  /** The reader is slow: nothing is read for it until it has taken what it was sent. */
  | { readonly status: 'paused'; readonly since: number; readonly buffered: number; readonly checkAt: number }
  | { readonly status: 'retrying'; readonly failures: number; readonly at: number; readonly what: 'reading' | 'folding' }

/** The log took entries up to `seq` and may still lose them: it is read again at `lookAt`, and `waitMs` after that. */
export interface Unsettled {
  readonly seq: number
  readonly lookAt: number
  readonly waitMs: number
}

export interface LiveLink {
  readonly opened: OpenedSession
  /** The last entry that was sent. */
  readonly cursor: Cursor | undefined
  readonly head: Head | undefined
  readonly settled: number
  readonly delivery: Delivery
  /** A bell rang, or a head check is due, since the last read began. */
  readonly isDirty: boolean
  /** Questions given to the log and not answered. */
  readonly asking: number
  readonly unsettled: Unsettled | undefined
  readonly pings: number
  readonly pingAt: number
}

export type ServerLink =
  | (Traffic & { readonly status: 'awaiting-hello'; readonly helloBy: number })
  | (Traffic & { readonly status: 'opening'; readonly hello: HelloFrame })
  /** The session is open; where the view stands on its log is being found out. */
  | (Traffic & { readonly status: 'positioning'; readonly opened: OpenedSession; readonly how: 'resumed' | 'snapshot' | 'fork' })
  | (Traffic & LiveLink & { readonly status: 'live' })
  | { readonly status: 'closed' }

export type Open = Exclude<ServerLink, { readonly status: 'closed' }>
export type Opening = Extract<ServerLink, { readonly status: 'opening' }>
export type Positioning = Extract<ServerLink, { readonly status: 'positioning' }>
export type Live = Extract<ServerLink, { readonly status: 'live' }>

export type OpenResult =
  | { readonly type: 'opened'; readonly opened: OpenedSession }
  /** There is no such session, or it is somebody else's. */
  | { readonly type: 'gone' }
  /** The session, its address or the process has links enough. */
  | { readonly type: 'full' }
  | { readonly type: 'failed' }

export type FoldResult =
  | {
      readonly type: 'folded'
      readonly logId: LogId
      readonly head: Head | undefined
      readonly settled: number
      readonly items: readonly Item[]
      readonly earlier: number
    }
  | { readonly type: 'gone' }
  | { readonly type: 'failed' }

export type ReadOutcome = ReadResult | { readonly type: 'failed' }

export type AskedResult =
  | AskResult
  /** The session has asked its share for this minute. */
  | { readonly type: 'rate'; readonly retryAfterMs: number }
  /** The team has switched questions off for now. */
  | { readonly type: 'switched-off' }
  /** It may hold personal information, and such questions are not taken. */
  | { readonly type: 'personal' }
  | { readonly type: 'failed' }

export type LinkEvent =
  /** One WebSocket message. */
  | { readonly type: 'frames'; readonly frames: readonly Parsed<ClientFrame>[] }
  /** These answer the effects `open`, `read`, `fold` and `ask`. */
  | { readonly type: 'opened'; readonly result: OpenResult }
  | { readonly type: 'read'; readonly result: ReadOutcome }
  | { readonly type: 'folded'; readonly result: FoldResult }
  | { readonly type: 'asked'; readonly messageId: MessageId; readonly result: AskedResult }
  /** The session's doorbell. */
  | { readonly type: 'rung' }
  | { readonly type: 'level'; readonly standing: ServiceStanding }
  /** This process is going away: move to another, spread over `windowMs`. */
  | { readonly type: 'drain'; readonly afterMs: number; readonly windowMs: number; readonly deadlineMs: number }
  /** End the link from this side. */
  | { readonly type: 'end'; readonly reason: CloseReason; readonly afterMs: number }
  /** The socket is gone. */
  | { readonly type: 'closed' }
  | { readonly type: 'tick' }

export type LinkEffect =
  | { readonly type: 'open'; readonly hello: HelloFrame }
  | { readonly type: 'read'; readonly after: Cursor | undefined }
  /** Fold the whole log. */
  | { readonly type: 'fold' }
  /** `from` is the trace that the page gave the question. */
  | { readonly type: 'ask'; readonly question: NewQuestion; readonly from: Trace | undefined }
  | { readonly type: 'stop'; readonly turnId: TurnId }
  | { readonly type: 'send'; readonly frames: readonly ServerFrame[] }
  /** Entries for the browser, each followed by the blocks it completed. */
  | { readonly type: 'deliver'; readonly entries: readonly Entry[] }
  /** A whole view for the browser, followed by the blocks of its answers. */
  | { readonly type: 'show'; readonly head: Head | undefined; readonly items: readonly Item[]; readonly earlier: number }
  | { readonly type: 'close'; readonly code: number }
  | { readonly type: 'report'; readonly fact: LinkFact }

export type LinkFact =
  /** `missed`: entries between where a view that is resumed stood and the end of the log. */
  | { readonly type: 'positioned'; readonly how: 'resumed' | 'snapshot' | 'fork'; readonly missed: number }
  /** `problem` never repeats what was sent. */
  | { readonly type: 'frame-refused'; readonly problem: string }
  | { readonly type: 'question-refused'; readonly reason: string }

export type LinkStep = readonly [ServerLink, readonly LinkEffect[]]
