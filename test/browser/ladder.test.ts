/** Networks that let no socket through: the page goes on by events and requests, and nobody notices. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BrowserContext, Page, WebSocketRoute } from 'playwright-core'
import { ask, createSite, questionsIn, type Site, until } from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite()
})
afterAll(() => site[Symbol.asyncDispose]())

const said = async (page: Page): Promise<string> => (await page.locator('#messages').innerText()).replace(/\s+/g, ' ')

interface Proxy {
  /** Sockets are refused from now on, or let through again. */
  isBlocking: boolean
  /** Ends the sockets that there are. */
  cut(): Promise<void>
}

async function proxied(context: BrowserContext, isBlocking: boolean): Promise<Proxy> {
  const open = new Set<WebSocketRoute>()
  const proxy: Proxy = {
    isBlocking,
    async cut() {
      for (const socket of open) await socket.close({ code: 1001 })
      open.clear()
    },
  }
  await context.routeWebSocket('**/ws', (socket) => {
    if (proxy.isBlocking) return void socket.close()
    open.add(socket)
    socket.connectToServer()
    return undefined
  })
  return proxy
}

/** Requests for the event stream that the page has made. */
function streamsOf(page: Page): readonly string[] {
  const streams: string[] = []
  page.on('request', (request) => {
    if (request.url().includes('/events?')) streams.push(request.url())
  })
  return streams
}

test('[K45][K46][K49] where sockets are blocked the page asks, shows the answer as it is written, and stops it', async () => {
  const visitor = await site.visitor()
  await proxied(visitor.context, true)
  const page = await visitor.begin()
  const streams = streamsOf(page)
  await ask(page, 'Blocked?')
  const question = await site.agent.asked()
  question.say('**Half** of it.\n\nThe re')
  await page.locator('#messages strong').waitFor()
  await until(page, 'The re')
  expect(await page.getByLabel('Your question').inputValue()).toBe('')
  await ask(page, 'And this?')
  await until(page, 'There is 1 question before yours.')
  await page.getByRole('button', { name: 'Stop' }).click()
  await question.ended
  await until(page, 'You stopped this answer.')
  const next = await site.agent.asked()
  next.say('Whole.')
  next.finish()
  await until(page, 'Whole.')
  expect(await questionsIn(page)).toEqual(['Blocked?', 'And this?'])
  expect(page.url()).not.toContain('wait=')
  expect(await page.locator('#connection').innerText()).toBe('')
  const before = streams.length
  await page.reload()
  await ask(page, 'After a reload?')
  const last = await site.agent.asked()
  last.finish()
  await until(page, 'After a reload?')
  // It did not have to find out again.
  expect(streams.length).toBe(before + 1)
  await visitor.context.close()
})

test('[K45][K49] when sockets are blocked in the middle of an answer, it goes on where it was', async () => {
  const visitor = await site.visitor()
  const proxy = await proxied(visitor.context, false)
  const page = await visitor.begin()
  const streams = streamsOf(page)
  await ask(page, 'Changes?')
  const question = await site.agent.asked()
  question.say('First part.\n\nSecond ')
  await until(page, 'Second')
  proxy.isBlocking = true
  await proxy.cut()
  question.say('part.\n\nThird ')
  await until(page, 'Third')
  expect(streams.length).toBeGreaterThan(0)
  expect(await page.locator('#connection').innerText()).not.toContain('lost')
  question.say('part.')
  question.finish()
  await until(page, 'This answer was written by AI')
  expect((await said(page)).match(/First part\.|Second part\.|Third part\./g)).toEqual(['First part.', 'Second part.', 'Third part.'])
  await visitor.context.close()
})

test('[K16] asked to move in the middle of an answer, the page goes on where it was, and nobody notices', async () => {
  const visitor = await site.visitor()
  const sockets: WebSocketRoute[] = []
  await visitor.context.routeWebSocket('**/ws', (socket) => {
    sockets.push(socket)
    socket.connectToServer()
  })
  const page = await visitor.begin()
  await ask(page, 'Moves?')
  const question = await site.agent.asked()
  question.say('First part.\n\nSecond ')
  await until(page, 'Second')
  sockets.at(-1)?.send('{"type":"drain","afterMs":0,"windowMs":0,"deadlineMs":5000}')
  question.say('part.\n\nThird ')
  await until(page, 'Third')
  expect(sockets).toHaveLength(2)
  expect(await page.locator('#connection').innerText()).toBe('')
  question.say('part.')
  question.finish()
  await until(page, 'This answer was written by AI')
  expect((await said(page)).match(/First part\.|Second part\.|Third part\./g)).toEqual(['First part.', 'Second part.', 'Third part.'])
  await visitor.context.close()
})

test('[K15] a page that is looked at again finds in seconds that its link is dead, and comes back', async () => {
  const visitor = await site.visitor()
  const dead = new Set<WebSocketRoute>()
  const open: WebSocketRoute[] = []
  await visitor.context.routeWebSocket('**/ws', (socket) => {
    const server = socket.connectToServer()
    open.push(socket)
    // Neither end is told.
    socket.onMessage((message) => void (dead.has(socket) || server.send(message)))
    server.onMessage((message) => void (dead.has(socket) || socket.send(message)))
  })
  const page = await visitor.begin()
  await ask(page, 'Half-open?')
  const question = await site.agent.asked()
  question.say('Before.\n\nThe re')
  await until(page, 'The re')
  for (const socket of open) dead.add(socket)
  question.say('st.')
  question.finish()
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
  await until(page, 'This answer was written by AI')
  expect((await said(page)).match(/Before\.|The rest\./g)).toEqual(['Before.', 'The rest.'])
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})
