import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readConfig, type Environment } from './config.ts'
import { shownSettings } from './shown-settings.ts'

const SECRET = 'hush-hush-hush-hush-hush-hush-hush-hush'
const ALL = {
  REDIS_URL: `rediss://someone:${SECRET}@redis.example:6380/2`,
  SESSION_SECRET: SECRET,
  AGENT_URL: `https://agent.example:8443/${SECRET}/v1?key=${SECRET}`,
  AGENT_MODEL: 'm',
  AGENT_API_KEY: SECRET,
  OPS_TOKEN: SECRET,
  OPS_ACTIONS: 'true',
}

const shown = (env: Environment): Readonly<Record<string, string>> =>
  Object.fromEntries(shownSettings(readConfig(env)).map(({ name, value }) => [name, value]))

/** Settings of one store or one form of agent are not shown with another; the simulator’s port is in the agent’s address. */
const NOT_ALWAYS = ['SIMULATOR_PORT']

test('[O205] every setting of docs/settings.md is shown, with the store and the agent that it is for', () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/settings.md'), 'utf8')
  const cells = text.split('\n').flatMap((line) => (line.startsWith('| `') ? [line.split('|')[1] ?? ''] : []))
  const documented = cells.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name))
  const names = new Set([...Object.keys(shown(ALL)), ...Object.keys(shown({}))])
  expect([...names, ...NOT_ALWAYS].toSorted()).toEqual(documented.toSorted())
})

test('[O205] of a secret it is shown whether it is set, and of an address no more than where it is', () => {
  const settings = shown(ALL)
  expect(JSON.stringify(settings)).not.toContain('hush')
  expect(settings).toMatchObject({
    REDIS_URL: 'rediss://redis.example:6380/2',
    AGENT_URL: 'https://agent.example:8443',
    AGENT_API_KEY: 'set',
    SESSION_SECRET: 'set',
    OPS_TOKEN: 'set',
    OPS_ACTIONS: 'true',
  })
  expect(shown({})).toMatchObject({ AGENT_API_KEY: 'not set', OPS_TOKEN: 'not set', SESSION_SECRET: 'made at the first start' })
})
