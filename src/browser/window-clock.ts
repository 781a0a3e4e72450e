/** The page's clock: the only file with timers. Apart, so that a script which needs no more than that is small. */
import type { Clock } from '../resilience/clock.ts'

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const abort = (): void => {
        clearTimeout(timer)
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason is the caller's own
        reject(signal.reason)
      }
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', abort)
        resolve()
      }, ms)
      signal.addEventListener('abort', abort, { once: true })
    }),
}
