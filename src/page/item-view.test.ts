import { expect, test } from 'vitest'
import { fold } from '../conversation/conversation.ts'
import type { Entry, EntryBody, TurnEndReason, TurnOutcome } from '../conversation/entry.ts'
import { mintEntryId, mintMessageId, mintTurnId, SERVER_DEVICE, type EntryId } from '../conversation/ids.ts'
import { ENGLISH } from '../gateway/words.ts'
import { formatTime, itemKey, viewItems } from './item-view.ts'

const words = ENGLISH.item
const NOON = Date.UTC(2026, 0, 5, 12)

let made = 0
const bytes = (count: number): Uint8Array => {
  made += 1
  return Uint8Array.from({ length: count }, (_unused, index) => (made >> (8 * (count - 1 - index))) & 0xff)
}

const ids = () => ({ messageId: mintMessageId(0, bytes), turnId: mintTurnId(bytes) })
type Ids = ReturnType<typeof ids>

const asked = (one: Ids, text = 'How?'): EntryBody => ({
  kind: 'message',
  ...one,
  device: SERVER_DEVICE,
  number: 1,
  text,
  inReplyTo: undefined,
})
const started = ({ turnId }: Ids, attempt = 1): EntryBody => ({ kind: 'turn-started', turnId, attempt, fence: attempt })
const part = ({ turnId }: Ids, text: string): EntryBody => ({ kind: 'answer-part', turnId, attempt: 1, index: 0, persona: undefined, text })
const ended = ({ turnId }: Ids, outcome: TurnOutcome, reason?: TurnEndReason, attempt = 1): EntryBody => ({
  kind: 'turn-ended',
  turnId,
  attempt,
  outcome,
  reason,
  parts: 0,
  chars: 0,
  sha256: '',
})

/** Views of what these bodies say, each appended a minute after the one before. */
function views(...bodies: readonly EntryBody[]) {
  let prev: EntryId | undefined
  const entries = bodies.map((body, index): Entry => {
    const entry = { seq: index + 1, id: mintEntryId(bytes), prev, at: NOON + index * 60_000, ...body }
    prev = entry.id
    return entry
  })
  return viewItems(fold(entries).items, { words, now: NOON, hasLinks: ({ text }) => text.includes('](') }).map(
    ({ kind, state, status, action }) => [kind, state, status.join(' | '), action === undefined ? '' : `${action.name}: ${action.label}`],
  )
}

const sent = ['question', 'done', 'Sent at 12:00pm', '']
const one = ids()
const begun = [asked(one), started(one)]

test('[W19] a question that waits says so, with its place, and can be cancelled', () => {
  expect(views(asked(ids()), asked(ids()), asked(ids()))).toEqual([
    ['question', 'running', 'Sent at 12:00pm. Waiting for the assistant.', 'cancel: Cancel'],
    ['question', 'running', 'Sent at 12:01pm. Waiting for the assistant. There is 1 question before yours.', 'cancel: Cancel'],
    ['question', 'running', 'Sent at 12:02pm. Waiting for the assistant. There are 2 questions before yours.', 'cancel: Cancel'],
  ])
  expect(views(asked(one), { kind: 'stop-requested', turnId: one.turnId })).toEqual([
    ['question', 'running', 'Sent at 12:00pm. Waiting for the assistant. Stopping.', ''],
  ])
})

test('[W19] a question that never reached an answer says why and can be asked again', () => {
  expect(views(asked(one), ended(one, 'stopped', 'asked-to-stop', 0))).toEqual([
    ['question', 'done', 'Sent at 12:00pm. You cancelled this question.', 'ask-again: Ask again'],
  ])
  expect(views(asked(one), ended(one, 'expired', 'expired', 0))).toEqual([
    ['question', 'attention', `Sent at 12:00pm | ${words.timedOut}`, 'ask-again: Ask again'],
  ])
})

