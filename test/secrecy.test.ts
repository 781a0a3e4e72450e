/**
 * Nobody's words, names, ids or addresses are in any log line, log file or metric, whatever people, agents and attackers do: the whole
 * product is driven with marked ones, and everything that it says of itself is searched.
 */
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from '../src/app/config.ts'
import { createPorts, type Ports } from '../src/app/ports.ts'
import { startService, type Service } from '../src/app/service.ts'
import type { ConversationLog } from '../src/conversation-log/conversation-log.ts'
import { ApiClient } from './api-client.ts'
import { DEVICE, openLink } from './link-client.ts'
import { metricsText } from './metrics-page.ts'
import { temporaryFolder } from './server-process.ts'
import { createTellingAgent } from './telling-agent.ts'

const WORDS = 'Zanzibarmarker'
const ADDRESS = '203.0.113.77'
const BROWSER = 'Markerbrowser/7.7'
const MARKED = {
  'x-forwarded-for': ADDRESS,
  'user-agent': BROWSER,
  'x-cdp-request-id': WORDS,
  traceparent: `00-${WORDS}-${WORDS}-01`,
  authorization: `Bearer ${WORDS}`,
  referer: `http://127.0.0.1/${WORDS}`,
}

/** A log whose store fails with marked words when a question asks for it. */
const failing = (log: ConversationLog): ConversationLog => ({
  ...log,
  ask: (session, question) => {
    if (question.text.includes('[store]')) return Promise.reject(new Error(`${WORDS} ${session} ${question.text}`))
    return log.ask(session, question)
  },
})

async function byApi(service: Service, secrets: Set<string>): Promise<{ readonly person: ApiClient; readonly session: string }> {
  const person = new ApiClient(service.url)
  const session = await person.createSession()
  secrets.add(session).add(person.cookie ?? 'no cookie')
  for (const wish of ['', '[fail]', '[babble]', '[break]', '[store]']) {
    const id = randomUUID()
    secrets.add(id)
    const { status } = await person.ask(session, `My name is ${WORDS} ${wish}`, id)
    expect([wish, status]).toEqual([wish, wish === '[store]' ? 500 : 200])
    if (wish !== '[store]') await person.until(session, (all) => all.find((one) => one.id === id && /answered|failed/.test(one.status)))
    await person.ask(session, `Differently put ${WORDS}`, id)
  }
  await person.request('POST', `/api/v1/sessions/${session}/messages`, { content: 1, [WORDS]: WORDS })
  await person.request('GET', `/api/v1/sessions/${WORDS}/messages?after=${WORDS}&limit=${WORDS}`)
  await person.request('GET', `/api/v1/${WORDS}?q=${WORDS}`)
  await person.request('DELETE', `/api/v1/sessions/${'a'.repeat(32)}`)
  const events = person.events(session, `${WORDS}.1.${WORDS}`)
  await events.next()
  await events.return(undefined)
  return { person, session }
}

interface FormRequest {
  readonly method?: string
  readonly body?: URLSearchParams
  readonly headers?: Readonly<Record<string, string>>
}

async function byForms({ url }: Service, cookie: string, session: string): Promise<void> {
  const request = (place: string, init: FormRequest = {}) =>
    fetch(url + place, { redirect: 'manual', ...init, headers: { ...MARKED, cookie, ...init.headers } })
  const form = (fields: Readonly<Record<string, string>>): FormRequest => ({ method: 'POST', body: new URLSearchParams(fields) })
  const page = await (await request(`/conversations/${session}`)).text()
  const csrf = /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? ''
  expect((await request(`/conversations/${session}/messages`, form({ csrf, question: `Form ${WORDS}` }))).status).toBe(303)
  // Forged, too long, empty, to nowhere, and from elsewhere.
  await request(`/conversations/${session}/messages`, form({ csrf: WORDS, question: WORDS }))
  await request(`/conversations/${session}/messages`, form({ csrf, question: WORDS.repeat(2_000) }))
  await request(`/conversations/${session}/messages`, form({ csrf, question: '' }))
  await request(`/conversations/${WORDS}/messages`, form({ csrf, question: WORDS }))
  await request(`/conversations/${session}/messages`, {
    ...form({ csrf, question: WORDS }),
    headers: { origin: `https://${WORDS}.example` },
  })
  for (const place of [
    `/${WORDS}?${WORDS}`,
    `/help/${WORDS}`,
    `/assets/${WORDS}.js`,
    '/metrics',
    '/health/detailed',
    `/ops/${WORDS}`,
    '/%E0%A4%A',
  ]) {
    await request(place)
  }
}

