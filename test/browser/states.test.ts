/** Every state of every table of the design, drawn by the real pages, looked at as WCAG 2.2 AA does. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { loadAssets } from '../../src/gateway/assets.ts'
import type { TestGateway } from '../../src/testing/test-gateway.ts'
import { createPages } from '../../src/testing/test-pages.ts'
import { accessibilityFaults, launchBrowser, sidewaysScroll } from './browser.ts'

let browser: Browser
let gateway: TestGateway
let context: BrowserContext
let slugs: readonly string[]

/** What a reader may set (WCAG 1.4.12). */
const SPACED =
  '* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-bottom: 2em !important }'

beforeAll(async () => {
  browser = await launchBrowser()
  gateway = await createPages({}, { assets: loadAssets(), showsStates: true })
  await gateway.server.start()
  // The styles of a reader are not the page's, and its policy has no say in them.
  context = await browser.newContext({ baseURL: `http://127.0.0.1:${gateway.server.info.port}`, bypassCSP: true, reducedMotion: 'reduce' })
  const page = await context.newPage()
  await page.goto('/states')
  slugs = await page.locator('h3 a').evaluateAll((links) => links.map((link) => link.getAttribute('href')?.split('/').at(-1) ?? ''))
  await page.close()
})
afterAll(async () => {
  await browser.close()
  await gateway[Symbol.asyncDispose]()
})

/** Headings that skip a level, landmarks twice, ids twice, and what no automated check of the page alone would see. */
const outline = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => {
    const faults: string[] = []
    const levels = [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]
      .filter((heading) => heading.checkVisibility())
      .map((heading) => Number(heading.tagName.slice(1)))
    // An error summary and a notice stand before the heading of the page and are headed themselves.
    const from = levels.indexOf(1)
    for (const [index, level] of levels.entries())
      if (index > from && level > (levels[index - 1] ?? 0) + 1) faults.push(`h${level} after h${levels[index - 1]}`)
    if (levels.filter((level) => level === 1).length !== 1) faults.push('not one h1')
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
    faults.push(...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `#${id} twice`))
    for (const landmark of ['main', 'header', 'footer']) {
      if (document.querySelectorAll(`body > ${landmark}, body > * > ${landmark}`).length !== 1) faults.push(`not one ${landmark}`)
    }
    const moving = document.getAnimations().filter(({ playState }) => playState === 'running')
    if (moving.length > 0) faults.push('something moves')
    return faults
  })

test('[W48] every state of the design is shown by a page of its own, and none is missing', () => {
  expect(slugs.length).toBe(new Set(slugs).size)
  for (const slug of [
    'limited',
    'slow',
    'queued',
    'delivered',
    'streaming',
    'complete',
    'stopped',
    'interrupted',
    'fallback',
    'refused',
    'timed-out',
    'rate',
    'closed',
    'old-form',
    'ending',
  ]) {
    expect(slugs).toContain(slug)
  }
})

test('[W24][W48] each passes every check, at any width and spacing, without motion', { timeout: 120_000 }, async () => {
  const page = await context.newPage()
  const found: unknown[] = []
  for (const slug of slugs) {
    await page.setViewportSize({ width: 1_000, height: 800 })
    await page.goto(`/states/${slug}`)
    const faults = [...(await accessibilityFaults(page)), ...(await outline(page))]
    await page.setViewportSize({ width: 320, height: 256 })
    const narrow = await sidewaysScroll(page)
    await page.addStyleTag({ content: SPACED })
    found.push([slug, faults, narrow, await sidewaysScroll(page)])
  }
  // Only where the person asked for it, and it says how to stop it (WCAG 2.2.1).
  const allowed = (slug: string): readonly string[] =>
    slug === 'refreshing' ? ['meta-refresh: <meta http-equiv="refresh" content="10">'] : []
  expect(found).toEqual(slugs.map((slug) => [slug, allowed(slug), 0, 0]))
})
