/** The judge of the recorder must be able to fail: a good recording, and known-bad ones that each differ from it in one thing. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ShownItem, StoredEntry } from '../../src/testing/history.ts'
import { itemsOn } from './form-person.ts'
import { judge } from './judge.ts'
import type { Fact } from './recording.ts'
import { describeFault, drawFaults, faultsIn, SERVERS } from './schedule.ts'

const session = 's1'
const place = { session, page: 'p1' }
const typed = (id: string, text: string, page = 'p1'): Fact => ({ type: 'typed', session, page, id, text })
const acknowledged = (id: string): Fact => ({ type: 'acknowledged', ...place, id })
const entry = (seq: number, fields: Omit<StoredEntry, 'seq' | 'id' | 'prev'>): Fact => ({
  type: 'entry',
  session,
  entry: { seq, id: `e${seq}`, prev: seq > 1 ? `e${seq - 1}` : undefined, ...fields },
})
const message = (seq: number, id: string, number: number, text: string): Fact =>
  entry(seq, { kind: 'message', messageId: id, device: 'd1', number, turnId: `t-${id}`, text })
const started = (seq: number, id: string, attempt = 1, fence = attempt): Fact =>
  entry(seq, { kind: 'turn-started', turnId: `t-${id}`, attempt, fence })
const part = (seq: number, id: string, text: string, fields: Partial<StoredEntry> = {}): Fact =>
  entry(seq, { kind: 'answer-part', turnId: `t-${id}`, attempt: 1, index: 0, text, ...fields })
const ended = (seq: number, id: string, text: string, fields: Partial<StoredEntry> = {}): Fact =>
  entry(seq, {
    kind: 'turn-ended',
    turnId: `t-${id}`,
    attempt: 1,
    outcome: 'complete',
    parts: 1,
    chars: text.length,
    sha256: createHash('sha256').update(text).digest('hex'),
    ...fields,
  })
const asked = (call: number, id: string, text: string, fields: Partial<Extract<Fact, { type: 'asked' }>> = {}): Fact => ({
  type: 'asked',
  session,
  call,
  turnId: `t-${id}`,
  attempt: 1,
  text,
  before: [],
  ...fields,
})
const said = (call: number, id: string, text: string): Fact => ({ type: 'said', session, call, turnId: `t-${id}`, text, isWhole: true })
const view = (seq: number, items: readonly ShownItem[], id = `e${seq}`): Fact => ({ type: 'view', ...place, seq, id, items })
const question = (status: string): ShownItem => ({ kind: 'question', key: 'm1', text: 'Why?', blocks: '', status })
const answer = (text: string, status = 'streaming'): ShownItem => ({ kind: 'answer', key: 't-m1/1', text, blocks: '', status })
const second = (status: string): ShownItem => ({ kind: 'question', key: 'm2', text: 'And?', blocks: '', status })
const read = (...words: readonly string[]): Fact => ({
  type: 'read',
  ...place,
  items: [{ kind: 'question', key: 'm-m1', words: 'Why?' }, ...words.map((text) => ({ kind: 'answer', key: 'i-2', words: text }))],
})

const LOG: readonly Fact[] = [
  message(1, 'm1', 1, 'Why?'),
  started(2, 'm1'),
  part(3, 'm1', 'Be '),
  part(4, 'm1', 'cause.', { index: 1 }),
  ended(5, 'm1', 'Be cause.', { parts: 2 }),
  message(6, 'm2', 2, 'And?'),
  started(7, 'm2', 1, 2),
  part(8, 'm2', 'That.'),
  ended(9, 'm2', 'That.'),
]
const SHOWN: readonly Fact[] = [
  { type: 'loaded', ...place },
  typed('m1', 'Why?'),
  acknowledged('m1'),
  { type: 'fault', what: 'server 0 killed' },
  asked(1, 'm1', 'Why?'),
  read(''),
  view(3, [question('delivered'), answer('Be ')]),
  read('Be'),
  said(1, 'm1', 'Be cause.'),
  typed('m2', 'And?'),
  view(5, [question('answered'), answer('Be cause.', 'complete')]),
  read('Be cause.'),
  asked(2, 'm2', 'And?', { before: ['Why?', 'Be cause.'] }),
  said(2, 'm2', 'That.'),
  acknowledged('m2'),
  view(9, [second('answered'), { kind: 'answer', key: 't-m2/1', text: 'That.', blocks: '', status: 'complete' }]),
]
const GOOD = [...SHOWN, ...LOG]

/** `facts` without those that `gone` names, and with `more` in the place of the first of them. */
const instead = (facts: readonly Fact[], gone: (fact: Fact) => boolean, ...more: readonly Fact[]): readonly Fact[] => {
  const at = facts.findIndex(gone)
  return [...facts.slice(0, at), ...more, ...facts.slice(at).filter((fact) => !gone(fact))]
}
const isAt =
  (...seqs: readonly number[]) =>
  (fact: Fact): boolean =>
    fact.type === 'entry' && seqs.includes(fact.entry.seq)
