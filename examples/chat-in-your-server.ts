/**
 * A hapi server of a team's own with the chat below `/assistant`: `AGENT_URL=ws://127.0.0.1:3001/ node examples/chat-in-your-server.ts`.
 *
 * The server's own pages, errors, headers and forms stay what they are. `docs/embedding.md` explains it.
 */
import { server as createServer } from '@hapi/hapi'
import { readConfig } from '../src/app/config.ts'
import { keptSecret, prepareDataFolder } from '../src/app/data-folder.ts'
import { agentPresence, createAgentBudget, guardAgent } from '../src/app/guarded-agent.ts'
import { guardStore } from '../src/app/guarded-store.ts'
import { createPorts } from '../src/app/ports.ts'
import { createStanding } from '../src/app/service-standing.ts'
import { createTelemetry } from '../src/app/service-telemetry.ts'
import { loadAssets } from '../src/gateway/assets.ts'
import { gateway } from '../src/gateway/gateway.ts'
import { fallbackText, loadGuidance } from '../src/guidance/guidance.ts'
import { resilience } from '../src/plugins/resilience.ts'
import { plainProfile } from '../src/service-profile/service-profile.ts'
import { awayReason } from '../src/turns/agent-room.ts'
import { createTurnRunner } from '../src/turns/turn-runner.ts'
import { DEFAULT_TURN_SETTINGS } from '../src/turns/turn-settings.ts'

const PREFIX = '/assistant'

// The same settings as the service itself has; the server below is the team's.
const config = readConfig(process.env)
const ports = createPorts()
prepareDataFolder(config.dataDir)
const secret = config.sessionSecret ?? keptSecret(config.dataDir, ports.randomBytes)
const { events: told, traceOf } = createTelemetry(config, ports, { secret, version: 'example' })
const guidance = await loadGuidance(config.guidanceDir)

const server = createServer({ host: config.host, port: config.port })

// Breakers and health checks of the chat. The server answers its own failures.
await server.register({ plugin: resilience, options: { ...ports, events: told, answersFailureOf: () => false } })
const { health } = server.resilience
const standing = createStanding(health, ports.clock)
const events = standing.hearing(told)

// The conversation log, the agent, and the runner that asks it.
const opened = new AsyncDisposableStack()
const fatal = (cause: unknown): never => {
  // A store that cannot be trusted any more ends the process: everything that was accepted is in it.
  events.serviceCrashed(cause)
  process.exit(1)
}
const log = opened.use(await ports.openLog(config, { ...ports, random: ports.randomBytes, events }, fatal))
const guards = { ...ports, resilience: server.resilience, events }
const store = guardStore(log, config, guards)
const budget = createAgentBudget(ports.clock)
const agent = opened.use(guardAgent(ports.createAgent(config, { ...ports, events }), config.agent, { ...guards, budget }))
const runner = createTurnRunner({
  ...ports,
  log: store.inBackground,
  agent,
  events,
  traceOf,
  agentPresence: () => agentPresence(server.resilience),
  fallbackText: (question, situation) => fallbackText(guidance.search(question), situation),
  settings: { ...DEFAULT_TURN_SETTINGS, concurrency: config.agent.concurrency },
  owner: Buffer.from(ports.randomBytes(8)).toString('hex'),
})
health.registerHealthCheck(log.profile.store, () => log.probe(), { component: 'store' })
health.registerHealthCheck('aiAgent', (signal) => agent.ping(signal))
health.registerHealthCheck('websocket', async (signal) => {
  // A server that drains takes no link, not even this one.
  if (server.plugins.gateway.drain.begun.aborted) return
  await ports.checkLink({ url: server.info.uri + PREFIX, origin: config.publicOrigin ?? server.info.uri }, signal)
})

// Pages move and running answers finish before the server stops, and whoever watches sees their end: so this comes before the gateway,
// which then says goodbye to who is left. What has not ended is asked again by the next process.
server.ext('onPostStart', () => runner.run())
server.ext('onPreStop', async () => {
  const { drain } = server.plugins.gateway
  await Promise.all([runner.drain(config.drainMs), drain.begin(config.drainMs)])
})
server.ext('onPostStop', () => opened.disposeAsync())

// Pages, API and live link, all below the prefix.
const isAway = (): boolean => awayReason(agentPresence(server.resilience)) !== undefined
await server.register({
  plugin: gateway,
  routes: { prefix: PREFIX },
  options: {
    ...ports,
    log: store.forPeople,
    events,
    standing: standing.standing,
    onStandingChange: standing.onChange,
    isAgentAway: isAway,
    doAnswersWait: isAway,
    service: () => plainProfile(config.serviceName),
    isWholeServer: false,
    pages: { assets: loadAssets(), helpPages: guidance.pages },
    settings: {
      secret,
      publicOrigin: config.publicOrigin,
      brand: config.brand,
      isProduction: config.environment === 'production',
      sessionTtlMs: config.sessionTtlMs,
      personalInformation: config.personalInformation,
      trustedLinkHosts: config.answerLinkHosts,
      trustedProxyHops: config.trustedProxyHops,
    },
  },
})

// What the team's server does besides.
server.route([
  {
    method: 'GET',
    path: '/',
    handler: () => `<!DOCTYPE html><title>Ours</title><h1>Our own service</h1><a href="${PREFIX}">Ask a question</a>`,
  },
  { method: 'POST', path: '/own-form', handler: ({ payload }) => ({ received: payload }) },
])

await server.start()
process.stdout.write(`Listening on ${server.info.uri}\n`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop({ timeout: 2_000 }))
