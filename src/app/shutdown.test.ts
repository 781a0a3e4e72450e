import { describe, expect, test } from 'vitest'
import { DRAIN_GOODBYES_MAX_MS, DRAIN_GOODBYE_MS, HAND_OVER_MAX_MS, LAST_REQUESTS_MS, STORE_STALL_MAX_MS } from '../conversation/limits.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createShutdown, SAME_SIGNAL_MS, signalMeaning, STOP_LIMIT_MS } from './shutdown.ts'

const DRAIN_MS = 25_000

test.each([
  [undefined, 1_000, 'stop'],
  [1_000, 1_000, 'same'],
  [1_000, 1_499, 'same'],
  [1_000, 1_500, 'now'],
] as const)('[O25] stopping since %s, a signal at %i means %s', (firstAt, now, meaning) => {
  expect(signalMeaning(firstAt, now)).toBe(meaning)
})

/** A process, seen from its signals; `stop` is how its service ends, `undefined` while it starts. */
function play(stop: (() => Promise<void>) | undefined) {
  const clock = createSimulatedClock()
  const ends: unknown[] = []
  const signal = createShutdown({
    clock,
    running: () => stop && { service: { stop }, drainMs: DRAIN_MS },
    exit: (code) => void ends.push(code),
    crash: (cause) => void ends.push(cause),
  })
  return { clock, ends, signal }
}

const never = (): Promise<void> => new Promise(() => undefined)

describe('a process that is told to end', () => {
  test('[O25] ends with 0 when its service has stopped, and at once while it still starts', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const running = play(() => promise)
    running.signal()
    await running.clock.advance(DRAIN_MS)
    expect(running.ends).toEqual([])
    resolve()
    await running.clock.settle()
    expect([running.ends, running.clock.waiting]).toEqual([[0], 0])
    const starting = play(undefined)
    starting.signal()
    expect(starting.ends).toEqual([0])
  })

  test('[O25] takes signals that come together as one, and ends at once with 1 at a later one', () => {
    const { clock, ends, signal } = play(never)
    signal()
    clock.advanceSync(SAME_SIGNAL_MS - 1)
    signal()
    expect(ends).toEqual([])
    clock.advanceSync(1)
    signal()
    expect(ends).toEqual([1])
  })

  test('[O181] ends as it is, and says so, when stopping takes too long', async () => {
    const { clock, ends, signal } = play(never)
    signal()
    await clock.advance(DRAIN_MS + STOP_LIMIT_MS - 1)
    expect(ends).toEqual([])
    await clock.advance(1)
    expect(ends).toMatchObject([{ code: 'STOP_TOO_SLOW', message: 'stopping took longer than 40000 ms' }])
  })

  test('[O181] ends with the reason when stopping fails', async () => {
    const cause = new Error('the store is broken')
    const { clock, ends, signal } = play(() => Promise.reject(cause))
    signal()
    await clock.settle()
    expect(ends).toEqual([cause])
  })

  test('[O181] has time for every step of stopping that has a bound of its own', () => {
    const steps = [HAND_OVER_MAX_MS, DRAIN_GOODBYES_MAX_MS + DRAIN_GOODBYE_MS, LAST_REQUESTS_MS, STORE_STALL_MAX_MS]
    expect(steps.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(STOP_LIMIT_MS)
  })
})
