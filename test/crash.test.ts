/**
 * `kill -9` of real processes: the server before, in the middle of and after an answer, and the agent in the middle of one.
 *
 * The server is always the real one, on a real SQLite file. Where the moment matters, the agent is held by the test;
 * where the agent's death does, it is the real simulator.
 */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { freePort } from './free-port.ts'
import { ApiClient, type Message } from './api-client.ts'
import { createHeldAgent } from './held-agent.ts'
import { startServer, startSimulator, temporaryFolder } from './server-process.ts'

/** What a person would see of the conversation, in order. */
const seen = (messages: readonly Message[]): readonly string[] =>
  messages.map(
    ({ role, status, content, metadata }) => `${role} ${status}${metadata.isSuperseded === true ? ' (superseded)' : ''}: ${content}`,
  )

const answered = (messages: readonly Message[]): readonly Message[] | undefined =>
  messages.some(({ role, status }) => role === 'assistant' && status === 'complete') ? messages : undefined

const showing =
  (text: string) =>
  (messages: readonly Message[]): readonly Message[] | undefined =>
    messages.some(({ content }) => content.includes(text)) ? messages : undefined

test('[O29] killed before the answer began, the question is there once and is asked again', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const first = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  const person = new ApiClient(first.url)
  const session = await person.createSession()
  const id = randomUUID()
  expect(await person.ask(session, 'Is it there?', id)).toMatchObject({ status: 200, body: { status: 'sent' } })
  await agent.asked()
  expect(await first.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })

  await using second = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  person.moveTo(second.url)
  const again = await agent.asked()
  expect([again.content, again.id]).toEqual(['Is it there?', id])
  again.say('Yes, ')
  again.say('once.')
  again.finish()
  const messages = await person.until(session, answered)
  expect(seen(messages)).toEqual(['user answered: Is it there?', 'assistant complete: Yes, once.'])

  // Whoever was not sure sends it again: nothing changes, and the agent is not asked.
  expect(await person.ask(session, 'Is it there?', id)).toMatchObject({ status: 200 })
  expect(seen(await person.messages(session))).toEqual(seen(messages))
  expect(agent.count).toBe(2)
})

test('[O29] killed in the middle of the answer, what was shown stays and one whole answer follows', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const first = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  const person = new ApiClient(first.url)
  const session = await person.createSession()
  await person.ask(session, 'How long is it?')
  const broken = await agent.asked()
  broken.say('As long as a piece')
  await person.until(session, showing('As long as a piece'))
  await first.kill('SIGKILL')

  await using second = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  person.moveTo(second.url)
  const again = await agent.asked()
  expect(seen(await person.until(session, showing('As long as a piece')))).toContain(
    'assistant interrupted (superseded): As long as a piece',
  )
  again.say('As long as it must be.')
  again.finish()
  const messages = await person.until(session, answered)
  expect(seen(messages)).toEqual([
    'user answered: How long is it?',
    'assistant interrupted (superseded): As long as a piece',
    'assistant complete: As long as it must be.',
  ])
  expect(agent.count).toBe(2)
})

test('[O29] killed after the answer, everything is as it was and nobody is asked again', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const first = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  const person = new ApiClient(first.url)
  const session = await person.createSession()
  await person.ask(session, 'Does it last?')
  const asked = await agent.asked()
  asked.say('It does.')
  asked.finish()
  const before = await person.until(session, answered)
  await first.kill('SIGKILL')

  await using second = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  person.moveTo(second.url)
  expect(await person.messages(session)).toEqual(before)
  // The next question is answered, and it is the only other one that the agent hears of.
  await person.ask(session, 'And the next?')
  const next = await agent.asked()
  next.say('That too.')
  next.finish()
  const after = await person.until(session, showing('That too.'))
  expect(seen(after).slice(0, 2)).toEqual(seen(before))
  expect(agent.count).toBe(2)
})

