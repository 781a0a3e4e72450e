/** The operator page of the running product: while everything it needs is away, and over several processes. */
import { expect, test } from 'vitest'
import * as v from 'valibot'
import { AgentError } from '../src/agent/agent-error.ts'
import { readConfig } from '../src/app/config.ts'
import { createPorts, type Ports } from '../src/app/ports.ts'
import { startService } from '../src/app/service.ts'
import { createMemoryLog } from '../src/conversation-log/memory-log.ts'
import { createFaultyLog } from '../src/testing/faulty-log.ts'
import { createScriptedAgent } from '../src/testing/scripted-agent.ts'
import { createSimulatedClock } from '../src/testing/simulated-clock.ts'
import { NO_AGENT, startServer, temporaryFolder } from './server-process.ts'
import { startRedis } from './redis/redis-process.ts'

const statusSchema = v.object({
  level: v.object({ now: v.string(), since: v.string(), why: v.array(v.object({ part: v.string(), state: v.string() })) }),
  told: v.array(v.object({ where: v.string(), text: v.string() })),
  dependencies: v.array(v.object({ service: v.string(), check: v.object({ status: v.string(), error: v.nullable(v.string()) }) })),
  integrity: v.nullable(v.object({ accepted: v.number(), lost: v.number(), ageSeconds: v.number() })),
  changes: v.array(v.object({ what: v.string(), to: v.string() })),
  processes: v.object({ isShared: v.boolean(), list: v.array(v.object({ id: v.string(), phase: v.string(), isThis: v.boolean() })) }),
  unknown: v.array(v.object({ what: v.string() })),
})

const statusOf = async (url: string): Promise<v.InferOutput<typeof statusSchema>> =>
  v.parse(statusSchema, await (await fetch(`${url}/ops/status.json`)).json())

test('[O200][O203] with the store silent and the agent away the page is there at once, says so, and asks neither', async () => {
  using folder = temporaryFolder()
  const clock = createSimulatedClock()
  const real = createPorts()
  const log = createFaultyLog(createMemoryLog({ clock, random: real.randomBytes }))
  const agent = createScriptedAgent()
  let pings = 0
  const ping = async (signal: AbortSignal): Promise<void> => {
    pings += 1
    await agent.ping(signal)
  }
  const ports: Ports = {
    ...real,
    clock,
    measuresRuntime: false,
    writeLine: () => undefined,
    openLog: async () => log,
    createAgent: () => ({ ...agent, ping }),
    checkLink: async () => undefined,
  }
  const env = { NODE_ENV: 'test', PORT: '0', AGENT_URL: NO_AGENT, DATA_DIR: folder.path, HEALTH_INTERVAL_MS: '5000' }
  await using service = await startService(readConfig(env), ports, '1.2.3')
  // Whatever goes wrong below, stopping waits for nobody.
  using heals = new DisposableStack()
  heals.defer(() => log.fault(undefined))
  await clock.advance(5_000)
  const calm = await statusOf(service.url)
  expect([calm.level.now, calm.told, calm.unknown, calm.integrity?.accepted]).toEqual(['full', [], [], 0])

  log.fault('holds')
  agent.failPing(new AgentError('unreachable', 'a secret place', { isRetryable: true }))
  await clock.advance(60_000)
  const asked = () => [log.count('probe'), log.count('tally'), log.count('read'), pings]
  const before = asked()
  const page = await fetch(`${service.url}/ops/status`)
  const status = await statusOf(service.url)
  expect([page.status, await page.text(), asked()]).toEqual([200, expect.stringContaining('offline'), before])
  expect(status.level.now).toBe('offline')
  expect(status.level.why.map(({ part, state }) => `${part} ${state}`)).toEqual(['store away', 'agent away'])
  expect(status.dependencies.map(({ service: name, check }) => [name, check.status, check.error])).toEqual([
    ['ai-agent', 'unhealthy', 'AgentError unreachable'],
    ['sqlite', 'unhealthy', 'TimeoutError attempt'],
    ['websocket', 'healthy', null],
  ])
  expect(status.told.map(({ where }) => where)).toContain('A chat page that is open')
  expect(status.integrity?.ageSeconds).toBeGreaterThan(55)
  expect(status.unknown.map(({ what }) => what)).toEqual(['what has come to wait or been lost since the last count'])
  expect(status.changes.filter(({ what }) => what === 'level').map(({ to }) => to)).toEqual(['offline', 'limited'])

  log.fault(undefined)
  agent.failPing(undefined)
  await clock.advance(60_000)
  const again = await statusOf(service.url)
  expect([again.level.now, again.told, again.unknown]).toEqual(['full', [], []])
})

test('[O214] two processes on one Redis know each other, also by their own pages', async () => {
  using folder = temporaryFolder()
  await using redis = await startRedis()
  const env = { REDIS_URL: redis.url, SESSION_SECRET: 's'.repeat(32) }
  await using one = await startServer({ dataDir: folder.path, env })
  await using two = await startServer({ dataDir: folder.path, env })
  const alone = (await statusOf(one.url)).processes
  const both = await expect
    .poll(async () => (await statusOf(two.url)).processes, { timeout: 30_000 })
    .toMatchObject({ isShared: true, list: [{ isThis: true }, { isThis: false, phase: 'running' }] })
    .then(async () => (await statusOf(two.url)).processes)
  expect(both.list[1]?.id).toBe(alone.list.find(({ isThis }) => isThis)?.id)
  expect(await (await fetch(`${two.url}/ops/status`)).text()).toContain('2 processes on this store')
})
