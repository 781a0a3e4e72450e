import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OUTBOX_EXPIRES_MS, OUTBOX_KEPT_MAX_MS, OUTBOX_LEASE_MS, UNSETTLED_QUESTIONS_MAX } from '../conversation/limits.ts'
import { messageIdOf, SESSION } from '../testing/client-link-play.ts'
import {
  applyChange,
  heldByAnother,
  isLeftBehind,
  readRow,
  rowsOf,
  UNKNOWN_TIME,
  type OutboxChange,
  type OutboxRow,
  type OutboxScope,
} from './outbox.ts'

const SCOPE: OutboxScope = { visitor: 'somebody', session: SESSION }
const NOW = 1_700_000_000_000
const ELSEWHERE = { ...SCOPE, session: SESSION.replaceAll('c', 'd') as typeof SESSION }
const STRANGER = { ...SCOPE, visitor: 'a stranger' }

const keep = (number: number, page?: string): OutboxChange => ({
  type: 'keep',
  rows: [{ messageId: messageIdOf(number), text: `Question ${number}?`, inReplyTo: undefined, place: number, page }],
  isBlind: false,
})
const take = (page: string, room = 8, ...accepted: readonly number[]): OutboxChange => ({
  type: 'take',
  page,
  room,
  accepted: accepted.map(messageIdOf),
})
const arrive = (former?: string, ...settled: readonly number[]): Extract<OutboxChange, { type: 'arrive' }> => ({
  type: 'arrive',
  former,
  settled: settled.map(messageIdOf),
})
const ids = (...numbers: readonly number[]) => numbers.map(messageIdOf)
const after = (changes: readonly OutboxChange[], at = NOW, rows: readonly OutboxRow[] = []): readonly OutboxRow[] =>
  changes.reduce((now, change) => applyChange(now, change, SCOPE, at), rows)
const numberOf = ({ messageId }: OutboxRow): number => Number(messageId.slice(-12))
/** Who sends which: `-` for nobody yet. */
const senders = (rows: readonly OutboxRow[]): readonly string[] => rows.map((row) => `${numberOf(row)}${row.sender?.page ?? '-'}`)

describe('keeping', () => {
  test('[K25] puts questions one behind the other, once each, and knows when', () => {
    const rows = after([keep(1), keep(2), keep(1)])
    expect(rows.map((row) => [numberOf(row), row.place, row.keptAt, row.sender])).toEqual([
      [1, 1, NOW, undefined],
      [2, 2, NOW, undefined],
    ])
    expect(after([{ type: 'forget', messageIds: ids(1) }, keep(3)], NOW, rows).map(numberOf)).toEqual([2, 3])
  })

  test('[K12][K25] takes twenty in a session and no more, and of those that come together all or none', () => {
    const full = after(Array.from({ length: UNSETTLED_QUESTIONS_MAX }, (_, index) => keep(index + 1)))
    expect(applyChange(full, keep(99), SCOPE, NOW)).toBe(full)
    const both: OutboxChange = {
      type: 'keep',
      isBlind: false,
      rows: [keep(98), keep(99)].flatMap((one) => (one.type === 'keep' ? one.rows : [])),
    }
    const almost = full.slice(1)
    expect(applyChange(almost, both, SCOPE, NOW)).toBe(almost)
  })

  test('[K27] puts what a page asked that has not seen the others behind them, in its order', () => {
    const blind = (number: number): OutboxChange => {
      const change = keep(number)
      return change.type === 'keep' ? { ...change, isBlind: true } : change
    }
    expect(after([keep(5), keep(9), blind(1), blind(2), keep(30)]).map((row) => [numberOf(row), row.place])).toEqual([
      [5, 5],
      [9, 9],
      [1, 10],
      [2, 12],
      [30, 30],
    ])
  })

  test('[K25] changes nothing that it is not about', () => {
    const rows = after([keep(1), keep(2)])
    expect(applyChange(rows, { type: 'look' }, SCOPE, NOW)).toBe(rows)
    const [first] = rows
    expect(after([{ type: 'refuse', messageIds: ids(2), code: 'invalid' }], NOW, rows)[0]).toBe(first)
    expect(after([arrive('A')], NOW, rows)).toEqual(rows)
  })
})

