/**
 * Checks the promise over a history, record by record (SPEC §17; invariants numbered as in the rules).
 *
 * It folds the store's entries with code of its own and compares that with what every tab showed at every moment.
 * It knows neither the product's fold nor its protocol.
 */
import type { HistoryRecord, Violation } from './history.ts'
import { SessionChecker, type Belongings } from './session-checker.ts'

const VIOLATIONS_MAX = 20

/** Feed it every record in the order things happened. */
export class Checker {
  /** Everything broken so far, first first; bounded. */
  readonly violations: Violation[] = []
  /** Questions that the store had made durable and then forgot, and those of them that are in its log at rest. */
  forgotten = 0
  repaired = 0
  readonly #sessions = new Map<string, SessionChecker>()
  readonly #belongings: Belongings = new Map()

  record(entry: HistoryRecord): void {
    switch (entry.type) {
      case 'fault':
        return
      case 'rest':
        for (const session of this.#sessions.values()) this.#rest(session, entry.lineage)
        return
      case 'typed':
      case 'kept':
      case 'sent':
      case 'refused':
      case 'marked':
      case 'forgot':
      case 'gave away':
      case 'held':
      case 'loaded':
      case 'left':
      case 'forked':
      case 'view':
      case 'blind':
      case 'cursor':
      case 'quiet':
      case 'claimed':
      case 'asked':
      case 'said':
      case 'turned away':
      case 'durable':
      case 'settled':
      case 'branch':
      case 'deleted':
        this.#session(entry.session).record(entry)
    }
  }

  #rest(session: SessionChecker, lineage: number): void {
    session.rest(lineage)
    const { forgotten, repaired } = session.repairs(lineage)
    this.forgotten += forgotten
    this.repaired += repaired
  }

  #session(name: string): SessionChecker {
    const known = this.#sessions.get(name)
    if (known !== undefined) return known
    const session = new SessionChecker(name, (invariant, witness) => this.#broken(invariant, witness), this.#belongings)
    this.#sessions.set(name, session)
    return session
  }

  #broken(invariant: string, witness: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push({ invariant, witness })
  }
}
