import { expect, test } from 'vitest'
import type { AnswerStatus } from '../conversation/conversation.ts'
import { mintTurnId } from '../conversation/ids.ts'
import { createAnswerBlocks } from './answer-blocks.ts'
import { renderBlocks } from './render-answer.ts'

const turn = (byte: number) => mintTurnId((count) => new Uint8Array(count).fill(byte))
const answer = (text: string, status: AnswerStatus = 'streaming', byte = 1) => ({ turnId: turn(byte), attempt: 1, text, status })

test('[W4] a growing answer has the blocks it would have from the start, and those it had stay the same ones', () => {
  const blocks = createAnswerBlocks()
  const text = 'One **a**.\n\n- b\n- c\n\nTwo.\n\n```\nx\n'
  let before = blocks.of(answer(''))
  for (let length = 1; length <= text.length; length += 3) {
    const now = blocks.of(answer(text.slice(0, length)))
    expect(now).toEqual(renderBlocks(text.slice(0, length), false))
    before.forEach((block, index) => expect(now[index]).toBe(block))
    before = now
  }
  expect(blocks.of(answer(text, 'complete'))).toEqual(renderBlocks(text, true))
  expect(blocks.of(answer(text, 'complete'))).toBe(blocks.of(answer(text, 'complete')))
})

test('[W4] another text under the same name is rendered as itself', () => {
  const blocks = createAnswerBlocks()
  blocks.of(answer('One.\n\nTwo.\n\n'))
  expect(blocks.of(answer('One.\n\n'))).toEqual(renderBlocks('One.\n\n', false))
  expect(blocks.of(answer('Other.\n\n'))).toEqual(renderBlocks('Other.\n\n', false))
  blocks.of(answer('Ended.', 'complete'))
  expect(blocks.of(answer('Ended. Not.', 'interrupted'))).toEqual(renderBlocks('Ended. Not.', true))
})

test('[W5] what is kept is bounded, and what was forgotten is rendered again', () => {
  const blocks = createAnswerBlocks(undefined, 20)
  const first = blocks.of(answer('First words.', 'complete', 1))
  expect(blocks.of(answer('First words.', 'complete', 1))).toBe(first)
  blocks.of(answer('Second words.', 'complete', 2))
  const again = blocks.of(answer('First words.', 'complete', 1))
  expect(again).toEqual(first)
  expect(again).not.toBe(first)
  expect(blocks.of(answer('x'.repeat(30), 'complete', 3))).toHaveLength(1)
})
