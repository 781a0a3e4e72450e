/** What a page may cost: bytes over the wire and requests, of the real files in a real browser. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { loadAssets } from '../../src/gateway/assets.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { TestGateway } from '../../src/testing/test-gateway.ts'
import { begin, createPages, send } from '../../src/testing/test-pages.ts'
import { launchBrowser } from './browser.ts'

const KB = 1024
/** Chat page reference, section 8. */
const BUDGET = { html: 14 * KB, css: 13 * KB, script: 25 * KB, lazy: 8 * KB, fonts: 65 * KB } as const

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())

const random = seededRandom(20)
const WORDS =
  'you can apply for a permit online or by post and it takes six weeks before the agency writes about the form and the map'.split(' ')
const say = (count: number): string => Array.from({ length: count }, () => WORDS[Math.floor(random.next() * WORDS.length)] ?? '').join(' ')

const answer = (): string =>
  `${say(50)}.\n\n## ${say(4)}\n\n- ${say(12)}\n- ${say(12)}, [${say(3)}](https://www.gov.uk/${say(2).replace(' ', '-')})\n\n${say(50)}.`

/** A conversation of twenty messages, on a gateway that listens. */
async function talked(gateway: TestGateway): Promise<{ readonly url: string; readonly cookie: string; readonly html: string }> {
  await gateway.server.start()
  const { visitor, path } = await begin(gateway)
  for (let count = 0; count < 10; count += 1) {
    await send(visitor, (await visitor.request('GET', path)).payload, path, `${say(15)}?`)
    await gateway.answer(answer())
    await gateway.clock.advance(5_000)
  }
  const { payload } = await visitor.request('GET', path)
  return { url: `http://127.0.0.1:${gateway.server.info.port}${path}`, cookie: visitor.cookie, html: payload }
}

interface Cost {
  /** Where they went. */
  readonly requests: readonly string[]
  readonly fonts: readonly number[]
  readonly css: number
  /** What the page comes alive by … */
  readonly script: number
  /** … and what it fetches then. */
  readonly lazy: number
}

/** What the page's first visit costs. */
async function costOf(url: string, cookie: string): Promise<Cost> {
  const context = await browser.newContext()
  const [name = '', value = ''] = cookie.split(/=(.*)/s)
  await context.addCookies([{ name, value, url }])
  const page = await context.newPage()
  const cost = await watched(page, async () => {
    await page.goto(url, { waitUntil: 'networkidle' })
  })
  await context.close()
  return cost
}

async function watched(page: Page, act: () => Promise<void>): Promise<Cost> {
  const sizes: Promise<{ readonly type: string; readonly url: string; readonly bytes: number }>[] = []
  page.on('requestfinished', (request) => {
    sizes.push(
      request.sizes().then(({ responseBodySize }) => ({ type: request.resourceType(), url: request.url(), bytes: responseBodySize })),
    )
  })
  await act()
  const all = await Promise.all(sizes)
  const bytesOf = (type: string): number => all.filter((one) => one.type === type).reduce((sum, { bytes }) => sum + bytes, 0)
  const scripts = all.filter(({ type }) => type === 'script')
  return {
    requests: all.map(({ url }) => url),
    fonts: all.filter(({ type }) => type === 'font').map(({ bytes }) => bytes),
    css: bytesOf('stylesheet'),
    script: scripts.filter(({ url }) => url.includes('/chat-')).reduce((sum, { bytes }) => sum + bytes, 0),
    lazy: scripts.filter(({ url }) => !url.includes('/chat-')).reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

test.each([
  { brand: 'generic', fontsMax: 0, requestsMax: 6 },
  { brand: 'govuk', fontsMax: 2, requestsMax: 10 },
] as const)('[W47] the chat page with 20 messages keeps to its budget, brand $brand', async ({ brand, fontsMax, requestsMax }) => {
  await using gateway = await createPages({ brand }, { assets: loadAssets() })
  const { url, cookie, html } = await talked(gateway)
  expect(html.match(/<li class="app-message /g)?.length).toBeGreaterThanOrEqual(20)
  expect(gzipSync(html, { level: 9 }).length).toBeLessThanOrEqual(BUDGET.html)
  const cost = await costOf(url, cookie)
  expect(cost.requests.filter((address) => !address.startsWith(new URL(url).origin))).toEqual([])
  // Names them all when there are too many.
  expect(cost.requests).toSatisfy(({ length }: readonly string[]) => length <= requestsMax)
  expect(cost.fonts.length).toBeLessThanOrEqual(fontsMax)
  expect(cost.fonts.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(BUDGET.fonts)
  const within = (bytes: number, budget: number): boolean => bytes > 0 && bytes <= budget
  expect([within(cost.css, BUDGET.css), within(cost.script, BUDGET.script), within(cost.lazy, BUDGET.lazy)]).toEqual([true, true, true])
})
