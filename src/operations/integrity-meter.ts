/**
 * The integrity meter: accepted = answered + stopped + failed + interrupted + expired + cancelled + waiting, looked at all the time.
 *
 * It asks the store, now and then, to compare what it kept with what it holds, says so when a question is missing or when
 * questions wait for too long, and keeps the last answer for metrics and the operator page. Counting takes the store a moment, so
 * the more it takes, the less often it is asked. How long one count was held up by a store that stood still says nothing of that.
 */
import { missingIn, type ConversationLog, type QuestionTally } from '../conversation-log/conversation-log.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Events } from '../telemetry/events.ts'

export interface IntegrityReading {
  readonly tally: QuestionTally
  /** Accepted questions without an end or a place among those that wait; below zero, ends too many. */
  readonly difference: number
  /** Milliseconds since the store was asked. */
  readonly ageMs: number
  /** How long the oldest question has waited that nobody has begun to ask, in milliseconds. */
  readonly oldestUnstartedMs: number
}

export interface IntegrityMeter extends Disposable {
  /** The last answer; `undefined` until there is one. */
  reading(): IntegrityReading | undefined
  /** Asks now and then, until disposed of. */
  start(): void
}

export interface IntegrityMeterOptions {
  readonly log: Pick<ConversationLog, 'tally'>
  readonly clock: Clock
  readonly events: Pick<Events, 'questionsLost' | 'queueStuck' | 'queueDrained' | 'clockJumped'>
}

const INTERVAL_MS = 5_000
/** The store spends at most one part in so many on being counted. */
const COST_SHARE = 50
/** A process that starts tells of a loss again that was found this recently: whoever found it may have died before it was heard. */
const RETOLD_MS = 3_600_000
/** A question that nobody has begun to ask for so long is stuck (operations reference §5). */
const STUCK_MS = 120_000
/** Clocks are corrected by less than this all the time. */
const JUMP_MS = 1_000

export function createIntegrityMeter(options: IntegrityMeterOptions): IntegrityMeter {
  return new PollingMeter(options)
}

interface Answer {
  readonly tally: QuestionTally
  /** Monotonic, and on the machine's clock. */
  readonly at: number
  readonly wallAt: number
}

class PollingMeter implements IntegrityMeter {
  readonly #options: IntegrityMeterOptions
  #last: Answer | undefined
  /** How long the last count took that was answered. */
  #tookMs = Number.POSITIVE_INFINITY
  #isStuck = false
  #isOver = false
  #callOff: (() => void) | undefined
  /** Wall-clock minus monotonic time, as last seen. */
  #offset: number

  constructor(options: IntegrityMeterOptions) {
    this.#options = options
    this.#offset = options.clock.now() - options.clock.monotonic()
  }

  reading(): IntegrityReading | undefined {
    const last = this.#last
    if (last === undefined) return undefined
    const { tally, at, wallAt } = last
    const ageMs = this.#options.clock.monotonic() - at
    const { oldestUnstartedAt } = tally
    return {
      tally,
      difference: missingIn(tally),
      ageMs,
      oldestUnstartedMs: oldestUnstartedAt === undefined ? 0 : Math.max(0, wallAt - oldestUnstartedAt) + ageMs,
    }
  }

  start(): void {
    if (this.#callOff !== undefined || this.#isOver) return
    this.#callOff = () => undefined
    void this.#look() // it never rejects
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#callOff?.()
  }

  async #look(): Promise<void> {
    const { log, clock } = this.#options
    this.#watchClock()
    const startedAt = clock.monotonic()
    let costMs = 0
    try {
      const tally = await log.tally()
      if (this.#isOver) return
      const at = clock.monotonic()
      // One that took long after one that did not was held up; two that took long are what counting takes.
      costMs = Math.min(at - startedAt, this.#tookMs)
      this.#tookMs = at - startedAt
      this.#hear({ tally, at, wallAt: clock.now() })
    } catch {
      // The store says itself that it failed; here the last answer grows older, which is shown.
    }
    if (this.#isOver) return
    this.#callOff = clock.schedule(Math.max(INTERVAL_MS, costMs * COST_SHARE), () => void this.#look())
  }

  #hear(answer: Answer): void {
    const { events } = this.#options
    const { tally } = answer
    const isFirst = this.#last === undefined
    this.#last = answer
    const isRecent = tally.lostAt !== undefined && answer.wallAt - tally.lostAt < RETOLD_MS
    const found = isFirst && isRecent ? tally.lost : tally.found
    if (found > 0) events.questionsLost({ found, missing: tally.lost })
    this.#hearWaiting(tally)
  }

  #hearWaiting({ unstarted: depth }: QuestionTally): void {
    const { events } = this.#options
    const ageMs = this.reading()?.oldestUnstartedMs ?? 0
    const isStuck = depth > 0 && ageMs >= STUCK_MS
    if (isStuck && !this.#isStuck) events.queueStuck({ queue: 'inbound', depth, ageMs })
    if (!isStuck && this.#isStuck) events.queueDrained({ queue: 'inbound' })
    this.#isStuck = isStuck
  }

  #watchClock(): void {
    const { clock, events } = this.#options
    const offset = clock.now() - clock.monotonic()
    if (Math.abs(offset - this.#offset) >= JUMP_MS) events.clockJumped({ byMs: offset - this.#offset })
    this.#offset = offset
  }
}