const isViewAt =
  (seq: number) =>
  (fact: Fact): boolean =>
    fact.type === 'view' && fact.seq === seq
const brokenBy = (facts: readonly Fact[]): readonly string[] => [...new Set(judge(facts).violations.map(({ invariant }) => invariant))]

describe('the judge of a recording', () => {
  test('[O231] finds nothing in a good recording, and counts what is in it', () => {
    expect(judge(GOOD)).toEqual({
      counts: {
        sent: 2,
        acknowledged: 2,
        answered: 2,
        repaired: 0,
        lost: 0,
        twice: 0,
        outOfOrder: 0,
        open: 0,
        words: 3,
        faults: 1,
      },
      violations: [],
    })
  })

  test('[O231] finds nothing where an answer was cut off and asked again, and counts it as repaired', () => {
    const superseded = entry(4, { kind: 'turn-superseded', turnId: 't-m1', attempt: 1 })
    const again = [message(1, 'm1', 1, 'Why?'), started(2, 'm1'), part(3, 'm1', 'Be '), superseded, started(5, 'm1', 2)]
    const log = [...again, part(6, 'm1', 'So.', { attempt: 2 }), ended(7, 'm1', 'So.', { attempt: 2 })]
    const calls = [asked(1, 'm1', 'Why?'), said(1, 'm1', 'Be '), asked(2, 'm1', 'Why?', { attempt: 2 }), said(2, 'm1', 'So.')]
    const { counts, violations } = judge([typed('m1', 'Why?'), acknowledged('m1'), ...calls, ...log])
    expect([counts.answered, counts.repaired, violations]).toEqual([1, 1, []])
  })

  test.each<[string, readonly string[], readonly Fact[]]>([
    ['an acknowledged question is not in the log', ['lost'], [...SHOWN.slice(0, 3), message(1, 'm9', 1, 'Else?'), typed('m9', 'Else?')]],
    ['a question was typed and is not in the log', ['I1', 'I22'], [...SHOWN, typed('m3', 'So?'), ...LOG.slice(0, 8)]],
    ['a question is in the log twice', ['I4'], [...GOOD, message(10, 'm1', 3, 'Why?')]],
    ['a question has two outcomes', ['I11'], [...GOOD, ended(10, 'm2', 'That.')]],
    ['a question has no outcome', ['I11'], instead(GOOD, isAt(9))],
    ['a device’s numbers have a gap', ['I5'], instead(GOOD, isAt(6), message(6, 'm2', 3, 'And?'))],
    ['nobody typed a question', ['I3'], instead(GOOD, ({ type }) => type === 'typed')],
    [
      'a page showed another entry than the log has',
      ['I8'],
      instead(GOOD, isViewAt(3), view(3, [question('delivered'), answer('Be ')], 'x3')),
    ],
    ['a shown word is not in the log', ['I9'], instead(GOOD, isViewAt(3), view(3, [question('delivered'), answer('Be so')]))],
    ['a shown word repeats', ['I9'], instead(GOOD, isViewAt(5), view(5, [question('answered'), answer('Be Be cause.', 'complete')]))],
    [
      'a page went back',
      ['I9'],
      instead(GOOD, isViewAt(9), view(9, [second('answered')]), view(3, [question('delivered'), answer('Be ')])),
    ],
    ['a part of an answer is missing', ['I12'], instead(GOOD, isAt(4), part(4, 'm1', 'cause.', { index: 2 }))],
    [
      'an answer is not what the agent said in one call',
      ['I13'],
      instead(GOOD, ({ type }) => type === 'said', said(1, 'm1', 'Be so.'), said(2, 'm2', 'That.')),
    ],
    ['the agent was asked once too often', ['I15'], [...GOOD, asked(3, 'm2', 'And?', { before: ['Why?', 'Be cause.'] })]],
    [
      'the agent was told another history',
      ['I16'],
      [...GOOD.filter((fact) => fact.type !== 'asked' || fact.call !== 2), asked(2, 'm2', 'And?'), said(2, 'm2', 'That.')],
    ],
    ['a page never came to the end of the log', ['I22'], instead(GOOD, isViewAt(9))],
    ['a page of HTML lost a word', ['read'], [...SHOWN, read('Be cause.'), read('Be'), ...LOG]],
    ['a page of HTML showed a word that is not in the log', ['read'], [...SHOWN, read('Be cause. So.'), ...LOG]],
    [
      'a page of HTML moved an answer',
      ['read'],
      [
        ...SHOWN,
        {
          type: 'read',
          ...place,
          page: 'p2',
          items: [
            { kind: 'answer', key: 'i-2', words: 'Be cause.' },
            { kind: 'question', key: 'm-m1', words: 'Why?' },
          ],
        },
        ...LOG,
      ],
    ],
  ])('[O231] sees that %s', (_what, invariants, facts) => {
    expect(brokenBy(facts)).toEqual(expect.arrayContaining([...invariants]))
  })

  test('[O231] counts what is lost, twice, open and out of order', () => {
    const lost = judge([...SHOWN, ...LOG.slice(0, 5)]).counts
    const twice = judge([...GOOD, message(10, 'm1', 3, 'Why?')]).counts
    const swapped = judge([...SHOWN, message(1, 'm2', 1, 'And?'), message(2, 'm1', 2, 'Why?')]).counts
    expect([lost.lost, twice.twice, swapped.outOfOrder, swapped.open]).toEqual([1, 1, 1, 2])
  })

  test('[O231] reads of a page of HTML the words of its messages, and not of its templates', () => {
    const item = (kind: string, id: string, inner: string): string =>
      `<li class="app-message app-message--${kind} app-message--done" id="${id}"><h3>x</h3>${inner}\n  <div data-status></div></li>`
    const text = (words: string): string => `<p class="app-message__text" data-text>${words}</p>`
    const blocks = '<div data-blocks><div class="app-block"><p>Be</p></div></div>'
    const html = `<ol>${item('question', 'm-m1', text('Why?'))}${item('answer', 'i-2', `${blocks}\n  ${text('cause.')}`)}</ol><template>${item('answer', 'i-9', '')}</template>`
    expect(itemsOn(html)).toEqual([
      { kind: 'question', key: 'm-m1', words: 'Why?' },
      { kind: 'answer', key: 'i-2', words: 'Be cause.' },
    ])
  })
})

