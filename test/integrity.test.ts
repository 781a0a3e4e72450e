/** The integrity meter of the running product: quiet whatever goes wrong in the ordinary way, and heard when a question is lost. */
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { ApiClient } from './api-client.ts'
import { createHeldAgent } from './held-agent.ts'
import { untilMetrics, type Samples } from './metrics-page.ts'
import { onAction, onFields } from './processes.ts'
import { startServer, temporaryFolder } from './server-process.ts'

const STATES = ['answered', 'stopped', 'failed', 'interrupted', 'expired', 'cancelled', 'waiting']

/** What the meter reads, once it has read. */
const readingOf = (samples: Samples) => {
  const value = (state: string): number => samples.get(`chat_integrity_questions{state="${state}"}`) ?? Number.NaN
  const reading = {
    accepted: value('accepted'),
    sum: STATES.reduce((sum, state) => sum + value(state), 0),
    answered: value('answered'),
    cancelled: value('cancelled'),
    waiting: value('waiting'),
    difference: samples.get('chat_integrity_difference'),
    lost: samples.get('chat_messages_lost_total'),
  }
  return Number.isNaN(reading.accepted) ? undefined : reading
}

test('[O90][O91] killed, taken over, deleted and restarted, nothing is missing; a question that is deleted behind the store’s back is', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const options = { dataDir: folder.path, agentUrl: agent.url, env: { DRAIN_MS: '0' } }
  const first = await startServer(options)
  const person = new ApiClient(first.url)
  const [kept, deleted] = [await person.createSession(), await person.createSession()]
  await person.ask(kept, 'What is answered')
  const answered = await agent.asked()
  answered.say('Yes.')
  answered.finish()
  await person.until(kept, (messages) => messages.find(({ status }) => status === 'complete'))
  await person.ask(deleted, 'What is deleted')
  await agent.asked()
  await person.ask(kept, 'What is cut off')
  const cutOff = await agent.asked()
  cutOff.say('I was ')
  await person.until(kept, (messages) => messages.find(({ content }) => content === 'I was '))
  await person.ask(kept, 'What waits')
  await person.request('DELETE', `/api/v1/sessions/${deleted}`)
  await first.kill('SIGKILL')

  const second = await startServer(options)
  expect(await untilMetrics(second.url, readingOf)).toEqual({
    accepted: 4,
    sum: 4,
    answered: 1,
    cancelled: 1,
    waiting: 2,
    difference: 0,
    lost: 0,
  })
  await second.kill('SIGTERM')

  const db = new DatabaseSync(path.join(folder.path, 'chat.sqlite'))
  db.exec('DELETE FROM turn WHERE id = (SELECT max(id) FROM turn WHERE is_open = 1)')
  db.close()
  const third = await startServer(options)
  expect(await third.line(onAction('message.lost', 'chat.missing'))).toBe('1')
  expect(await untilMetrics(third.url, readingOf)).toMatchObject({ accepted: 4, sum: 3, difference: 1, lost: 1 })
  await third.kill('SIGTERM')

  // Whoever starts within the hour says so again: the one before may have died before anybody heard.
  await using fourth = await startServer(options)
  await fourth.line(onFields({ 'event.action': 'message.lost', 'log.level': 'error' }))
  expect(await untilMetrics(fourth.url, readingOf)).toMatchObject({ difference: 1, lost: 1 })
})
