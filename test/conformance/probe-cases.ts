/** Cases 8 to 24: half-open, isolation and what is left; 23 is about speed alone and measured. */
import assert from 'node:assert/strict'
import { fail, failTimes, isRejected, lost, need, never, now, succeedTimes, watch, type BreakerSpec, type Case } from './subject.ts'

const SPEC: BreakerSpec = { minCalls: 5, ratePercent: 50, openMs: 1_000 }
const MINUTE = { type: 'time', ms: 60_000 } as const
const HOUR_MS = 3_600_000

export const probeCases: readonly Case[] = [
  {
    id: 8,
    title: 'half-open, of 100 calls at once one runs and 99 are refused at once',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')(SPEC, clock)
      await failTimes(breaker, clock, 5)
      await clock.advance(1_000)
      let calls = 0
      const settled = Array.from({ length: 100 }, () =>
        watch(
          breaker.execute(() => {
            calls += 1
            return never()
          }),
        ),
      )
      await clock.settle()
      assert.equal(calls, 1, `${calls} calls ran`)
      assert.equal(settled.filter((outcome) => isRejected(outcome())).length, 99, 'calls waited instead of being refused')
    },
  },
  {
    id: 9,
    title: 'with 4 probes, 4 run and the fifth is refused, again after re-opening',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, probes: 4 }, clock)
      await failTimes(breaker, clock, 5)
      for (const round of ['first', 'second']) {
        await clock.advance(1_000)
        const ends: ((reason: unknown) => void)[] = []
        const probes = Array.from({ length: 5 }, () => watch(breaker.execute(() => new Promise((_, reject) => ends.push(reject)))))
        await clock.settle()
        assert.equal(ends.length, 4, `${ends.length} probes ran in the ${round} half-open`)
        assert.ok(isRejected(probes[4]?.() ?? 'pending'), 'the fifth call waited')
        for (const end of ends) end(lost())
        await clock.settle()
        assert.equal(breaker.state(), 'open', 'failed probes did not re-open it')
      }
    },
  },
  {
    id: 10,
    title: 'one failed probe re-opens it, below the minimum of calls',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')(SPEC, clock)
      await failTimes(breaker, clock, 5)
      await clock.advance(20_000)
      await failTimes(breaker, clock, 1)
      assert.equal(breaker.state(), 'open', 'the failed probe did not re-open it')
    },
  },
  {
    id: 11,
    title: 'a probe that its caller cancels counts for nothing, and the next call is the probe',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')(SPEC, clock)
      await failTimes(breaker, clock, 5)
      await clock.advance(1_000)
      const aborter = new AbortController()
      const probe = watch(breaker.execute((signal) => clock.sleep(10_000, signal), aborter.signal))
      await clock.settle()
      aborter.abort(new DOMException('left', 'AbortError'))
      await clock.settle()
      assert.ok(isRejected(probe()), 'the cancelled call goes on')
      assert.equal(breaker.state(), 'half-open', `the cancelled probe made it ${breaker.state()}`)
      assert.deepEqual(
        await now(
          clock,
          breaker.execute(async () => 'next'),
        ),
        { value: 'next' },
        'the next call was not the probe',
      )
    },
  },
  {
    id: 12,
    title: 'a probe that ends in an ignored error gives its place back',
    run: async (subject, clock) => {
      const notFound = Object.assign(new Error('not found'), { statusCode: 404 })
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, isFailure: (error) => error !== notFound }, clock)
      await failTimes(breaker, clock, 5)
      await clock.advance(1_000)
      const answer = (): never => {
        throw notFound
      }
      await now(clock, breaker.execute(answer))
      assert.equal(breaker.state(), 'half-open', `the ignored error made it ${breaker.state()}`)
      assert.deepEqual(
        await now(
          clock,
          breaker.execute(async () => 'next'),
        ),
        { value: 'next' },
        'the next call was not the probe',
      )
    },
  },
  staleCase(13, 'a success from before the trip changes nothing in half-open', 'success'),
  staleCase(14, 'a failure from before the trip changes nothing in half-open', 'failure'),
  {
    id: 15,
    title: 'results of an earlier closed time do not count in a later one',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, window: MINUTE }, clock)
      const ends: (() => void)[] = []
      for (let index = 0; index < 4; index += 1)
        void watch(breaker.execute(() => new Promise((_, reject) => ends.push(() => reject(lost())))))
      await failTimes(breaker, clock, 5)
      await clock.advance(1_000)
      await succeedTimes(breaker, clock, 1)
      assert.equal(breaker.state(), 'closed', 'it did not recover')
      for (const end of ends) end()
      await clock.settle()
      await failTimes(breaker, clock, 1)
      assert.equal(breaker.state(), 'closed', 'failures of calls from before the trip counted')
    },
  },
  {
    id: 16,
    title: 'openings in a row last b, 2b, 4b up to a maximum; closing starts over',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, openMsMax: 3_000 }, clock)
      await failTimes(breaker, clock, 5)
      for (const openMs of [1_000, 2_000, 3_000, 3_000]) {
        let calls = 0
        const probe = async (): Promise<never> => {
          calls += 1
          return fail()
        }
        await clock.advance(openMs - 1)
        await now(clock, breaker.execute(probe))
        assert.equal(calls, 0, `it called before ${openMs} ms`)
        await clock.advance(1)
        await now(clock, breaker.execute(probe))
        assert.equal(calls, 1, `it did not call after ${openMs} ms`)
      }
      await clock.advance(3_000)
      await succeedTimes(breaker, clock, 1)
      await failTimes(breaker, clock, 5)
      await clock.advance(1_000)
      assert.deepEqual(
        await now(
          clock,
          breaker.execute(async () => 1),
        ),
        { value: 1 },
        'closing did not start over',
      )
    },
  },
  {
    id: 17,
    title: 'failures that come together open it once and do not extend the time',
    run: async (subject, clock) => {
      const events: string[] = []
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, onEvent: (type) => events.push(type) }, clock)
      const late = Promise.withResolvers<never>()
      void watch(breaker.execute(() => late.promise))
      for (let index = 0; index < 6; index += 1) void watch(breaker.execute(fail))
      await clock.settle()
      await clock.advance(500)
      late.reject(lost())
      await clock.settle()
      assert.equal(events.filter((type) => type === 'open').length, 1, 'it told more than once that it opened')
      await clock.advance(500)
      assert.deepEqual(
        await now(
          clock,
          breaker.execute(async () => 1),
        ),
        { value: 1 },
        'the late failure extended the time',
      )
    },
  },
  {
    id: 18,
    title: 'a caller’s abort is no failure',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')(SPEC, clock)
      for (let index = 0; index < 10; index += 1) {
        const aborter = new AbortController()
        void watch(breaker.execute((signal) => clock.sleep(1_000, signal), aborter.signal))
        await clock.settle()
        aborter.abort(new DOMException('left', 'AbortError'))
        await clock.settle()
      }
      assert.equal(breaker.state(), 'closed', '10 callers who left opened it')
    },
  },
  {
    id: 19,
    title: 'isolations add up and beat half-open',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')(SPEC, clock)
      await failTimes(breaker, clock, 5)
      await clock.advance(1_000)
      void watch(breaker.execute(never))
      await clock.settle()
      const isolate = need(breaker.isolate, 'isolation')
      const letGo = [isolate(), isolate()]
      assert.ok(
        isRejected(
          await now(
            clock,
            breaker.execute(async () => 1),
          ),
        ),
        'it called while isolated',
      )
      letGo[0]?.()
      letGo[0]?.()
      assert.ok(
        isRejected(
          await now(
            clock,
            breaker.execute(async () => 1),
          ),
        ),
        'one of two let go, and it called',
      )
      letGo[1]?.()
      assert.equal(breaker.state(), 'closed', 'both let go, and it is not closed')
    },
  },
  {
    id: 20,
    title: 'isolation is announced, shown, and outlasts time and health checks',
    run: async (subject, clock) => {
      const events: string[] = []
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, onEvent: (type) => events.push(type) }, clock)
      const letGo = need(breaker.isolate, 'isolation')()
      const checks = subject.levels?.(clock)
      checks?.registerHealthCheck('aiAgent', () => true)
      await checks?.assessSystemHealth()
      await clock.advance(HOUR_MS)
      assert.equal(breaker.state(), 'isolated', 'it does not show')
      assert.ok(events.includes('isolated'), 'it was not announced')
      letGo()
    },
  },
  {
    id: 21,
    title: 'whatever a call returns or throws is handled',
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')({ ...SPEC, minCalls: 100 }, clock)
      const thrown = new RangeError('at once')
      const calls: readonly (readonly [string, () => unknown, object])[] = [
        ['a plain value', () => 7, { value: 7 }],
        ['undefined', () => undefined, { value: undefined }],
        // oxlint-disable-next-line unicorn/no-thenable -- the point of the case
        ['a thenable', () => ({ then: (resolve: (value: number) => void) => resolve(8) }), { value: 8 }],
        ['a rejection with a string', () => Promise.reject('text'), { error: 'text' }], // oxlint-disable-line typescript/prefer-promise-reject-errors -- the point of the case
        [
          'a synchronous throw',
          () => {
            throw thrown
          },
          { error: thrown },
        ],
      ]
      for (const [name, call, expected] of calls) {
        let settled: unknown
        try {
          settled = await now(clock, breaker.execute(call))
        } catch (error) {
          settled = `thrown: ${String(error)}`
        }
        assert.deepEqual(settled, expected, `${name} was not handled`)
      }
    },
  },
  {
    id: 22,
    title: 'breakers that are made and dropped leave no timer',
    run: async (subject, clock) => {
      const make = need(subject.breaker, 'circuit breaker')
      for (let index = 0; index < 10_000; index += 1) make(SPEC, clock)
      assert.equal(clock.waiting, 0, `${clock.waiting} timers are left of 10,000 breakers`)
    },
  },
  {
    id: 24,
    title: 'two breakers from one configuration object share nothing and do not change it',
    run: async (subject, clock) => {
      const { options, make } = need(subject.configured, 'circuit breaker')(SPEC, clock)
      const before = Object.keys(options).toSorted().join()
      const [one, other] = [make(), make()]
      assert.equal(Object.keys(options).toSorted().join() === before, true, 'the configuration object was changed')
      await failTimes(one, clock, 4)
      await failTimes(other, clock, 1)
      assert.equal(other.state(), 'closed', 'failures of one counted for the other')
    },
  },
]

/** A call that began before the trip ends while the probe is under way. */
function staleCase(id: number, title: string, ending: 'success' | 'failure'): Case {
  return {
    id,
    title,
    run: async (subject, clock) => {
      const breaker = need(subject.breaker, 'circuit breaker')(SPEC, clock)
      const old = Promise.withResolvers<string>()
      void watch(breaker.execute(() => old.promise))
      await failTimes(breaker, clock, 5)
      await clock.advance(1_000)
      const probe = Promise.withResolvers<string>()
      void watch(breaker.execute(() => probe.promise))
      await clock.settle()
      if (ending === 'success') old.resolve('old')
      else old.reject(lost())
      await clock.settle()
      assert.equal(breaker.state(), 'half-open', `the old ${ending} made it ${breaker.state()}`)
      probe.resolve('new')
      await clock.settle()
      assert.equal(breaker.state(), 'closed', 'the good probe did not close it')
    },
  }
}
