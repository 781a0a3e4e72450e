/**
 * One turn under way on a simulated server: the very steps of `turns/turn.ts`, with simulated effects.
 */
import { createHash } from 'node:crypto'
import type { Entry } from '../conversation/entry.ts'
import type { Cursor, LogId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX, STOP_LOOK_MS } from '../conversation/limits.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import type { AgentRoom, RampEvent } from '../turns/agent-room.ts'
import { nextDeadline, openTurn, step } from '../turns/turn.ts'
import { askedQuestion, emptyTurnLog, extendTurnLog, historyBefore, viewTurn, type TurnLog } from '../turns/turn-log.ts'
import type { TurnSettings } from '../turns/turn-settings.ts'
import type { Errand, Turn, TurnContext, TurnEffect, TurnEvent, TurnStep } from '../turns/turn-state.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { AskedOfAgent, SimulatedAgent } from './simulated-agent.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { StorePort } from './simulated-store.ts'
import type { StoreAnswer } from './store-node.ts'

export interface SimulatedTurnOptions {
  readonly process: SimulatedProcess
  readonly store: StorePort
  readonly agent: SimulatedAgent
  readonly random: SeededRandom
  /** The wall clock of the machine, milliseconds since the epoch. */
  readonly wallNow: () => number
  readonly settings: TurnSettings
  /** Whether this turn's question may be put to the agent now. */
  roomFor(turn: SimulatedTurn): AgentRoom
  /** Hears what the agent does with the question. */
  heard(event: RampEvent): void
  /** It is over for this process. */
  ended(): void
  /** Planted bugs of the simulation's own test: what a turn decided may be changed before it is done … */
  tamper(effects: readonly TurnEffect[]): readonly TurnEffect[]
  /** … and what the agent is asked. */
  bend(question: AskedOfAgent): AskedOfAgent
}

/** A turn that was claimed, for what, and the time from before the claim was asked for. */
export interface Task {
  readonly claim: Claim
  readonly errand: Errand
  readonly since: number
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
/** How often one reading may find that its log was rolled back. */
const FORKS_MAX = 2

export class SimulatedTurn {
  readonly session: string
  readonly turnId: string
  readonly errand: Errand
  readonly askedAt: number
  readonly #options: SimulatedTurnOptions
  readonly #since: number
  readonly #readers: ReadDone[] = []
  #claim: Claim
  #turn: Turn | undefined
  /** The whole log as it was last read. */
  #log: TurnLog
  #logId: LogId | undefined
  #isLookPlanned = false
  #takeBack: () => void = () => undefined
  #cancelAgent: () => void = () => undefined

  constructor(options: SimulatedTurnOptions, { claim, errand, since }: Task) {
    this.session = claim.session
    this.turnId = claim.turnId
    this.errand = errand
    this.askedAt = claim.askedAt
    this.#options = options
    this.#since = since
    this.#claim = claim
    this.#log = emptyTurnLog(claim.turnId)
  }

  /** Once whoever drives it knows of it. */
  begin(): void {
    this.#move(openTurn(this.#claim, this.#since, this.#context(), this.errand))
  }

  /** The question waits until it may be put to the agent. */
  get isWaiting(): boolean {
    return this.#turn?.status === 'waiting'
  }

  /** The question is with the agent, or about to be. */
  get isAsked(): boolean {
    return this.#turn?.status === 'starting' || this.#turn?.status === 'asking' || this.#turn?.status === 'answering'
  }

  event(event: TurnEvent): void {
    if (this.#turn === undefined) return
    if (event.type === 'reclaimed') this.#claim = event.claim
    this.#move(step(this.#turn, event, this.#context()))
  }

  /** Reads, soon, whether somebody wants the turn to stop. Its own appends ring too, hence not at once each time. */
  look(): void {
    if (this.#isDone || this.#isLookPlanned) return
    this.#isLookPlanned = true
    this.#options.process.after(STOP_LOOK_MS, () => {
      this.#isLookPlanned = false
      if (this.#isDone) return
      this.#read((outcome) => {
        if (outcome === 'gone') this.event({ type: 'gone' })
        else if (outcome === 'read' && viewTurn(this.#log)?.isStopping === true) this.event({ type: 'stop-requested' })
      })
    })
  }

  get #isDone(): boolean {
    return this.#turn?.status === 'done'
  }

  #move([turn, effects]: TurnStep): void {
    const wasDone = this.#isDone
    this.#turn = turn
    for (const effect of this.#options.tamper(effects)) this.#perform(effect)
    if (this.#isDone && !wasDone) {
      this.#cancelAgent()
      this.#options.ended()
    }
    this.#plan()
  }

  #plan(): void {
    this.#takeBack()
    const due = this.#turn === undefined ? undefined : nextDeadline(this.#turn)
    if (due === undefined) return
    this.#takeBack = this.#options.process.after(due - this.#options.process.world.now(), () => this.event({ type: 'tick' }))
  }

