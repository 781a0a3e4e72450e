/**
 * Drives one claimed turn: asks `turn.ts` what to do and does it, through log, agent and clock.
 *
 * It decides nothing. Whatever a port does (throw at once, never answer, answer late), it becomes an event or nothing.
 */
import { ChatServiceError } from '../chat-service-error.ts'
import type { TurnBody } from '../conversation/entry.ts'
import type { TurnId } from '../conversation/ids.ts'
import { formatTraceparent, type Trace } from '../conversation/trace.ts'
import { STOP_LOOK_MS } from '../conversation/limits.ts'
import type { Claim, ConversationLog } from '../conversation-log/conversation-log.ts'
import { LogError } from '../conversation-log/log-error.ts'
import type { Agent, AgentEvent, Question } from '../agent/agent.ts'
import { AgentError } from '../agent/agent-error.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import { TimeoutError } from '../resilience/deadline.ts'
import type { Events } from '../telemetry/events.ts'
import type { AgentPresence, AgentRoom, RampEvent } from './agent-room.ts'
import { createTurnFollower, type TurnFollower } from './turn-follower.ts'
import { askedQuestion, historyBefore, viewTurn } from './turn-log.ts'
import type { TurnSettings } from './turn-settings.ts'
import type { Digest, Errand, FallbackText, Turn, TurnContext, TurnEffect, TurnEvent, TurnFact, TurnStep } from './turn-state.ts'
import { nextDeadline, openTurn, step } from './turn.ts'

export interface TurnPorts {
  readonly log: ConversationLog
  /** Retry before the first text, breaker and fallback are put around an agent by whoever composes it, not here. */
  readonly agent: Agent
  readonly clock: Clock
  readonly chance: Chance
  readonly digest: Digest
  /** What is known of the agent now. */
  readonly agentPresence: () => AgentPresence
  readonly fallbackText: FallbackText
  readonly events: Events
  /** The question's trace, and the attempt's step of it: the same whichever process asks. */
  readonly traceOf: (turn: TurnId, attempt: number) => Trace
  readonly settings: TurnSettings
}

/** An answer that says nothing for so long has stalled, whether or not the turn waits on. */
const STALL_MS = 15_000

/** What a driver needs of the runner that it belongs to. */
export interface DriverPorts extends TurnPorts {
  /** Whether this driver's question may be put to the agent now. */
  roomFor(driver: TurnDriver): AgentRoom
  /** Hears what the agent does with questions. */
  heard(event: RampEvent): void
}

/** A turn that was claimed, for what, and the monotonic time from before the claim was asked for. */
export interface Task {
  readonly claim: Claim
  readonly errand: Errand
  readonly since: number
}

/** One call of the agent. `isOver` is set once nothing it says counts any more. */
interface AgentCall {
  readonly aborter: AbortController
  isOver: boolean
}

export class TurnDriver {
  readonly turnId: TurnId
  /** When the question was appended, milliseconds since the epoch. */
  readonly askedAt: number
  /** Resolves once the turn is over for this process: ended, somebody else's, given back or given up. Never rejects. */
  readonly done: Promise<void>
  /** What the turn was claimed for. */
  readonly errand: Errand
  readonly #ports: DriverPorts
  readonly #claim: Claim
  readonly #follower: TurnFollower
  readonly #resolveDone: () => void
  readonly #stopListening: () => void
  /** How old the question was when it was claimed; from then on its age is measured on the monotonic clock. */
  readonly #waitedMs: number
  readonly #claimedAt: number
  #turn: Turn
  #attempt = 0
  /** The answer as this process has shown it, monotonic; `undefined` before its first text and after its end. */
  #shown: { readonly since: number; readonly lastAt: number } | undefined
  #isOver = false
  #agentCall: AgentCall | undefined
  #cancelTick: (() => void) | undefined
  #cancelLook: (() => void) | undefined

