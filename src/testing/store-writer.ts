/**
 * A program that writes to a SQLite log as fast as it can and prints every acknowledgement, until it is killed.
 *
 *   node store-writer.ts <file>
 *
 * One line each: `session <id>`, `asked <session> <seq> <entry id> <message id>`, `written <session> <seq> <entry id>`.
 * Standard output to a pipe is synchronous on Linux and macOS, so a line that was printed was acknowledged before the kill.
 */
import { randomBytes } from 'node:crypto'
import { openSqliteLog } from '../conversation-log/sqlite-log.ts'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { isVisitorId, mintDeviceId, mintMessageId, mintSessionId, type SessionId } from '../conversation/ids.ts'
import type { Clock } from '../resilience/clock.ts'

const SESSIONS = 4
const LEASE_MS = 60_000
const TTL_MS = 3_600_000

/** Time stands still: nothing here waits for it. */
const clock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  sleep: () => Promise.reject(new Error('this program never sleeps')),
  schedule: () => () => undefined,
}

const fail = (error: Error): never => {
  throw error
}

const say = (...words: readonly (string | number)[]): void => void process.stdout.write(`${words.join(' ')}\n`)

async function begin(log: ConversationLog): Promise<SessionId> {
  const [id, visitor] = [mintSessionId(randomBytes), mintSessionId(randomBytes)]
  if (!isVisitorId(visitor)) throw new TypeError('a session id has the form of a visitor id')
  await log.createSession({ id, visitor, ttlMs: TTL_MS })
  say('session', id)
  return id
}

async function askForEver(log: ConversationLog, session: SessionId): Promise<never> {
  const device = mintDeviceId(randomBytes)
  let number = 1
  for (;;) {
    const messageId = mintMessageId(0, randomBytes)
    const asked = await log.ask(session, { messageId, device, number, text: `question ${number}`, inReplyTo: undefined })
    if (asked.type === 'accepted') {
      say('asked', session, asked.cursor.seq, asked.cursor.id, messageId)
      number += 1
    }
  }
}

/** Turns of an earlier run are claimed and then left alone: whoever checks the file decides about them. */
async function answerForEver(log: ConversationLog, ours: ReadonlySet<SessionId>): Promise<never> {
  for (;;) {
    for (const claim of await log.claim('writer', LEASE_MS, SESSIONS)) {
      const { session, turnId, fence } = claim
      if (!ours.has(session)) continue
      const text = 'An answer, in one piece. '
      const body = { turnId, attempt: 1 }
      const started = await log.write(claim, [
        { kind: 'turn-started', ...body, fence },
        { kind: 'answer-part', ...body, index: 0, persona: undefined, text },
      ])
      if (started.type === 'written') say('written', session, started.head.seq, started.head.id)
      const ended = await log.write(claim, [
        { kind: 'turn-ended', ...body, outcome: 'complete', reason: undefined, parts: 1, chars: text.length, sha256: '' },
      ])
      if (ended.type === 'written') say('written', session, ended.head.seq, ended.head.id)
    }
  }
}

async function main(file: string | undefined): Promise<void> {
  if (file === undefined) throw new TypeError('usage: store-writer.ts <file>')
  const events = {
    storeCommitted: () => undefined,
    storeFailed: () => undefined,
    commandRefused: () => undefined,
    queueFull: () => undefined,
  }
  const log = await openSqliteLog({ file, onFatal: fail }, { clock, random: randomBytes, events })
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => begin(log)))
  await Promise.all([
    ...sessions.flatMap((session) => [askForEver(log, session), askForEver(log, session)]),
    answerForEver(log, new Set(sessions)),
  ])
}

await main(process.argv[2])
