/**
 * The entries of a session's log: the only things that are durable, and all that anyone ever sees is folded from them.
 *
 * Purpose: one closed union that store, server and browser share. Entries are facts and are never changed;
 * later facts add to them. Text only: HTML is derived by the gateway and never stored.
 */
import type { DeviceId, EntryId, MessageId, TurnId } from './ids.ts'

/** How a turn can end; every turn ends exactly once. */
export const TURN_OUTCOMES = ['complete', 'stopped', 'failed', 'interrupted', 'expired'] as const
export type TurnOutcome = (typeof TURN_OUTCOMES)[number]

/** Why a turn did not end `complete`; a closed list, because the page has words for each. */
export const TURN_END_REASONS = [
  'agent-unreachable',
  'agent-error',
  'agent-protocol',
  'agent-busy',
  'agent-broke-off',
  'first-token-timeout',
  'idle-timeout',
  'deadline',
  'too-long',
  'withheld',
  'empty-answer',
  'too-many-attempts',
  'asked-to-stop',
  'expired',
] as const
export type TurnEndReason = (typeof TURN_END_REASONS)[number]

/** What the service tells a person beside the answers. `fallback`: other help than the agent's, at most once a question. */
export const NOTICE_TOPICS = ['fallback'] as const
export type NoticeTopic = (typeof NOTICE_TOPICS)[number]

/** Why a question got other help: the agent is left alone for a while, or what a turn can fail of. */
export const NOTICE_REASONS = ['circuit-breaker-open', ...TURN_END_REASONS] as const
export type NoticeReason = (typeof NOTICE_REASONS)[number]

/** A person's question. Appending it opens its turn. */
export interface MessageBody {
  readonly kind: 'message'
  readonly messageId: MessageId
  readonly turnId: TurnId
  /** Whose count `number` belongs to. */
  readonly device: DeviceId
  /** The device's gap-free count of its questions, from 1. */
  readonly number: number
  readonly text: string
  /** The question this one asks again or continues. */
  readonly inReplyTo: MessageId | undefined
}

/** An owner with a newer fence than any before has begun attempt `attempt` (from 1) at the turn. */
export interface TurnStartedBody {
  readonly kind: 'turn-started'
  readonly turnId: TurnId
  readonly attempt: number
  readonly fence: number
}

/** The next piece of an answer's text; `index` counts from 0 within the attempt. */
export interface AnswerPartBody {
  readonly kind: 'answer-part'
  readonly turnId: TurnId
  readonly attempt: number
  readonly index: number
  /** Which of the agent's voices speaks, when it has several. */
  readonly persona: string | undefined
  readonly text: string
}

/** Attempt `attempt` had shown text when its owner died: the text stays, marked as cut off, and the next attempt follows below. */
export interface TurnSupersededBody {
  readonly kind: 'turn-superseded'
  readonly turnId: TurnId
  readonly attempt: number
}

/** Someone asked for the turn to stop; the turn runner ends it. */
export interface StopRequestedBody {
  readonly kind: 'stop-requested'
  readonly turnId: TurnId
}

/** The turn's one end. `parts`, `chars` (UTF-16 units) and `sha256` (hex, of the UTF-8 text) describe the text of `attempt`. */
export interface TurnEndedBody {
  readonly kind: 'turn-ended'
  readonly turnId: TurnId
  /** The attempt that ended, or 0 when none had started. */
  readonly attempt: number
  readonly outcome: TurnOutcome
  readonly reason: TurnEndReason | undefined
  readonly parts: number
  readonly chars: number
  readonly sha256: string
}

/** Words of the service itself about a question, labelled as such. Markdown, as an answer's text is. */
export interface NoticeBody {
  readonly kind: 'notice'
  readonly topic: NoticeTopic
  readonly turnId: TurnId
  readonly inReplyTo: MessageId
  readonly reason: NoticeReason
  readonly text: string
}

export type EntryBody = MessageBody | TurnStartedBody | AnswerPartBody | TurnSupersededBody | StopRequestedBody | TurnEndedBody | NoticeBody

/** What the turn runner may write: everything about a turn but the question and the wish to stop it. */
export type TurnBody = TurnStartedBody | AnswerPartBody | TurnSupersededBody | TurnEndedBody | NoticeBody

/** Where an entry stands. `prev` is the id of the entry before it, or `undefined` at `seq` 1. */
export interface EntryPlace {
  /** Position in the log, from 1, without gaps. */
  readonly seq: number
  readonly id: EntryId
  readonly prev: EntryId | undefined
  /** When it was appended, in milliseconds since the epoch, by the server's clock. For people; order is `seq`. */
  readonly at: number
}

export type Entry = EntryPlace & EntryBody
