/** The composition in this process, with an agent that comes and goes and a store that fails: what everybody is told, and what is kept. */
import { expect, test, vi } from 'vitest'
import { AgentError } from '../src/agent/agent-error.ts'
import { readConfig } from '../src/app/config.ts'
import { createPorts, type Ports } from '../src/app/ports.ts'
import { startService, type Service } from '../src/app/service.ts'
import { createMemoryLog } from '../src/conversation-log/memory-log.ts'
import { createFaultyLog, type FaultyLog } from '../src/testing/faulty-log.ts'
import type { Clock } from '../src/resilience/clock.ts'
import { answering, createScriptedAgent } from '../src/testing/scripted-agent.ts'
import { createSimulatedClock } from '../src/testing/simulated-clock.ts'
import { ApiClient, type ServerSentEvent } from './api-client.ts'
import { onAction } from './processes.ts'
import { NO_AGENT, temporaryFolder } from './server-process.ts'

interface World extends AsyncDisposable {
  readonly service: Service
  readonly lines: readonly string[]
  readonly log: FaultyLog
  isAgentThere: boolean
}

/** Real server, a log in memory whose store can fail, and an agent that may be away. */
async function createWorld(clock: Clock, env: Readonly<Record<string, string>>): Promise<World> {
  await using started = new AsyncDisposableStack()
  const folder = started.use(temporaryFolder())
  const lines: string[] = []
  const state = { isAgentThere: true }
  const scripted = createScriptedAgent({ script: answering('Yes.') })
  const real = createPorts()
  const log = createFaultyLog(createMemoryLog({ clock, random: real.randomBytes }))
  const ports: Ports = {
    ...real,
    clock,
    writeLine: (line) => void lines.push(line),
    openLog: async () => log,
    createAgent: () => ({
      ...scripted,
      async ping() {
        if (!state.isAgentThere) throw new AgentError('unreachable', 'nobody there', { isRetryable: true })
      },
    }),
    checkLink: async () => undefined,
  }
  const config = readConfig({ NODE_ENV: 'test', PORT: '0', AGENT_URL: NO_AGENT, DATA_DIR: folder.path, ...env })
  const service = started.use(await startService(config, ports, '1.2.3'))
  const resources = started.move()
  return Object.assign(state, { service, lines, log, [Symbol.asyncDispose]: () => resources.disposeAsync() })
}

/** What each of those who may ask is told now. */
async function told({ service }: World): Promise<object> {
  const get = async (path: string): Promise<Response> => fetch(service.url + path)
  const [status, ready, health, details] = await Promise.all([
    get('/api/v1/status'),
    get('/ready'),
    get('/health'),
    get('/health/detailed'),
  ])
  const { degradation } = Object(await details.json())
  return { status: Object(await status.json()).level, ready: ready.status, health: health.status, degradation }
}
const FULL = { status: 'full', ready: 200, health: 200, degradation: 'full' }
const AGENT_AWAY = '{"level":"limited","away":["agent"]}'
const LIMITED = { status: 'limited', ready: 200, health: 503, degradation: 'limited' }
const OFFLINE = { status: 'offline', ready: 503, health: 503, degradation: 'offline' }

const levelsIn = ({ lines }: World): readonly string[] =>
  lines.flatMap((line) => onAction('degradation.changed', 'chat.degradation.to')(line) ?? [])

test('[O53] ten flaps a minute change the level twice, and links, API, probes and log say the same each time', async () => {
  const clock = createSimulatedClock()
  await using world = await createWorld(clock, { HEALTH_INTERVAL_MS: '1000', HEALTH_CHECK_TIMEOUT_MS: '1000' })
  const { service } = world
  expect(await told(world)).toEqual(FULL)
  const person = new ApiClient(service.url)
  const session = await person.createSession()
  const stream = person.events(session)
  expect(await nextLevel(stream)).toBe('{"level":"full"}')
  for (let flap = 0; flap < 10; flap += 1) {
    world.isAgentThere = false
    await clock.advance(3_000)
    world.isAgentThere = true
    await clock.advance(3_000)
    expect(await told(world)).toEqual(LIMITED)
  }
  // A stream ends after 55 seconds, and said one change until then.
  expect([await nextLevel(stream), await nextLevel(stream), levelsIn(world)]).toEqual([AGENT_AWAY, undefined, ['limited']])
  const next = person.events(session)
  expect(await nextLevel(next)).toBe(AGENT_AWAY)
  await clock.advance(20_000)
  expect([await nextLevel(next), levelsIn(world), await told(world)]).toEqual(['{"level":"full"}', ['limited', 'full'], FULL])
  await next.return(undefined)
})

