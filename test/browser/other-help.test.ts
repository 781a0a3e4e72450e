/** What people get in a real browser while the assistant is away. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NO_AGENT } from '../server-process.ts'
import { accessibilityFaults, ask, createSite, plainAccessibilityFaults, sidewaysScroll, type Site } from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite({ AGENT_URL: NO_AGENT })
})
afterAll(() => site[Symbol.asyncDispose]())

const HEADING = 'Information from this service, not from the assistant'

test('[W80] on the live page it comes at once, is said aloud as what it is, and leads to help; the question can be cancelled', async () => {
  const visitor = await site.visitor({ viewport: { width: 320, height: 640 } })
  const page = await visitor.begin()
  await ask(page, 'How do I keep a copy?')
  const help = page.locator('.app-message--notice')
  await help.getByText('Sorry, the assistant is not working at the moment.').waitFor()
  expect(await help.getByRole('heading').first().innerText()).toContain(HEADING)
  expect(await help.innerText()).not.toContain('written by AI')
  await page.locator('#announce', { hasText: 'The assistant could not answer. Other help is shown.' }).waitFor({ state: 'attached' })
  expect([await accessibilityFaults(page), await sidewaysScroll(page)]).toEqual([[], 0])
  await help.getByRole('link', { name: 'get help another way' }).click()
  expect(new URL(page.url()).hash).toBe('#other-help')
  expect(await page.locator('#other-help').isVisible()).toBe(true)
  // The same after a reload, and once.
  await page.reload()
  await help.getByText('Sorry, the assistant is not working at the moment.').waitFor()
  expect(await page.getByText(HEADING).count()).toBe(1)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('You cancelled this question.').waitFor()
  await help.getByRole('link').first().click()
  await page.getByRole('heading', { level: 1 }).waitFor()
  expect(new URL(page.url()).pathname).toMatch(/^\/help\//)
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})

test('[W80][W81] without JavaScript it is on the very next page, which says how to look again and how to cancel', async () => {
  const visitor = await site.visitor({ javaScriptEnabled: false })
  const page = await visitor.begin()
  await ask(page, 'How do I keep a copy?')
  await page.getByText('Sorry, the assistant is not working at the moment.').waitFor()
  expect(await page.locator('.app-message--notice').getByRole('heading').first().innerText()).toContain(HEADING)
  expect(await page.getByText('Your question is waiting for the assistant.').isVisible()).toBe(true)
  expect(await plainAccessibilityFaults(page)).toEqual([])
  await page
    .getByRole('link', { name: 'Check for your answer' })
    .or(page.getByRole('button', { name: 'Check for your answer' }))
    .click()
  expect(await page.getByText(HEADING).count()).toBe(1)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('You cancelled this question.').waitFor()
  await visitor.context.close()
})
