import type { Clock } from '../resilience/clock.ts'

/** Screen readers cut off what is replaced sooner than this. */
const SPACING_MS = 500

export interface Announcer {
  /** Says one short sentence; when several come at once, only the newest is said. */
  readonly say: (text: string) => void
}

/** Speaks through one status region that is on the page from the start. */
export function createAnnouncer(region: Pick<HTMLElement, 'textContent'>, clock: Pick<Clock, 'monotonic' | 'schedule'>): Announcer {
  let spokeAt = Number.NEGATIVE_INFINITY
  let next: string | undefined
  const speak = (text: string): void => {
    // The same words again would be no change, and so not said.
    region.textContent = region.textContent === text ? `${text}\u00A0` : text
    spokeAt = clock.monotonic()
  }
  return {
    say(text) {
      const wait = spokeAt + SPACING_MS - clock.monotonic()
      if (wait <= 0 && next === undefined) {
        speak(text)
        return
      }
      const isScheduled = next !== undefined
      next = text
      if (isScheduled) return
      clock.schedule(Math.max(0, wait), () => {
        const newest = next
        next = undefined
        if (newest !== undefined) speak(newest)
      })
    },
  }
}
