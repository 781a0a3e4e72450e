/** The composition itself, in this process: real server, real store in a folder or in memory, an agent held by the test. */
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { readConfig, type Environment } from '../src/app/config.ts'
import { createPorts, type Ports } from '../src/app/ports.ts'
import { startService } from '../src/app/service.ts'
import { PROFILE_LOOK_MS } from '../src/conversation/limits.ts'
import { createMemoryLog } from '../src/conversation-log/memory-log.ts'
import { ApiClient } from './api-client.ts'
import { createHeldAgent } from './held-agent.ts'
import { NO_AGENT, temporaryFolder } from './server-process.ts'

/** Real ports that keep the log lines, with whatever a test puts in their place. */
function recordingPorts(changes: Partial<Ports> = {}) {
  const lines: string[] = []
  const ports: Ports = { ...createPorts(), writeLine: (line) => void lines.push(line), ...changes }
  return { lines, ports }
}

const configOf = (env: Environment) => readConfig({ NODE_ENV: 'test', PORT: '0', AGENT_URL: NO_AGENT, ...env })

test('[O26] with store, agent and live link at work the level is full, and page, API and probe say so', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const { ports } = recordingPorts()
  await using service = await startService(configOf({ DATA_DIR: folder.path, AGENT_URL: agent.url }), ports, '1.2.3')
  const status = await new ApiClient(service.url).request('GET', '/api/v1/status')
  const ready = await fetch(`${service.url}/ready`)
  expect([service.facts.level, status.body, ready.status]).toEqual(['full', expect.objectContaining({ level: 'full' }), 200])
})

test('[O26] without the agent the level is limited, and a question is kept and queued', async () => {
  using folder = temporaryFolder()
  const { ports } = recordingPorts()
  await using service = await startService(configOf({ DATA_DIR: folder.path }), ports, '1.2.3')
  const person = new ApiClient(service.url)
  const asked = await person.ask(await person.createSession(), 'Is anybody there?')
  expect([service.facts.level, asked.status, asked.body]).toEqual(['limited', 202, expect.objectContaining({ status: 'queued' })])
})

test('[O26] another store or agent can be put in their place', async () => {
  using folder = temporaryFolder()
  const { ports } = recordingPorts({ openLog: async (_config, { clock, random }) => createMemoryLog({ clock, random }) })
  await using service = await startService(configOf({ DATA_DIR: folder.path }), ports, '1.2.3')
  expect(service.facts.store).toMatch(/memory/i)
})

test('[O21] a start that fails leaves nothing open', async () => {
  using folder = temporaryFolder()
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? String(address.port) : ''
  const { ports } = recordingPorts()
  await expect(startService(configOf({ DATA_DIR: folder.path, PORT: port }), ports, '1.2.3')).rejects.toThrow(/is in use/)
  await expect(startService(configOf({ DATA_DIR: folder.path, OPS_PORT: port }), ports, '1.2.3')).rejects.toThrow(
    /choose another with OPS_PORT/,
  )
  taken.close()
  await once(taken, 'close')
  // Neither the port nor the data folder is held.
  await using service = await startService(configOf({ DATA_DIR: folder.path, PORT: port }), ports, '1.2.3')
  expect(service.url).toBe(`http://127.0.0.1:${port}`)
})

test('[O25] stopping twice is stopping once', async () => {
  using folder = temporaryFolder()
  const { ports, lines } = recordingPorts()
  const service = await startService(configOf({ DATA_DIR: folder.path }), ports, '1.2.3')
  await Promise.all([service.stop(), service.stop()])
  await service[Symbol.asyncDispose]()
  expect(lines.filter((line) => line.includes('"sys_shutdown"'))).toHaveLength(1)
  await expect(fetch(service.url)).rejects.toThrow('fetch failed')
})

test('[O11][O13] nobody’s words and no id in clear are in any log line', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const { ports, lines } = recordingPorts()
  const marker = 'Zanzibarmarker'
  const service = await startService(configOf({ DATA_DIR: folder.path, AGENT_URL: agent.url, LOG_LEVEL: 'debug' }), ports, '1.2.3')
  const person = new ApiClient(service.url)
  const session = await person.createSession()
  await person.ask(session, `My name is ${marker}`)
  const question = await agent.asked()
  question.say(`Hello ${marker}`)
  question.finish()
  await person.until(session, (messages) => messages.find(({ status }) => status === 'complete'))
  await person.request('POST', `/api/v1/sessions/${session}/messages`, { content: 1, [marker]: marker })
  await person.request('GET', `/api/v1/${marker}?q=${marker}`)
  await person.request('POST', `/conversations/${marker}/messages`, marker)
  await service.stop()
  const log = lines.join('')
  expect(lines.length).toBeGreaterThan(8)
  for (const secret of [marker, session, question.id, person.cookie ?? 'no cookie']) expect(log).not.toContain(secret)
})

test('[W31] the running service takes what the service file says, and keeps it when the file goes wrong', async () => {
  using folder = temporaryFolder()
  const file = path.join(folder.path, 'service.yaml')
  writeFileSync(file, 'name: Ask about permits')
  const { lines, ports } = recordingPorts()
  // Looks come a hundred times as often as they do for people.
  const schedule: Ports['clock']['schedule'] = (ms, then) => ports.clock.schedule(ms === PROFILE_LOOK_MS ? ms / 100 : ms, then)
  const changed: Ports = { ...ports, clock: { ...ports.clock, schedule } }
  await using service = await startService(configOf({ DATA_DIR: folder.path, SERVICE_FILE: file }), changed, '1.2.3')
  const title = async (): Promise<string> => /<title>([^<]*)</.exec(await (await fetch(service.url)).text())?.[1] ?? ''
  const told = (): readonly string[] => lines.filter((line) => line.includes('"profile.'))
  const titles = [await title()]
  for (const [count, text] of ['name: Ask about fish', 'nmae: Ask about fish'].entries()) {
    // In one step, so that no look finds half of it.
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
    await vi.waitUntil(() => told().length > count, { timeout: 30_000 })
    titles.push(await title())
  }
  expect(titles).toEqual(['Ask about permits', 'Ask about fish', 'Ask about fish'])
  expect(told().map((line) => JSON.parse(line)['event.action'])).toEqual(['profile.taken', 'profile.refused'])
  expect(told()[1]).toContain('line 1: nmae is not known here')
})

test('[W30] a service file that cannot be used stops the start', async () => {
  using folder = temporaryFolder()
  const file = path.join(folder.path, 'service.yaml')
  writeFileSync(file, 'phase: gamma')
  const { ports } = recordingPorts()
  await expect(startService(configOf({ DATA_DIR: folder.path, SERVICE_FILE: file }), ports, '1')).rejects.toThrow(
    /line 1: phase must be alpha or beta/,
  )
})
