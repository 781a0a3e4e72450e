/**
 * Writes whose outcome is unknown, and how they are made certain.
 *
 * A command that timed out, or whose connection broke, may still lie in front of Redis and be carried out later: after the log was
 * read, and after somebody acted on what was read. So every write carries the round of its claim. When one is given up, the next
 * reader first begins a new round in the store: from then on the old write has been done or never will be.
 */
import type { SessionId } from '../conversation/ids.ts'
import { REDIS_CLAIMS_REMEMBERED_MAX } from '../conversation/limits.ts'
import type { Claim } from './conversation-log.ts'

export interface Doubt {
  readonly claim: Claim
  /** The round that must begin before anything is read. */
  readonly round: number
}

export class WriteRounds {
  /** Of claims that are past their first round. Forgetting one that is still held only fences it. */
  readonly #rounds = new Map<string, number>()
  readonly #doubts = new Map<SessionId, Map<string, Doubt>>()

  of(claim: Claim): number {
    return this.#rounds.get(nameOf(claim)) ?? 0
  }

  /** A write of this claim failed, and nobody knows how far it came. */
  doubt(claim: Claim): void {
    const doubts = this.#doubts.get(claim.session) ?? new Map<string, Doubt>()
    this.#doubts.set(claim.session, doubts.set(nameOf(claim), { claim, round: this.of(claim) + 1 }))
    forgetOldest(this.#doubts)
  }

  doubtsOf(session: SessionId): readonly Doubt[] {
    const doubts = this.#doubts.get(session)
    return doubts === undefined ? NONE : [...doubts.values()]
  }

  /** The new round has begun. */
  resolved({ claim, round }: Doubt): void {
    this.#rounds.set(nameOf(claim), Math.max(round, this.of(claim)))
    forgetOldest(this.#rounds)
    this.#dropDoubt(claim)
  }

  /** The claim is over. */
  forget(claim: Claim): void {
    this.#rounds.delete(nameOf(claim))
    this.#dropDoubt(claim)
  }

  #dropDoubt({ session, ...claim }: Claim): void {
    const doubts = this.#doubts.get(session)
    doubts?.delete(nameOf(claim))
    if (doubts?.size === 0) this.#doubts.delete(session)
  }
}

const NONE: readonly Doubt[] = []

const nameOf = ({ turnId, fence }: Pick<Claim, 'turnId' | 'fence'>): string => `${turnId}.${fence}`

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= REDIS_CLAIMS_REMEMBERED_MAX) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
