/**
 * The port of the conversation log: the only meeting point of browser, gateway and agent.
 *
 * Guarantees every adapter gives (SPEC §3, run by `conversation-log.contract.ts`):
 * what a call has resolved with is durable as `profile.durability` says; `ask` is idempotent for the life of the session;
 * entries of a session have gap-free `seq` and linked ids; a turn is written only under its newest fence and ends once.
 *
 * It does not know sockets, agents or HTML. Every method may reject with `LogError`.
 */
import type { Entry, TurnBody } from '../conversation/entry.ts'
import type { Head } from '../conversation/conversation.ts'
import type { Cursor, DeviceId, LogId, MessageId, SessionId, TurnId, VisitorId } from '../conversation/ids.ts'
import type { Durability } from '../conversation/durability.ts'

/** What this store is and what its acknowledgements are worth. */
export interface StoreProfile {
  readonly store: 'memory' | 'sqlite' | 'redis'
  readonly durability: Durability
  /** Other processes may serve the same log at the same time. */
  readonly isShared: boolean
  /** For the start-up lines: where the data is, without credentials. */
  readonly description: string
}

export interface Session {
  readonly id: SessionId
  readonly visitor: VisitorId
  readonly logId: LogId
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Moved on by every question and by `keepSession`; from then on the session cannot be found. */
  readonly expiresAt: number
  /** How many questions were accepted. */
  readonly questions: number
}

export interface NewSession {
  readonly id: SessionId
  readonly visitor: VisitorId
  readonly ttlMs: number
}

export type CreateSessionResult =
  | { readonly type: 'created'; readonly session: Session }
  /** The same visitor made it before: the same request again. */
  | { readonly type: 'existing'; readonly session: Session }
  /** The id is somebody else's. */
  | { readonly type: 'taken' }
  /** The visitor owns `SESSIONS_PER_VISITOR_MAX` already. */
  | { readonly type: 'too-many' }

export interface NewQuestion {
  readonly messageId: MessageId
  readonly device: DeviceId
  /** `undefined` only for `SERVER_DEVICE`: numbered at append. */
  readonly number: number | undefined
  /** Checked and normalised by `checkQuestion`. */
  readonly text: string
  readonly inReplyTo: MessageId | undefined
}

export type AskResult =
  | { readonly type: 'accepted'; readonly cursor: Cursor; readonly turnId: TurnId; readonly number: number; readonly duplicate: boolean }
  /** The id was used with another text. */
  | { readonly type: 'conflict' }
  /** Not the device's next number. */
  | { readonly type: 'order'; readonly expected: number }
  /** Too many open questions, or the log is full. */
  | { readonly type: 'overload' }
  /** The session does not exist, has expired or was deleted. */
  | { readonly type: 'gone' }

export type StopResult =
  /** Whoever holds the turn ends it. */
  | { readonly type: 'requested' }
  /** Nobody held it and it had shown nothing: it has ended. `askedAt` is when its question was appended, milliseconds since the epoch. */
  | { readonly type: 'stopped'; readonly askedAt: number }
  /** Asked before, or the turn had ended: nothing was appended. */
  | { readonly type: 'already' }
  | { readonly type: 'gone' }

export type ReadResult =
  | {
      readonly type: 'entries'
      readonly logId: LogId
      /** After the cursor, in order, at most `limit`. */
      readonly entries: readonly Entry[]
      /** The log's last entry at the time of reading. */
      readonly head: Head | undefined
      /** Entries up to here are settled. */
      readonly settled: number
    }
  /** The cursor is not on this log: it was rolled back, or is another log. */
  | { readonly type: 'fork'; readonly logId: LogId; readonly head: Head | undefined; readonly settled: number }
  | { readonly type: 'gone' }

/** The right to write one turn until `leaseUntil`, and the proof of it: `fence` only grows within a session. */
export interface Claim {
  readonly session: SessionId
  readonly visitor: VisitorId
  readonly turnId: TurnId
  readonly fence: number
  /** When the question was appended, milliseconds since the epoch. */
  readonly askedAt: number
}

export type WriteResult =
  | { readonly type: 'written'; readonly head: Head }
  /** A newer owner has the turn, it has ended, or the session is gone: stop at once, write nothing more. */
  | { readonly type: 'fenced' }

/** What can become of a question: its turn's outcome, or the end of its session (`cancelled` by deletion, `expired` by time). */
export const QUESTION_ENDS = ['answered', 'stopped', 'failed', 'interrupted', 'expired', 'cancelled'] as const
export type QuestionEnd = (typeof QUESTION_ENDS)[number]

