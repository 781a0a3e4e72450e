import { expect, test } from 'vitest'
import { mintDeviceId, mintEntryId, mintMessageId, mintTurnId } from '../conversation/ids.ts'
import { OPEN_TURNS_MAX, SESSION_ENTRIES_MAX } from '../conversation/limits.ts'
import type { NewQuestion } from './conversation-log.ts'
import { decideAsk, decideClaim, linkEntries, openTurn, type AskFacts, type MessageEntry } from './log-decisions.ts'
import { randomBytes } from './world.contract.ts'

const random = randomBytes(5)
const turnId = mintTurnId(random)
const question: NewQuestion = {
  messageId: mintMessageId(0, random),
  device: mintDeviceId(random),
  number: 4,
  text: 'Why?',
  inReplyTo: undefined,
}
const facts: AskFacts = { head: { seq: 9, id: mintEntryId(random) }, earlier: undefined, lastNumber: 3, openTurns: 0 }
const earlier: MessageEntry = {
  ...question,
  kind: 'message',
  turnId,
  number: 4,
  seq: 2,
  id: mintEntryId(random),
  prev: undefined,
  at: 0,
}

test('[L5] entries are placed after the head, each naming the one before it', () => {
  const body = { kind: 'stop-requested', turnId } as const
  const ids = [mintEntryId(random), mintEntryId(random)]
  const mint = ids.values()
  const entries = linkEntries(facts.head, [body, body], 77, () => mint.next().value ?? mintEntryId(random))
  expect(entries).toEqual([
    { seq: 10, id: ids[0], prev: facts.head?.id, at: 77, ...body },
    { seq: 11, id: ids[1], prev: ids[0], at: 77, ...body },
  ])
  expect(linkEntries(undefined, [body], 0, () => mintEntryId(random))).toMatchObject([{ seq: 1, prev: undefined }])
  expect(linkEntries(facts.head, [], 0, () => mintEntryId(random))).toEqual([])
})

test.each([
  [SESSION_ENTRIES_MAX - 1, 'append'],
  [SESSION_ENTRIES_MAX, 'overload'],
  [SESSION_ENTRIES_MAX + 1, 'overload'],
])('[L10] a log of %i entries answers a question with %s', (seq, type) => {
  expect(decideAsk({ ...facts, head: { seq, id: mintEntryId(random) } }, question, turnId).type).toBe(type)
})

test('[L10] what was accepted once is never refused later, whatever else is wrong by then', () => {
  const full: AskFacts = { head: { seq: SESSION_ENTRIES_MAX, id: mintEntryId(random) }, earlier, lastNumber: 99, openTurns: OPEN_TURNS_MAX }
  expect(decideAsk(full, { ...question, number: 1 }, turnId)).toEqual({ type: 'duplicate', earlier })
})

test('[L8][L10] a gap is named before an overload, so that a device always learns its next number', () => {
  expect(decideAsk({ ...facts, openTurns: OPEN_TURNS_MAX }, { ...question, number: 6 }, turnId)).toEqual({ type: 'order', expected: 4 })
})

test.each([
  [10_001, true],
  [10_000, false],
  [5_000, false],
  [1, false],
  [0, true],
  [-1, true],
])('[L17] that a lease ends in %i ms, when a new one takes 5 seconds, lets another owner in: %s', (leftMs, isFree) => {
  const turn = { ...openTurn(earlier), fence: 3, lease: { owner: 'dead', until: 100_000 + leftMs } }
  const claimed = decideClaim(turn, 7, { owner: 'alive', now: 100_000, leaseMs: 5_000 })
  expect(claimed).toEqual(isFree ? { ...turn, fence: 8, lease: { owner: 'alive', until: 105_000 } } : undefined)
})
