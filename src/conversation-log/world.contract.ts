/**
 * What the contract suite stands on: a log under test with time and chance of its own, and the bodies a turn runner writes.
 */
import { expect } from 'vitest'
import type { Head } from '../conversation/conversation.ts'
import type { Entry, TurnBody } from '../conversation/entry.ts'
import {
  isVisitorId,
  mintDeviceId,
  mintMessageId,
  mintSessionId,
  SERVER_DEVICE,
  type Cursor,
  type RandomBytes,
  type SessionId,
  type TurnId,
  type VisitorId,
} from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import type { AskResult, Claim, ConversationLog, NewQuestion, ReadResult, WriteResult } from './conversation-log.ts'
import type { LogPorts } from './sync-log.ts'

/** Opens an empty log of the adapter under test. */
export type OpenLog = (ports: LogPorts) => Promise<ConversationLog>

export type Accepted = AskResult & { readonly type: 'accepted' }

export const TTL_MS = 60_000
export const LEASE_MS = 5_000

export interface World extends AsyncDisposable {
  readonly log: ConversationLog
  readonly clock: SimulatedClock
  /** An id nobody has. */
  readonly newSessionId: () => SessionId
  readonly newVisitor: () => VisitorId
  readonly newDevice: () => ReturnType<typeof mintDeviceId>
  readonly newTurnId: () => TurnId
  /** A session of a visitor of its own. */
  readonly begin: (visitor?: VisitorId) => Promise<SessionId>
  /** A question nobody asked yet, of the server's device unless said otherwise. */
  readonly question: (fields?: Partial<NewQuestion>) => NewQuestion
  readonly ask: (session: SessionId, fields?: Partial<NewQuestion>) => Promise<Accepted>
  /** Claims the one turn that can be claimed. */
  readonly claimOne: (owner?: string) => Promise<Claim>
  readonly entries: (session: SessionId) => Promise<readonly Entry[]>
}

/** Bytes that are the same in every run. */
export function randomBytes(seed: number): RandomBytes {
  const chance = seededRandom(seed)
  return (count) => chance.bytes(count)
}

export async function createWorld(open: OpenLog): Promise<World> {
  const clock = createSimulatedClock()
  const random = randomBytes(7)
  const log = await open({ clock, random })
  const newVisitor = (): VisitorId => {
    const visitor = mintSessionId(random)
    if (!isVisitorId(visitor)) throw new TypeError('a session id has the form of a visitor id')
    return visitor
  }
  const question = (fields: Partial<NewQuestion> = {}): NewQuestion => ({
    messageId: mintMessageId(clock.now(), random),
    device: SERVER_DEVICE,
    number: undefined,
    text: 'How do I renew?',
    inReplyTo: undefined,
    ...fields,
  })
  return {
    log,
    clock,
    newSessionId: () => mintSessionId(random),
    newVisitor,
    newDevice: () => mintDeviceId(random),
    newTurnId: () => expectTurnId(mintDeviceId(random)),
    begin: async (visitor = newVisitor()) => {
      const created = await log.createSession({ id: mintSessionId(random), visitor, ttlMs: TTL_MS })
      if (created.type !== 'created') throw new Error(`no session: ${created.type}`)
      return created.session.id
    },
    question,
    ask: async (session, fields) => expectAccepted(await log.ask(session, question(fields))),
    claimOne: async (owner = 'owner') => {
      const claims = await log.claim(owner, LEASE_MS, 2)
      expect(claims).toHaveLength(1)
      return claims[0] as Claim
    },
    entries: (session) => readAll(log, session),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
}

/** Reads a session from the start, in as many reads as it takes. */
export async function readAll(log: ConversationLog, session: SessionId): Promise<readonly Entry[]> {
  const all: Entry[] = []
  for (;;) {
    const read = expectEntries(await log.read(session, cursorAt(all, await logIdOf(log, session)), READ_ENTRIES_MAX))
    all.push(...read.entries)
    if (all.length >= (read.head?.seq ?? 0)) return all
  }
}

const logIdOf = async (log: ConversationLog, session: SessionId): Promise<Cursor['logId']> => {
  const found = await log.findSession(session)
  if (found === undefined) throw new Error('no such session')
  return found.logId
}

export function cursorAt(entries: readonly Entry[], logId: Cursor['logId']): Cursor | undefined {
  const last = entries.at(-1)
  return last === undefined ? undefined : { logId, seq: last.seq, id: last.id }
}

export function expectAccepted(result: AskResult): Accepted {
  expect(result.type).toBe('accepted')
  return result as Accepted
}

export function expectEntries(result: ReadResult): ReadResult & { readonly type: 'entries' } {
  expect(result.type).toBe('entries')
  return result as ReadResult & { readonly type: 'entries' }
}

export function expectWritten(result: WriteResult): Head {
  expect(result.type).toBe('written')
  return (result as WriteResult & { readonly type: 'written' }).head
}

const expectTurnId = (id: string): TurnId => id as TurnId

/** Rings, counted. */
export function createBell(): { readonly bell: () => void; readonly count: () => number } {
  let rung = 0
  return { bell: () => void (rung += 1), count: () => rung }
}

export const started = (claim: Claim, attempt = 1): TurnBody => ({
  kind: 'turn-started',
  turnId: claim.turnId,
  attempt,
  fence: claim.fence,
})

export const part = ({ turnId }: Claim, text: string, index = 0, attempt = 1): TurnBody => ({
  kind: 'answer-part',
  turnId,
  attempt,
  index,
  persona: undefined,
  text,
})

export const superseded = ({ turnId }: Claim, attempt = 1): TurnBody => ({ kind: 'turn-superseded', turnId, attempt })

export const ended = ({ turnId }: Claim, fields: Partial<TurnBody & { kind: 'turn-ended' }> = {}): TurnBody => ({
  kind: 'turn-ended',
  turnId,
  attempt: 1,
  outcome: 'complete',
  reason: undefined,
  parts: 0,
  chars: 0,
  sha256: '',
  ...fields,
})

export const told = ({ turnId }: Pick<Claim, 'turnId'>, inReplyTo: NewQuestion['messageId']): TurnBody => ({
  kind: 'notice',
  topic: 'fallback',
  turnId,
  inReplyTo,
  reason: 'circuit-breaker-open',
  text: 'Read this.',
})

/** A whole short answer. */
export const answer = (claim: Claim, text = 'Here.'): readonly TurnBody[] => [
  started(claim),
  part(claim, text),
  ended(claim, { parts: 1, chars: text.length }),
]
