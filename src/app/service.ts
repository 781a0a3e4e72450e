/**
 * The one place where the parts are put together: log, agent, turn runner, health checks, gateway, and the server before them.
 *
 * `startService` resolves when the service takes questions. Everything it needs of the world comes in as `Ports`, so a test
 * composes the same service with a log in memory or an agent from a script.
 */
import { server as createServer, type Server } from '@hapi/hapi'
import type { Agent } from '../agent/agent.ts'
import { ChatServiceError } from '../chat-service-error.ts'
import { LAST_REQUESTS_MS } from '../conversation/limits.ts'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { loadAssets } from '../gateway/assets.ts'
import { gateway } from '../gateway/gateway.ts'
import type { GatewaySettings, PagesOptions } from '../gateway/gateway-context.ts'
import { createListener, serverOptions } from '../gateway/listener.ts'
import { fallbackText, loadGuidance } from '../guidance/guidance.ts'
import { resilience } from '../plugins/resilience.ts'
import type { HealthChecks } from '../service-level/health-checks.ts'
import { hysteresisOf, type ServiceLevel } from '../service-level/service-level.ts'
import { openProfileFile, type ProfileFile } from '../service-profile/profile-file.ts'
import { plainProfile, type ServiceProfile } from '../service-profile/service-profile.ts'
import type { Events } from '../telemetry/events.ts'
import { awayReason, type AgentPresence } from '../turns/agent-room.ts'
import { createTurnRunner, type TurnRunnerOptions } from '../turns/turn-runner.ts'
import { DEFAULT_TURN_SETTINGS, type TurnSettings } from '../turns/turn-settings.ts'
import type { FallbackText } from '../turns/turn-state.ts'
import type { Config } from './config.ts'
import { tellDependencies } from './dependencies.ts'
import { agentPresence, createAgentBudget, guardAgent } from './guarded-agent.ts'
import { guardStore, storeBackoff } from './guarded-store.ts'
import { keptSecret, prepareDataFolder } from './data-folder.ts'
import type { LinkPlace } from './link-check.ts'
import type { Ports } from './ports.ts'
import { openOperations, toldOf } from './operations.ts'
import { createStanding, type Standing } from './service-standing.ts'
import { createTelemetry } from './service-telemetry.ts'
import { StartError, systemCode } from './start-error.ts'
import { stopOnce, type Phase } from './stop-service.ts'

export interface Service extends AsyncDisposable {
  /** Where it listens, without a slash at the end. */
  readonly url: string
  /** Where operators look, when that is a port of its own. */
  readonly opsUrl: string | undefined
  /** What it runs on, for the person who started it. */
  readonly facts: { readonly store: string; readonly agent: string; readonly level: ServiceLevel }
  readonly events: Events
  /** Resolves with the reason when the store can no longer be trusted: the process must end at once. Else never. */
  readonly broken: Promise<unknown>
  /**
   * Takes no more people, lets running answers finish for as long as the settings say, gives the rest back, and closes.
   * Calling it again waits for the same end.
   */
  stop(): Promise<void>
}

/** Between health checks while something is away, in milliseconds. */
const AWAY_INTERVAL_MS = 5_000

/**
 * Puts the service together and opens it.
 *
 * @throws ChatServiceError whose message tells a person what to change, when it cannot start; nothing is left open then.
 */
