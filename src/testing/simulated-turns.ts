/**
 * The turn runner of a simulated server: the very steps of `turns/turn.ts`, with simulated effects.
 */
import { createHash } from 'node:crypto'
import type { Entry } from '../conversation/entry.ts'
import type { Cursor, LogId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX, STOP_LOOK_MS } from '../conversation/limits.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import { nextDeadline, openTurn, step } from '../turns/turn.ts'
import { askedQuestion, emptyTurnLog, extendTurnLog, historyBefore, viewTurn, type TurnLog } from '../turns/turn-log.ts'
import type { TurnSettings } from '../turns/turn-settings.ts'
import type { Turn, TurnContext, TurnEffect, TurnEvent, TurnStep } from '../turns/turn-state.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { AskedOfAgent, SimulatedAgent } from './simulated-agent.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { StorePort } from './simulated-store.ts'
import type { StoreAnswer } from './store-node.ts'

export interface SimulatedTurnsOptions {
  readonly process: SimulatedProcess
  readonly store: StorePort
  readonly agent: SimulatedAgent
  readonly random: SeededRandom
  /** Names this life of its process. */
  readonly owner: string
  /** The wall clock of the machine, milliseconds since the epoch. */
  readonly wallNow: () => number
  readonly settings: TurnSettings
  /** Planted bugs of the simulation's own test: what a turn decided may be changed before it is done. */
  tamper(effects: readonly TurnEffect[]): readonly TurnEffect[]
  /** … and what the agent is asked. */
  bend(question: AskedOfAgent): AskedOfAgent
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
/** How often one reading may find that its log was rolled back. */
const FORKS_MAX = 2

/** Claims open turns and drives each to its end. One life long. */
export class SimulatedTurns {
  readonly #options: SimulatedTurnsOptions
  readonly #running = new Map<string, SimulatedTurn>()
  #isClaiming = false
  #isDraining = false

  constructor(options: SimulatedTurnsOptions) {
    this.#options = options
    this.#poll()
  }

  /** Turns under way: what a fault hits. */
  get running(): readonly string[] {
    return [...this.#running.keys()]
  }

  /** A doorbell: something was appended, perhaps a wish to stop. */
  rung(session: string | undefined): void {
    for (const turn of this.#running.values()) if (turn.session === session) turn.look()
    this.#claim()
  }

  /** The agent, which was away, can be asked again. */
  agentBack(): void {
    for (const turn of this.#running.values()) turn.event({ type: 'agent-changed' })
  }

  /** Claims nothing more, gives back what has not started, and after `limitMs` the rest too, text and all. */
  drain(limitMs: number): void {
    this.#isDraining = true
    for (const turn of this.#running.values()) turn.event({ type: 'drain' })
    this.#options.process.after(limitMs, () => {
      for (const turn of this.#running.values()) turn.event({ type: 'hand-over' })
    })
  }

  #poll(): void {
    this.#claim()
    this.#options.process.after(this.#options.settings.pollMs, () => this.#poll())
  }

  #claim(): void {
    const { process, store, settings, owner } = this.#options
    const room = settings.concurrency - this.#running.size
    if (this.#isClaiming || this.#isDraining || room <= 0) return
    this.#isClaiming = true
    const since = process.world.now()
    const reply = process.bound((answer: StoreAnswer) => {
      this.#isClaiming = false
      if (!answer.ok || !Array.isArray(answer.result)) return
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `claim` answers with claims
      for (const claim of answer.result as readonly Claim[]) this.#take(claim, since)
    })
    store.submit({ name: 'claim', args: [owner, settings.leaseMs, room] }, reply)
  }

  #take(claim: Claim, since: number): void {
    const running = this.#running.get(claim.turnId)
    if (running !== undefined) {
      running.event({ type: 'reclaimed', claim, since })
      return
    }
    const turn = new SimulatedTurn(this.#options, claim, since, () => {
      this.#running.delete(claim.turnId)
      this.#claim()
    })
    this.#running.set(claim.turnId, turn)
    // A claim that was under way when the process was told to go is given straight back.
    if (this.#isDraining) turn.event({ type: 'drain' })
  }
}

/** One turn under way. */
class SimulatedTurn {
  readonly session: string
  readonly #options: SimulatedTurnsOptions
  readonly #ended: () => void
  #claim: Claim
  #turn: Turn
  #log: TurnLog
  #logId: LogId | undefined
  #isLookPlanned = false
  readonly #readers: ReadDone[] = []
  #takeBack: () => void = () => undefined
  #cancelAgent: () => void = () => undefined

  constructor(options: SimulatedTurnsOptions, claim: Claim, since: number, ended: () => void) {
    this.session = claim.session
    this.#options = options
    this.#ended = ended
    this.#claim = claim
    this.#log = emptyTurnLog(claim.turnId)
    const [turn, effects] = openTurn(claim, since, this.#context())
    this.#turn = turn
    this.#perform(effects)
    this.#plan()
  }

  event(event: TurnEvent): void {
    if (event.type === 'reclaimed') this.#claim = event.claim
    this.#move(step(this.#turn, event, this.#context()))
  }

  /** Reads, soon, whether somebody wants the turn to stop. Its own appends ring too, hence not at once each time. */
  look(): void {
    if (this.#turn.status === 'done' || this.#isLookPlanned) return
    this.#isLookPlanned = true
    this.#options.process.after(STOP_LOOK_MS, () => {
      this.#isLookPlanned = false
      if (this.#turn.status === 'done') return
      this.#read((outcome) => {
        if (outcome === 'gone') this.event({ type: 'gone' })
        else if (outcome === 'read' && viewTurn(this.#log)?.isStopping === true) this.event({ type: 'stop-requested' })
      })
    })
  }

  #move([turn, effects]: TurnStep): void {
    const wasDone = this.#turn.status === 'done'
    this.#turn = turn
    this.#perform(this.#options.tamper(effects))
    if (turn.status === 'done' && !wasDone) {
      this.#cancelAgent()
      this.#ended()
    }
    this.#plan()
  }

