/**
 * The turns that one life of a simulated server drives, as `turns/turn-crew.ts` does: it claims them, says which question may be put to
 * the agent, and learns from what the agent makes of each.
 */
import { TELLING_MAX } from '../conversation/limits.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import { awayReason, OPEN_RAMP, roomFor, step, type AgentRoom, type RampEvent } from '../turns/agent-room.ts'
import type { Errand } from '../turns/turn-state.ts'
import { SimulatedTurn, type SimulatedTurnOptions } from './simulated-turn.ts'
import type { StoreAnswer } from './store-node.ts'

export interface SimulatedTurnsOptions extends Omit<SimulatedTurnOptions, 'roomFor' | 'heard' | 'ended'> {
  /** Names this life of its process. */
  readonly owner: string
}

export class SimulatedTurns {
  readonly #options: SimulatedTurnsOptions
  readonly #running = new Map<string, SimulatedTurn>()
  #ramp = OPEN_RAMP
  #isClaiming = false
  #isDraining = false

  constructor(options: SimulatedTurnsOptions) {
    this.#options = options
    this.#poll()
  }

  /** Turns under way: what a fault hits. */
  get running(): readonly SimulatedTurn[] {
    return [...this.#running.values()]
  }

  /** A doorbell: something was appended, perhaps a wish to stop. */
  rung(session: string | undefined): void {
    for (const turn of this.#running.values()) if (turn.session === session) turn.look()
    this.#work()
  }

  /** What is known of the agent has changed. */
  agentChanged(): void {
    this.#work()
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
    this.#work()
    this.#options.process.after(this.#options.settings.pollMs, () => this.#poll())
  }

  #work(): void {
    if (this.#isClaiming || this.#isDraining) return
    for (const turn of this.#oldestFirst()) if (turn.isWaiting) turn.event({ type: 'agent-changed' })
    this.#isClaiming = true
    const isAway = awayReason(this.#options.agent.presence) !== undefined
    this.#claimUpTo(this.#free('answer'), 'answer', () => {
      this.#claimUpTo(isAway ? this.#free('tell') : 0, 'tell', () => {
        this.#isClaiming = false
      })
    })
  }

  #claimUpTo(limit: number, errand: Errand, then: () => void): void {
    if (limit <= 0) return then()
    const { process, store, settings, owner } = this.#options
    const since = process.world.now()
    const reply = process.bound((answer: StoreAnswer) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both commands answer with claims
      const claims = answer.ok && Array.isArray(answer.result) ? (answer.result as readonly Claim[]) : []
      for (const claim of claims) this.#take(claim, errand, since)
      then()
    })
    return store.submit({ name: errand === 'answer' ? 'claim' : 'claimUntold', args: [owner, settings.leaseMs, limit] }, reply)
  }

  #take(claim: Claim, errand: Errand, since: number): void {
    const running = this.#running.get(claim.turnId)
    if (running !== undefined) {
      running.event({ type: 'reclaimed', claim, since })
      return
    }
    const options = {
      ...this.#options,
      roomFor: (turn: SimulatedTurn) => this.#roomFor(turn),
      heard: (event: RampEvent) => this.#heard(event),
      ended: () => {
        this.#running.delete(claim.turnId)
        this.#options.process.after(0, () => this.#work())
      },
    }
    const turn = new SimulatedTurn(options, { claim, errand, since })
    this.#running.set(claim.turnId, turn)
    turn.begin()
    // A claim that was under way when the process was told to go is given straight back.
    if (this.#isDraining) turn.event({ type: 'drain' })
  }

  #free(errand: Errand): number {
    const max = errand === 'answer' ? this.#options.settings.concurrency : TELLING_MAX
    return max - this.running.filter((turn) => turn.errand === errand).length
  }

  #oldestFirst(): readonly SimulatedTurn[] {
    return this.running.toSorted((one, other) => one.askedAt - other.askedAt)
  }

  #heard(event: RampEvent): void {
    this.#ramp = step(this.#ramp, event, { now: this.#options.process.world.now(), max: this.#options.settings.concurrency })
  }

  #roomFor(turn: SimulatedTurn): AgentRoom {
    const { presence } = this.#options.agent
    if (awayReason(presence) !== undefined) this.#heard({ type: 'away' })
    let [asked, isBehind, isOlder] = [0, false, true]
    for (const other of this.#oldestFirst()) {
      if (other === turn) isOlder = false
      else if (other.isAsked) asked += 1
      else if (isOlder && other.isWaiting) isBehind = true
    }
    return roomFor(this.#ramp, presence, { asked, isBehind }, this.#options.process.world.now())
  }
}
