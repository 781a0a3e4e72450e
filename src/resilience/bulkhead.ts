/**
 * So many calls at a time, so many waiting, the rest refused at once.
 *
 * A permit is held until the call has really ended, not until somebody stopped waiting for it: a service that ignores
 * cancellation is never given more work than it can do. Such calls are counted as abandoned.
 */
import { numberFaults, refuseFaults, ResilienceError, withoutStack } from './resilience-error.ts'

/** Every permit is taken and the queue is full. Retryable in the sense of the API; our retry loops do not. */
export class BulkheadFullError extends ResilienceError {
  override name = 'BulkheadFullError'

  constructor(service: string) {
    super(`${service}: too many calls at a time`, {
      code: 'BULKHEAD_FULL',
      statusCode: 503,
      isRetryable: true,
      service,
      retryAfterMs: undefined,
      blamesService: false,
    })
  }
}

export interface BulkheadSettings {
  readonly service: string
  /** Calls that run at a time. */
  readonly concurrency: number
  /** Calls that may wait for a permit, in order of arrival. */
  readonly queue: number
}

export interface BulkheadStats {
  readonly running: number
  readonly queued: number
  /** Of those running: calls whose signal has aborted and which go on all the same. */
  readonly abandoned: number
  readonly rejected: number
}

export interface Bulkhead {
  readonly settings: BulkheadSettings
  /**
   * Runs `call` with a permit, after those that came before.
   *
   * @throws BulkheadFullError at once; the signal's reason when that aborts while waiting; whatever `call` throws.
   */
  execute<Value>(call: () => Value | PromiseLike<Value>, signal?: AbortSignal): Promise<Value>
  stats(): BulkheadStats
}

/** A call that holds a permit. */
interface Permit {
  readonly signal: AbortSignal | undefined
  /** Where it is among the others; the last takes the place of one that leaves. */
  place: number
}

class FairBulkhead implements Bulkhead {
  readonly settings: BulkheadSettings
  /** In no order. An array, since a set costs as much as all the rest of a call that need not wait. */
  readonly #permits: Permit[] = []
  /** In order of arrival; leaving is O(1). Each is told that a permit is its own. */
  readonly #queue = new Set<() => void>()
  /** Permits promised to those who left the queue and have not started yet. */
  #promised = 0
  #rejected = 0

  constructor(settings: BulkheadSettings) {
    this.settings = { ...settings }
  }

  async execute<Value>(call: () => Value | PromiseLike<Value>, signal?: AbortSignal): Promise<Value> {
    if (isAborted(signal)) throw signal?.reason
    if (this.#permits.length + this.#promised >= this.settings.concurrency) {
      await this.#wait(signal)
      this.#promised -= 1
      if (isAborted(signal)) {
        this.#letNextIn() // aborted between being let in and going in
        throw signal?.reason
      }
    }
    const permit: Permit = { signal, place: this.#permits.length }
    this.#permits.push(permit)
    try {
      return await call()
    } finally {
      this.#giveBack(permit)
      this.#letNextIn()
    }
  }

  stats(): BulkheadStats {
    const abandoned = this.#permits.filter(({ signal }) => isAborted(signal)).length
    return { running: this.#permits.length, queued: this.#queue.size, abandoned, rejected: this.#rejected }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.#queue.size >= this.settings.queue) {
      this.#rejected += 1
      throw withoutStack(() => new BulkheadFullError(this.settings.service))
    }
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#queue.delete(enter)
        reject(signal?.reason)
      }
      this.#queue.add(enter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #giveBack({ place }: Permit): void {
    const last = this.#permits.pop()
    if (last === undefined || last.place === place) return
    last.place = place
    this.#permits[place] = last
  }

  #letNextIn(): void {
    if (this.#queue.size === 0) return
    const [next] = this.#queue
    if (next === undefined) return
    this.#queue.delete(next)
    this.#promised += 1
    next()
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true

/** @throws SettingsError that lists every fault of `settings`. */
export function createBulkhead(settings: BulkheadSettings): Bulkhead {
  refuseFaults(
    `bulkhead ${settings.service}`,
    numberFaults([
      { name: 'concurrency', value: settings.concurrency, min: 1, isWhole: true },
      { name: 'queue', value: settings.queue, min: 0, isWhole: true },
    ]),
  )
  return new FairBulkhead(settings)
}
