import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keptSecret, prepareDataFolder } from './data-folder.ts'
import { createPorts } from './ports.ts'
import { StartError } from './start-error.ts'

const { randomBytes } = createPorts()
let parent: string
let folder: string

beforeEach(() => {
  parent = mkdtempSync(path.join(os.tmpdir(), 'chat-data-'))
  folder = path.join(parent, 'deep', 'data')
  prepareDataFolder(folder)
})

afterEach(() => rmSync(parent, { recursive: true, force: true }))

const modeOf = (place: string): number => statSync(place).mode & 0o777

test('[O8] the data folder is made for its owner only, and left empty', () => {
  expect(modeOf(folder)).toBe(0o700)
  expect(readdirSync(folder)).toEqual([])
})

test('[O8] the secret is made once, for its owner only, and used again', () => {
  const made = keptSecret(folder, randomBytes)
  expect(made).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(keptSecret(folder, randomBytes)).toBe(made)
  expect(readdirSync(folder)).toEqual(['session-secret'])
  expect(modeOf(path.join(folder, 'session-secret'))).toBe(0o600)
})

test('[O8] two folders have two secrets', () => {
  const other = path.join(parent, 'other')
  mkdirSync(other)
  expect(keptSecret(other, randomBytes)).not.toBe(keptSecret(folder, randomBytes))
})

test('[O8] what a crash left half made is replaced', () => {
  writeFileSync(path.join(folder, `session-secret.${process.pid}`), 'half')
  const made = keptSecret(folder, randomBytes)
  expect(keptSecret(folder, randomBytes)).toBe(made)
})

test('[O8] a damaged secret is never replaced by itself', () => {
  writeFileSync(path.join(folder, 'session-secret'), 'short\n')
  expect(() => keptSecret(folder, randomBytes)).toThrow(StartError)
})

test('[O21] a folder that cannot be made is one clear message', () => {
  const file = path.join(parent, 'a-file')
  writeFileSync(file, '')
  expect(() => prepareDataFolder(path.join(file, 'data'))).toThrow(/^DATA_DIR cannot be written: .*a-file\/data \(ENOTDIR\)\.$/)
})
