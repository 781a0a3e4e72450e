/**
 * The log's commands on an open database, each inside a transaction that the caller began.
 *
 * Looks up the facts, asks `log-decisions.ts`, stores what it is told. Nothing is cached: the database is the only state.
 */
import { statSync } from 'node:fs'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Head } from '../conversation/conversation.ts'
import type { EntryBody, TurnBody } from '../conversation/entry.ts'
import {
  mintEntryId,
  mintLogId,
  mintTurnId,
  type Cursor,
  type DeviceId,
  type EntryId,
  type MessageId,
  type SessionId,
  type TurnId,
  type VisitorId,
} from '../conversation/ids.ts'
import { SESSIONS_PER_VISITOR_MAX } from '../conversation/limits.ts'
import type {
  AskResult,
  Claim,
  CreateSessionResult,
  NewQuestion,
  NewSession,
  QuestionEnd,
  QuestionTally,
  ReadResult,
  Session,
  StopResult,
  WriteResult,
} from './conversation-log.ts'
import { endOf } from './ledger.ts'
import {
  accepted,
  checkReadLimit,
  countOf,
  decideAsk,
  decideClaim,
  decideRead,
  decideRelease,
  decideRenew,
  decideStop,
  decideWrite,
  linkEntries,
  openTurn,
  type EarlierMessage,
  type LeaseTerms,
  type OpenTurn,
} from './log-decisions.ts'
import { LogError } from './log-error.ts'
import { SqliteLedger } from './sqlite-ledger.ts'
import { entryIdIn, entryIn, numberIn, sessionIn, turnIn, type Row } from './sqlite-rows.ts'
import { bodyText } from './stored-entry.ts'
import type { SyncLog, SyncPorts } from './sync-log.ts'

/** A session with the key that its rows are under. */
interface StoredSession {
  readonly key: number
  readonly session: Session
  readonly fence: number
}

interface StoredTurn {
  readonly key: number
  readonly stored: StoredSession
  readonly turn: OpenTurn | 'ended'
}

const TURN = `turn.id AS turn_key, turn.turn_id, turn.message_id, turn.asked_at, turn.is_open, turn.attempt, turn.parts, turn.chars,
  turn.is_superseded, turn.is_stopping, turn.is_told, turn.fence AS turn_fence, turn.owner, turn.lease_until`

/** Every statement, prepared once. `?1` is the time or the session's key wherever there is one. */
const STATEMENTS = {
  session: 'SELECT * FROM session WHERE expires_at > ?1 AND session_id = ?2',
  sessionsOf: 'SELECT * FROM session WHERE expires_at > ?1 AND visitor = ?2 ORDER BY id DESC',
  insertSession: `INSERT INTO session (session_id, visitor, log_id, created_at, expires_at, ttl_ms, questions, fence)
    VALUES (?, ?, ?, ?, ?, ?, 0, 0)`,
  countQuestion: 'UPDATE session SET questions = questions + 1, expires_at = max(expires_at, ?2 + ttl_ms) WHERE id = ?1',
  keep: 'UPDATE session SET expires_at = max(expires_at, ?2 + ttl_ms) WHERE id = ?1',
  setFence: 'UPDATE session SET fence = ?2 WHERE id = ?1',
  deleteSession: 'DELETE FROM session WHERE session_id = ?',
  deleteExpired: 'DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)',

  head: 'SELECT seq, entry_id FROM entry WHERE session = ? ORDER BY seq DESC LIMIT 1',
  entryId: 'SELECT entry_id FROM entry WHERE session = ? AND seq = ?',
  entriesAfter: 'SELECT seq, entry_id, at, body FROM entry WHERE session = ? AND seq > ? ORDER BY seq LIMIT ?',
  message: 'SELECT seq, entry_id, at, body FROM entry WHERE session = ? AND message_id = ?',
  insertEntry: 'INSERT INTO entry (session, seq, entry_id, at, message_id, body) VALUES (?, ?, ?, ?, ?, ?)',

  lastNumber: 'SELECT last_number FROM device WHERE session = ? AND device = ?',
  setNumber: `INSERT INTO device (session, device, last_number) VALUES (?, ?, ?)
    ON CONFLICT (session, device) DO UPDATE SET last_number = excluded.last_number`,

  openTurns: 'SELECT count(*) AS open_turns FROM turn WHERE session = ? AND is_open = 1',
  turn: `SELECT session.*, ${TURN} FROM session JOIN turn ON turn.session = session.id
    WHERE session.expires_at > ?1 AND session.session_id = ?2 AND turn.turn_id = ?3`,
  insertTurn: `INSERT INTO turn (session, turn_id, message_id, asked_at, is_open, attempt, parts, chars, is_superseded, is_stopping, is_told, fence)
    VALUES (?, ?, ?, ?, 1, 0, 0, 0, 0, 0, 0, 0)`,
  saveTurn: `UPDATE turn SET attempt = ?2, parts = ?3, chars = ?4, is_superseded = ?5, is_stopping = ?6, is_told = ?7, fence = ?8,
    owner = ?9, lease_until = ?10 WHERE id = ?1`,
  endTurn: 'UPDATE turn SET is_open = 0, owner = NULL, lease_until = NULL WHERE id = ?',
  claimable: `SELECT session.*, ${TURN} FROM turn JOIN session ON session.id = turn.session
    WHERE turn.is_open = 1 AND (turn.owner IS NULL OR turn.lease_until <= ?2) AND session.expires_at > ?1
      AND NOT EXISTS (SELECT 1 FROM turn AS older WHERE older.session = turn.session AND older.is_open = 1 AND older.id < turn.id)
    ORDER BY turn.id LIMIT ?3`,
  untold: `SELECT session.*, ${TURN} FROM turn JOIN session ON session.id = turn.session
    WHERE turn.is_open = 1 AND turn.is_told = 0 AND (turn.owner IS NULL OR turn.lease_until <= ?2) AND session.expires_at > ?1
    ORDER BY turn.id LIMIT ?3`,

  probe: 'UPDATE probe SET value = value + 1 RETURNING value',
  probed: 'SELECT value FROM probe',
} as const

