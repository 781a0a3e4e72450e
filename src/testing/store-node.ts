/**
 * One copy of a simulated store that takes commands: it commits them in groups and answers once they are durable. It may be slow,
 * full, stalled or away, and an answer can be lost after its command was carried out.
 */
import type { Entry } from '../conversation/entry.ts'
import { SERVER_DEVICE, type Cursor, type SessionId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX, STORE_STALL_MAX_MS } from '../conversation/limits.ts'
import { missingIn, type Claim, type NewSession } from '../conversation-log/conversation-log.ts'
import type { Rings } from '../conversation-log/doorbells.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '../conversation-log/memory-log.ts'
import { isRead, ringsOf, runCommand, type CommandName, type LogCommand, type ResultOf } from '../conversation-log/sync-log.ts'
import type { Replication } from './replication.ts'
import type { StoreBug } from './planted-bugs.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

export type StoreAnswer<Name extends CommandName = CommandName> =
  | { readonly ok: true; readonly result: ResultOf<Name> }
  | { readonly ok: false; readonly error: LogError }

/** What an observer beside the store notices. */
export interface StoreHearing {
  durable(session: SessionId, lineage: number, entry: Entry): void
  settled(session: SessionId, lineage: number, seq: number): void
  claimed(claim: Claim): void
  deleted(session: SessionId, lineage: number): void
  /** A doorbell: something was appended to a session, or a turn may be claimable. */
  ring(rings: Rings): void
}

/** What is wrong with the store, until when. */
export interface StoreTrouble {
  slowUntil: number
  awayUntil: number
  fullUntil: number
}

export interface NodeMeans {
  readonly world: World
  readonly random: SeededRandom
  /** The wall clock of the store's machine, milliseconds since the epoch; and the clock that leases run on. */
  readonly wallNow: () => number
  readonly leaseNow: () => number
  readonly sessions: readonly NewSession[]
  readonly bug: StoreBug
  readonly hearing: StoreHearing
  readonly trouble: Readonly<StoreTrouble>
  /** Whether a turn is written by the very process that claimed it and by nobody else, whatever its fence. */
  readonly knowsOwners: boolean
  readonly committed: (lineage: number, snapshot: MemorySnapshot) => void
}

/** How a copy begins. */
export interface Beginning {
  /** Which history it goes on with. */
  readonly lineage: number
  /** What it has, all of which is known. */
  readonly snapshot: MemorySnapshot
  /** Nobody gets an answer before. */
  readonly opensAt: number
  /** `undefined`: whatever is committed is settled. */
  readonly replication: Replication | undefined
}

export interface Waiting {
  /** The process that asked, and which of its lives. */
  readonly owner: string
  readonly command: LogCommand
  /** `undefined` once it was answered that the store stalls. */
  readonly reply: ((answer: StoreAnswer) => void) | undefined
}

interface Answered {
  readonly reply: Waiting['reply']
  readonly answer: StoreAnswer
}

/** Whoever keeps nothing waits until it is settled, but not longer than this. */
const SETTLED_SOON_MS = 1_000
const SETTLED_LOOK_MS = 100

export class StoreNode {
  readonly lineage: number
  readonly #means: NodeMeans
  readonly #opensAt: number
  readonly #replication: Replication | undefined
  readonly #memory: MemoryStore
  readonly #marks = new Map<SessionId, number>()
  readonly #told = new Map<SessionId, Cursor | undefined>()
  #waiting: Waiting[] = []
  #isCommitPlanned = false
  #isGone = false
  #stall: { readonly from: number; readonly until: number } = { from: 0, until: 0 }

  constructor(means: NodeMeans, { lineage, snapshot, opensAt, replication }: Beginning) {
    this.#means = means
    this.lineage = lineage
    this.#opensAt = opensAt
    this.#replication = replication
    this.#memory = memoryOf(means)
    this.#memory.restore(snapshot)
    for (const [id, { head, session }] of snapshot.sessions) {
      if (head !== undefined) this.#told.set(id, { logId: session.logId, ...head })
    }
  }

  get snapshot(): MemorySnapshot {
    return this.#memory.snapshot()
  }

