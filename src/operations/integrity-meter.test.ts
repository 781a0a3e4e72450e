import { expect, test } from 'vitest'
import type { QuestionTally } from '../conversation-log/conversation-log.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createIntegrityMeter } from './integrity-meter.ts'

const NOTHING: QuestionTally = {
  accepted: 0,
  ended: { answered: 0, stopped: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 },
  waiting: 0,
  unstarted: 0,
  oldestUnstartedAt: undefined,
  sessions: 0,
  lost: 0,
  lostAt: undefined,
  found: 0,
}

/** A meter on a store that answers `state.tally`. */
function createPlay() {
  const clock = createSimulatedClock()
  const events = createRecordedEvents()
  const state = { tally: NOTHING, isAway: false, tookMs: 0, asked: 0 }
  const log = {
    tally: async () => {
      state.asked += 1
      if (state.tookMs > 0) await clock.sleep(state.tookMs, new AbortController().signal)
      if (state.isAway) throw new Error('away')
      return state.tally
    },
  }
  const meter = createIntegrityMeter({ log, clock, events })
  return { clock, events, state, meter }
}

test('[O90] the store is asked now and then, and the last answer is known with its age', async () => {
  const { clock, state, meter } = createPlay()
  expect(meter.reading()).toBeUndefined()
  meter.start()
  await clock.settle()
  state.tally = { ...NOTHING, accepted: 5, ended: { ...NOTHING.ended, answered: 3 }, waiting: 1, lost: 1 }
  await clock.advance(6_000)
  expect([state.asked, meter.reading()]).toEqual([2, { tally: state.tally, difference: 1, ageMs: 1_000, oldestUnstartedMs: 0 }])
})

test('[O90] a store that does not answer leaves the last answer, which grows older', async () => {
  const { clock, state, meter } = createPlay()
  meter.start()
  await clock.settle()
  state.isAway = true
  await clock.advance(15_000)
  expect([meter.reading()?.tally, meter.reading()?.ageMs]).toEqual([NOTHING, 15_000])
})

test('[O90] counting that takes the store long is done less often', async () => {
  const { clock, state, meter } = createPlay()
  state.tookMs = 1_000
  meter.start()
  await clock.advance(50_000)
  expect(state.asked).toBe(1)
  await clock.advance(1_000)
  expect(state.asked).toBe(2)
})

test('[O90] a count that was held up, or failed after long, makes nobody wait for the next', async () => {
  const { clock, state, meter } = createPlay()
  meter.start()
  await clock.settle()
  for (const isAway of [false, true]) {
    Object.assign(state, { tookMs: 60_000, isAway })
    await clock.advance(5_000)
    Object.assign(state, { tookMs: 0 })
    await clock.advance(60_000)
    const { asked } = state
    Object.assign(state, { isAway: false })
    await clock.advance(5_000)
    expect([state.asked, meter.reading()?.ageMs]).toEqual([asked + 1, 0])
  }
})

test('[O91] a loss is told once, by whoever the store tells that it was found', async () => {
  const { clock, events, state, meter } = createPlay()
  meter.start()
  await clock.settle()
  state.tally = { ...NOTHING, accepted: 2, lost: 2, lostAt: clock.now(), found: 2 }
  await clock.advance(5_000)
  state.tally = { ...state.tally, found: 0 }
  await clock.advance(60_000)
  expect(events.of('questionsLost')).toEqual([{ found: 2, missing: 2 }])
})

test.each([
  ['within the hour is told again by a process that starts', 3_599_000, [{ found: 2, missing: 2 }]],
  ['longer ago is not', 3_600_000, []],
] as const)('[O91] a loss that was found %s', async (_when, agoMs, told) => {
  const { clock, events, state, meter } = createPlay()
  await clock.advance(7_200_000)
  state.tally = { ...NOTHING, accepted: 2, lost: 2, lostAt: clock.now() - agoMs }
  meter.start()
  await clock.advance(20_000)
  expect(events.of('questionsLost')).toEqual(told)
})

test('[O92] questions that nobody begins to ask for two minutes are told once, and once when none is left', async () => {
  const { clock, events, state, meter } = createPlay()
  meter.start()
  await clock.settle()
  state.tally = { ...NOTHING, accepted: 3, waiting: 3, unstarted: 3, oldestUnstartedAt: clock.now() }
  await clock.advance(115_000)
  expect(events.of('queueStuck')).toEqual([])
  await clock.advance(30_000)
  expect(events.of('queueStuck')).toEqual([{ queue: 'inbound', depth: 3, ageMs: 120_000 }])
  expect(meter.reading()?.oldestUnstartedMs).toBe(145_000)
  state.tally = { ...NOTHING, accepted: 3, waiting: 3 }
  await clock.advance(60_000)
  expect([events.of('queueStuck').length, events.of('queueDrained')]).toEqual([1, [{ queue: 'inbound' }]])
})

test('[O93] a clock that is set is said, with how far', async () => {
  const { clock, events, meter } = createPlay()
  meter.start()
  await clock.settle()
  clock.jump(-3_600_000)
  await clock.advance(5_000)
  clock.jump(500)
  await clock.advance(60_000)
  expect(events.of('clockJumped')).toEqual([{ byMs: -3_600_000 }])
})

test('[O90] disposed of, it asks no more and leaves no timer', async () => {
  const { clock, state, meter } = createPlay()
  meter.start()
  await clock.settle()
  meter[Symbol.dispose]()
  await clock.advance(60_000)
  expect([state.asked, clock.waiting]).toEqual([1, 0])
})
