import { expect, test } from 'vitest'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { BulkheadFullError, createBulkhead, type Bulkhead } from './bulkhead.ts'
import { SettingsError } from './resilience-error.ts'

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

interface Held {
  readonly started: string[]
  readonly end: (name: string) => void
  readonly call: (name: string, signal?: AbortSignal) => Promise<unknown>
}

/** Calls that run until they are told to end, whatever their signal says. */
function held(bulkhead: Bulkhead): Held {
  const started: string[] = []
  const running = new Map<string, PromiseWithResolvers<string>>()
  return {
    started,
    end: (name) => running.get(name)?.resolve(name),
    call: (name, signal) =>
      errorOf(
        bulkhead.execute(() => {
          started.push(name)
          const run = Promise.withResolvers<string>()
          running.set(name, run)
          return run.promise
        }, signal),
      ),
  }
}
const settle = (): Promise<void> => createSimulatedClock().settle()

test('[R34] so many run at a time, and a permit is free when its call has really ended', async () => {
  const bulkhead = createBulkhead({ service: 'agent', concurrency: 2, queue: 10 })
  const { call, started, end } = held(bulkhead)
  const aborter = new AbortController()
  const calls = [call('a', aborter.signal), call('b'), call('c')]
  aborter.abort()
  await settle()
  expect([started, bulkhead.stats()]).toEqual([['a', 'b'], { running: 2, queued: 1, abandoned: 1, rejected: 0 }])
  end('a')
  await settle()
  expect([started, bulkhead.stats()]).toEqual([['a', 'b', 'c'], { running: 2, queued: 0, abandoned: 0, rejected: 0 }])
  end('b')
  end('c')
  await Promise.all(calls)
  expect(bulkhead.stats().running).toBe(0)
})

test('[R34] a call that throws gives its permit back', async () => {
  const bulkhead = createBulkhead({ service: 'agent', concurrency: 1, queue: 0 })
  const fail = (): never => {
    throw new Error('no')
  }
  expect([await errorOf(bulkhead.execute(fail)), await bulkhead.execute(() => 'next')]).toEqual([new Error('no'), 'next'])
})

test('[R35] waiting calls run in order of arrival, and one more than the queue holds is refused at once', async () => {
  const bulkhead = createBulkhead({ service: 'agent', concurrency: 1, queue: 2 })
  const { call, started, end } = held(bulkhead)
  const calls = [call('a'), call('b'), call('c')]
  const refused = await call('d')
  expect(refused).toBeInstanceOf(BulkheadFullError)
  expect(refused).toMatchObject({ code: 'BULKHEAD_FULL', statusCode: 503, blamesService: false, service: 'agent' })
  for (const name of ['a', 'b', 'c']) {
    end(name)
    await settle()
  }
  await Promise.all(calls)
  expect([started, bulkhead.stats().rejected]).toEqual([['a', 'b', 'c'], 1])
})

test('[R35] a waiting call that is aborted leaves the queue at once and starves nobody', async () => {
  const bulkhead = createBulkhead({ service: 'agent', concurrency: 1, queue: 2 })
  const { call, started, end } = held(bulkhead)
  const aborter = new AbortController()
  const first = call('a')
  const head = call('b', aborter.signal)
  const next = call('c')
  aborter.abort('left')
  expect([await head, bulkhead.stats().queued]).toEqual(['left', 1])
  end('a')
  await settle()
  expect(started).toEqual(['a', 'c'])
  end('c')
  await Promise.all([first, next])
  expect(await errorOf(bulkhead.execute(() => 'x', aborter.signal))).toBe('left')
})

test('[R35] one that is aborted between being let in and going in passes its permit on', async () => {
  const bulkhead = createBulkhead({ service: 'agent', concurrency: 1, queue: 2 })
  const { call, started, end } = held(bulkhead)
  const aborter = new AbortController()
  const first = Promise.withResolvers<void>()
  const ending = bulkhead.execute(() => first.promise)
  const head = call('b', aborter.signal)
  const next = call('c')
  // Runs after the first call has let the head in, and before the head goes on.
  void first.promise.then(() => aborter.abort('left'))
  first.resolve()
  await ending
  await settle()
  expect([await head, started]).toEqual(['left', ['c']])
  end('c')
  await next
  expect(bulkhead.stats()).toMatchObject({ running: 0, queued: 0 })
})

test('[R19] bulkhead settings that cannot work are refused', () => {
  expect(() => createBulkhead({ service: 'x', concurrency: 0, queue: -1 })).toThrow(SettingsError)
})
