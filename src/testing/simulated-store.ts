/**
 * A store as its users see it: commands are committed in groups, what was committed survives, what was waiting may not, an answer can
 * be lost after its command was carried out, and all of it may be slow, full, stalled or away.
 *
 * `file` stands for SQLite with `synchronous=FULL`: one process has it, and it ends with that process. `shared` stands for one Redis with
 * `appendfsync always`: many processes use it, and it outlives each of them.
 */
import type { Entry } from '../conversation/entry.ts'
import type { Cursor, SessionId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX, STORE_STALL_MAX_MS } from '../conversation/limits.ts'
import type { Claim, NewSession } from '../conversation-log/conversation-log.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '../conversation-log/memory-log.ts'
import { isRead, ringsOf, runCommand, type CommandName, type LogCommand, type ResultOf } from '../conversation-log/sync-log.ts'
import type { Rings } from '../conversation-log/doorbells.ts'
import type { StoreBug } from './planted-bugs.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

export type StoreAnswer<Name extends CommandName = CommandName> =
  | { readonly ok: true; readonly result: ResultOf<Name> }
  | { readonly ok: false; readonly error: LogError }

/** What one process sees of the store. */
export interface StorePort {
  /** Carries out a command and answers once it is durable, unless the process dies before. */
  submit(command: LogCommand, reply: (answer: StoreAnswer) => void): void
}

export type StoreKind = 'file' | 'shared'

export interface SimulatedStoreOptions {
  readonly world: World
  readonly random: SeededRandom
  readonly kind: StoreKind
  /** The wall clock of the store's machine, milliseconds since the epoch. */
  readonly wallNow: () => number
  /** Made at once. */
  readonly sessions: readonly NewSession[]
  readonly bug: StoreBug
  readonly hearing: StoreHearing
}

/** What an observer beside the store notices. */
export interface StoreHearing {
  durable(session: SessionId, lineage: number, entry: Entry): void
  settled(session: SessionId, lineage: number, seq: number): void
  claimed(claim: Claim): void
  deleted(session: SessionId): void
  /** A doorbell: something was appended to a session, or a turn may be claimable. */
  ring(rings: Rings): void
}

interface Waiting {
  readonly owner: string
  readonly command: LogCommand
  /** `undefined` once it was answered that the store stalls. */
  reply: ((answer: StoreAnswer) => void) | undefined
}

export class SimulatedStore {
  readonly #options: SimulatedStoreOptions
  readonly #memory: MemoryStore
  #waiting: Waiting[] = []
  #isCommitPlanned = false
  /** Grows when the owning process dies: answers meant for it are lost. */
  #life = 0
  #slowUntil = 0
  #awayUntil = 0
  #fullUntil = 0
  #stall: { readonly from: number; readonly until: number } = { from: 0, until: 0 }
  readonly #told = new Map<SessionId, Cursor | undefined>()
  /** What a crash goes back to. */
  #committed: MemorySnapshot

