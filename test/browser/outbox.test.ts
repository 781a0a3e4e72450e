/** What becomes of questions when page, browser, network or storage fail between "Send" and the log. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BrowserContext, Page, WebSocketRoute } from 'playwright-core'
import { temporaryFolder } from '../server-process.ts'
import { accessibilityFaults, ask, createSite, killBrowser, launch, questionsIn, type Site, type Visitor } from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite()
})
afterAll(() => site[Symbol.asyncDispose]())

const until = (page: Page, text: string): Promise<void> => page.getByText(text).first().waitFor()
/** Answers whatever is asked from now on, one after the other. */
async function answer(...questions: readonly string[]): Promise<void> {
  for (const text of questions) {
    const question = await site.agent.asked()
    expect(question.content).toBe(text)
    question.say(`About ${text}`)
    question.finish()
  }
}

/** What the network does to the live link: nothing, loses questions, or loses what the server says of them. */
interface Network {
  loses: 'nothing' | 'questions' | 'answers'
  /** Ends every link there is. */
  cut(): Promise<void>
}

async function lossy(context: BrowserContext): Promise<Network> {
  const sockets = new Set<WebSocketRoute>()
  const network: Network = {
    loses: 'nothing',
    async cut() {
      for (const socket of sockets) await socket.close({ code: 1012 })
      sockets.clear()
    },
  }
  await context.routeWebSocket('**/ws', (socket) => {
    const server = socket.connectToServer()
    sockets.add(socket)
    socket.onMessage((message) => {
      if (network.loses !== 'questions' || !String(message).includes('"send"')) server.send(message)
    })
    server.onMessage((message) => {
      if (network.loses !== 'answers') socket.send(message)
    })
  })
  return network
}

/** Waits until the device keeps so many questions. */
const keeps = (page: Page, count: number): Promise<unknown> =>
  page.waitForFunction(
    (wanted) =>
      new Promise<boolean>((resolve) => {
        const opening = indexedDB.open('chat')
        opening.onsuccess = () => {
          const all = opening.result.transaction('outbox').objectStore('outbox').getAll()
          all.onsuccess = () => {
            opening.result.close()
            resolve(all.result.length === wanted)
          }
        }
      }),
    count,
  )

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
    await answer('First?', 'Second?')
    await until(page, 'About Second?')
    expect(await questionsIn(page)).toEqual(['First?', 'Second?'])
    await keeps(page, 0)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K25][K29] and crashes leaves its questions to another tab', async () => {
    const visitor = await site.visitor()
    const network = await lossy(visitor.context)
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    network.loses = 'questions'
    await ask(page, 'Crashed?')
    await keeps(page, 1)
    const url = page.url()
    const devtools = await visitor.context.newCDPSession(page)
    const crashed = page.waitForEvent('crash')
    devtools.send('Page.crash').catch(() => undefined)
    await crashed
    network.loses = 'nothing'
    const other = await visitor.tab(url)
    await answer('Crashed?')
    await until(other, 'About Crashed?')
    expect(await questionsIn(other)).toEqual(['Crashed?'])
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
    await answer('Keep me?', 'Changed?')
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
    await answer('Morning?', 'Noon?', 'Night?')
    await until(again, 'About Night?')
    expect(await questionsIn(again)).toEqual(['Morning?', 'Noon?', 'Night?'])
    await second.close()
  })
})

