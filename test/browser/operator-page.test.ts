/** The operator page in a real browser: readable everywhere, renewed in place, and able to act. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { onFields } from '../processes.ts'
import { startServer, temporaryFolder } from '../server-process.ts'
import { accessibilityFaults, createSite, plainAccessibilityFaults, sidewaysScroll, type Site } from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite({ OPS_ACTIONS: 'true', HEALTH_INTERVAL_MS: '500', HEALTH_CHECK_TIMEOUT_MS: '500', HEALTH_HOLD_MS: '0' })
})
afterAll(() => site[Symbol.asyncDispose]())

/** A page whose time is ours. */
async function open(page: Page): Promise<void> {
  await page.clock.install()
  await page.goto('/ops/status')
  await page.getByText('every 5 seconds').waitFor()
}

const shownAt = (page: Page) => page.locator('#asked').textContent()

/** Lets the page's time go on until it has been renewed. */
async function renew(page: Page): Promise<void> {
  const before = await shownAt(page)
  const later = async () => {
    await page.clock.fastForward(5_000)
    return shownAt(page)
  }
  await expect.poll(later, { timeout: 15_000 }).not.toBe(before)
}

const levelIs = (page: Page, level: string) => page.locator('h1').getByText(level, { exact: true }).waitFor()

test('[O207] wide and on a telephone, with JavaScript and without, it passes every check and needs no sideways scrolling', async () => {
  const wide = await site.visitor({ viewport: { width: 1_280, height: 640 } })
  const page = await wide.tab('/ops/status')
  await page.getByText('every 5 seconds').waitFor()
  for (const summary of await page.locator('summary').all()) await summary.click()
  expect([await accessibilityFaults(page), await sidewaysScroll(page), wide.faults]).toEqual([[], 0, []])
  const narrow = await site.visitor({ viewport: { width: 320, height: 640 }, javaScriptEnabled: false })
  const plain = await narrow.tab('/ops/status')
  expect([await plainAccessibilityFaults(plain), await sidewaysScroll(plain), narrow.faults]).toEqual([[], 0, []])
  expect(await plain.getByRole('link', { name: 'every 10 seconds' }).isVisible()).toBe(true)
  await Promise.all([wide.context.close(), narrow.context.close()])
})

test('[O207][O212] an operator isolates the agent: it is said, shown and outlasts every check, until it is released', async () => {
  const visitor = await site.visitor()
  const page = await visitor.context.newPage()
  await open(page)
  const watching = await (await site.visitor()).context.newPage()
  await open(watching)
  await page.getByText('Isolate the agent').first().click()
  await page.getByRole('button', { name: 'Isolate the agent' }).click()
  await page.getByText('Isolated. This process leaves it alone').waitFor()
  await site.server.line(onFields({ 'event.action': 'operator.acted', 'chat.operator.door': 'loopback', 'event.outcome': 'success' }))
  await site.server.line(onFields({ 'event.action': 'breaker.changed', 'chat.breaker.to': 'isolated' }))

  // Checks go on finding the agent, and it changes nothing.
  const checks = async () => Object(await (await fetch(`${site.url}/ops/status.json`)).json()).dependencies[0].check.at
  const before = await checks()
  await expect.poll(checks, { timeout: 15_000 }).not.toBe(before)
  await watching.clock.fastForward(5_000)
  await levelIs(watching, 'limited')
  await watching.locator('#ai-agent').getByText('isolated', { exact: true }).waitFor()
  await watching.getByText('The agent does not work: its circuit breaker is held open by an operator.').waitFor()
  await watching.locator('#told').getByText('The assistant is not working at the moment.').waitFor()
  const status: unknown = await (await fetch(`${site.url}/api/v1/status`)).json()
  expect(status).toMatchObject({ level: 'limited' })

  await page.getByText('Release the agent').first().click()
  await page.getByRole('button', { name: 'Release the agent' }).click()
  await page.getByText('Released. This process uses it again.').waitFor()
  await site.server.line(onFields({ 'event.action': 'degradation.changed', 'chat.degradation.to': 'full' }))
  await watching.clock.fastForward(5_000)
  await levelIs(watching, 'full')
  expect(visitor.faults).toEqual([])
  await Promise.all([visitor.context.close(), watching.context().close()])
})

test('[O207] renewing it moves no focus, closes nothing that was opened, can be stopped, and says when the process is gone', async () => {
  const visitor = await site.visitor()
  const page = await visitor.context.newPage()
  await open(page)
  await page.getByText('Settings in force').click()
  await page.locator('#ai-agent-action summary').focus()
  await renew(page)
  expect(await page.getByText('SESSION_TTL_HOURS').isVisible()).toBe(true)
  expect(await page.evaluate(() => document.activeElement?.textContent?.trim())).toBe('Isolate the agent')
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('Paused.').waitFor()
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.clock.fastForward(60_000)
  expect([asked, visitor.faults]).toEqual([[], []])
  await page.getByRole('button', { name: 'Go on' }).click()
  await site.server.kill('SIGKILL')
  await page.clock.fastForward(5_000)
  await page.getByRole('status').getByText('This process does not answer. Everything here is as it was at').waitFor()
  await visitor.context.close()
})

test('[O209] a browser that comes without the token is asked for it, and gets in and is renewed with it', async () => {
  const token = 'o'.repeat(40)
  using folder = temporaryFolder()
  await using server = await startServer({ dataDir: folder.path, env: { OPS_TOKEN: token } })
  const context = await site.browser.newContext({ baseURL: server.url, httpCredentials: { username: 'ada', password: token } })
  const page = await context.newPage()
  await open(page)
  await renew(page)
  expect(await page.getByRole('status').isVisible()).toBe(false)
  const refused = await fetch(`${server.url}/ops/status`)
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Basic ')])
  await context.close()
})
