import { server as createServer } from '@hapi/hapi'
import { expect, test } from 'vitest'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { registerMetrics } from './metrics-route.ts'

function createPage() {
  const clock = createSimulatedClock()
  const server = createServer()
  const state = { renders: 0, refused: 0, hold: Promise.resolve(), fails: false }
  registerMetrics(server, {
    metrics: {
      render: async () => {
        state.renders += 1
        const { renders } = state
        await state.hold
        if (state.fails) throw new Error('no metrics')
        return `made ${renders}\n`
      },
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      refused: () => void (state.refused += 1),
    },
    clock,
    access: () => undefined,
  })
  const scrape = async () => {
    const { statusCode, payload, headers } = await server.inject('/metrics')
    return { status: statusCode, payload, age: headers['age'], type: headers['content-type'], retryAfter: headers['retry-after'] }
  }
  return { clock, state, scrape }
}

test('[O82] the answer is Prometheus text', async () => {
  const { scrape } = createPage()
  expect(await scrape()).toMatchObject({ status: 200, payload: 'made 1\n', age: '0', type: 'text/plain; version=0.0.4; charset=utf-8' })
})

test('[O87] however many scrape, the text is made once a second, and says how old it is', async () => {
  const { clock, state, scrape } = createPage()
  await Promise.all(Array.from({ length: 5 }, scrape))
  await clock.advance(999)
  expect([(await scrape()).payload, state.renders]).toEqual(['made 1\n', 1])
  await clock.advance(1)
  expect([(await scrape()).payload, state.renders]).toEqual(['made 2\n', 2])
})

test('[O87] a text that took long to make says so', async () => {
  const { clock, state, scrape } = createPage()
  const { promise, resolve } = Promise.withResolvers<void>()
  state.hold = promise
  const slow = scrape()
  await clock.advance(3_000)
  resolve()
  expect((await slow).age).toBe('3')
})

test('[O87] more scrapes at once than can be answered are refused and counted', async () => {
  const { state, scrape } = createPage()
  const { promise, resolve } = Promise.withResolvers<void>()
  state.hold = promise
  const all = Array.from({ length: 11 }, scrape)
  expect((await Promise.all(all.slice(8))).map(({ status, retryAfter }) => [status, retryAfter])).toEqual(
    Array.from({ length: 3 }, () => [503, '1']),
  )
  resolve()
  expect([new Set((await Promise.all(all.slice(0, 8))).map(({ status }) => status)), state.refused]).toEqual([new Set([200]), 3])
})

test('[O87] what could not be made once is made anew for the next', async () => {
  const { state, scrape } = createPage()
  state.fails = true
  expect((await scrape()).status).toBe(500)
  state.fails = false
  expect(await scrape()).toMatchObject({ status: 200, payload: 'made 2\n' })
})
