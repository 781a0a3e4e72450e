import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyEntry, EMPTY_CONVERSATION, fit, fold, latestAnswer, openQuestions, type Conversation, type Item } from './conversation.ts'
import type { Entry, EntryBody } from './entry.ts'
import { mintEntryId, mintMessageId, mintTurnId, SERVER_DEVICE, type EntryId, type MessageId, type TurnId } from './ids.ts'

/** Deterministic bytes: ids only have to differ. */
let counter = 0
const bytes = (count: number): Uint8Array => {
  counter += 1
  return Uint8Array.from({ length: count }, (_unused, index) => (counter >> (8 * (count - 1 - index))) & 0xff)
}

interface Asked {
  readonly messageId: MessageId
  readonly turnId: TurnId
}
const asked = (): Asked => ({ messageId: mintMessageId(0, bytes), turnId: mintTurnId(bytes) })

const question = ({ messageId, turnId }: Asked, text = 'Where is my answer?'): EntryBody => ({
  kind: 'message',
  messageId,
  turnId,
  device: SERVER_DEVICE,
  number: 1,
  text,
  inReplyTo: undefined,
})
const started = (turnId: TurnId, attempt = 1): EntryBody => ({ kind: 'turn-started', turnId, attempt, fence: attempt })
const part = (turnId: TurnId, text: string, index = 0, attempt = 1): EntryBody => ({
  kind: 'answer-part',
  turnId,
  attempt,
  index,
  persona: undefined,
  text,
})
const ended = (turnId: TurnId, outcome: (EntryBody & { kind: 'turn-ended' })['outcome'], attempt = 1): EntryBody => ({
  kind: 'turn-ended',
  turnId,
  attempt,
  outcome,
  reason: undefined,
  parts: 0,
  chars: 0,
  sha256: '',
})

/** Places bodies in a log, one after another. */
function log(...bodies: readonly EntryBody[]): readonly Entry[] {
  let prev: EntryId | undefined
  return bodies.map((body, index) => {
    const entry: Entry = { seq: index + 1, id: mintEntryId(bytes), prev, at: index, ...body }
    prev = entry.id
    return entry
  })
}

const textOf = (item: Item | undefined): string => item?.text ?? ''

const statuses = (conversation: Conversation): readonly string[] =>
  conversation.items.map((item) => (item.kind === 'notice' ? `notice:${item.topic}` : `${item.kind}:${item.status}`))

describe('fit', () => {
  const [first, second] = log(question(asked()), question(asked())) as [Entry, Entry]
  const stranger: Entry = { ...second, id: mintEntryId(bytes), prev: mintEntryId(bytes) }

  test('[C2] the entry after the head is next', () => {
    expect(fit(undefined, first)).toBe('next')
    expect(fit(first, second)).toBe('next')
  })
  test('[C2] an entry at or before the head was seen', () => {
    expect(fit(first, first)).toBe('seen')
    expect(fit(second, first)).toBe('seen')
  })
  test('[C2] a later entry leaves a hole', () => {
    expect(fit(undefined, second)).toBe('hole')
  })
  test('[C2] another id at the same place is a fork, also when only the previous id differs', () => {
    expect(fit(second, stranger)).toBe('fork')
    expect(fit(first, stranger)).toBe('fork')
  })
  test('[C2] applying what does not fit is a fault, not a silent skip', () => {
    expect(() => applyEntry(EMPTY_CONVERSATION, second)).toThrow(RangeError)
  })
})

