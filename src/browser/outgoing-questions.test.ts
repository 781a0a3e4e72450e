import fc from 'fast-check'
import { expect, test } from 'vitest'
import { messageIdOf } from '../testing/client-link-play.ts'
import {
  accept,
  doubtAfter,
  due,
  forgetSettled,
  inOrder,
  KEPT,
  lacksNumber,
  overdue,
  postpone,
  questionsDeadline,
  refuse,
  renumber,
  UNKNOWN,
  unsend,
  type OutgoingQuestion,
  type SendTerms,
} from './outgoing-questions.ts'

const questions = (count: number): readonly OutgoingQuestion[] =>
  Array.from({ length: count }, (_, index) => ({
    messageId: messageIdOf(index + 1),
    number: 0,
    text: 'Why?',
    inReplyTo: undefined,
    askedAt: 0,
    keptAt: 0,
    place: index + 1,
    isKept: false,
    state: KEPT,
  }))
const states = (of: readonly OutgoingQuestion[]): readonly string[] => of.map(({ state, number }) => `${number}:${state.status}`)
/** Of a page that holds its questions alone. */
const alone = (now: number, maxInFlight: number, lastNumber = 0): SendTerms => ({ now, maxInFlight, lastNumber, heldUntil: Infinity })
const sent = (count: number, now = 0) => due(questions(count), alone(now, count)).questions
const always = () => true

test('[K7] what is due goes in order, up to the number that may be on its way', () => {
  const first = due(questions(4), alone(0, 2))
  expect([first.frames.map(({ number }) => number), states(first.questions)]).toEqual([
    [1, 2],
    ['1:sending', '2:sending', '0:kept', '0:kept'],
  ])
  expect(due(first.questions, alone(0, 2, 2))).toEqual({ questions: first.questions, frames: [], lastNumber: 2 })
})

test('[K7] nothing overtakes a question that has to wait', () => {
  const held = postpone(sent(1), messageIdOf(1), 100, 'rate')
  const all = [...held, ...questions(2).slice(1)]
  expect(due(all, alone(99, 8, 1)).frames).toEqual([])
  expect(due(all, alone(100, 8, 1)).frames.map(({ number }) => number)).toEqual([1, 2])
})

test('[K8] what was on its way when a link ended waits again; what the server held back keeps its time', () => {
  const all = unsend(postpone(accept(sent(3), messageIdOf(1), 6), messageIdOf(2), 500, 'rate'))
  expect(states(all)).toEqual(['1:accepted', '2:waiting', '3:waiting'])
  expect(questionsDeadline(all, alone(0, 8))).toBe(500)
})

test('[K8] an answer that comes twice changes nothing, and one for a refused question neither', () => {
  const once = accept(sent(1), messageIdOf(1), 6)
  expect(accept(once, messageIdOf(1), 9)).toEqual(once)
  const refused = refuse(sent(1), messageIdOf(1), 'invalid')
  expect(accept(refused, messageIdOf(1), 9)).toEqual(refused)
  expect(accept(once, messageIdOf(5), 9)).toBe(once)
})

test('[K8] only what is accepted, settled and shown is forgotten', () => {
  const all = accept(accept(sent(3), messageIdOf(1), 6), messageIdOf(2), 7)
  expect(states(forgetSettled(all, 6, always))).toEqual(['2:accepted', '3:sending'])
  expect(forgetSettled(all, 5, always)).toBe(all)
  expect(states(forgetSettled(all, 9, (_id, seq) => seq === 7))).toEqual(['1:accepted', '3:sending'])
})

test('[K6] what a log accepted after a place can be doubted, and nothing else is', () => {
  const all = accept(accept(sent(3), messageIdOf(1), 6), messageIdOf(2), 7)
  expect(states(doubtAfter(all, 6))).toEqual(['1:accepted', '2:waiting', '3:sending'])
  expect(doubtAfter(all, 7)).toBe(all)
})

test('[K9] the first that was not answered in time goes again, alone, and its tries are counted', () => {
  const first = overdue(sent(3), 5_000)
  expect([first.frames.map(({ number }) => number), first.tries]).toEqual([[1], 1])
  expect(overdue(first.questions, 9_999).frames).toEqual([])
  expect(overdue(first.questions, 10_000).tries).toBe(2)
})

