/** Real server processes: what they say when they start, cannot start, stop, and must end. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import path from 'node:path'
import { expect, test } from 'vitest'
import { onAction, type RunningProcess } from './processes.ts'
import { beginServer, startServer, temporaryFolder } from './server-process.ts'

/** What a process that could not start left behind. */
async function failureOf(running: RunningProcess) {
  const { code } = await running.exited
  return { code, said: running.lines, errors: running.errors }
}

test('[O27] the start says in a few readable lines where the service is and what it runs on', async () => {
  using folder = temporaryFolder()
  await using server = beginServer({ dataDir: folder.path, env: { NODE_ENV: 'development' } })
  await server.line((line) => (line.includes('Ctrl-C') ? true : undefined))
  const said = server.lines.filter((line) => line.startsWith('  ')).map((line) => line.trim())
  expect(said).toEqual([
    expect.stringMatching(/^govuk-chat-frontend \d+\.\d+\.\d+$/),
    expect.stringMatching(/^Open +http:\/\/localhost:\d+$/),
    expect.stringMatching(/^Store +SQLite/),
    expect.stringMatching(/^Agent +messages ws:\/\/127\.0\.0\.1:1$/),
    expect.stringMatching(/^Level +limited$/),
    expect.stringMatching(/^Stop +Ctrl-C$/),
  ])
})

test('[O21] settings that cannot be used are all in one message', async () => {
  using folder = temporaryFolder()
  await using server = beginServer({ dataDir: folder.path, env: { PORT: 'high', LOG_LEVEL: 'loud', REDIS_URL: 'redis://localhost' } })
  expect(await failureOf(server)).toEqual({
    code: 1,
    said: server.errors,
    errors: [
      'These settings cannot be used:',
      expect.stringContaining('PORT must be'),
      expect.stringContaining('LOG_LEVEL must be'),
      expect.stringContaining('SESSION_SECRET is required with REDIS_URL'),
    ],
  })
})

test('[O21] a port in use is one message', async () => {
  using folder = temporaryFolder()
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await using server = beginServer({ dataDir: folder.path, env: { PORT: String(port) } })
  const failure = await failureOf(server)
  other.close()
  expect(failure).toEqual({
    code: 1,
    said: server.errors,
    errors: [`Port ${port} on 127.0.0.1 is in use. Stop what uses it, or choose another with PORT=…`],
  })
})

test('[O21] a data folder that cannot be written is one message', async () => {
  using folder = temporaryFolder()
  const file = path.join(folder.path, 'file')
  writeFileSync(file, '')
  await using server = beginServer({ dataDir: path.join(file, 'data') })
  expect(await failureOf(server)).toEqual({
    code: 1,
    said: server.errors,
    errors: [`DATA_DIR cannot be written: ${file}/data (ENOTDIR).`],
  })
})

test('[O21] a second process on the same data folder is told so, and the first goes on', async () => {
  using folder = temporaryFolder()
  await using first = await startServer({ dataDir: folder.path })
  await using second = beginServer({ dataDir: folder.path })
  expect(await failureOf(second)).toEqual({ code: 1, said: second.errors, errors: [expect.stringMatching(/another process/)] })
  expect((await fetch(`${first.url}/live`)).status).toBe(200)
})

test('[O21] a data file that is no database is one message, and is left as it is', async () => {
  using folder = temporaryFolder()
  writeFileSync(path.join(folder.path, 'chat.sqlite'), 'these are not the bytes of a database, and there are enough of them'.repeat(20))
  await using server = beginServer({ dataDir: folder.path })
  expect(await failureOf(server)).toEqual({ code: 1, said: server.errors, errors: [expect.stringContaining('chat.sqlite')] })
})

test('[O24] without an agent the service is ready, and says so', async () => {
  using folder = temporaryFolder()
  await using server = await startServer({ dataDir: folder.path })
  const [live, ready] = await Promise.all(['/live', '/ready'].map(async (at) => fetch(server.url + at)))
  expect([live?.status, ready?.status, await ready?.json()]).toEqual([200, 200, { status: 'ready' }])
})

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '[O25] %s ends the process with code 0, and says nothing on standard error',
  async (signal) => {
    using folder = temporaryFolder()
    await using server = await startServer({ dataDir: folder.path })
    server.signal(signal)
    // The same Ctrl-C, passed on by whoever stands above.
    server.signal(signal)
    await server.line(onAction('sys_shutdown'))
    expect(await server.exited).toEqual({ code: 0, signal: null })
    expect(server.errors).toEqual([])
  },
)

test('[O25] a stopped service starts again where it was', async () => {
  using folder = temporaryFolder()
  const first = await startServer({ dataDir: folder.path })
  expect(await first.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  await using second = await startServer({ dataDir: folder.path })
  expect((await fetch(`${second.url}/ready`)).status).toBe(200)
})

/** Loaded before the server, to make happen what no test can cause from outside. */
function preload(folder: string, source: string): Readonly<Record<string, string>> {
  const file = path.join(folder, 'preload.mjs')
  writeFileSync(file, source)
  return { NODE_OPTIONS: `--import=${file}` }
}

test.each([
  ['an exception nobody caught', `throw new RangeError('Marker')`],
  ['a rejection nobody handled', `Promise.reject(new RangeError('Marker'))`],
])('[O28] %s ends the process with a crash event and code 1', async (_what, fault) => {
  using folder = temporaryFolder()
  const env = preload(folder.path, `process.on('SIGUSR2', () => { ${fault} })`)
  await using server = await startServer({ dataDir: path.join(folder.path, 'data'), env })
  server.signal('SIGUSR2')
  expect(await server.line(onAction('sys_crash', 'error.type'))).toBe('RangeError')
  expect(await server.exited).toEqual({ code: 1, signal: null })
  expect(server.lines.join('\n')).not.toContain('Marker')
})

test('[O28] a store whose thread has ended ends the process', async () => {
  using folder = temporaryFolder()
  const env = preload(
    folder.path,
    `import threads from 'node:worker_threads'
     import { syncBuiltinESMExports } from 'node:module'
     threads.Worker = class extends threads.Worker {
       constructor(...args) { super(...args); process.on('SIGUSR2', () => this.terminate()) }
     }
     syncBuiltinESMExports()`,
  )
  await using server = await startServer({ dataDir: path.join(folder.path, 'data'), env })
  server.signal('SIGUSR2')
  expect(await server.line(onAction('sys_crash', 'error.code'))).toBe('STORE_UNAVAILABLE')
  expect(await server.exited).toEqual({ code: 1, signal: null })
})
