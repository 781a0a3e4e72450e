/**
 * The replicas of a simulated store, each as far behind as its link makes it, and what is settled: what all of them have.
 */
import type { SessionId } from '../conversation/ids.ts'
import type { MemorySnapshot } from '../conversation-log/memory-log.ts'
import type { StoreBug } from './planted-bugs.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

interface Arrival {
  readonly at: number
  readonly commit: number
  readonly snapshot: MemorySnapshot
}

/** Replicas that may be promoted. */
const REPLICAS = 2
/** A probe is answered after so long, and there is one so often. */
const PROBE_TAKES_MS = 20
const PROBE_EVERY_MS = 200
/** A new replica has everything after so long. */
const RESYNC_MS = 3_000
const LAG_MS = 50

class Replica {
  /** From when on it has everything that came before it was made. */
  readonly inSyncAt: number
  readonly #arrivals: Arrival[] = []
  #notBefore: number

  constructor(inSyncAt: number) {
    this.inSyncAt = inSyncAt
    this.#notBefore = inSyncAt
  }

  receive(arrival: Arrival): void {
    this.#notBefore = Math.max(this.#notBefore, arrival.at)
    this.#arrivals.push({ ...arrival, at: this.#notBefore })
  }

  /** What is on its way never comes. */
  cutOff(now: number): void {
    while ((this.#arrivals.at(-1)?.at ?? 0) > now) this.#arrivals.pop()
  }

  /** What comes from now on waits until then. */
  holdUntil(at: number): void {
    this.#notBefore = Math.max(this.#notBefore, at)
  }

  /** What it has at that time; later times only, from call to call, but for the last few hundred milliseconds. */
  at(time: number): Arrival | undefined {
    return this.#arrivals.findLast(({ at }) => at <= time)
  }
}

export class Replication {
  readonly #world: World
  readonly #random: SeededRandom
  readonly #bug: StoreBug
  readonly #replicas: readonly Replica[]
  #commits = 0
  #isCutOff = false

  /** Replicas of a store that begins with this. `isOld`: they were there already and have it. */
  constructor(
    world: World,
    random: SeededRandom,
    options: { readonly bug: StoreBug; readonly snapshot: MemorySnapshot; readonly isOld: boolean },
  ) {
    this.#world = world
    this.#random = random
    this.#bug = options.bug
    const inSyncAt = (): number => (options.isOld ? 0 : world.now() + random.between(200, RESYNC_MS))
    this.#replicas = Array.from({ length: REPLICAS }, () => new Replica(inSyncAt()))
    this.committed(options.snapshot)
  }

  /** Sends what was committed to every replica; returns the commit's number. */
  committed(snapshot: MemorySnapshot): number {
    this.#commits += 1
    const now = this.#world.now()
    const commit = this.#commits
    if (!this.#isCutOff)
      for (const replica of this.#replicas) replica.receive({ at: now + this.#random.between(0, LAG_MS), commit, snapshot })
    return commit
  }

  /** No replica gets anything any more. */
  cutOff(): void {
    this.#isCutOff = true
    for (const replica of this.#replicas) replica.cutOff(this.#world.now())
  }

  /** One replica falls behind for so long. */
  lag(target: number, ms: number): void {
    this.#replicas[target % REPLICAS]?.holdUntil(this.#world.now() + ms)
  }

  /** Whether all replicas that may be promoted have this commit, as the last probe found. */
  isSettled(commit: number): boolean {
    return this.#choose(this.#replicas.map((replica) => replica.at(this.#probedAt())?.commit ?? -1)) >= commit
  }

  /** Up to where all of them have the session's entries, as the last probe found. */
  markOf(session: SessionId): number {
    const time = this.#probedAt()
    return this.#choose(this.#replicas.map((replica) => replica.at(time)?.snapshot.sessions.get(session)?.head?.seq ?? 0))
  }

  /** What one that may be promoted has now; `undefined` while there is none. */
  promote(target: number): MemorySnapshot | undefined {
    const now = this.#world.now()
    const able = this.#replicas.filter(({ inSyncAt }) => inSyncAt <= now)
    return able[target % Math.max(1, able.length)]?.at(now)?.snapshot
  }

  #probedAt(): number {
    return Math.floor((this.#world.now() - PROBE_TAKES_MS) / PROBE_EVERY_MS) * PROBE_EVERY_MS
  }

  /** All of them count; with a planted bug, the first. */
  #choose(counts: readonly number[]): number {
    return this.#bug.settlesWithOne === true ? Math.max(...counts) : Math.min(...counts)
  }
}
