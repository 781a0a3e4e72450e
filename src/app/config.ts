/**
 * Every setting of the service, read once from the environment.
 *
 * Pure: `readConfig` takes the environment as a value and gives back frozen data or one `ConfigError` with every fault in it.
 * A setting that could have no effect is refused, because ignoring it would be a promise not kept.
 */
import { ChatServiceError } from '../chat-service-error.ts'
import type { RedisAddress } from '../conversation-log/redis-connection.ts'
import { hostNames, keyPrefix, oneOf, origin, readSettings, redisPlaces, text, toggle, url, wholeNumber } from './settings.ts'
import type { Environment, Parser, SettingsReader } from './settings.ts'

export type { Environment } from './settings.ts'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

/** Everything the service can be told from outside. Times are milliseconds unless the name says otherwise. */
export interface Config {
  readonly environment: 'development' | 'production' | 'test'
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Where people see the service; `undefined`: at whatever host a request names (never in production). */
  readonly publicOrigin: string | undefined
  /** Proxies in front that each append to `X-Forwarded-For`. */
  readonly trustedProxyHops: number
  readonly dataDir: string
  /** `undefined`: the conversation log is a file in `dataDir`. */
  readonly redis: RedisConfig | undefined
  /** Of what the service asks of its store in the background. */
  readonly databaseRetry: RetryConfig
  readonly agent: {
    readonly url: string
    readonly protocol: AgentProtocol
    /** For the protocol that needs one; else `undefined`. */
    readonly model: string | undefined
    readonly apiKey: string | undefined
    readonly concurrency: number
    readonly firstTokenTimeoutMs: number
    readonly idleTimeoutMs: number
    readonly deadlineMs: number
    readonly breaker: BreakerConfig
    readonly retry: RetryConfig
  }
  readonly turnLeaseMs: number
  readonly questionExpiresMs: number
  /** `undefined`: made on first start and kept in `dataDir`. */
  readonly sessionSecret: string | undefined
  readonly sessionTtlMs: number
  readonly guidanceDir: string
  readonly serviceName: string
  /** What the pages say of the service; read again when it changes. */
  readonly serviceFile: string | undefined
  readonly brand: 'generic' | 'govuk'
  /** What becomes of a question that may hold personal information. */
  readonly personalInformation: 'warn' | 'block' | 'off'
  /** Hosts, each with all below it, to which links in answers lead directly. */
  readonly answerLinkHosts: readonly string[]
  readonly logLevel: LogLevel
  /** Log files beside the output. */
  readonly logDir: string | undefined
  readonly operations: {
    /** What operators present as a bearer token. */
    readonly token: string | undefined
    /** A port for what only operators see; 0 takes any free one. */
    readonly port: number | undefined
    /** Whether operators may do something, and not only look. */
    readonly areActionsOn: boolean
  }
  /** Of the source that runs. */
  readonly buildCommit: string
  readonly healthIntervalMs: number
  /** What works again must have worked for so long before it is believed. */
  readonly healthHoldMs: number
  readonly healthCheckTimeoutMs: number
  readonly drainMs: number
  readonly isReadyWhenOffline: boolean
}

/** The store that several processes share. */
export interface RedisConfig {
  /** One server, or several nodes of one Cluster. */
  readonly addresses: readonly RedisAddress[]
  readonly keyPrefix: string
  /** Replicas that must have something before it is settled; 0: whatever is accepted counts. */
  readonly waitReplicas: number
  readonly breaker: BreakerConfig
}

/** The forms that an agent can speak; `docs/agent-protocol.md` describes them. */
export type AgentProtocol = 'messages' | 'openai' | 'ag-ui'

/** The circuit breaker of one service. */
export interface BreakerConfig {
  /** Percent. */
  readonly errorThreshold: number
  readonly volumeThreshold: number
  readonly resetTimeoutMs: number
  readonly resetTimeoutMaxMs: number
}

