import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createLogFiles, realDisk, type LogDisk } from './log-files.ts'

const DAY_MS = 86_400_000
const NOON = Date.UTC(2026, 0, 5, 12)
const MEGABYTE = 1024 * 1024

function createPlay(changes: Partial<LogDisk> = {}) {
  const folder = path.join(mkdtempSync(path.join(os.tmpdir(), 'chat-log-files-')), 'logs')
  onTestFinished(() => rmSync(path.dirname(folder), { recursive: true }))
  const state = { now: NOON, monotonic: 0 }
  const dropped: string[] = []
  const failures: unknown[] = []
  const options = {
    folder,
    now: () => state.now,
    monotonic: () => state.monotonic,
    disk: { ...realDisk, ...changes },
    dropped: (reason: string) => void dropped.push(reason),
    failed: (cause: unknown) => void failures.push(cause),
  }
  return {
    folder,
    state,
    dropped,
    failures,
    write: createLogFiles(options),
    /** Another process on the same folder. */
    again: () => createLogFiles(options),
    names: () => readdirSync(folder).toSorted(),
    text: (name: string) => readFileSync(path.join(folder, name), 'utf8'),
  }
}

test('[O95] a line is in its file before the call returns, and one about an error in both', () => {
  const { write, names, text } = createPlay()
  write('info', '{"a":1}\n')
  expect(text('application-2026-01-05.log')).toBe('{"a":1}\n')
  write('warn', '{"b":2}\n')
  write('error', '{"c":3}\n')
  expect(text('application-2026-01-05.log')).toBe('{"a":1}\n{"b":2}\n{"c":3}\n')
  expect([text('error-2026-01-05.log'), names()]).toEqual(['{"c":3}\n', ['application-2026-01-05.log', 'error-2026-01-05.log']])
})

test('[O96] a new day and 20 MB begin a new file', () => {
  const { write, state, names, text } = createPlay()
  const long = `${'x'.repeat(MEGABYTE - 1)}\n`
  for (let count = 0; count < 21; count += 1) write('info', long)
  write('info', 'after\n')
  state.now += DAY_MS
  write('info', 'tomorrow\n')
  expect(names()).toEqual(['application-2026-01-05.1.log', 'application-2026-01-05.log', 'application-2026-01-06.log'])
  expect(text('application-2026-01-05.log')).toHaveLength(20 * MEGABYTE)
  expect(text('application-2026-01-05.1.log')).toBe(`${long}after\n`)
})

test('[O96] a process that starts goes on with the newest file of the day, and below a line that was cut off', () => {
  const { write, again, folder, text, names } = createPlay()
  write('info', 'one\n')
  const second = again()
  second('info', 'two\n')
  writeFileSync(path.join(folder, 'application-2026-01-05.3.log'), 'cut o')
  const third = again()
  third('info', 'three\n')
  expect(text('application-2026-01-05.log')).toBe('one\ntwo\n')
  expect([text('application-2026-01-05.3.log'), names().length]).toEqual(['cut o\nthree\n', 2])
})

test('[O96] lines are kept for 14 days, errors for 30, and nothing else in the folder is touched', () => {
  const { write, state, folder, names } = createPlay()
  write('error', 'first\n')
  const kept = ['application-2025-12-23.log', 'application-2025-12-23.4.log', 'error-2025-12-07.2.log', 'notes.log', 'error-2020-01-01.txt']
  const old = ['application-2025-12-22.log', 'application-2024-02-29.7.log', 'error-2025-12-06.1.log']
  for (const name of [...kept, ...old]) writeFileSync(path.join(folder, name), '')
  state.now += DAY_MS
  write('error', 'second\n')
  const today = ['application-2026-01-05.log', 'application-2026-01-06.log', 'error-2026-01-05.log', 'error-2026-01-06.log']
  expect(names()).toEqual([...kept, ...today].toSorted())
})

test('[O96] when the clock was set, nobody knows what is old, and nothing is removed', () => {
  const { write, state, folder, names } = createPlay()
  write('info', 'now\n')
  writeFileSync(path.join(folder, 'application-2026-01-04.log'), '')
  state.now += 365 * DAY_MS
  write('info', 'a year later\n')
  expect(names()).toEqual(['application-2026-01-04.log', 'application-2026-01-05.log', 'application-2027-01-05.log'])
})

test('[O97] a full disk costs lines, which are counted and told once, and writing goes on when there is space', () => {
  const disk = { isFull: true }
  const { write, state, dropped, failures, text } = createPlay({
    write: (descriptor, bytes) => {
      if (disk.isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      return realDisk.write(descriptor, bytes)
    },
  })
  write('info', 'lost\n')
  write('info', 'not even tried\n')
  state.monotonic += 10_000
  write('info', 'tried\n')
  expect([dropped, failures.length]).toEqual([['file', 'file', 'file'], 1])
  disk.isFull = false
  state.monotonic += 10_000
  write('info', 'written\n')
  expect([text('application-2026-01-05.log'), dropped.length]).toEqual(['written\n', 3])
  disk.isFull = true
  write('info', 'lost again\n')
  expect(failures).toHaveLength(2)
})

test('[O97] a line that is cut off in its middle does not swallow the next one', () => {
  let room = 4
  const { write, state, text } = createPlay({
    write: (descriptor, bytes) => {
      if (room === 0) throw new Error('full')
      const written = realDisk.write(descriptor, bytes.subarray(0, room))
      room -= written
      return written
    },
  })
  write('info', '{"first":1}\n')
  room = 100
  state.monotonic += 10_000
  write('info', '{"second":2}\n')
  expect(text('application-2026-01-05.log')).toBe('{"fi\n{"second":2}\n')
})

test('[O97] a folder that cannot be made is told with its cause', () => {
  const { write, failures, dropped } = createPlay({ makeFolder: () => realDisk.makeFolder('/dev/null/logs') })
  write('error', 'lost\n')
  expect([failures.map((cause) => Object(cause).code), dropped]).toEqual([
    ['ENOTDIR', 'ENOTDIR'],
    ['file', 'file'],
  ])
})

test('[O97] a flood of lines fills no more than fifty files a day', () => {
  const { write, dropped, failures, names } = createPlay({ sizeOf: () => 20 * MEGABYTE })
  write('info', 'too much\n')
  expect([names().length, dropped, failures.length]).toEqual([50, ['quota'], 1])
})