test('[O29] killed while questions come in, what was accepted is there, and what is sent again is there once', async () => {
  using folder = temporaryFolder()
  const first = await startServer({ dataDir: folder.path })
  const person = new ApiClient(first.url)
  const session = await person.createSession()
  const questions = Array.from({ length: 10 }, (_, index) => ({ id: randomUUID(), content: `Question ${index}` }))
  let accepted = 0
  const outcomes = await Promise.all(
    questions.map(async ({ id, content }) => {
      try {
        const { status } = await person.ask(session, content, id)
        accepted += 1
        if (accepted === 3) first.signal('SIGKILL')
        return { id, status }
      } catch {
        return { id, status: undefined }
      }
    }),
  )
  await first.exited

  await using second = await startServer({ dataDir: folder.path })
  person.moveTo(second.url)
  const kept = (await person.messages(session)).filter(({ role }) => role === 'user').map(({ id }) => id)
  const acknowledged = outcomes.filter(({ status }) => status === 200 || status === 202).map(({ id }) => id)
  expect(acknowledged.length).toBeGreaterThanOrEqual(3)
  expect(kept).toEqual(expect.arrayContaining(acknowledged))

  const ids = new Set(kept)
  for (const { id, content } of questions.filter((question) => !acknowledged.includes(question.id))) {
    const { status } = await person.ask(session, content, id)
    expect([200, 202]).toContain(status)
    ids.add(id)
  }
  const all = (await person.messages(session)).filter(({ role }) => role === 'user').map(({ id }) => id)
  expect(all).toEqual([...ids])
  expect(all.toSorted()).toEqual(questions.map(({ id }) => id).toSorted())
})

const QUESTION = 'What happens to my question when the assistant is down?'
/** Its first words come at once, its last ones long after any test. */
const UNHURRIED = ['--first-ms', '0', '--chunk-ms', '5000']

test('[O30] when the agent is killed in the middle of an answer, the text stays and the person is told', async () => {
  using folder = temporaryFolder()
  const simulator = await startSimulator(...UNHURRIED)
  await using server = await startServer({ dataDir: folder.path, agentUrl: simulator.url })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await person.ask(session, QUESTION)
  const shown = await person.until(session, (messages) => messages.find(({ role, content }) => role === 'assistant' && content !== ''))
  expect(await simulator.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })

  const messages = await person.until(session, (all) => (all.some(({ status }) => status === 'interrupted') ? all : undefined))
  const [question, answer, ...rest] = messages
  expect(rest).toEqual([])
  expect(question).toMatchObject({ role: 'user', content: QUESTION, status: 'answered' })
  expect(answer).toMatchObject({ role: 'assistant', status: 'interrupted', metadata: { reason: 'agent-broke-off', attempt: 1 } })
  expect(answer?.content.startsWith(shown.content)).toBe(true)

  const page = await person.request('GET', `/conversations/${session}`)
  expect(page.status).toBe(200)
  expect(page.body).toContain('This answer was cut off and is not complete.')
  expect(page.body).toContain(QUESTION)
})

test('[O30] when the agent is back, the next question is answered', async () => {
  using folder = temporaryFolder()
  const port = String(await freePort())
  const first = await startSimulator(...UNHURRIED, '--port', port)
  await using server = await startServer({ dataDir: folder.path, agentUrl: first.url })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await person.ask(session, QUESTION)
  await person.until(session, (messages) => messages.find(({ role, content }) => role === 'assistant' && content !== ''))
  await first.kill('SIGKILL')
  await person.until(session, (messages) => messages.find(({ status }) => status === 'interrupted'))

  await using second = await startSimulator('--first-ms', '0', '--chunk-ms', '0', '--port', port)
  expect(second.url).toBe(first.url)
  await person.ask(session, 'How do I keep a copy?')
  const messages = await person.until(session, answered)
  // Whether the service still took the agent to be away, and gave other help, depends on which of the two came first.
  const answers = messages.filter(({ role }) => role !== 'system')
  expect(answers.map(({ role, status }) => `${role} ${status}`)).toEqual([
    'user answered',
    'assistant interrupted',
    'user answered',
    'assistant complete',
  ])
})

test('[O29] server and simulator killed together: after both are back the question ends with one answer', async () => {
  using folder = temporaryFolder()
  const agent = await startSimulator(...UNHURRIED)
  const first = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  const person = new ApiClient(first.url)
  const session = await person.createSession()
  await person.ask(session, QUESTION)
  const shown = await person.until(session, (messages) => messages.find(({ role, content }) => role === 'assistant' && content !== ''))
  await Promise.all([first.kill('SIGKILL'), agent.kill('SIGKILL')])

  await using newAgent = await startSimulator('--first-ms', '0', '--chunk-ms', '0')
  await using second = await startServer({ dataDir: folder.path, agentUrl: newAgent.url })
  person.moveTo(second.url)
  const messages = await person.until(session, answered)
  expect(messages.map(({ role, status }) => `${role} ${status}`)).toEqual(['user answered', 'assistant interrupted', 'assistant complete'])
  expect(messages[1]?.content.startsWith(shown.content)).toBe(true)
})
