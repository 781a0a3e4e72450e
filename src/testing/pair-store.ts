/**
 * The store of a `link-pair.ts`: in memory, in order, and never quite there when it is wanted. It remembers every log that ever was.
 */
import { createHash } from 'node:crypto'
import { EMPTY_CONVERSATION, fold, type Conversation } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import { mintSessionId, type Cursor, type VisitorId } from '../conversation/ids.ts'
import { QUESTIONS_PER_MINUTE_MAX, READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { ReadResult } from '../conversation-log/conversation-log.ts'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '../conversation-log/memory-log.ts'
import { takeToken, type Bucket } from '../resilience/token-bucket.ts'
import type { AskedResult, FoldResult } from '../gateway/server-link-state.ts'
import { snapshotWindow } from '../gateway/snapshot-window.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

/** `fsync`: what is accepted stays. `replicated`: what is not settled yet may be lost with a fail-over. */
export type PairDurability = 'fsync' | 'replicated'

/** Wall-clock milliseconds when the world begins. */
export const PAIR_EPOCH_MS = Date.UTC(2026, 0, 5, 9)
const SESSION_TTL_MS = 24 * 60 * 60 * 1000
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any text of the form will do
const VISITOR = 'link-pair-visitor' as VisitorId

/** A memory store that answers after a while or not at all, settles after a while, and can be put back to what was settled. */
export class PairStore {
  readonly durability: PairDurability
  rollbacks = 0
  failures = 0
  readonly #world: World
  readonly #random: SeededRandom
  readonly #store: MemoryStore
  readonly session: ReturnType<typeof mintSessionId>
  /** Every log that ever was, by the id of its entry: the entries up to it. */
  readonly #everyEntry = new Map<string, Entry>()
  #settled: { readonly seq: number; readonly snapshot: MemorySnapshot }
  #bucket: Bucket | undefined
  #awayUntil = 0
  #busyUntil = 0

  constructor(world: World, random: SeededRandom, durability: PairDurability) {
    this.#world = world
    this.#random = random
    this.durability = durability
    const ports = {
      now: () => PAIR_EPOCH_MS + Math.floor(world.now()),
      leaseNow: () => world.now(),
      random: (count: number) => random.bytes(count),
    }
    this.#store = createMemoryStore(ports, { durability: 'fsync' })
    this.session = mintSessionId((count) => random.bytes(count))
    this.#store.createSession({ id: this.session, visitor: VISITOR, ttlMs: SESSION_TTL_MS })
    this.#settled = { seq: 0, snapshot: this.#store.snapshot() }
    if (durability === 'replicated') this.#planSettling()
  }

  get logId(): Cursor['logId'] {
    const session = this.#store.findSession(this.session)
    if (session === undefined) throw new Error('unreachable link-pair-2: the session never ends')
    return session.logId
  }

  /** Carries out a command in its turn; `then` gets `undefined` when the store did not answer. */
  submit<Result>(command: (store: MemoryStore) => Result, then: (result: Result | undefined) => void): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.#world.now() + this.#random.between(0, this.#random.happens(0.05) ? 2_000 : 5))
    this.#world.after(this.#busyUntil - this.#world.now(), () => {
      const isAway = this.#world.now() < this.#awayUntil
      // An answer that was lost: the command may have been carried out.
      const result = isAway && this.#random.happens(0.5) ? undefined : command(this.#store)
      this.#remember()
      if (isAway) this.failures += 1
      then(isAway ? undefined : result)
    })
  }

  awayFor(ms: number): void {
    this.#awayUntil = this.#world.now() + ms
  }

  /** A fail-over to a replica that is behind. */
  rollBack(): void {
    if (this.durability === 'fsync') return
    if (this.#head() > this.#settled.seq) this.rollbacks += 1
    this.#store.restore(this.#settled.snapshot)
  }

  ask(question: Parameters<MemoryStore['ask']>[1]): AskedResult {
    const { bucket, verdict } = takeToken(this.#bucket, QUESTIONS_PER_MINUTE_MAX, this.#world.now())
    this.#bucket = bucket
    return verdict.ok ? this.#store.ask(this.session, question) : { type: 'rate', retryAfterMs: verdict.retryAfterMs }
  }

  read(after: Cursor | undefined): ReadResult {
    const result = this.#store.read(this.session, after, READ_ENTRIES_MAX)
    return result.type === 'gone' ? result : { ...result, settled: this.#settledSeq() }
  }

  folded(): FoldResult {
    const { head, items } = fold(this.entries())
    return { type: 'folded', logId: this.logId, head, settled: this.#settledSeq(), ...snapshotWindow(items) }
  }

  entries(): readonly Entry[] {
    const all: Entry[] = []
    for (;;) {
      const last = all.at(-1)
      const after = last === undefined ? undefined : { logId: this.logId, seq: last.seq, id: last.id }
      const read = this.#store.read(this.session, after, READ_ENTRIES_MAX)
      if (read.type !== 'entries' || read.entries.length === 0) return all
      all.push(...read.entries)
    }
  }

  /** The fold of the log that had this entry; `undefined` when there never was one. */
  viewAt(seq: number, id: string | undefined): Conversation | undefined {
    if (id === undefined) return EMPTY_CONVERSATION
    const entries: Entry[] = []
    for (let at: string | undefined = id; at !== undefined;) {
      const entry: Entry | undefined = this.#everyEntry.get(at)
      if (entry === undefined) return undefined
      entries.unshift(entry)
      at = entry.prev
    }
    return entries.length === seq ? fold(entries) : undefined
  }

  /** One question gets its whole answer, or the beginning of one. */
  answerOne(random: SeededRandom): void {
    if (this.#world.now() < this.#awayUntil) return
    const [claim] = this.#store.claim('scribe', 60_000, 1)
    if (claim === undefined) return
    const { turnId, fence } = claim
    const parts = Array.from({ length: random.between(0, 4) }, (_unused, index) => `part ${index} of ${turnId}. `)
    const text = parts.join('')
    this.#store.write(claim, [
      { kind: 'turn-started', turnId, attempt: 1, fence },
      ...parts.map((part, index) => ({ kind: 'answer-part', turnId, attempt: 1, index, persona: undefined, text: part }) as const),
      {
        kind: 'turn-ended',
        turnId,
        attempt: 1,
        outcome: parts.length === 0 ? 'failed' : 'complete',
        reason: parts.length === 0 ? 'agent-error' : undefined,
        parts: parts.length,
        chars: text.length,
        sha256: createHash('sha256').update(text).digest('hex'),
      },
    ])
    this.#remember()
  }

  #remember(): void {
    for (const entry of this.entries()) this.#everyEntry.set(entry.id, entry)
  }

  #head(): number {
    return this.entries().at(-1)?.seq ?? 0
  }

  #settledSeq(): number {
    return this.durability === 'fsync' ? this.#head() : this.#settled.seq
  }

  #planSettling(): void {
    this.#world.after(this.#random.between(10, 8_000), () => {
      this.#settled = { seq: this.#head(), snapshot: this.#store.snapshot() }
      this.#planSettling()
    })
  }
}
