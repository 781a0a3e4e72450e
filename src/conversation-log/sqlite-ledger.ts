/**
 * The ledger of accepted questions in the database: a row a count, changed inside the transaction of what it counts.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { QuestionEnd, QuestionTally } from './conversation-log.ts'
import { audit, type Ledger, type OpenQuestions } from './ledger.ts'
import { LogError } from './log-error.ts'
import { numberIn, textIn, type Row } from './sqlite-rows.ts'

/** Turns that wait for their end. One whose question is not in the log any more is no question that waits. */
const WAITING = `FROM turn JOIN session ON session.id = turn.session
  JOIN entry ON entry.session = turn.session AND entry.message_id = turn.message_id WHERE turn.is_open = 1`

const STATEMENTS = {
  count: 'UPDATE ledger SET value = value + ?2 WHERE name = ?1',
  note: 'UPDATE ledger SET value = ?2 WHERE name = ?1',
  all: 'SELECT name, value FROM ledger',
  waitingIn: `SELECT count(*) AS waiting ${WAITING} AND session.session_id = ?1`,
  waitingInExpired: `SELECT count(*) AS waiting ${WAITING}
    AND turn.session IN (SELECT id FROM session WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)`,
  waiting: `SELECT count(*) AS waiting, coalesce(sum(turn.attempt = 0 AND session.expires_at > ?1), 0) AS unstarted,
    min(CASE WHEN turn.attempt = 0 AND session.expires_at > ?1 THEN turn.asked_at END) AS oldest_unstarted ${WAITING}`,
  sessions: 'SELECT count(*) AS sessions FROM session WHERE expires_at > ?1',
} as const

export class SqliteLedger {
  readonly #statements: { readonly [Name in keyof typeof STATEMENTS]: StatementSync }

  constructor(db: DatabaseSync) {
    const { count, note, all, waitingIn, waitingInExpired, waiting, sessions } = STATEMENTS
    this.#statements = {
      count: db.prepare(count),
      note: db.prepare(note),
      all: db.prepare(all),
      waitingIn: db.prepare(waitingIn),
      waitingInExpired: db.prepare(waitingInExpired),
      waiting: db.prepare(waiting),
      sessions: db.prepare(sessions),
    }
  }

  accepted(): void {
    this.#count('accepted', 1)
  }

  ended(end: QuestionEnd, count: number): void {
    if (count > 0) this.#count(end, count)
  }

  /** Questions that wait in a session, to be asked for before it is deleted … */
  waitingIn(session: string): number {
    return numberIn(rowOf(this.#statements.waitingIn.get(session)), 'waiting')
  }

  /** … and in the first `limit` sessions that have expired. */
  waitingInExpired(now: number, limit: number): number {
    return numberIn(rowOf(this.#statements.waitingInExpired.get(now, limit)), 'waiting')
  }

  tally(now: number): QuestionTally {
    const before = this.#read()
    const { ledger, tally } = audit(before, this.#open(now), now)
    if (ledger !== before) {
      this.#statements.note.run('lost', ledger.lost)
      this.#statements.note.run('lost_at', now)
    }
    return tally
  }

  #open(now: number): OpenQuestions {
    const open = rowOf(this.#statements.waiting.get(now))
    return {
      waiting: numberIn(open, 'waiting'),
      unstarted: numberIn(open, 'unstarted'),
      oldestUnstartedAt: open['oldest_unstarted'] === null ? undefined : numberIn(open, 'oldest_unstarted'),
      sessions: numberIn(rowOf(this.#statements.sessions.get(now)), 'sessions'),
    }
  }

  #read(): Ledger {
    const counts = new Map(this.#statements.all.all().map((row) => [textIn(row, 'name'), numberIn(row, 'value')]))
    const valueOf = (name: string): number => {
      const value = counts.get(name)
      if (value === undefined) throw new LogError('corrupt', `S10: the ledger has no ${name}`)
      return value
    }
    const lost = valueOf('lost')
    const ended = {
      answered: valueOf('answered'),
      stopped: valueOf('stopped'),
      failed: valueOf('failed'),
      interrupted: valueOf('interrupted'),
      expired: valueOf('expired'),
      cancelled: valueOf('cancelled'),
    }
    return { accepted: valueOf('accepted'), ended, lost, lostAt: lost === 0 ? undefined : valueOf('lost_at') }
  }

  #count(name: 'accepted' | QuestionEnd, by: number): void {
    if (this.#statements.count.run(name, by).changes !== 1) throw new LogError('corrupt', `S11: the ledger has no ${name}`)
  }
}

function rowOf(row: Row | undefined): Row {
  if (row === undefined) throw new LogError('corrupt', 'S12: a count without a row')
  return row
}
