import { expect, test } from 'vitest'
import { ConfigError, readConfig, type ConfigFault, type Environment } from './config.ts'

/** The faults of an environment that must not be accepted. */
function faultsOf(env: Environment): readonly ConfigFault[] {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

const namesOf = (env: Environment): readonly string[] => faultsOf(env).map(({ name }) => name)

test('[O4] without any setting the service has its defaults', () => {
  expect(readConfig({})).toEqual({
    environment: 'development',
    host: '127.0.0.1',
    port: 3000,
    publicOrigin: undefined,
    trustedProxyHops: 0,
    dataDir: './data',
    agent: {
      url: 'ws://127.0.0.1:3001/',
      protocol: 'messages',
      model: undefined,
      apiKey: undefined,
      concurrency: 32,
      firstTokenTimeoutMs: 10_000,
      idleTimeoutMs: 15_000,
      deadlineMs: 120_000,
      breaker: { errorThreshold: 50, volumeThreshold: 5, resetTimeoutMs: 30_000, resetTimeoutMaxMs: 300_000 },
      retry: { attempts: 5, baseDelayMs: 1_000, maxDelayMs: 30_000 },
    },
    turnLeaseMs: 5_000,
    questionExpiresMs: 86_400_000,
    sessionSecret: undefined,
    sessionTtlMs: 86_400_000,
    guidanceDir: './guidance',
    serviceName: 'Ask a question',
    serviceFile: undefined,
    redis: undefined,
    databaseRetry: { attempts: 4, baseDelayMs: 2_000, maxDelayMs: 10_000 },
    brand: 'generic',
    personalInformation: 'warn',
    answerLinkHosts: ['gov.uk'],
    logLevel: 'info',
    logDir: undefined,
    operations: { token: undefined, port: undefined, areActionsOn: false },
    buildCommit: 'unknown',
    healthIntervalMs: 30_000,
    healthHoldMs: 10_000,
    healthCheckTimeoutMs: 2_000,
    drainMs: 25_000,
    isReadyWhenOffline: false,
  })
})

test('[O4] every setting reaches the configuration', () => {
  const secret = 's'.repeat(32)
  const config = readConfig({
    NODE_ENV: 'production',
    HOST: '0.0.0.0',
    PORT: '8080',
    PUBLIC_ORIGIN: 'https://chat.service.gov.uk/',
    TRUSTED_PROXY_HOPS: '2',
    DATA_DIR: '/var/lib/chat',
    AGENT_URL: 'wss://agent.example/{sessionId}',
    AGENT_PROTOCOL: 'messages',
    AGENT_API_KEY: 'key',
    AGENT_CONCURRENCY: '4',
    AGENT_FIRST_TOKEN_TIMEOUT_MS: '1000',
    AGENT_IDLE_TIMEOUT_MS: '2000',
    AGENT_DEADLINE_MS: '3000',
    BREAKER_AI_AGENT_ERROR_THRESHOLD: '100',
    BREAKER_AI_AGENT_VOLUME_THRESHOLD: '3',
    BREAKER_AI_AGENT_RESET_TIMEOUT_MS: '200',
    BREAKER_AI_AGENT_RESET_TIMEOUT_MAX_MS: '200',
    RETRY_WEBSOCKET_ATTEMPTS: '2',
    RETRY_WEBSOCKET_BASE_DELAY_MS: '10',
    RETRY_WEBSOCKET_MAX_DELAY_MS: '20',
    REDIS_URL: 'rediss://:password@redis.example:6380',
    REDIS_KEY_PREFIX: 'permits:',
    REDIS_WAIT_REPLICAS: '2',
    BREAKER_REDIS_ERROR_THRESHOLD: '40',
    BREAKER_REDIS_VOLUME_THRESHOLD: '6',
    BREAKER_REDIS_RESET_TIMEOUT_MS: '300',
    BREAKER_REDIS_RESET_TIMEOUT_MAX_MS: '600',
    RETRY_DATABASE_ATTEMPTS: '3',
    RETRY_DATABASE_BASE_DELAY_MS: '30',
    RETRY_DATABASE_MAX_DELAY_MS: '40',
    TURN_LEASE_MS: '1500',
    QUESTION_EXPIRES_MS: '60000',
    SESSION_SECRET: secret,
    SESSION_TTL_HOURS: '2',
    GUIDANCE_DIR: '/guidance',
    SERVICE_NAME: 'Ask about permits',
    SERVICE_FILE: '/etc/chat/service.yaml',
    PERSONAL_INFORMATION: 'block',
    ANSWER_LINK_HOSTS: 'gov.uk, NHS.uk',
    BRAND: 'govuk',
    LOG_LEVEL: 'debug',
    LOG_DIR: '/var/log/chat',
    OPS_TOKEN: 'o'.repeat(32),
    OPS_PORT: '9090',
    OPS_ACTIONS: 'true',
    BUILD_COMMIT: '54670d4',
    HEALTH_INTERVAL_MS: '1000',
    HEALTH_CHECK_TIMEOUT_MS: '500',
    HEALTH_HOLD_MS: '2500',
    DRAIN_MS: '0',
    READY_WHEN_OFFLINE: 'true',
  })
  expect(config).toEqual({
    environment: 'production',
    host: '0.0.0.0',
    port: 8080,
    publicOrigin: 'https://chat.service.gov.uk',
    trustedProxyHops: 2,
    dataDir: '/var/lib/chat',
    redis: {
      addresses: [{ host: 'redis.example', port: 6380, isTls: true, username: undefined, password: 'password', database: 0 }],
      keyPrefix: 'permits:',
      waitReplicas: 2,
      breaker: { errorThreshold: 40, volumeThreshold: 6, resetTimeoutMs: 300, resetTimeoutMaxMs: 600 },
    },
    databaseRetry: { attempts: 3, baseDelayMs: 30, maxDelayMs: 40 },
    agent: {
      url: 'wss://agent.example/{sessionId}',
      protocol: 'messages',
      model: undefined,
      apiKey: 'key',
      concurrency: 4,
      firstTokenTimeoutMs: 1_000,
      idleTimeoutMs: 2_000,
      deadlineMs: 3_000,
      breaker: { errorThreshold: 100, volumeThreshold: 3, resetTimeoutMs: 200, resetTimeoutMaxMs: 200 },
      retry: { attempts: 2, baseDelayMs: 10, maxDelayMs: 20 },
    },
    turnLeaseMs: 1_500,
    questionExpiresMs: 60_000,
    sessionSecret: secret,
    sessionTtlMs: 7_200_000,
    guidanceDir: '/guidance',
    serviceName: 'Ask about permits',
    serviceFile: '/etc/chat/service.yaml',
    brand: 'govuk',
    personalInformation: 'block',
    answerLinkHosts: ['gov.uk', 'nhs.uk'],
    logLevel: 'debug',
    logDir: '/var/log/chat',
    operations: { token: 'o'.repeat(32), port: 9_090, areActionsOn: true },
    buildCommit: '54670d4',
    healthIntervalMs: 1_000,
    healthHoldMs: 2_500,
    healthCheckTimeoutMs: 500,
    drainMs: 0,
    isReadyWhenOffline: true,
  })
})

test.each([
  ['https://agent.example/v1', undefined, 'large', 'openai'],
  ['http://127.0.0.1:8000/v1', 'openai', 'large', 'openai'],
  ['https://agent.example/run', 'ag-ui', undefined, 'ag-ui'],
  ['wss://agent.example/', undefined, undefined, 'messages'],
] as const)('[O4] an agent at %s, form %s and model %s, speaks %s', (url, form, model, protocol) => {
  const { agent } = readConfig({ AGENT_URL: url, AGENT_PROTOCOL: form, AGENT_MODEL: model, RETRY_API_ATTEMPTS: '7' })
  expect(agent).toMatchObject({ url, protocol, model })
  expect(agent.retry).toEqual(
    protocol === 'messages'
      ? { attempts: 5, baseDelayMs: 1_000, maxDelayMs: 30_000 }
      : { attempts: 7, baseDelayMs: 500, maxDelayMs: 5_000 },
  )
})

test('[O4] an empty or blank setting counts as not set', () => {
  expect(readConfig({ PORT: '', HOST: '  ', REDIS_URL: '' })).toEqual(readConfig({}))
})

test('[O4] the default agent is the simulator on its own port', () => {
  expect(readConfig({ SIMULATOR_PORT: '4001' }).agent.url).toBe('ws://127.0.0.1:4001/')
})

test('[O4] the configuration cannot be changed', () => {
  const config = readConfig({})
  expect(Object.isFrozen(config)).toBe(true)
  expect([config.agent, config.agent.breaker, config.agent.retry].every(Object.isFrozen)).toBe(true)
})

test('[O5] one error lists every fault, with the name and what is allowed', () => {
  const env = { PORT: '99999', LOG_LEVEL: 'loud', DRAIN_MS: '1.5', PUBLIC_ORIGIN: 'https://example.org/chat' }
  expect(faultsOf(env)).toEqual([
    { name: 'PORT', problem: 'must be a whole number from 0 to 65535; what is set is a whole number outside that' },
    {
      name: 'PUBLIC_ORIGIN',
      problem:
        'must be an origin such as https://chat.example.gov.uk, in lower case and without a path; what is set is a URL of another form',
    },
    {
      name: 'LOG_LEVEL',
      problem: 'must be "debug" or "info" or "warn" or "error" or "silent"; what is set is a text of 4 characters',
    },
    { name: 'DRAIN_MS', problem: 'must be a whole number from 0 to 600000; what is set is a number with a fraction' },
  ])
  expect(() => readConfig(env)).toThrow(/PORT[^]*PUBLIC_ORIGIN[^]*LOG_LEVEL[^]*DRAIN_MS/)
})

test.each([
  ['SESSION_SECRET', 'hunter2-hunter2'],
  ['OPS_TOKEN', 'hunter2'],
  ['AGENT_URL', 'wss://user:hunter2@agent.example/'],
  ['AGENT_API_KEY', 'hunter2\u0000'],
  ['PORT', 'hunter2'],
])('[O5] the value of %s is not repeated in the error', (name, value) => {
  expect(namesOf({ [name]: value })).toEqual([name])
  expect(JSON.stringify(new ConfigError(faultsOf({ [name]: value })).message)).not.toContain('hunter2')
})

test.each([
  ['PORT', '-1'],
  ['PORT', '0x10'],
  ['PORT', '80 81'],
  ['AGENT_CONCURRENCY', '0'],
  ['TURN_LEASE_MS', '1e4'],
  ['READY_WHEN_OFFLINE', 'yes'],
  ['PUBLIC_ORIGIN', 'chat.example.org'],
  ['PUBLIC_ORIGIN', 'ftp://chat.example.org'],
  ['PUBLIC_ORIGIN', 'https://user@chat.example.org'],
  ['AGENT_URL', 'agent.example'],
  ['AGENT_URL', 'file:///etc/passwd'],
  ['SERVICE_NAME', 'Ask\nanother'],
  ['NODE_ENV', 'prod'],
  ['BRAND', 'GOVUK'],
  ['BREAKER_AI_AGENT_ERROR_THRESHOLD', '101'],
  ['BREAKER_AI_AGENT_ERROR_THRESHOLD', '0'],
  ['BREAKER_AI_AGENT_VOLUME_THRESHOLD', '0'],
  ['BREAKER_AI_AGENT_RESET_TIMEOUT_MS', '-1'],
  ['RETRY_WEBSOCKET_ATTEMPTS', '0'],
  ['RETRY_WEBSOCKET_BASE_DELAY_MS', '-5'],
  ['OPS_TOKEN', 'short'],
  ['OPS_TOKEN', `${'long'.repeat(10)} with a blank`],
  ['OPS_PORT', '3000'],
  ['OPS_PORT', '65536'],
  ['BUILD_COMMIT', 'main'],
  ['RETRY_WEBSOCKET_MAX_DELAY_MS', '-1'],
  ['RETRY_API_ATTEMPTS', '101'],
  ['RETRY_API_BASE_DELAY_MS', '-1'],
  ['RETRY_API_MAX_DELAY_MS', '1.5'],
  ['BREAKER_AI_AGENT_ERROR_THRESHOLD', '50.5'],
  ['BREAKER_AI_AGENT_RESET_TIMEOUT_MAX_MS', '99999999'],
  ['AGENT_FIRST_TOKEN_TIMEOUT_MS', '0'],
  ['AGENT_IDLE_TIMEOUT_MS', '-1'],
  ['AGENT_DEADLINE_MS', '999'],
  ['HEALTH_INTERVAL_MS', '-30000'],
  ['HEALTH_CHECK_TIMEOUT_MS', '0'],
  ['HEALTH_HOLD_MS', '-1'],
  ['AGENT_API_KEY', 'key’s'],
  ['AGENT_API_KEY', 'a key'],
  ['AGENT_API_KEY', 'key\u{200b}'],
  ['AGENT_PROTOCOL', 'OpenAI'],
  ['AGENT_PROTOCOL', 'synthetic-agents'],
  ['AGENT_URL', 'ftp://agent.example'],
  ['AGENT_URL', 'https://user:secret@agent.example'],
  ['BREAKER_REDIS_VOLUME_THRESHOLD', '0'],
  ['BREAKER_REDIS_ERROR_THRESHOLD', '101'],
  ['RETRY_DATABASE_ATTEMPTS', '0'],
  ['RETRY_DATABASE_MAX_DELAY_MS', '-1'],
  ['REDIS_URL', 'localhost:6379'],
  ['REDIS_URL', 'http://localhost:6379'],
  ['REDIS_URL', 'redis://'],
  ['REDIS_URL', 'redis://localhost/x'],
  ['REDIS_URL', 'redis://localhost?tls=true'],
  ['REDIS_URL', 'redis://one,two'],
  ['REDIS_URL', 'redis://one,redis://two/1'],
  ['REDIS_URL', 'redis://one,rediss://two'],
  ['REDIS_URL', 'redis://:secret@one,redis://two'],
  ['REDIS_KEY_PREFIX', 'chat:'],
  ['REDIS_WAIT_REPLICAS', '1'],
])('[O5] %s=%j is refused', (name, value) => {
  expect(namesOf({ [name]: value })).toEqual([name])
})

test.each([['AGENT_PROTOCOL', 'synthetic-agents']])('[O6] %s=%s is refused as not available in this version', (name, value) => {
  expect(faultsOf({ [name]: value })).toEqual([{ name, problem: expect.stringContaining('not available in this version') }])
})

test.each([undefined, 'https://chat.example.org', 'https://gov.uk.example.org', 'https://notgov.uk', 'http://chat.service.gov.uk'])(
  '[O7] the GOV.UK brand is refused at %s',
  (publicOrigin) => {
    expect(namesOf({ BRAND: 'govuk', PUBLIC_ORIGIN: publicOrigin })).toEqual(['BRAND'])
  },
)

test.each(['https://chat.service.gov.uk', 'https://www.gov.uk'])('[O7] the GOV.UK brand is allowed at %s', (publicOrigin) => {
  expect(readConfig({ BRAND: 'govuk', PUBLIC_ORIGIN: publicOrigin }).brand).toBe('govuk')
})

test.each([undefined, 'http://chat.example.org'])('[O5] production is refused at %s', (publicOrigin) => {
  expect(namesOf({ NODE_ENV: 'production', PUBLIC_ORIGIN: publicOrigin, OPS_PORT: '0' })).toEqual(['PUBLIC_ORIGIN'])
})

test.each(['https://chat.example.org', 'http://localhost:3000'])('[O4] production is allowed at %s', (publicOrigin) => {
  expect(readConfig({ NODE_ENV: 'production', PUBLIC_ORIGIN: publicOrigin, OPS_PORT: '0' }).environment).toBe('production')
})

test('[O86] in production operators need a token or a port of their own', () => {
  const env = { NODE_ENV: 'production', PUBLIC_ORIGIN: 'https://chat.example.org' }
  expect(faultsOf(env)).toEqual([{ name: 'OPS_TOKEN', problem: expect.stringContaining('or OPS_PORT must be set') }])
  expect([namesOf({ ...env, OPS_TOKEN: 'o'.repeat(32) }), namesOf({ ...env, OPS_PORT: '9090' })]).toEqual([[], []])
})

test.each([
  [{ AGENT_URL: 'https://agent.example/v1' }, ['AGENT_MODEL']],
  [{ AGENT_URL: 'https://agent.example', AGENT_PROTOCOL: 'messages' }, ['AGENT_URL']],
  [{ AGENT_URL: 'wss://agent.example', AGENT_PROTOCOL: 'openai' }, ['AGENT_URL', 'AGENT_MODEL']],
  [{ AGENT_PROTOCOL: 'ag-ui', AGENT_MODEL: 'large' }, ['AGENT_MODEL']],
  [{ AGENT_URL: 'https://agent.example', AGENT_PROTOCOL: 'ag-ui', AGENT_MODEL: 'large' }, ['AGENT_MODEL']],
  [{ AGENT_MODEL: 'large' }, ['AGENT_MODEL']],
])('[O5] form, address and model of the agent must belong together: %j', (env, names) => {
  expect(namesOf(env)).toEqual(names)
})

test.each([
  [{}, 'ws://127.0.0.1:4001/', undefined],
  [{ AGENT_PROTOCOL: 'openai' }, 'http://127.0.0.1:4001/v1', 'simulator'],
  [{ AGENT_PROTOCOL: 'openai', AGENT_MODEL: 'large' }, 'http://127.0.0.1:4001/v1', 'large'],
  [{ AGENT_PROTOCOL: 'ag-ui' }, 'http://127.0.0.1:4001/ag-ui', undefined],
])('[O63] without an address the agent is the simulator, in the form that is asked for: %j', (env, url, model) => {
  expect(readConfig({ SIMULATOR_PORT: '4001', ...env }).agent).toMatchObject({ url, model })
})

test('[O5] settings that contradict each other are faults', () => {
  const env = { BREAKER_AI_AGENT_RESET_TIMEOUT_MAX_MS: '29999', RETRY_WEBSOCKET_MAX_DELAY_MS: '999', RETRY_API_MAX_DELAY_MS: '499' }
  expect(namesOf({ ...env, AGENT_DEADLINE_MS: '5000', HEALTH_INTERVAL_MS: '1000' })).toEqual([
    'AGENT_FIRST_TOKEN_TIMEOUT_MS',
    'HEALTH_CHECK_TIMEOUT_MS',
    'BREAKER_AI_AGENT_RESET_TIMEOUT_MAX_MS',
    'RETRY_WEBSOCKET_MAX_DELAY_MS',
    'RETRY_API_MAX_DELAY_MS',
  ])
})

const REDIS = { REDIS_URL: 'redis://redis.example', SESSION_SECRET: 's'.repeat(32) }

test.each([
  ['redis://redis.example', [{ host: 'redis.example', port: 6379, isTls: false, username: undefined, password: undefined, database: 0 }]],
  ['rediss://chat:p%40ss@[::1]:7000/3', [{ host: '::1', port: 7000, isTls: true, username: 'chat', password: 'p@ss', database: 3 }]],
  [
    'redis://:secret@one:1, redis://:secret@two:2/',
    [
      { host: 'one', port: 1, isTls: false, username: undefined, password: 'secret', database: 0 },
      { host: 'two', port: 2, isTls: false, username: undefined, password: 'secret', database: 0 },
    ],
  ],
])('[O70] the store is at %s', (url, addresses) => {
  const { redis } = readConfig({ ...REDIS, REDIS_URL: url })
  expect(redis).toMatchObject({ addresses, keyPrefix: 'chat:', waitReplicas: 0 })
  expect(redis?.breaker).toEqual({ errorThreshold: 50, volumeThreshold: 10, resetTimeoutMs: 30_000, resetTimeoutMaxMs: 300_000 })
})

test('[O70] without REDIS_URL the store is a file, and what was said of Redis is refused', () => {
  expect(readConfig({}).redis).toBeUndefined()
  expect(namesOf({ REDIS_KEY_PREFIX: 'x:', REDIS_WAIT_REPLICAS: '1' })).toEqual(['REDIS_KEY_PREFIX', 'REDIS_WAIT_REPLICAS'])
})

test('[O70] with Redis the secret of the cookies must be given', () => {
  expect(namesOf({ REDIS_URL: REDIS.REDIS_URL })).toEqual(['SESSION_SECRET'])
})

test('[O70] a key prefix that would choose the slot is refused, and others are kept', () => {
  expect(readConfig({ ...REDIS, REDIS_KEY_PREFIX: 'team-a/chat:' }).redis?.keyPrefix).toBe('team-a/chat:')
  for (const prefix of ['a{b}', 'a b', 'é', 'x'.repeat(65)])
    expect(namesOf({ ...REDIS, REDIS_KEY_PREFIX: prefix })).toEqual(['REDIS_KEY_PREFIX'])
})

test('[O71] the retries of the store and the breaker of Redis are those of the settings', () => {
  expect(readConfig({}).databaseRetry).toEqual({ attempts: 4, baseDelayMs: 2_000, maxDelayMs: 10_000 })
  const config = readConfig({ ...REDIS, RETRY_DATABASE_ATTEMPTS: '2', BREAKER_REDIS_VOLUME_THRESHOLD: '3' })
  expect([config.databaseRetry.attempts, config.redis?.breaker.volumeThreshold]).toEqual([2, 3])
  const wrong = { RETRY_DATABASE_BASE_DELAY_MS: '20000', BREAKER_REDIS_RESET_TIMEOUT_MS: '400000' }
  expect(namesOf({ ...REDIS, ...wrong })).toEqual(['BREAKER_REDIS_RESET_TIMEOUT_MAX_MS', 'RETRY_DATABASE_MAX_DELAY_MS'])
})

test('[O5] the password of Redis is not repeated in an error', () => {
  expect(JSON.stringify(faultsOf({ ...REDIS, REDIS_URL: 'redis://:hunter2@one/x' }))).not.toContain('hunter2')
})

test('[O210] operators can act only where they are told to and, on a port of their own, present a token', () => {
  expect([readConfig({}), readConfig({ OPS_ACTIONS: 'true' })].map(({ operations }) => operations.areActionsOn)).toEqual([false, true])
  expect(faultsOf({ OPS_ACTIONS: 'true', OPS_PORT: '9090' })).toEqual([
    { name: 'OPS_ACTIONS', problem: expect.stringContaining('needs OPS_TOKEN') },
  ])
  expect(namesOf({ OPS_ACTIONS: 'true', OPS_PORT: '9090', OPS_TOKEN: 'o'.repeat(32) })).toEqual([])
})
