/** Cases 25 to 32: retry and budget. */
import assert from 'node:assert/strict'
import { errorIn, isRejected, lost, need, now, watch, type Case, type RetrySpec } from './subject.ts'

const SPEC: RetrySpec = { attempts: 3, baseMs: 100, capMs: 1_000 }
const DRAWS = 10_000
const BATCH = 500

const withStatus = (statusCode: number): Error => Object.assign(new Error(`status ${statusCode}`), { statusCode })

export const retryCases: readonly Case[] = [
  {
    id: 25,
    title: '3 attempts are 3 calls, numbered 1, 2, 3; not told, it ends some time',
    run: async (subject, clock) => {
      const make = need(subject.retry, 'retry')
      const numbers: number[] = []
      const call = ({ attempt }: { readonly attempt: number }): never => {
        numbers.push(attempt)
        throw lost()
      }
      const told = watch(make(SPEC, clock).execute(call))
      await clock.advance(60_000)
      assert.ok(isRejected(told()))
      assert.equal(numbers.length, 3, `${numbers.length} calls`)
      assert.equal(numbers.join(), '1,2,3', `numbered ${numbers.join(', ')}`)
      let calls = 0
      const untold = watch(
        make({ ...SPEC, attempts: undefined, baseMs: 10, capMs: 10 }, clock).execute(() => {
          calls += 1
          throw lost()
        }),
      )
      await clock.advance(10_000)
      assert.ok(isRejected(untold()), `not told, it was still trying after ${calls} calls`)
    },
  },
  {
    id: 26,
    title: 'an aborted signal makes no call, and one that aborts makes no further call',
    run: async (subject, clock) => {
      const retry = need(subject.retry, 'retry')(SPEC, clock)
      let calls = 0
      await now(
        clock,
        retry.execute(() => (calls += 1), AbortSignal.abort(new DOMException('left', 'AbortError'))),
      )
      assert.equal(calls, 0, 'it called with a signal that had aborted')
      const aborter = new AbortController()
      const run = watch(
        retry.execute(() => {
          calls += 1
          aborter.abort(new DOMException('left', 'AbortError'))
          throw lost()
        }, aborter.signal),
      )
      await clock.advance(60_000)
      assert.equal(calls, 1, 'it called again after the abort')
      assert.ok(isRejected(run()))
      const inBackoff = new AbortController()
      const waiting = watch(
        retry.execute(() => {
          calls += 1
          throw lost()
        }, inBackoff.signal),
      )
      await clock.settle()
      inBackoff.abort(new DOMException('left', 'AbortError'))
      await clock.settle()
      assert.ok(isRejected(waiting()), 'an abort in a backoff did not end the wait')
      await clock.advance(60_000)
      assert.equal(calls, 2, 'it called again after an abort in a backoff')
    },
  },
  {
    id: 27,
    title: 'delays are spread from nothing to the ceiling, with the mean in the middle, at the cap too',
    run: async (subject, clock) => {
      const make = need(subject.retry, 'retry')
      for (const [spec, ceiling] of [
        [{ attempts: 2, baseMs: 1_000, capMs: 60_000 }, 1_000],
        [{ attempts: 2, baseMs: 30_000, capMs: 30_000 }, 30_000],
      ] as const) {
        const retry = make(spec, clock)
        const delays: number[] = []
        // In batches: the simulated clock looks through all timers for the next one.
        for (let batch = 0; batch < DRAWS / BATCH; batch += 1) {
          const startedAt = clock.monotonic()
          for (let draw = 0; draw < BATCH; draw += 1) {
            let calls = 0
            const call = (): never => {
              calls += 1
              if (calls === 2) delays.push(clock.monotonic() - startedAt)
              throw lost()
            }
            void watch(retry.execute(call))
          }
          await clock.advance(ceiling * 2)
        }
        const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length
        assert.equal(delays.length, DRAWS)
        assert.ok(Math.max(...delays) <= ceiling, `a delay of ${Math.max(...delays)} ms is over the ceiling of ${ceiling} ms`)
        assert.ok(new Set(delays).size >= 100, `${new Set(delays).size} distinct delays of ${delays.length} at a ceiling of ${ceiling} ms`)
        assert.ok(Math.abs(mean / (ceiling / 2) - 1) < 0.05, `the mean is ${Math.round(mean)} ms at a ceiling of ${ceiling} ms`)
      }
    },
  },
  {
    id: 28,
    title: 'Retry-After is honoured and clamped; beyond the deadline it gives up; "no" stops',
    run: async (subject, clock) => {
      const read = need(subject.retryAfter, 'Retry-After')
      const make = need(subject.retry, 'retry')
      const at = Date.UTC(2026, 0, 5, 9)
      assert.deepEqual(
        ['7', 'Mon, 05 Jan 2026 09:00:30 GMT', '-7', 'soon'].map((header) => read(header, at)),
        [7_000, 30_000, undefined, undefined],
      )
      const waited = async (error: unknown, spec: RetrySpec = SPEC): Promise<number> => {
        const startedAt = clock.monotonic()
        let last = startedAt
        const run = watch(
          make({ ...spec, attempts: 2 }, clock).execute(() => {
            last = clock.monotonic()
            throw error
          }),
        )
        await clock.advance(600_000)
        assert.ok(isRejected(run()))
        return last - startedAt
      }
      assert.equal(await waited(Object.assign(lost(), { retryAfterMs: 3_000 })), 3_000)
      const clamped = await waited(Object.assign(lost(), { retryAfterMs: 60_000 }))
      assert.ok(clamped >= 5_000 && clamped <= 5_100, `waited ${clamped} ms`)
      assert.ok((await waited(Object.assign(lost(), { retryAfterMs: -1 }))) <= 100)
      assert.equal(await waited(Object.assign(lost(), { retryAfterMs: 3_000 }), { ...SPEC, deadlineMs: 2_000 }), 0)
      assert.equal(await waited(Object.assign(lost(), { retryAfterMs: 10 }), { ...SPEC, shouldRetry: () => false }), 0)
    },
  },
  {
    id: 29,
    title: 'programming errors, 4xx and aborts are not retried, and the predicate is asked',
    run: async (subject, clock) => {
      const make = need(subject.retry, 'retry')
      const callsFor = async (error: Error): Promise<readonly [number, number]> => {
        let calls = 0
        let asked = 0
        const shouldRetry = (failure: unknown): boolean => {
          asked += 1
          const status = typeof failure === 'object' && failure !== null && 'statusCode' in failure ? Number(failure.statusCode) : 503
          return status >= 500 || [408, 425, 429].includes(status)
        }
        const run = watch(
          make({ ...SPEC, shouldRetry }, clock).execute(() => {
            calls += 1
            throw error
          }),
        )
        await clock.advance(60_000)
        assert.ok(isRejected(run()))
        return [calls, asked]
      }
      for (const status of [400, 404, 422]) {
        const [calls, asked] = await callsFor(withStatus(status))
        assert.ok(asked > 0, 'the predicate was not asked')
        assert.equal(calls, 1, `a ${status} was retried`)
      }
      for (const status of [408, 425, 429, 503]) assert.equal((await callsFor(withStatus(status)))[0], 3, `a ${status} was not retried`)
      assert.equal((await callsFor(new TypeError('x is not a function')))[0], 1, 'a programming error was retried')
      assert.equal((await callsFor(new DOMException('left', 'AbortError')))[0], 1, 'an abort was retried')
    },
  },
  {
    id: 30,
    title: 'a budget holds to its ratio, reserve and ttl; spent, the failure is the answer at once',
    run: async (subject, clock) => {
      const make = need(subject.budget, 'retry budget')
      const budget = make({ service: 'a', ratio: 0.1, reservePerSecond: 0, ttlMs: 10_000 }, clock)
      let allowed = 0
      for (let request = 0; request < 10_000; request += 1) {
        budget.deposit()
        if (budget.withdraw()) allowed += 1
      }
      assert.ok(Math.abs(allowed - 1_000) <= 10, `${allowed} retries for 10,000 requests at 0.1`)
      const reserve = make({ service: 'a', ratio: 0.1, reservePerSecond: 2, ttlMs: 10_000 }, clock)
      let fromReserve = 0
      while (reserve.withdraw()) fromReserve += 1
      assert.equal(fromReserve, 20)
      for (let request = 0; request < 100; request += 1) budget.deposit()
      await clock.advance(10_000)
      assert.equal(budget.withdraw(), false, 'a deposit outlived its ttl')
      const error = lost()
      const startedAt = clock.monotonic()
      const run = await now(
        clock,
        need(subject.retry, 'retry')({ ...SPEC, budget }, clock).execute(() => {
          throw error
        }),
      )
      assert.equal(errorIn(run), error)
      assert.equal(clock.monotonic(), startedAt)
    },
  },
  {
    id: 31,
    title: 'a budget is for one service, and calls at the same time never overspend it',
    run: async (subject, clock) => {
      const make = need(subject.budget, 'retry budget')
      const agent = make({ service: 'agent', ratio: 0, reservePerSecond: 1, ttlMs: 5_000 }, clock)
      const redis = make({ service: 'redis', ratio: 0, reservePerSecond: 1, ttlMs: 5_000 }, clock)
      let calls = 0
      const retry = need(subject.retry, 'retry')({ ...SPEC, budget: agent }, clock)
      for (let caller = 0; caller < 100; caller += 1) {
        void watch(
          retry.execute(() => {
            calls += 1
            throw lost()
          }),
        )
      }
      await clock.advance(4_000)
      assert.equal(calls, 105)
      assert.equal(redis.withdraw(), true)
    },
  },
  {
    id: 32,
    title: 'what was sent is not sent again unless it is recognised; nothing after the first token',
    run: async (subject, clock) => {
      const make = need(subject.retry, 'retry')
      need(subject.knowsCommitment, 'word for what was sent')
      const callsWith = async (spec: RetrySpec, mark: 'sent' | 'commit'): Promise<number> => {
        let calls = 0
        const run = watch(
          make(spec, clock).execute((facts) => {
            calls += 1
            facts[mark]?.()
            throw lost()
          }),
        )
        await clock.advance(60_000)
        assert.ok(isRejected(run()))
        return calls
      }
      assert.equal(await callsWith(SPEC, 'sent'), 1)
      assert.equal(await callsWith({ ...SPEC, isIdempotent: true }, 'sent'), 3)
      assert.equal(await callsWith({ ...SPEC, isIdempotent: true }, 'commit'), 1)
    },
  },
]
