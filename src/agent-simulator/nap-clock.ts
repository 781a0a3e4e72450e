/**
 * A clock for tests over real sockets: every sleep is a nap that ends at once and takes its time of the clock along, or, while
 * held, when the test says so. Nothing waits for real time.
 */
import type { Clock } from '../resilience/clock.ts'

interface Nap {
  readonly ms: number
  readonly end: () => void
}

interface Waiter {
  readonly isNapping: boolean
  readonly tell: () => void
}

const EPOCH_MS = Date.UTC(2026, 0, 5, 9)

export class NapClock implements Clock {
  /** Milliseconds of every sleep so far. */
  readonly naps: number[] = []
  readonly #pending = new Set<Nap>()
  readonly #timers = new Map<() => void, number>()
  #waiters: readonly Waiter[] = []
  #isHeld = false
  #time = 0

  now(): number {
    return EPOCH_MS + this.#time
  }

  monotonic(): number {
    return this.#time
  }

  schedule(ms: number, then: () => void): () => void {
    const timer = (): void => then()
    this.#timers.set(timer, this.#time + ms)
    return () => void this.#timers.delete(timer)
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => {
      this.#leave(nap)
      reject(signal.reason)
    }
    const end = (): void => {
      signal.removeEventListener('abort', onAbort)
      this.#leave(nap)
      resolve()
    }
    const nap: Nap = { ms, end }
    if (signal.aborted) reject(signal.reason)
    else {
      this.naps.push(ms)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#pending.add(nap)
      if (this.#isHeld) this.#tell()
      else this.wake()
    }
    return promise
  }

  /** From now on naps last until `wake`. */
  hold(): void {
    this.#isHeld = true
  }

  /** Ends every nap, and lets later ones end at once. */
  release(): void {
    this.#isHeld = false
    this.wake()
  }

  /** Ends the nap that is on. */
  wake(): void {
    for (const nap of this.#pending) {
      this.#time += nap.ms
      nap.end()
    }
  }

  /** Resolves when somebody naps. */
  napping(): Promise<void> {
    return this.#until(true)
  }

  /** Resolves when nobody does. */
  awake(): Promise<void> {
    return this.#until(false)
  }

  /** Moves the time and runs what was scheduled until then. */
  pass(ms: number): void {
    this.#time += ms
    for (const [timer, at] of this.#timers) {
      if (at > this.#time) continue
      this.#timers.delete(timer)
      timer()
    }
  }

  #leave(nap: Nap): void {
    this.#pending.delete(nap)
    this.#tell()
  }

  #until(isNapping: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiters = [...this.#waiters, { isNapping, tell: resolve }]
    this.#tell()
    return promise
  }

  #tell(): void {
    const isNapping = this.#pending.size > 0
    for (const waiter of this.#waiters) if (waiter.isNapping === isNapping) waiter.tell()
    this.#waiters = this.#waiters.filter((waiter) => waiter.isNapping !== isNapping)
  }
}