export async function startService(config: Config, ports: Ports, version: string): Promise<Service> {
  const { clock } = ports
  const state: { phase: Phase } = { phase: 'starting' }
  const broken = Promise.withResolvers<unknown>()

  // With Redis everything that must last is there: the process needs no disk.
  if (config.redis === undefined) prepareDataFolder(config.dataDir)
  const secret = config.sessionSecret ?? keptSecret(config.dataDir, ports.randomBytes)
  const guidance = await loadGuidance(config.guidanceDir)
  const pages = { assets: loadAssets(), helpPages: guidance.pages, showsStates: config.environment === 'development' }
  const telemetry = createTelemetry(config, ports, { secret, version })
  const { events: said, traceOf } = telemetry
  const server = await createResilientServer(config, ports, said)
  const { health } = server.resilience
  tellDependencies(health, said)
  await using opened = new AsyncDisposableStack()
  // Last to go: operators see what stopping does for as long as it takes.
  const own: { server?: Server | undefined } = {}
  opened.defer(async () => own.server?.stop({ timeout: 0 }))
  const profile = opened.use(await openProfile(config, ports, said))
  const standing = createStanding(health, clock)
  const events = withPokes(standing.hearing(said), health)
  const openLogPorts = { clock, random: ports.randomBytes, chance: ports.chance, events }
  const log = opened.use(await ports.openLog(config, openLogPorts, broken.resolve))
  const guards = { ...ports, resilience: server.resilience, events }
  const store = guardStore(log, config, guards)
  opened.use(store.forPeople)
  opened.use(store.inBackground)
  const budget = createAgentBudget(clock)
  const agent = opened.use(guardAgent(ports.createAgent(config, { ...ports, events }), config.agent, { ...guards, budget }))
  const presence = (): AgentPresence => agentPresence(server.resilience)
  const fallback: FallbackText = (question, situation) => fallbackText(guidance.search(question), situation)
  const parts = { log: store.inBackground, agent, events, agentPresence: presence, fallbackText: fallback, traceOf }
  const runner = opened.use(createTurnRunner(runnerOptions(config, ports, parts)))
  await registerGateway(server, config, { ports, log: store.forPeople, events, secret, pages, service: () => profile.current, standing })
  const operations = await openOperations(server, config, {
    ports,
    telemetry,
    log: store.inBackground,
    assets: pages.assets,
    serviceName: () => profile.current.name,
    phase: () => state.phase,
    version,
    running: () => runner.running,
    budgets: { agent: budget, store: store.budget },
  })
  own.server = operations.own
  opened.use(operations)
  const { drain } = server.plugins.gateway
  registerChecks(health, { log, agent, link: linkCheck(ports, server, config) })
  // The first to be disposed of, so that nobody asks for what is closed already.
  opened.defer(() => server.stop({ timeout: LAST_REQUESTS_MS }))
  const opsUrl = own.server === undefined ? undefined : await listen(own.server, config.host, ['OPS_PORT', config.operations.port])
  const url = await listen(server, config.host, ['PORT', config.port])
  runner.run()
  operations.start()
  state.phase = 'running'

  const facts = { store: log.profile.description, agent: agent.description, level: health.getCurrentLevel() }
  events.configLoaded(toldOf(config))
  events.serviceStarted({ url, ...facts, version })
  const stop = stopOnce({ clock, events, runner, drain, resources: opened.move(), limitMs: config.drainMs, state })
  return { url, opsUrl, facts, events, broken: broken.promise, stop, [Symbol.asyncDispose]: stop }
}

async function openProfile({ serviceFile: path, serviceName: name }: Config, { clock }: Ports, events: Events): Promise<ProfileFile> {
  if (path === undefined) return { current: plainProfile(name), [Symbol.dispose]: () => undefined }
  const told = { onTaken: () => events.profileTaken(), onRefused: (cause: Error) => events.profileRefused(cause) }
  return openProfileFile({ path, name, clock, ...told })
}

/** hapi on our own listener, with breakers and health checks, and without any route yet. */
async function createResilientServer(config: Config, { clock, randomBytes }: Ports, events: Events): Promise<Server> {
  const server = createServer(serverOptions(createListener(), { host: config.host, port: config.port }))
  await server.register({
    plugin: resilience,
    options: {
      clock,
      randomBytes,
      events,
      health: {
        intervalMs: config.healthIntervalMs,
        failingIntervalMs: Math.min(config.healthIntervalMs, AWAY_INTERVAL_MS),
        timeoutMs: config.healthCheckTimeoutMs,
        hysteresis: hysteresisOf(config.healthHoldMs),
      },
      // The gateway does: it has pages for people, too.
      answersFailureOf: () => false,
    },
  })
  return server
}

/** A question that failed so often in a row says more about the agent than about chance. */
const ATTEMPTS_BEFORE_CHECK = 2

/** The same events; after a failure of store or agent the checks run at once. */
const withPokes = (events: Events, health: HealthChecks): Events => ({
  ...events,
  storeFailed(facts) {
    events.storeFailed(facts)
    health.poke()
  },
  agentFailed(facts) {
    events.agentFailed(facts)
    health.poke()
  },
  agentAttemptFailed(facts) {
    events.agentAttemptFailed(facts)
    if (facts.attempt >= ATTEMPTS_BEFORE_CHECK) health.poke()
  },
})