/** The retries of one kind of service. */
export interface RetryConfig {
  /** Tries in all. */
  readonly attempts: number
  readonly baseDelayMs: number
  readonly maxDelayMs: number
}

/** What is wrong with one setting. Never holds the value of a secret. */
export interface ConfigFault {
  readonly name: string
  readonly problem: string
}

/** The environment holds settings the service cannot run with; not retryable, because they do not change by themselves. */
export class ConfigError extends ChatServiceError {
  override name = 'ConfigError'
  readonly faults: readonly ConfigFault[]

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(({ name, problem }) => `  ${name} ${problem}`)
    super(['These settings cannot be used:', ...lines].join('\n'), { code: 'CONFIG_ERROR', statusCode: 500, isRetryable: false })
    this.faults = faults
  }
}

const DAY_MS = 86_400_000
const SECRET_CHARS_MIN = 32
const BEARER_CHARS_MAX = 512

/**
 * The configuration that `env` asks for. An empty value counts as not set.
 *
 * @throws ConfigError listing every fault at once.
 */
export function readConfig(env: Environment): Config {
  const { read, faults } = readSettings(env)
  const retries = {
    websocket: readRetry(read, 'WEBSOCKET', { attempts: 5, baseDelayMs: 1_000, maxDelayMs: 30_000 }),
    api: readRetry(read, 'API', { attempts: 3, baseDelayMs: 500, maxDelayMs: 5_000 }),
    database: readRetry(read, 'DATABASE', { attempts: 4, baseDelayMs: 2_000, maxDelayMs: 10_000 }),
  }
  const breakers = { agent: readBreaker(read, 'AI_AGENT', 5), redis: readBreaker(read, 'REDIS', 10) }
  const config: Config = {
    environment: read('NODE_ENV', oneOf('development', 'production', 'test'), 'development'),
    host: read('HOST', text(255), '127.0.0.1'),
    port: read('PORT', wholeNumber(0, 65_535), 3000),
    publicOrigin: read('PUBLIC_ORIGIN', origin, undefined),
    trustedProxyHops: read('TRUSTED_PROXY_HOPS', wholeNumber(0, 10), 0),
    dataDir: read('DATA_DIR', text(4_096), './data'),
    redis: readRedis(read, breakers.redis),
    databaseRetry: retries.database,
    agent: readAgent(read, breakers.agent, retries),
    turnLeaseMs: read('TURN_LEASE_MS', wholeNumber(500, 60_000), 5_000),
    questionExpiresMs: read('QUESTION_EXPIRES_MS', wholeNumber(1_000, 30 * DAY_MS), DAY_MS),
    sessionSecret: read('SESSION_SECRET', secret, undefined),
    sessionTtlMs: read('SESSION_TTL_HOURS', wholeNumber(1, 24 * 365), 24) * 3_600_000,
    guidanceDir: read('GUIDANCE_DIR', text(4_096), './guidance'),
    serviceName: read('SERVICE_NAME', text(100), 'Ask a question'),
    serviceFile: read('SERVICE_FILE', text(4_096), undefined),
    brand: read('BRAND', oneOf('generic', 'govuk'), 'generic'),
    personalInformation: read('PERSONAL_INFORMATION', oneOf('warn', 'block', 'off'), 'warn'),
    answerLinkHosts: Object.freeze(read('ANSWER_LINK_HOSTS', hostNames, ['gov.uk'])),
    logLevel: read('LOG_LEVEL', oneOf(...LOG_LEVELS), 'info'),
    logDir: read('LOG_DIR', text(4_096), undefined),
    operations: Object.freeze({
      token: read('OPS_TOKEN', bearerToken, undefined),
      port: read('OPS_PORT', wholeNumber(0, 65_535), undefined),
      areActionsOn: read('OPS_ACTIONS', toggle, false),
    }),
    buildCommit: read('BUILD_COMMIT', commit, 'unknown'),
    healthIntervalMs: read('HEALTH_INTERVAL_MS', wholeNumber(100, 600_000), 30_000),
    healthHoldMs: read('HEALTH_HOLD_MS', wholeNumber(0, 600_000), 10_000),
    healthCheckTimeoutMs: read('HEALTH_CHECK_TIMEOUT_MS', wholeNumber(50, 60_000), 2_000),
    drainMs: read('DRAIN_MS', wholeNumber(0, 600_000), 25_000),
    isReadyWhenOffline: read('READY_WHEN_OFFLINE', toggle, false),
  }
  const together = [...contradictions(config), ...redisFaults(config, env), ...breakerFaults(breakers), ...retryFaults(retries)]
  const all = [...faults(), ...together]
  if (all.length > 0) throw new ConfigError(all)
  return Object.freeze(config)
}

