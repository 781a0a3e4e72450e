/** The agent simulator as the program that people start. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { expect, test } from 'vitest'
import { call } from '../src/agent-simulator/test-caller.ts'
import { startProcess, type RunningProcess } from './processes.ts'

const root = path.resolve(import.meta.dirname, '..')
const PROGRAM = 'src/agent-simulator/main.ts'
const urlIn = (line: string): string | undefined => /^Agent simulator listening on (ws:\S+)$/.exec(line)?.[1]

const start = (...args: readonly string[]): RunningProcess =>
  startProcess(PROGRAM, { args: ['--port', '0', '--first-ms', '1', '--chunk-ms', '1', ...args] })

test.each(['SIGTERM', 'SIGINT'] as const)('[M20][M21] the program answers at the place it names and ends at %s', async (signal) => {
  await using program = start()
  const url = await program.line(urlIn)
  await using caller = await call(url)
  caller.ask('How do I stop an answer?')
  expect((await caller.answer()).map(({ content }) => content).join('')).toContain('(/help/stop-an-answer)')
  expect(await program.kill(signal)).toEqual({ code: 0, signal: null })
  expect(await caller.closed).toBe(1001)
  const control = url.replace('ws:', 'http:')
  expect(program.lines).toEqual([
    `Agent simulator listening on ${url}`,
    `Over HTTP at ${control}v1 (openai) and ${control}ag-ui (ag-ui)`,
    `Break it at ${control}`,
  ])
})

test('[M13][M20] faults given as a flag are in force, and a killed agent breaks connections', async () => {
  await using program = start('--faults', 'error count=1, hang afterWords=1')
  const url = await program.line(urlIn)
  await using caller = await call(url)
  caller.ask('Hello')
  expect((await caller.next()).type).toBe('error')
  caller.ask('Hello')
  expect((await caller.next()).type).toBe('response')
  await program.kill('SIGKILL')
  expect(await caller.closed).toBe(1006)
})

test('[M20] a parent process is told where it listens', async () => {
  const child = spawn(process.execPath, [path.join(root, PROGRAM), '--port', '0'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [message]: readonly unknown[] = await once(child, 'message')
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  expect(message).toEqual({
    type: 'ready',
    url: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/$/),
    control: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/),
  })
  expect(await ended).toEqual([0, null])
})

test('[M20] what is wrong is said in one message, with exit code 1', async () => {
  await using program = start()
  const url = await program.line(urlIn)
  const { port } = new URL(url)
  const failures = [
    [
      ['--port', port],
      `The agent simulator cannot listen: port ${port} on 127.0.0.1 is in use. Choose another with --port or SIMULATOR_PORT.`,
    ],
    [['--port', '0', '--faults', 'explode'], 'The agent simulator cannot start:'],
    [['--port', '0', '--guidance', '/nowhere'], 'The guidance pages cannot be used:'],
  ] as const
  for (const [args, message] of failures) {
    await using failing = startProcess(PROGRAM, { args })
    expect(await failing.exited).toEqual({ code: 1, signal: null })
    expect(failing.errors[0]).toBe(message)
    expect(failing.errors.join('\n')).not.toMatch(/^\s+at /m)
  }
})

test('[M20] --help says what there is', async () => {
  await using program = startProcess(PROGRAM, { args: ['--help'] })
  expect(await program.exited).toEqual({ code: 0, signal: null })
  expect(program.lines[0]).toBe('Usage: npm run simulator -- [flags]')
})
