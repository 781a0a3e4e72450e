/**
 * The words of `turn.ts`: what a turn can be, what can happen to it, and what it can ask its shell to do.
 */
import type { NoticeBody, TurnBody, TurnEndReason, TurnOutcome } from '../conversation/entry.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import type { AgentErrorKind } from '../agent/agent-error.ts'
import type { CutShort } from '../agent/agent.ts'
import type { FallbackSituation } from '../guidance/guidance.ts'
import type { Chance } from '../resilience/clock.ts'
import type { AgentRoom, AwayReason } from './agent-room.ts'
import type { AnswerText } from './answer-text.ts'
import type { Lease } from './lease.ts'
import type { TurnQuestion, TurnView } from './turn-log.ts'
import type { TurnSettings } from './turn-settings.ts'

/** SHA-256 of the text's UTF-8, in hex. */
export type Digest = (text: string) => string

/** What somebody is told whose question the agent cannot answer, or cannot answer now. Markdown. */
export type FallbackText = (question: string, situation: FallbackSituation) => string

export interface TurnContext {
  /** Monotonic milliseconds: every deadline. */
  readonly now: number
  /** Milliseconds since the epoch: only how old the question is. */
  readonly wallNow: number
  readonly chance: Chance
  readonly digest: Digest
  /** Whether this turn's question may be put to the agent now. */
  readonly room: () => AgentRoom
  readonly fallbackText: FallbackText
  readonly settings: TurnSettings
}

/** What is known of the last write. `fence` is the one it went out under; `failures` grow until a write succeeds. */
export type Store =
  | { readonly status: 'idle'; readonly failures: number }
  | { readonly status: 'writing'; readonly fence: number; readonly bodies: readonly TurnBody[]; readonly failures: number }
  /** A read or a write failed: read, but not before `checkAt`. */
  | {
      readonly status: 'unsure'
      readonly fence: number
      readonly bodies: readonly TurnBody[]
      readonly failures: number
      readonly checkAt: number
    }
  | { readonly status: 'checking'; readonly fence: number; readonly bodies: readonly TurnBody[]; readonly failures: number }

export interface Owned {
  readonly claim: Claim
  readonly lease: Lease
  readonly store: Store
}

export interface End {
  readonly outcome: TurnOutcome
  readonly reason: TurnEndReason | undefined
}

/** What a turn was claimed for: to be brought to its outcome, or only to give its question other help while the agent is away. */
export type Errand = 'answer' | 'tell'

export type LiveTurn =
  | (Owned & { readonly status: 'opening'; readonly errand: Errand; readonly isStopping: boolean })
  /** `view` is how the turn stands without the notice. */
  | (Owned & {
      readonly status: 'telling'
      readonly errand: Errand
      readonly isStopping: boolean
      readonly view: TurnView
      readonly reason: AwayReason
    })
  /** `view` is how the turn stood when it began to wait; it waits no longer than until `expiresBy`, monotonic. */
  | (Owned & { readonly status: 'waiting'; readonly view: TurnView; readonly expiresBy: number })
  | (Owned & {
      readonly status: 'starting'
      readonly question: TurnQuestion
      readonly isStopping: boolean
      readonly attempt: number
      readonly supersedes: boolean
    })
  | (Owned & {
      readonly status: 'asking'
      readonly question: TurnQuestion
      readonly attempt: number
      readonly answer: AnswerText
      readonly firstTextBy: number
      readonly deadlineAt: number
    })
  | (Owned & {
      readonly status: 'answering'
      readonly question: TurnQuestion
      readonly attempt: number
      readonly answer: AnswerText
      readonly idleBy: number
      readonly deadlineAt: number
    })
  /** `help` goes out with the end. */
  | (Owned & {
      readonly status: 'ending'
      readonly attempt: number
      readonly answer: AnswerText
      readonly end: End
      readonly help: NoticeBody | undefined
    })

type DoneTurn = { readonly status: 'done'; readonly how: 'ended' | 'fenced' | 'released' | 'broken' }
export type Turn = LiveTurn | DoneTurn

export type TurnEvent =
  | { readonly type: 'tick' }
  /** Answers the effect `read`. `undefined`: the session or the turn is gone. */
  | { readonly type: 'read'; readonly view: TurnView | undefined }
  | { readonly type: 'read-failed'; readonly isRetryable: boolean }
  /** These three answer the effect `write`. */
  | { readonly type: 'written' }
  | { readonly type: 'fenced' }
  | { readonly type: 'write-failed'; readonly isRetryable: boolean }
  /** These two answer the effect `renew` under `fence`. */
  | { readonly type: 'renewed'; readonly fence: number; readonly isHeld: boolean }
  | { readonly type: 'renew-failed'; readonly fence: number; readonly isRetryable: boolean }
  /** The lease had run out and this very process claimed the turn again, at `since` (monotonic). */
  | { readonly type: 'reclaimed'; readonly claim: Claim; readonly since: number }
  /** The session is gone. */
  | { readonly type: 'gone' }
  | { readonly type: 'agent-text'; readonly text: string; readonly persona: string | undefined }
  | { readonly type: 'agent-finished' }
  /** The agent ended the answer before it was whole. */
  | { readonly type: 'agent-cut-short'; readonly reason: CutShort }
  | { readonly type: 'agent-failed'; readonly kind: AgentErrorKind }
  /** The stream ended without `finished`. */
  | { readonly type: 'agent-stopped' }
  | { readonly type: 'stop-requested' }
  /** What is known of the agent, or what it is trusted with, may have changed. */
  | { readonly type: 'agent-changed' }
  /** Begin nothing new. */
  | { readonly type: 'drain' }
  /** Give up what is running, so that another owner takes it at once. */
  | { readonly type: 'hand-over' }

export type TurnFact =
  | { readonly type: 'started'; readonly attempt: number }
  | { readonly type: 'first-text' }
  | { readonly type: 'told'; readonly reason: NoticeBody['reason']; readonly doesWait: boolean }
  | { readonly type: 'ended'; readonly outcome: TurnOutcome; readonly reason: TurnEndReason | undefined }
  | { readonly type: 'fenced' }

export type TurnEffect =
  | { readonly type: 'read' }
  | { readonly type: 'write'; readonly claim: Claim; readonly bodies: readonly TurnBody[] }
  | { readonly type: 'renew'; readonly claim: Claim }
  | { readonly type: 'release'; readonly claim: Claim }
  | { readonly type: 'ask'; readonly attempt: number; readonly deadlineMs: number }
  | { readonly type: 'cancel' }
  | { readonly type: 'report'; readonly fact: TurnFact }

export type TurnStep = readonly [Turn, readonly TurnEffect[]]