  constructor(options: SimulatedStoreOptions) {
    this.#options = options
    const { world, random, wallNow, sessions } = options
    this.#memory = createMemoryStore(
      { now: () => Math.floor(wallNow()), leaseNow: () => world.now(), random: (count) => random.bytes(count) },
      { durability: 'fsync' },
    )
    for (const session of sessions) this.#memory.createSession(session)
    this.#committed = this.#memory.snapshot()
  }

  /** As the process of that name sees it. */
  portOf(owner: string): StorePort {
    return { submit: (command, reply) => this.#submit({ owner, command, reply }) }
  }

  /** The store's latest history. */
  get lineage(): number {
    return 0
  }

  /** What is in it now. */
  get contents(): MemorySnapshot['sessions'] {
    return this.#memory.snapshot().sessions
  }

  /** Each commit takes up to seconds for so long. */
  slowFor(ms: number): void {
    this.#slowUntil = this.#options.world.now() + ms
  }

  /** Every command fails for so long; half of them were carried out all the same. */
  awayFor(ms: number): void {
    this.#awayUntil = this.#options.world.now() + ms
  }

  /** Nothing can be written for so long. */
  fullFor(ms: number): void {
    this.#fullUntil = this.#options.world.now() + ms
  }

  /** The commit that is next takes so long, and everybody who waits for it learns after a while that nothing is known. */
  stallFor(ms: number): void {
    const { world } = this.#options
    this.#stall = { from: world.now(), until: world.now() + ms }
    if (ms > STORE_STALL_MAX_MS) world.after(STORE_STALL_MAX_MS, () => this.#refuseWaiting())
  }

  /** A process died. A file ends with it, and with it what waited and all leases; a shared store may still get what was on its way. */
  died(owner: string): void {
    if (this.#options.kind === 'shared') {
      this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner || this.#options.random.happens(0.5))
      return
    }
    this.#life += 1
    this.#waiting = []
    this.#memory.restore(this.#committed)
    this.#memory.releaseAll()
  }

  #submit(waiting: Waiting): void {
    const { world, bug } = this.#options
    const isStalled = world.now() < this.#stall.until && world.now() >= this.#stall.from + STORE_STALL_MAX_MS
    if (isStalled) return this.#answer([{ reply: waiting.reply, answer: unavailable('stalls') }])
    if (bug.acknowledgesEarly === true) this.#answer([{ reply: waiting.reply, answer: this.#run(waiting.command) }])
    else this.#waiting.push(waiting)
    return this.#planCommit()
  }

  #planCommit(): void {
    if (this.#isCommitPlanned) return
    this.#isCommitPlanned = true
    const { world, random } = this.#options
    const takesMs = world.now() < this.#slowUntil ? random.between(200, 3000) : random.between(0, 4)
    world.after(Math.max(takesMs, this.#stall.until - world.now()), () => this.#commit())
  }

  /** What is being committed may be done, what only waited for that never is. */
  #refuseWaiting(): void {
    this.#answer(this.#waiting.map(({ reply }) => ({ reply, answer: unavailable('stalls') })))
    this.#waiting = this.#waiting.filter(() => this.#options.random.happens(0.5)).map((waiting) => ({ ...waiting, reply: undefined }))
  }

  #commit(): void {
    const { world } = this.#options
    this.#isCommitPlanned = false
    // Stalled since it was planned.
    if (world.now() < this.#stall.until) return this.#planCommit()
    const batch = this.#waiting
    this.#waiting = []
    const answers = batch.map(({ command, reply }) => ({ reply, answer: this.#run(command) }))
    this.#committed = this.#memory.snapshot()
    for (const session of new Set(batch.map(({ command }) => appendedTo(command)))) if (session !== undefined) this.#tellDurable(session)
    return this.#answer(answers)
  }

  /** Answers take a moment, and are lost with the process they were meant for. */
  #answer(answers: readonly { readonly reply: Waiting['reply']; readonly answer: StoreAnswer }[]): void {
    const { world, random } = this.#options
    const life = this.#life
    world.after(random.between(0, 3), () => {
      if (life === this.#life) for (const { reply, answer } of answers) reply?.(answer)
    })
  }

  #run(command: LogCommand): StoreAnswer {
    const { world, random, hearing } = this.#options
    const isAway = world.now() < this.#awayUntil
    if (isAway && random.happens(0.5)) return unavailable('is away')
    if (world.now() < this.#fullUntil && !isRead(command)) return unavailable('is full')
    // What a deletion takes away was there.
    if (command.name === 'deleteSession') this.#tellDurable(command.args[0])
    let result: ResultOf<CommandName>
    try {
      result = runCommand(this.#memory, this.#bent(command))
    } catch (cause) {
      return { ok: false, error: new LogError('corrupt', 'the simulated store refused what breaks its rules', { cause }) }
    }
    if (command.name === 'deleteSession' && result === true) hearing.deleted(command.args[0])
    const rings = ringsOf(command, result)
    if (rings.session !== undefined || rings.work) hearing.ring(rings)
    if (command.name === 'claim') result = this.#claimed(result)
    return isAway ? unavailable('is away') : { ok: true, result }
  }

  #claimed(result: ResultOf<CommandName>): readonly Claim[] {
    const { hearing, bug } = this.#options
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `claim` answers with claims
    const claims = (result as readonly Claim[]).map((claim) => bug.claim?.(claim) ?? claim)
    for (const claim of claims) hearing.claimed(claim)
    return claims
  }

  /** With a planted bug, the command that is carried out instead. */
  #bent(command: LogCommand): LogCommand {
    const { bug, sessions, random, wallNow } = this.#options
    return bug.command?.(command, { memory: this.#memory, sessions, random, now: wallNow() }) ?? command
  }

  #tellDurable(session: SessionId): void {
    const { hearing } = this.#options
    for (;;) {
      const read = this.#memory.read(session, this.#told.get(session), READ_ENTRIES_MAX)
      // A session that was made again.
      if (read.type === 'fork' && this.#told.delete(session)) continue
      const last = read.type === 'entries' ? read.entries.at(-1) : undefined
      if (read.type !== 'entries' || last === undefined) return
      for (const entry of read.entries) hearing.durable(session, this.lineage, entry)
      hearing.settled(session, this.lineage, last.seq)
      this.#told.set(session, { logId: read.logId, seq: last.seq, id: last.id })
    }
  }
}

const unavailable = (why: string): StoreAnswer => ({ ok: false, error: new LogError('unavailable', `the simulated store ${why}`) })

/** The session that a command may have appended to. */
function appendedTo(command: LogCommand): SessionId | undefined {
  if (command.name === 'ask' || command.name === 'stop') return command.args[0]
  return command.name === 'write' ? command.args[0].session : undefined
}
