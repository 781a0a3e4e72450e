/**
 * What one process knows of the queues of open turns, one for each partition, so that claiming the oldest of all costs a look at the
 * few that may have changed instead of at all of them. Pure.
 *
 * It knows hints, never truths: a queue is looked at again when its bell rang, when a lease in it runs out, and all of them
 * every `SWEEP_MS`, so a bell that was missed or a store that was rolled back costs one sweep. Only the store gives turns.
 */

/** All queues are looked at again after this long. */
const SWEEP_MS = 1_000
/** Places of waiting turns that one look shows. */
export const PLACES_SHOWN = 32

/** What a bell tells: a turn was added behind those that wait, or one that may be older than them is free. */
export type QueueNews = 'work' | 'again'

/** What a look at a queue, or a claim from it, has shown. */
export interface QueueView {
  /** Of turns that can be claimed, oldest first, at most `PLACES_SHOWN`. */
  readonly places: readonly number[]
  /** Milliseconds until the next lease runs out, `undefined` when nothing is held. */
  readonly nextLeaseInMs: number | undefined
}

/** What to ask of which queues: `claim` so many, 0 for a look. */
export type QueuePlan = ReadonlyMap<number, number>

interface Queue {
  places: readonly number[]
  isDue: boolean
  /** Monotonic milliseconds. */
  leaseAt: number
}

const NOTHING: QueuePlan = new Map()

export class QueueHints {
  readonly #queues: readonly Queue[]
  #sweepAt = Number.NEGATIVE_INFINITY

  constructor(count: number) {
    this.#queues = Array.from({ length: count }, () => ({ places: [], isDue: true, leaseAt: Number.POSITIVE_INFINITY }))
  }

  rang(index: number, news: QueueNews): void {
    const queue = this.#queues[index]
    // What is added behind those that wait is not the oldest, and is seen when they are claimed.
    if (queue !== undefined && (news === 'again' || queue.places.length === 0)) queue.isDue = true
  }

  learnt(index: number, view: QueueView, now: number): void {
    const queue = this.#queues[index]
    if (queue === undefined) return
    queue.places = view.places
    queue.leaseAt = view.nextLeaseInMs === undefined ? Number.POSITIVE_INFINITY : now + view.nextLeaseInMs
    queue.isDue = false
  }

  /** The store did not answer: nothing is known of the queue until the next sweep or bell. */
  failed(index: number): void {
    this.learnt(index, { places: [], nextLeaseInMs: undefined }, 0)
  }

  /** The next step towards claiming the `limit` oldest turns; empty when there is nothing to claim, as far as is known. */
  plan(limit: number, now: number): QueuePlan {
    if (limit <= 0) return NOTHING
    if (now >= this.#sweepAt) {
      this.#sweepAt = now + SWEEP_MS
      for (const queue of this.#queues) queue.isDue = true
    }
    const due = this.#due(now)
    const [only] = due
    const others = this.#queues.some(({ places }, index) => places.length > 0 && index !== only)
    // With one queue in question there is nothing to compare: it is claimed from at once.
    if (due.length === 1 && only !== undefined && !others) return new Map([[only, limit]])
    if (due.length > 0) return new Map(due.map((index) => [index, 0]))
    return this.#oldest(limit)
  }

  #due(now: number): readonly number[] {
    return this.#queues.flatMap(({ isDue, leaseAt }, index) => (isDue || leaseAt <= now ? [index] : []))
  }

  #oldest(limit: number): QueuePlan {
    const waiting = this.#queues.flatMap(({ places }, index) => places.map((place) => ({ place, index })))
    const plan = new Map<number, number>()
    for (const { index } of waiting.toSorted((a, b) => a.place - b.place).slice(0, limit)) plan.set(index, (plan.get(index) ?? 0) + 1)
    return plan
  }
}
