/** Stopping a real server process while an answer is being written. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SAME_SIGNAL_MS } from '../src/app/shutdown.ts'
import { createClock } from '../src/app/ports.ts'
import { ApiClient, type Message, type ServerSentEvent } from './api-client.ts'
import { CLOSE_CODES } from '../src/protocol/close-codes.ts'
import { createHeldAgent } from './held-agent.ts'
import { DEVICE, openLink } from './link-client.ts'
import { metricsText, samplesIn } from './metrics-page.ts'
import { onAction } from './processes.ts'
import { startServer, temporaryFolder } from './server-process.ts'

const contents = (messages: readonly Message[]): readonly string[] =>
  messages.map(({ role, status, content }) => `${role} ${status}: ${content}`)

const complete = (messages: readonly Message[]): readonly Message[] | undefined =>
  messages.some(({ status }) => status === 'complete') ? messages : undefined

const half = (messages: readonly Message[]): true | undefined => (messages.some(({ content }) => content === 'Half') ? true : undefined)

const writtenAhead = (folder: string): readonly string[] => readdirSync(folder).filter((name) => name.endsWith('-wal'))

async function allOf(events: AsyncIterable<ServerSentEvent>): Promise<readonly ServerSentEvent[]> {
  const all: ServerSentEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

test('[O25][O31] a running answer is finished before the process ends, which lives and is not ready meanwhile', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  await using server = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await person.ask(session, 'How much?')
  const question = await agent.asked()
  question.say('Half')
  await person.until(session, half)
  const watched = allOf(person.events(session))

  server.signal('SIGTERM')
  await server.line(onAction('drain.started'))
  const [live, ready] = await Promise.all(['/live', '/ready'].map(async (path) => fetch(server.url + path)))
  expect([live?.status, ready?.status, await ready?.json()]).toEqual([200, 503, { status: 'not ready', reason: 'draining' }])
  question.say(' and the other half')
  question.finish()
  expect(await server.exited).toEqual({ code: 0, signal: null })
  // Who watched saw the end of the answer before the stream was ended.
  expect((await watched).some(({ data }) => data.includes('"kind":"turn-ended"'))).toBe(true)

  await using next = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  person.moveTo(next.url)
  expect(contents(await person.messages(session))).toEqual(['user answered: How much?', 'assistant complete: Half and the other half'])
  expect(agent.count).toBe(1)
})

test('[O180][H28][S22] alone with its store it goes on until answers have ended: links stay, questions are stored, and nothing seems wrong', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const env = { HEALTH_INTERVAL_MS: '200', HEALTH_CHECK_TIMEOUT_MS: '200', HEALTH_HOLD_MS: '0' }
  await using server = await startServer({ dataDir: folder.path, agentUrl: agent.url, env })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await using link = await openLink(server.url, person.cookie ?? '')
  link.send({ type: 'hello', v: 1, session, device: DEVICE })
  await link.frame('snapshot')
  await person.ask(session, 'How much?')
  const question = await agent.asked()
  question.say('Half')
  await person.until(session, half)

  server.signal('SIGTERM')
  await server.line(onAction('drain.started'))
  await expect(openLink(server.url, person.cookie ?? '')).rejects.toThrow('503')
  expect(await person.ask(session, 'And then?')).toMatchObject({ status: 200, body: { status: 'sent' } })
  // Its own live link refuses its check now, and that is no reason for pages to say that anything is away.
  await agent.pinged(3)
  expect((await person.request('GET', '/api/v1/status')).body).toMatchObject({ level: 'full' })
  expect(samplesIn(await metricsText(server.url)).get('chat_draining')).toBe(1)
  expect(writtenAhead(folder.path)).toHaveLength(1)
  question.say(' and the other half')
  question.finish()
  expect([await link.closed, await server.exited]).toEqual([CLOSE_CODES.drain, { code: 0, signal: null }])
  expect(link.frames.filter(({ type }) => type === 'drain')).toEqual([])
  expect(link.frames.at(-1)).toMatchObject({ type: 'bye', code: CLOSE_CODES.drain, retry: 'resume' })
  expect(link.frames.some(({ entry }) => Object(entry).kind === 'turn-ended')).toBe(true)
  const [done = ''] = server.lines.filter((line) => onAction('drain.done')(line) !== undefined)
  expect(JSON.parse(done)).toMatchObject({
    'log.level': 'info',
    'chat.drain.answers_finished': 1,
    'chat.drain.answers_handed_over': 0,
    'chat.drain.links_moved': 0,
    'chat.drain.links_told': 1,
    'chat.drain.links_cut': 0,
  })
  // What was written ahead has been written back.
  expect(writtenAhead(folder.path)).toEqual([])
  expect(agent.count).toBe(1)
})

test('[O31] an answer that does not finish in time goes on after the next start, with what was shown kept', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  await using server = await startServer({ dataDir: folder.path, agentUrl: agent.url, env: { DRAIN_MS: '50' } })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await person.ask(session, 'How much?')
  const question = await agent.asked()
  question.say('Half')
  await person.until(session, half)
  expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  await question.ended

  await using next = await startServer({ dataDir: folder.path, agentUrl: agent.url })
  person.moveTo(next.url)
  const again = await agent.asked()
  again.say('All of it')
  again.finish()
  expect(contents(await person.until(session, complete))).toEqual([
    'user answered: How much?',
    'assistant interrupted: Half',
    'assistant complete: All of it',
  ])
})

test('[O25] a second signal ends the process at once with code 1', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  await using server = await startServer({ dataDir: folder.path, agentUrl: agent.url, env: { DRAIN_MS: '600000' } })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await person.ask(session, 'How much?')
  await agent.asked()
  server.signal('SIGINT')
  await server.line(onAction('drain.started'))
  // The rule itself is about time: earlier it would be the same Ctrl-C.
  await createClock().sleep(SAME_SIGNAL_MS + 100, new AbortController().signal)
  expect(await server.kill('SIGINT')).toEqual({ code: 1, signal: null })
})