interface Checked {
  readonly log: ConversationLog
  readonly agent: Agent
  readonly link: (signal: AbortSignal) => Promise<void>
}

function registerChecks(health: HealthChecks, { log, agent, link }: Checked): void {
  health.registerHealthCheck(log.profile.store, () => log.probe(), { component: 'store' })
  health.registerHealthCheck('websocket', link)
  health.registerHealthCheck('aiAgent', (signal) => agent.ping(signal))
}

/** A process that drains refuses its own check like everybody else, and nothing is wrong with it. */
function linkCheck(ports: Pick<Ports, 'checkLink'>, server: Server, config: Config): Checked['link'] {
  const { begun } = server.plugins.gateway.drain
  return async (signal) => (begun.aborted ? undefined : ports.checkLink(placeOf(server, config), signal))
}

/** Where a browser would find the live link, once the server listens. */
const placeOf = ({ info }: Server, { publicOrigin }: Config): LinkPlace => ({ url: info.uri, origin: publicOrigin ?? info.uri })

function runnerOptions(
  config: Config,
  { clock, chance, digest, randomBytes }: Ports,
  parts: Pick<TurnRunnerOptions, 'log' | 'agent' | 'events' | 'agentPresence' | 'fallbackText' | 'traceOf'>,
): TurnRunnerOptions {
  const settings: TurnSettings = {
    ...DEFAULT_TURN_SETTINGS,
    leaseMs: config.turnLeaseMs,
    firstTextTimeoutMs: config.agent.firstTokenTimeoutMs,
    idleTimeoutMs: config.agent.idleTimeoutMs,
    deadlineMs: config.agent.deadlineMs,
    questionExpiresMs: config.questionExpiresMs,
    storeBackoff: storeBackoff(config),
    concurrency: config.agent.concurrency,
  }
  const owner = Buffer.from(randomBytes(8)).toString('hex')
  return { ...parts, clock, chance, digest, settings, owner }
}

interface GatewayParts {
  readonly ports: Ports
  readonly log: ConversationLog
  readonly events: Events
  readonly secret: string
  readonly pages: PagesOptions
  readonly service: () => ServiceProfile
  readonly standing: Standing
}

async function registerGateway(server: Server, config: Config, parts: GatewayParts): Promise<void> {
  const { ports, log, events, secret, pages, service, standing } = parts
  const isAway = (): boolean => awayReason(agentPresence(server.resilience)) !== undefined
  const settings: GatewaySettings = {
    secret,
    publicOrigin: config.publicOrigin,
    brand: config.brand,
    isProduction: config.environment === 'production',
    sessionTtlMs: config.sessionTtlMs,
    personalInformation: config.personalInformation,
    trustedLinkHosts: config.answerLinkHosts,
    trustedProxyHops: config.trustedProxyHops,
  }
  await server.register({
    plugin: gateway,
    options: {
      log,
      standing: standing.standing,
      onStandingChange: standing.onChange,
      isAgentAway: isAway,
      doAnswersWait: () => isAway() || server.resilience.health.getFallbackAction('send-message')?.type === 'queue',
      service,
      clock: ports.clock,
      chance: ports.chance,
      randomBytes: ports.randomBytes,
      events,
      settings,
      isWholeServer: true,
      pages,
    },
  })
}

/** Where the server listens then. */
async function listen(server: Server, host: string, [setting, port]: readonly ['PORT' | 'OPS_PORT', number | undefined]): Promise<string> {
  try {
    await server.start()
  } catch (cause) {
    if (cause instanceof ChatServiceError) throw cause
    const code = systemCode(cause)
    if (code === 'EADDRINUSE') {
      throw new StartError(`Port ${port} on ${host} is in use. Stop what uses it, or choose another with ${setting}=…`, { cause })
    }
    throw new StartError(`The server cannot listen on ${host} port ${port} (${code ?? 'unknown error'}). Check HOST and ${setting}.`, {
      cause,
    })
  }
  return server.info.uri
}
