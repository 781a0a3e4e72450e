import path from 'node:path'
import { expect, test } from 'vitest'
import { readFlags } from './flags.ts'

const bundled = path.resolve(import.meta.dirname, '../../guidance')

test('[M20] without flags it listens on loopback, normal, with the bundled guidance', () => {
  expect(readFlags([], {})).toEqual({
    type: 'run',
    flags: {
      host: '127.0.0.1',
      port: 3001,
      plan: { script: [{ fault: 'normal', rate: 1 }], repeat: false },
      seed: 1,
      pace: { firstMs: 400, chunkMs: 40 },
      guidanceFolder: bundled,
      serviceUrl: 'http://127.0.0.1:3000',
    },
  })
})

test('[M20] every flag counts', () => {
  const args = ['--port', '0', '--host', '::1', '--faults', 'cut count=1, normal', '--first-ms', '1', '--chunk-ms=2', '--seed', '3']
  expect(readFlags([...args, '--guidance', '/pages', '--service', 'https://chat.test/'], {})).toMatchObject({
    type: 'run',
    flags: {
      host: '::1',
      port: 0,
      plan: { script: [{ fault: 'cut', count: 1 }, { fault: 'normal' }] },
      seed: 3,
      pace: { firstMs: 1, chunkMs: 2 },
      guidanceFolder: path.resolve('/pages'),
      serviceUrl: 'https://chat.test',
    },
  })
  expect(readFlags(['--service', 'none'], {})).toMatchObject({ flags: { serviceUrl: undefined } })
})

test('[M20] the environment counts where a flag is not given', () => {
  const env = { SIMULATOR_PORT: ' 4001 ', GUIDANCE_DIR: '/pages', PORT: '4000' }
  expect(readFlags([], env)).toMatchObject({
    flags: { port: 4_001, guidanceFolder: path.resolve('/pages'), serviceUrl: 'http://127.0.0.1:4000' },
  })
  expect(readFlags([], { PORT: 'none' })).toMatchObject({ flags: { serviceUrl: 'http://127.0.0.1:3000' } })
  expect(readFlags(['--port', '5001', '--guidance', '/others'], env)).toMatchObject({
    flags: { port: 5_001, guidanceFolder: path.resolve('/others') },
  })
  expect(readFlags([], { SIMULATOR_PORT: '', GUIDANCE_DIR: ' ' })).toMatchObject({ flags: { port: 3_001, guidanceFolder: bundled } })
})

test('[M20] everything that is wrong is said at once', () => {
  expect(
    readFlags(['--port', '65536', '--seed', '-1'.slice(1) + 'x', '--chunk-ms', '1.5', '--host', '', '--faults', 'x, cut a=1'], {}),
  ).toEqual({
    type: 'wrong',
    problems: [
      expect.stringMatching(/^--faults: script\.0\.fault must be one of normal, slow, /),
      '--faults: script.1.a is not a setting of this fault',
      '--port must be a whole number from 0 to 65535',
      '--seed must be a whole number from 0 to 4294967295',
      '--chunk-ms must be a whole number from 0 to 3600000',
      '--host must not be empty',
    ],
  })
})

test.each([[['--frob']], [['extra']], [['--port']]])('[M20] %j is refused', (args) => {
  const result = readFlags(args, {})
  expect(result.type).toBe('wrong')
  expect(result.type === 'wrong' ? result.problems : []).toEqual([expect.stringMatching(/^\S.+[^.]$/)])
})

test('[M20] help is asked for with --help', () => {
  expect(readFlags(['--help', '--port', 'x'], {})).toEqual({ type: 'help' })
})
