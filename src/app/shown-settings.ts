/**
 * The settings that the operator page may show: an allow-list, so that one that is added later is hidden until somebody decides.
 *
 * Of what is secret it says only whether it is set. Of an address it shows scheme, host and port: paths and queries may hold keys.
 */
import type { ShownSetting } from '../operations/ops-status.ts'
import type { BreakerConfig, Config, RetryConfig } from './config.ts'

const isSet = (value: unknown): string => (value === undefined ? 'not set' : 'set')
const ms = (value: number): string => `${value} ms`

/** By the names of `docs/settings.md`. */
export function shownSettings(config: Config): readonly ShownSetting[] {
  const { agent, redis, operations } = config
  const values: Readonly<Record<string, string | number | boolean | undefined>> = {
    NODE_ENV: config.environment,
    HOST: config.host,
    PORT: config.port,
    PUBLIC_ORIGIN: config.publicOrigin ?? 'not set',
    TRUSTED_PROXY_HOPS: config.trustedProxyHops,
    REDIS_URL: redis?.addresses
      .map(({ host, port, isTls, database }) => `${isTls ? 'rediss' : 'redis'}://${host}:${port}/${database}`)
      .join(', '),
    REDIS_KEY_PREFIX: redis?.keyPrefix,
    REDIS_WAIT_REPLICAS: redis?.waitReplicas,
    DATA_DIR: redis === undefined ? config.dataDir : undefined,
    AGENT_URL: placeOf(agent.url),
    AGENT_PROTOCOL: agent.protocol,
    AGENT_MODEL: agent.model,
    AGENT_API_KEY: isSet(agent.apiKey),
    AGENT_CONCURRENCY: agent.concurrency,
    AGENT_FIRST_TOKEN_TIMEOUT_MS: ms(agent.firstTokenTimeoutMs),
    AGENT_IDLE_TIMEOUT_MS: ms(agent.idleTimeoutMs),
    AGENT_DEADLINE_MS: ms(agent.deadlineMs),
    ...breaker('BREAKER_AI_AGENT', agent.breaker),
    ...(redis === undefined ? {} : breaker('BREAKER_REDIS', redis.breaker)),
    ...retry(agent.protocol === 'messages' ? 'RETRY_WEBSOCKET' : 'RETRY_API', agent.retry),
    ...retry('RETRY_DATABASE', config.databaseRetry),
    TURN_LEASE_MS: ms(config.turnLeaseMs),
    QUESTION_EXPIRES_MS: ms(config.questionExpiresMs),
    SESSION_SECRET: config.sessionSecret === undefined ? 'made at the first start' : 'set',
    SESSION_TTL_HOURS: config.sessionTtlMs / 3_600_000,
    GUIDANCE_DIR: config.guidanceDir,
    SERVICE_NAME: config.serviceName,
    SERVICE_FILE: config.serviceFile ?? 'not set',
    BRAND: config.brand,
    PERSONAL_INFORMATION: config.personalInformation,
    ANSWER_LINK_HOSTS: config.answerLinkHosts.join(', '),
    LOG_LEVEL: config.logLevel,
    LOG_DIR: config.logDir ?? 'not set',
    OPS_TOKEN: isSet(operations.token),
    OPS_PORT: operations.port ?? 'not set',
    OPS_ACTIONS: operations.areActionsOn,
    BUILD_COMMIT: config.buildCommit,
    HEALTH_INTERVAL_MS: ms(config.healthIntervalMs),
    HEALTH_CHECK_TIMEOUT_MS: ms(config.healthCheckTimeoutMs),
    HEALTH_HOLD_MS: ms(config.healthHoldMs),
    DRAIN_MS: ms(config.drainMs),
    READY_WHEN_OFFLINE: config.isReadyWhenOffline,
  }
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value: String(value) }]))
}

function breaker(
  name: string,
  { errorThreshold, volumeThreshold, resetTimeoutMs, resetTimeoutMaxMs }: BreakerConfig,
): Record<string, string> {
  return {
    [`${name}_ERROR_THRESHOLD`]: `${errorThreshold} %`,
    [`${name}_VOLUME_THRESHOLD`]: String(volumeThreshold),
    [`${name}_RESET_TIMEOUT_MS`]: ms(resetTimeoutMs),
    [`${name}_RESET_TIMEOUT_MAX_MS`]: ms(resetTimeoutMaxMs),
  }
}

const retry = (name: string, { attempts, baseDelayMs, maxDelayMs }: RetryConfig): Record<string, string> => ({
  [`${name}_ATTEMPTS`]: String(attempts),
  [`${name}_BASE_DELAY_MS`]: ms(baseDelayMs),
  [`${name}_MAX_DELAY_MS`]: ms(maxDelayMs),
})

/** Scheme, host and port. */
function placeOf(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}