describe('taking', () => {
  test('[K28] is in order, as far as there is room, and again what is held already', () => {
    const rows = after([keep(1), keep(2), keep(3), take('A', 2)])
    expect(senders(rows)).toEqual(['1A', '2A', '3-'])
    const later = after([take('A', 1)], NOW + 5_000, rows)
    expect([senders(later), later.map(({ sender }) => sender?.until)]).toEqual([
      ['1A', '2A', '3A'],
      [NOW + 15_000, NOW + 15_000, NOW + 15_000],
    ])
  })

  test('[K28] stops before a question that another page is sending, and passes those that are in the log', () => {
    const rows = after([keep(1), keep(2), take('A', 1), keep(3)])
    expect(senders(after([take('B')], NOW, rows))).toEqual(['1A', '2-', '3-'])
    expect(senders(after([take('B', 8, 1)], NOW, rows))).toEqual(['1A', '2B', '3B'])
  })

  test('[K29] what a page let go, or has not renewed, another takes', () => {
    const held = after([keep(1), take('A')])
    expect(senders(after([take('B')], NOW + OUTBOX_LEASE_MS - 1, held))).toEqual(['1A'])
    expect(senders(after([take('B')], NOW + OUTBOX_LEASE_MS, held))).toEqual(['1B'])
    expect(senders(after([{ type: 'release', page: 'A' }, take('B')], NOW, held))).toEqual(['1B'])
    expect(senders(after([arrive('A'), take('B')], NOW, held))).toEqual(['1B'])
    expect(senders(after([arrive('C'), take('B')], NOW, held))).toEqual(['1A'])
  })

  test('[K29] a lease from the future is one of a clock that was put back, and holds nothing', () => {
    const [row] = after([keep(1), take('A')], NOW + 3_600_000)
    expect(row === undefined ? undefined : heldByAnother(row, 'B', NOW)).toBe(0)
  })

  test('[K32] leaves what was refused, and what waited for a day and a moment', () => {
    const rows = after([keep(1), { type: 'refuse', messageIds: ids(1), code: 'conflict' }, keep(2)])
    expect(senders(after([take('A')], NOW + OUTBOX_EXPIRES_MS, rows))).toEqual(['1-', '2A'])
    const expired = after([take('A')], NOW + OUTBOX_EXPIRES_MS + 1, rows)
    expect(senders(expired)).toEqual(['1-', '2-'])
    const revived = after([{ type: 'revive', messageId: messageIdOf(2) }, take('A')], NOW + OUTBOX_EXPIRES_MS + 1, expired)
    expect(senders(revived)).toEqual(['1-', '2A'])
  })

  test('[K28][K29] whoever takes, crashes and comes back: nothing of a session is held by two, and nothing is overtaken', () => {
    const page = fc.constantFrom('A', 'B', 'C')
    const change = fc.oneof(
      fc.nat(9).map((number) => keep(number)),
      fc.record({ page, room: fc.nat(3) }).map((taken) => take(taken.page, taken.room)),
      page.map((name): OutboxChange => ({ type: 'release', page: name })),
      page.map((former) => arrive(former)),
      fc.nat(9).map((number): OutboxChange => ({ type: 'forget', messageIds: ids(number) })),
    )
    fc.assert(
      fc.property(fc.array(fc.record({ change, afterMs: fc.nat(12_000) }), { maxLength: 40 }), (moments) => {
        let [rows, at]: readonly [readonly OutboxRow[], number] = [[], NOW]
        for (const { change: next, afterMs } of moments) {
          at += afterMs
          const place = Math.max(0, ...rows.map((row) => row.place)) + 1
          rows = applyChange(rows, next.type === 'keep' ? { ...next, rows: next.rows.map((row) => ({ ...row, place })) } : next, SCOPE, at)
          const holders = rows.filter(({ sender }) => (sender?.until ?? 0) > at).map(({ sender }) => sender?.page)
          expect(new Set(holders).size).toBeLessThanOrEqual(1)
          const tried = rows.map(({ sender }) => sender !== undefined)
          // Nobody was ever given a question while one before it had not been given to anybody.
          expect(tried).toEqual(tried.toSorted((one, other) => Number(other) - Number(one)))
        }
      }),
    )
  })
})

