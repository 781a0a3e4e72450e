/** What is deployed and struck: our servers on SQLite or Redis, each at an address that it keeps through every restart. */
import type { Clock } from '../../src/resilience/clock.ts'
import { freePort } from '../free-port.ts'
import { startRedis, type RedisProcess } from '../redis/redis-process.ts'
import { startServer, temporaryFolder, type RunningServer } from '../server-process.ts'
import { SERVERS, type Fault, type StoreKind } from './schedule.ts'

const SECRET = 'the same for every server of the run'
/** What `deploy/redis/redis.conf` sets about what is kept. */
const REDIS_KEEPS = ['--appendonly', 'yes', '--appendfsync', 'always', '--no-appendfsync-on-rewrite', 'no', '--aof-load-truncated', 'yes']

export interface Deployment extends AsyncDisposable {
  readonly origins: readonly string[]
  /** Does the harm and undoes it. Faults of one victim come one after the other. Rejects when a server does not start again. */
  strike(fault: Fault): Promise<void>
}

export interface DeploymentOptions {
  readonly store: StoreKind
  readonly agentUrl: string
  readonly leaseMs: number
  readonly clock: Clock
}

/** One process that can be killed and started again. */
interface Victim {
  signal(signal: NodeJS.Signals): void
  kill(): Promise<unknown>
  start(): Promise<void>
}

export async function deploy({ store, agentUrl, leaseMs, clock }: DeploymentOptions): Promise<Deployment> {
  await using opened = new AsyncDisposableStack()
  const folder = opened.use(temporaryFolder())
  const redis = store === 'redis' ? opened.use(await startRedis(...REDIS_KEEPS)) : undefined
  const env = { SESSION_SECRET: SECRET, TURN_LEASE_MS: String(leaseMs), HEALTH_HOLD_MS: '500', ...envOf(redis) }
  const servers = await Promise.all(
    Array.from({ length: SERVERS[store] }, async () => {
      const port = await freePort()
      return opened.use(await keepServer({ dataDir: folder.path, agentUrl, env: { ...env, PORT: String(port) } }))
    }),
  )
  const after = new Map<Fault['victim'], Promise<void>>()
  const resources = opened.move()
  return {
    origins: servers.map(({ origin }) => origin),
    strike(fault) {
      const victim = fault.victim === 'redis' ? redis : servers[fault.victim]
      if (victim === undefined) throw new RangeError(`nothing to strike: ${fault.victim}`)
      const harmed = (after.get(fault.victim) ?? Promise.resolve()).then(() => harm(victim, fault, clock))
      after.set(fault.victim, harmed)
      return harmed
    },
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  }
}

const envOf = (redis: RedisProcess | undefined): Readonly<Record<string, string>> =>
  redis === undefined
    ? {}
    : {
        REDIS_URL: redis.url,
        BREAKER_REDIS_RESET_TIMEOUT_MS: '1000',
        RETRY_DATABASE_BASE_DELAY_MS: '200',
        RETRY_DATABASE_MAX_DELAY_MS: '1000',
      }

async function harm(victim: Victim, { harm: kind, forMs }: Fault, clock: Clock): Promise<void> {
  const { signal } = new AbortController()
  switch (kind) {
    case 'killed':
      await victim.kill()
      await clock.sleep(forMs, signal)
      return victim.start()
    case 'frozen':
      victim.signal('SIGSTOP')
      await clock.sleep(forMs, signal)
      return victim.signal('SIGCONT')
  }
}

async function keepServer(options: Parameters<typeof startServer>[0]): Promise<Victim & AsyncDisposable & { readonly origin: string }> {
  let running: RunningServer = await startServer(options)
  return {
    origin: running.url,
    signal: (signal) => running.signal(signal),
    kill: () => running.kill('SIGKILL'),
    start: async () => {
      running = await startServer(options)
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}