test('[W80] other help is the service’s own, under a heading that says whose it is not', () => {
  const notice: EntryBody = {
    kind: 'notice',
    topic: 'fallback',
    turnId: one.turnId,
    inReplyTo: one.messageId,
    reason: 'agent-error',
    text: 'Read.',
  }
  const shown = views(asked(one), notice)
  expect(shown).toEqual([
    ['question', 'running', 'Sent at 12:00pm. Waiting for the assistant.', 'cancel: Cancel'],
    ['notice', 'done', '', ''],
  ])
  expect(words.fallbackHeading).toBe('Information from this service, not from the assistant')
  // One that waits again after it was asked looks like one that waits.
  expect(views(...begun, notice)).toEqual([
    ['question', 'running', 'Sent at 12:00pm. Waiting for the assistant.', 'cancel: Cancel'],
    ['answer', 'running', 'Waiting for the assistant.', ''],
    ['notice', 'done', '', ''],
  ])
})

test('[W19] an answer that is being written says so', () => {
  const received = ['question', 'running', 'The assistant received this at 12:01pm', '']
  expect(views(...begun)).toEqual([received, ['answer', 'running', 'Finding an answer', '']])
  expect(views(...begun, part(one, 'A'))).toEqual([received, ['answer', 'running', 'The assistant is answering.', '']])
  expect(views(...begun, { kind: 'stop-requested', turnId: one.turnId })[0]).toEqual([
    'question',
    'running',
    'The assistant received this at 12:01pm | Stopping.',
    '',
  ])
})

test.each([
  ['complete', undefined, ['done', words.caveat, '']],
  ['stopped', 'asked-to-stop', ['done', words.stopped, 'ask-again: Ask again']],
  ['interrupted', 'agent-broke-off', ['attention', words.cutOff, 'ask-again: Get the rest of the answer']],
  ['interrupted', 'too-long', ['attention', words.tooLong, 'ask-again: Get the rest of the answer']],
  ['interrupted', 'withheld', ['attention', `${words.cutOff} | ${words.withheld}`, 'ask-again: Ask again']],
  ['failed', 'withheld', ['attention', words.refused, 'ask-again: Ask again']],
  ['failed', 'first-token-timeout', ['attention', words.timedOut, 'ask-again: Ask again']],
  ['failed', 'deadline', ['attention', words.timedOut, 'ask-again: Ask again']],
  ['failed', 'agent-unreachable', ['attention', words.unreachable, 'ask-again: Ask again']],
  ['failed', 'agent-busy', ['attention', words.unreachable, 'ask-again: Ask again']],
  ['failed', 'agent-protocol', ['attention', words.failed, 'ask-again: Ask again']],
  ['failed', 'empty-answer', ['attention', words.failed, 'ask-again: Ask again']],
  ['expired', 'expired', ['attention', words.timedOut, 'ask-again: Ask again']],
] as const)('[W19] an answer that ended %s because of %s has its words and its one thing to do', (outcome, reason, expected) => {
  expect(views(...begun, part(one, 'A'), ended(one, outcome, reason))).toEqual([sent, ['answer', ...expected]])
})

test('[W36] an answer with links sends people to them to check it', () => {
  expect(views(...begun, part(one, '[A](https://www.gov.uk)'), ended(one, 'complete', undefined))[1]?.[2]).toBe(words.caveatPages)
})

test('[W19] an answer whose server died sends people to the next', () => {
  const shown = views(...begun, part(one, 'A'), { kind: 'turn-superseded', turnId: one.turnId, attempt: 1 }, started(one, 2))
  expect(shown.slice(1)).toEqual([
    ['answer', 'attention', words.cutOffAskedAgain, ''],
    ['answer', 'running', 'Finding an answer', ''],
  ])
})

test('[W19] buttons with the same words say which question they are about', () => {
  const long = `Where ${'very '.repeat(30)}far?`
  const items = fold([{ seq: 1, id: mintEntryId(bytes), prev: undefined, at: NOON, ...asked(one, long) }]).items
  const [view] = viewItems(items, { words, now: NOON, hasLinks: () => false })
  expect(view?.action?.about).toBe(`this question: ${long.slice(0, 60)}…`)
  expect(view?.key).toBe(items[0] === undefined ? '' : itemKey(items[0]))
})

test('[W19] times are those of the United Kingdom, with the day when it is another', () => {
  const summer = Date.UTC(2026, 6, 1, 23, 5)
  expect(formatTime(summer, summer, words)).toBe('12:05am')
  expect(formatTime(summer, NOON, words)).toBe('12:05am on 2 July')
})