async function byLink(service: Service, cookie: string, session: string, secrets: Set<string>): Promise<void> {
  const id = randomUUID()
  secrets.add(id).add(DEVICE)
  await using link = await openLink(service.url, cookie, { 'x-forwarded-for': ADDRESS, 'user-agent': BROWSER })
  link.send({ type: 'hello', v: 1, session, device: DEVICE })
  await link.frame('welcome')
  link.send({ type: 'send', messageId: id, number: 1, text: `Link ${WORDS}` })
  await link.frame('accepted')
  link.send({ type: 'send', messageId: randomUUID(), number: 9, text: `Out of turn ${WORDS}` })
  await link.frame('rejected')
  link.sendRaw(`{"type":"${WORDS}","${WORDS}":1}`)
  link.sendRaw(`${WORDS} is not JSON`)
  link.sendRaw(WORDS)
  expect(await link.closed).toBe(4400)
  await expect(openLink(service.url, cookie, { origin: `https://${WORDS}.example` })).rejects.toThrow('403')
  await expect(openLink(service.url, `visitor=${WORDS}`)).rejects.toThrow('403')
  const stranger = await openLink(service.url, cookie)
  stranger.send({ type: 'hello', v: 1, session: 'f'.repeat(32), device: DEVICE })
  expect(await stranger.closed).toBe(4404)
}

test('[O98][O204][O11][O13] nobody’s words, names, ids or addresses are in any log line, log file or metric, or on the operator page', async () => {
  using folder = temporaryFolder()
  await using agent = await createTellingAgent(WORDS)
  const logDir = path.join(folder.path, 'logs')
  const real = createPorts()
  const lines: string[] = []
  const ports: Ports = {
    ...real,
    writeLine: (line) => void lines.push(line),
    openLog: async (...given) => failing(await real.openLog(...given)),
  }
  const env = {
    DATA_DIR: path.join(folder.path, 'data'),
    AGENT_URL: agent.url,
    LOG_LEVEL: 'debug',
    LOG_DIR: logDir,
    TRUSTED_PROXY_HOPS: '1',
  }
  const service = await startService(readConfig({ NODE_ENV: 'test', PORT: '0', ...env }), ports, '1.2.3')
  const secrets = new Set<string>([WORDS, ADDRESS, BROWSER, '[fail]', '[store]', 'Differently put', 'Out of turn'])
  const { person, session } = await byApi(service, secrets)
  await byForms(service, person.cookie ?? '', session)
  await byLink(service, person.cookie ?? '', session, secrets)
  const metrics = await metricsText(service.url)
  const look = async (page: string): Promise<string> => (await fetch(service.url + page)).text()
  const status = (await look('/ops/status')) + (await look('/ops/status.json'))
  await person.request('DELETE', `/api/v1/sessions/${session}`)
  await service.stop()

  for (const id of agent.seen) secrets.add(id)
  const files = readdirSync(logDir).map((name) => readFileSync(path.join(logDir, name), 'utf8'))
  const said = { lines: lines.join(''), files: files.join(''), metrics, status }
  // What was searched is not nothing.
  expect([lines.length > 60, files.length, said.files.split('\n').length > 60, metrics.length > 10_000, agent.seen.size > 5]).toEqual([
    true,
    2,
    true,
    true,
    true,
  ])
  expect(status).toContain('AI agent')
  for (const action of [
    'message.accepted',
    'agent.failed',
    'request.failed',
    'malicious_csrf',
    'malicious_cors',
    'ws.rejected',
    'input_validation_fail',
  ]) {
    expect(said.lines).toContain(`"event.action":"${action}"`)
  }
  const found = [...secrets].flatMap((secret) =>
    Object.entries(said).flatMap(([where, text]) => (text.toLowerCase().includes(secret.toLowerCase()) ? [`${secret} in ${where}`] : [])),
  )
  expect(found).toEqual([])
})

test('[O100][O101] a question is one trace from whoever asked to the agent, and its reference finds its lines', async () => {
  using folder = temporaryFolder()
  await using agent = await createTellingAgent('Yes.')
  const lines: string[] = []
  const ports: Ports = { ...createPorts(), writeLine: (line) => void lines.push(line) }
  const env = { DATA_DIR: folder.path, AGENT_URL: agent.url, LOG_LEVEL: 'debug' }
  await using service = await startService(readConfig({ NODE_ENV: 'test', PORT: '0', ...env }), ports, '1.2.3')
  const person = new ApiClient(service.url)
  const session = await person.createSession()
  const callers = '0af7651916cd43dd8448eb211c80319c'
  const asked = await fetch(`${service.url}/api/v1/sessions/${session}/messages`, {
    method: 'POST',
    headers: { cookie: person.cookie ?? '', 'content-type': 'application/json', traceparent: `00-${callers}-b7ad6b7169203331-01` },
    body: '{"content":"Is it one?"}',
  })
  await person.until(session, (messages) => messages.find(({ status }) => status === 'complete'))
  const parsed = lines.map((line): Readonly<Record<string, unknown>> => JSON.parse(line))
  const accepted = parsed.find((line) => line['event.action'] === 'message.accepted')
  expect(asked.headers.get('x-request-id')).toBe(callers)
  expect(accepted).toMatchObject({ 'http.request.id': callers, 'chat.from.trace_id': callers })
  const trace = String(accepted?.['trace.id'])
  expect(agent.traces.get('Is it one?')).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
  const actions = parsed.filter((line) => line['chat.reference'] === accepted?.['chat.reference']).map((line) => line['event.action'])
  expect(actions).toEqual(expect.arrayContaining(['message.accepted', 'turn.started', 'turn.first_token', 'message.completed']))
  expect(parsed.filter((line) => line['trace.id'] === trace)).toHaveLength(actions.length)
})
