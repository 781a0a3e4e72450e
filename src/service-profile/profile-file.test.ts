import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { PROFILE_FILE_BYTES_MAX, PROFILE_LOOK_MS } from '../conversation/limits.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { openProfileFile, type ReadText } from './profile-file.ts'

/** A file that the test writes, and what was told of it. */
async function openFile(first: string) {
  const clock = createSimulatedClock()
  const told: string[] = []
  const state: { now: Awaited<ReturnType<ReadText>> } = { now: { ok: true, text: first } }
  const file = await openProfileFile({
    path: 'service.yaml',
    name: 'Ask',
    clock,
    read: async () => state.now,
    onTaken: () => void told.push('taken'),
    onRefused: ({ message }) => void told.push(message),
  })
  const look = async (text: string): Promise<void> => {
    state.now = { ok: true, text }
    await clock.advance(PROFILE_LOOK_MS)
  }
  return { clock, told, state, file, look }
}

test('[W31] the file is looked at again, and what has changed is taken', async () => {
  const { told, file, look } = await openFile('name: One')
  await look('name: One')
  expect([file.current.name, told]).toEqual(['One', []])
  await look('name: Two')
  expect([file.current.name, told]).toEqual(['Two', ['taken']])
})

test('[W31] contents that cannot be used are told once with place and problem, and the ones before stay in force', async () => {
  const { told, file, look, state, clock } = await openFile('name: One')
  const refusal = 'The service file service.yaml cannot be used:\n  line 1: phase must be alpha or beta'
  for (const text of ['phase: x', 'phase: x']) await look(text)
  expect([file.current.name, told]).toEqual(['One', [refusal]])
  state.now = { ok: false, problem: 'the file cannot be read (ENOENT)' }
  for (const _ of [1, 2]) await clock.advance(PROFILE_LOOK_MS)
  expect(told.slice(1)).toEqual(['The service file service.yaml cannot be used:\n  line 1: the file cannot be read (ENOENT)'])
  await look('name: One')
  expect([file.current.name, told.slice(2)]).toEqual(['One', ['taken']])
})

test('[W31] closed, it leaves no timer and looks no more', async () => {
  const { clock, file, told, look } = await openFile('name: One')
  file[Symbol.dispose]()
  expect(clock.waiting).toBe(0)
  await look('name: Two')
  expect(told).toEqual([])
})

test('[W30] a file that is not there, too large or wrong stops the start', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'profile-test-'))
  const open = (name: string, text?: string) => {
    const where = path.join(folder, name)
    if (text !== undefined) writeFileSync(where, text)
    const ignore = (): void => undefined
    return openProfileFile({ path: where, name: 'Ask', clock: createSimulatedClock(), onTaken: ignore, onRefused: ignore })
  }
  await expect(open('none.yaml')).rejects.toThrow(/none\.yaml cannot be used:\n {2}line 1: the file cannot be read \(ENOENT\)/)
  await expect(open('large.yaml', '#'.repeat(PROFILE_FILE_BYTES_MAX + 1))).rejects.toThrow(/larger than 65536 bytes/)
  await expect(open('wrong.yaml', 'a: b')).rejects.toThrow(/line 1: a is not known here/)
  using file = await open('good.yaml', 'name: Ask about permits')
  expect(file.current.name).toBe('Ask about permits')
  rmSync(folder, { recursive: true })
})
