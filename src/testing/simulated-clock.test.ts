import { expect, test } from 'vitest'
import { createSimulatedClock } from './simulated-clock.ts'

test('[T40] simulated timers run in the order of their time, then of their making, and only when time passes', () => {
  const clock = createSimulatedClock()
  const ran: string[] = []
  clock.schedule(20, () => ran.push('c'))
  clock.schedule(10, () => {
    ran.push('a')
    clock.schedule(10, () => ran.push('d'))
  })
  clock.schedule(10, () => ran.push('b'))
  const cancel = clock.schedule(15, () => ran.push('never'))
  cancel()
  cancel()
  clock.advanceSync(9)
  expect(ran).toEqual([])
  clock.advanceSync(11)
  expect({ ran, at: clock.monotonic(), waiting: clock.waiting }).toEqual({ ran: ['a', 'b', 'c', 'd'], at: 20, waiting: 0 })
})

test('[T40] a simulated sleep resolves at its time and rejects at once when aborted, leaving no timer', async () => {
  const clock = createSimulatedClock()
  const aborter = new AbortController()
  const woke: number[] = []
  const chain = (async () => {
    await clock.sleep(5, aborter.signal)
    woke.push(clock.monotonic())
    await clock.sleep(5, aborter.signal)
    woke.push(clock.monotonic())
  })()
  await clock.advance(10)
  await chain
  const sleeping = clock.sleep(5, aborter.signal)
  aborter.abort(new Error('enough'))
  await expect(sleeping).rejects.toThrow('enough')
  await expect(clock.sleep(5, aborter.signal)).rejects.toThrow('enough')
  expect({ woke, waiting: clock.waiting }).toEqual({ woke: [5, 10], waiting: 0 })
})

test('[T40] the simulated wall clock can jump while monotonic time stands still', () => {
  const clock = createSimulatedClock({ epochMs: 1_000_000 })
  clock.advanceSync(5)
  clock.jump(-500)
  expect([clock.now(), clock.monotonic()]).toEqual([999_505, 5])
})