  /** Begins at once. */
  constructor(ports: DriverPorts, { claim, errand, since }: Task) {
    this.turnId = claim.turnId
    this.askedAt = claim.askedAt
    this.errand = errand
    this.#ports = ports
    this.#claim = claim
    this.#follower = createTurnFollower(ports.log, claim)
    this.#waitedMs = Math.max(0, ports.clock.now() - claim.askedAt)
    this.#claimedAt = ports.clock.monotonic()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.done = promise
    this.#resolveDone = resolve
    this.#stopListening = ports.log.onAppend(claim.session, () => this.#lookSoon())
    const opened = openTurn(claim, since, this.#context(), errand)
    ;[this.#turn] = opened
    this.#go(opened)
  }

  /** Gives the turn back unless it has started. */
  drain(): void {
    this.#dispatch({ type: 'drain' })
  }

  /** It has ended for this process, or is being given back. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The question waits until it may be put to the agent. */
  get isWaiting(): boolean {
    return this.#turn.status === 'waiting'
  }

  /** The question is with the agent, or about to be. */
  get isAsked(): boolean {
    const { status } = this.#turn
    return status === 'starting' || status === 'asking' || status === 'answering'
  }

  /** What is known of the agent, or what it is trusted with, may have changed. */
  agentChanged(): void {
    this.#dispatch({ type: 'agent-changed' })
  }

  /** Gives the turn back, whatever it is doing; text that was shown stays. */
  handOver(): void {
    this.#dispatch({ type: 'hand-over' })
  }

  /** This process was given the turn again, because its lease had run out. */
  reclaimed(claim: Claim, since: number): void {
    this.#dispatch({ type: 'reclaimed', claim, since })
  }

  /** Stops at once, as if the process had died: the lease frees the turn. */
  abandon(): void {
    this.#end()
    this.#leave()
    this.#resolveDone()
  }

  #context(): TurnContext {
    const { clock, chance, digest, fallbackText, settings } = this.#ports
    // Looked at only where something depends on it: not for every piece of an answer.
    const room = (): AgentRoom => this.#ports.roomFor(this)
    return { now: clock.monotonic(), wallNow: clock.now(), chance, digest, room, fallbackText, settings }
  }

  #dispatch(event: TurnEvent): void {
    if (!this.#isOver) this.#go(step(this.#turn, event, this.#context()))
  }

  #go([turn, effects]: TurnStep): void {
    this.#turn = turn
    const isDone = turn.status === 'done'
    if (isDone) this.#end()
    let last: Promise<void> | undefined
    for (const effect of effects) last = this.#perform(effect) ?? last
    if (isDone) this.#leave()
    if (!isDone) this.#arm()
    // The last thing a turn may do is to give itself back; whoever waits for the turn waits for that too.
    else void (last ?? Promise.resolve()).then(this.#resolveDone)
  }

  /** Ends every listening and waiting; nothing that still arrives counts. */
  #end(): void {
    this.#isOver = true
    this.#stopListening()
    this.#cancelTick?.()
    this.#cancelLook?.()
    this.#cancelAgent()
  }

  #arm(): void {
    this.#cancelTick?.()
    const deadline = nextDeadline(this.#turn)
    if (deadline === undefined) return
    const { clock } = this.#ports
    this.#cancelTick = clock.schedule(Math.max(0, deadline - clock.monotonic()), () => this.#dispatch({ type: 'tick' }))
  }

