/** What `npm start` runs: the script that starts simulator and server, as a tree of real processes. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { ApiClient } from './api-client.ts'
import { createHeldAgent } from './held-agent.ts'
import { onAction, startProcess, type RunningProcess } from './processes.ts'
import { NO_AGENT, temporaryFolder } from './server-process.ts'

/** The script, in a group that gets a Ctrl-C as a terminal would give it. What comes before it (`npm-scripts.test.ts`) could install. */
const npmStart = (dataDir: string, env: Readonly<Record<string, string>> = {}): RunningProcess =>
  startProcess('scripts/start.ts', {
    env: { PORT: '0', SIMULATOR_PORT: '0', DATA_DIR: dataDir, ...env },
    isGroup: true,
  })

const serverUrl = (tree: RunningProcess): Promise<string> => tree.line(onAction('sys_startup', 'url.full'))
const simulatorUrl = (tree: RunningProcess): Promise<string> =>
  tree.line((line) => (line.startsWith('simulator: ') ? /\bws:\/\/\S+/.exec(line)?.[0] : undefined))

/** Whether anything answers there. */
const isServed = (url: string): Promise<boolean> =>
  fetch(url.replace(/^ws/, 'http')).then(
    () => true,
    () => false,
  )

/** The process that runs this script for the tree. */
function childOf(tree: RunningProcess, script: string): number {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
  const found = stdout.split('\n').find((line) => line.includes(script) && Number(line.trim().split(/\s+/)[1]) === tree.pid)
  if (found === undefined) throw new Error(`${script} does not run`)
  return Number(found.trim().split(/\s+/)[0])
}

test('[O32] it starts both, an answer comes from the simulator, and Ctrl-C ends both', async () => {
  using folder = temporaryFolder()
  await using tree = npmStart(folder.path)
  const [server, simulator] = await Promise.all([serverUrl(tree), simulatorUrl(tree)])
  const person = new ApiClient(server)
  const session = await person.createSession()
  await person.ask(session, 'What happens to my question when the assistant is down?')
  const answer = await person.until(session, (messages) => messages.find(({ status }) => status === 'complete'))
  expect(answer.content.length).toBeGreaterThan(20)
  expect(await isServed(simulator)).toBe(true)

  // Once from the terminal, and once more from npm, which passes it on.
  tree.signal('SIGINT')
  expect(await tree.kill('SIGINT')).toEqual({ code: 0, signal: null })
  expect([await isServed(server), await isServed(simulator)]).toEqual([false, false])
})

test.each(['openai', 'ag-ui'])('[O63] AGENT_PROTOCOL=%s asks the simulator that it started in that form', async (form) => {
  using folder = temporaryFolder()
  await using tree = npmStart(folder.path, { AGENT_PROTOCOL: form, DRAIN_MS: '0' })
  const person = new ApiClient(await serverUrl(tree))
  const session = await person.createSession()
  await person.ask(session, 'What happens to my question when the assistant is down?')
  const answer = await person.until(session, (messages) => messages.find(({ role, content }) => role === 'assistant' && content !== ''))
  expect(['streaming', 'complete']).toContain(answer.status)
  expect(await tree.kill('SIGINT')).toEqual({ code: 0, signal: null })
})

test('[O32] SIGTERM to the script alone ends both', async () => {
  using folder = temporaryFolder()
  await using tree = npmStart(folder.path)
  const [server, simulator] = await Promise.all([serverUrl(tree), simulatorUrl(tree)])
  process.kill(tree.pid, 'SIGTERM')
  expect(await tree.exited).toEqual({ code: 0, signal: null })
  expect([await isServed(server), await isServed(simulator)]).toEqual([false, false])
})

test('[O32] with an agent of its own no simulator is started', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  await using tree = npmStart(folder.path, { AGENT_URL: agent.url })
  await serverUrl(tree)
  expect(tree.lines.filter((line) => line.startsWith('simulator'))).toEqual([])
  expect(await tree.kill('SIGINT')).toEqual({ code: 0, signal: null })
})

test('[O32] killed without warning it leaves nothing running', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  await using tree = npmStart(folder.path, { AGENT_URL: agent.url })
  const server = await serverUrl(tree)
  // The scripts are gone at once; what they started sees that and stops in order.
  tree.signal('SIGKILL')
  await tree.line(onAction('sys_shutdown'))
  expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' })
  expect(await isServed(server)).toBe(false)
})

test('[O33] when the simulator ends the server goes on, and a line says how to start it again', async () => {
  using folder = temporaryFolder()
  await using tree = npmStart(folder.path)
  const [server] = await Promise.all([serverUrl(tree), simulatorUrl(tree)])
  process.kill(childOf(tree, 'src/agent-simulator/main.ts'), 'SIGKILL')
  await tree.line((line) => (line === 'To start it again: npm run simulator' ? line : undefined))
  expect(await isServed(server)).toBe(true)
  expect(await tree.kill('SIGINT')).toEqual({ code: 0, signal: null })
})

test('[O33] when the simulator cannot start, the script ends with its message and its exit code, and starts no server', async () => {
  using folder = temporaryFolder()
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' ? String(address?.port) : ''
  await using tree = npmStart(folder.path, { SIMULATOR_PORT: port })
  expect(await tree.exited).toEqual({ code: 1, signal: null })
  other.close()
  expect(tree.errors.filter((line) => line.includes(port) && line.includes('in use')).length).toBe(1)
  expect(tree.lines.filter((line) => line.includes('sys_startup'))).toEqual([])
})

test('[O33] when the server cannot start, the script ends with its exit code and its message', async () => {
  using folder = temporaryFolder()
  await using tree = npmStart(folder.path, { AGENT_URL: NO_AGENT, LOG_LEVEL: 'loud' })
  expect(await tree.exited).toEqual({ code: 1, signal: null })
  expect(tree.errors).toContainEqual(expect.stringContaining('LOG_LEVEL must be'))
})
