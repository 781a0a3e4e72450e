/** Replies of Redis into the log's own types. What does not fit is a damaged store, never passed on. */
import type { Head } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import {
  isEntryId,
  isLogId,
  isMessageId,
  isSessionId,
  isTurnId,
  isVisitorId,
  type EntryId,
  type LogId,
  type SessionId,
  type VisitorId,
} from '../conversation/ids.ts'
import { QUESTION_ENDS, type Claim, type QuestionTally, type ReadResult, type Session } from './conversation-log.ts'
import type { OpenTurn } from './log-decisions.ts'
import { LogError } from './log-error.ts'
import type { Reply } from './redis-connection.ts'
import { REDIS_FORMAT } from './redis-library.ts'
import type { QueueView } from './redis-queues.ts'
import { bodyOf } from './stored-entry.ts'

/** The elements of an array reply. */
export function listOf(reply: Reply): readonly Reply[] {
  if (!Array.isArray(reply)) throw damaged('list')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `isArray` forgets what the elements are
  return reply as readonly Reply[]
}

export function textAt(list: readonly Reply[], index: number): string {
  const value = list[index]
  if (typeof value !== 'string') throw damaged('text')
  return value
}

/** A number, as Redis has them or as text. */
export function numberAt(list: readonly Reply[], index: number): number {
  const value = list[index]
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  if (typeof number !== 'number' || Number.isNaN(number)) throw damaged('number')
  return number
}

/** `undefined` for the empty text that stands for none. */
const numberOrNoneAt = (list: readonly Reply[], index: number): number | undefined =>
  list[index] === '' ? undefined : numberAt(list, index)

function idAt<Id extends string>(list: readonly Reply[], index: number, isId: (value: string) => value is Id & string): Id {
  const value = textAt(list, index)
  if (!isId(value)) throw damaged('known id')
  return value
}

export const logIdAt = (list: readonly Reply[], index: number): LogId => idAt(list, index, isLogId)

/** The fields of a session's hash that `sessionIn` reads, in its order. */
export const SESSION_FIELDS = ['format', 'visitor', 'log', 'created', 'expires', 'questions'] as const

/** The session in the fields of its hash, `undefined` when there is none. */
export function sessionIn(id: SessionId, fields: readonly Reply[]): Session | undefined {
  if (fields[0] === null) return undefined
  if (fields[0] !== String(REDIS_FORMAT)) throw new LogError('unavailable', 'a session was written by another release')
  return {
    id,
    visitor: idAt(fields, 1, isVisitorId),
    logId: logIdAt(fields, 2),
    createdAt: numberAt(fields, 3),
    expiresAt: numberAt(fields, 4),
    questions: numberAt(fields, 5),
  }
}

/** `[seq, id]`; `seq` 0 for an empty log. */
export function headAt(list: readonly Reply[], index: number): Head | undefined {
  const seq = numberAt(list, index)
  return seq === 0 ? undefined : { seq, id: idAt(list, index + 1, isEntryId) }
}

/** An entry of the stream: `[seq-0, [id, …, at, …, body, …]]`. */
export function entryIn(reply: Reply, prev: EntryId | undefined): Entry {
  const [place, fields] = listOf(reply)
  const seq = Number(/^(\d+)-0$/.exec(String(place))?.[1] ?? Number.NaN)
  if (fields === undefined || !Number.isSafeInteger(seq)) throw damaged('entry')
  const values = listOf(fields)
  return { seq, id: idAt(values, 1, isEntryId), prev, at: numberAt(values, 3), ...bodyOf(textAt(values, 5)) }
}

/** The reply of `read`, to one who asked after the entry at `from` with the id `prev`. */
export function readIn(list: readonly Reply[], from: number, prev: EntryId | undefined): ReadResult {
  const type = textAt(list, 0)
  if (type === 'gone') return { type }
  const [logId, head, settled] = [logIdAt(list, 1), headAt(list, 2), numberAt(list, 4)]
  if (type === 'fork') return { type, logId, head, settled }
  let before = prev
  const entries = listOf(list[6] ?? null).map((reply, index) => {
    const entry = entryIn(reply, before)
    if (entry.seq !== from + index + 1) throw new LogError('corrupt', 'R3: a log in the store has a hole')
    before = entry.id
    return entry
  })
  return { type: 'entries', logId, entries, head, settled }
}

