/** A real Chromium on the real service, with an agent that says what the test tells it to. */
import { AxeBuilder } from '@axe-core/playwright'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page, type WebSocketRoute } from 'playwright-core'
import * as v from 'valibot'
import { expect } from 'vitest'
import { createHeldAgent, type HeldAgent } from '../held-agent.ts'
import { startServer, temporaryFolder, type RunningServer } from '../server-process.ts'

export interface Site extends AsyncDisposable {
  readonly url: string
  readonly server: RunningServer
  readonly agent: HeldAgent
  readonly browser: Browser
  /** Somebody with cookies of their own. */
  visitor(options?: BrowserContextOptions): Promise<Visitor>
}

export interface Visitor {
  readonly context: BrowserContext
  /** What no page of ours may do: errors of the script, refusals of the policy, requests to elsewhere. */
  readonly faults: readonly string[]
  /** A page on a new conversation. */
  begin(): Promise<Page>
  /** Another tab of the same person. */
  tab(url: string): Promise<Page>
}

const LAUNCH = {
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  // Somebody's browser has it, so pages have to come back from it.
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
}

/** A browser of its own, with what it kept in `profile` before. */
export async function launch(profile: string, options: BrowserContextOptions): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(profile, { ...LAUNCH, ...options })
  context.setDefaultTimeout(15_000)
  return context
}

/** A Chromium that asks nobody for anything by itself. */
export const launchBrowser = (): Promise<Browser> => chromium.launch(LAUNCH)

/** Starts server, agent and browser. */
export async function createSite(env: Readonly<Record<string, string>> = {}): Promise<Site> {
  await using started = new AsyncDisposableStack()
  const folder = started.use(temporaryFolder())
  const agent = started.use(await createHeldAgent())
  const server = started.use(await startServer({ dataDir: folder.path, agentUrl: agent.url, env }))
  const browser = await launchBrowser()
  started.defer(() => browser.close())
  const resources = started.move()
  const visitor = async (options: BrowserContextOptions = {}): Promise<Visitor> =>
    createVisitor(await browser.newContext({ baseURL: server.url, ...options }), server.url)
  return { url: server.url, server, agent, browser, visitor, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

function createVisitor(context: BrowserContext, url: string): Visitor {
  // Shorter than the tests' own, so that a failure says what was waited for.
  context.setDefaultTimeout(15_000)
  const faults: string[] = []
  context.on('weberror', (error) => faults.push(error.error().message))
  context.on('console', (message) => {
    // A refused form or a page that is not there is answered with a status, which the console repeats.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text())
  })
  context.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) faults.push(`a request to ${request.url()}`)
  })
  return {
    context,
    faults,
    async begin() {
      const page = await context.newPage()
      await page.goto('/')
      await page.getByRole('button', { name: 'Start now' }).click()
      await page.getByRole('heading', { name: 'Ask the assistant' }).waitFor()
      return page
    },
    async tab(address) {
      const page = await context.newPage()
      await page.goto(address)
      return page
    },
  }
}

