import { describe, expect, test } from 'vitest'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { servicePage } from './service-page.ts'
import { createServiceReader, type ServiceView } from './service-view.ts'
import { startTestSimulator } from './test-simulator.ts'

const URL = 'http://chat.test'
const NOW = Date.UTC(2026, 0, 5, 9, 30, 15)
const ANSWERS: Readonly<Record<string, string>> = {
  '/api/v1/status': '{"level":"limited","timestamp":"…"}',
  '/health': '{"status":"degraded","services":{"sqlite":{"status":"healthy"},"aiAgent":{"status":"unhealthy"}}}',
  '/health/detailed': '{"circuitBreakers":[{"name":"ai-agent","state":"open","retryAfterMs":4200,"counts":{}}]}',
  '/metrics': 'chat_integrity_questions{state="accepted"} 9\nchat_integrity_questions{state="waiting"} 3\n',
}
const HEARD: ServiceView = {
  status: 'heard',
  url: URL,
  level: 'limited',
  checks: [
    { name: 'sqlite', status: 'healthy' },
    { name: 'aiAgent', status: 'unhealthy' },
  ],
  breakers: [{ name: 'ai-agent', state: 'open', retryAfterMs: 4_200 }],
  waiting: 3,
}

/** Reads a service that answers these addresses and no others. */
function reading(answers: Readonly<Record<string, string>>) {
  const clock = createSimulatedClock()
  const read = createServiceReader(
    URL,
    async (url) => {
      const answer = answers[url.slice(URL.length)]
      if (answer === undefined) throw new Error('refused')
      return answer
    },
    clock,
  )
  return read()
}

describe('what the service says', () => {
  test('[M22] is its level, its checks, its breakers and how many questions wait', async () => {
    expect(await reading(ANSWERS)).toEqual(HEARD)
  })

  test('[M22] is without breakers and questions where those are for operators only', async () => {
    const notFound = '{"error":{"code":"NOT_FOUND"}}'
    expect(await reading({ ...ANSWERS, '/health/detailed': notFound, '/metrics': notFound })).toEqual({
      ...HEARD,
      breakers: undefined,
      waiting: undefined,
    })
  })

  test.each([
    ['nobody', {}],
    ['something else', { '/api/v1/status': '<html>' }],
    ['a service that says something else', { '/api/v1/status': '{"status":"ok"}' }],
    ['somebody who never stops', { '/api/v1/status': `{"level":"${'x'.repeat(3_000_000)}"}` }],
  ])('[M22] is nothing where %s answers', async (_who, answers) => {
    expect(await reading(answers)).toEqual({ status: 'silent', url: URL })
  })

  test('[M22] is waited for no longer than a second', async () => {
    const clock = createSimulatedClock()
    const view = createServiceReader(URL, () => new Promise(() => undefined), clock)()
    await clock.advance(1_000)
    expect([await view, clock.waiting]).toEqual([{ status: 'silent', url: URL }, 0])
  })
})

describe('the page beside the controls', () => {
  const text = (html: string): string => html.replace(/<style>[^]*<\/style>|<[^>]*>/g, ' ').replace(/\s+/g, ' ')

  test('[M23] shows it as text, and loads nothing', () => {
    const html = servicePage({ ...HEARD, level: '<b>odd</b>' }, NOW, 'moving')
    expect(html).toContain('&lt;b&gt;odd&lt;/b&gt;')
    expect(html).not.toMatch(/<script|src=/)
    expect(text(servicePage(HEARD, NOW, 'moving'))).toContain(
      'Level limited: questions are kept and answered later Questions waiting 3 Breaker of ai-agent open, for 5 s more ' +
        'Check of sqlite healthy Check of aiAgent unhealthy At 09:30:15 UTC. Read again every 2 seconds. Stop',
    )
    expect(text(servicePage({ ...HEARD, breakers: undefined, waiting: undefined }, NOW, 'still'))).toContain(
      'Questions waiting for operators only Breakers for operators only',
    )
    expect(text(servicePage({ status: 'silent', url: URL }, NOW, 'still'))).toContain(`The service at ${URL} does not answer.`)
  })

  test('[M23] is part of the simulator’s page and of no other, is read again by itself, and can be stopped', async () => {
    await using simulator = await startTestSimulator('normal', { url: `${URL}/?a&b`, read: async () => HEARD, now: () => NOW })
    const page = await simulator.request('GET', '/')
    const html = await page.text()
    expect(html).toContain('<iframe src="/service" title="What the service says, read again every few seconds"></iframe>')
    expect(html).toContain('href="http://chat.test/?a&amp;b"')
    expect(page.headers.get('content-security-policy')).toContain("frame-src 'self'; frame-ancestors 'none'")
    const framed = await simulator.request('GET', '/service')
    expect([framed.status, framed.headers.get('refresh')]).toEqual([200, '2'])
    expect(framed.headers.get('content-security-policy')).toMatch(/^default-src 'none';.*frame-ancestors 'self'$/)
    const still = await simulator.request('GET', '/service/still')
    expect([still.status, still.headers.get('refresh')]).toEqual([200, null])
    expect(text(await still.text())).toContain('Not read again by itself.')
    expect(text(await framed.text())).toContain('Questions waiting 3')
  })

  test('[M23] is left out where nobody said where the service is', async () => {
    await using simulator = await startTestSimulator()
    expect(await (await simulator.request('GET', '/')).text()).not.toContain('<iframe')
    expect((await simulator.request('GET', '/service')).status).toBe(404)
  })
})
