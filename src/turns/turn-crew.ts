/**
 * The turns that one process drives: claims them, says which question may be put to the agent, and learns from what the agent makes
 * of each. It holds no queue: what it does not hold is in the log.
 */
import type { TurnId } from '../conversation/ids.ts'
import { TELLING_MAX } from '../conversation/limits.ts'
import { awayReason, OPEN_RAMP, roomFor, step, type AgentRoom, type Occupancy, type RampEvent } from './agent-room.ts'
import { TurnDriver, type DriverPorts, type TurnPorts } from './turn-driver.ts'
import type { Errand } from './turn-state.ts'

export interface CrewOptions extends TurnPorts {
  /** Names this process among the owners of claims; new for each start of it. */
  readonly owner: string
  /** There may be something to claim now, or somebody who waits may have a place. */
  readonly onRoom: () => void
}

export class TurnCrew {
  readonly #options: CrewOptions
  readonly #ports: DriverPorts
  readonly #drivers = new Map<TurnId, TurnDriver>()
  #ramp = OPEN_RAMP
  #isLeaving = false

  constructor(options: CrewOptions) {
    this.#options = options
    this.#ports = { ...options, roomFor: (driver) => this.#roomFor(driver), heard: (event) => this.#heard(event) }
  }

  /** Turns that are being driven. */
  get size(): number {
    return this.#drivers.size
  }

  /** Resolves when what is being driven now has ended. */
  async ended(): Promise<void> {
    await Promise.all(Array.from(this.#drivers.values(), (driver) => driver.done))
  }

  /**
   * Claims what can be driven now, and, while the agent is away, what has no place here but shall not be left without other help.
   * Whether it got as much as it asked for, so that there may be more.
   *
   * @throws LogError when the store fails
   */
  async claim(): Promise<boolean> {
    const isAway = awayReason(this.#options.agentPresence()) !== undefined
    const [answering, telling] = [this.#free('answer'), isAway ? this.#free('tell') : 0]
    const claimed = await this.#claimUpTo(answering, 'answer')
    const told = await this.#claimUpTo(telling, 'tell')
    return (answering > 0 && claimed >= answering) || (telling > 0 && told >= telling)
  }

  /** Lets the turns that wait look whether the agent can be asked now, oldest first. */
  wake(): void {
    const isAway = awayReason(this.#options.agentPresence()) !== undefined
    const waiting = Array.from(this.#drivers.values()).filter((driver) => driver.isWaiting)
    // A turn that was held for a moment only to give it other help may have been claimed after one that was asked later.
    for (const driver of waiting.toSorted((one, other) => one.askedAt - other.askedAt)) {
      driver.agentChanged()
      // Nobody overtakes who still has to wait. An agent that is away is news to everybody.
      if (driver.isWaiting && !isAway) return
    }
  }

  /** Gives back what has not started, and whatever is still claimed. */
  drain(): void {
    this.#isLeaving = true
    for (const driver of this.#drivers.values()) driver.drain()
  }

  /** Turns that go on: not ended, and not on their way back. */
  get going(): number {
    return Array.from(this.#drivers.values()).filter((driver) => !driver.isOver).length
  }

  /** Gives back everything; text that was shown stays. */
  handOver(): void {
    for (const driver of this.#drivers.values()) driver.handOver()
  }

  /** Stops at once, as if the process had died. */
  abandon(): void {
    for (const driver of this.#drivers.values()) driver.abandon()
  }

  async #claimUpTo(limit: number, errand: Errand): Promise<number> {
    if (limit <= 0) return 0
    const { log, owner, settings, clock } = this.#options
    const since = clock.monotonic()
    const claims = await (errand === 'answer' ? log.claim(owner, settings.leaseMs, limit) : log.claimUntold(owner, settings.leaseMs, limit))
    for (const claim of claims) {
      const running = this.#drivers.get(claim.turnId)
      if (running === undefined) void this.#drive(new TurnDriver(this.#ports, { claim, errand, since }))
      else running.reclaimed(claim, since)
    }
    return claims.length
  }

  async #drive(driver: TurnDriver): Promise<void> {
    this.#drivers.set(driver.turnId, driver)
    // A claim that was under way when the crew was told to leave is given straight back.
    if (this.#isLeaving) driver.drain()
    await driver.done
    this.#drivers.delete(driver.turnId)
    this.#options.onRoom()
  }

  #free(errand: Errand): number {
    const max = errand === 'answer' ? this.#options.settings.concurrency : TELLING_MAX
    return max - Array.from(this.#drivers.values()).filter((driver) => driver.errand === errand).length
  }

  #heard(event: RampEvent): void {
    const before = this.#ramp
    this.#ramp = step(before, event, { now: this.#options.clock.monotonic(), max: this.#options.settings.concurrency })
    if (this.#ramp !== before && event.type === 'spoke') this.#options.onRoom()
  }

  #roomFor(driver: TurnDriver): AgentRoom {
    const presence = this.#options.agentPresence()
    if (awayReason(presence) !== undefined) this.#heard({ type: 'away' })
    return roomFor(this.#ramp, presence, this.#occupancyFor(driver), this.#options.clock.monotonic())
  }

  #occupancyFor(driver: TurnDriver): Occupancy {
    let [asked, isBehind, isEarlier] = [0, false, true]
    for (const other of this.#drivers.values()) {
      if (other === driver) isEarlier = false
      else if (other.isAsked) asked += 1
      else if (other.isWaiting) isBehind ||= other.askedAt < driver.askedAt || (isEarlier && other.askedAt === driver.askedAt)
    }
    return { asked, isBehind }
  }
}
