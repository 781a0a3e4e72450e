/** Cases 1 to 7: what opens a breaker, and how it stays open. */
import assert from 'node:assert/strict'
import {
  errorIn,
  failTimes,
  isRejected,
  need,
  never,
  now,
  succeedTimes,
  watch,
  type BreakerSpec,
  type Case,
  type State,
} from './subject.ts'

const SPEC: BreakerSpec = { minCalls: 5, ratePercent: 50, openMs: 1_000 }
const HOUR_MS = 3_600_000

export const openingCases: readonly Case[] = [
  {
    id: 1,
    title: 'opens at the minimum of calls and at exactly the rate, not below',
    run: async (subject, clock) => {
      const make = need(subject.breaker, 'circuit breaker')
      const few = make(SPEC, clock)
      await failTimes(few, clock, 4)
      assert.equal(few.state(), 'closed', 'four failures of five needed opened it')
      await failTimes(few, clock, 1)
      assert.equal(few.state(), 'open', 'five failures of five needed did not open it')
      const below = make({ ...SPEC, minCalls: 20 }, clock)
      await succeedTimes(below, clock, 51)
      await failTimes(below, clock, 49)
      assert.equal(below.state(), 'closed', '49 % opened it at a rate of 50 %')
      const half = make({ ...SPEC, minCalls: 10 }, clock)
      await succeedTimes(half, clock, 5)
      await failTimes(half, clock, 5)
      assert.equal(half.state(), 'open', 'exactly 50 % did not open it at a rate of 50 %')
    },
  },
  {
    id: 2,
    title: 'a rate of 100 % opens when all fail',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, ratePercent: 100, minCalls: 10 }, clock)
      await failTimes(breaker, clock, 10)
      assert.equal(breaker.state(), 'open', '10 failures of 10 did not open it')
    },
  },
  {
    id: 3,
    title: 'failures older than the time window do not count, after an idle hour either',
    run: async (subject, clock) => {
      const make = need(subject.breaker, 'circuit breaker')
      const idle = make({ ...SPEC, window: { type: 'time', ms: 10_000 } }, clock)
      await failTimes(idle, clock, 4)
      await clock.advance(HOUR_MS)
      await failTimes(idle, clock, 1)
      assert.equal(idle.state(), 'closed', '4 failures, an idle hour and 1 failure opened it')
      const busy = make({ ...SPEC, window: { type: 'time', ms: 10_000 } }, clock)
      await failTimes(busy, clock, 4)
      for (let second = 0; second < 12; second += 1) {
        await clock.advance(1_000)
        await succeedTimes(busy, clock, 1)
      }
      await failTimes(busy, clock, 4)
      assert.equal(busy.state(), 'closed', 'failures of 12 seconds ago counted in a window of 10')
    },
  },
  {
    id: 4,
    title: 'a count window forgets exactly the oldest result',
    run: async (subject, clock) => {
      const make = need(subject.breaker, 'circuit breaker')
      const spec: BreakerSpec = { ...SPEC, ratePercent: 70, minCalls: 4, window: { type: 'count', calls: 4 } }
      const statesAfter = async (results: string): Promise<readonly State[]> => {
        const breaker = make(spec, clock)
        const states: State[] = []
        for (const result of results) {
          await (result === 'F' ? failTimes(breaker, clock, 1) : succeedTimes(breaker, clock, 1))
          states.push(breaker.state())
        }
        return states
      }
      assert.equal((await statesAfter('SFFSF')).join(), 'closed,closed,closed,closed,open', 'the oldest success stayed')
      assert.equal((await statesAfter('FFSSFFF')).join(), 'closed,closed,closed,closed,closed,closed,open', 'the oldest failure stayed')
    },
  },
  {
    id: 5,
    title: 'calls under way are not in the denominator',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, minCalls: 10 }, clock)
      for (let index = 0; index < 30; index += 1) void watch(breaker.execute(never))
      await failTimes(breaker, clock, 10)
      assert.equal(breaker.state(), 'open', '10 failures beside 30 hung calls did not open it')
    },
  },
  {
    id: 6,
    title: 'open, it calls nothing and says who is away and for how long',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')(SPEC, clock)
      await failTimes(breaker, clock, 5)
      await clock.advance(10)
      let calls = 0
      const errors: unknown[] = []
      for (let index = 0; index < 100; index += 1)
        errors.push(
          errorIn(
            await now(
              clock,
              breaker.execute(() => (calls += 1)),
            ),
          ),
        )
      assert.equal(calls, 0, 'it called the service')
      assert.equal(new Set(errors).size, 100, 'calls share an error')
      const fact = (name: string): unknown => Reflect.get(Object(errors[99]), name)
      const retryAfterMs = fact('retryAfterMs')
      assert.equal(typeof fact('code'), 'string', 'its error has no code')
      assert.equal(typeof fact('service'), 'string', 'its error does not name the service')
      assert.ok(typeof retryAfterMs === 'number' && retryAfterMs > 0 && retryAfterMs <= 1_000, 'its error has no retryAfterMs')
    },
  },
  {
    id: 7,
    title: 'it stays open to the millisecond, whatever the wall clock does',
    run: async (subject, clock) => {
      const make = need(subject.breaker, 'circuit breaker')
      for (const jumpMs of [0, HOUR_MS, -HOUR_MS]) {
        const breaker = make(SPEC, clock)
        await failTimes(breaker, clock, 5)
        clock.jump(jumpMs)
        await clock.advance(999)
        assert.ok(
          isRejected(
            await now(
              clock,
              breaker.execute(async () => 1),
            ),
          ),
          `it called too early, wall clock moved by ${jumpMs} ms`,
        )
        await clock.advance(1)
        assert.deepEqual(
          await now(
            clock,
            breaker.execute(async () => 1),
          ),
          { value: 1 },
          `it called too late, wall clock moved by ${jumpMs} ms`,
        )
      }
    },
  },
]