describe('fold', () => {
  test('[C1] no entries, nothing said', () => {
    expect(fold([])).toEqual({ head: undefined, items: [] })
  })

  test('[C4] a question goes from sent to delivered to answered', () => {
    const one = asked()
    const entries = log(question(one), started(one.turnId), part(one.turnId, 'Here.'), ended(one.turnId, 'complete'))
    expect(entries.map((_entry, index) => statuses(fold(entries.slice(0, index + 1))))).toEqual([
      ['question:sent'],
      ['question:delivered', 'answer:streaming'],
      ['question:delivered', 'answer:streaming'],
      ['question:answered', 'answer:complete'],
    ])
  })

  test('[C4] other help marks a question that waits as queued, also one that waits again, and nothing that has ended', () => {
    const [one, other] = [asked(), asked()]
    const { turnId, messageId: inReplyTo } = one
    const notice: EntryBody = { kind: 'notice', topic: 'fallback', turnId, inReplyTo, reason: 'agent-error', text: '' }
    expect(statuses(fold(log(question(one), question(other), notice)))).toEqual(['question:queued', 'question:sent', 'notice:fallback'])
    const again = log(question(one), started(one.turnId), notice, started(one.turnId, 2), ended(one.turnId, 'failed', 2))
    expect([3, 4, 5].map((count) => statuses(fold(again.slice(0, count))))).toEqual([
      ['question:queued', 'answer:streaming', 'notice:fallback'],
      ['question:delivered', 'answer:streaming', 'notice:fallback'],
      ['question:failed', 'answer:failed', 'notice:fallback'],
    ])
    expect(statuses(fold(log(question(one), ended(one.turnId, 'failed', 0), notice)))).toEqual(['question:failed', 'notice:fallback'])
  })

  test.each([
    ['complete', 'question:answered', 'answer:complete'],
    ['interrupted', 'question:answered', 'answer:interrupted'],
    ['stopped', 'question:answered', 'answer:stopped'],
    ['failed', 'question:failed', 'answer:failed'],
    ['expired', 'question:expired', 'answer:failed'],
  ] as const)('[C4][C5] a started turn that ends %s', (outcome, questionStatus, answerStatus) => {
    const one = asked()
    expect(statuses(fold(log(question(one), started(one.turnId), ended(one.turnId, outcome))))).toEqual([questionStatus, answerStatus])
  })

  test('[C5] a turn that ends before it started leaves no answer', () => {
    const one = asked()
    expect(statuses(fold(log(question(one), ended(one.turnId, 'stopped', 0))))).toEqual(['question:cancelled'])
    expect(statuses(fold(log(question(one), ended(one.turnId, 'expired', 0))))).toEqual(['question:expired'])
  })

  test('[C5] a wish to stop shows until the turn ends', () => {
    const one = asked()
    const stop: EntryBody = { kind: 'stop-requested', turnId: one.turnId }
    expect(fold(log(question(one), stop)).items[0]).toMatchObject({ isStopping: true })
    expect(fold(log(question(one), stop, ended(one.turnId, 'stopped', 0))).items[0]).toMatchObject({ isStopping: false })
  })

  test('[C3] a question asked in mid-answer stands below that answer, which still grows', () => {
    const one = asked()
    const two = asked()
    const conversation = fold(
      log(
        question(one),
        started(one.turnId),
        part(one.turnId, 'Half '),
        question(two, 'And?'),
        part(one.turnId, 'whole', 1),
        started(two.turnId),
      ),
    )
    expect(conversation.items.map(textOf)).toEqual(['Where is my answer?', 'Half whole', 'And?', ''])
  })

  test('[C7] shown text stays when another owner begins again', () => {
    const one = asked()
    const conversation = fold(
      log(
        question(one),
        started(one.turnId),
        part(one.turnId, 'Cut o'),
        { kind: 'turn-superseded', turnId: one.turnId, attempt: 1 },
        started(one.turnId, 2),
        part(one.turnId, 'Whole.', 0, 2),
        ended(one.turnId, 'complete', 2),
      ),
    )
    expect(conversation.items.slice(1)).toMatchObject([
      { text: 'Cut o', status: 'interrupted', isSuperseded: true, attempt: 1 },
      { text: 'Whole.', status: 'complete', isSuperseded: false, attempt: 2 },
    ])
    expect(latestAnswer(conversation, one.turnId)).toMatchObject({ attempt: 2 })
  })

  test('[C7] an attempt that showed nothing gives its place to the next', () => {
    const one = asked()
    const conversation = fold(log(question(one), started(one.turnId), started(one.turnId, 2), part(one.turnId, 'Hello', 0, 2)))
    expect(conversation.items.slice(1)).toMatchObject([{ text: 'Hello', attempt: 2 }])
  })

  test('[C1] entries that no log can hold are refused', () => {
    const one = asked()
    expect(() => fold(log(started(one.turnId)))).toThrow(RangeError)
    expect(() => fold(log(question(one), part(one.turnId, 'x')))).toThrow(RangeError)
  })

  test('[C3][C6] whatever follows, an item keeps its place and an answer its text', () => {
    const turns = [asked(), asked()]
    const step = fc.record({ turn: fc.nat(1), text: fc.string({ maxLength: 4 }), end: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const done = new Set<number>()
        const counts = [0, 0]
        const bodies: EntryBody[] = [...turns.map((turn) => question(turn)), ...turns.map((turn) => started(turn.turnId))]
        for (const { turn, text, end } of steps) {
          const turnId = turns[turn]?.turnId
          if (turnId === undefined || done.has(turn)) continue
          bodies.push(end ? ended(turnId, 'complete') : part(turnId, text, counts[turn]))
          counts[turn] = (counts[turn] ?? 0) + 1
          if (end) done.add(turn)
        }
        let before: readonly Item[] = []
        let conversation = EMPTY_CONVERSATION
        for (const entry of log(...bodies)) {
          conversation = applyEntry(conversation, entry)
          before.forEach((item, index) => {
            const now = conversation.items[index]
            expect(now?.seq).toBe(item.seq)
            expect(textOf(now).startsWith(textOf(item))).toBe(true)
          })
          before = conversation.items
        }
      }),
    )
  })

  test('[C4] open questions are those without an outcome', () => {
    const [one, two] = [asked(), asked()]
    const conversation = fold(log(question(one), question(two), started(one.turnId), ended(one.turnId, 'complete')))
    expect(openQuestions(conversation).map((item) => item.messageId)).toEqual([two.messageId])
  })
})
