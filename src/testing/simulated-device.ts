/**
 * The storage of a device that several pages share: what is committed stays, whatever becomes of the pages, until the browser throws it
 * all away. It decides with the product's own `applyChange`, inside what stands for its transaction.
 */
import type { OutboxOutcome } from '../browser/browser-env.ts'
import { applyChange, isLeftBehind, rowsOf, type OutboxChange, type OutboxRow, type OutboxScope } from '../browser/outbox.ts'

export class SimulatedDevice {
  /** `full`: what would make it larger fails. `broken`: everything fails. */
  mode: 'well' | 'full' | 'broken' = 'well'
  /** Everything that was committed, as it was written. */
  records: readonly unknown[] = []
  /** Planted bug: it does not tell visitors and sessions apart. */
  seesAll = false
  #firstScope: OutboxScope | undefined
  #births = 1

  /** One transaction. */
  transact(change: OutboxChange, given: OutboxScope, at: number): OutboxOutcome {
    this.#firstScope ??= given
    const scope = this.seesAll ? this.#firstScope : given
    if (this.mode === 'broken') return { type: 'unstored', why: 'failed' }
    const before = rowsOf(this.records, scope)
    const rows = applyChange(before, change, scope, at)
    if (this.mode === 'full' && rows.length > before.length) return { type: 'unstored', why: 'full' }
    const changed = new Set([...rows, ...before].map(keyOf))
    const others = this.records.filter((record) => {
      const key = isRecord(record) ? keyOf(record) : undefined
      const isOld = change.type === 'arrive' && isLeftBehind(record, scope, change, at)
      return !isOld && (key === undefined || !changed.has(key))
    })
    this.records = [...others, ...rows]
    return { type: 'stored', rows, at, birth: String(this.#births) }
  }

  /** How many questions it keeps of one session. */
  count(session: string): number {
    return this.records.filter((record) => isRecord(record) && record.session === session).length
  }

  /** The browser deletes all of it. */
  evict(): void {
    this.records = []
    this.#births += 1
  }
}

type Key = Pick<OutboxRow, 'visitor' | 'session' | 'messageId'>

const isRecord = (record: unknown): record is Key => typeof record === 'object' && record !== null && 'messageId' in record
const keyOf = ({ visitor, session, messageId }: Key): string => `${visitor}/${session}/${messageId}`