/** The next level that the stream tells, `undefined` when it ends first. */
async function nextLevel(stream: AsyncGenerator<ServerSentEvent>): Promise<string | undefined> {
  for (;;) {
    const { value, done } = await stream.next()
    if (done === true) return undefined
    if (value.event === 'level') return value.data
  }
}

const formOf = (html: string): string => /<form id="composer"[\s\S]*?<\/form>/.exec(html)?.[0] ?? ''
const hiddenIn = (form: string): Record<string, string> =>
  Object.fromEntries(
    [...form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, n = '', value = '']) => [n, value]),
  )

/** A browser without JavaScript. */
class PlainBrowser {
  readonly #url: string
  #cookie = ''

  constructor(url: string) {
    this.#url = url
  }

  async open(
    path: string,
    form?: Record<string, string>,
  ): Promise<{ readonly status: number; readonly html: string; readonly to: string }> {
    const headers = { accept: 'text/html', cookie: this.#cookie, origin: this.#url }
    const init = form === undefined ? { headers } : { method: 'POST', headers, body: new URLSearchParams(form) }
    const response = await fetch(this.#url + path, { redirect: 'manual', ...init })
    for (const cookie of response.headers.getSetCookie()) this.#cookie = cookie.split(';')[0] ?? ''
    return { status: response.status, html: await response.text(), to: response.headers.get('location') ?? '' }
  }
}

test('[O54] while the store is away nothing is acknowledged, what was typed comes back, and fixed pages and help work', async () => {
  await using world = await createWorld(createPorts().clock, {
    HEALTH_INTERVAL_MS: '1000',
    HEALTH_CHECK_TIMEOUT_MS: '1000',
    HEALTH_HOLD_MS: '500',
  })
  const { service, log } = world
  const untilLevel = (level: string): Promise<unknown> => vi.waitUntil(() => levelsIn(world).at(-1) === level, { timeout: 30_000 })
  const browser = new PlainBrowser(service.url)
  const start = await browser.open('/')
  const { to } = await browser.open('/conversations', hiddenIn(start.html))
  const page = await browser.open(to)
  const typed = 'Where is <my> permit?'
  const hidden = hiddenIn(formOf(page.html))
  const form = { ...hidden, question: typed }
  const person = new ApiClient(service.url)
  const session = await person.createSession()

  log.fault('refuses')
  const unavailable = { status: 503, body: { status: 'offline', error: { code: 'STORE_UNAVAILABLE', isRetryable: true } } }
  // The very first to notice, and everybody once the level has.
  for (const level of ['not yet', 'offline']) {
    const refused = await browser.open(`${to}/messages`, form)
    expect({ level, status: refused.status }).toEqual({ level, status: 503 })
    expect(refused.html).toContain('>Where is &lt;my&gt; permit?</textarea>')
    expect(hiddenIn(refused.html)['clientMessageId']).toBe(hidden['clientMessageId'])
    const answer = await person.ask(session, typed)
    expect(answer).toMatchObject(unavailable)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    await untilLevel('offline')
  }
  expect([await told(world), levelsIn(world)]).toEqual([OFFLINE, ['offline']])
  for (const path of ['/', '/help', '/help/what-sent-means', '/accessibility', '/privacy', '/cookies', '/live']) {
    expect([path, (await browser.open(path)).status]).toEqual([path, 200])
  }
  expect((await browser.open(to)).status).toBe(503)
  expect(await person.request('GET', `/api/v1/sessions/${session}/messages`)).toMatchObject(unavailable)

  log.fault(undefined)
  await untilLevel('full')
  expect(await told(world)).toEqual(FULL)
  // The form that came back, sent again and again, asks once.
  for (let times = 0; times < 2; times += 1) expect((await browser.open(`${to}/messages`, form)).status).toBe(303)
  const { html } = await browser.open(`${to}?wait=${hidden['clientMessageId']}`)
  expect(html.match(/data-text>Where is &lt;my&gt; permit\?/g)).toHaveLength(1)
  expect(html).toContain('Yes.')
  expect(await person.messages(session)).toEqual([])
})
