/** The Redis configuration files: taken by a real Redis, and saying what the guarantees need. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { ApiClient } from '../api-client.ts'
import { freePort } from '../free-port.ts'
import { startProgram, type RunningProcess } from '../processes.ts'
import { startServer, startSimulator, temporaryFolder } from '../server-process.ts'
import { root } from './container-file.ts'

const redisServer = process.env['REDIS_SERVER_PATH'] ?? '/usr/bin/redis-server'
const FILES = ['redis.conf', 'replicated.conf', 'cluster.conf'] as const

/** The lines of one whole reply: a status, an error, or a flat array of strings without line ends in them. */
function readReply(text: string): readonly string[] | undefined {
  const lines = text.split('\r\n').slice(0, -1)
  const [head = ''] = lines
  if (!head.startsWith('*')) return lines.length === 1 ? lines : undefined
  return lines.length === 1 + 2 * Number(head.slice(1)) ? lines.filter((_line, index) => index > 0 && index % 2 === 0) : undefined
}

/** Asks a Redis one thing over its socket. */
async function ask(socketPath: string, command: string): Promise<readonly string[]> {
  const socket = connect(socketPath)
  await once(socket, 'connect')
  socket.write(`${command}\r\n`)
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    const reply = readReply(text)
    if (reply !== undefined) return reply
  }
  throw new Error(`no reply to ${command}: ${text}`)
}

/** What a Redis that was started with the file says it is set to, and what it says to a write. */
async function runWith(file: string): Promise<{ readonly settings: Readonly<Record<string, string>>; readonly written: string }> {
  using folder = temporaryFolder()
  const socketPath = path.join(folder.path, 'redis.sock')
  await using redis = startProgram(redisServer, {
    name: 'redis-server',
    args: [path.join(root, 'deploy/redis', file), '--port', '0', '--dir', folder.path, '--unixsocket', socketPath],
    cwd: folder.path,
    env: {},
  })
  await redis.line((line) => (line.includes('Ready to accept connections') || existsSync(socketPath) ? true : undefined))
  const pairs = await ask(socketPath, 'CONFIG GET *')
  const settings = Object.fromEntries(pairs.flatMap((name, index) => (index % 2 === 0 ? [[name, pairs[index + 1] ?? '']] : [])))
  const [written = ''] = await ask(socketPath, 'SET a b')
  return { settings, written }
}

/** On disk before it is answered, and never thrown away. */
const DURABLE = {
  appendonly: 'yes',
  appendfsync: 'always',
  'no-appendfsync-on-rewrite': 'no',
  'aof-load-truncated': 'yes',
  save: '',
  'maxmemory-policy': 'noeviction',
  'protected-mode': 'yes',
}
const REPLICATED = { 'min-replicas-to-write': '1', 'min-replicas-max-lag': '10', 'replica-serve-stale-data': 'no' }

test('[O154] redis.conf makes every write durable before it is answered, and never throws anything away', async () => {
  const { settings, written } = await runWith('redis.conf')
  expect(settings).toMatchObject({ ...DURABLE, 'min-replicas-to-write': '0', 'cluster-enabled': 'no' })
  expect(written).toBe('+OK')
})

test('[O154] replicated.conf does the same, and a primary without replicas takes no writes', async () => {
  const { settings, written } = await runWith('replicated.conf')
  expect(settings).toMatchObject({ ...DURABLE, ...REPLICATED, 'cluster-enabled': 'no' })
  expect(written).toMatch(/^-NOREPLICAS /)
})

test('[O154] cluster.conf does the same on every node, and a lost primary takes only its own sessions offline', async () => {
  const { settings, written } = await runWith('cluster.conf')
  expect(settings).toMatchObject({
    ...DURABLE,
    ...REPLICATED,
    'cluster-enabled': 'yes',
    'cluster-node-timeout': '5000',
    'cluster-require-full-coverage': 'no',
    'cluster-allow-reads-when-down': 'no',
    'cluster-migration-barrier': '2',
  })
  // A node of a cluster, with no slots of its own yet.
  expect(written).toMatch(/^-CLUSTERDOWN /)
})

test('[O155] questions are kept and answered on a Redis that redis.conf sets up, by a process that needs no disk, and are there after both were killed', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const start = (): RunningProcess =>
    startProgram(redisServer, {
      name: 'redis-server',
      args: [path.join(root, 'deploy/redis/redis.conf'), '--port', String(port), '--bind', '127.0.0.1', '--dir', folder.path],
      cwd: folder.path,
      env: {},
    })
  const ready = (line: string): true | undefined => (line.includes('Ready to accept connections') ? true : undefined)
  const env = { REDIS_URL: `redis://127.0.0.1:${port}`, SESSION_SECRET: 'a secret for a test, with enough characters' }
  // A file: nothing can be written in it.
  const dataDir = path.join(root, 'package.json')
  await using agent = await startSimulator('--first-ms', '1', '--chunk-ms', '1')
  await using firstRedis = start()
  await firstRedis.line(ready)
  await using first = await startServer({ dataDir, agentUrl: agent.url, env })
  const person = new ApiClient(first.url)
  const session = await person.createSession()
  await person.ask(session, 'What happens to my question when the assistant is down?')
  const before = await person.until(session, (messages) => (messages.some(({ status }) => status === 'complete') ? messages : undefined))

  await Promise.all([firstRedis.kill('SIGKILL'), first.kill('SIGKILL')])
  await using secondRedis = start()
  await secondRedis.line(ready)
  await using second = await startServer({ dataDir, agentUrl: agent.url, env })
  person.moveTo(second.url)
  expect(await person.messages(session)).toEqual(before)
  expect(before.map(({ role }) => role)).toEqual(['user', 'assistant'])
})

test('[O154] what the files have in common is the same in all of them, and no password stands in any', () => {
  const settingsOf = (file: string): readonly string[] =>
    readFileSync(path.join(root, 'deploy/redis', file), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
  const [single = [], ...others] = FILES.map(settingsOf)
  for (const other of others) expect(single.filter((line) => !other.includes(line))).toEqual([])
  expect(FILES.flatMap(settingsOf).filter((line) => /requirepass|masterauth|^user /.test(line))).toEqual([])
})
