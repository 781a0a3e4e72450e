import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptyWindow, record, tally, type OutcomeWindow } from './outcome-window.ts'

interface Result {
  readonly isFailure: boolean
  readonly isSlow: boolean
}

const results = (maxLength: number): fc.Arbitrary<readonly Result[]> =>
  fc.array(fc.record({ isFailure: fc.boolean(), isSlow: fc.boolean() }), { maxLength })
const countOf = (list: readonly Result[]): unknown => ({
  calls: list.length,
  failures: list.filter(({ isFailure }) => isFailure).length,
  slow: list.filter(({ isSlow }) => isSlow).length,
})
const counts = (window: OutcomeWindow, now: number): unknown => {
  const { calls, failures, slow } = tally(window, now)
  return { calls, failures, slow }
}

test('[R2] a count window holds exactly the last results, whatever came before', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), results(200), (size, list) => {
      let window = emptyWindow({ type: 'count', calls: size })
      list.forEach(({ isFailure, isSlow }, index) => {
        window = record(window, isFailure, isSlow, 0)
        expect(counts(window, 0)).toEqual(countOf(list.slice(Math.max(0, index + 1 - size), index + 1)))
      })
    }),
  )
})

test('[R2] one more success among nothing but successes is the same window', () => {
  let window = emptyWindow({ type: 'count', calls: 3 })
  for (let index = 0; index < 3; index += 1) window = record(window, false, false, 0)
  expect(record(window, false, false, 0)).toBe(window)
})

test('[R3] a time window never counts what is older than it, and always what is younger than nine tenths of it', () => {
  const steps = fc.array(fc.record({ after: fc.integer({ min: 0, max: 400 }), isFailure: fc.boolean(), isSlow: fc.boolean() }), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 2_000 }), (list, idle) => {
      let window = emptyWindow({ type: 'time', ms: 1_000 })
      let now = 0
      const seen: (Result & { readonly at: number })[] = []
      for (const { after, isFailure, isSlow } of list) {
        now += after
        window = record(window, isFailure, isSlow, now)
        seen.push({ at: now, isFailure, isSlow })
      }
      now += idle
      const { failures, calls } = tally(window, now)
      const younger = (ms: number): readonly Result[] => seen.filter(({ at }) => now - at < ms)
      expect(calls).toBeLessThanOrEqual(younger(1_000).length)
      expect(calls).toBeGreaterThanOrEqual(younger(900).length)
      expect(failures).toBeLessThanOrEqual(younger(1_000).filter(({ isFailure }) => isFailure).length)
      expect(failures).toBeGreaterThanOrEqual(younger(900).filter(({ isFailure }) => isFailure).length)
    }),
  )
})

test('[R3] a time window keeps a bounded number of slices, however many calls it has seen', () => {
  let window = emptyWindow({ type: 'time', ms: 1_000 })
  for (let now = 0; now < 20_000; now += 1) window = record(window, now % 2 === 0, false, now)
  expect(window.type === 'time' ? window.past.length : undefined).toBeLessThanOrEqual(10)
})
