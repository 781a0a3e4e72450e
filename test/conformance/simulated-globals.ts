/**
 * Puts the timers, the wall clock and the chance that a library takes from the machine under a simulated clock, so that
 * libraries without a clock of their own live through hours in milliseconds, and the same hours every time.
 */
import type { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

interface Handle {
  ref(): Handle
  unref(): Handle
  readonly cancel: () => void
}

function handleOf(cancel: () => void): Handle {
  const handle: Handle = { ref: () => handle, unref: () => handle, cancel }
  return handle
}

const cancelHandle = (handle: unknown): void => {
  if (typeof handle === 'object' && handle !== null && 'cancel' in handle && typeof handle.cancel === 'function') handle.cancel()
}

const put = (target: object, name: string, value: unknown): void =>
  void Object.defineProperty(target, name, { value, configurable: true, writable: true })
const restore = (target: object, name: string, descriptor: PropertyDescriptor | undefined): void => {
  if (descriptor === undefined) Reflect.deleteProperty(target, name)
  else Object.defineProperty(target, name, descriptor)
}

/** Everything is put back when the result is disposed of. */
export function simulateGlobals(clock: SimulatedClock): Disposable {
  const chance = seededRandom(1, 'conformance')
  const dateNow = Object.getOwnPropertyDescriptor(Date, 'now')
  const random = Object.getOwnPropertyDescriptor(Math, 'random')
  const performanceNow = Object.getOwnPropertyDescriptor(performance, 'now')
  const names = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const
  const timers = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const)
  const after = (then: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): Handle =>
    handleOf(clock.schedule(Math.max(1, ms), () => then(...args)))
  const every = (then: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): Handle => {
    let cancel: (() => void) | undefined
    const again = (): void => {
      cancel = clock.schedule(Math.max(1, ms), () => {
        again()
        then(...args)
      })
    }
    again()
    return handleOf(() => cancel?.())
  }

  put(Date, 'now', () => clock.now())
  put(performance, 'now', () => clock.monotonic())
  put(Math, 'random', () => chance.next())
  put(globalThis, 'setTimeout', after)
  put(globalThis, 'setInterval', every)
  put(globalThis, 'clearTimeout', cancelHandle)
  put(globalThis, 'clearInterval', cancelHandle)

  return {
    [Symbol.dispose]() {
      restore(Date, 'now', dateNow)
      restore(Math, 'random', random)
      restore(performance, 'now', performanceNow)
      for (const [name, descriptor] of timers) restore(globalThis, name, descriptor)
    },
  }
}