type Name = keyof typeof STATEMENTS

export class SqliteStore implements SyncLog {
  readonly #ports: SyncPorts
  readonly #file: string
  readonly #inode: number
  readonly #statements: ReadonlyMap<string, StatementSync>
  readonly #ledger: SqliteLedger
  #erased = false

  constructor(db: DatabaseSync, file: string, ports: SyncPorts) {
    this.#ports = ports
    this.#file = file
    this.#inode = statSync(file).ino
    this.#statements = new Map(Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)]))
    this.#ledger = new SqliteLedger(db)
  }

  createSession({ id, visitor, ttlMs }: NewSession): CreateSessionResult {
    const existing = this.findSession(id)
    if (existing !== undefined) return existing.visitor === visitor ? { type: 'existing', session: existing } : { type: 'taken' }
    if (this.listSessions(visitor).length >= SESSIONS_PER_VISITOR_MAX) return { type: 'too-many' }
    // Whatever expired under this id is gone.
    this.#erase(id, 'expired')
    const createdAt = this.#ports.now()
    const session: Session = { id, visitor, logId: mintLogId(this.#ports.random), createdAt, expiresAt: createdAt + ttlMs, questions: 0 }
    this.#run('insertSession', id, visitor, session.logId, createdAt, session.expiresAt, ttlMs)
    return { type: 'created', session }
  }

  findSession(id: SessionId): Session | undefined {
    return this.#live(id)?.session
  }

  listSessions(visitor: VisitorId): readonly Session[] {
    return this.#all('sessionsOf', this.#ports.now(), visitor).map(sessionIn)
  }

  keepSession(id: SessionId): Session | undefined {
    const stored = this.#live(id)
    if (stored === undefined) return undefined
    this.#run('keep', stored.key, this.#ports.now())
    return this.#live(id)?.session
  }

  deleteSession(id: SessionId): boolean {
    const wasLive = this.#live(id) !== undefined
    this.#erase(id, wasLive ? 'cancelled' : 'expired')
    return wasLive
  }

  deleteExpired(limit: number): number {
    const now = this.#ports.now()
    const count = countOf(limit)
    this.#ledger.ended('expired', this.#ledger.waitingInExpired(now, count))
    const erased = this.#run('deleteExpired', now, count)
    this.#erased ||= erased > 0
    return erased
  }

  ask(id: SessionId, question: NewQuestion): AskResult {
    const stored = this.#live(id)
    if (stored === undefined) return { type: 'gone' }
    const { key, session } = stored
    const facts = {
      head: this.#head(key),
      earlier: this.#message(key, question.messageId),
      lastNumber: this.#lastNumber(key, question.device),
      openTurns: this.#count('openTurns', 'open_turns', key),
    }
    const decision = decideAsk(facts, question, mintTurnId(this.#ports.random))
    if (decision.type === 'duplicate') return accepted(session.logId, decision.earlier, true)
    if (decision.type !== 'append') return decision
    const { head, at } = this.#append(key, facts.head, [decision.body])
    const message: EarlierMessage = { ...decision.body, ...head, at }
    const turn = openTurn(message)
    this.#run('insertTurn', key, turn.turnId, turn.messageId, turn.askedAt)
    this.#run('setNumber', key, message.device, message.number)
    this.#run('countQuestion', key, at)
    this.#ledger.accepted()
    return accepted(session.logId, message, false)
  }

  stop(id: SessionId, turnId: TurnId): StopResult {
    const found = this.#turn(id, turnId)
    const decision = decideStop(found?.turn, this.#ports.leaseNow())
    if (found === undefined) return { type: 'gone' }
    if (decision.type !== 'append') return decision
    const { key } = found.stored
    this.#append(key, this.#head(key), decision.bodies)
    this.#saveTurnAfter(decision.bodies, found.key, decision.turn)
    return decision.result
  }

  lastNumber(id: SessionId, device: DeviceId): number {
    const stored = this.#live(id)
    return stored === undefined ? 0 : this.#lastNumber(stored.key, device)
  }

  read(id: SessionId, after: Cursor | undefined, limit: number): ReadResult {
    checkReadLimit(limit)
    const stored = this.#live(id)
    if (stored === undefined) return { type: 'gone' }
    const { logId } = stored.session
    const head = this.#head(stored.key)
    const settled = head?.seq ?? 0
    const from = decideRead(logId, after, after === undefined ? undefined : this.#entryId(stored.key, after.seq))
    if (from === undefined) return { type: 'fork', logId, head, settled }
    let prev = after?.id
    const entries = this.#all('entriesAfter', stored.key, from, limit).map((row, index) => {
      const entry = entryIn(row, prev)
      if (entry.seq !== from + index + 1) throw new LogError('corrupt', 'S1: a log in the store has a hole')
      prev = entry.id
      return entry
    })
    return { type: 'entries', logId, entries, head, settled }
  }

  claim(owner: string, leaseMs: number, limit: number): readonly Claim[] {
    return this.#claim('claimable', { owner, leaseMs, limit })
  }

  claimUntold(owner: string, leaseMs: number, limit: number): readonly Claim[] {
    return this.#claim('untold', { owner, leaseMs, limit })
  }

  renew(claim: Claim, leaseMs: number): boolean {
    const found = this.#claimed(claim)
    const turn = decideRenew(found?.turn, claim.fence, { now: this.#ports.leaseNow(), leaseMs })
    if (found === undefined || turn === undefined) return false
    this.#saveTurn(found.key, turn)
    return true
  }

  release(claim: Claim): void {
    const found = this.#claimed(claim)
    const turn = decideRelease(found?.turn, claim.fence)
    if (found !== undefined && turn !== undefined) this.#saveTurn(found.key, turn)
  }

  write(claim: Claim, bodies: readonly TurnBody[]): WriteResult {
    const found = this.#claimed(claim)
    const decision = decideWrite(found?.turn, claim.fence, bodies)
    if (found === undefined || decision.type === 'fenced') return { type: 'fenced' }
    const before = this.#head(found.stored.key)
    if (before === undefined) throw new LogError('corrupt', 'S2: a session with a turn has no entries')
    if (bodies.length === 0) return { type: 'written', head: before }
    const { head } = this.#append(found.stored.key, before, bodies)
    this.#saveTurnAfter(bodies, found.key, decision.turn)
    return { type: 'written', head: { seq: head.seq, id: head.id } }
  }

  probe(): void {
    // An open file that was deleted or replaced still takes writes; nobody will ever read them.
    if (statSync(this.#file, { throwIfNoEntry: false })?.ino !== this.#inode)
      throw new LogError('fatal', `${this.#file} is not the file that was opened`)
    const written = this.#count('probe', 'value')
    if (this.#count('probed', 'value') !== written) throw new LogError('corrupt', 'S3: the store read back something else than was written')
  }

  tally(): QuestionTally {
    return this.#ledger.tally(this.#ports.now())
  }

  /** Whether anything was deleted since the last call: its text is then still in the write-ahead log. */
  takeErased(): boolean {
    const erased = this.#erased
    this.#erased = false
    return erased
  }

  /** Claims the turns that the statement finds, oldest first. */
  #claim(statement: 'claimable' | 'untold', { limit, ...terms }: Omit<LeaseTerms, 'now'> & { readonly limit: number }): readonly Claim[] {
    const now = this.#ports.leaseNow()
    // Of the sessions that more than one turn is claimed of: the rows were read before the first claim.
    const fences = new Map<number, number>()
    return this.#all(statement, this.#ports.now(), now, countOf(limit)).flatMap((row) => {
      const { key, session, fence } = storedSession(row)
      const turn = decideClaim(turnIn(row), fences.get(key) ?? fence, { ...terms, now })
      if (turn === undefined) return []
      fences.set(key, turn.fence)
      this.#run('setFence', key, turn.fence)
      this.#saveTurn(numberIn(row, 'turn_key'), turn)
      return [{ session: session.id, visitor: session.visitor, turnId: turn.turnId, fence: turn.fence, askedAt: turn.askedAt }]
    })
  }

  /** Deletes the session, if there is one; its open questions end with it. */
  #erase(id: SessionId, end: QuestionEnd): void {
    this.#ledger.ended(end, this.#ledger.waitingIn(id))
    if (this.#run('deleteSession', id) > 0) this.#erased = true
  }

  #append(session: number, head: Head | undefined, bodies: readonly EntryBody[]): { readonly head: Head; readonly at: number } {
    const at = this.#ports.now()
    const entries = linkEntries(head, bodies, at, () => mintEntryId(this.#ports.random))
    for (const [index, { seq, id }] of entries.entries()) {
      const body = bodies[index]
      if (body === undefined) throw new LogError('corrupt', 'S4: an entry without a body')
      this.#run('insertEntry', session, seq, id, at, body.kind === 'message' ? body.messageId : null, bodyText(body))
    }
    const last = entries.at(-1)
    if (last === undefined) throw new LogError('corrupt', 'S5: nothing to append')
    return { head: { seq: last.seq, id: last.id }, at }
  }

  /** What `bodies`, just appended, have made of the turn: `undefined` when it has ended. */
  #saveTurnAfter(bodies: readonly EntryBody[], key: number, turn: OpenTurn | undefined): void {
    if (turn === undefined) this.#run('endTurn', key)
    else this.#saveTurn(key, turn)
    for (const body of bodies) if (body.kind === 'turn-ended') this.#ledger.ended(endOf(body), 1)
  }

  #saveTurn(key: number, turn: OpenTurn): void {
    const { attempt, parts, chars, isSuperseded, isStopping, isTold, fence, lease } = turn
    const flags = [isSuperseded ? 1 : 0, isStopping ? 1 : 0, isTold ? 1 : 0] as const
    this.#run('saveTurn', key, attempt, parts, chars, ...flags, fence, lease?.owner ?? null, lease?.until ?? null)
  }

  #live(id: SessionId): StoredSession | undefined {
    const row = this.#get('session', this.#ports.now(), id)
    return row === undefined ? undefined : storedSession(row)
  }

  #turn(id: SessionId, turnId: TurnId): StoredTurn | undefined {
    const row = this.#get('turn', this.#ports.now(), id, turnId)
    if (row === undefined) return undefined
    return { key: numberIn(row, 'turn_key'), stored: storedSession(row), turn: numberIn(row, 'is_open') === 1 ? turnIn(row) : 'ended' }
  }

  #claimed(claim: Claim): (StoredTurn & { readonly turn: OpenTurn }) | undefined {
    const found = this.#turn(claim.session, claim.turnId)
    return found === undefined || found.turn === 'ended' ? undefined : { ...found, turn: found.turn }
  }

  #head(session: number): Head | undefined {
    const row = this.#get('head', session)
    return row === undefined ? undefined : { seq: numberIn(row, 'seq'), id: entryIdIn(row) }
  }

  #entryId(session: number, seq: number): EntryId | undefined {
    const row = this.#get('entryId', session, seq)
    return row === undefined ? undefined : entryIdIn(row)
  }

