/** The real server while its agent takes connections and answers nothing: probes are answered from what is known. */
import { expect, test } from 'vitest'
import * as v from 'valibot'
import { ApiClient } from './api-client.ts'
import { onBreaker } from './processes.ts'
import { startServer, startSimulator, temporaryFolder } from './server-process.ts'

const ROUNDS = 10
const healthSchema = v.object({ status: v.string(), services: v.object({ aiAgent: v.object({ status: v.string() }) }) })

test.concurrent.each([
  ['messages over WebSocket', {}, (url: string) => url],
  ['chat completions', { AGENT_MODEL: 'simulator' }, (url: string) => `${url.replace('ws:', 'http:')}v1`],
] as const)(
  '[O61] while an agent hangs that speaks %s, probes are answered before the check of it has ended',
  async (_form, more, placeOf) => {
    using folder = temporaryFolder()
    await using simulator = await startSimulator()
    const env = {
      ...more,
      // The one check begins when the breaker opens, and lasts as long as it may.
      HEALTH_INTERVAL_MS: '60000',
      HEALTH_CHECK_TIMEOUT_MS: '4000',
      AGENT_FIRST_TOKEN_TIMEOUT_MS: '200',
      BREAKER_AI_AGENT_VOLUME_THRESHOLD: '1',
    }
    await using server = await startServer({ dataDir: folder.path, agentUrl: placeOf(simulator.url), env })
    const health = async () => v.parse(healthSchema, await (await fetch(`${server.url}/health`)).json())
    /** Statuses of all probes, asked one after the other. */
    const round = async (): Promise<readonly number[]> => {
      const statuses: number[] = []
      for (const path of ['/live', '/ready', '/health']) statuses.push((await fetch(server.url + path)).status)
      return statuses
    }
    expect(await round()).toEqual([200, 200, 200])

    // Its kernel goes on taking connections.
    simulator.signal('SIGSTOP')
    const person = new ApiClient(server.url)
    await person.ask(await person.createSession(), 'Is anybody there?')
    await server.line(onBreaker('open'))
    for (let count = 0; count < ROUNDS; count += 1) expect(await round()).toEqual([200, 200, 503])
    // The check that the breaker set off has not ended: all of that was answered beside it, and not after it.
    expect(await health()).toMatchObject({ status: 'degraded', services: { aiAgent: { status: 'healthy' } } })
    while ((await health()).services.aiAgent.status !== 'unhealthy');
  },
)
