/**
 * A store as SQLite with `synchronous=FULL` behaves: commands are committed in groups, what was committed survives a crash,
 * what was waiting does not, and an answer can be lost after its command was carried out.
 */
import type { Entry } from '../conversation/entry.ts'
import { mintMessageId, SERVER_DEVICE, type Cursor } from '../conversation/ids.ts'
import type { NewSession } from '../conversation-log/conversation-log.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '../conversation-log/memory-log.ts'
import { ringsOf, runCommand, type CommandName, type LogCommand, type ResultOf } from '../conversation-log/sync-log.ts'
import type { PlantedBug } from './planted-bugs.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

export type StoreAnswer<Name extends CommandName = CommandName> =
  | { readonly ok: true; readonly result: ResultOf<Name> }
  | { readonly ok: false; readonly error: LogError }

export interface SimulatedStoreOptions {
  readonly world: World
  readonly random: SeededRandom
  /** Wall-clock milliseconds at the beginning of the world. */
  readonly epochMs: number
  /** Made at once; told of every entry of it once it is durable. */
  readonly session: NewSession
  readonly bug: Pick<PlantedBug, 'acknowledgesEarly' | 'storesTwice'>
  onDurable(entry: Entry): void
  /** A doorbell: something was appended, or a turn may be claimable. */
  onRing(rings: { readonly appended: boolean; readonly work: boolean }): void
}

interface Waiting {
  readonly command: LogCommand
  readonly reply: (answer: StoreAnswer) => void
}

export class SimulatedStore {
  readonly #options: SimulatedStoreOptions
  readonly #store: MemoryStore
  #waiting: Waiting[] = []
  #isCommitPlanned = false
  /** Grows when the owning process dies: answers meant for it are lost. */
  #owner = 0
  #slowUntil = 0
  #awayUntil = 0
  #told: Cursor | undefined
  /** What a crash goes back to. */
  #committed: MemorySnapshot

  constructor(options: SimulatedStoreOptions) {
    this.#options = options
    const { world, random, epochMs } = options
    this.#store = createMemoryStore(
      { now: () => epochMs + Math.floor(world.now()), leaseNow: () => world.now(), random: (count) => random.bytes(count) },
      { durability: 'fsync' },
    )
    this.#store.createSession(options.session)
    this.#committed = this.#store.snapshot()
  }

  /** Carries out a command and answers once it is durable, unless the process dies before. */
  submit(command: LogCommand, reply: (answer: StoreAnswer) => void): void {
    const { world, random, bug } = this.#options
    if (bug.acknowledgesEarly === true) this.#answer([{ reply, answer: this.#run(command) }])
    else this.#waiting.push({ command, reply })
    if (this.#isCommitPlanned) return
    this.#isCommitPlanned = true
    const takesMs = world.now() < this.#slowUntil ? random.between(200, 3000) : random.between(0, 4)
    world.after(takesMs, () => this.#commit())
  }

  /** Each commit takes up to seconds for so long. */
  slowFor(ms: number): void {
    this.#slowUntil = this.#options.world.now() + ms
  }

  /** Every command fails for so long; half of them were carried out all the same. */
  awayFor(ms: number): void {
    this.#awayUntil = this.#options.world.now() + ms
  }

  /** The process that owns the store dies and another opens it: what waited is gone, and so are all leases. */
  crash(): void {
    this.#owner += 1
    this.#waiting = []
    this.#store.restore(this.#committed)
    this.#store.releaseAll()
  }

  #commit(): void {
    const batch = this.#waiting
    this.#waiting = []
    this.#isCommitPlanned = false
    const answers = batch.map(({ command, reply }) => ({ reply, answer: this.#run(command) }))
    this.#committed = this.#store.snapshot()
    this.#tellDurable()
    this.#answer(answers)
  }

  /** Answers take a moment, and are lost with the process they were meant for. */
  #answer(answers: readonly { readonly reply: Waiting['reply']; readonly answer: StoreAnswer }[]): void {
    const { world, random } = this.#options
    const owner = this.#owner
    world.after(random.between(0, 3), () => {
      if (owner !== this.#owner) return
      for (const { reply, answer } of answers) reply(answer)
    })
  }

  #run(command: LogCommand): StoreAnswer {
    const isAway = this.#options.world.now() < this.#awayUntil
    if (isAway && this.#options.random.happens(0.5)) return unavailable()
    let result: ResultOf<CommandName>
    try {
      result = runCommand(this.#store, this.#options.bug.storesTwice === true ? this.#forgetful(command) : command)
    } catch (cause) {
      return { ok: false, error: new LogError('corrupt', 'the simulated store refused what breaks its rules', { cause }) }
    }
    const rings = ringsOf(command, result)
    if (rings.session !== undefined || rings.work) this.#options.onRing({ appended: rings.session !== undefined, work: rings.work })
    return isAway ? unavailable() : { ok: true, result }
  }

  /** The planted bug: a question that the store has is asked as if it were another. */
  #forgetful(command: LogCommand): LogCommand {
    if (command.name !== 'ask') return command
    const [session, question] = command.args
    const known = this.#store.read(session, undefined, READ_ENTRIES_MAX)
    const isRepeat =
      known.type === 'entries' && known.entries.some((entry) => entry.kind === 'message' && entry.messageId === question.messageId)
    if (!isRepeat) return command
    const messageId = mintMessageId(0, (count) => this.#options.random.bytes(count))
    return { name: 'ask', args: [session, { ...question, messageId, device: SERVER_DEVICE, number: undefined }] }
  }

  #tellDurable(): void {
    for (;;) {
      const read = this.#store.read(this.#options.session.id, this.#told, READ_ENTRIES_MAX)
      const last = read.type === 'entries' ? read.entries.at(-1) : undefined
      if (read.type !== 'entries' || last === undefined) return
      for (const entry of read.entries) this.#options.onDurable(entry)
      this.#told = { logId: read.logId, seq: last.seq, id: last.id }
    }
  }
}

const unavailable = (): StoreAnswer => ({ ok: false, error: new LogError('unavailable', 'the simulated store is away') })
