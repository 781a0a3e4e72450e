/**
 * A store as its users see it. `file` stands for SQLite with `synchronous=FULL`: one process has it, and it ends with that process.
 * `shared` stands for one Redis with `appendfsync always`: many processes use it, and it outlives each of them. `replicated` stands for
 * a Redis with replicas: it forgets what was not settled when one of them takes its place, and may go on for a while beside it.
 */
import type { NewSession } from '../conversation-log/conversation-log.ts'
import type { Durability } from '../conversation/durability.ts'
import type { SessionId } from '../conversation/ids.ts'
import type { MemorySnapshot } from '../conversation-log/memory-log.ts'
import type { LogCommand } from '../conversation-log/sync-log.ts'
import type { StoreBug } from './planted-bugs.ts'
import { Replication } from './replication.ts'
import type { SeededRandom } from './seeded-random.ts'
import { newStore, StoreNode, type NodeMeans, type StoreAnswer, type StoreHearing, type StoreTrouble } from './store-node.ts'
import type { World } from './world.ts'

/** What one process sees of the store. */
export interface StorePort {
  /** Carries out a command and answers once it is durable, unless the process dies before. */
  submit(command: LogCommand, reply: (answer: StoreAnswer) => void): void
}

export type StoreKind = 'file' | 'shared' | 'replicated'

export interface SimulatedStoreOptions {
  readonly world: World
  readonly random: SeededRandom
  readonly kind: StoreKind
  /** The wall clock of the store's machine, milliseconds since the epoch. */
  readonly wallNow: () => number
  /** What leases run on, in milliseconds. */
  readonly leaseNow: () => number
  /** Made at once. */
  readonly sessions: readonly NewSession[]
  readonly bug: StoreBug
  readonly hearing: StoreHearing & BranchHearing
}

/** What an observer notices when another history begins. */
export interface BranchHearing {
  branched(branch: Branch): void
}

export interface Branch {
  readonly session: SessionId
  readonly lineage: number
  readonly from: number
  /** How many of the session's entries the new history has, and whether it has the session at all. */
  readonly keeps: number
  readonly isThere: boolean
  /** People put an old copy back. */
  readonly isRestored: boolean
}

/** Electing another takes so long, in which nobody is answered. */
const ELECTION_MS = 3_000
const BACKUP_EVERY_MS = 10_000
const BACKUPS = 2

interface Backup {
  readonly at: number
  readonly lineage: number
  readonly snapshot: MemorySnapshot
}

interface Copy {
  readonly node: StoreNode
  readonly replication: Replication | undefined
}

export class SimulatedStore {
  readonly durability: Durability
  readonly #options: SimulatedStoreOptions
  readonly #means: NodeMeans
  readonly #trouble: StoreTrouble = { slowUntil: 0, awayUntil: 0, fullUntil: 0 }
  #primary: Copy
  /** One that was replaced and does not know it, and the processes that still use it. */
  #minority: (Copy & { readonly owners: ReadonlySet<string> }) | undefined
  #lineages = 1
  /** What a crash goes back to. */
  #committed: MemorySnapshot
  /** Old copies, the newest last. */
  #backups: readonly Backup[]