  /** Questions that it has lost, as it counts itself. */
  get missing(): number {
    return missingIn(this.#memory.tally())
  }

  submit(waiting: Waiting): void {
    const { world, bug } = this.#means
    if (this.#isGone) return this.#answer([{ reply: waiting.reply, answer: unavailable('is gone') }])
    const isStalled = world.now() < this.#stall.until && world.now() >= this.#stall.from + STORE_STALL_MAX_MS
    if (isStalled) return this.#answer([{ reply: waiting.reply, answer: unavailable('stalls') }])
    if (bug.acknowledgesEarly === true) this.#answer([{ reply: waiting.reply, answer: this.#run(waiting) }])
    else this.#waiting.push(waiting)
    return this.#planCommit()
  }

  /** The commit that is next takes so long, and everybody who waits for it learns after a while that nothing is known. */
  stallFor(ms: number): void {
    const { world } = this.#means
    this.#stall = { from: world.now(), until: world.now() + ms }
    if (ms > STORE_STALL_MAX_MS) world.after(STORE_STALL_MAX_MS, () => this.#refuseWaiting())
  }

  /** A process died; what was on its way from it may still be done. */
  ownerDied(owner: string): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner || this.#means.random.happens(0.5))
  }

  /** It takes nothing more, and answers nothing. With `isHeard`, whoever waits learns that nothing is known. */
  end(isHeard: boolean): void {
    if (isHeard) this.#answer(this.#waiting.map(({ reply }) => ({ reply, answer: unavailable('is gone') })))
    this.#waiting = []
    this.#isGone = true
  }

  /** Voids every lease, as opening a file does. */
  releaseAll(): void {
    this.#memory.releaseAll()
  }

  #planCommit(): void {
    if (this.#isCommitPlanned) return
    this.#isCommitPlanned = true
    const { world, random, trouble } = this.#means
    const takesMs = world.now() < trouble.slowUntil ? random.between(200, 3000) : random.between(0, 4)
    world.after(Math.max(takesMs, this.#stall.until - world.now()), () => this.#commit())
  }

  /** What is being committed may be done, what only waited for that never is. */
  #refuseWaiting(): void {
    this.#answer(this.#waiting.map(({ reply }) => ({ reply, answer: unavailable('stalls') })))
    this.#waiting = this.#waiting.filter(() => this.#means.random.happens(0.5)).map((waiting) => ({ ...waiting, reply: undefined }))
  }

  #commit(): void {
    this.#isCommitPlanned = false
    if (this.#isGone) return undefined
    // Stalled since it was planned.
    if (this.#means.world.now() < this.#stall.until) return this.#planCommit()
    const batch = this.#waiting
    this.#waiting = []
    const answers = batch.map((waiting) => ({ ...waiting, answer: this.#run(waiting) }))
    let commit = 0
    if (batch.some(({ command }) => !isRead(command))) {
      const snapshot = this.#memory.snapshot()
      this.#means.committed(this.lineage, snapshot)
      commit = this.#replication?.committed(snapshot) ?? 0
    }
    for (const session of new Set(batch.map(({ command }) => appendedTo(command)))) if (session !== undefined) this.#tellDurable(session)
    const isLate = ({ command, answer }: { readonly command: LogCommand; readonly answer: StoreAnswer }): boolean =>
      this.#replication !== undefined && answer.ok && waitsUntilSettled(command, answer.result)
    this.#answer(answers.filter((each) => !isLate(each)))
    this.#answerOnceSettled(answers.filter(isLate), commit, this.#means.world.now() + SETTLED_SOON_MS)
    return undefined
  }

  /** Answers take a moment. */
  #answer(answers: readonly Answered[]): void {
    const { world, random } = this.#means
    if (answers.length === 0) return
    world.after(random.between(0, 3), () => {
      for (const { reply, answer } of answers) reply?.(answer)
    })
  }

  /** Whoever keeps nothing is answered when the store will, but does not wait for long. */
  #answerOnceSettled(answers: readonly Answered[], commit: number, by: number): void {
    const { world } = this.#means
    if (answers.length === 0) return
    if (this.#replication?.isSettled(commit) !== false || world.now() >= by || this.#isGone) this.#answer(answers)
    else world.after(SETTLED_LOOK_MS, () => this.#answerOnceSettled(answers, commit, by))
  }

  #run({ command, owner }: Waiting): StoreAnswer {
    const { world, random, hearing, trouble } = this.#means
    const isAway = world.now() < Math.max(trouble.awayUntil, this.#opensAt)
    if (isAway && (world.now() < this.#opensAt || random.happens(0.5))) return unavailable('is away')
    if (world.now() < trouble.fullUntil && !isRead(command)) return unavailable('is full')
    if (this.#isStrangers(command, owner)) return { ok: true, result: command.name === 'write' ? { type: 'fenced' } : false }
    // What a deletion takes away was there.
    if (command.name === 'deleteSession') this.#tellDurable(command.args[0])
    let result: ResultOf<CommandName>
    try {
      result = runCommand(this.#memory, this.#bent(this.#owned(command, owner)))
    } catch (cause) {
      return { ok: false, error: new LogError('corrupt', 'the simulated store refused what breaks its rules', { cause }) }
    }
    if (command.name === 'deleteSession' && result === true) hearing.deleted(command.args[0], this.lineage)
    const rings = ringsOf(command, result)
    if (rings.session !== undefined || rings.work) hearing.ring(rings)
    return isAway ? unavailable('is away') : { ok: true, result: this.#finished(command, result) }
  }

  /** A claim belongs to the process that asks for it, whatever it calls itself. */
  #owned(command: LogCommand, owner: string): LogCommand {
    if (!this.#means.knowsOwners || (command.name !== 'claim' && command.name !== 'claimUntold')) return command
    return { name: command.name, args: [owner, command.args[1], command.args[2]] }
  }

  /** Whether somebody writes a turn that another process holds. */
  #isStrangers(command: LogCommand, owner: string): boolean {
    const { knowsOwners, bug } = this.#means
    if (!knowsOwners || bug.ignoresOwners === true) return false
    if (command.name !== 'write' && command.name !== 'renew' && command.name !== 'release') return false
    const [{ session, turnId }] = command.args
    const turn = this.#memory
      .snapshot()
      .sessions.get(session)
      ?.openTurns.find((open) => open.turn.turnId === turnId)?.turn
    return turn?.lease !== undefined && turn.lease.owner !== owner
  }

  /** The result with what only the whole store knows. */
  #finished(command: LogCommand, result: ResultOf<CommandName>): ResultOf<CommandName> {
    if (command.name === 'claim' || command.name === 'claimUntold') return this.#claimed(result)
    if (command.name !== 'read' || this.#replication === undefined) return result
    if (typeof result !== 'object' || !('settled' in result)) return result
    const [session] = command.args
    const settled = Math.max(this.#marks.get(session) ?? 0, this.#replication.markOf(session))
    if (settled !== this.#marks.get(session)) this.#means.hearing.settled(session, this.lineage, settled)
    this.#marks.set(session, settled)
    return { ...result, settled }
  }

  #claimed(result: ResultOf<CommandName>): readonly Claim[] {
    const { hearing, bug } = this.#means
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `claim` answers with claims
    const claims = (result as readonly Claim[]).map((claim) => bug.claim?.(claim) ?? claim)
    for (const claim of claims) hearing.claimed(claim)
    return claims
  }

  /** With a planted bug, the command that is carried out instead. */
  #bent(command: LogCommand): LogCommand {
    const { bug, sessions, random, wallNow } = this.#means
    return bug.command?.(command, { memory: this.#memory, sessions, random, now: wallNow() }) ?? command
  }

  #tellDurable(session: SessionId): void {
    const { hearing } = this.#means
    for (;;) {
      const read = this.#memory.read(session, this.#told.get(session), READ_ENTRIES_MAX)
      // A session that was made again.
      if (read.type === 'fork' && this.#told.delete(session)) continue
      const last = read.type === 'entries' ? read.entries.at(-1) : undefined
      if (read.type !== 'entries' || last === undefined) return
      for (const entry of read.entries) hearing.durable(session, this.lineage, entry)
      if (this.#replication === undefined) hearing.settled(session, this.lineage, last.seq)
      this.#told.set(session, { logId: read.logId, seq: last.seq, id: last.id })
    }
  }
}

const memoryOf = ({ random, wallNow, leaseNow }: Pick<NodeMeans, 'random' | 'wallNow' | 'leaseNow'>): MemoryStore =>
  createMemoryStore(
    { now: () => Math.floor(wallNow()), leaseNow, random: (count) => random.bytes(count) },
    // What a snapshot stands for is for whoever takes it to say.
    { durability: 'fsync' },
  )

/** A store with nothing in it but these sessions. */
export function newStore(means: Pick<NodeMeans, 'random' | 'wallNow' | 'leaseNow' | 'sessions'>): MemorySnapshot {
  const memory = memoryOf(means)
  for (const session of means.sessions) memory.createSession(session)
  return memory.snapshot()
}

const unavailable = (why: string): StoreAnswer => ({ ok: false, error: new LogError('unavailable', `the simulated store ${why}`) })

/** The session that a command may have appended to. */
function appendedTo(command: LogCommand): SessionId | undefined {
  if (command.name === 'ask' || command.name === 'stop') return command.args[0]
  return command.name === 'write' ? command.args[0].session : undefined
}

/** Whether whoever asked keeps nothing of it: a form's question, and a deletion, which must not come undone. */
function waitsUntilSettled(command: LogCommand, result: ResultOf<CommandName>): boolean {
  if (command.name === 'deleteSession') return result === true
  return command.name === 'ask' && command.args[1].device === SERVER_DEVICE && typeof result === 'object' && 'turnId' in result
}
