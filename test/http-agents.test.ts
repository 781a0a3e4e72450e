/** The real server in front of agents that speak HTTP: what the person sees, and what reached the agent. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import * as v from 'valibot'
import { ApiClient, type Message } from './api-client.ts'
import { onAction } from './processes.ts'
import { startServer, startSimulator, temporaryFolder, type RunningServer, type RunningSimulator } from './server-process.ts'

const FORMS = [
  ['openai', 'v1', { AGENT_MODEL: 'simulator' }],
  ['ag-ui', 'ag-ui', {}],
] as const
/** Quick retries, and no health check in between that would take part in what is counted. */
const ENV = { RETRY_API_BASE_DELAY_MS: '20', RETRY_API_MAX_DELAY_MS: '20', HEALTH_INTERVAL_MS: '600000' }

const statsSchema = v.object({
  questions: v.number(),
  finished: v.number(),
  cancels: v.number(),
  pings: v.number(),
  openConnections: v.number(),
  turns: v.record(v.string(), v.object({ questions: v.number() })),
})

const controlOf = ({ url }: RunningSimulator): string => url.replace(/^ws:/, 'http:')
const statsOf = async (simulator: RunningSimulator) =>
  v.parse(statsSchema, await (await fetch(`${controlOf(simulator)}control/stats`)).json())

async function failWith(simulator: RunningSimulator, ...script: readonly object[]): Promise<void> {
  const response = await fetch(`${controlOf(simulator)}control/faults`, { method: 'PUT', body: JSON.stringify({ script }) })
  expect(response.status).toBe(200)
}

const lines = (server: RunningServer, action: string): number => server.lines.filter((line) => onAction(action)(line) !== undefined).length

/** The answer number `count`, once it has come to an end. */
const endIn =
  (count: number) =>
  (messages: readonly Message[]): Message | undefined => {
    const answer = messages.filter(({ role }) => role === 'assistant')[count - 1]
    return answer?.status === 'streaming' ? undefined : answer
  }

test.concurrent.each(FORMS)(
  '[A30][A33][A37][A41] an agent that speaks %s is asked again while it is in trouble, answers, and hears of a stop',
  async (form, path, more) => {
    using folder = temporaryFolder()
    await using simulator = await startSimulator('--first-ms', '0', '--chunk-ms', '0')
    const env = { ...ENV, ...more, AGENT_PROTOCOL: form }
    await using server = await startServer({ dataDir: folder.path, agentUrl: controlOf(simulator) + path, env })
    expect((await statsOf(simulator)).pings).toBe(1)
    await failWith(simulator, { fault: 'refused', status: 502, count: 1 }, { fault: 'cut', afterWords: 0, count: 1 }, { fault: 'normal' })
    const person = new ApiClient(server.url)
    const session = await person.createSession()
    await person.ask(session, 'How do I keep a copy?')
    const answer = await person.until(session, endIn(1))
    expect([answer.status, answer.content.length > 20]).toEqual(['complete', true])
    const before = await statsOf(simulator)
    expect(before).toMatchObject({ questions: 2, finished: 1, cancels: 0 })
    // The same turn both times: an agent that acts on questions would have known it again.
    expect(Object.values(before.turns)).toEqual([{ questions: 2 }])
    expect([lines(server, 'agent.attempt_failed'), lines(server, 'agent.failed')]).toEqual([2, 0])

    await failWith(simulator, { fault: 'hang', afterWords: 2 })
    await person.ask(session, 'How do I stop an answer?')
    const question = await person.until(session, (messages) =>
      messages.some(({ status, content }) => status === 'streaming' && content !== '')
        ? messages.findLast(({ role }) => role === 'user')
        : undefined,
    )
    await person.request('POST', `/api/v1/sessions/${session}/messages/${question.id}/stop`)
    expect((await person.until(session, endIn(2))).status).toBe('stopped')
    // Each look is a round trip to the simulator.
    while ((await statsOf(simulator)).openConnections > 0);
    expect(await statsOf(simulator)).toMatchObject({ questions: 3, finished: 1, cancels: 1 })
  },
)

/** An agent of a few lines, which ends its answers in turn as it is told. */
async function startAgent(...finishReasons: readonly string[]) {
  const reasons = finishReasons.values()
  const event = (choice: object): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, ...choice }] })}\n\n`
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume()
    if (request.method === 'GET') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[]}')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(event({ delta: { content: 'You can' } }) + event({ finish_reason: reasons.next().value }) + 'data: [DONE]\n\n')
  }
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { url: `http://127.0.0.1:${port}/v1`, [Symbol.dispose]: () => void server.close() }
}

test.concurrent('[A31][A46] an answer that the agent ended early is shown with its text and why, and not as complete', async () => {
  using folder = temporaryFolder()
  using agent = await startAgent('length', 'content_filter')
  await using server = await startServer({ dataDir: folder.path, agentUrl: agent.url, env: { ...ENV, AGENT_MODEL: 'small' } })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  for (const [count, reason] of [
    [1, 'too-long'],
    [2, 'withheld'],
  ] as const) {
    await person.ask(session, 'May I?')
    expect(await person.until(session, endIn(count))).toMatchObject({ status: 'interrupted', content: 'You can', metadata: { reason } })
  }
  const { body } = await person.request('GET', `/conversations/${session}`)
  expect(body).toContain('This answer was too long and was cut off. It is not complete.')
  expect(body).toContain('A content filter of the assistant stopped this answer.')
})
