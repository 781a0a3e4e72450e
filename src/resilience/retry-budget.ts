/**
 * How many retries a service may be given, as a share of what it is asked anyway (after Finagle's RetryBudget), so that
 * an outage does not multiply the load that caused it.
 *
 * Each request deposits `ratio` of a retry; each retry withdraws a whole one. `reservePerSecond` keeps a quiet service
 * able to retry at all. Deposits and withdrawals are forgotten after `ttlMs`, in ten slices. One budget for one service,
 * shared by all that call it: whoever withdraws has it, so callers at the same time never overspend.
 */
import { type Clock } from './clock.ts'
import { numberFaults, refuseFaults } from './resilience-error.ts'

export interface RetryBudgetSettings {
  readonly service: string
  /** Retries earned by a request. Default 0.2. */
  readonly ratio?: number | undefined
  /** Retries a second that need not be earned. Default 1. */
  readonly reservePerSecond?: number | undefined
  /** Milliseconds after which deposits and withdrawals are forgotten. Default 10,000. */
  readonly ttlMs?: number | undefined
}

export interface RetryBudget {
  readonly service: string
  /** A request is being made, first try only. */
  deposit(): void
  /** Takes one retry; false when there is none, and nothing is taken. */
  withdraw(): boolean
  /** Whole retries there are now. */
  available(): number
  /** Whole retries that a service has which asked for nothing lately. */
  readonly reserve: number
}

interface Slice {
  readonly startedAt: number
  deposits: number
  withdrawals: number
}

const SLICES = 10
/** Sums of fractions such as 0.1 miss whole numbers by less than this. */
const ROUNDING = 1e-6

class SlidingRetryBudget implements RetryBudget {
  readonly service: string
  readonly #clock: Clock
  readonly #ratio: number
  readonly #reserve: number
  readonly #ttlMs: number
  /** Oldest first, at most one more than `SLICES`. */
  readonly #slices: Slice[] = []
  #deposits = 0
  #withdrawals = 0

  constructor(rules: Required<RetryBudgetSettings>, clock: Clock) {
    this.service = rules.service
    this.#clock = clock
    this.#ratio = rules.ratio ?? 0
    this.#ttlMs = rules.ttlMs ?? 0
    this.#reserve = ((rules.reservePerSecond ?? 0) * this.#ttlMs) / 1_000
  }

  get reserve(): number {
    return Math.floor(this.#reserve)
  }

  deposit(): void {
    this.#now().deposits += 1
    this.#deposits += 1
  }

  withdraw(): boolean {
    const slice = this.#now()
    if (this.available() < 1) return false
    slice.withdrawals += 1
    this.#withdrawals += 1
    return true
  }

  available(): number {
    this.#forget(this.#clock.monotonic())
    return Math.max(0, Math.floor(this.#deposits * this.#ratio + this.#reserve - this.#withdrawals + ROUNDING))
  }

  /** The slice that takes what happens now. */
  #now(): Slice {
    const now = this.#clock.monotonic()
    const last = this.#slices.at(-1)
    if (last !== undefined && now < last.startedAt + this.#ttlMs / SLICES) return last
    this.#forget(now)
    const slice = { startedAt: now, deposits: 0, withdrawals: 0 }
    this.#slices.push(slice)
    return slice
  }

  #forget(now: number): void {
    for (let oldest = this.#slices[0]; oldest !== undefined && oldest.startedAt + this.#ttlMs <= now; oldest = this.#slices[0]) {
      this.#deposits -= oldest.deposits
      this.#withdrawals -= oldest.withdrawals
      this.#slices.shift()
    }
  }
}

/** @throws SettingsError that lists every fault of `settings`. */
export function createRetryBudget(settings: RetryBudgetSettings, clock: Clock): RetryBudget {
  const { service, ratio = 0.2, reservePerSecond = 1, ttlMs = 10_000 } = settings
  refuseFaults(
    `retry budget ${service}`,
    numberFaults([
      { name: 'ratio', value: ratio, min: 0, max: 1_000 },
      { name: 'reservePerSecond', value: reservePerSecond, min: 0, max: 1_000_000 },
      { name: 'ttlMs', value: ttlMs, min: SLICES },
    ]),
  )
  return new SlidingRetryBudget({ service, ratio, reservePerSecond, ttlMs }, clock)
}