describe('the faults of a run', () => {
  const options = { store: 'redis', faults: 400, awayMaxMs: 7_000 } as const

  test('[O230] are the same for the same seed, and others for another', () => {
    const drawn = drawFaults({ seed: 7, ...options })
    expect(drawn).toEqual(drawFaults({ seed: 7, ...options }))
    expect(drawn).not.toEqual(drawFaults({ seed: 8, ...options }))
    expect(describeFault({ atMs: 1_250, harm: 'frozen', victim: 'redis', forMs: 300 })).toBe('1.3 s: redis frozen for 300 ms')
  })

  test('[O230] strike every part in both ways, in the order of their time, and as many as fit into the minutes', () => {
    const drawn = drawFaults({ seed: 7, ...options })
    expect(drawn).toEqual(drawn.toSorted((one, other) => one.atMs - other.atMs))
    const kinds = new Set(drawn.map(({ victim, harm }) => `${victim} ${harm}`))
    expect(kinds.size).toBe(2 * (SERVERS.redis + 1))
    expect(drawFaults({ seed: 7, ...options, store: 'sqlite' }).every(({ victim }) => victim === 0)).toBe(true)
    expect([faultsIn(10, 'sqlite'), faultsIn(10, 'redis')]).toEqual([150, 300])
  })
})
