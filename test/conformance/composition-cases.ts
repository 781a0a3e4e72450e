/** Cases 33 to 44: time limits, bulkhead, composition, levels and events. */
import assert from 'node:assert/strict'
import { spreadRetryAfterMs } from '../../src/service-level/service-level.ts'
import {
  errorIn,
  fail,
  isRejected,
  need,
  never,
  now,
  watch,
  type BreakerSpec,
  type Case,
  type GuardSpec,
  type GuardSubject,
  type Subject,
} from './subject.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { SimulatedClock } from '../../src/testing/simulated-clock.ts'

const BREAKER: BreakerSpec = { minCalls: 5, ratePercent: 50, openMs: 1_000 }

const guard = (subject: Subject, clock: SimulatedClock, spec: GuardSpec, what: string): GuardSubject =>
  need(need(subject.guard, what)(spec, clock), what)

export const compositionCases: readonly Case[] = [
  {
    id: 33,
    title: 'a time-out is told apart, and aborts the signal of its own call only',
    run: async (subject, clock) => {
      const limited = guard(subject, clock, { timeoutMs: 100 }, 'time limit')
      const signals: AbortSignal[] = []
      const call = ({ signal }: { readonly signal: AbortSignal }): Promise<never> => {
        signals.push(signal)
        return never()
      }
      const first = watch(limited.execute(call))
      await clock.advance(50)
      const second = watch(limited.execute(call))
      await clock.advance(50)
      assert.ok(limited.isTimeout(errorIn(first())), 'it did not end in a time-out')
      assert.equal(signals[0]?.aborted, true, 'the signal of the call did not abort')
      assert.equal(second(), 'pending')
      assert.equal(signals[1]?.aborted, false, 'the signal of another call aborted too')
    },
  },
  {
    id: 34,
    title: 'a success leaves the signal un-aborted',
    run: async (subject, clock) => {
      const limited = guard(subject, clock, { timeoutMs: 100 }, 'time limit')
      let own: AbortSignal | undefined
      await now(
        clock,
        limited.execute(async ({ signal }) => {
          own = signal
        }),
      )
      await clock.advance(1_000)
      assert.equal(own?.aborted, false, 'the signal aborted after the success')
    },
  },
  {
    id: 35,
    title: 'a caller’s abort is answered with the caller’s reason',
    run: async (subject, clock) => {
      const limited = guard(subject, clock, { timeoutMs: 100 }, 'time limit')
      const aborter = new AbortController()
      const reason = new Error('left')
      const run = watch(limited.execute(never, aborter.signal))
      await clock.settle()
      aborter.abort(reason)
      await clock.settle()
      assert.ok(isRejected(run()), 'the call goes on')
      assert.equal(
        errorIn(run()) === reason,
        true,
        limited.isTimeout(errorIn(run())) ? 'it was reported as a time-out' : 'the reason is another',
      )
    },
  },
  {
    id: 36,
    title: 'calls that ignore the abort never exceed the bulkhead, and are counted',
    run: async (subject, clock) => {
      const bulkhead = guard(
        subject,
        clock,
        { timeoutMs: 100, concurrency: 2, queue: subject.name.startsWith('opossum') ? 0 : 10 },
        'bulkhead',
      )
      let running = 0
      let most = 0
      const stubborn = async (): Promise<void> => {
        running += 1
        most = Math.max(most, running)
        await clock.sleep(1_000, new AbortController().signal)
        running -= 1
      }
      for (let round = 0; round < 4; round += 1) {
        for (let index = 0; index < 2; index += 1) void watch(bulkhead.execute(stubborn))
        await clock.advance(150)
      }
      assert.equal(most, 2, `${most} ran at a time`)
      assert.equal(counted(bulkhead.abandoned()), 2)
      await clock.advance(2_000)
      assert.equal(bulkhead.abandoned(), 0)
    },
  },
  {
    id: 37,
    title: 'an aborted waiting call leaves the queue at once; the rest go on in order; a full queue refuses at once',
    run: async (subject, clock) => {
      const bulkhead = guard(subject, clock, { concurrency: 1, queue: 2 }, 'queue')
      const started: string[] = []
      const hold = (name: string, ms: number) => async (): Promise<void> => {
        started.push(name)
        await clock.sleep(ms, new AbortController().signal)
      }
      const aborter = new AbortController()
      void watch(bulkhead.execute(hold('a', 100)))
      const head = watch(bulkhead.execute(hold('b', 100), aborter.signal))
      void watch(bulkhead.execute(hold('c', 100)))
      assert.ok(isRejected(await now(clock, bulkhead.execute(hold('d', 100)))), 'a full queue did not refuse')
      aborter.abort(new DOMException('left', 'AbortError'))
      await clock.settle()
      assert.ok(isRejected(head()), 'the aborted call stayed in the queue')
      void watch(bulkhead.execute(hold('e', 100)))
      await clock.advance(1_000)
      assert.equal(started.join(), 'a,c,e')
    },
  },
  {
    id: 38,
    title: 'a full bulkhead does not move the breaker',
    run: async (subject, clock) => {
      const guarded = guard(subject, clock, { breaker: BREAKER, concurrency: 1 }, 'bulkhead in a breaker')
      void watch(guarded.execute(never))
      for (let index = 0; index < 20; index += 1) await now(clock, guarded.execute(never))
      assert.equal(guarded.state(), 'closed', 'refusals by the bulkhead opened the breaker')
    },
  },
  {
    id: 39,
    title: 'with a dead service the breaker ends the retry loop that opened it',
    run: async (subject, clock) => {
      const retry = { attempts: 3, baseMs: 100, capMs: 1_000 }
      const guarded = guard(subject, clock, { breaker: { ...BREAKER, ratePercent: 100, openMs: 60_000 }, retry }, 'breaker in a retry')
      let calls = 0
      const dead = (): Promise<never> => {
        calls += 1
        return fail()
      }
      for (let index = 0; index < 2; index += 1) {
        void watch(guarded.execute(dead))
        await clock.advance(10_000)
      }
      assert.ok(calls <= 5, `${calls} calls reached the dead service`)
      assert.ok(isRejected(await now(clock, guarded.execute(dead))), 'it went on trying against an open breaker')
    },
  },
  {
    id: 40,
    title: 'the second attempt gets what the deadline leaves, and expired work is refused',
    run: async (subject, clock) => {
      const limited = guard(
        subject,
        clock,
        { deadlineMs: 1_000, timeoutMs: 600, retry: { attempts: 3, baseMs: 100, capMs: 100 } },
        'deadline over the attempts',
      )
      const left: (number | undefined)[] = []
      const run = watch(
        limited.execute(({ remainingMs }) => {
          left.push(remainingMs)
          return never()
        }),
      )
      await clock.advance(1_000)
      assert.ok(limited.isTimeout(errorIn(run())))
      assert.equal(left.length, 2)
      assert.ok(left[0] === 600 && left[1] !== undefined && left[1] >= 300 && left[1] <= 400)
    },
  },
  {
    id: 41,
    title: 'the level falls at once, rises after a stable time, and does not flicker',
    run: async (subject, clock) => {
      const checks = need(subject.levels, 'service levels')(clock)
      for (const name of ['sqlite', 'aiAgent', 'websocket']) checks.registerHealthCheck(name, () => true)
      const levels: string[] = []
      checks.start()
      await clock.settle()
      checks.subscribe((event) => event.type === 'level' && levels.push(event.to))
      for (let second = 0; second < 60; second += 1) {
        checks.breakerMoved('agent', 'ai-agent', false)
        await clock.advance(500)
        checks.breakerMoved('agent', 'ai-agent', true)
        await clock.advance(500)
      }
      await clock.advance(60_000)
      assert.equal(levels.join(), 'limited,full')
      checks.breakerMoved('store', 'redis', false)
      assert.equal(checks.getCurrentLevel(), 'offline')
      checks[Symbol.dispose]()
    },
  },
  {
    id: 42,
    title: 'health checks take no half-open place and enter no window',
    run: async (subject, clock) => {
      const checks = need(subject.levels, 'service levels')(clock)
      const breaker = need(subject.breaker, 'circuit breaker')({ ...BREAKER, minCalls: 1 }, clock)
      await now(clock, breaker.execute(fail))
      await clock.advance(1_000)
      let pings = 0
      checks.registerHealthCheck('aiAgent', () => (pings += 1))
      await checks.assessSystemHealth()
      assert.equal(pings, 1)
      assert.equal(breaker.state(), 'open')
      assert.deepEqual(
        await now(
          clock,
          breaker.execute(async () => 'probe'),
        ),
        { value: 'probe' },
      )
    },
  },
  {
    id: 43,
    title: 'a level change reaches everyone once, and they are asked to come back spread out',
    run: async (subject, clock) => {
      const checks = need(subject.levels, 'service levels')(clock)
      const { next } = seededRandom(1, 'conformance')
      const heard = Array.from({ length: 100 }, () => ({ count: 0, retryAfterMs: 0 }))
      for (const link of heard) {
        checks.subscribe((event) => {
          if (event.type !== 'level' || event.to !== 'offline') return
          link.count += 1
          link.retryAfterMs = spreadRetryAfterMs(10_000, next)
        })
      }
      checks.registerHealthCheck('sqlite', () => true)
      await checks.assessSystemHealth()
      checks.breakerMoved('store', 'sqlite', false)
      const waits = heard.map(({ retryAfterMs }) => retryAfterMs)
      assert.ok(heard.every(({ count }) => count === 1))
      assert.ok(Math.max(...waits) - Math.min(...waits) >= 2_000)
    },
  },
  {
    id: 44,
    title: 'every call ends in exactly one event, a refused one with its reason',
    run: async (subject, clock) => {
      const seen: string[] = []
      const onSettled = (outcome: string): number => seen.push(outcome)
      const guarded = guard(subject, clock, { breaker: { ...BREAKER, minCalls: 1 }, concurrency: 1, onSettled }, 'event for each call')
      await now(
        clock,
        guarded.execute(async () => 1),
      )
      await now(
        clock,
        guarded.execute(async () => 1, AbortSignal.abort()),
      )
      void watch(guarded.execute(() => clock.sleep(100, new AbortController().signal)))
      await now(
        clock,
        guarded.execute(async () => 1),
      )
      await clock.advance(100)
      await now(clock, guarded.execute(fail))
      await now(clock, guarded.execute(fail))
      await now(
        clock,
        guarded.execute(async () => 1),
      )
      await clock.advance(1_000)
      void watch(guarded.execute(() => clock.sleep(100, new AbortController().signal)))
      await now(
        clock,
        guarded.execute(async () => 1),
      )
      await clock.advance(100)
      const limited = guard(subject, clock, { deadlineMs: 100, onSettled }, 'event for each call')
      void watch(limited.execute(never))
      await clock.advance(100)
      assert.equal(seen.toSorted().join(), 'abort,bulkhead,deadline,failure,failure,half-open-full,open,success,success,success')
    },
  },
]

/** A number the library counts; not counting is failing the case, not being excused from it. */
function counted(count: number | undefined): number {
  assert.ok(count !== undefined, 'it does not count abandoned calls')
  return count
}
