/**
 * The whole product while its agent is in trouble, and when it is well again: what a person sees, in the API and on the page without
 * JavaScript, how many calls reached the agent, what the breaker did, and that everything recovers by itself.
 *
 * Times are a tenth to a half of the product's own, so that an outage takes seconds.
 */
import { afterAll, expect, test } from 'vitest'
import { freePort } from './free-port.ts'
import { ApiClient } from './api-client.ts'
import { onAction, onBreaker } from './processes.ts'
import { startServer, startSimulator, temporaryFolder, type RunningServer, type RunningSimulator } from './server-process.ts'
import { endOf, failWith, fieldsOf, helpFor, lines, movesOf, statsOf, SWIFT, untilFull, untilLines } from './troubled-service.ts'

const ENV = {
  HEALTH_INTERVAL_MS: '2000',
  HEALTH_CHECK_TIMEOUT_MS: '2000',
  HEALTH_HOLD_MS: '1000',
  BREAKER_AI_AGENT_RESET_TIMEOUT_MS: '1000',
  BREAKER_AI_AGENT_RESET_TIMEOUT_MAX_MS: '1000',
  RETRY_WEBSOCKET_BASE_DELAY_MS: '50',
  RETRY_WEBSOCKET_MAX_DELAY_MS: '200',
  AGENT_FIRST_TOKEN_TIMEOUT_MS: '2000',
  AGENT_IDLE_TIMEOUT_MS: '2000',
  LOG_LEVEL: 'debug',
}
const SCENARIO_MS = 120_000
const QUESTION = 'How do I keep a copy?'

/** How long each scenario took from the agent's recovery to the last answer. */
const recoveries: string[] = []
afterAll(() => void process.stdout.write(`\nAnswered after the agent was well again:\n${recoveries.toSorted().join('\n')}\n`))

interface Scene extends AsyncDisposable {
  readonly simulator: RunningSimulator
  readonly server: RunningServer
  readonly person: ApiClient
}

