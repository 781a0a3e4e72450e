/**
 * The checker is trusted because each known-bad history fails with exactly its invariant, and a good one with none.
 */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Checker } from './checker.ts'
import type { HistoryRecord, ShownItem, StoredEntry, StoreRecord, TabFact } from './history.ts'

const session = 's1'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const inTab = (fact: TabFact, tab = 'tab-1'): HistoryRecord => ({ ...fact, session, tab })
const typed = (messageId = 'm1', text = 'Why?'): HistoryRecord => inTab({ type: 'typed', messageId, text })
const durable = (entry: StoredEntry, lineage = 0): HistoryRecord => ({ type: 'durable', session, lineage, entry })
const settled = (seq: number, lineage = 0): HistoryRecord => ({ type: 'settled', session, lineage, seq })
const branch = (keeps: number, fields: Partial<StoreRecord & { type: 'branch' }> = {}): HistoryRecord => ({
  type: 'branch',
  session,
  lineage: 1,
  from: 0,
  keeps,
  isThere: true,
  isRestored: false,
  ...fields,
})
const rest = (lineage = 0): HistoryRecord => ({ type: 'rest', lineage })
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
const second = (seq: number, fields: Partial<StoredEntry> = {}): StoredEntry =>
  message(seq, { messageId: 'm2', number: 2, turnId: 't2', text: 'And?', ...fields })
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
const turn = { session, turnId: 't1' }
const claimed = (fence = 1): HistoryRecord => ({ ...turn, type: 'claimed', fence })
const asked = (fields: Partial<HistoryRecord & { type: 'asked' }> = {}): HistoryRecord => ({
  ...turn,
  type: 'asked',
  call: 1,
  fence: 1,
  text: 'Why?',
  before: [],
  ...fields,
})
const said = (text: string, call = 1): HistoryRecord => ({ ...turn, type: 'said', call, text })
const away = (call = 1): HistoryRecord => ({ ...turn, type: 'turned away', call })
const view = (seq: number, items: readonly ShownItem[], entryId = id(seq), tab = 'tab-1'): HistoryRecord =>
  inTab({ type: 'view', seq, id: seq === 0 ? undefined : entryId, items }, tab)
const question = (status: string, text = 'Why?', key = 'm1'): ShownItem => ({ kind: 'question', key, text, blocks: '', status })
const answer = (text: string, status = 'streaming', blocks = ''): ShownItem => ({ kind: 'answer', key: 't1/1', text, blocks, status })
const kept = inTab({ type: 'kept', messageId: 'm1' })
const loaded = inTab({ type: 'loaded' })
const sent = inTab({ type: 'sent', messageId: 'm1' })
const marked = (seq: number): HistoryRecord => inTab({ type: 'marked', seq })
const forgot = (messageId = 'm1'): HistoryRecord => inTab({ type: 'forgot', messageId })
const forked = inTab({ type: 'forked' })

/** One question, asked once, answered in two parts, shown as it came. */
const good: readonly HistoryRecord[] = [
  loaded,
  typed(),
  durable(message(1)),
  sent,
  view(1, [question('sent')]),
  claimed(),
  durable(started(2)),
  asked(),
  said('Be'),
  said('cause.'),
  durable(part(3, 0, 'Be')),
  view(3, [question('delivered'), answer('Be')]),
  inTab({ type: 'cursor', seq: 3, id: id(3) }),
  durable(part(4, 1, 'cause.')),
  durable(ended(5, 'Because.', 2)),
  settled(5),
  marked(5),
  view(5, [question('answered'), answer('Because.', 'complete', 'Because')]),
  forgot(),
  rest(),
]
const placeOf = (type: HistoryRecord['type'], nth = 0): number =>
  [...good.entries()].filter(([, record]) => record.type === type)[nth]?.[0] ?? Number.NaN

function broken(records: readonly HistoryRecord[]): readonly string[] {
  const checker = new Checker()
  for (const record of records) checker.record(record)
  return [...new Set(checker.violations.map((violation) => violation.invariant))]
}

/** The good history with its `nth` record of a type replaced, left out, or followed by more. */
const instead = (type: HistoryRecord['type'], nth: number, ...others: readonly HistoryRecord[]): readonly HistoryRecord[] =>
  good.toSpliced(placeOf(type, nth), 1, ...others)
const upTo = (type: HistoryRecord['type'], nth = 0): readonly HistoryRecord[] => good.slice(0, placeOf(type, nth))

