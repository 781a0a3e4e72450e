/** The metrics of the running product: what moves them, who may see them, and a real Prometheus that takes them. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { server as createHapi } from '@hapi/hapi'
import { expect, test } from 'vitest'
import { readConfig, type Environment } from '../src/app/config.ts'
import { createPorts } from '../src/app/ports.ts'
import { startService, type Service } from '../src/app/service.ts'
import { registerMetrics } from '../src/operations/metrics-route.ts'
import { createSimulatedClock } from '../src/testing/simulated-clock.ts'
import { ApiClient } from './api-client.ts'
import { freePort } from './free-port.ts'
import { createHeldAgent, type HeldAgent } from './held-agent.ts'
import { DEVICE, openLink } from './link-client.ts'
import { metricsText, programAt, promtoolComplaints, samplesIn, untilMetrics, type Samples } from './metrics-page.ts'
import { startProgram } from './processes.ts'
import { startRedis } from './redis/redis-process.ts'
import { NO_AGENT, startServer, startSimulator, temporaryFolder } from './server-process.ts'

const TOKEN = 'test-operators-token-0123456789abcdef'

const serve = (folder: string, env: Environment): Promise<Service> =>
  startService(
    readConfig({ NODE_ENV: 'test', PORT: '0', DATA_DIR: folder, AGENT_URL: NO_AGENT, LOG_LEVEL: 'silent', ...env }),
    createPorts(),
    '1.2.3',
  )

/** What was added since an earlier look, without what did not move. */
const movedSince = (before: Samples, now: Samples): Readonly<Record<string, number>> =>
  Object.fromEntries([...now].flatMap(([name, value]) => (value === before.get(name) ? [] : [[name, value - (before.get(name) ?? 0)]])))

/** A whole exchange by form, API and live link; the held agent answers each. */
async function talk(service: Service, agent: HeldAgent): Promise<void> {
  const person = new ApiClient(service.url)
  const session = await person.createSession()
  await person.ask(session, 'By the API', '00000000-0000-4000-8000-000000000001')
  await person.ask(session, 'By the API', '00000000-0000-4000-8000-000000000001')
  const first = await agent.asked()
  first.say('One.')
  first.finish()
  await person.until(session, (messages) => messages.find(({ status }) => status === 'complete'))
  await using link = await openLink(service.url, person.cookie ?? '')
  link.send({ type: 'hello', v: 1, session, device: DEVICE })
  await link.frame('welcome')
  link.sendRaw('not JSON')
  link.send({ type: 'send', messageId: '00000000-0000-4000-8000-000000000002', number: 1, text: 'By the link' })
  await link.frame('accepted')
  const second = await agent.asked()
  second.say('Two.')
  await person.until(session, (messages) => messages.find(({ content }) => content === 'Two.'))
  const stopped = await person.request('POST', `/api/v1/sessions/${session}/messages/00000000-0000-4000-8000-000000000002/stop`)
  expect(stopped.status).toBeLessThan(300)
  await second.ended
  await person.until(session, (messages) => messages.find(({ status }) => status === 'stopped'))
}

test('[O80][O82] a running service knows every gauge, has fewer than 1,500 series, and names that promtool accepts', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  await using service = await serve(folder.path, { AGENT_URL: agent.url })
  const samples = await untilMetrics(service.url, (seen) => (Number.isNaN(seen.get('chat_sessions_active')) ? undefined : seen))
  expect([...samples].filter(([, value]) => Number.isNaN(value))).toEqual([])
  expect(samples.size).toBeLessThan(1_500)
  expect(samples.size).toBeGreaterThan(700)
  expect(promtoolComplaints(await metricsText(service.url))).toBe('')
})

test('[O80][O81][O82] on Redis a service has the series of that store, knows every gauge, and times its calls', async () => {
  using folder = temporaryFolder()
  await using redis = await startRedis()
  await using agent = await createHeldAgent()
  await using service = await serve(folder.path, { AGENT_URL: agent.url, REDIS_URL: redis.url, SESSION_SECRET: 's'.repeat(32) })
  const before = samplesIn(await metricsText(service.url))
  await talk(service, agent)
  const calls = 'chat_dependency_request_duration_seconds_count{service="redis",result="success"}'
  const samples = await untilMetrics(service.url, (seen) =>
    !Number.isNaN(seen.get('chat_sessions_active')) && (seen.get(calls) ?? 0) > (before.get(calls) ?? 0) ? seen : undefined,
  )
  expect([...samples].filter(([, value]) => Number.isNaN(value))).toEqual([])
  expect([...samples.keys()].filter((name) => name.includes('sqlite') || name.startsWith('chat_storage'))).toEqual([])
  expect(Object.fromEntries(samples)).toMatchObject({
    'chat_config_info{profile="redis"}': 1,
    'chat_dependency_up{service="redis"}': 1,
    'chat_circuit_breaker_state{service="redis"}': 0,
    'chat_retry_budget_ratio{service="redis"}': 1,
    chat_integrity_difference: 0,
  })
  expect(samples.size).toBeLessThan(1_500)
})

