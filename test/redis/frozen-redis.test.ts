/** The real server while its Redis is frozen: probes are answered all the same, and all goes on by itself. */
import { expect, test } from 'vitest'
import { startServer, temporaryFolder } from '../server-process.ts'
import { startRedis } from './redis-process.ts'

const ROUNDS = 10

test('[O234] while Redis is frozen, /live and /ready are answered before it goes on, and /ready says that the system is offline', async () => {
  using folder = temporaryFolder()
  await using redis = await startRedis()
  const env = {
    REDIS_URL: redis.url,
    SESSION_SECRET: 'a secret of thirty-two characters',
    HEALTH_INTERVAL_MS: '1000',
    HEALTH_CHECK_TIMEOUT_MS: '1000',
    HEALTH_HOLD_MS: '500',
  }
  await using server = await startServer({ dataDir: folder.path, env })
  const probe = async (path: string): Promise<readonly [number, unknown]> => {
    const response = await fetch(server.url + path)
    return [response.status, await response.json()]
  }
  const live = [200, { status: 'alive', uptime: expect.any(Number) }]
  const ready = [200, { status: 'ready' }]
  const offline = [503, { status: 'not ready', reason: 'system offline' }]
  expect(await probe('/live')).toEqual(live)
  while ((await probe('/ready'))[0] !== 200);

  // Nothing but this test lets it go on: whatever is answered until then is answered while it is frozen.
  redis.signal('SIGSTOP')
  expect([await probe('/live'), await probe('/ready')]).toEqual([live, ready])
  while ((await probe('/ready'))[0] !== 503);
  for (let count = 0; count < ROUNDS; count += 1) expect([await probe('/live'), await probe('/ready')]).toEqual([live, offline])

  redis.signal('SIGCONT')
  while ((await probe('/ready'))[0] !== 200);
})
