/**
 * What became of every question that was ever accepted: counts that are kept with the entries, in the same step. Pure.
 *
 * They are kept apart from what they count. `waiting` comes from the open turns themselves, so when a turn or a question vanishes
 * the sums no longer agree, and the difference is how many are missing.
 */
import type { TurnEndedBody } from '../conversation/entry.ts'
import { missingIn, type QuestionEnd, type QuestionTally } from './conversation-log.ts'

export interface Ledger {
  readonly accepted: number
  readonly ended: Readonly<Record<QuestionEnd, number>>
  /** The most that was ever missing, and when that was first noticed, in milliseconds since the epoch. */
  readonly lost: number
  readonly lostAt: number | undefined
}

/** What there is beside the ledger. */
export type OpenQuestions = Pick<QuestionTally, 'waiting' | 'unstarted' | 'oldestUnstartedAt' | 'sessions'>

export const EMPTY_LEDGER: Ledger = {
  accepted: 0,
  ended: { answered: 0, stopped: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 },
  lost: 0,
  lostAt: undefined,
}

export const withAccepted = (ledger: Ledger): Ledger => ({ ...ledger, accepted: ledger.accepted + 1 })

export const withEnded = (ledger: Ledger, end: QuestionEnd, count: number): Ledger =>
  count === 0 ? ledger : { ...ledger, ended: { ...ledger.ended, [end]: ledger.ended[end] + count } }

/** What a turn's end means for its question: one that was stopped before it was asked is cancelled. */
export function endOf({ outcome, attempt }: Pick<TurnEndedBody, 'outcome' | 'attempt'>): QuestionEnd {
  switch (outcome) {
    case 'complete':
      return 'answered'
    case 'stopped':
      return attempt > 0 ? 'stopped' : 'cancelled'
    case 'failed':
    case 'interrupted':
    case 'expired':
      return outcome
  }
}

/** Compares the ledger with what there is. `ledger` is the same one unless more is missing than ever before. */
export function audit(before: Ledger, open: OpenQuestions, now: number): { readonly ledger: Ledger; readonly tally: QuestionTally } {
  const found = Math.max(0, missingIn({ ...before, ...open }) - before.lost)
  const ledger = found === 0 ? before : { ...before, lost: before.lost + found, lostAt: now }
  return { ledger, tally: { ...ledger, ...open, found } }
}

/** The tallies of several partitions as one. */
export function sumOf(tallies: readonly QuestionTally[]): QuestionTally {
  const sum = (count: (tally: QuestionTally) => number): number => tallies.reduce((total, tally) => total + count(tally), 0)
  const known = (time: (tally: QuestionTally) => number | undefined): readonly number[] => tallies.flatMap((tally) => time(tally) ?? [])
  const [oldest, lostAt] = [known(({ oldestUnstartedAt }) => oldestUnstartedAt), known((tally) => tally.lostAt)]
  return {
    accepted: sum(({ accepted }) => accepted),
    ended: {
      answered: sum(({ ended }) => ended.answered),
      stopped: sum(({ ended }) => ended.stopped),
      failed: sum(({ ended }) => ended.failed),
      interrupted: sum(({ ended }) => ended.interrupted),
      expired: sum(({ ended }) => ended.expired),
      cancelled: sum(({ ended }) => ended.cancelled),
    },
    waiting: sum(({ waiting }) => waiting),
    unstarted: sum(({ unstarted }) => unstarted),
    oldestUnstartedAt: oldest.length === 0 ? undefined : Math.min(...oldest),
    sessions: sum(({ sessions }) => sessions),
    lost: sum(({ lost }) => lost),
    lostAt: lostAt.length === 0 ? undefined : Math.max(...lostAt),
    found: sum(({ found }) => found),
  }
}