  #context(): TurnContext {
    const { process, random, wallNow, settings } = this.#options
    return {
      now: process.world.now(),
      wallNow: wallNow(),
      chance: random.next,
      digest: sha256,
      room: () => this.#options.roomFor(this),
      fallbackText: (question, situation) => `Other help (${situation}): ${question}`,
      settings,
    }
  }

  #perform(effect: TurnEffect): void {
    const { store } = this.#options
    switch (effect.type) {
      case 'read':
        this.#read((outcome) => {
          if (outcome === 'failed' || outcome === 'corrupt') this.event({ type: 'read-failed', isRetryable: outcome === 'failed' })
          else this.event({ type: 'read', view: outcome === 'gone' ? undefined : viewTurn(this.#log) })
        })
        return
      case 'write':
        this.#write(effect)
        return
      case 'renew':
        this.#renew(effect.claim)
        return
      case 'release':
        store.submit({ name: 'release', args: [effect.claim] }, () => undefined)
        return
      case 'ask':
        this.#ask()
        return
      case 'cancel':
        if (this.#turn?.status === 'ending' && this.#turn.end.outcome === 'failed') this.#options.heard({ type: 'failed' })
        this.#cancelAgent()
        return
      case 'report':
        if (effect.fact.type === 'first-text') this.#options.heard({ type: 'spoke' })
    }
  }

  // ── the log ────────────────────────────────────────────────────────────────

  #write({ claim, bodies }: TurnEffect & { readonly type: 'write' }): void {
    const { process, store } = this.#options
    store.submit(
      { name: 'write', args: [claim, bodies] },
      process.bound((answer) => {
        if (!answer.ok) this.event({ type: 'write-failed', isRetryable: answer.error.isRetryable })
        else this.event(isType(answer.result, 'written') ? { type: 'written' } : { type: 'fenced' })
      }),
    )
  }

  #renew(claim: Claim): void {
    const { process, store, settings } = this.#options
    const { fence } = claim
    store.submit(
      { name: 'renew', args: [claim, settings.leaseMs] },
      process.bound((answer) => {
        if (answer.ok) this.event({ type: 'renewed', fence, isHeld: answer.result === true })
        else this.event({ type: 'renew-failed', fence, isRetryable: answer.error.isRetryable })
        // A missed ring costs this much latency and no more.
        this.look()
      }),
    )
  }

  /** Reads to the end of the log, one reading after another. */
  #read(done: ReadDone): void {
    this.#readers.push(done)
    if (this.#readers.length === 1) this.#readOn(this.#log, 0)
  }

  #readOn(so: TurnLog, forks: number): void {
    const { process, store } = this.#options
    const { head } = so.conversation
    const cursor: Cursor | undefined = head === undefined || this.#logId === undefined ? undefined : { logId: this.#logId, ...head }
    store.submit(
      { name: 'read', args: [this.#claim.session, cursor, READ_ENTRIES_MAX] },
      process.bound((answer) => {
        if (!answer.ok || !hasType(answer.result)) return this.#hasRead('failed')
        if (answer.result.type === 'fork') {
          // What was read is not the log any more: the log is the truth.
          return forks === FORKS_MAX ? this.#hasRead('failed') : this.#readOn(emptyTurnLog(this.#claim.turnId), forks + 1)
        }
        if (answer.result.type !== 'entries') return this.#hasRead('gone')
        const { entries, logId, head: last } = answer.result
        const longer = extended(so, entries)
        if (longer === undefined) return this.#hasRead('corrupt')
        this.#logId = logId
        if ((longer.conversation.head?.seq ?? 0) < (last?.seq ?? 0)) return this.#readOn(longer, forks)
        this.#log = longer
        return this.#hasRead('read')
      }),
    )
  }

  #hasRead(outcome: Outcome): void {
    const done = this.#readers[0]
    done?.(outcome)
    this.#readers.shift()
    if (this.#readers.length > 0) this.#readOn(this.#log, 0)
  }

  // ── the agent ──────────────────────────────────────────────────────────────

  #ask(): void {
    const { agent, process } = this.#options
    const { session, turnId, fence } = this.#claim
    const text = askedQuestion(this.#log)?.text ?? ''
    const before = historyBefore(this.#log).map((item) => item.text)
    const on = (event: TurnEvent): (() => void) => process.bound(() => this.event(event))
    this.#cancelAgent = agent.ask(this.#options.bend({ session, turnId, fence, text, before }), {
      text: process.bound((piece) => this.event({ type: 'agent-text', text: piece, persona: undefined })),
      finished: on({ type: 'agent-finished' }),
      failed: process.bound((kind) => {
        if (this.#turn?.status === 'asking')
          this.#options.heard(kind === 'busy' ? { type: 'busy', retryAfterMs: undefined } : { type: 'failed' })
        this.event({ type: 'agent-failed', kind })
      }),
      stopped: on({ type: 'agent-stopped' }),
    })
  }
}

type Outcome = 'read' | 'gone' | 'failed' | 'corrupt'
type ReadDone = (outcome: Outcome) => void

/** `undefined` when the entries do not follow one another. */
function extended(log: TurnLog, entries: readonly Entry[]): TurnLog | undefined {
  try {
    return extendTurnLog(log, entries)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

type Result = Extract<StoreAnswer, { ok: true }>['result']

const hasType = (result: Result): result is Extract<Result, { readonly type: string }> => typeof result === 'object' && 'type' in result

function isType<Type extends string>(result: Result, type: Type): result is Extract<Result, { readonly type: Type }> {
  return hasType(result) && result.type === type
}
