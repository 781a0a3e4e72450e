import { expect, test } from 'vitest'
import { guaranteeOf } from './redis-guarantee.ts'
import type { ServerFacts } from './redis-server-facts.ts'

const server = (facts: Partial<ServerFacts> = {}): ServerFacts => ({
  version: '7.0.15',
  runId: 'a',
  isMaster: true,
  isCluster: false,
  persistence: 'always',
  replicas: 0,
  evicts: undefined,
  ...facts,
})

test('[L61] what is on the disk before it is answered, and cannot be replaced by a replica, is settled', () => {
  expect(guaranteeOf([server(), server()], 0)).toEqual({ durability: 'fsync', weaknesses: [] })
})

test.each([
  ['everysec', 'once a second'],
  ['no', 'leaves writing to disk to the system'],
  ['off', 'keeps nothing on disk'],
  ['unknown', 'does not say'],
] as const)('[L61] persistence %s is a weakness that is named', (persistence, words) => {
  expect(guaranteeOf([server(), server({ persistence })], 0)).toEqual({
    durability: 'best-effort',
    weaknesses: [expect.stringContaining(words)],
  })
})

test('[L61] replicas that nobody waits for are a weakness, whatever is on the disk', () => {
  expect(guaranteeOf([server({ replicas: 1 })], 0)).toEqual({
    durability: 'best-effort',
    weaknesses: [expect.stringContaining('REDIS_WAIT_REPLICAS=0')],
  })
})

test('[L61] a server that nobody has reached promises nothing', () => {
  expect(guaranteeOf([], 0)).toEqual({ durability: 'best-effort', weaknesses: [] })
  expect(guaranteeOf([server(), undefined], 0)).toMatchObject({ durability: 'best-effort' })
})

test('[L61] with replicas to wait for, what counts is that they are there', () => {
  expect(guaranteeOf([server({ replicas: 2, persistence: 'off' })], 2)).toEqual({ durability: 'replicated', weaknesses: [] })
  expect(guaranteeOf([server({ replicas: 2 }), server({ replicas: 1 })], 2)).toEqual({
    durability: 'replicated',
    weaknesses: ['REDIS_WAIT_REPLICAS asks for 2 and 1 connected: nothing is settled until they are'],
  })
})
