import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, expect, test } from 'vitest'
import { fold } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import { isSessionId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { describeConversationLog } from './conversation-log.contract.ts'
import { missingIn, type ConversationLog } from './conversation-log.ts'
import { LogError } from './log-error.ts'
import { openSqliteLog } from './sqlite-log.ts'
import { answer, createWorld, randomBytes, readAll, started, type World } from './world.contract.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sqlite-log-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newFile = (): string => {
  files += 1
  return path.join(folder, `${files}`, 'log.db')
}
const events = {
  storeCommitted: () => undefined,
  storeFailed: () => undefined,
  commandRefused: () => undefined,
  queueFull: () => undefined,
}
const fail = (error: Error): never => {
  throw error
}

describeConversationLog('SQLite', (ports) => openSqliteLog({ file: newFile(), onFatal: fail }, { ...ports, events }))

/** A world on a file that other worlds may have been on. */
const worldOn = (file: string): Promise<World> => createWorld((ports) => openSqliteLog({ file, onFatal: fail }, { ...ports, events }))

test('[L30] the store says what its acknowledgements are worth', async () => {
  const file = newFile()
  await using world = await worldOn(file)
  expect(world.log.profile).toEqual({ store: 'sqlite', durability: 'fsync', isShared: false, description: `SQLite, ${file}` })
})

test('[L43] what was asked for before the close is there after it, in one file', async () => {
  const file = newFile()
  const before = await worldOn(file)
  const id = await before.begin()
  const asked = Array.from({ length: 15 }, () => before.log.ask(id, before.question()))
  await before.log[Symbol.asyncDispose]()
  expect((await Promise.all(asked)).map(({ type }) => type)).toEqual(asked.map(() => 'accepted'))
  expect(existsSync(`${file}-wal`)).toBe(false)
  await using after = await worldOn(file)
  expect(await after.entries(id)).toHaveLength(15)
  expect(await after.log.findSession(id)).toMatchObject({ id, questions: 15 })
})

test('[L37] turns whose owner died with its process can be claimed at once, and its claim is worth nothing', async () => {
  const file = newFile()
  const before = await worldOn(file)
  const id = await before.begin()
  await before.ask(id)
  const old = await before.claimOne('dead')
  await before.log.write(old, [started(old)])
  await before.log[Symbol.asyncDispose]()
  await using world = await worldOn(file)
  expect(await world.log.write(old, [])).toEqual({ type: 'fenced' })
  expect(await world.log.renew(old, 1_000)).toBe(false)
  const claim = await world.claimOne('alive')
  expect(claim).toEqual({ ...old, fence: old.fence + 1 })
  expect(await world.log.write(old, [])).toEqual({ type: 'fenced' })
  await world.log.write(claim, [started(claim, 2)])
  expect((await world.entries(id)).map((entry) => entry.kind)).toEqual(['message', 'turn-started', 'turn-started'])
})

test('[L38][L39] what keeps a file from opening reaches the caller as one typed error', async () => {
  const file = newFile()
  await using world = await worldOn(file)
  const options = { onFatal: fail }
  const ports = { clock: createSimulatedClock(), random: randomBytes(1), events }
  await expect(openSqliteLog({ ...options, file }, ports)).rejects.toMatchObject({
    name: 'LogError',
    kind: 'unavailable',
    message: `another process uses ${file}`,
  })
  await expect(openSqliteLog({ ...options, file: '/proc/log.db' }, ports)).rejects.toBeInstanceOf(LogError)
  await world.log.probe()
})

test('[L35] a damaged file ends the store: reported once, and nothing is answered after it', async () => {
  const file = newFile()
  const before = await worldOn(file)
  const id = await before.begin()
  for (let count = 0; count < 20; count += 1) await before.ask(id, { text: `${count} `.repeat(2_000) })
  await before.log[Symbol.asyncDispose]()
  const bytes = readFileSync(file)
  // Past the first pages, which opening reads.
  bytes.fill(0xff, bytes.length / 2)
  writeFileSync(file, bytes)

  const fatal: LogError[] = []
  const failures: string[] = []
  const failing = { ...events, storeFailed: ({ kind }: { readonly kind: string }) => void failures.push(kind) }
  const clock = createSimulatedClock()
  const onFatal = (error: LogError): void => void fatal.push(error)
  await using log = await openSqliteLog({ file, onFatal }, { clock, random: randomBytes(1), events: failing })
  await expect(log.read(id, undefined, READ_ENTRIES_MAX)).rejects.toMatchObject({ name: 'LogError', kind: 'fatal', isRetryable: false })
  await expect(log.findSession(id)).rejects.toMatchObject({ kind: 'fatal' })
  await expect(log.probe()).rejects.toMatchObject({ kind: 'fatal' })
  expect(fatal).toMatchObject([{ name: 'LogError', kind: 'fatal', message: expect.stringContaining('SQLite: ') }])
  expect(failures).toEqual(['fatal'])
})