/** Where the agent simulator takes each form; `docs/agent-protocol.md` says the same. */
const SIMULATOR_ADDRESS: Readonly<Record<AgentProtocol, (host: string) => string>> = {
  messages: (host) => `ws://${host}/`,
  openai: (host) => `http://${host}/v1`,
  'ag-ui': (host) => `http://${host}/ag-ui`,
}

function readAgent(
  read: SettingsReader['read'],
  breaker: BreakerConfig,
  retries: Readonly<Record<'websocket' | 'api', RetryConfig>>,
): Config['agent'] {
  const simulator = `127.0.0.1:${read('SIMULATOR_PORT', wholeNumber(0, 65_535), 3001)}`
  const asked = read('AGENT_PROTOCOL', agentProtocol, undefined)
  const agentUrl = read('AGENT_URL', url('ws:', 'wss:', 'http:', 'https:'), undefined)
  const protocol = asked ?? (agentUrl !== undefined && /^http/i.test(agentUrl) ? 'openai' : 'messages')
  const isSimulator = agentUrl === undefined
  return Object.freeze({
    url: agentUrl ?? SIMULATOR_ADDRESS[protocol](simulator),
    protocol,
    model: read('AGENT_MODEL', text(200), isSimulator && protocol === 'openai' ? 'simulator' : undefined),
    apiKey: read('AGENT_API_KEY', agentKey, undefined),
    concurrency: read('AGENT_CONCURRENCY', wholeNumber(1, 1_000), 32),
    firstTokenTimeoutMs: read('AGENT_FIRST_TOKEN_TIMEOUT_MS', wholeNumber(100, 600_000), 10_000),
    idleTimeoutMs: read('AGENT_IDLE_TIMEOUT_MS', wholeNumber(100, 600_000), 15_000),
    deadlineMs: read('AGENT_DEADLINE_MS', wholeNumber(1_000, 3_600_000), 120_000),
    breaker,
    retry: protocol === 'messages' ? retries.websocket : retries.api,
  })
}

/** What a header can carry to any agent. */
const agentKey: Parser<string> = (given) =>
  given.length <= 4_096 && /^[!-~]+$/.test(given)
    ? { value: given }
    : { problem: 'must be at most 4096 letters, digits and signs of ASCII, without a space: it is sent in a header' }

const secret: Parser<string> = (given) =>
  given.length >= SECRET_CHARS_MIN
    ? { value: given }
    : { problem: `must have at least ${SECRET_CHARS_MIN} characters, for example what "openssl rand -base64 32" prints` }

const bearerToken: Parser<string> = (given) =>
  given.length >= SECRET_CHARS_MIN && given.length <= BEARER_CHARS_MAX && /^[\w.~+/=-]+$/.test(given)
    ? { value: given }
    : {
        problem: `must have ${SECRET_CHARS_MIN} to ${BEARER_CHARS_MAX} letters, digits and -._~+/=, for example what "openssl rand -base64 32" prints`,
      }

const commit: Parser<string> = (given) =>
  /^[0-9a-f]{7,40}$/.test(given) ? { value: given } : { problem: 'must be 7 to 40 hexadecimal digits of a commit' }