describe('taking back', () => {
  test('[K30] is for what nobody tried to send, what was refused and what has expired', () => {
    const rows = after([keep(1), keep(2), take('A', 2), keep(3), { type: 'refuse', messageIds: ids(2), code: 'invalid' }])
    const withdraw: OutboxChange = { type: 'withdraw', messageIds: ids(1, 2, 3) }
    expect(after([withdraw], NOW, rows).map(numberOf)).toEqual([1])
    expect(after([withdraw], NOW + OUTBOX_EXPIRES_MS + 1, rows)).toEqual([])
  })
})

describe('what is found on a device', () => {
  const [row] = after([keep(1)])
  const old = { messageId: messageIdOf(7), session: SESSION, visitor: 'somebody', text: 'From another time?', sentOn: '2020' }

  test('[K33] is shown to its own visitor in its own session only', () => {
    const all = [row, { ...row, ...STRANGER }, { ...row, ...ELSEWHERE }]
    expect(rowsOf(all, SCOPE)).toEqual([row])
  })

  test('[K34] of another release is set aside with its text, before all others, and is never sent by itself', () => {
    const found = rowsOf([row, old, { ...row, messageId: messageIdOf(8), form: 2 }], SCOPE)
    expect(found.map((one) => [numberOf(one), one.text, one.keptAt])).toEqual([
      [7, 'From another time?', UNKNOWN_TIME],
      [8, 'Question 1?', UNKNOWN_TIME],
      [1, 'Question 1?', NOW],
    ])
    expect(senders(after([take('A')], NOW, found))).toEqual(['7-', '8-', '1A'])
    expect(senders(after([{ type: 'revive', messageId: messageIdOf(7) }, take('A')], NOW, found))).toEqual(['7A', '8-', '1A'])
  })

  test('[K34] damaged or forged is set aside, refused, or left alone', () => {
    expect(readRow({ ...row, place: Number.NaN })).toMatchObject({ text: 'Question 1?', keptAt: UNKNOWN_TIME })
    expect(readRow({ ...row, sender: { page: 7 } })).toMatchObject({ text: 'Question 1?', keptAt: UNKNOWN_TIME })
    // A server would refuse it, and end a link that sends it again and again.
    expect(readRow({ ...row, text: 'x'.repeat(40_000) })).toMatchObject({ refused: 'invalid' })
    expect(readRow({ ...old, text: '\u0000' })).toMatchObject({ refused: 'invalid' })
    for (const nothing of [undefined, null, 'text', 7, {}, [], { ...row, text: undefined }, { ...row, messageId: 'x' }]) {
      expect(readRow(nothing)).toBeUndefined()
    }
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        expect(rowsOf([anything], SCOPE)).toEqual([])
      }),
    )
  })

  test('[K33] that nobody can see any more is deleted: a stranger’s after a day, one’s own of another session after a week', () => {
    const day = NOW + OUTBOX_EXPIRES_MS
    const week = NOW + OUTBOX_KEPT_MAX_MS
    const isLeft = (record: unknown, at: number): boolean => isLeftBehind(record, SCOPE, arrive(), at)
    expect([isLeft({ ...row, ...STRANGER }, day), isLeft({ ...row, ...STRANGER }, day + 1)]).toEqual([false, true])
    expect([isLeft({ ...row, ...ELSEWHERE }, week), isLeft({ ...row, ...ELSEWHERE }, week + 1)]).toEqual([false, true])
    expect([isLeft(row, week + 1), isLeft(old, week), isLeft({ ...old, ...ELSEWHERE }, week), isLeft('?', week)]).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
  test('[K95] that was asked elsewhere in its session’s place is deleted: one’s own, from another session, once it is there for good', () => {
    const isLeft = (record: unknown, ...settled: readonly number[]): boolean => isLeftBehind(record, SCOPE, arrive('A', ...settled), NOW)
    expect([isLeft({ ...row, ...ELSEWHERE }, 1), isLeft({ ...row, ...ELSEWHERE }, 2), isLeft({ ...old, ...ELSEWHERE }, 7)]).toEqual([
      true,
      false,
      true,
    ])
    expect([isLeft(row, 1), isLeft({ ...row, ...STRANGER }, 1)]).toEqual([false, false])
  })
})
