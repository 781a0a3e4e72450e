/** What becomes of questions when page, browser or network fail between "Send" and the log. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BrowserContext, Page } from 'playwright-core'
import { temporaryFolder } from '../server-process.ts'
import {
  accessibilityFaults,
  ask,
  createSite,
  freeze,
  keeps,
  killBrowser,
  launch,
  lossy,
  questionsIn,
  type Site,
  type Visitor,
  answerAll,
  until,
} from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite()
})
afterAll(() => site[Symbol.asyncDispose]())

describe('a tab that dies while it sends', () => {
  test.each(['questions', 'answers'] as const)('[K25][K27][K29] and is loaded again loses nothing: %s were lost', async (loses) => {
    const visitor = await site.visitor()
    const network = await lossy(visitor.context)
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    network.loses = loses
    await ask(page, 'First?')
    await keeps(page, 1)
    await ask(page, 'Second?')
    await keeps(page, 2)
    network.loses = 'nothing'
    await page.reload()
    await answerAll(site.agent, 'First?', 'Second?')
    await until(page, 'About Second?')
    expect(await questionsIn(page)).toEqual(['First?', 'Second?'])
    await keeps(page, 0)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K25][K28][K29] and crashes, or is frozen, leaves its questions to another tab', async () => {
    const visitor = await site.visitor()
    const network = await lossy(visitor.context)
    const [crashing, frozen] = [await visitor.begin(), await visitor.begin()]
    await Promise.all([crashing, frozen].map((page) => until(page, 'You have not asked anything yet.')))
    network.loses = 'questions'
    await ask(crashing, 'Crashed?')
    await ask(frozen, 'Frozen?')
    await keeps(frozen, 2)
    await until(frozen, 'Sending')
    const [crashedAt, frozenAt] = [crashing.url(), frozen.url()]
    const devtools = await visitor.context.newCDPSession(crashing)
    const crashed = crashing.waitForEvent('crash')
    devtools.send('Page.crash').catch(() => undefined)
    await crashed
    using ice = await freeze(frozen)
    network.loses = 'nothing'
    const [heir, other] = [await visitor.tab(crashedAt), await visitor.tab(frozenAt)]
    for (let count = 0; count < 2; count += 1) {
      const question = await site.agent.asked()
      question.say(`About ${question.content}`)
      question.finish()
    }
    await until(heir, 'About Crashed?')
    await until(other, 'About Frozen?')
    ice[Symbol.dispose]()
    await until(frozen, 'About Frozen?')
    expect([await questionsIn(heir), await questionsIn(other)]).toEqual([['Crashed?'], ['Frozen?']])
    await keeps(other, 0)
    await visitor.context.close()
  })
})

describe('two tabs', () => {
  test('[K27][K28] that ask at the same time have each question once, each in its order', async () => {
    const visitor = await site.visitor()
    const one = await visitor.begin()
    const two = await visitor.tab(one.url())
    await until(two, 'You have not asked anything yet.')
    const asked = [0, 1, 2].map((index) => [`One ${index}?`, `Two ${index}?`])
    for (const [first = '', second = ''] of asked) await Promise.all([ask(one, first), ask(two, second)])
    for (let count = 0; count < 6; count += 1) {
      const question = await site.agent.asked()
      question.say(`About ${question.content}`)
      question.finish()
    }
    for (const page of [one, two]) await until(page, 'About Two 2?')
    const inLog = await questionsIn(one)
    expect(inLog.toSorted((first, second) => first.localeCompare(second))).toEqual(
      asked.flat().toSorted((first, second) => first.localeCompare(second)),
    )
    for (const name of ['One', 'Two'])
      expect(inLog.filter((text) => text.startsWith(name))).toEqual([0, 1, 2].map((index) => `${name} ${index}?`))
    await keeps(one, 0)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })
})

describe('a device without a network', () => {
  /** The page has noticed, and says so. */
  async function goOffline(visitor: Visitor, page: Page): Promise<void> {
    await visitor.context.setOffline(true)
    await until(page, 'You are offline.')
  }

  test('[W90][W91][W92][K30] keeps what is asked, shows how many wait, and lets people change their minds', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    await goOffline(visitor, page)
    await ask(page, 'Gone?')
    await page.getByRole('button', { name: 'Delete unsent questions from this device' }).click()
    await page.getByRole('button', { name: 'Keep them' }).click()
    await page.getByRole('button', { name: 'Delete unsent questions from this device' }).click()
    await page.getByRole('button', { name: 'Yes, delete unsent questions' }).click()
    await keeps(page, 0)
    expect(await page.getByText('Gone?').count()).toBe(0)
    for (const text of ['Keep me?', 'Change me?', 'Delete me?']) {
      await ask(page, text)
      await page.locator('#messages').getByText(text, { exact: true }).waitFor()
      await page.waitForFunction(() => document.querySelector('textarea')?.value === '')
    }
    await until(page, '3 questions are waiting to be sent.')
    await page.getByText('Saved on this device.').nth(2).waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: /Delete.*Delete me/ }).click()
    await until(page, '2 questions are waiting to be sent.')
    const box = page.getByLabel('Your question')
    await box.fill('In the way')
    await page.getByRole('button', { name: /Edit.*Change me/ }).click()
    await until(page, 'Send or clear what is in the box first.')
    await box.fill('')
    await page.getByRole('button', { name: /Edit.*Change me/ }).click()
    await page.waitForFunction(() => document.querySelector('textarea')?.value === 'Change me?')
    await until(page, '1 question is waiting to be sent.')
    await box.fill('Changed?')
    await box.press('Enter')
    await until(page, '2 questions are waiting to be sent.')
    await visitor.context.setOffline(false)
    await answerAll(site.agent, 'Keep me?', 'Changed?')
    await until(page, 'About Changed?')
    expect(await questionsIn(page)).toEqual(['Keep me?', 'Changed?'])
    await keeps(page, 0)
    await visitor.context.close()
  })

  test('[K25][K27] and a browser that is killed and started again: three questions are sent, in order', async () => {
    using profile = temporaryFolder()
    const open = async (): Promise<BrowserContext> => launch(profile.path, { baseURL: site.url })
    // A browser writes down a cookie some time after it got it; what it has not when it is killed is no matter of ours.
    const before = await open()
    const start = before.pages()[0] ?? (await before.newPage())
    await start.goto('/')
    await start.getByRole('button', { name: 'Start now' }).click()
    await until(start, 'You have not asked anything yet.')
    const url = start.url()
    await before.close()
    const first = await open()
    const page = first.pages()[0] ?? (await first.newPage())
    await page.goto(url)
    await until(page, 'You have not asked anything yet.')
    await first.setOffline(true)
    await until(page, 'You are offline.')
    for (const text of ['Morning?', 'Noon?', 'Night?']) await ask(page, text)
    await until(page, '3 questions are waiting to be sent.')
    await keeps(page, 3)
    await killBrowser(first, page)
    const second = await open()
    const again = second.pages()[0] ?? (await second.newPage())
    await again.goto(url)
    await answerAll(site.agent, 'Morning?', 'Noon?', 'Night?')
    await until(again, 'About Night?')
    expect(await questionsIn(again)).toEqual(['Morning?', 'Noon?', 'Night?'])
    await second.close()
  })
})