/** The parts are read in any case, so that what is wrong with them is told at once. */
function readRedis(read: SettingsReader['read'], breaker: BreakerConfig): RedisConfig | undefined {
  const addresses = read('REDIS_URL', redisPlaces, undefined)
  const prefix = read('REDIS_KEY_PREFIX', keyPrefix, 'chat:')
  const waitReplicas = read('REDIS_WAIT_REPLICAS', wholeNumber(0, 16), 0)
  return addresses === undefined ? undefined : Object.freeze({ addresses, keyPrefix: prefix, waitReplicas, breaker })
}

function readBreaker(read: SettingsReader['read'], name: string, volumeThreshold: number): BreakerConfig {
  return Object.freeze({
    errorThreshold: read(`BREAKER_${name}_ERROR_THRESHOLD`, wholeNumber(1, 100), 50),
    volumeThreshold: read(`BREAKER_${name}_VOLUME_THRESHOLD`, wholeNumber(1, 1_000), volumeThreshold),
    resetTimeoutMs: read(`BREAKER_${name}_RESET_TIMEOUT_MS`, wholeNumber(100, 3_600_000), 30_000),
    resetTimeoutMaxMs: read(`BREAKER_${name}_RESET_TIMEOUT_MAX_MS`, wholeNumber(100, 3_600_000), 300_000),
  })
}

function readRetry(read: SettingsReader['read'], kind: string, standard: RetryConfig): RetryConfig {
  return Object.freeze({
    attempts: read(`RETRY_${kind}_ATTEMPTS`, wholeNumber(1, 100), standard.attempts),
    baseDelayMs: read(`RETRY_${kind}_BASE_DELAY_MS`, wholeNumber(0, 600_000), standard.baseDelayMs),
    maxDelayMs: read(`RETRY_${kind}_MAX_DELAY_MS`, wholeNumber(0, 3_600_000), standard.maxDelayMs),
  })
}

const PROTOCOLS = ['messages', 'openai', 'ag-ui'] as const

const agentProtocol: Parser<AgentProtocol> = (given) =>
  given === 'synthetic-agents'
    ? { problem: 'must not be "synthetic-agents", which is not available in this version: nothing describes that form' }
    : oneOf(...PROTOCOLS)(given)

/** Settings that are fine one by one and wrong together. */
function contradictions(config: Config): readonly ConfigFault[] {
  const faults: ConfigFault[] = []
  const { agent, brand, publicOrigin } = config
  if (config.environment === 'production' && !isSecure(publicOrigin)) {
    faults.push({
      name: 'PUBLIC_ORIGIN',
      problem: 'must be the https:// origin that people use when NODE_ENV is "production": cookies and live links are bound to it',
    })
  }
  const { token, port: opsPort, areActionsOn } = config.operations
  if (config.environment === 'production' && token === undefined && opsPort === undefined) {
    faults.push({
      name: 'OPS_TOKEN',
      problem: 'or OPS_PORT must be set when NODE_ENV is "production": /metrics and /health/detailed are for operators only',
    })
  }
  if (opsPort !== undefined && opsPort !== 0 && opsPort === config.port) {
    faults.push({ name: 'OPS_PORT', problem: `must not be PORT (${config.port}): it is a port of its own` })
  }
  if (areActionsOn && opsPort !== undefined && token === undefined) {
    faults.push({ name: 'OPS_ACTIONS', problem: 'needs OPS_TOKEN where OPS_PORT is set: whoever reaches that port could act' })
  }
  if (brand === 'govuk' && !isGovUk(publicOrigin)) {
    faults.push({
      name: 'BRAND',
      problem: 'may be "govuk" only when PUBLIC_ORIGIN is on a gov.uk domain: the GOV.UK crown and typeface are for those',
    })
  }
  faults.push(...agentFaults(agent))
  if (agent.firstTokenTimeoutMs > agent.deadlineMs) {
    faults.push({ name: 'AGENT_FIRST_TOKEN_TIMEOUT_MS', problem: `must not be longer than AGENT_DEADLINE_MS (${agent.deadlineMs})` })
  }
  if (config.healthCheckTimeoutMs > config.healthIntervalMs) {
    faults.push({ name: 'HEALTH_CHECK_TIMEOUT_MS', problem: `must not be longer than HEALTH_INTERVAL_MS (${config.healthIntervalMs})` })
  }
  return faults
}

