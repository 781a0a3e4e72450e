/**
 * The turn runner of a simulated server: the very steps of `turns/turn.ts`, with simulated effects.
 */
import { createHash } from 'node:crypto'
import type { Cursor } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import { nextDeadline, openTurn, step } from '../turns/turn.ts'
import { askedQuestion, emptyTurnLog, extendTurnLog, viewTurn, type TurnLog } from '../turns/turn-log.ts'
import type { TurnSettings } from '../turns/turn-settings.ts'
import type { Turn, TurnContext, TurnEffect, TurnEvent, TurnStep } from '../turns/turn-state.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedAgent } from './simulated-agent.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedStore } from './simulated-store.ts'

export interface SimulatedTurnsOptions {
  readonly process: SimulatedProcess
  readonly store: SimulatedStore
  readonly agent: SimulatedAgent
  readonly random: SeededRandom
  readonly epochMs: number
  readonly settings: TurnSettings
  /** An owner found that the turn is not its own any more. */
  leaseLost(): void
  /** Planted bugs of the simulation's own test: what a turn decided may be changed before it is done. */
  tamper(effects: readonly TurnEffect[]): readonly TurnEffect[]
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

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
  get running(): number {
    return this.#running.size
  }

  /** A doorbell: something was appended, perhaps a wish to stop. */
  rung(): void {
    for (const turn of this.#running.values()) turn.look()
    this.#claim()
  }

  /** The agent, which was away, can be asked again. */
  agentBack(): void {
    for (const turn of this.#running.values()) turn.event({ type: 'agent-changed' })
  }

  /** Claims nothing more and gives back what is under way, text and all. */
  drain(): void {
    this.#isDraining = true
    // Each may be asked once more by whoever takes it up.
    for (let left = this.#running.size; left > 0; left -= 1) this.#options.leaseLost()
    for (const turn of this.#running.values()) turn.event({ type: 'drain' })
    for (const turn of this.#running.values()) turn.event({ type: 'hand-over' })
  }

  #poll(): void {
    this.#claim()
    this.#options.process.after(this.#options.settings.pollMs, () => this.#poll())
  }

  #claim(): void {
    if (this.#isClaiming || this.#isDraining) return
    this.#isClaiming = true
    const { process, store, settings } = this.#options
    const since = process.world.now()
    const reply = process.bound<Parameters<Parameters<SimulatedStore['submit']>[1]>>((answer) => {
      this.#isClaiming = false
      if (!answer.ok || !Array.isArray(answer.result)) return
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `claim` answers with claims
      for (const claim of answer.result as readonly Claim[]) this.#take(claim, since)
    })
    store.submit({ name: 'claim', args: ['simulated', settings.leaseMs, settings.concurrency] }, reply)
  }

  #take(claim: Claim, since: number): void {
    const running = this.#running.get(claim.turnId)
    if (running !== undefined) {
      running.event({ type: 'reclaimed', claim, since })
      return
    }
    const turn = new SimulatedTurn(this.#options, claim, since, () => this.#running.delete(claim.turnId))
    this.#running.set(claim.turnId, turn)
    // A claim that was under way when the process was told to go is given straight back.
    if (this.#isDraining) turn.event({ type: 'drain' })
  }
}

/** One turn under way. */
class SimulatedTurn {
  readonly #options: SimulatedTurnsOptions
  readonly #ended: () => void
  #claim: Claim
  #turn: Turn
  #log: TurnLog
  #cursor: Cursor | undefined
  #takeBack: () => void = () => undefined
  #cancelAgent: () => void = () => undefined

  constructor(options: SimulatedTurnsOptions, claim: Claim, since: number, ended: () => void) {
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

  /** Reads on, to see whether somebody asked for a stop. */
  look(): void {
    this.#read((view) => {
      if (view === 'gone') this.event({ type: 'gone' })
      else if (view !== undefined && viewTurn(this.#log)?.isStopping === true) this.event({ type: 'stop-requested' })
    })
  }

  #move([turn, effects]: TurnStep): void {
    this.#turn = turn
    this.#perform(this.#options.tamper(effects))
    if (turn.status === 'done') {
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
    const { process, random, agent, epochMs, settings } = this.#options
    return {
      now: process.world.now(),
      wallNow: epochMs + process.world.now(),
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
        this.#read((view) => {
          if (view === undefined) this.event({ type: 'read-failed', isRetryable: true })
          else this.event({ type: 'read', view: view === 'gone' ? undefined : viewTurn(this.#log) })
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
      case 'renew': {
        const { fence } = effect.claim
        store.submit(
          { name: 'renew', args: [effect.claim, this.#options.settings.leaseMs] },
          process.bound((answer) => {
            if (answer.ok) this.event({ type: 'renewed', fence, isHeld: answer.result === true })
            else this.event({ type: 'renew-failed', fence, isRetryable: answer.error.isRetryable })
          }),
        )
        return
      }
      case 'release':
        store.submit({ name: 'release', args: [effect.claim] }, () => undefined)
        return
      case 'ask':
        this.#ask(effect.attempt)
        return
      case 'cancel':
        this.#cancelAgent()
        return
      case 'report':
        // Another owner may ask again, so the checker must know that this one lost the turn.
        if (effect.fact.type === 'fenced') this.#options.leaseLost()
    }
  }

  #ask(attempt: number): void {
    const { agent, process } = this.#options
    const text = askedQuestion(this.#log)?.text ?? ''
    const on = (event: TurnEvent): (() => void) => process.bound(() => this.event(event))
    this.#cancelAgent = agent.ask(
      { turnId: this.#claim.turnId, attempt, text },
      {
        text: process.bound((piece) => this.event({ type: 'agent-text', text: piece, persona: undefined })),
        finished: on({ type: 'agent-finished' }),
        failed: process.bound((kind) => this.event({ type: 'agent-failed', kind })),
        stopped: on({ type: 'agent-stopped' }),
      },
    )
  }

  /** Reads to the end of the log; `undefined` when the store did not answer. */
  #read(done: (outcome: 'read' | 'gone' | undefined) => void): void {
    const { process, store } = this.#options
    store.submit(
      { name: 'read', args: [this.#claim.session, this.#cursor, READ_ENTRIES_MAX] },
      process.bound((answer) => {
        if (!answer.ok) return done(undefined)
        if (!isType(answer.result, 'entries')) return done('gone')
        const fresh = answer.result.entries.filter((entry) => entry.seq > (this.#cursor?.seq ?? 0))
        const last = fresh.at(-1)
        if (last === undefined) return done('read')
        this.#log = extendTurnLog(this.#log, fresh)
        this.#cursor = { logId: answer.result.logId, seq: last.seq, id: last.id }
        return this.#read(done)
      }),
    )
  }
}

type Result = Extract<Parameters<Parameters<SimulatedStore['submit']>[1]>[0], { ok: true }>['result']

function isType<Type extends string>(result: Result, type: Type): result is Extract<Result, { readonly type: Type }> {
  return typeof result === 'object' && 'type' in result && result.type === type
}