describe('a device', () => {
  test('[K26][K39][W91] that forbids storage sends all the same, and leaves the question in the box until the server has it', async () => {
    const visitor = await site.visitor()
    await visitor.context.addInitScript(() => {
      indexedDB.open = () => {
        throw new DOMException('forbidden', 'SecurityError')
      }
    })
    const network = await lossy(visitor.context)
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    network.loses = 'questions'
    await ask(page, 'Not kept?')
    await until(page, 'Sending')
    expect(await page.getByLabel('Your question').inputValue()).toBe('Not kept?')
    network.loses = 'nothing'
    await network.cut()
    await answer('Not kept?')
    await until(page, 'About Not kept?')
    expect(await page.getByLabel('Your question').inputValue()).toBe('')
    expect(await questionsIn(page)).toEqual(['Not kept?'])
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K26][K35][K39] without room sends all the same, and one that was emptied by the browser keeps the next question', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    const devtools = await visitor.context.newCDPSession(page)
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: 1 })
    await ask(page, 'No room?')
    await answer('No room?')
    await until(page, 'About No room?')
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url })
    await devtools.send('Storage.clearDataForOrigin', { origin: site.url, storageTypes: 'indexeddb' })
    await ask(page, 'Emptied?')
    await answer('Emptied?')
    await until(page, 'About Emptied?')
    expect(await questionsIn(page)).toEqual(['No room?', 'Emptied?'])
    await keeps(page, 0)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K33][K34][K39] that somebody else used, or another release, sends nothing of theirs by itself', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    await keeps(page, 0)
    await page.evaluate(async () => {
      const data = JSON.parse(document.getElementById('page-data')?.textContent ?? '')
      const { session, visitor: owner } = data
      const id = (last: number): string => `00000000-0000-7000-8000-00000000000${last}`
      const row = {
        form: 1,
        session,
        visitor: owner,
        messageId: id(1),
        text: 'Mine?',
        place: 1,
        keptAt: performance.timeOrigin + performance.now(),
      }
      const records = [
        row,
        { ...row, messageId: id(2), visitor: 'somebody else', text: 'Theirs?' },
        { form: 7, session, visitor: owner, messageId: id(3), text: 'From the future?', shape: 'unknown' },
        { ...row, messageId: id(4), text: 'x'.repeat(50_000) },
      ]
      await new Promise((resolve) => {
        const opening = indexedDB.open('chat')
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('outbox', 'readwrite')
          for (const record of records) transaction.objectStore('outbox').put(record)
          transaction.oncomplete = resolve
        }
      })
    })
    await page.reload()
    await answer('Mine?')
    await until(page, 'About Mine?')
    await until(page, 'You wrote this with another version of this page')
    await until(page, 'Not sent. We could not send this')
    expect(await page.getByText('Theirs?').count()).toBe(0)
    expect(await questionsIn(page)).toEqual(['Mine?'])
    await page.getByRole('button', { name: /Send now.*From the future/ }).click()
    await answer('From the future?')
    await until(page, 'About From the future?')
    await page.getByRole('button', { name: /Delete.*xxx/ }).click()
    await keeps(page, 1)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })
})

test('[K40] a conversation that is deleted takes along what the device keeps for it, and leaves the rest', async () => {
  const visitor = await site.visitor()
  const network = await lossy(visitor.context)
  const page = await visitor.begin()
  await until(page, 'You have not asked anything yet.')
  const other = await visitor.begin()
  await until(other, 'You have not asked anything yet.')
  network.loses = 'questions'
  await ask(page, 'Goes?')
  await ask(other, 'Stays?')
  await keeps(other, 2)
  await page.getByRole('link', { name: 'Delete this conversation' }).click()
  await page.getByRole('button', { name: 'Delete this conversation' }).click()
  await page.getByRole('heading', { name: 'Your conversations' }).waitFor()
  await keeps(other, 1)
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})

test('[W94] a conversation that has closed gives back what was never sent, to be asked in a new one', async () => {
  const visitor = await site.visitor()
  const network = await lossy(visitor.context)
  const page = await visitor.begin()
  await until(page, 'You have not asked anything yet.')
  const url = page.url()
  network.loses = 'questions'
  await ask(page, 'Too late?')
  await keeps(page, 1)
  await ask(page, 'This one, too?')
  await keeps(page, 2)
  await page.close()
  const session = new URL(url).pathname.split('/').at(-1)
  await visitor.context.request.delete(`/api/v1/sessions/${session}`)
  const closed = await visitor.tab(url)
  await until(closed, 'These questions are still on your device.')
  expect(await accessibilityFaults(closed)).toEqual([])
  await closed.getByRole('textbox', { name: 'Your question' }).nth(1).waitFor()
  const sent = closed.getByRole('button', { name: 'Send in a new conversation' }).first().click()
  await answer('Too late?')
  await sent
  await until(closed, 'About Too late?')
  expect(await questionsIn(closed)).toEqual(['Too late?'])
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
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
  await answer('And now?')
  await until(page, 'About And now?')
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})
