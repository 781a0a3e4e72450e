/**
 * Counts what reached the simulated agent, so that a test can say how often it was really asked.
 *
 * Turns are counted one by one under a hash of their id: the same turn asked twice shows, and no id is kept.
 */
import { createHash } from 'node:crypto'
import { SIMULATOR_TURNS_MAX } from '../conversation/limits.ts'

export interface TurnStats {
  readonly questions: number
  /** The highest attempt that was asked. */
  readonly attempt: number
  readonly cancels: number
}

export interface Stats {
  /** Handshakes accepted, those open now, and those refused. */
  readonly connections: number
  readonly openConnections: number
  readonly refusals: number
  readonly questions: number
  readonly cancels: number
  readonly pings: number
  /** Messages that were not of the form. */
  readonly badMessages: number
  /** Answers sent whole. */
  readonly finished: number
  /** Answers that a fault ended, by its name. */
  readonly faults: Readonly<Record<string, number>>
  /** By the first 16 hexadecimal digits of the SHA-256 of the turn's id; at most the latest 10,000. */
  readonly turns: Readonly<Record<string, TurnStats>>
  readonly turnsForgotten: number
}

export type Counted = 'connections' | 'refusals' | 'pings' | 'badMessages' | 'finished'

export interface StatsCounter {
  count(what: Counted): void
  fault(name: string): void
  question(turnId: string, attempt: number): void
  cancel(turnId: string | undefined): void
  read(openConnections: number): Stats
  reset(): void
}

/** The name under which a turn is counted. */
export const turnHash = (turnId: string): string => createHash('sha256').update(turnId, 'utf8').digest('hex').slice(0, 16)

const NO_COUNTS: Readonly<Record<Counted, number>> = { connections: 0, refusals: 0, pings: 0, badMessages: 0, finished: 0 }
const NEW_TURN: TurnStats = { questions: 0, attempt: 0, cancels: 0 }

export function createStats(): StatsCounter {
  let counts = NO_COUNTS
  let questions = 0
  let cancels = 0
  let turnsForgotten = 0
  const faults = new Map<string, number>()
  const turns = new Map<string, TurnStats>()

  const changeTurn = (turnId: string, change: (turn: TurnStats) => TurnStats): void => {
    const hash = turnHash(turnId)
    turns.set(hash, change(turns.get(hash) ?? NEW_TURN))
    const [oldest] = turns.keys()
    if (turns.size <= SIMULATOR_TURNS_MAX || oldest === undefined) return
    turns.delete(oldest)
    turnsForgotten += 1
  }

  return {
    count(what) {
      counts = { ...counts, [what]: counts[what] + 1 }
    },
    fault(name) {
      faults.set(name, (faults.get(name) ?? 0) + 1)
    },
    question(turnId, attempt) {
      questions += 1
      changeTurn(turnId, (turn) => ({ ...turn, questions: turn.questions + 1, attempt: Math.max(turn.attempt, attempt) }))
    },
    cancel(turnId) {
      cancels += 1
      if (turnId !== undefined) changeTurn(turnId, (turn) => ({ ...turn, cancels: turn.cancels + 1 }))
    },
    read: (openConnections) => ({
      ...counts,
      openConnections,
      questions,
      cancels,
      faults: Object.fromEntries(faults),
      turns: Object.fromEntries(turns),
      turnsForgotten,
    }),
    reset() {
      counts = NO_COUNTS
      questions = 0
      cancels = 0
      turnsForgotten = 0
      faults.clear()
      turns.clear()
    },
  }
}