/** A form and an address that do not belong together, and a model for a form that has none, or the other way round. */
function agentFaults({ url: place, protocol, model }: Config['agent']): readonly ConfigFault[] {
  const faults: ConfigFault[] = []
  const isWebSocket = /^wss?:/i.test(place)
  if (protocol === 'messages' && !isWebSocket) {
    faults.push({ name: 'AGENT_URL', problem: 'must be a ws:// or wss:// URL when AGENT_PROTOCOL is "messages"' })
  }
  if (protocol !== 'messages' && isWebSocket) {
    faults.push({ name: 'AGENT_URL', problem: `must be an http:// or https:// URL when AGENT_PROTOCOL is "${protocol}"` })
  }
  if (protocol === 'openai' && model === undefined) {
    faults.push({
      name: 'AGENT_MODEL',
      problem: 'must name the model to ask when AGENT_PROTOCOL is "openai", as it is for an http:// or https:// AGENT_URL',
    })
  }
  if (protocol !== 'openai' && model !== undefined) {
    faults.push({ name: 'AGENT_MODEL', problem: `means nothing when AGENT_PROTOCOL is "${protocol}": that form names no model` })
  }
  return faults
}

/** What Redis needs, and what means nothing without it. */
function redisFaults({ redis, sessionSecret }: Config, env: Environment): readonly ConfigFault[] {
  const isSet = (name: string): boolean => (env[name] ?? '').trim() !== ''
  if (!isSet('REDIS_URL')) {
    const ignored = ['REDIS_KEY_PREFIX', 'REDIS_WAIT_REPLICAS'].filter(isSet)
    return ignored.map((name) => ({ name, problem: 'means nothing without REDIS_URL: the store is a file in DATA_DIR' }))
  }
  const problem = 'is required with REDIS_URL: every process must know the cookies that another has signed'
  return redis !== undefined && sessionSecret === undefined && !isSet('SESSION_SECRET') ? [{ name: 'SESSION_SECRET', problem }] : []
}

function breakerFaults({ agent, redis }: Readonly<Record<'agent' | 'redis', BreakerConfig>>): readonly ConfigFault[] {
  return Object.entries({ BREAKER_AI_AGENT: agent, BREAKER_REDIS: redis }).flatMap(([name, { resetTimeoutMs, resetTimeoutMaxMs }]) => {
    const problem = `must not be shorter than ${name}_RESET_TIMEOUT_MS (${resetTimeoutMs})`
    return resetTimeoutMaxMs < resetTimeoutMs ? [{ name: `${name}_RESET_TIMEOUT_MAX_MS`, problem }] : []
  })
}

function retryFaults(retries: Readonly<Record<'websocket' | 'api' | 'database', RetryConfig>>): readonly ConfigFault[] {
  return Object.entries(retries).flatMap(([kind, { baseDelayMs, maxDelayMs }]) => {
    const name = `RETRY_${kind.toUpperCase()}`
    const problem = `must not be shorter than ${name}_BASE_DELAY_MS (${baseDelayMs})`
    return maxDelayMs < baseDelayMs ? [{ name: `${name}_MAX_DELAY_MS`, problem }] : []
  })
}

/** Browsers treat their own machine as secure, which lets a production build be tried there. */
function isSecure(publicOrigin: string | undefined): boolean {
  if (publicOrigin === undefined) return false
  const { hostname, protocol } = new URL(publicOrigin)
  return protocol === 'https:' || hostname === 'localhost' || hostname === '127.0.0.1'
}

function isGovUk(publicOrigin: string | undefined): boolean {
  if (publicOrigin === undefined) return false
  const { hostname, protocol } = new URL(publicOrigin)
  return protocol === 'https:' && (hostname === 'gov.uk' || hostname.endsWith('.gov.uk'))
}