  #message(session: number, messageId: MessageId): EarlierMessage | undefined {
    const row = this.#get('message', session, messageId)
    if (row === undefined) return undefined
    const entry = entryIn(row, undefined)
    if (entry.kind !== 'message') throw new LogError('corrupt', 'S6: a message id stands at another kind of entry')
    return entry
  }

  #lastNumber(session: number, device: DeviceId): number {
    const row = this.#get('lastNumber', session, device)
    return row === undefined ? 0 : numberIn(row, 'last_number')
  }

  #count(name: Name, column: string, ...values: readonly SQLInputValue[]): number {
    const row = this.#get(name, ...values)
    if (row === undefined) throw new LogError('corrupt', `S7: the store has no ${column}`)
    return numberIn(row, column)
  }

  #get(name: Name, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#statement(name).get(...values)
  }

  #all(name: Name, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#statement(name).all(...values)
  }

  /** How many rows it changed. */
  #run(name: Name, ...values: readonly SQLInputValue[]): number {
    return Number(this.#statement(name).run(...values).changes)
  }

  #statement(name: Name): StatementSync {
    const statement = this.#statements.get(name)
    if (statement === undefined) throw new LogError('corrupt', `S8: no statement ${name}`)
    return statement
  }
}

const storedSession = (row: Row): StoredSession => ({
  key: numberIn(row, 'id'),
  session: sessionIn(row),
  fence: numberIn(row, 'fence'),
})