/** A turn as `redis-functions.lua` writes it. */
export function turnIn(turnId: OpenTurn['turnId'], text: string): OpenTurn {
  const words = text.split(' ')
  const holder = textAt(words, 11)
  return {
    turnId,
    messageId: idAt(words, 0, isMessageId),
    askedAt: numberAt(words, 1),
    attempt: numberAt(words, 3),
    parts: numberAt(words, 4),
    chars: numberAt(words, 5),
    isSuperseded: words[6] === '1',
    isStopping: words[7] === '1',
    isTold: words[8] === '1',
    fence: numberAt(words, 9),
    lease: holder === '-' ? undefined : { owner: holder, until: numberAt(words, 12) },
  }
}

/** A claim, with the place of its turn among all that wait. */
export interface PlacedClaim {
  readonly place: number
  readonly claim: Claim
}

/** The reply of `claim`. */
export function claimsIn(reply: Reply): { readonly claims: readonly PlacedClaim[]; readonly view: QueueView } {
  const list = listOf(reply)
  const claims = listOf(list[0] ?? null).map((each): PlacedClaim => {
    const fields = listOf(each)
    return {
      place: numberAt(fields, 5),
      claim: {
        session: idAt(fields, 0, isSessionId),
        visitor: idAt(fields, 1, isVisitorId),
        turnId: idAt(fields, 2, isTurnId),
        fence: numberAt(fields, 3),
        askedAt: numberAt(fields, 4),
      },
    }
  })
  const places = listOf(list[1] ?? null)
  return { claims, view: { places: places.map((_place, index) => numberAt(places, index)), nextLeaseInMs: numberOrNoneAt(list, 2) } }
}

/** The reply of `tally`: one partition at one moment. */
export function tallyIn(reply: Reply): QuestionTally {
  const list = listOf(reply)
  const counts = listOf(list[0] ?? null)
  const [answered, stopped, failed, interrupted, expired, cancelled] = QUESTION_ENDS.map((_end, index) => numberAt(counts, index + 1))
  if (answered === undefined || stopped === undefined || failed === undefined) throw damaged('ledger')
  if (interrupted === undefined || expired === undefined || cancelled === undefined) throw damaged('ledger')
  return {
    accepted: numberAt(counts, 0),
    ended: { answered, stopped, failed, interrupted, expired, cancelled },
    waiting: numberAt(list, 1),
    unstarted: numberAt(list, 2),
    oldestUnstartedAt: numberOrNoneAt(list, 3),
    sessions: numberAt(list, 4),
    lost: numberAt(counts, 7),
    lostAt: numberOrNoneAt(list, 5),
    found: numberAt(list, 6),
  }
}

/** `[session, place, session, place, …]`: names of a visitor's list with the microseconds at which they were put there. */
export function namesIn(reply: Reply): readonly { readonly session: SessionId; readonly placedUs: number }[] {
  const list = listOf(reply)
  return Array.from({ length: list.length / 2 }, (_unused, index) => ({
    session: idAt(list, index * 2, isSessionId),
    placedUs: numberAt(list, index * 2 + 1),
  }))
}

/** `<born>:<session>` of a partition's expiry. */
export function expiringIn(member: string): { readonly member: string; readonly session: SessionId } {
  const session = member.slice(member.indexOf(':') + 1)
  if (!isSessionId(session)) throw damaged('session that expires')
  return { member, session }
}

export const visitorAt = (list: readonly Reply[], index: number): VisitorId => idAt(list, index, isVisitorId)

const damaged = (what: string): LogError => new LogError('corrupt', `the store holds something else than a ${what}`)
