/**
 * Simulated time: everything that will happen, in one order, from one heap.
 *
 * Two things due at the same moment happen in the order they were planned, so a history depends on its seed alone.
 */
export interface World {
  /** Milliseconds since the world began. */
  now(): number
  /** Plans `action` for `ms` milliseconds from now; the returned function takes it back. */
  after(ms: number, action: () => void): () => void
  /** Lets time pass until `atMs`, at most `stepsMax` happenings. Returns how many there were. */
  runUntil(atMs: number, stepsMax: number): number
}

interface Planned {
  readonly at: number
  readonly order: number
  readonly action: () => void
  isOff: boolean
}

const isBefore = (one: Planned, other: Planned): boolean => one.at < other.at || (one.at === other.at && one.order < other.order)

export function createWorld(): World {
  const heap: Planned[] = []
  let time = 0
  let planned = 0

  function push(item: Planned): void {
    let index = heap.length
    heap.push(item)
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex]
      if (parent === undefined || !isBefore(item, parent)) break
      heap[index] = parent
      index = parentIndex
    }
    heap[index] = item
  }

  function pop(): Planned | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let index = 0
    for (;;) {
      const left = heap[2 * index + 1]
      const right = heap[2 * index + 2]
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left
      if (child === undefined || !isBefore(child, last)) break
      heap[index] = child
      index = child === left ? 2 * index + 1 : 2 * index + 2
    }
    heap[index] = last
    return first
  }

  return {
    now: () => time,
    after(ms, action) {
      planned += 1
      const item: Planned = { at: time + Math.max(0, ms), order: planned, action, isOff: false }
      push(item)
      return () => {
        item.isOff = true
      }
    },
    runUntil(atMs, stepsMax) {
      let steps = 0
      while (steps < stepsMax) {
        const next = heap[0]
        if (next === undefined || next.at > atMs) break
        pop()
        if (next.isOff) continue
        time = next.at
        steps += 1
        next.action()
      }
      if (steps < stepsMax) time = Math.max(time, atMs)
      return steps
    },
  }
}