async function createScene({ flags = SWIFT, env = {} }: { flags?: readonly string[]; env?: Record<string, string> } = {}): Promise<Scene> {
  await using started = new AsyncDisposableStack()
  const folder = started.use(temporaryFolder())
  const simulator = started.use(await startSimulator(...flags))
  const server = started.use(await startServer({ dataDir: folder.path, agentUrl: simulator.url, env: { ...ENV, ...env } }))
  const resources = started.move()
  return { simulator, server, person: new ApiClient(server.url), [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Lets `recovered` come about and notes how long it took. */
async function recovery(scenario: string, recovered: Promise<unknown>): Promise<void> {
  const since = performance.now()
  await recovered
  recoveries.push(`  ${scenario}: ${((performance.now() - since) / 1_000).toFixed(1)} s`)
}

/** The conversation's page, as people without JavaScript read it. */
async function pageOf(person: ApiClient, session: string): Promise<string> {
  const { body } = await person.request('GET', `/conversations/${session}`)
  return String(body)
    .replace(/<template[\s\S]*?<\/template>|<script[\s\S]*?<\/script>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
}

/** One after the other: the first answer makes the visitor. */
async function sessionsOf(person: ApiClient, count: number): Promise<readonly string[]> {
  const sessions: string[] = []
  while (sessions.length < count) sessions.push(await person.createSession())
  return sessions
}

const NOT_FROM_THE_ASSISTANT = 'Information from this service, not from the assistant'
const WAITS = /Sent at \S+ Waiting for the assistant\./

test.concurrent(
  '[O44] dead from the start: questions are kept with other help, nobody is asked, and all are answered in order when it comes',
  async () => {
    using folder = temporaryFolder()
    const gone = await startSimulator(...SWIFT)
    const { port } = new URL(gone.url)
    await gone.kill('SIGKILL')
    await using server = await startServer({ dataDir: folder.path, agentUrl: gone.url, env: ENV })
    const person = new ApiClient(server.url)
    const session = await person.createSession()
    for (const question of [QUESTION, 'What does sent mean?', 'zzyzx qwfp?']) {
      const metadata = { fallback: true, reason: 'agent-unreachable' }
      expect(await person.ask(session, question)).toMatchObject({ status: 202, body: { status: 'queued', fallback: { metadata } } })
    }
    const messages = await person.messages(session)
    expect(messages.map(({ role }) => role)).toEqual(['user', 'system', 'user', 'system', 'user', 'system'])
    expect(messages[1]?.content).toContain('](/help/keep-a-copy)')
    expect(messages[3]?.content).toContain('](/help/what-sent-means)')
    expect(messages[5]?.content).toContain('We did not find a help page about your question.')
    const page = await pageOf(person, session)
    expect(page).toMatch(WAITS)
    expect(page).toContain('There are 2 questions before yours.')
    expect(page).toContain(NOT_FROM_THE_ASSISTANT)
    expect([movesOf(server), lines(server, 'agent.attempt_failed')]).toEqual([[], 0])
    // One that waits behind others is cancelled at once, though nobody holds its turn.
    const fourth = Object(Object((await person.ask(session, 'Never mind?')).body).message).id
    const stop = await person.request('POST', `/api/v1/sessions/${session}/messages/${fourth}/stop`)
    expect(stop).toMatchObject({ status: 200, body: { status: 'ended', message: { status: 'cancelled' } } })

    await using back = await startSimulator('--port', port, ...SWIFT)
    await recovery('dead from the start', person.until(session, endOf(3)))
    const answers = (await person.messages(session)).filter(({ role }) => role === 'assistant')
    expect(answers.map(({ metadata }) => metadata.inReplyTo)).toEqual(
      messages.filter(({ role }) => role === 'user').map(({ metadata: _metadata, id }) => id),
    )
    expect(answers.map(({ status }) => status)).toEqual(['complete', 'complete', 'complete'])
    expect((await statsOf(back)).questions).toBe(3)
    await untilFull(server)
    expect(await pageOf(person, session)).not.toContain('The assistant is not working')
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O45] dies in the middle of an answer: what was said stays, what is asked next waits and is answered when it is back',
  async () => {
    const port = String(await freePort())
    await using scene = await createScene({ flags: ['--first-ms', '0', '--chunk-ms', '100', '--port', port] })
    const { server, person, simulator } = scene
    const session = await person.createSession()
    await person.ask(session, QUESTION)
    const shown = await person.until(session, (messages) => messages.find(({ role }) => role === 'assistant')?.content)
    await simulator.kill('SIGKILL')
    expect(await person.until(session, endOf(1))).toBe('interrupted')
    const cut = (await person.messages(session)).find(({ role }) => role === 'assistant')
    expect(cut?.content.startsWith(shown)).toBe(true)
    expect(await pageOf(person, session)).toContain('This answer was cut off and is not complete.')
    await person.ask(session, 'What does sent mean?')
    expect(await person.until(session, helpFor(2))).toMatchObject({ role: 'system', metadata: { fallback: true } })
    await using back = await startSimulator('--port', port, ...SWIFT)
    await recovery('dies in mid-answer', person.until(session, endOf(2)))
    expect([endOf(2)(await person.messages(session)), (await statsOf(back)).questions]).toEqual(['complete', 1])
    expect((await person.messages(session)).find(({ id }) => id === cut?.id)).toEqual(cut)
    await untilFull(server)
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O46] hangs before the first word: those who asked get other help in time, the breaker opens, and the next question waits',
  async () => {
    // Long enough to look at while it lasts.
    const env = { BREAKER_AI_AGENT_RESET_TIMEOUT_MS: '6000', BREAKER_AI_AGENT_RESET_TIMEOUT_MAX_MS: '6000' }
    await using scene = await createScene({ env })
    const { server, person, simulator } = scene
    await failWith(simulator, { fault: 'hang' })
    const sessions = await sessionsOf(person, 5)
    for (const session of sessions) await person.ask(session, QUESTION)
    for (const session of sessions) expect(await person.until(session, endOf(1))).toBe('failed')
    const help = helpFor(1)(await person.messages(sessions[0] ?? ''))
    expect(help).toMatchObject({ metadata: { fallback: true, reason: 'first-token-timeout' } })
    expect(help?.content).toMatch(/^The assistant could not answer this\.\n\n.*may help/)
    expect(await pageOf(person, sessions[0] ?? '')).toMatch(/The assistant did not answer in time.*Information from this service/)
    await server.line(onBreaker('open'))
    const { questions, cancels } = await statsOf(simulator)
    expect({ questions, cancels }).toEqual({ questions: 5, cancels: 5 })
    const waiting = await person.createSession()
    const metadata = { fallback: true, reason: 'circuit-breaker-open' }
    expect(await person.ask(waiting, QUESTION)).toMatchObject({ status: 202, body: { status: 'queued', fallback: { metadata } } })
    await failWith(simulator, { fault: 'normal' })
    await recovery('hangs before the first word', person.until(waiting, endOf(1)))
    await server.line(onBreaker('closed'))
    expect([movesOf(server), (await statsOf(simulator)).questions]).toEqual([['open', 'half-open', 'closed'], 1])
    await untilFull(server)
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O47] dribbles: the answer comes letter by letter and whole, and nothing calls that a failure',
  async () => {
    await using scene = await createScene()
    const { server, person, simulator } = scene
    const session = await person.createSession()
    await person.ask(session, QUESTION)
    await person.until(session, endOf(1))
    await failWith(simulator, { fault: 'dribble', chunkMs: 2 })
    await person.ask(session, QUESTION)
    await person.until(session, endOf(2))
    const [swift, slow] = (await person.messages(session)).filter(({ role }) => role === 'assistant')
    expect(slow).toMatchObject({ content: swift?.content, status: 'complete' })
    expect([movesOf(server), lines(server, 'agent.attempt_failed'), (await statsOf(simulator)).questions]).toEqual([[], 0, 1])
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O48] fails half of the time: every question gets its outcome, and no more calls are made than the budget allows',
  async () => {
    const since = performance.now()
    await using scene = await createScene()
    const { server, person, simulator } = scene
    await failWith(simulator, { fault: 'error', rate: 0.5 })
    const asked = 8
    const session = await person.createSession()
    for (let count = 1; count <= asked; count += 1) {
      await person.ask(session, `${QUESTION} (${count})`)
      await person.until(session, endOf(count))
    }
    const messages = await person.messages(session)
    const ends = Array.from({ length: asked }, (_unused, index) => endOf(index + 1)(messages))
    expect(ends.every((end) => end === 'complete' || end === 'failed')).toBe(true)
    expect(ends.map((end, index) => end === 'failed' && helpFor(index + 1)(messages) === undefined)).not.toContain(true)
    // What reached the agent is what the log says was tried: first tries and retries, and nothing beside.
    const { questions } = await statsOf(simulator)
    const retries = fieldsOf(server, 'agent.attempt_failed', 'chat.delay_ms').filter((delay) => delay !== 'undefined').length
    expect(questions).toBeLessThanOrEqual(lines(server, 'turn.started') + retries)
    const seconds = (performance.now() - since) / 1_000
    expect(retries).toBeLessThanOrEqual(0.2 * lines(server, 'turn.started') + 10 + seconds)
    await failWith(simulator, { fault: 'normal' })
    await person.ask(session, QUESTION)
    await recovery('fails half of the time', person.until(session, endOf(asked + 1)))
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O49] flaps: the level says so once and not each time, and what was asked meanwhile is answered in the end',
  async () => {
    await using scene = await createScene({ env: { HEALTH_INTERVAL_MS: '500', HEALTH_CHECK_TIMEOUT_MS: '500', HEALTH_HOLD_MS: '2000' } })
    const { server, person, simulator } = scene
    // A fifth of five seconds there and five seconds gone, with a fifth of the product's hold of ten seconds.
    await failWith(simulator, { fault: 'flapping', upMs: 1_000, downMs: 1_000 })
    const session = await person.createSession()
    for (let count = 1; count <= 3; count += 1) {
      await untilLines(server, 'dependency.down', count)
      await person.ask(session, `${QUESTION} (${count})`)
    }
    await untilLines(server, 'dependency.down', 5)
    // Ten seconds of a scaled minute of twelve.
    expect(lines(server, 'degradation.changed')).toBeLessThanOrEqual(2)
    await failWith(simulator, { fault: 'normal' })
    await recovery('flaps', Promise.all([1, 2, 3].map((count) => person.until(session, endOf(count)))))
    await untilFull(server)
    // One that was being answered when the agent went may be cut off; none is lost and none asked in vain.
    const messages = await person.messages(session)
    for (const count of [1, 2, 3]) expect(['complete', 'interrupted']).toContain(endOf(count)(messages))
    await person.ask(session, QUESTION)
    expect(await person.until(session, endOf(4))).toBe('complete')
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O50] refuses handshakes: no question is put, a few tries find that out, and the question is answered when it takes them',
  async () => {
    await using scene = await createScene()
    const { server, person, simulator } = scene
    await failWith(simulator, { fault: 'refused', status: 500 })
    const session = await person.createSession()
    await person.ask(session, QUESTION)
    const help = await person.until(session, helpFor(1))
    expect(help).toMatchObject({ content: expect.stringContaining('](/help/keep-a-copy)'), metadata: { fallback: true } })
    expect(await pageOf(person, session)).toMatch(WAITS)
    expect((await statsOf(simulator)).questions).toBe(0)
    expect(lines(server, 'agent.attempt_failed')).toBeLessThanOrEqual(5)
    await failWith(simulator, { fault: 'normal' })
    await recovery('refuses handshakes', person.until(session, endOf(1)))
    expect([endOf(1)(await person.messages(session)), (await statsOf(simulator)).questions]).toEqual(['complete', 1])
    await untilFull(server)
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O51] is rate-limited: nobody fails for it, everybody waits as long as it asks, and all are answered',
  async () => {
    await using scene = await createScene()
    const { server, person, simulator } = scene
    await failWith(simulator, { fault: 'rate-limited', allowed: 2, windowMs: 1_500 })
    const sessions = await sessionsOf(person, 6)
    await Promise.all(sessions.map((session) => person.ask(session, QUESTION)))
    await recovery('is rate-limited', Promise.all(sessions.map((session) => person.until(session, endOf(1)))))
    for (const session of sessions) expect(endOf(1)(await person.messages(session))).toBe('complete')
    const { questions, finished, turns } = await statsOf(simulator)
    expect([finished, Object.keys(turns).length]).toEqual([6, 6])
    // Two and two and two: a crowd that knocked without listening would have been turned away far more often.
    expect(questions).toBeLessThanOrEqual(4 * sessions.length)
    expect(lines(server, 'message.failed')).toBe(0)
  },
  SCENARIO_MS,
)

test.concurrent(
  '[O52] comes back to 200 questions that waited: all are answered in their order, and it meets them one, two, four at a time',
  async () => {
    using folder = temporaryFolder()
    const gone = await startSimulator(...SWIFT)
    const { port } = new URL(gone.url)
    await gone.kill('SIGKILL')
    const env = { ...ENV, TRUSTED_PROXY_HOPS: '1' }
    await using server = await startServer({ dataDir: folder.path, agentUrl: gone.url, env })
    const crowd = Array.from({ length: 200 }, (_unused, index) => ({
      person: new ApiClient(server.url, { 'x-forwarded-for': `192.0.2.${index}` }),
    }))
    const sessions: string[] = []
    for (const { person } of crowd) {
      const session = await person.createSession()
      sessions.push(session)
      expect(await person.ask(session, QUESTION)).toMatchObject({ status: 202, body: { status: 'queued', fallback: { role: 'system' } } })
    }
    expect(lines(server, 'turn.help_given')).toBe(200)

    await using back = await startSimulator('--port', port, '--first-ms', '20', '--chunk-ms', '0')
    await recovery('comes back to 200 questions', untilLines(server, 'message.completed', 200))
    const { questions, finished, turns } = await statsOf(back)
    expect([finished, Object.keys(turns).length]).toEqual([200, 200])
    expect(questions).toBe(200)
    const accepted = fieldsOf(server, 'message.accepted', 'chat.turn_id')
    const started = fieldsOf(server, 'turn.started', 'chat.turn_id')
    expect(started.slice(0, 8)).toEqual(accepted.slice(0, 8))
    for (const [place, turn] of started.entries()) expect(Math.abs(accepted.indexOf(turn) - place)).toBeLessThanOrEqual(32)
    expect(rampOf(server)).toEqual([])
    await untilFull(server)
  },
  SCENARIO_MS,
)

/**
 * Questions that were asked too early, by their place. Each answer that has begun makes room for the next question and for one more,
 * so no more than twice as many and one have been asked.
 */
function rampOf(server: RunningServer): readonly number[] {
  let [begun, started] = [0, 0]
  const early: number[] = []
  for (const line of server.lines) {
    if (onAction('turn.first_token')(line) !== undefined) begun += 1
    if (onAction('turn.started')(line) === undefined) continue
    started += 1
    if (started > 2 * begun + 1) early.push(started)
  }
  return early
}

test.concurrent(
  '[O43] answers somebody else’s question: that is never shown, is reported once, and harms nobody else',
  async () => {
    await using scene = await createScene()
    const { server, person, simulator } = scene
    await failWith(simulator, { fault: 'garbage', kind: 'stranger', afterWords: 3, count: 1 }, { fault: 'normal' })
    const [session, other] = [await person.createSession(), await person.createSession()]
    await person.ask(session, QUESTION)
    await server.line(onAction('agent.strayed'))
    await person.ask(other, QUESTION)
    expect(await person.until(other, endOf(1))).toBe('complete')
    expect(await person.until(session, endOf(1))).toBe('interrupted')
    expect(JSON.stringify([await person.messages(session), await person.messages(other)])).not.toContain('This must never be shown')
    expect([lines(server, 'agent.strayed'), movesOf(server)]).toEqual([1, []])
  },
  SCENARIO_MS,
)
