/** The systemd unit for a plain server. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { environmentOf, lastOf, listOf, stageOf } from './container-file.ts'
import { unknownSettings } from './settings.ts'
import { readUnit, UNIT_FILE, unitEnvironment } from './unit-file.ts'

const service = readUnit()['Service'] ?? {}

test('[O153] the unit starts what the image starts, and starts it again whenever it ends', () => {
  const [command = ''] = service['ExecStart'] ?? []
  expect(command.split(' ').slice(1)).toEqual(listOf(lastOf(stageOf('service'), 'CMD')))
  expect(command).toMatch(/^\/\S+\/node /)
  expect([service['Restart'], service['KillSignal'], readUnit()['Unit']?.['StartLimitIntervalSec']]).toEqual([
    ['always'],
    ['SIGTERM'],
    ['0'],
  ])
})

test('[O153] the unit runs as nobody in particular, and can write its data folder alone', () => {
  expect(service).toMatchObject({
    DynamicUser: ['yes'],
    ProtectSystem: ['strict'],
    ProtectHome: ['yes'],
    NoNewPrivileges: ['yes'],
    CapabilityBoundingSet: [''],
    StateDirectoryMode: ['0700'],
  })
  expect(unitEnvironment()['DATA_DIR']).toBe(`/var/lib/${service['StateDirectory']?.[0]}`)
})

test('[O144][O153] every environment variable of the unit is a setting, and those that the image sets are the same', () => {
  const ours = unitEnvironment()
  expect(unknownSettings(Object.keys(ours))).toEqual([])
  const image = environmentOf(stageOf('service'))
  expect(['NODE_ENV', 'NODE_OPTIONS'].map((name) => ours[name])).toEqual(['NODE_ENV', 'NODE_OPTIONS'].map((name) => image[name]))
})

test('[O153] systemd knows every setting of the unit, where there is a systemd', () => {
  const result = spawnSync('systemd-analyze', ['verify', UNIT_FILE], { encoding: 'utf8' })
  // Elsewhere Node has another place; whether it is there is for that machine to say.
  const said = (result.stderr ?? '').split('\n').filter((line) => line !== '' && !/is not executable/.test(line))
  expect(said).toEqual([])
})
