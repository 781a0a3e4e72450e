/**
 * Everything that goes wrong in a simulated world, as data: a list that can be replayed, and shortened until only what matters is left.
 */
import type { AgentMood } from './simulated-agent.ts'
import type { SeededRandom } from './seeded-random.ts'

export const FAULT_KINDS = [
  'link cut',
  'link swallows',
  'network refuses',
  'network silent',
  'server crash',
  'server pause',
  'store slow',
  'store away',
  'tab reload',
  'tab freeze',
  'agent mood',
] as const
/** Drawn apart from the others, so that seeds whose histories are known keep those they have. */
export const LATER_KINDS = ['server drain', 'readers slow'] as const
export type FaultKind = (typeof FAULT_KINDS | typeof LATER_KINDS)[number]

export interface Fault {
  /** Milliseconds since the world began. */
  readonly at: number
  readonly kind: FaultKind
  /** How long it lasts, where it lasts. */
  readonly forMs: number
  /** Which tab or connection it hits, modulo how many there are. */
  readonly target: number
  /** Of `agent mood`. */
  readonly mood: AgentMood
  /** Of `link swallows`. */
  readonly directions: readonly ('browser' | 'server')[]
}

const MOODS: readonly AgentMood[] = ['away', 'failing', 'cutting', 'silent', 'slow', 'empty']
const DIRECTIONS: Fault['directions'][] = [['browser'], ['server'], ['browser', 'server']]
const FAULTS_MAX = 14
const LATER_FAULTS_MAX = 4

/** Longest that a fault of this kind lasts, in milliseconds; 0 for those that happen at once. */
const LONGEST: Readonly<Record<FaultKind, number>> = {
  'link cut': 0,
  'link swallows': 0,
  'network refuses': 20_000,
  'network silent': 20_000,
  'server crash': 8_000,
  'server pause': 12_000,
  'store slow': 8_000,
  'store away': 8_000,
  'tab reload': 0,
  'tab freeze': 60_000,
  'agent mood': 40_000,
  'server drain': 8_000,
  'readers slow': 45_000,
}

/**
 * The faults of one seed.
 *
 * Swarm testing (Groce et al., ISSTA 2012): each seed first draws which kinds it uses at all, because some bugs
 * only show when another kind does not get in their way. Half of the faults follow close upon another one, to hit recovery.
 */
export function faultsOf(random: SeededRandom, untilMs: number): readonly Fault[] {
  const drawn = FAULT_KINDS.filter(() => random.happens(0.4))
  const kinds = drawn.length > 0 ? drawn : [random.pick(FAULT_KINDS)]
  return draw({ random, kinds, count: random.between(1, FAULTS_MAX), untilMs })
}

/** Faults of the later kinds, which half of the seeds have none of. `random` is a stream of its own. */
export function laterFaultsOf(random: SeededRandom, untilMs: number): readonly Fault[] {
  const kinds = LATER_KINDS.filter(() => random.happens(0.3))
  return kinds.length === 0 ? [] : draw({ random, kinds, count: random.between(1, LATER_FAULTS_MAX), untilMs })
}

interface Draw {
  readonly random: SeededRandom
  readonly kinds: readonly FaultKind[]
  readonly count: number
  readonly untilMs: number
}

function draw({ random, kinds, count, untilMs }: Draw): readonly Fault[] {
  const faults: Fault[] = []
  for (let left = count; left > 0; left -= 1) {
    const kind = random.pick(kinds)
    const last = faults.at(-1)
    const isFollowUp = last !== undefined && random.happens(0.5)
    const at = isFollowUp ? last.at + last.forMs + random.between(0, 3_000) : random.between(0, untilMs)
    faults.push({
      at: Math.min(at, untilMs),
      kind,
      forMs: random.between(0, LONGEST[kind]),
      target: random.between(0, 9),
      mood: random.pick(MOODS),
      directions: random.pick(DIRECTIONS),
    })
  }
  return faults.toSorted((one, other) => one.at - other.at)
}
