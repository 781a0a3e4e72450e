/**
 * The checker is trusted because each known-bad history fails with exactly its invariant, and a good one with none.
 */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Checker } from './checker.ts'
import type { HistoryRecord, ShownItem, StoredEntry } from './history.ts'

const tab = 'tab-1'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const typed = (messageId = 'm1', text = 'Why?'): HistoryRecord => ({ type: 'typed', tab, messageId, text })
const durable = (entry: StoredEntry): HistoryRecord => ({ type: 'durable', entry })
const id = (seq: number): string => `e${seq}`
const place = (seq: number): Pick<StoredEntry, 'seq' | 'id' | 'prev'> => ({ seq, id: id(seq), prev: seq > 1 ? id(seq - 1) : undefined })

const message = (seq: number, fields: Partial<StoredEntry> = {}): StoredEntry => ({
  ...place(seq),
  kind: 'message',
  messageId: 'm1',
  device: 'd1',
  number: 1,
  turnId: 't1',
  text: 'Why?',
  ...fields,
})
const started = (seq: number, attempt = 1, fence = attempt): StoredEntry => ({
  ...place(seq),
  kind: 'turn-started',
  turnId: 't1',
  attempt,
  fence,
})
const part = (seq: number, index: number, text: string, attempt = 1): StoredEntry => ({
  ...place(seq),
  kind: 'answer-part',
  turnId: 't1',
  attempt,
  index,
  text,
})
const ended = (seq: number, text: string, parts: number, attempt = 1): StoredEntry => ({
  ...place(seq),
  kind: 'turn-ended',
  turnId: 't1',
  attempt,
  outcome: 'complete',
  parts,
  chars: text.length,
  sha256: sha256(text),
})
const asked = (text = 'Why?'): HistoryRecord => ({ type: 'asked', turnId: 't1', attempt: 1, text })
const view = (seq: number, items: readonly ShownItem[], entryId = id(seq)): HistoryRecord => ({
  type: 'view',
  tab,
  seq,
  id: seq === 0 ? undefined : entryId,
  items,
})
const question = (status: string, text = 'Why?'): ShownItem => ({ kind: 'question', key: 'm1', text, status })
const answer = (text: string, status = 'streaming'): ShownItem => ({ kind: 'answer', key: 't1/1', text, status })
const away: HistoryRecord = { type: 'turned away', turnId: 't1' }
const sent: HistoryRecord = { type: 'sent', tab, messageId: 'm1' }

/** One question, asked once, answered in two parts, shown as it came. */
const good: readonly HistoryRecord[] = [
  { type: 'loaded', tab },
  typed(),
  durable(message(1)),
  sent,
  view(1, [question('sent')]),
  durable(started(2)),
  asked(),
  durable(part(3, 0, 'Be')),
  view(3, [question('delivered'), answer('Be')]),
  durable(part(4, 1, 'cause.')),
  durable(ended(5, 'Because.', 2)),
  view(5, [question('answered'), answer('Because.', 'complete')]),
  { type: 'rest' },
]

function broken(records: readonly HistoryRecord[]): readonly string[] {
  const checker = new Checker()
  for (const record of records) checker.record(record)
  return [...new Set(checker.violations.map((violation) => violation.invariant))]
}

/** The good history with one record replaced, left out (`undefined`) or followed by more. */
const withChange = (at: number, ...instead: readonly HistoryRecord[]): readonly HistoryRecord[] => good.toSpliced(at, 1, ...instead)

describe('the checker', () => {
  test('[I0] finds nothing in a good history', () => {
    expect(broken(good)).toEqual([])
  })

  test('[I0] finds nothing where an owner asks again what the agent could not be asked', () => {
    const again: readonly HistoryRecord[] = [
      typed(),
      durable(message(1)),
      durable(started(2, 1, 2)),
      asked(),
      away,
      durable(started(3, 2, 2)),
    ]
    expect(broken([...again, asked()])).toEqual([])
  })

  const twice = [typed('m2'), durable(message(2, { messageId: 'm2', number: 2, turnId: 't2' }))] as const

  test.each<[string, readonly HistoryRecord[]]>([
    ['I1', [{ type: 'loaded', tab }, typed(), view(0, []), { type: 'rest' }]],
    ['I3', [durable(message(1))]],
    ['I3', [typed('m1', 'What?'), durable(message(1))]],
    ['I4', [typed(), durable(message(1)), durable(message(2, { number: 2 }))]],
    ['I5', [typed(), durable(message(1, { number: 2 }))]],
    ['I5', [typed(), typed('m2'), durable(message(1)), durable(message(2, { messageId: 'm2', number: 3 }))]],
    ['I7', [typed(), durable(message(2))]],
    ['I8', [typed(), durable(message(1)), view(1, [question('sent')], 'other')]],
    ['I9', withChange(4, view(1, [question('sent', 'What?')]))],
    ['I9', withChange(8, view(3, [question('delivered')]))],
    ['I9', withChange(8, view(3, [answer('Be'), question('delivered')]))],
    ['I9', withChange(8, view(3, [question('delivered'), answer('BeBe')]))],
    ['I9', withChange(8, view(3, [question('delivered'), answer('Be')]), view(1, [question('sent')]))],
    ['I11', [...good.slice(0, 10), view(4, [question('delivered'), answer('Because.')]), { type: 'rest' }]],
    ['I12', [...good.slice(0, 9), durable(part(4, 2, 'cause.')), ...good.slice(10)]],
    ['I12', withChange(10, durable({ ...ended(5, 'Because.', 2), sha256: sha256('Because') }))],
    ['I12', withChange(10, durable(ended(5, 'Because.', 1)))],
    ['I14', [typed(), durable(message(1)), durable(started(2, 1, 2)), durable(started(3, 2, 2))]],
    ['I14', [typed(), durable(message(1)), durable(started(2, 1, 2)), asked(), away, durable(started(3, 2, 2)), durable(started(4, 3, 2))]],
    ['I15', withChange(6, asked(), asked())],
    ['I15', withChange(6, asked(), away, asked(), asked())],
    ['I16', withChange(6, asked('What?'))],
    ['I17', [typed(), view(1, [question('sent')])]],
    ['I20', [typed(), sent, durable(message(1))]],
    ['I22', [...good.slice(0, 11), { type: 'rest' }]],
  ])('[I0] names %s in a history that breaks just that (case %#)', (invariant, records) => {
    expect(broken(records)).toEqual([invariant])
  })

  test('[I0] names I6 when a question typed later stands earlier', () => {
    const records: readonly HistoryRecord[] = [typed(), durable(message(1)), sent, ...twice, { type: 'sent', tab, messageId: 'm2' }]
    expect(broken(records)).toEqual([])
    const late: HistoryRecord = { type: 'typed', tab, messageId: 'm3', text: 'Why?' }
    expect(broken([...records, late, durable(message(2, { messageId: 'm3', number: 3, turnId: 't3' }))])).toEqual(['I7', 'I6'])
  })

  test('[I0] names I14 when an attempt writes after it was taken over', () => {
    const records = [
      typed(),
      durable(message(1)),
      durable(started(2)),
      durable(started(3, 2)),
      durable(part(4, 0, 'x', 1)),
      { type: 'rest' } as const,
    ]
    expect(broken(records)).toContain('I14')
  })

  test('[I0] an owner lost on the way allows one more call to the agent', () => {
    const again: HistoryRecord = { type: 'fault', kind: 'server crash', kills: 1 }
    expect(broken(withChange(6, asked(), again, asked()))).toEqual([])
  })
})
