import { expect, test } from 'vitest'
import { QueueHints } from './redis-queues.ts'

const NOTHING = { places: [], nextLeaseInMs: undefined }

/** Hints about three queues that have all been looked at, at time 0, and had these places. */
function known(...places: readonly (readonly number[])[]): QueueHints {
  const hints = new QueueHints(places.length)
  hints.plan(1, 0)
  for (const [index, each] of places.entries()) hints.learnt(index, { places: each, nextLeaseInMs: undefined }, 0)
  return hints
}

const planOf = (hints: QueueHints, limit: number, now = 1): readonly (readonly [number, number])[] => [...hints.plan(limit, now)]

test('[L57] at first every queue is looked at, and nothing is claimed before', () => {
  expect(planOf(new QueueHints(3), 2)).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
  ])
})

test('[L57] the oldest turns of all queues are claimed, as many as asked for', () => {
  const hints = known([10, 40], [20, 30], [50])
  expect(planOf(hints, 3)).toEqual([
    [0, 1],
    [1, 2],
  ])
  expect(planOf(hints, 0)).toEqual([])
})

test('[L57] a quiet log is not looked at until a bell rings, a lease runs out or a second has passed', () => {
  const hints = known([], [], [])
  expect(planOf(hints, 5)).toEqual([])
  hints.rang(1, 'work')
  // The only one that may have something is claimed from at once.
  expect(planOf(hints, 5)).toEqual([[1, 5]])
  hints.learnt(1, { places: [], nextLeaseInMs: 100 }, 1)
  expect([planOf(hints, 5, 100), planOf(hints, 5, 101)]).toEqual([[], [[1, 5]]])
  hints.learnt(1, NOTHING, 101)
  expect([planOf(hints, 5, 999).length, planOf(hints, 5, 1_000).length]).toEqual([0, 3])
})

test('[L57] a turn that is added behind others that wait costs no look, one that is free again does', () => {
  const hints = known([10], [20], [])
  hints.rang(0, 'work')
  expect(planOf(hints, 1)).toEqual([[0, 1]])
  hints.rang(0, 'again')
  expect(planOf(hints, 1)).toEqual([[0, 0]])
})

test('[L57] a queue that could not be looked at is left alone until the next sweep or bell', () => {
  const hints = known([10], [20], [])
  hints.failed(0)
  expect(planOf(hints, 2)).toEqual([[1, 1]])
  hints.rang(0, 'work')
  expect(planOf(hints, 2)).toEqual([[0, 0]])
})
