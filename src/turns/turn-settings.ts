import type { Backoff } from '../resilience/backoff.ts'

/** What a team may set about turns; all spans in milliseconds. */
export interface TurnSettings {
  /** How long a claim lasts without renewal; renewed every third of it. */
  readonly leaseMs: number
  /** From asking the agent to the first text. */
  readonly firstTextTimeoutMs: number
  /** Between two pieces of text. */
  readonly idleTimeoutMs: number
  /** From asking the agent to the end of its answer. */
  readonly deadlineMs: number
  /** A question older than this is not asked any more. */
  readonly questionExpiresMs: number
  /** Turns that one process drives at once. */
  readonly concurrency: number
  /** Looks for work this often even when no bell rang. */
  readonly pollMs: number
  /** Deletes expired sessions this often. */
  readonly sweepMs: number
  /** Between tries at a store that is away. */
  readonly storeBackoff: Backoff
}

/** The defaults of the product (requirements R1 and R2, design "Settings"). */
export const DEFAULT_TURN_SETTINGS: TurnSettings = {
  leaseMs: 5_000,
  firstTextTimeoutMs: 10_000,
  idleTimeoutMs: 15_000,
  deadlineMs: 120_000,
  questionExpiresMs: 86_400_000,
  concurrency: 32,
  pollMs: 1_000,
  sweepMs: 60_000,
  storeBackoff: { baseMs: 2_000, capMs: 10_000 },
}
