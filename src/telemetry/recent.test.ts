import { expect, test } from 'vitest'
import { createMetrics } from './metrics.ts'
import { rememberRecent } from './recent.ts'

const MINUTE_MS = 60_000
const ANSWERED = { type: 'user', status: 'completed' } as const
const CALL = { service: 'ai-agent', result: 'success' } as const

function createPlay() {
  const time = { now: 1_000 }
  const { metrics, recent } = rememberRecent(createMetrics({ store: 'sqlite', withRuntime: false }), () => time.now)
  return { time, metrics, recent }
}

test('[O206] a count over a window is what its counter grew by in it, and series do not mix', () => {
  const { time, metrics, recent } = createPlay()
  metrics.count('chat_messages_total', ANSWERED, 2)
  metrics.count('chat_messages_total', { type: 'agent', status: 'completed' }, 7)
  time.now += 4 * MINUTE_MS
  metrics.count('chat_messages_total', ANSWERED)
  const over = (minutes: number): number => recent.count('chat_messages_total', ANSWERED, minutes * MINUTE_MS)
  expect([over(1), over(5)]).toEqual([1, 3])
  time.now += 3 * MINUTE_MS
  expect([over(1), over(5), over(15)]).toEqual([0, 1, 3])
  time.now += 70 * MINUTE_MS
  expect(over(60)).toBe(0)
})

test('[O206] a quantile is estimated within its bucket, and beyond the last one nobody knows how far', () => {
  const { metrics, recent } = createPlay()
  const at = (q: number): number | undefined => recent.quantile('chat_dependency_request_duration_seconds', CALL, q, MINUTE_MS)
  expect(at(0.5)).toBeUndefined()
  // Eight between a tenth and a quarter of a second, two beyond ten seconds.
  for (let call = 0; call < 8; call += 1) metrics.observe('chat_dependency_request_duration_seconds', CALL, 0.2)
  for (let call = 0; call < 2; call += 1) metrics.observe('chat_dependency_request_duration_seconds', CALL, 30)
  expect(at(0.4)).toBeCloseTo(0.175)
  expect([at(0.95), recent.observed('chat_dependency_request_duration_seconds', CALL, MINUTE_MS)]).toEqual([Number.POSITIVE_INFINITY, 10])
})

test('[O206] remembering takes nothing from the metrics, and an hour of everything stays small', async () => {
  const { time, metrics, recent } = createPlay()
  for (let slice = 0; slice < 1_000; slice += 1) {
    metrics.count('chat_messages_total', ANSWERED)
    time.now += 10_000
  }
  expect(await metrics.render()).toContain('chat_messages_total{type="user",status="completed"} 1000')
  expect(recent.count('chat_messages_total', ANSWERED, 60 * MINUTE_MS)).toBe(360)
})
