import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { createClock, createLineWriter, createPorts } from './ports.ts'

test('[O22] sleeping ends with the time, and at once when aborted, leaving no listener behind', async () => {
  const clock = createClock()
  const aborter = new AbortController()
  const before = clock.monotonic()
  await clock.sleep(5, aborter.signal)
  expect(clock.monotonic() - before).toBeGreaterThanOrEqual(4)
  expect(getEventListeners(aborter.signal, 'abort')).toEqual([])

  const long = clock.sleep(3_600_000, aborter.signal)
  const reason = new Error('enough')
  aborter.abort(reason)
  await expect(long).rejects.toBe(reason)
  await expect(clock.sleep(1, aborter.signal)).rejects.toBe(reason)
  expect(getEventListeners(aborter.signal, 'abort')).toEqual([])
})

test('[O22] what was scheduled runs once, unless it was called off', async () => {
  const clock = createClock()
  const ran: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const callOff = clock.schedule(1, () => ran.push('called off'))
  clock.schedule(1, () => ran.push('first'))
  clock.schedule(5, resolve)
  callOff()
  callOff()
  await promise
  expect(ran).toEqual(['first'])
})

test('[O22] a wait longer than one timer of the platform does not end at once', async () => {
  const clock = createClock()
  let hasRun = false
  const callOff = clock.schedule(2 ** 31 + 5, () => {
    hasRun = true
  })
  await clock.sleep(5, new AbortController().signal)
  callOff()
  expect(hasRun).toBe(false)
})

test('[O22] chance is in [0, 1), bytes and digests are what they should be', () => {
  const { chance, randomBytes, digest } = createPorts()
  const chances = Array.from({ length: 100 }, chance)
  expect(chances.every((value) => value >= 0 && value < 1)).toBe(true)
  expect(randomBytes(16)).toHaveLength(16)
  expect(randomBytes(16)).not.toEqual(randomBytes(16))
  expect(digest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

test('[O14] a line is in the file before the writer returns, and a writer that cannot throws', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chat-lines-'))
  const file = path.join(folder, 'log')
  const fd = openSync(file, 'a')
  const write = createLineWriter(fd)
  write('one\n')
  expect(readFileSync(file, 'utf8')).toBe('one\n')
  write('größer\n')
  expect(readFileSync(file, 'utf8')).toBe('one\ngrößer\n')
  closeSync(fd)
  rmSync(folder, { recursive: true })
  expect(() => createLineWriter(9_999)('lost\n')).toThrow('EBADF')
})

test('[O14] a reader that has stalled costs a line and not the next one', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chat-lines-'))
  const pipe = path.join(folder, 'pipe')
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  const write = createLineWriter(fd)
  expect(() => write(`${'x'.repeat(1_000_000)}\n`)).toThrow('EAGAIN')

  const cutOff = Buffer.alloc(2_000_000)
  const length = readSync(fd, cutOff)
  expect(cutOff.subarray(0, length).every((byte) => byte === 'x'.charCodeAt(0))).toBe(true)
  write('next\n')
  const next = Buffer.alloc(100)
  expect(next.toString('utf8', 0, readSync(fd, next))).toBe('\nnext\n')
  closeSync(fd)
  rmSync(folder, { recursive: true })
})
