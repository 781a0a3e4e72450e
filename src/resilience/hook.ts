/**
 * One listener, kept at arm's length: whatever it does, the caller that reports to it goes on.
 *
 * A listener that throws, or returns a promise that rejects, is counted; the count is part of the owner's stats, so a
 * broken listener shows.
 */
export interface Hook<Event> {
  /** Whether anybody listens; building an event for nobody can be left out. */
  readonly isHeard: boolean
  /** How often the listener failed. */
  readonly faults: number
  emit(event: Event): void
}

class IsolatedHook<Event> implements Hook<Event> {
  readonly isHeard: boolean
  readonly #listener: ((event: Event) => unknown) | undefined
  readonly #onFault: ((error: unknown) => void) | undefined
  #faults = 0

  constructor(listener: ((event: Event) => unknown) | undefined, onFault: ((error: unknown) => void) | undefined) {
    this.#listener = listener
    this.#onFault = onFault
    this.isHeard = listener !== undefined
  }

  get faults(): number {
    return this.#faults
  }

  emit(event: Event): void {
    if (this.#listener === undefined) return
    try {
      const returned = this.#listener(event)
      if (returned instanceof Promise) returned.catch((error: unknown) => this.#count(error))
    } catch (error) {
      this.#count(error)
    }
  }

  #count(error: unknown): void {
    this.#faults += 1
    this.#onFault?.(error)
  }
}

/** `onFault` hears what the listener failed of; it must not throw. */
export function createHook<Event>(listener: ((event: Event) => unknown) | undefined, onFault?: (error: unknown) => void): Hook<Event> {
  return new IsolatedHook(listener, onFault)
}