test('[O81] what people do moves the metrics of the whole service', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  await using service = await serve(folder.path, { AGENT_URL: agent.url })
  const before = samplesIn(await metricsText(service.url))
  await talk(service, agent)
  const moved = await untilMetrics(service.url, (seen) =>
    seen.get('chat_active_connections') === 0 ? movedSince(before, seen) : undefined,
  )
  expect(moved).toMatchObject({
    'chat_messages_total{type="user",status="accepted"}': 2,
    'chat_messages_total{type="user",status="duplicate"}': 1,
    'chat_messages_total{type="user",status="completed"}': 1,
    'chat_messages_total{type="user",status="cancelled"}': 1,
    'chat_messages_total{type="agent",status="accepted"}': 2,
    'chat_messages_total{type="agent",status="completed"}': 1,
    'chat_messages_total{type="agent",status="cancelled"}': 1,
    'chat_message_duration_seconds_count{type="user",status="completed"}': 1,
    'chat_message_ack_seconds_count{transport="websocket"}': 1,
    'chat_message_ack_seconds_count{transport="api"}': 2,
    chat_time_to_first_token_seconds_count: 2,
    chat_duplicates_suppressed_total: 1,
    'chat_errors_total{service="websocket",type="protocol"}': 1,
    'chat_connections_closed_total{reason="abnormal"}': 1,
    'http_request_duration_seconds_count{method="POST",route="/api/v1/sessions",code="2xx"}': 1,
  })
  expect(moved['chat_ws_bytes_total{direction="out"}']).toBeGreaterThan(100)
  expect(moved['chat_dependency_request_duration_seconds_count{service="sqlite",result="success"}']).toBeGreaterThan(5)
})

test('[O83][O84][O85] operators need the token, on the port of their own where there is one', async () => {
  using folder = temporaryFolder()
  await using service = await serve(folder.path, { OPS_TOKEN: TOKEN, OPS_PORT: '0' })
  const statusOf = async (url: string, token?: string) =>
    (await fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })).status
  const opsUrl = service.opsUrl ?? 'none'
  for (const page of ['/metrics', '/health/detailed']) {
    expect([await statusOf(service.url + page, TOKEN), await statusOf(opsUrl + page), await statusOf(opsUrl + page, `${TOKEN}x`)]).toEqual([
      404, 401, 401,
    ])
  }
  expect(await statusOf(`${opsUrl}/metrics`, TOKEN)).toBe(200)
  // The agent is not there, which is what the page says.
  expect(await statusOf(`${opsUrl}/health/detailed`, TOKEN)).toBe(503)
  const samples = await untilMetrics(
    opsUrl,
    (seen) => (seen.get('chat_errors_total{service="http",type="auth"}') === 4 ? seen : undefined),
    TOKEN,
  )
  expect(samples.get('chat_dependency_up{service="ai-agent"}')).toBe(0)
})

test('[O82] a real Prometheus scrapes the running product', async () => {
  using folder = temporaryFolder()
  await using simulator = await startSimulator('--first-ms', '0', '--chunk-ms', '0')
  await using server = await startServer({ dataDir: path.join(folder.path, 'data'), agentUrl: simulator.url, env: { OPS_TOKEN: TOKEN } })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await person.ask(session, 'How do I keep a copy?')
  await person.until(session, (messages) => messages.find(({ status }) => status === 'complete'))

  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [
      { job_name: 'chat', authorization: { credentials: TOKEN }, static_configs: [{ targets: [new URL(server.url).host] }] },
    ],
  }
  const configFile = path.join(folder.path, 'prometheus.yml')
  writeFileSync(configFile, JSON.stringify(config))
  const port = await freePort()
  // In a group of its own with an end of its own, so that it outlives neither this test nor a test process that is killed.
  await using prometheus = startProgram('timeout', {
    name: 'prometheus',
    args: [
      '60',
      programAt('PROMETHEUS_PATH', '/usr/bin/prometheus'),
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${folder.path}/tsdb`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    cwd: folder.path,
    env: { PATH: process.env['PATH'] ?? '' },
    isGroup: true,
  })
  await prometheus.line((line) => (line.includes('Server is ready') ? true : undefined))
  const query = async (expression: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`)
    return Object(await response.json()).data.result
  }
  const untilResult = async (expression: string): Promise<unknown> => {
    for (;;) {
      const result = await query(expression)
      if (Array.isArray(result) && result.length > 0) return result
      await pause(200)
    }
  }
  expect(await untilResult('up{job="chat"} == 1')).toHaveLength(1)
  expect(await untilResult('chat_messages_total{type="user",status="completed"} == 1')).toMatchObject([
    { metric: { job: 'chat', type: 'user', status: 'completed' }, value: [expect.any(Number), '1'] },
  ])
  expect(await untilResult('scrape_samples_scraped < 1500 and scrape_samples_scraped > 700')).toHaveLength(1)
  expect(await untilResult('process_start_time_seconds')).toHaveLength(1)
})

test('[O87] a scraper that does not take its answer is cut off', async () => {
  const clock = createSimulatedClock()
  const server = createHapi({ host: '127.0.0.1', port: 0 })
  const page = { render: async () => 'x'.repeat(20_000_000), contentType: 'text/plain', refused: () => undefined }
  registerMetrics(server, { metrics: page, clock, access: () => undefined })
  await server.start()
  const socket = connect(Number(server.info.port), '127.0.0.1')
  socket.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n')
  // Its beginning arrives, so the answer is on its way; the rest is not taken.
  await once(socket, 'readable')
  const closed = once(socket, 'close')
  await clock.advance(10_000)
  socket.resume()
  socket.on('error', () => undefined)
  await closed
  expect(socket.bytesRead).toBeLessThan(20_000_000)
  await server.stop()
})
