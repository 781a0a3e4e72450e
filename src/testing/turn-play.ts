/**
 * Plays one turn through time, event by event, without a runner, a log or an agent.
 */
import { createHash } from 'node:crypto'
import type {
  AnswerPartBody,
  NoticeBody,
  NoticeReason,
  TurnBody,
  TurnEndedBody,
  TurnEndReason,
  TurnOutcome,
  TurnStartedBody,
} from '../conversation/entry.ts'
import { mintMessageId, mintSessionId, mintTurnId, type VisitorId } from '../conversation/ids.ts'
import { ANSWER_COALESCE_MS } from '../conversation/limits.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import type { FallbackSituation } from '../guidance/guidance.ts'
import type { AgentRoom, AwayReason } from '../turns/agent-room.ts'
import type { TurnView } from '../turns/turn-log.ts'
import { DEFAULT_TURN_SETTINGS, type TurnSettings } from '../turns/turn-settings.ts'
import type { Errand, FallbackText, Turn, TurnContext, TurnEffect, TurnEvent, TurnFact } from '../turns/turn-state.ts'
import { nextDeadline, openTurn, step } from '../turns/turn.ts'

export const PLAY_SETTINGS: TurnSettings = { ...DEFAULT_TURN_SETTINGS, storeBackoff: { baseMs: 1_000, capMs: 4_000, jitter: false } }
export const PLAY_EPOCH = 1_000_000_000_000

const sha256 = (of: string): string => createHash('sha256').update(of, 'utf8').digest('hex')
const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(7)

export const turnId = mintTurnId(bytes)
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- visitor ids are derived from a cookie, never minted
const visitor = 'visitor-0123456789' as VisitorId
export const claim: Claim = { session: mintSessionId(bytes), visitor, turnId, fence: 3, askedAt: PLAY_EPOCH }

/** A turn that nobody has started. */
export const FRESH: TurnView = {
  isOpen: true,
  isStopping: false,
  attempt: 0,
  fence: 0,
  parts: 0,
  text: '',
  isSuperseded: false,
  question: { messageId: mintMessageId(0, bytes), text: 'How do I renew?', isTold: false },
}
/** The same, once its question has been given other help. */
export const TOLD: TurnView = { ...FRESH, question: { ...FRESH.question, isTold: true } }
/** What the log says once this owner has started attempt 1. */
export const OURS: TurnView = { ...FRESH, attempt: 1, fence: 3 }

export const STARTED: TurnStartedBody = { kind: 'turn-started', turnId, attempt: 1, fence: 3 }
export const part = (index: number, said: string): AnswerPartBody => ({
  kind: 'answer-part',
  turnId,
  attempt: 1,
  index,
  persona: undefined,
  text: said,
})
/** The end of an attempt whose parts were `parts`. */
export const ended = (
  outcome: TurnOutcome,
  reason: TurnEndReason | undefined,
  parts: readonly string[],
  attempt: number = 1,
): TurnEndedBody => {
  const whole = parts.join('')
  return { kind: 'turn-ended', turnId, attempt, outcome, reason, parts: parts.length, chars: whole.length, sha256: sha256(whole) }
}

const helpFor: FallbackText = (question, situation) => `Other help (${situation}): ${question}`
export const help = (reason: NoticeReason, situation: FallbackSituation): NoticeBody => ({
  kind: 'notice',
  topic: 'fallback',
  turnId,
  inReplyTo: FRESH.question.messageId,
  reason,
  text: helpFor(FRESH.question.text, situation),
})

export const READ: TurnEffect = { type: 'read' }
export const CANCEL: TurnEffect = { type: 'cancel' }
export const ASK: TurnEffect = { type: 'ask', attempt: 1, deadlineMs: PLAY_SETTINGS.deadlineMs }
export const write = (...bodies: readonly TurnBody[]): TurnEffect => ({ type: 'write', claim, bodies })

export const text = (said: string, persona?: string): TurnEvent => ({ type: 'agent-text', text: said, persona })

/** Steps one turn through time. */
export class Play {
  now = 0
  room: AgentRoom = 'free'
  turn: Turn
  /** Of the last event, facts aside … */
  effects: readonly TurnEffect[] = []
  /** … and the facts. */
  facts: readonly TurnFact[] = []

  constructor(given: Claim = claim, errand: Errand = 'answer') {
    const [turn, effects] = openTurn(given, 0, this.ctx(), errand)
    this.turn = turn
    this.effects = effects
  }

  ctx(): TurnContext {
    return {
      now: this.now,
      wallNow: PLAY_EPOCH + this.now,
      chance: () => 0.5,
      digest: sha256,
      room: () => this.room,
      fallbackText: helpFor,
      settings: PLAY_SETTINGS,
    }
  }

  /** The effects of `event`, facts aside. */
  on(event: TurnEvent): readonly TurnEffect[] {
    const [turn, effects] = step(this.turn, event, this.ctx())
    this.turn = turn
    this.effects = effects.filter((effect) => effect.type !== 'report')
    this.facts = effects.flatMap((effect) => (effect.type === 'report' ? [effect.fact] : []))
    return this.effects
  }

  /**
   * Lets time pass and ticks when the turn asks for it. Renewals are granted and not returned; writes are acknowledged when
   * `acknowledges` is set, and returned all the same.
   */
  pass(ms: number, { acknowledges = false } = {}): readonly TurnEffect[] {
    const until = this.now + ms
    const effects: TurnEffect[] = []
    for (;;) {
      const due = nextDeadline(this.turn)
      if (due === undefined || due > until) break
      this.now = Math.max(this.now, due)
      const queue = [...this.on({ type: 'tick' })]
      for (const effect of queue) {
        if (effect.type === 'renew') queue.push(...this.on({ type: 'renewed', fence: effect.claim.fence, isHeld: true }))
        else effects.push(effect)
        if (effect.type === 'write' && acknowledges) queue.push(...this.on({ type: 'written' }))
      }
    }
    this.now = until
    return effects
  }

  get status(): string {
    return this.turn.status === 'done' ? this.turn.how : this.turn.status
  }
}

/** A turn whose question the agent has. */
export function asking(): Play {
  const play = new Play()
  play.on({ type: 'read', view: FRESH })
  play.on({ type: 'written' })
  return play
}

/** A turn whose agent has said `stored`, durable as part 0. */
export function answering(stored = 'Yes. '): Play {
  const play = asking()
  play.on(text(stored))
  play.pass(ANSWER_COALESCE_MS)
  play.on({ type: 'written' })
  return play
}

/** A turn whose question waits, because the agent is away for `reason`, and whose person has been told. */
export function waiting(reason: AwayReason = 'agent-unreachable'): Play {
  const play = new Play()
  play.room = reason
  play.on({ type: 'read', view: FRESH })
  play.on({ type: 'written' })
  return play
}

/** The same turn with a renewal of its lease under way. */
export function renewing(play: Play): Play {
  play.now = PLAY_SETTINGS.leaseMs / 3
  play.on({ type: 'tick' })
  return play
}