interface Writer {
  readonly process: ChildProcess
  readonly lines: string[]
  /** Resolves when so many lines have been printed. */
  readonly printed: (count: number) => Promise<void>
  readonly kill: () => Promise<void>
}

/** Starts `store-writer.ts` on the file. */
function startWriter(file: string): Writer {
  const program = new URL('../testing/store-writer.ts', import.meta.url)
  const child = spawn(process.execPath, [program.pathname, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  let awaited = Promise.withResolvers<void>()
  let target = Number.POSITIVE_INFINITY
  reader.on('line', (line) => {
    lines.push(line)
    if (lines.length >= target) awaited.resolve()
  })
  child.on('exit', (code) => awaited.reject(new Error(`the writer ended by itself: ${code}`)))
  return {
    process: child,
    lines,
    printed: (count) => {
      target = count
      awaited = Promise.withResolvers()
      return awaited.promise
    },
    kill: async () => {
      const ended = [once(child, 'exit'), once(reader, 'close')]
      child.kill('SIGKILL')
      await Promise.all(ended)
    },
  }
}

/** Everything that was printed is in the log, at its place, once; and the log is one that `fold` accepts. */
async function expectAllKept(log: ConversationLog, lines: readonly string[]): Promise<number> {
  const logs = new Map<string, readonly Entry[]>()
  for (const line of lines) {
    const [, id = ''] = line.split(' ')
    if (logs.has(id) || !isSessionId(id)) continue
    const entries = await readAll(log, id)
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_entry, index) => index + 1))
    expect(fold(entries).head?.seq ?? 0).toBe(entries.length)
    const messages = entries.flatMap((entry) => (entry.kind === 'message' ? [entry.messageId] : []))
    expect(new Set(messages).size).toBe(messages.length)
    logs.set(id, entries)
  }
  const missing = lines.filter((line) => {
    const [what, id = '', seq = '', entryId, messageId] = line.split(' ')
    if (what === 'session') return !logs.has(id)
    const entry = logs.get(id)?.[Number(seq) - 1]
    return entry?.id !== entryId || (what === 'asked' && (entry?.kind !== 'message' || entry.messageId !== messageId))
  })
  expect(missing).toEqual([])
  return lines.length
}

test(
  '[L31][L36][L37][L110] killed at any moment, again and again, the store keeps every acknowledgement once',
  { timeout: 60_000 },
  async () => {
    const chance = seededRandom(31)
    const file = newFile()
    const acknowledged: string[] = []
    for (let round = 0; round < 5; round += 1) {
      const writer = startWriter(file)
      await writer.printed(chance.between(20, 600))
      await expect(worldOn(file)).rejects.toMatchObject({ message: `another process uses ${file}` })
      await writer.kill()
      acknowledged.push(...writer.lines)
      await using world = await worldOn(file)
      world.clock.jump(-world.clock.now())
      await expectAllKept(world.log, acknowledged)
      expect(missingIn(await world.log.tally())).toBe(0)
      // Every turn that was open is claimable at once, whoever held it, and can be ended.
      const claims = await world.log.claim('next', 1_000, 100)
      for (const claim of claims) {
        const entries = await readAll(world.log, claim.session)
        const [question] = fold(entries).items.filter((item) => item.kind === 'question' && item.turnId === claim.turnId)
        expect(question).toMatchObject({ kind: 'question' })
      }
      expect(claims.length).toBeGreaterThan(0)
    }
    expect(acknowledged.filter((line) => line.startsWith('asked')).length).toBeGreaterThan(50)
    expect(acknowledged.filter((line) => line.startsWith('written')).length).toBeGreaterThan(5)
  },
)

test('[L23] a doorbell rings only for what can be read after a crash', async () => {
  const file = newFile()
  await using world = await worldOn(file)
  const id = await world.begin()
  const seen: Promise<unknown>[] = []
  world.log.onAppend(id, () => void seen.push(world.log.read(id, undefined, READ_ENTRIES_MAX)))
  await world.ask(id)
  const claim = await world.claimOne()
  await world.log.write(claim, answer(claim))
  expect(await Promise.all(seen)).toMatchObject([{ head: { seq: 1 } }, { head: { seq: 4 } }])
})