  constructor(options: SimulatedStoreOptions) {
    this.#options = options
    const { kind } = options
    this.durability = kind === 'replicated' ? 'replicated' : 'fsync'
    this.#means = {
      ...options,
      knowsOwners: kind !== 'file',
      trouble: this.#trouble,
      committed: (lineage, snapshot) => this.#keep(lineage, snapshot),
    }
    this.#committed = newStore(this.#means)
    this.#backups = [{ at: 0, lineage: 0, snapshot: this.#committed }]
    this.#primary = this.#begin(0, this.#committed)
  }

  /** As one life of a process sees it: `name/life`. */
  portOf(owner: string): StorePort {
    const name = owner.split('/')[0] ?? owner
    return {
      submit: (command, reply) => {
        const { node } = this.#minority?.owners.has(name) === true ? this.#minority : this.#primary
        node.submit({ owner, command, reply })
      },
    }
  }

  /** Its latest history. */
  get lineage(): number {
    return this.#primary.node.lineage
  }

  /** What is in it now. */
  get contents(): MemorySnapshot['sessions'] {
    return this.#primary.node.snapshot.sessions
  }

  /** Accepted questions that its own sums miss. */
  get missing(): number {
    return this.#primary.node.missing
  }

  /** Everybody uses the same copy. */
  get isWhole(): boolean {
    return this.#minority === undefined
  }

  /** Each commit takes up to seconds for so long. */
  slowFor(ms: number): void {
    this.#trouble.slowUntil = this.#options.world.now() + ms
  }

  /** Every command fails for so long; half of them were carried out all the same. */
  awayFor(ms: number): void {
    this.#trouble.awayUntil = this.#options.world.now() + ms
  }

  /** Nothing can be written for so long. */
  fullFor(ms: number): void {
    this.#trouble.fullUntil = this.#options.world.now() + ms
  }

  stallFor(ms: number): void {
    this.#primary.node.stallFor(ms)
  }

  /** A process died. A file ends with it, and with it what waited and all leases; another store may still get what was on its way. */
  died(owner: string): void {
    if (this.#options.kind !== 'file') {
      this.#primary.node.ownerDied(owner)
      this.#minority?.node.ownerDied(owner)
      return
    }
    this.#primary.node.end(false)
    this.#primary = this.#begin(this.lineage, this.#committed)
    this.#primary.node.releaseAll()
  }

  /** One replica falls behind. `false` where there are none. */
  lag(target: number, ms: number): boolean {
    this.#primary.replication?.lag(target, ms)
    return this.#primary.replication !== undefined
  }

  /** The store dies, and a replica takes its place with what it has. `false` when there is none that can. */
  failOver(target: number): boolean {
    const snapshot = this.#primary.replication?.promote(target)
    if (snapshot === undefined) return false
    this.#primary.node.end(true)
    this.#replace({ lineage: this.lineage, snapshot }, false)
    return true
  }

  /** The store is cut off from its replicas with some of the processes, and goes on with those until it is healed. */
  partition(target: number, names: readonly string[], ms: number): boolean {
    const snapshot = this.#primary.replication?.promote(target)
    if (snapshot === undefined || this.#minority !== undefined) return false
    const minority = { ...this.#primary, owners: new Set(names) }
    minority.replication?.cutOff()
    this.#minority = minority
    this.#options.world.after(ms, () => {
      this.#minority = undefined
      minority.node.end(true)
    })
    this.#replace({ lineage: this.lineage, snapshot }, false)
    return true
  }

  /** People put an old copy back. */
  restoreBackup(): void {
    const [oldest] = this.#backups
    if (oldest === undefined) return
    this.#primary.node.end(true)
    this.#replace(oldest, true)
    this.#primary.node.releaseAll()
  }

  #replace({ lineage: from, snapshot }: Pick<Backup, 'lineage' | 'snapshot'>, isRestored: boolean): void {
    const { hearing, sessions } = this.#options
    const lineage = this.#lineages
    this.#lineages += 1
    this.#primary = this.#begin(lineage, snapshot)
    for (const { id } of sessions) {
      const record = snapshot.sessions.get(id)
      hearing.branched({ session: id, lineage, from, keeps: record?.head?.seq ?? 0, isThere: record !== undefined, isRestored })
    }
  }

  #begin(lineage: number, snapshot: MemorySnapshot): Copy {
    const { world, random, kind, bug } = this.#options
    const isFirst = lineage === 0
    const opensAt = isFirst || kind === 'file' ? 0 : world.now() + random.between(200, ELECTION_MS)
    const replication = kind === 'replicated' ? new Replication(world, random, { bug, snapshot, isOld: isFirst }) : undefined
    return { replication, node: new StoreNode(this.#means, { lineage, snapshot, opensAt, replication }) }
  }

  #keep(lineage: number, snapshot: MemorySnapshot): void {
    if (lineage !== this.lineage) return
    this.#committed = snapshot
    const at = this.#options.world.now()
    if (at - (this.#backups.at(-1)?.at ?? 0) >= BACKUP_EVERY_MS)
      this.#backups = [...this.#backups, { at, lineage, snapshot }].slice(-BACKUPS)
  }
}
