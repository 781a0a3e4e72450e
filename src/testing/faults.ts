/**
 * Everything that goes wrong in a simulated world, as data: a list that can be replayed, and shortened until only what matters is left.
 */
import { AGENT_MOODS, type AgentMood } from './simulated-agent.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Longest that a fault of each kind lasts, in milliseconds; 0 for those that happen at once. Of a clock: how far it jumps. */
const LONGEST = {
  'link cut': 0,
  'link swallows': 0,
  'link held': 30_000,
  'network refuses': 20_000,
  'network silent': 20_000,
  'network swallows': 20_000,
  'bells lost': 30_000,
  'readers slow': 45_000,
  'server crash': 8_000,
  'server drain': 8_000,
  'server pause': 12_000,
  'server clock jumps': 3_600_000,
  'store slow': 8_000,
  'store away': 8_000,
  'store full': 20_000,
  'store stalls': 12_000,
  'store clock jumps': 3_600_000,
  'replica lags': 10_000,
  'store fails over': 6_000,
  'store is split': 12_000,
  'backup restored': 0,
  'tab reload': 0,
  'tab crash': 30_000,
  'tab freeze': 60_000,
  'device offline': 40_000,
  'device storage': 30_000,
  'sockets blocked': 60_000,
  'agent mood': 40_000,
  'session deleted': 0,
} as const

export type FaultKind = keyof typeof LONGEST
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a constant
export const FAULT_KINDS = Object.keys(LONGEST) as readonly FaultKind[]

export interface Fault {
  /** Milliseconds since the world began. */
  readonly at: number
  readonly kind: FaultKind
  /** How long it lasts, where it lasts. */
  readonly forMs: number
  /** Which tab, server, session or connection it hits, modulo how many there are. */
  readonly target: number
  /** Of `agent mood`. */
  readonly mood: AgentMood
  /** Of `link swallows`. */
  readonly directions: readonly ('browser' | 'server')[]
}

const DIRECTIONS: Fault['directions'][] = [['browser'], ['server'], ['browser', 'server']]
const FAULTS_MAX = 16
/** How likely a kind is to be used in a world; each draws one. */
const USED_BY = [0.08, 0.2, 0.4]
/** … and a kind that only some worlds can have. */
const USED_BY_REPLICAS = 0.5
/** What ends a conversation is rarer, because little can go wrong after it, and so is what voids promises. */
const RARE = 0.06
export const RARE_KINDS: ReadonlySet<FaultKind> = new Set<FaultKind>(['session deleted', 'backup restored'])
const REPLICA_KINDS: ReadonlySet<FaultKind> = new Set<FaultKind>(['replica lags', 'store fails over', 'store is split'])

function usage(kind: FaultKind, usedBy: number): number {
  if (RARE_KINDS.has(kind)) return RARE
  return REPLICA_KINDS.has(kind) ? USED_BY_REPLICAS : usedBy
}

interface FaultTerms {
  readonly untilMs: number
  /** Whether the store has replicas. */
  readonly hasReplicas: boolean
}

/**
 * The faults of one seed.
 *
 * Swarm testing (Groce et al., ISSTA 2012): each seed first draws which kinds it uses at all, because some bugs
 * only show when another kind does not get in their way. Half of the faults follow close upon another one, to hit recovery.
 */
export function faultsOf(random: SeededRandom, { untilMs, hasReplicas }: FaultTerms): readonly Fault[] {
  const usedBy = random.pick(USED_BY)
  const able = FAULT_KINDS.filter((kind) => hasReplicas || !REPLICA_KINDS.has(kind))
  const drawn = able.filter((kind) => random.happens(usage(kind, usedBy)))
  const kinds = drawn.length > 0 ? drawn : [random.pick(able)]
  const faults: Fault[] = []
  for (let left = random.between(1, FAULTS_MAX); left > 0; left -= 1) {
    const kind = random.pick(kinds)
    const last = faults.at(-1)
    const isFollowUp = last !== undefined && random.happens(0.5)
    const at = isFollowUp ? last.at + Math.min(last.forMs, untilMs) + random.between(0, 3_000) : random.between(0, untilMs)
    faults.push({
      at: Math.min(at, untilMs),
      kind,
      forMs: random.between(0, LONGEST[kind]),
      target: random.between(0, 59),
      mood: random.pick(AGENT_MOODS),
      directions: random.pick(DIRECTIONS),
    })
  }
  return faults.toSorted((one, other) => one.at - other.at)
}
