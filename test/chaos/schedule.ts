/** Which part is struck when, how and for how long: data, and all of it from one seed. */
import { seededRandom } from '../../src/testing/seeded-random.ts'

export const STORES = ['sqlite', 'redis'] as const
export type StoreKind = (typeof STORES)[number]

/** `killed`: by `SIGKILL`, and started again when the time is over. `frozen`: by `SIGSTOP`, until `SIGCONT`. */
export type Harm = 'killed' | 'frozen'

export interface Fault {
  /** Since the beginning of the run, in milliseconds. */
  readonly atMs: number
  readonly harm: Harm
  /** A server by its number, or Redis. */
  readonly victim: number | 'redis'
  readonly forMs: number
}

export interface ScheduleOptions {
  readonly seed: number
  readonly store: StoreKind
  readonly faults: number
  /** The longest that anything is away; longer than a lease, so that turns are taken over from those who wake up later. */
  readonly awayMaxMs: number
}

export const SERVERS: Readonly<Record<StoreKind, number>> = { sqlite: 1, redis: 3 }

/** Of ten faults with Redis so many strike it and not a server. */
const REDIS_SHARE = 0.25
/** Between two faults. Where there is one server, nobody is served while it is away. */
const GAP_MS: Readonly<Record<StoreKind, readonly [least: number, most: number]>> = { sqlite: [500, 7_500], redis: [200, 3_800] }
const FIRST_MS = 1_000

/** The faults in the order of their time. They may overlap, and one may fall into the recovery from another. */
export function drawFaults({ seed, store, faults, awayMaxMs }: ScheduleOptions): readonly Fault[] {
  const random = seededRandom(seed).stream('chaos')
  let atMs = FIRST_MS
  return Array.from({ length: faults }, () => {
    atMs += random.between(...GAP_MS[store])
    const victim = store === 'redis' && random.happens(REDIS_SHARE) ? 'redis' : random.between(0, SERVERS[store] - 1)
    const harm = random.happens(0.5) ? 'killed' : 'frozen'
    return { atMs, harm, victim, forMs: random.between(0, awayMaxMs) }
  })
}

/** As many faults as fit into the time. */
export const faultsIn = (minutes: number, store: StoreKind): number =>
  Math.max(1, Math.floor((minutes * 60_000 * 2) / (GAP_MS[store][0] + GAP_MS[store][1])))

export const describeFault = ({ atMs, harm, victim, forMs }: Fault): string =>
  `${(atMs / 1_000).toFixed(1)} s: ${victim === 'redis' ? 'redis' : `server ${victim}`} ${harm} for ${forMs} ms`
