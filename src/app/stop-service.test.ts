import { expect, test } from 'vitest'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { stopOnce, type Stopping } from './stop-service.ts'

const ANSWERS = { finished: 2, handedOver: 1 }
const LINKS = { moved: 3, told: 2, cut: 1 }

test('[O180] links move while answers finish, nobody is told goodbye before both are done, and then all is closed and told', async () => {
  const clock = createSimulatedClock()
  const events = createRecordedEvents()
  const state: Stopping['state'] = { phase: 'running' }
  const order: string[] = []
  const after = async <Value>(name: string, ms: number, value: Value): Promise<Value> => {
    order.push(`${name} ${state.phase}`)
    await clock.sleep(ms, new AbortController().signal)
    order.push(`${name} done`)
    return value
  }
  const stop = stopOnce({
    clock,
    events,
    runner: { running: 3, drain: (ms) => after(`answers ${ms}`, 2_000, ANSWERS) },
    drain: { begin: (ms) => after(`links ${ms}`, 1_000, undefined), end: () => after('goodbye', 10, LINKS) },
    resources: { [Symbol.asyncDispose]: () => after('resources', 5, undefined) },
    limitMs: 25_000,
    state,
  })
  const [first, second] = [stop(), stop()]
  expect(state.phase).toBe('draining')
  await clock.advance(5_000)
  await Promise.all([first, second])
  expect(order).toEqual([
    'answers 25000 draining',
    'links 25000 draining',
    'links 25000 done',
    'answers 25000 done',
    'goodbye draining',
    'goodbye done',
    'resources draining',
    'resources done',
  ])
  expect(events.of('drainStarted')).toEqual([{ running: 3, limitMs: 25_000 }])
  expect(events.of('drainEnded')).toEqual([{ tookMs: 2_010, answers: ANSWERS, links: LINKS }])
  expect(events.of('serviceStopped')).toEqual([{ tookMs: 2_015 }])
})