/** Every question that was ever accepted, and what became of it, all at one moment. */
export interface QuestionTally {
  readonly accepted: number
  readonly ended: Readonly<Record<QuestionEnd, number>>
  /** Open turns whose question is in the log. Counted, not kept: one that vanished is missing from the sums. */
  readonly waiting: number
  /** Those of them, in sessions that live, that nobody has begun to ask, and when the oldest was accepted. */
  readonly unstarted: number
  readonly oldestUnstartedAt: number | undefined
  /** Sessions that live. */
  readonly sessions: number
  /** The most that was ever missing, since `lostAt` (milliseconds since the epoch), and how much of it this very call has found. */
  readonly lost: number
  readonly lostAt: number | undefined
  readonly found: number
}

/** How many accepted questions have neither an end nor a place among those that wait; below zero, more ended than were accepted. */
export const missingIn = ({ accepted, ended, waiting }: Pick<QuestionTally, 'accepted' | 'ended' | 'waiting'>): number =>
  accepted - waiting - Object.values(ended).reduce((sum, count) => sum + count, 0)

/** Commands that wait in this process for the store. */
export interface Backlog {
  readonly depth: number
  /** Beyond, a command is refused as `unavailable`. */
  readonly capacity: number
  /** How long the one that was given first has waited, in milliseconds; 0 when none waits. */
  readonly oldestMs: number
}

/** A process that works on the store. What it says of itself is its own business, at most `PROCESS_ABOUT_CHARS_MAX` characters of it. */
export interface AnnouncedProcess {
  readonly id: string
  readonly about: string
}

export interface ConversationLog extends AsyncDisposable {
  readonly profile: StoreProfile
  /** What waits for the store now; a store that nothing waits for has none. */
  readonly backlog?: () => Backlog
  /**
   * Says that a process works on this store, for `leaseMs` milliseconds from now; 0 takes it back. Answers the others of whom that is
   * true, at most `PROCESSES_MAX`. Only stores that processes share have it.
   */
  readonly announce?: (self: AnnouncedProcess, leaseMs: number) => Promise<readonly AnnouncedProcess[]>

  /** Makes a session with an empty log. Idempotent for its visitor. */
  createSession(session: NewSession): Promise<CreateSessionResult>
  /** The session, unless it has expired or was deleted. */
  findSession(id: SessionId): Promise<Session | undefined>
  /** The visitor's sessions, newest first, at most `SESSIONS_PER_VISITOR_MAX`. */
  listSessions(visitor: VisitorId): Promise<readonly Session[]>
  /** Moves the session's end on as a question does, and says how it stands then. `undefined` when there is none. */
  keepSession(id: SessionId): Promise<Session | undefined>
  /** Deletes a session with everything in it, open turns included. `false` when there was none. */
  deleteSession(id: SessionId): Promise<boolean>
  /** Deletes up to `limit` expired sessions and says how many. */
  deleteExpired(limit: number): Promise<number>

  /** Appends a question and opens its turn, atomically. */
  ask(session: SessionId, question: NewQuestion): Promise<AskResult>
  /** Appends the wish that a turn stop. A turn that nobody holds and that has shown nothing ends in the same step; any other is ended by the turn runner. */
  stop(session: SessionId, turnId: TurnId): Promise<StopResult>
  /** The last number the device had accepted in this session, 0 for none. */
  lastNumber(session: SessionId, device: DeviceId): Promise<number>

  /** Entries after `after`, or from the start. Never skips, never repeats. */
  read(session: SessionId, after: Cursor | undefined, limit: number): Promise<ReadResult>
  /**
   * Rings after an append to the session. Only a doorbell: a missed ring costs latency, never data.
   * Returns the way to stop listening. Never throws; `bell` must not either.
   */
  onAppend(session: SessionId, bell: () => void): () => void

  /** Claims up to `limit` open turns that nobody holds: each session's oldest, oldest first over all sessions. */
  claim(owner: string, leaseMs: number, limit: number): Promise<readonly Claim[]>
  /**
   * Claims up to `limit` open turns that nobody holds and whose question has been given no other help, oldest first, wherever they
   * stand in their session: to give it, and then to release them.
   */
  claimUntold(owner: string, leaseMs: number, limit: number): Promise<readonly Claim[]>
  /** Extends a claim; `false` when it is no longer held. One whose lease ran out is held until somebody else claims the turn. */
  renew(claim: Claim, leaseMs: number): Promise<boolean>
  /** Gives a claim back unended, so that another owner may take it at once. */
  release(claim: Claim): Promise<void>
  /**
   * Appends to a claimed turn, all or nothing. A `turn-ended` body ends the turn and the claim.
   *
   * A rejected write is settled before any later `read` answers, or is never done: that is how an owner learns what became of it.
   */
  write(claim: Claim, bodies: readonly TurnBody[]): Promise<WriteResult>
  /** Rings when a turn may have become claimable. Only a doorbell. */
  onWork(bell: () => void): () => void

  /** A real write and a real read, outside every conversation. */
  probe(): Promise<void>
  /**
   * Counts what waits and compares it with what was kept of accepted questions and their ends. A loss is found once, by the first
   * call that sees it; the store remembers that it was. In a store of several partitions each is compared by itself, in one step.
   */
  tally(): Promise<QuestionTally>
}