  #perform(effect: TurnEffect): Promise<void> | undefined {
    switch (effect.type) {
      case 'read':
        return this.#read()
      case 'write':
        return this.#write(effect.claim, effect.bodies)
      case 'renew':
        return this.#renew(effect.claim)
      case 'release':
        return this.#release(effect.claim)
      case 'ask':
        return this.#ask(effect.attempt, effect.deadlineMs)
      case 'cancel':
        this.#cancelSlow(tooSlow(this.#turn, this.#ports.settings))
        return undefined
      case 'report':
        this.#report(effect.fact)
        return undefined
    }
  }

  // ── the log ────────────────────────────────────────────────────────────────

  async #read(): Promise<void> {
    let event: TurnEvent
    try {
      const log = await this.#follower.refresh()
      event = { type: 'read', view: log === undefined ? undefined : viewTurn(log) }
    } catch (cause) {
      event = { type: 'read-failed', isRetryable: this.#storeFailed(cause) }
    }
    this.#dispatch(event)
  }

  async #write(claim: Claim, bodies: readonly TurnBody[]): Promise<void> {
    let event: TurnEvent
    try {
      const result = await this.#ports.log.write(claim, bodies)
      event = { type: result.type }
    } catch (cause) {
      event = { type: 'write-failed', isRetryable: this.#storeFailed(cause) }
    }
    this.#dispatch(event)
  }

  async #renew(claim: Claim): Promise<void> {
    const { fence } = claim
    let event: TurnEvent
    try {
      const isHeld = await this.#ports.log.renew(claim, this.#ports.settings.leaseMs)
      event = { type: 'renewed', fence, isHeld }
    } catch (cause) {
      event = { type: 'renew-failed', fence, isRetryable: this.#storeFailed(cause) }
    }
    this.#dispatch(event)
    // A missed ring costs this much latency and no more.
    this.#lookSoon()
  }

  async #release(claim: Claim): Promise<void> {
    try {
      await this.#ports.log.release(claim)
    } catch (cause) {
      // The lease frees the turn a little later.
      this.#storeFailed(cause)
    }
  }

  /** Reads, soon, whether somebody wants the turn to stop. Our own appends ring too, hence not at once each time. */
  #lookSoon(): void {
    if (this.#isOver || this.#cancelLook !== undefined) return
    this.#cancelLook = this.#ports.clock.schedule(STOP_LOOK_MS, () => void this.#look())
  }

  async #look(): Promise<void> {
    this.#cancelLook = undefined
    try {
      const log = await this.#follower.refresh()
      if (log === undefined) this.#dispatch({ type: 'gone' })
      else if (viewTurn(log)?.isStopping === true) this.#dispatch({ type: 'stop-requested' })
    } catch (cause) {
      // The next ring or renewal looks again.
      this.#storeFailed(cause)
    }
  }

  /** Reports the failure and says whether the same command may succeed later. */
  #storeFailed(cause: unknown): boolean {
    this.#ports.events.storeFailed({ kind: cause instanceof LogError ? cause.kind : 'unexpected', cause })
    return cause instanceof ChatServiceError && cause.isRetryable
  }

  // ── the agent ──────────────────────────────────────────────────────────────

  async #ask(attempt: number, deadlineMs: number): Promise<void> {
    const call: AgentCall = { aborter: new AbortController(), isOver: false }
    this.#agentCall = call
    try {
      for await (const event of this.#ports.agent.answer(this.#question(attempt, deadlineMs), call.aborter.signal)) {
        if (call.isOver) return
        this.#heard(call, event)
        if (call.isOver) return
      }
      if (!call.isOver) this.#dispatch({ type: 'agent-stopped' })
    } catch (cause) {
      // After our own cancel, or after the whole answer, there is nothing left to fail.
      if (call.isOver) return
      const kind = cause instanceof AgentError ? cause.kind : 'error'
      this.#ports.events.agentFailed({ turn: this.turnId, kind, cause })
      if (this.#turn.status === 'asking') {
        const retryAfterMs = cause instanceof AgentError ? cause.retryAfterMs : undefined
        this.#ports.heard(kind === 'busy' ? { type: 'busy', retryAfterMs } : { type: 'failed' })
      }
      this.#dispatch({ type: 'agent-failed', kind })
    }
  }

  #heard(call: AgentCall, event: AgentEvent): void {
    switch (event.type) {
      case 'text':
        this.#saidMore()
        return this.#dispatch({ type: 'agent-text', text: event.text, persona: event.persona })
      case 'usage': {
        const { inputTokens, outputTokens } = event
        return this.#ports.events.tokensUsed({ turn: this.turnId, inputTokens, outputTokens })
      }
      case 'cut-short':
        call.isOver = true
        return this.#dispatch({ type: 'agent-cut-short', reason: event.reason })
      case 'finished':
        call.isOver = true
        return this.#dispatch({ type: 'agent-finished' })
    }
  }

  #question(attempt: number, deadlineMs: number): Question {
    const { session, visitor, turnId } = this.#claim
    const asked = askedQuestion(this.#follower.current)
    if (asked === undefined) throw new LogError('corrupt', 'T1: a turn was started that has no question')
    const traceparent = formatTraceparent(this.#ports.traceOf(turnId, attempt))
    return { session, visitor, turnId, ...asked, attempt, history: historyBefore(this.#follower.current), deadlineMs, traceparent }
  }

  #cancelSlow(reason: TimeoutError | undefined): void {
    if (reason !== undefined && this.#turn.status === 'ending' && this.#turn.end.outcome === 'failed') this.#ports.heard({ type: 'failed' })
    this.#cancelAgent(reason)
  }

  /** `reason` tells whoever stands between turn and agent that this was the agent's fault. */
  #cancelAgent(reason?: TimeoutError): void {
    const call = this.#agentCall
    if (call === undefined || call.isOver) return
    call.isOver = true
    call.aborter.abort(reason)
  }

  // ── what is told of it ─────────────────────────────────────────────────────

  #report(fact: TurnFact): void {
    const { events, clock } = this.#ports
    const { session, turnId: turn } = this.#claim
    const now = clock.monotonic()
    const tookMs = this.#waitedMs + now - this.#claimedAt
    switch (fact.type) {
      case 'started':
        this.#attempt = fact.attempt
        return events.turnStarted({ session, turn, attempt: fact.attempt })
      case 'told':
        return events.helpGiven({ session, turn, reason: fact.reason, doesWait: fact.doesWait, tookMs })
      case 'first-text':
        this.#shown = { since: now, lastAt: now }
        this.#ports.heard({ type: 'spoke' })
        return events.turnFirstText({ turn, tookMs })
      case 'ended': {
        const { outcome, reason } = fact
        const shown = this.#shown
        if (reason === 'idle-timeout' && shown !== undefined) events.turnStalled({ turn, gapMs: now - shown.lastAt })
        this.#shown = undefined
        const answeredMs = shown === undefined ? undefined : now - shown.since
        return events.turnEnded({ session, turn, outcome, reason, attempt: this.#attempt, tookMs, answeredMs })
      }
      case 'fenced':
        return events.turnFenced(turn)
    }
  }

  /** The answer goes on. */
  #saidMore(): void {
    const shown = this.#shown
    if (shown === undefined) return
    const now = this.#ports.clock.monotonic()
    if (now - shown.lastAt >= STALL_MS) this.#ports.events.turnStalled({ turn: this.turnId, gapMs: now - shown.lastAt })
    this.#shown = { ...shown, lastAt: now }
  }

  /** The turn is over for this process. An answer that has not ended is somebody else's to go on with. */
  #leave(): void {
    const shown = this.#shown
    this.#shown = undefined
    if (shown === undefined) return
    this.#ports.events.answerLeft({ turn: this.turnId, answeredMs: this.#ports.clock.monotonic() - shown.since })
  }
}

/** Why an agent that kept a turn waiting is cancelled; `undefined` when the turn ends for any other reason. */
function tooSlow(turn: Turn, settings: TurnSettings): TimeoutError | undefined {
  const reason = turn.status === 'ending' ? turn.end.reason : undefined
  const service = 'ai-agent'
  if (reason === 'first-token-timeout') return new TimeoutError({ service, kind: 'attempt', ms: settings.firstTextTimeoutMs })
  if (reason === 'idle-timeout') return new TimeoutError({ service, kind: 'attempt', ms: settings.idleTimeoutMs })
  if (reason === 'deadline') return new TimeoutError({ service, kind: 'deadline', ms: settings.deadlineMs })
  return undefined
}
