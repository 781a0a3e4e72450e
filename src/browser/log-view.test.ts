import { expect, test } from 'vitest'
import { EMPTY_CONVERSATION } from '../conversation/conversation.ts'
import type { BlockFrame, ServerFrame } from '../protocol/protocol.ts'
import { entryAt, entryFrame, headAt, idOf, LOG, messageIdOf, questionAt, TURN } from '../testing/client-link-play.ts'
import { addBlock, applyToView, blocksOf, cursorOf, EMPTY_VIEW, showsQuestion, viewOfSnapshot, type LogView } from './log-view.ts'

const at = (seq: number): LogView => ({ ...EMPTY_VIEW, logId: LOG, conversation: { ...EMPTY_CONVERSATION, head: headAt(seq) } })
const entryOf = (frame: ServerFrame) => {
  if (frame.type !== 'entry') throw new Error('no entry')
  return frame.entry
}
const ANSWER = { turnId: TURN, attempt: 1 }
const block = (index: number): BlockFrame => ({ type: 'block', ...ANSWER, index, html: `<p>${index}</p>`, upTo: (index + 1) * 10 })

test('[K4] an entry is applied in its place only', () => {
  const view = at(5)
  expect(applyToView(view, entryOf(entryAt(6)))).toMatchObject({ type: 'applied', view: { conversation: { head: headAt(6) } } })
  expect(applyToView(view, entryOf(entryAt(5)))).toEqual({ type: 'seen' })
  expect(applyToView(view, entryOf(entryAt(3)))).toEqual({ type: 'seen' })
  expect(applyToView(view, entryOf(entryAt(7)))).toEqual({ type: 'hole' })
  expect(applyToView(view, { ...entryOf(entryAt(6)), prev: idOf(9) })).toEqual({ type: 'hole' })
  expect(applyToView(view, { ...entryOf(entryAt(5)), id: idOf(9) })).toEqual({ type: 'hole' })
})

test('[K4] an entry that the fold refuses breaks nothing that is shown', () => {
  const part = entryFrame({ seq: 6, kind: 'answer-part', ...ANSWER, index: 0, persona: undefined, text: 'Yes.' })
  expect(applyToView(at(5), entryOf(part))).toEqual({ type: 'broken' })
})

test('[K17] the end of an attempt names the text that its digest is over, and an end without one names none', () => {
  const end = { kind: 'turn-ended', turnId: TURN, outcome: 'stopped', reason: 'asked-to-stop', chars: 0, sha256: 'f'.repeat(64) } as const
  const frames = [questionAt(1, 1), entryFrame({ seq: 2, kind: 'turn-started', ...ANSWER, fence: 1 })]
  let view: LogView = { ...EMPTY_VIEW, logId: LOG }
  for (const frame of frames) {
    const applied = applyToView(view, entryOf(frame))
    if (applied.type === 'applied') ({ view } = applied)
  }
  expect(applyToView(view, entryOf(entryFrame({ seq: 3, ...end, attempt: 1, parts: 0 })))).toMatchObject({
    ended: { text: '', sha256: 'f'.repeat(64) },
  })
  expect(applyToView(view, entryOf(entryFrame({ seq: 3, ...end, attempt: 0, parts: 0 })))).toMatchObject({ ended: undefined })
})

test('[K20] blocks are shown in their order, and dropped when they were had or leave a gap', () => {
  const had = addBlock(addBlock(EMPTY_VIEW, block(0)), block(1))
  expect(blocksOf(had, ANSWER)).toEqual({ html: ['<p>0</p>', '<p>1</p>'], upTo: 20 })
  for (const index of [0, 1, 3]) expect(addBlock(had, { ...block(index), html: 'other' })).toBe(had)
  expect(blocksOf(addBlock(had, { ...block(0), attempt: 2 }), { ...ANSWER, attempt: 2 }).html).toEqual(['<p>0</p>'])
  expect(blocksOf(EMPTY_VIEW, ANSWER)).toEqual({ html: [], upTo: 0 })
})

test('[K20] a snapshot forgets the blocks before it', () => {
  const view = viewOfSnapshot(LOG, { type: 'snapshot', head: headAt(5), items: [], earlier: 3 })
  expect(view).toEqual({ logId: LOG, conversation: { head: headAt(5), items: [] }, earlier: 3, blocks: new Map() })
})

test('[K1] a view that stands nowhere has no cursor', () => {
  expect(cursorOf(at(5))).toEqual({ logId: LOG, seq: 5, id: idOf(5) })
  expect([cursorOf({ ...at(5), logId: undefined }), cursorOf({ ...EMPTY_VIEW, logId: LOG })]).toEqual([undefined, undefined])
})

test('[K8] a question is shown when it is in the view, or before its first item', () => {
  const applied = applyToView(at(5), entryOf(questionAt(6, 1)))
  if (applied.type !== 'applied') throw new Error(applied.type)
  const { view } = applied
  const windowed = { ...view, earlier: 4 }
  expect([
    showsQuestion(view, messageIdOf(1), 6),
    showsQuestion(view, messageIdOf(2), 3),
    showsQuestion(windowed, messageIdOf(2), 3),
    showsQuestion(view, messageIdOf(2), 7),
    showsQuestion({ ...view, logId: undefined }, messageIdOf(1), 6),
  ]).toEqual([true, false, true, false, false])
})
