import { expect, test } from 'vitest'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createDeadline, TimeoutError, withTimeLimit } from './deadline.ts'

const LIMIT = { service: 'agent', kind: 'attempt', ms: 100 } as const
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )
const never = (): Promise<never> => new Promise(() => {})

/** A signal that knows how many listeners it has. */
function countedSignal(): { readonly signal: AbortSignal; readonly abort: (reason: unknown) => void; readonly listeners: () => number } {
  const aborter = new AbortController()
  const { signal } = aborter
  let count = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof add>) => {
      count += 1
      add(...args)
    },
    removeEventListener: (...args: Parameters<typeof remove>) => {
      count -= 1
      remove(...args)
    },
  })
  return { signal, abort: (reason) => aborter.abort(reason), listeners: () => count }
}

test('[R32] at its limit a call ends with a TimeoutError, and only its own signal aborts', async () => {
  const clock = createSimulatedClock()
  const signals: AbortSignal[] = []
  const call = (signal: AbortSignal): Promise<never> => {
    signals.push(signal)
    return never()
  }
  const short = errorOf(withTimeLimit(call, LIMIT, clock))
  const long = errorOf(withTimeLimit(call, { ...LIMIT, ms: 200 }, clock))
  await clock.advance(100)
  const error = await short
  expect(error).toBeInstanceOf(TimeoutError)
  expect(error).toMatchObject({ kind: 'attempt', timeoutMs: 100, service: 'agent', statusCode: 504 })
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  expect(signals[0]?.reason).toBe(error)
  await clock.advance(100)
  await long
})

test('[R32] a caller that aborts gets its own reason at once, even from a call that does not listen', async () => {
  const clock = createSimulatedClock()
  const aborter = new AbortController()
  const run = errorOf(withTimeLimit(never, LIMIT, clock, aborter.signal))
  aborter.abort('left')
  expect([await run, clock.waiting]).toEqual(['left', 0])
})

test('[R32] with no time left, or nobody left to wait, the call is not made', async () => {
  const clock = createSimulatedClock()
  let calls = 0
  const call = (): number => (calls += 1)
  expect(await errorOf(withTimeLimit(call, { ...LIMIT, ms: 0 }, clock))).toBeInstanceOf(TimeoutError)
  expect(await errorOf(withTimeLimit(call, LIMIT, clock, AbortSignal.abort('gone')))).toBe('gone')
  expect([calls, clock.waiting]).toEqual([0, 0])
})

test('[R32] what a call does after its limit is ignored', async () => {
  const clock = createSimulatedClock()
  const late = Promise.withResolvers<string>()
  const run = errorOf(withTimeLimit(() => late.promise, LIMIT, clock))
  await clock.advance(100)
  expect(await run).toBeInstanceOf(TimeoutError)
  late.reject(new Error('late'))
  await clock.settle()
})

test('[R33] after a success the signal of the call stays un-aborted, so that a body can still be read', async () => {
  const clock = createSimulatedClock()
  const signal = await withTimeLimit((own) => own, LIMIT, clock)
  await clock.advance(1_000)
  expect(signal.aborted).toBe(false)
})

test('[R33] however a call ends, no timer stays and no listener on the caller’s signal', async () => {
  const clock = createSimulatedClock()
  const parent = countedSignal()
  const fail = (): never => {
    throw new Error('no')
  }
  for (let index = 0; index < 10; index += 1) {
    await withTimeLimit(() => 'fine', LIMIT, clock, parent.signal)
    await errorOf(withTimeLimit(fail, LIMIT, clock, parent.signal))
    const slow = errorOf(withTimeLimit(never, LIMIT, clock, parent.signal))
    await clock.advance(100)
    await slow
  }
  expect({ listeners: parent.listeners(), timers: clock.waiting }).toEqual({ listeners: 0, timers: 0 })
})

test('[R33] a deadline aborts its signal at its time, says what is left, and leaves nothing behind when disposed of', async () => {
  const clock = createSimulatedClock()
  const parent = countedSignal()
  const limit = { service: 'agent', kind: 'deadline', ms: 100 } as const
  const deadline = createDeadline(limit, clock, parent.signal)
  {
    using other = createDeadline(limit, clock, parent.signal)
    expect([other.signal.aborted, parent.listeners(), clock.waiting]).toEqual([false, 2, 2])
  }
  expect([parent.listeners(), clock.waiting]).toEqual([1, 1])
  await clock.advance(40)
  expect([deadline.remainingMs(), deadline.signal.aborted]).toEqual([60, false])
  await clock.advance(70)
  expect([deadline.remainingMs(), deadline.signal.reason, parent.listeners()]).toEqual([0, expect.any(TimeoutError), 0])
})

test('[R33] a deadline follows its parent, with the parent’s reason', () => {
  const clock = createSimulatedClock()
  const parent = countedSignal()
  const deadline = createDeadline({ ...LIMIT, kind: 'deadline' }, clock, parent.signal)
  parent.abort('left')
  expect([deadline.signal.reason, parent.listeners(), clock.waiting]).toEqual(['left', 0, 0])
  expect(createDeadline(LIMIT, clock, parent.signal).signal.reason).toBe('left')
})