/** Everything the automated checks of WCAG 2.2 AA and of good practice find. */
export async function accessibilityFaults(page: Page): Promise<readonly string[]> {
  const { violations } = await new AxeBuilder({ page }).options({ rules: { 'target-size': { enabled: true } } }).analyze()
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`))
}

/** The same of a page without JavaScript. The checks are a script, so they look at a copy of the page where ours does not run. */
export async function plainAccessibilityFaults(page: Page): Promise<readonly string[]> {
  const html = await page.content()
  const context = await page.context().browser()?.newContext({ viewport: page.viewportSize() })
  if (context === undefined) throw new Error('the browser is gone')
  const copy = await context.newPage()
  await copy.route('**/*.js', (route) => route.abort())
  await copy.route(page.url(), (route) => route.fulfill({ contentType: 'text/html', body: html }))
  await copy.goto(page.url())
  const faults = await accessibilityFaults(copy)
  await context.close()
  return faults
}

/** How far the page reaches beyond its window, in CSS pixels. */
export const sidewaysScroll = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)

/** Fills the question box and sends it. */
export async function ask(page: Page, question: string): Promise<void> {
  await page.getByLabel('Your question').fill(question)
  await page.getByRole('button', { name: 'Send', exact: true }).click()
}

const messagesSchema = v.object({ messages: v.array(v.object({ role: v.string(), content: v.string() })) })

/** Waits until the page shows this text. */
export const until = (page: Page, text: string): Promise<void> => page.getByText(text).first().waitFor()

/** The agent answers these questions, one after the other, and is asked them in this order. */
export async function answerAll(agent: HeldAgent, ...questions: readonly string[]): Promise<void> {
  for (const text of questions) {
    const question = await agent.asked()
    expect(question.content).toBe(text)
    question.say(`About ${text}`)
    question.finish()
  }
}

/** The questions that the server's log holds for the page's conversation, in its order. */
export async function questionsIn(page: Page): Promise<readonly string[]> {
  const session = new URL(page.url()).pathname.split('/').at(-1)
  const response = await page.request.get(`/api/v1/sessions/${session}/messages`)
  const { messages } = v.parse(messagesSchema, await response.json())
  return messages.filter(({ role }) => role === 'user').map(({ content }) => content)
}

/** A network that lets neither sockets nor event streams through. */
export async function blockLinks(context: BrowserContext): Promise<void> {
  await context.routeWebSocket('**/ws', (socket) => socket.close())
  await context.route('**/events?*', (route) => route.abort())
}

/** Halts whatever runs in the tab, as a device that sleeps does, until it is disposed of. The state that DevTools can set does nothing to a page without a screen. */
export async function freeze(page: Page): Promise<Disposable> {
  const devtools = await page.context().browser()?.newBrowserCDPSession()
  if (devtools === undefined) throw new Error('no browser to freeze in')
  const renderers = async (): Promise<ReadonlyMap<number, number>> => {
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo')
    return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]))
  }
  // Nothing says which process is the tab's: it is the one that has been busy.
  const before = await renderers()
  await page.evaluate(() => {
    for (const end = performance.now() + 300; performance.now() < end;);
  })
  const spent = [...(await renderers())].map(([id, cpuTime]) => ({ id, spent: cpuTime - (before.get(id) ?? 0) }))
  const [busiest] = spent.toSorted((one, other) => other.spent - one.spent)
  if (busiest === undefined) throw new Error('no tab to freeze')
  process.kill(busiest.id, 'SIGSTOP')
  const ice = new DisposableStack()
  ice.defer(() => void process.kill(busiest.id, 'SIGCONT'))
  return ice
}

/** Ends a browser as a crash or a dead battery does: at once, and with everything that it has not written yet. */
export async function killBrowser(context: BrowserContext, page: Page): Promise<void> {
  const devtools = await context.browser()?.newBrowserCDPSession()
  if (devtools === undefined) throw new Error('no browser to kill')
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo')
  const closed = new Promise((resolve) => void context.once('close', resolve))
  for (const { id } of processInfo.toSorted((one, other) => Number(other.type === 'browser') - Number(one.type === 'browser'))) {
    try {
      process.kill(id, 'SIGKILL')
    } catch {
      // It went with the first, which is the browser itself.
    }
  }
  await closed
  if (!page.isClosed()) throw new Error('the browser lives on')
}

/** What the network does to the live link: nothing, loses questions, or loses what the server says of them. */
export interface Network {
  loses: 'nothing' | 'questions' | 'answers'
  /** Ends every link there is. */
  cut(): Promise<void>
}

export async function lossy(context: BrowserContext): Promise<Network> {
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
export const keeps = (page: Page, count: number): Promise<unknown> =>
  page.waitForFunction(
    (wanted) =>
      new Promise<boolean>((resolve) => {
        const opening = indexedDB.open('chat')
        // Before the page has made it: one without its stores must not come to be.
        opening.onupgradeneeded = () => opening.transaction?.abort()
        opening.addEventListener('error', () => resolve(false))
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