test('[K10] a refused question counts no more, and those after it move up and go again', () => {
  const all = refuse(sent(3), messageIdOf(2), 'conflict')
  expect(states(all)).toEqual(['1:sending', '0:refused', '2:waiting'])
  expect(refuse(all, messageIdOf(2), 'invalid')).toBe(all)
  const taken = accept(sent(1), messageIdOf(1), 6)
  expect(refuse(taken, messageIdOf(1), 'invalid')).toBe(taken)
})

test('[K11] a new device counts from 1 what has to be sent, and nothing that was accepted or refused', () => {
  const all = refuse(accept(sent(4), messageIdOf(1), 6), messageIdOf(2), 'conflict')
  const { questions: renumbered, lastNumber } = renumber(all)
  expect([states(renumbered), lastNumber]).toEqual([['0:accepted', '0:refused', '0:waiting', '0:waiting'], 0])
  const again = due(renumbered, alone(0, 8))
  expect([states(again.questions), again.lastNumber]).toEqual([['0:accepted', '0:refused', '1:sending', '2:sending'], 2])
  expect([lacksNumber(renumbered), lacksNumber(again.questions)]).toEqual([false, false])
  expect(lacksNumber(doubtAfter(again.questions, 0))).toBe(true)
})

test('[K28][K31] what has a number goes before what has none, which gets a later one', () => {
  const [first, second] = questions(2)
  const [numbered] = sent(1)
  if (first === undefined || second === undefined || numbered === undefined) throw new Error('there are two')
  const all = inOrder([second, unsend([numbered])[0] ?? first])
  expect(states(all)).toEqual(['1:waiting', '0:kept'])
  expect(due(all, alone(0, 8, 1)).frames.map(({ number }) => number)).toEqual([1, 2])
  expect(states(inOrder(sent(3).toReversed()))).toEqual(['1:sending', '2:sending', '3:sending'])
})

test('[K25][K28] what the device keeps is not sent before this page has taken it, nor once it holds it no more', () => {
  const held = questions(2).map((question) => ({ ...question, isKept: true }))
  expect(due(held, { ...alone(0, 8), heldUntil: 100 }).frames).toEqual([])
  const taken = held.map((question) => ({ ...question, state: UNKNOWN }))
  expect(due(taken, { ...alone(99, 8), heldUntil: 100 }).frames).toHaveLength(2)
  expect(due(taken, { ...alone(100, 8), heldUntil: 100 }).frames).toEqual([])
  expect(questionsDeadline(taken, { ...alone(100, 8), heldUntil: 100 })).toBeUndefined()
})

test('[K19] the next time is that of the first answer that is late, or of the first question that waits, when it may go', () => {
  expect(questionsDeadline([], alone(0, 8))).toBeUndefined()
  expect(questionsDeadline(accept(sent(1), messageIdOf(1), 6), alone(0, 8))).toBeUndefined()
  const held = postpone(sent(2), messageIdOf(2), 300, 'rate')
  expect([questionsDeadline(held, alone(0, 8)), questionsDeadline(held, alone(0, 1))]).toEqual([300, 5_000])
})

test('[K7] however questions are answered, their numbers stay without gaps and in order', () => {
  const change = fc.record({ what: fc.constantFrom('due', 'accept', 'refuse', 'postpone', 'unsend', 'renumber'), which: fc.nat(7) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      let all = questions(8)
      let last = 0
      for (const { what, which } of changes) {
        const id = messageIdOf(which + 1)
        // The log takes a device's questions in order, so only its next one can be accepted or refused.
        const next = all.find(({ state }) => state.status === 'sending' || state.status === 'waiting')
        const isNext = next?.messageId === id && next.state.status === 'sending'
        if (what === 'due') ({ questions: all, lastNumber: last } = due(all, alone(0, 3, last)))
        else if (what === 'accept' && isNext) all = accept(all, id, which + 1)
        else if (what === 'refuse' && isNext) {
          all = refuse(all, id, 'invalid')
          last -= 1
        } else if (what === 'postpone') all = postpone(all, id, 0, 'rate')
        else if (what === 'unsend') all = unsend(all)
        else if (what === 'renumber') ({ questions: all, lastNumber: last } = renumber(all))
        const open = all.map(({ number }) => number).filter((number, index) => number > 0 && all[index]?.state.status !== 'accepted')
        expect(open).toEqual(open.map((_, index) => (open[0] ?? 0) + index))
      }
    }),
  )
})
