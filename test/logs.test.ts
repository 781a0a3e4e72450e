/** The log of real processes: killed, with a reader that has stalled, and with a folder that cannot be written. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ApiClient } from './api-client.ts'
import { freePort } from './free-port.ts'
import { createHeldAgent } from './held-agent.ts'
import { metricsText, samplesIn, untilMetrics } from './metrics-page.ts'
import { END_WITH_PARENT, onAction } from './processes.ts'
import { NO_AGENT, startServer, temporaryFolder } from './server-process.ts'

test('[O95][O102] every line that was said is in the file, also when the process is killed', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const logDir = path.join(folder.path, 'logs')
  await using server = await startServer({
    dataDir: path.join(folder.path, 'data'),
    agentUrl: agent.url,
    env: { LOG_DIR: logDir, LOG_LEVEL: 'debug' },
  })
  const person = new ApiClient(server.url)
  const session = await person.createSession()
  await Promise.all(Array.from({ length: 10 }, (_, index) => person.ask(session, `Question ${index}`)))
  await agent.asked()
  await server.line(onAction('turn.started'))
  await server.kill('SIGKILL')
  const [name = ''] = readdirSync(logDir).filter((file) => file.startsWith('application-'))
  expect(name).toMatch(/^application-\d{4}-\d\d-\d\d\.log$/)
  const written = readFileSync(path.join(logDir, name), 'utf8').split('\n')
  // The file is written first, so it may have one line more than whoever read the output.
  const said = server.lines.filter((line) => line.startsWith('{'))
  expect(written.slice(0, said.length)).toEqual(said)
  expect(written.length - said.length).toBeLessThanOrEqual(2)
  expect(said.filter((line) => onAction('message.accepted')(line) !== undefined)).toHaveLength(10)
})

test('[O94] a process whose output nobody reads goes on, and counts the lines that it costs', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const child = spawn(process.execPath, ['--import', END_WITH_PARENT, 'src/app/main.ts'], {
    cwd: path.resolve(import.meta.dirname, '..'),
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'test',
      PORT: String(port),
      DATA_DIR: folder.path,
      AGENT_URL: NO_AGENT,
      LOG_LEVEL: 'debug',
    },
    // The output is a pipe that is never read from.
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  })
  const ended = once(child, 'exit')
  try {
    const url = `http://127.0.0.1:${port}`
    await untilAnswered(`${url}/live`)
    let dropped = 0
    while (dropped === 0) {
      // Each is a line of the log; a pipe holds a few hundred.
      await Promise.all(Array.from({ length: 100 }, async () => (await fetch(`${url}/nothing`)).text()))
      dropped = samplesIn(await metricsText(url)).get('chat_log_dropped_total{reason="stalled"}') ?? 0
    }
    expect((await fetch(`${url}/live`)).status).toBe(200)
  } finally {
    child.kill('SIGKILL')
    await ended
  }
})

/** Asks until somebody answers; a test that asks in vain is ended by its own time limit. */
async function untilAnswered(url: string): Promise<void> {
  for (;;) {
    try {
      return void (await fetch(url)).body?.cancel()
    } catch {
      await pause(50)
    }
  }
}

test('[O97] a folder for logs that cannot be written costs lines there, and is said where lines still go', async () => {
  using folder = temporaryFolder()
  await using server = await startServer({ dataDir: folder.path, env: { LOG_DIR: '/dev/null/logs' } })
  expect(await server.line(onAction('log.files_failed', 'error.code'))).toBe('ENOTDIR')
  await untilMetrics(server.url, (samples) => ((samples.get('chat_log_dropped_total{reason="file"}') ?? 0) > 0 ? true : undefined))
  expect((await fetch(`${server.url}/live`)).status).toBe(200)
})
