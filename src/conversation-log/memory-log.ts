/**
 * The conversation log in memory: the definition of correct, against which every adapter is compared.
 *
 * `MemoryStore` is the synchronous core, for the simulation; `createMemoryLog` is the port around it.
 * Nothing survives the process.
 */
import type { Durability } from '../conversation/durability.ts'
import {
  mintEntryId,
  mintLogId,
  mintTurnId,
  type Cursor,
  type DeviceId,
  type SessionId,
  type TurnId,
  type VisitorId,
} from '../conversation/ids.ts'
import { SESSIONS_PER_VISITOR_MAX } from '../conversation/limits.ts'
import type { EntryBody, TurnBody } from '../conversation/entry.ts'
import type {
  AskResult,
  Claim,
  ConversationLog,
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
import { createDoorbells } from './doorbells.ts'
import {
  checkReadLimit,
  countOf,
  decideClaim,
  decideRead,
  decideRelease,
  decideRenew,
  decideStop,
  decideWrite,
  isClaimable,
  type LeaseTerms,
  type OpenTurn,
} from './log-decisions.ts'
import { audit, EMPTY_LEDGER, endOf, withAccepted, withEnded, type Ledger } from './ledger.ts'
import { LogError } from './log-error.ts'
import {
  append,
  ask,
  emptyRecord,
  entriesAfter,
  entryAt,
  findTurn,
  withLaterEnd,
  withTurn,
  type AppendMeans,
  type SessionRecord,
} from './memory-session.ts'
import { portOf, ringsOf, runCommand, type LogPorts, type SyncLog, type SyncPorts } from './sync-log.ts'

/** The whole state of a store at one moment; opaque, and never changed by what happens after it was taken. */
export interface MemorySnapshot {
  readonly sessions: ReadonlyMap<SessionId, SessionRecord>
  readonly turnsOpened: number
  readonly ledger: Ledger
}

/** Options of the core. `durability` is what the memory stands for: a simulation says `fsync` when its snapshots model a disk. */
export interface MemoryStoreOptions {
  readonly durability: Durability
}

/** The synchronous core. Each command does all it says or throws and has done nothing. */
export class MemoryStore implements SyncLog {
  readonly #ports: SyncPorts
  readonly #durability: Durability
  #sessions = new Map<SessionId, SessionRecord>()
  #turnsOpened = 0
  #ledger = EMPTY_LEDGER

  constructor(ports: SyncPorts, options: MemoryStoreOptions) {
    this.#ports = ports
    this.#durability = options.durability
  }

  createSession({ id, visitor, ttlMs }: NewSession): CreateSessionResult {
    const existing = this.findSession(id)
    if (existing !== undefined) return existing.visitor === visitor ? { type: 'existing', session: existing } : { type: 'taken' }
    if (this.listSessions(visitor).length >= SESSIONS_PER_VISITOR_MAX) return { type: 'too-many' }
    const createdAt = this.#ports.now()
    const session: Session = { id, visitor, logId: mintLogId(this.#ports.random), createdAt, expiresAt: createdAt + ttlMs, questions: 0 }
    // Whatever expired under this id is gone, and a new life is the newest in order.
    this.#erase(id, 'expired')
    this.#save(emptyRecord(session, ttlMs))
    return { type: 'created', session }
  }

  findSession(id: SessionId): Session | undefined {
    return this.#live(id)?.session
  }

  listSessions(visitor: VisitorId): readonly Session[] {
    const sessions = [...this.#sessions.keys()].flatMap((id) => this.findSession(id) ?? [])
    return sessions.filter((session) => session.visitor === visitor).toReversed()
  }

  keepSession(id: SessionId): Session | undefined {
    const record = this.#live(id)
    if (record === undefined) return undefined
    const kept = withLaterEnd(record, this.#ports.now())
    this.#save(kept)
    return kept.session
  }

  deleteSession(id: SessionId): boolean {
    const wasLive = this.#live(id) !== undefined
    this.#erase(id, wasLive ? 'cancelled' : 'expired')
    return wasLive
  }

  deleteExpired(limit: number): number {
    const now = this.#ports.now()
    const expired = [...this.#sessions.values()]
      .filter(({ session }) => session.expiresAt <= now)
      .toSorted((a, b) => a.session.expiresAt - b.session.expiresAt)
      .slice(0, countOf(limit))
    for (const { session } of expired) this.#erase(session.id, 'expired')
    return expired.length
  }

  ask(id: SessionId, question: NewQuestion): AskResult {
    const before = this.#live(id)
    if (before === undefined) return { type: 'gone' }
    const turnId = mintTurnId(this.#ports.random)
    const { result, record } = ask(before, question, { ...this.#means(), turnId, place: this.#turnsOpened + 1 })
    if (record !== before) {
      this.#turnsOpened += 1
      this.#ledger = withAccepted(this.#ledger)
      this.#save(record)
    }
    return result
  }

  stop(id: SessionId, turnId: TurnId): StopResult {
    const record = this.#live(id)
    if (record === undefined) return { type: 'gone' }
    const decision = decideStop(findTurn(record, turnId), this.#ports.leaseNow())
    if (decision.type !== 'append') return decision
    this.#save(withTurn(append(record, decision.bodies, this.#means()), turnId, decision.turn))
    this.#countEnds(decision.bodies)
    return decision.result
  }

  lastNumber(id: SessionId, device: DeviceId): number {
    return this.#live(id)?.lastNumbers.get(device) ?? 0
  }

  read(id: SessionId, after: Cursor | undefined, limit: number): ReadResult {
    checkReadLimit(limit)
    const record = this.#live(id)
    if (record === undefined) return { type: 'gone' }
    const { head, session } = record
    const { logId } = session
    const settled = this.#durability === 'fsync' ? (head?.seq ?? 0) : 0
    const from = decideRead(logId, after, after === undefined ? undefined : entryAt(record, after.seq)?.id)
    if (from === undefined) return { type: 'fork', logId, head, settled }
    return { type: 'entries', logId, entries: entriesAfter(record, from, limit), head, settled }
  }

  claim(owner: string, leaseMs: number, limit: number): readonly Claim[] {
    return this.#claim(({ openTurns }) => openTurns.slice(0, 1), { owner, leaseMs, limit })
  }

  claimUntold(owner: string, leaseMs: number, limit: number): readonly Claim[] {
    return this.#claim(({ openTurns }) => openTurns.filter(({ turn }) => !turn.isTold), { owner, leaseMs, limit })
  }

  renew(claim: Claim, leaseMs: number): boolean {
    const { record, turn } = this.#claimed(claim)
    const renewed = decideRenew(turn, claim.fence, { now: this.#ports.leaseNow(), leaseMs })
    if (record === undefined || renewed === undefined) return false
    this.#save(withTurn(record, renewed.turnId, renewed))
    return true
  }

  release(claim: Claim): void {
    const { record, turn } = this.#claimed(claim)
    const released = decideRelease(turn, claim.fence)
    if (record !== undefined && released !== undefined) this.#save(withTurn(record, released.turnId, released))
  }

  write(claim: Claim, bodies: readonly TurnBody[]): WriteResult {
    const { record, turn } = this.#claimed(claim)
    const decision = decideWrite(turn, claim.fence, bodies)
    if (record === undefined || decision.type === 'fenced') return { type: 'fenced' }
    const longer = append(record, bodies, this.#means())
    if (longer.head === undefined) throw new LogError('corrupt', 'M2: a session with a turn has no entries')
    this.#save(withTurn(longer, claim.turnId, decision.turn))
    this.#countEnds(bodies)
    return { type: 'written', head: longer.head }
  }

  probe(): void {
    // A write to and a read of the very map that sessions live in; the copy replaces it, so nothing else changes.
    const copy = new Map(this.#sessions)
    if (copy.size !== this.#sessions.size) throw new LogError('corrupt', 'M3: memory lost a session')
    this.#sessions = copy
  }

  tally(): QuestionTally {
    const now = this.#ports.now()
    const records = [...this.#sessions.values()]
    const live = records.filter(({ session }) => session.expiresAt > now)
    const unstarted = live.flatMap(({ openTurns }) => openTurns.flatMap(({ turn }) => (turn.attempt === 0 ? [turn.askedAt] : [])))
    const { ledger, tally } = audit(
      this.#ledger,
      {
        waiting: records.reduce((sum, { openTurns }) => sum + openTurns.length, 0),
        unstarted: unstarted.length,
        oldestUnstartedAt: unstarted.length === 0 ? undefined : Math.min(...unstarted),
        sessions: live.length,
      },
      now,
    )
    this.#ledger = ledger
    return tally
  }

  snapshot(): MemorySnapshot {
    return { sessions: new Map(this.#sessions), turnsOpened: this.#turnsOpened, ledger: this.#ledger }
  }

  /** Makes the store what it was; everything since is forgotten, as after a crash before the commit. */
  restore(snapshot: MemorySnapshot): void {
    this.#sessions = new Map(snapshot.sessions)
    this.#turnsOpened = snapshot.turnsOpened
    this.#ledger = snapshot.ledger
  }

  /** Voids every lease, as opening a store does whose only process has died. Fences go on growing. */
  releaseAll(): void {
    for (const record of this.#sessions.values()) {
      const openTurns = record.openTurns.map(({ place, turn }) => ({ place, turn: { ...turn, lease: undefined } }))
      this.#save({ ...record, openTurns })
    }
  }

  #live(id: SessionId): SessionRecord | undefined {
    const record = this.#sessions.get(id)
    return record !== undefined && record.session.expiresAt > this.#ports.now() ? record : undefined
  }

  /** Takes the session out, if there is one; its open questions end with it. */
  #erase(id: SessionId, end: QuestionEnd): void {
    this.#ledger = withEnded(this.#ledger, end, this.#sessions.get(id)?.openTurns.length ?? 0)
    this.#sessions.delete(id)
  }

  /** Claims the oldest of the turns that `from` picks of each session. */
  #claim(
    from: (record: SessionRecord) => SessionRecord['openTurns'],
    { limit, ...terms }: Omit<LeaseTerms, 'now'> & { readonly limit: number },
  ): readonly Claim[] {
    const now = this.#ports.leaseNow()
    const placed = [...this.#sessions.keys()].flatMap((id) => {
      const record = this.#live(id)
      return record === undefined ? [] : from(record).map((each) => ({ id, ...each }))
    })
    const free = placed.filter(({ turn }) => isClaimable(turn, { ...terms, now })).toSorted((a, b) => a.place - b.place)
    return free.slice(0, countOf(limit)).flatMap(({ id, turn: before }) => {
      // Looked up again: each claim moves its session's fence on.
      const record = this.#live(id)
      const turn = record === undefined ? undefined : decideClaim(before, record.fence, { ...terms, now })
      if (record === undefined || turn === undefined) return []
      this.#save({ ...withTurn(record, turn.turnId, turn), fence: turn.fence })
      return [{ session: id, visitor: record.session.visitor, turnId: turn.turnId, fence: turn.fence, askedAt: turn.askedAt }]
    })
  }

  #countEnds(bodies: readonly EntryBody[]): void {
    for (const body of bodies) if (body.kind === 'turn-ended') this.#ledger = withEnded(this.#ledger, endOf(body), 1)
  }

  #save(record: SessionRecord): void {
    this.#sessions.set(record.session.id, record)
  }

  #means(): AppendMeans {
    return { at: this.#ports.now(), mintEntryId: () => mintEntryId(this.#ports.random) }
  }

  /** The claim's session and turn, as long as the session lives and the turn is open; whether it is still held is for the decision. */
  #claimed(claim: Claim): { readonly record: SessionRecord | undefined; readonly turn: OpenTurn | undefined } {
    const record = this.#live(claim.session)
    const turn = record === undefined ? undefined : findTurn(record, claim.turnId)
    return { record, turn: turn === 'ended' ? undefined : turn }
  }
}

/** A store on its own. Without options it says of itself what it is: `memory`, in which nothing is ever settled. */
export const createMemoryStore = (ports: SyncPorts, options: MemoryStoreOptions = { durability: 'memory' }): MemoryStore =>
  new MemoryStore(ports, options)

/** The port over a memory store of its own. After disposal every command is refused as `unavailable`. */
export function createMemoryLog(ports: LogPorts): ConversationLog {
  const { clock, random } = ports
  const store = createMemoryStore({ now: () => clock.now(), leaseNow: () => clock.monotonic(), random })
  const doorbells = createDoorbells()
  let isClosed = false
  return portOf({
    profile: () => ({ store: 'memory', durability: 'memory', isShared: false, description: 'memory, gone when the process ends' }),
    doorbells,
    // Async, so that a throw becomes a rejection as it does in every other adapter.
    submit: async (command) => {
      if (isClosed) throw new LogError('unavailable', 'the log is closed')
      const result = runCommand(store, command)
      doorbells.ring(ringsOf(command, result))
      return result
    },
    close: async () => {
      isClosed = true
    },
  })
}
