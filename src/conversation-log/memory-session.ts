/**
 * One session of the memory log: an immutable record, so that a snapshot of the store costs one shallow copy of a map.
 */
import type { Head } from '../conversation/conversation.ts'
import type { Entry, EntryBody } from '../conversation/entry.ts'
import type { DeviceId, EntryId, MessageId, TurnId } from '../conversation/ids.ts'
import type { AskResult, NewQuestion, Session } from './conversation-log.ts'
import { accepted, decideAsk, linkEntries, openTurn, type MessageEntry, type OpenTurn } from './log-decisions.ts'
import { LogError } from './log-error.ts'

export interface SessionRecord {
  readonly session: Session
  readonly ttlMs: number
  /** The newest fence given. */
  readonly fence: number
  readonly journal: Journal
  readonly head: Head | undefined
  readonly lastNumbers: ReadonlyMap<DeviceId, number>
  /** Oldest first. */
  readonly openTurns: readonly PlacedTurn[]
}

/** `place` is the turn's place among all turns of the store. */
interface PlacedTurn {
  readonly place: number
  readonly turn: OpenTurn
}

/**
 * Entries, appended in place. It may hold more than the record that points to it (`head.seq` is how many count),
 * when the record was restored; appending to such a record copies what counts first, so no record ever loses its own.
 */
interface Journal {
  readonly entries: Entry[]
  readonly byMessage: Map<MessageId, MessageEntry>
  readonly turnIds: Map<TurnId, number>
}

/** What an append needs of the moment it happens in. */
export interface AppendMeans {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly mintEntryId: () => EntryId
}

export const emptyRecord = (session: Session, ttlMs: number): SessionRecord => ({
  session,
  ttlMs,
  fence: 0,
  journal: emptyJournal(),
  head: undefined,
  lastNumbers: new Map(),
  openTurns: [],
})

const lengthOf = (record: SessionRecord): number => record.head?.seq ?? 0

export const entryAt = (record: SessionRecord, seq: number): Entry | undefined =>
  seq <= lengthOf(record) ? record.journal.entries[seq - 1] : undefined

/** At most `limit` entries after `seq`. */
export const entriesAfter = (record: SessionRecord, seq: number, limit: number): readonly Entry[] =>
  record.journal.entries.slice(seq, Math.min(seq + limit, lengthOf(record)))

/** The turn while it is open, `ended` afterwards, `undefined` when the session never had it. */
export function findTurn(record: SessionRecord, turnId: TurnId): OpenTurn | 'ended' | undefined {
  const open = record.openTurns.find(({ turn }) => turn.turnId === turnId)
  if (open !== undefined) return open.turn
  return (record.journal.turnIds.get(turnId) ?? Number.POSITIVE_INFINITY) <= lengthOf(record) ? 'ended' : undefined
}

/** The session with its turn changed, or without it once it has ended. */
export const withTurn = (record: SessionRecord, turnId: TurnId, turn: OpenTurn | undefined): SessionRecord => ({
  ...record,
  openTurns: record.openTurns.flatMap((placed) => {
    if (placed.turn.turnId !== turnId) return [placed]
    return turn === undefined ? [] : [{ ...placed, turn }]
  }),
})

export function append(record: SessionRecord, bodies: readonly EntryBody[], means: AppendMeans): SessionRecord {
  const entries = linkEntries(record.head, bodies, means.at, means.mintEntryId)
  const last = entries.at(-1)
  if (last === undefined) return record
  let { journal } = record
  if (journal.entries.length !== lengthOf(record)) {
    const kept = journal.entries.slice(0, lengthOf(record))
    journal = emptyJournal()
    extend(journal, kept)
  }
  extend(journal, entries)
  return { ...record, journal, head: { seq: last.seq, id: last.id } }
}

/** Answers a question; `record` is the session with it, the same one when nothing was appended. */
export function ask(
  record: SessionRecord,
  question: NewQuestion,
  means: AppendMeans & { readonly turnId: TurnId; readonly place: number },
): { readonly result: AskResult; readonly record: SessionRecord } {
  const { head, lastNumbers, openTurns, session } = record
  const lastNumber = lastNumbers.get(question.device) ?? 0
  const earlier = messageWith(record, question.messageId)
  const decision = decideAsk({ head, earlier, lastNumber, openTurns: openTurns.length }, question, means.turnId)
  if (decision.type === 'duplicate') return { result: accepted(session.logId, decision.earlier, true), record }
  if (decision.type !== 'append') return { result: decision, record }
  const longer = append(record, [decision.body], means)
  const message = messageWith(longer, question.messageId)
  if (message === undefined) throw new LogError('corrupt', 'M1: an appended question is not in the journal')
  const next: SessionRecord = {
    ...longer,
    session: { ...withLaterEnd(record, message.at).session, questions: session.questions + 1 },
    lastNumbers: new Map(lastNumbers).set(message.device, message.number),
    openTurns: [...openTurns, { place: means.place, turn: openTurn(message) }],
  }
  return { result: accepted(session.logId, message, false), record: next }
}

/** The session with its whole life before it again from `at` on, in milliseconds since the epoch. */
export function withLaterEnd(record: SessionRecord, at: number): SessionRecord {
  const { session, ttlMs } = record
  // The later of the two: a clock that was set back must not shorten a session's life.
  return { ...record, session: { ...session, expiresAt: Math.max(session.expiresAt, at + ttlMs) } }
}

const emptyJournal = (): Journal => ({ entries: [], byMessage: new Map(), turnIds: new Map() })

function extend(journal: Journal, entries: readonly Entry[]): void {
  for (const entry of entries) {
    journal.entries.push(entry)
    if (entry.kind !== 'message') continue
    journal.byMessage.set(entry.messageId, entry)
    journal.turnIds.set(entry.turnId, entry.seq)
  }
}

function messageWith(record: SessionRecord, id: MessageId): MessageEntry | undefined {
  const message = record.journal.byMessage.get(id)
  return message !== undefined && message.seq <= lengthOf(record) ? message : undefined
}
