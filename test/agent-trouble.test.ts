/** The real server and the real simulator when the agent is in trouble: what the person sees, what reaches the agent, what the breaker does. */
import { expect, test } from 'vitest'
import { ApiClient } from './api-client.ts'
import { onAction, onBreaker } from './processes.ts'
import { startServer, startSimulator, temporaryFolder } from './server-process.ts'
import { detailsOf, endOf, failWith, lines, statsOf, SWIFT, untilFull } from './troubled-service.ts'

/** Quick retries, and no health check in between that would take part in what is counted. */
const ENV = { RETRY_WEBSOCKET_BASE_DELAY_MS: '20', RETRY_WEBSOCKET_MAX_DELAY_MS: '20', HEALTH_INTERVAL_MS: '600000' }

test('[O39] refused twice, the question is answered and the person has done nothing', async () => {
  using folder = temporaryFolder()
  await using simulator = await startSimulator(...SWIFT)
  await using server = await startServer({ dataDir: folder.path, agentUrl: simulator.url, env: ENV })
  await failWith(simulator, { fault: 'refused', count: 2, status: 500 }, { fault: 'normal' })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await person.ask(session, 'How do I keep a copy?')
  expect(await person.until(session, endOf(1))).toBe('complete')

  const { refusals, questions, finished, turns } = await statsOf(simulator)
  expect({ refusals, questions, finished }).toEqual({ refusals: 2, questions: 1, finished: 1 })
  expect(Object.values(turns)).toMatchObject([{ questions: 1, attempt: 1 }])
  expect([lines(server, 'agent.attempt_failed'), lines(server, 'agent.failed'), lines(server, 'breaker.changed')]).toEqual([2, 0, 0])
})

/** A recovery is believed when it has lasted for ten seconds. */
const RECOVERY_MS = 45_000

test.concurrent(
  '[O40] an agent that fails every question opens the breaker: questions wait, and are answered when it is well again',
  async () => {
    using folder = temporaryFolder()
    await using simulator = await startSimulator(...SWIFT)
    const env = { ...ENV, BREAKER_AI_AGENT_RESET_TIMEOUT_MS: '1500', BREAKER_AI_AGENT_RESET_TIMEOUT_MAX_MS: '1500' }
    await using server = await startServer({ dataDir: folder.path, agentUrl: simulator.url, env })
    await failWith(simulator, { fault: 'error' })
    const person = new ApiClient(server.url)
    const session = await person.createSession()
    await person.ask(session, 'Is anybody well there?')
    expect(await person.until(session, endOf(1))).toBe('failed')
    await server.line(onBreaker('open'))
    expect(await person.ask(session, 'How do I keep a copy?')).toMatchObject({ status: 202, body: { status: 'queued' } })
    expect(await detailsOf(server)).toMatchObject({
      status: 'degraded',
      degradation: 'limited',
      services: { sqlite: { status: 'healthy' } },
      circuitBreakers: [{ name: 'ai-agent', state: 'open' }],
    })
    expect([(await statsOf(simulator)).questions, lines(server, 'agent.attempt_failed')]).toEqual([5, 5])

    await failWith(simulator, { fault: 'normal' })
    expect(await person.until(session, endOf(2))).toBe('complete')
    await server.line(onBreaker('half-open'))
    await server.line(onBreaker('closed'))
    expect((await statsOf(simulator)).questions).toBe(1)
    await untilFull(server)
    expect(await detailsOf(server)).toMatchObject({ status: 'healthy', degradation: 'full', circuitBreakers: [{ state: 'closed' }] })
  },
  RECOVERY_MS,
)

test.concurrent(
  '[O41] a question to an agent that is not there waits without a try, and is answered when the agent has come',
  async () => {
    using folder = temporaryFolder()
    const gone = await startSimulator(...SWIFT)
    const { port } = new URL(gone.url)
    await gone.kill('SIGKILL')
    await using server = await startServer({ dataDir: folder.path, agentUrl: gone.url, env: ENV })
    const person = new ApiClient(server.url)
    const session = await person.createSession()
    expect(await person.ask(session, 'How do I keep a copy?')).toMatchObject({ status: 202, body: { status: 'queued' } })
    expect(await detailsOf(server)).toMatchObject({
      status: 'degraded',
      degradation: 'limited',
      services: { aiAgent: { status: 'unhealthy' } },
      circuitBreakers: [{ state: 'closed' }],
    })
    await using back = await startSimulator('--port', port, ...SWIFT)
    expect(await person.until(session, endOf(1))).toBe('complete')
    expect([(await statsOf(back)).questions, lines(server, 'agent.attempt_failed')]).toEqual([1, 0])
  },
  RECOVERY_MS,
)

test('[O36] when the breaker opens, open links, API, probes and log say limited, though the agent answers pings', async () => {
  using folder = temporaryFolder()
  await using simulator = await startSimulator(...SWIFT)
  await using server = await startServer({ dataDir: folder.path, agentUrl: simulator.url, env: ENV })
  await failWith(simulator, { fault: 'error' })
  const person = new ApiClient(server.url)
  const [asking, watching] = [await person.createSession(), await person.createSession()]
  const events = person.events(watching)
  expect((await events.next()).value).toMatchObject({ event: 'level', data: '{"level":"full"}' })
  await events.next()

  // Nothing happens in the conversation that is watched: only the change of the level can make it say anything.
  const told = events.next()
  await person.ask(asking, 'How do I keep a copy?')
  await server.line(onBreaker('open'))
  const openedAt = performance.now()
  expect((await told).value).toMatchObject({ event: 'level', data: '{"level":"limited","away":["agent"]}' })
  expect(performance.now() - openedAt).toBeLessThan(2_000)
  await events.return(undefined)

  expect(await person.request('GET', '/api/v1/status')).toMatchObject({ body: { level: 'limited' } })
  expect((await person.request('GET', `/conversations/${watching}`)).body).toContain('The assistant is not working at the moment.')
  expect((await fetch(`${server.url}/ready`)).status).toBe(200)
  expect((await fetch(`${server.url}/health`)).status).toBe(503)
  expect((await detailsOf(server)).services.aiAgent.status).toBe('healthy')
  expect(await server.line(onAction('degradation.changed', 'chat.degradation.to'))).toBe('limited')
})
