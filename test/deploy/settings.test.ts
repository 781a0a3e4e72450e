/** The service takes the settings that each deployment makes, secrets put in. */
import { expect, test } from 'vitest'
import { readConfig, type Config } from '../../src/app/config.ts'
import { composeService } from './compose.ts'
import { environmentOf, stageOf } from './container-file.ts'
import { onlyContainer } from './manifests.ts'
import { unitEnvironment } from './unit-file.ts'

type Environment = Readonly<Record<string, string>>

/** What whoever deploys puts into the secrets. */
const SECRETS: Environment = {
  SESSION_SECRET: 'a secret for a test, with enough characters',
  AGENT_API_KEY: 'a-key-for-a-test',
  REDIS_URL: 'redis://:password@redis:6379',
}

const inPod = (folder: 'sqlite-single' | 'redis' | 'cdp'): Environment =>
  Object.fromEntries((onlyContainer(folder).env ?? []).map(({ name, value }) => [name, value ?? SECRETS[name] ?? '']))

const image = (target: string, env: Environment): Environment => ({ ...environmentOf(stageOf(target)), ...env })

const DEPLOYMENTS: Readonly<Record<string, Environment>> = {
  'the pod on SQLite': image('service', inPod('sqlite-single')),
  'pods on Redis': image('service', inPod('redis')),
  'pods with DEFRA’s image': image('cdp', inPod('cdp')),
  compose: image('service', { ...composeService('chat').environment, SESSION_SECRET: SECRETS['SESSION_SECRET'] ?? '' }),
  systemd: { ...unitEnvironment(), PUBLIC_ORIGIN: 'https://chat.example.gov.uk', OPS_TOKEN: 'a-token-for-a-test-0123456789abcdef' },
}

const configOf = (name: string): Config => readConfig(DEPLOYMENTS[name] ?? {})

test.each(Object.keys(DEPLOYMENTS))('[O144] the service takes the settings of %s, in production and with its own time to drain', (name) => {
  expect(configOf(name)).toMatchObject({ environment: 'production', drainMs: 25_000 })
})

test('[O144] each deployment has the store that it is named after', () => {
  const onRedis = Object.keys(DEPLOYMENTS).filter((name) => configOf(name).redis !== undefined)
  expect(onRedis).toEqual(['pods on Redis', 'pods with DEFRA’s image', 'compose'])
})

test('[O144] a setting that it would not take is found', () => {
  expect(() => readConfig({ ...DEPLOYMENTS['pods on Redis'], DRAIN_MS: '25s' })).toThrow(/DRAIN_MS/)
  expect(() => readConfig({ ...DEPLOYMENTS['pods on Redis'], OPS_PORT: '' })).toThrow(/OPS_TOKEN/)
})
