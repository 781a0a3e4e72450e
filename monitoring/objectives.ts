/**
 * What the service owes people over four weeks, and how fast that may be used up before somebody is told.
 * Every threshold of the burn-rate alerts follows from these few numbers.
 */

/** The time that an objective is held against, in days. */
const PERIOD_DAYS = 28

/** Of the questions that were accepted and not taken back, the share that must be answered. */
export const ANSWERED_MIN = 0.995
/** Of the first words, the share that must come within `FIRST_WORDS_SECONDS`. */
export const FIRST_WORDS_MIN = 0.95
export const FIRST_WORDS_SECONDS = 5
/** A question is said to be saved within this time, for 999 of 1,000. */
export const ACK_SECONDS = 1

/** A window, and the share of the four weeks' budget that may be gone within it. The short window ends the alert soon after the fault. */
interface Burn {
  readonly long: string
  readonly longHours: number
  readonly short: string
  readonly budgetShare: number
}

export const BURNS = {
  fast: { long: '1h', longHours: 1, short: '5m', budgetShare: 0.02 },
  slow: { long: '6h', longHours: 6, short: '30m', budgetShare: 0.05 },
  ticket: { long: '3d', longHours: 72, short: '6h', budgetShare: 0.1 },
} as const satisfies Readonly<Record<string, Burn>>

/** How many times faster than allowed the budget burns when `budgetShare` of it goes in the long window. */
export const burnFactor = ({ longHours, budgetShare }: Burn): number => round((budgetShare * PERIOD_DAYS * 24) / longHours)

/** The share of failures at which the alert of that burn fires. */
export const burnThreshold = (burn: Burn): number => round(burnFactor(burn) * (1 - ANSWERED_MIN))

/** Without the dust of binary fractions, so that the rules read as a person would write them. */
const round = (value: number): number => Number(value.toPrecision(6))