/** The question is accepted and seen, and the store forgets it: a new lineage has another one in its place. */
const cut: readonly HistoryRecord[] = [loaded, typed(), durable(message(1)), sent, view(1, [question('sent')]), branch(0)]
const other = { id: 'o1', prev: undefined }
const repaired: readonly HistoryRecord[] = [
  ...cut,
  inTab({ type: 'typed', messageId: 'm2', text: 'And?' }, 'tab-2'),
  durable(second(1, { ...other, device: 'd2', number: 1 }), 1),
  durable(message(2, { prev: 'o1' }), 1),
  forked,
  view(2, [question('sent', 'And?', 'm2'), question('sent')]),
]

describe('the checker', () => {
  test('[I0] finds nothing in a good history', () => {
    expect(broken(good)).toEqual([])
  })

  test('[I0] finds nothing where an owner asks again what the agent could not be asked', () => {
    const again: readonly HistoryRecord[] = [typed(), durable(message(1)), claimed(2), durable(started(2, 1, 2))]
    const more = [asked({ fence: 2 }), away(), durable(started(3, 2, 2)), asked({ fence: 2, call: 2 })]
    expect(broken([...again, ...more])).toEqual([])
  })

  test('[I0] finds nothing where a second owner asks again', () => {
    expect(broken([...upTo('said'), claimed(2), asked({ call: 2, fence: 2 }), ...good.slice(placeOf('said'))])).toEqual([])
  })

  test('[I0] finds nothing where a store forgets what was not settled, the page says so, and its question is sent again', () => {
    expect(broken(repaired)).toEqual([])
  })

  test('[I0] asks no promise for what a page that was loaded again had neither kept nor sent', () => {
    expect(broken([loaded, typed(), loaded, view(0, []), rest()])).toEqual([])
  })

  test('[I0] asks no order of a page that could not read what its device keeps', () => {
    const both: readonly HistoryRecord[] = [loaded, typed(), typed('m2', 'And?')]
    const overtakes = durable(message(1, { messageId: 'm2', text: 'And?' }))
    expect(broken([...both, inTab({ type: 'blind', messageId: 'm2' }), overtakes])).toEqual([])
    expect(broken([...both, inTab({ type: 'blind', messageId: 'm1' }), overtakes])).toEqual(['I5'])
  })

  test('[I0] asks no promise of an old copy that people put back, and everything of what follows', () => {
    expect(broken([...good.slice(0, -1), branch(1, { isRestored: true }), forked, view(1, [question('sent')])])).toEqual([])
    expect(broken([...good.slice(0, -1), branch(1, { isRestored: true }), view(1, [question('sent')])])).toEqual(['I9'])
  })

  test.each<[string, readonly HistoryRecord[]]>([
    ['I1', [loaded, typed(), view(0, []), rest()]],
    ['I1', [loaded, typed(), kept, loaded, view(0, []), rest()]],
    ['I1', [...cut, forked, view(0, []), rest(1)]],
    ['I2', [...good.slice(0, -1), branch(5, { from: 7 })]],
    ['I3', [durable(message(1))]],
    ['I3', [typed('m1', 'What?'), durable(message(1))]],
    ['I4', [typed(), durable(message(1)), durable(message(2, { number: 2 }))]],
    ['I5', [typed(), durable(message(1, { number: 2 }))]],
    ['I5', [typed(), typed('m2', 'And?'), durable(message(1)), durable(second(2, { number: 3 }))]],
    ['I5', [loaded, typed(), typed('m2', 'And?'), durable(message(1, { messageId: 'm2', text: 'And?' }))]],
    ['I7', [typed(), durable(message(2))]],
    ['I7', [typed(), typed('m2', 'And?'), durable(message(1)), durable(second(2, { id: id(1) }))]],
    ['I8', [typed(), durable(message(1)), view(1, [question('sent')], 'other')]],
    ['I9', instead('view', 0, view(1, [question('sent', 'What?')]))],
    ['I9', instead('view', 1, view(3, [question('delivered')]))],
    ['I9', instead('view', 1, view(3, [answer('Be'), question('delivered')]))],
    ['I9', instead('view', 1, view(3, [question('delivered'), answer('BeBe')]))],
    ['I9', [...upTo('cursor'), view(1, [question('sent')])]],
    ['I9', repaired.filter((record) => record !== forked)],
    ['I10', instead('cursor', 0, inTab({ type: 'cursor', seq: 2, id: id(3) }))],
    ['I10', [...upTo('durable', 4), inTab({ type: 'cursor', seq: 4, id: id(4) })]],
    ['I10', [...upTo('durable', 3), inTab({ type: 'cursor', seq: 2, id: id(2) })]],
    ['I11', [...upTo('durable', 4), view(4, [question('delivered'), answer('Because.')]), rest()]],
    ['I12', [...upTo('durable', 3), durable(part(4, 2, 'cause.')), ...good.slice(placeOf('durable', 4))]],
    ['I12', instead('durable', 4, durable({ ...ended(5, 'Because.', 2), sha256: sha256('Because') }))],
    ['I12', instead('durable', 4, durable(ended(5, 'Because.', 1)))],
    ['I12', instead('view', 2, view(5, [question('answered'), answer('Because.', 'complete', 'Be cause')]))],
    ['I13', instead('said', 1, said('use', 1), said('cause.', 2))],
    ['I14', [typed(), durable(message(1)), claimed(2), durable(started(2, 1, 2)), asked({ fence: 2 }), durable(started(3, 2, 2))]],
    ['I14', [typed(), durable(message(1)), durable(started(2, 1, 2)), durable(started(3, 2, 1))]],
    ['I15', [...upTo('said'), asked({ call: 2 })]],
    ['I15', [...upTo('said'), asked({ call: 2, fence: 2 })]],
    ['I15', [...upTo('said'), away(), asked({ call: 2 }), asked({ call: 3 })]],
    ['I16', [...upTo('asked'), asked({ text: 'What?' })]],
    ['I16', [...upTo('asked'), asked({ before: ['What?', 'That.'] })]],
    ['I17', [typed(), view(1, [question('sent')])]],
    ['I18', [...upTo('settled'), forgot()]],
    ['I19', [typed(), durable(message(1)), settled(1), settled(0)]],
    ['I19', [typed(), durable(message(1)), marked(1)]],
    ['I19', [typed(), durable(message(1)), settled(1), branch(0)]],
    ['I20', [typed(), sent, durable(message(1))]],
    ['I21', [...good, { ...typed('m9'), session: 's2' } as HistoryRecord, inTab({ type: 'sent', messageId: 'm9' })]],
    ['I22', [...upTo('view', 2), forgot(), rest()]],
    ['I22', [...good.slice(0, -1), inTab({ type: 'left', code: 4400 }), rest()]],
    ['I23', [loaded, inTab({ type: 'quiet', forMs: 30_001 })]],
    ['I24', [loaded, inTab({ type: 'held', count: 21 })]],
    ['I28', [typed(), { type: 'deleted', session, lineage: 0 }, durable(message(1))]],
  ])('[I0] names %s in a history that breaks just that (case %#)', (invariant, records) => {
    expect(broken(records)).toEqual([invariant])
  })

  test('[I0] names I6 when a question typed later stands earlier', () => {
    const records = [typed(), durable(message(1)), sent, typed('m2', 'And?'), durable(second(2)), inTab({ type: 'sent', messageId: 'm2' })]
    expect(broken(records)).toEqual([])
    const late = [typed('m3', 'So?'), durable(message(2, { messageId: 'm3', id: 'x', number: 3, turnId: 't3', text: 'So?' }))]
    expect(broken([...records, ...late])).toContain('I6')
  })

  test('[I0] names I14 when an attempt writes after it was taken over', () => {
    const records = [typed(), durable(message(1)), durable(started(2)), durable(started(3, 2)), durable(part(4, 0, 'x', 1)), rest()]
    expect(broken(records)).toContain('I14')
  })

  test('[I0] names I21 when a page, a log or an agent has what belongs to another session', () => {
    const theirs = { type: 'typed', session: 's2', tab: 'tab-9', messageId: 'm9', text: 'Theirs?' } as const
    const stranger = message(1, { messageId: 'm9', text: 'Theirs?' })
    expect(broken([theirs, durable(stranger)])).toEqual(['I21'])
    expect(broken([theirs, ...upTo('asked'), asked({ text: 'Theirs?' })])).toEqual(['I21'])
    expect(broken([theirs, ...upTo('view'), view(1, [question('sent', 'Theirs?', 'm9')])])).toEqual(['I21'])
    expect(broken([theirs, { ...durable(stranger), session: 's2' } as HistoryRecord, loaded, view(1, [question('sent')])])).toEqual(['I21'])
  })
})