test('[K37] a page that comes back from the back/forward cache goes on as if it had never been away', async () => {
  const visitor = await site.visitor()
  const page = await visitor.begin()
  // Our pages are kept by nobody, which some browsers take to mean this cache, too; others do not, and the page must be ready for them.
  const devtools = await visitor.context.newCDPSession(page)
  await devtools.send('Fetch.enable', { patterns: [{ urlPattern: '*/conversations/*', requestStage: 'Response' }] })
  devtools.on('Fetch.requestPaused', ({ requestId, responseStatusCode = 200, responseHeaders = [] }) => {
    const others = responseHeaders.filter(({ name }) => name.toLowerCase() !== 'cache-control')
    const responseHeadersKept = [...others, { name: 'cache-control', value: 'no-cache' }]
    void devtools.send('Fetch.continueResponse', { requestId, responseCode: responseStatusCode, responseHeaders: responseHeadersKept })
  })
  await page.goto(page.url())
  await ask(page, 'While away?')
  const question = await site.agent.asked()
  question.say('The first part.\n\nThe sec')
  await until(page, 'The sec')
  await page.evaluate(() => document.body.setAttribute('data-kept', ''))
  await page.goto('/help')
  question.say('ond part.')
  question.finish()
  // It is not loaded again, so there is no load to wait for.
  await page.goBack({ waitUntil: 'commit' })
  await until(page, 'The second part.')
  expect(await page.locator('body[data-kept]').count()).toBe(1)
  await ask(page, 'And now?')
  await answerAll(site.agent, 'And now?')
  await until(page, 'About And now?')
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})