  #plan(): void {
    this.#takeBack()
    const due = nextDeadline(this.#turn)
    if (due === undefined) return
    this.#takeBack = this.#options.process.after(due - this.#options.process.world.now(), () => this.event({ type: 'tick' }))
  }

  #context(): TurnContext {
    const { process, random, agent, wallNow, settings } = this.#options
    return {
      now: process.world.now(),
      wallNow: wallNow(),
      chance: random.next,
      digest: sha256,
      room: () => (agent.isKnownAway ? 'agent-unreachable' : 'free'),
      fallbackText: (question, situation) => `Other help (${situation}): ${question}`,
      settings,
    }
  }

  #perform(effects: readonly TurnEffect[]): void {
    for (const effect of effects) this.#performOne(effect)
  }

  #performOne(effect: TurnEffect): void {
    const { process, store } = this.#options
    switch (effect.type) {
      case 'read':
        this.#read((outcome) => {
          if (outcome === 'failed' || outcome === 'corrupt') this.event({ type: 'read-failed', isRetryable: outcome === 'failed' })
          else this.event({ type: 'read', view: outcome === 'gone' ? undefined : viewTurn(this.#log) })
        })
        return
      case 'write':
        store.submit(
          { name: 'write', args: [effect.claim, effect.bodies] },
          process.bound((answer) => {
            if (!answer.ok) this.event({ type: 'write-failed', isRetryable: answer.error.isRetryable })
            else this.event(isType(answer.result, 'written') ? { type: 'written' } : { type: 'fenced' })
          }),
        )
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
        this.#cancelAgent()
        return
      case 'report':
    }
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

  #ask(): void {
    const { agent, process } = this.#options
    const { session, turnId, fence } = this.#claim
    const text = askedQuestion(this.#log)?.text ?? ''
    const before = historyBefore(this.#log).map((item) => item.text)
    const on = (event: TurnEvent): (() => void) => process.bound(() => this.event(event))
    this.#cancelAgent = agent.ask(this.#options.bend({ session, turnId, fence, text, before }), {
      text: process.bound((piece) => this.event({ type: 'agent-text', text: piece, persona: undefined })),
      finished: on({ type: 'agent-finished' }),
      failed: process.bound((kind) => this.event({ type: 'agent-failed', kind })),
      stopped: on({ type: 'agent-stopped' }),
    })
  }

  #cursor(): Cursor | undefined {
    const { head } = this.#log.conversation
    return head === undefined || this.#logId === undefined ? undefined : { logId: this.#logId, ...head }
  }

  /** Reads to the end of the log, one reading after another. */
  #read(done: ReadDone): void {
    this.#readers.push(done)
    if (this.#readers.length === 1) this.#readOn(0)
  }

  #readOn(forks: number): void {
    const { process, store } = this.#options
    store.submit(
      { name: 'read', args: [this.#claim.session, this.#cursor(), READ_ENTRIES_MAX] },
      process.bound((answer) => {
        if (!answer.ok || !hasType(answer.result)) return this.#hasRead('failed')
        if (answer.result.type === 'fork') {
          if (forks === FORKS_MAX) return this.#hasRead('failed')
          // What was read is not the log any more: the log is the truth.
          this.#log = emptyTurnLog(this.#claim.turnId)
          return this.#readOn(forks + 1)
        }
        if (answer.result.type !== 'entries') return this.#hasRead('gone')
        const { entries, logId, head } = answer.result
        if (!this.#extend(entries)) return this.#hasRead('corrupt')
        this.#logId = logId
        return seqOf(this.#log) < (head?.seq ?? 0) ? this.#readOn(forks) : this.#hasRead('read')
      }),
    )
  }

  #extend(entries: readonly Entry[]): boolean {
    try {
      this.#log = extendTurnLog(this.#log, entries)
      return true
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
  }

  #hasRead(outcome: Outcome): void {
    const done = this.#readers[0]
    done?.(outcome)
    this.#readers.shift()
    if (this.#readers.length > 0) this.#readOn(0)
  }
}

type Outcome = 'read' | 'gone' | 'failed' | 'corrupt'
type ReadDone = (outcome: Outcome) => void

const seqOf = ({ conversation }: TurnLog): number => conversation.head?.seq ?? 0

type Result = Extract<StoreAnswer, { ok: true }>['result']

const hasType = (result: Result): result is Extract<Result, { readonly type: string }> => typeof result === 'object' && 'type' in result

function isType<Type extends string>(result: Result, type: Type): result is Extract<Result, { readonly type: Type }> {
  return hasType(result) && result.type === type
}
