import { expect, test } from 'vitest'
import type { AnswerItem } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import { mintEntryId, mintMessageId, mintTurnId } from '../conversation/ids.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createAnswerBlocks } from './answer-blocks.ts'
import { LinkBlocks } from './link-blocks.ts'

const random = seededRandom(4)
const bytes = (count: number): Uint8Array => random.bytes(count)
const place = () => ({ seq: 1, id: mintEntryId(bytes), prev: undefined, at: 0 })
const turnId = mintTurnId(bytes)
const started = (attempt = 1): Entry => ({ ...place(), kind: 'turn-started', turnId, attempt, fence: attempt })
const part = (text: string, attempt = 1): Entry => ({
  ...place(),
  kind: 'answer-part',
  turnId,
  attempt,
  index: 0,
  persona: undefined,
  text,
})
const superseded: Entry = { ...place(), kind: 'turn-superseded', turnId, attempt: 1 }
const answer = (text: string): AnswerItem => ({
  kind: 'answer',
  seq: 2,
  at: 0,
  turnId,
  attempt: 1,
  inReplyTo: mintMessageId(0, bytes),
  persona: undefined,
  text,
  parts: 1,
  status: 'streaming',
  reason: undefined,
  isSuperseded: false,
})
const numbers = (frames: readonly { readonly attempt: number; readonly index: number }[]): readonly string[] =>
  frames.map(({ attempt, index }) => `${attempt}/${index}`)

test('[S18] an answer whose server died gets all its blocks, and the next attempt its own', () => {
  const blocks = new LinkBlocks(createAnswerBlocks())
  const sent = [started(), part('First.\n\nSec'), superseded, started(2), part('First.\n\nSecond.\n\nThi', 2)].map((entry) =>
    numbers(blocks.after(entry)),
  )
  expect(sent).toEqual([[], ['1/0'], ['1/1'], [], ['2/0', '2/1']])
})

test('[S18] a view that is shown anew knows nothing of the answers before it', () => {
  const blocks = new LinkBlocks(createAnswerBlocks())
  blocks.after(started())
  expect(blocks.lacksBeginning([part('Sec')])).toBe(false)
  expect(blocks.of([])).toEqual([])
  expect(blocks.lacksBeginning([part('Sec')])).toBe(true)
  expect(numbers(blocks.of([answer('First.\n\nSec')]))).toEqual(['1/0'])
  expect(blocks.lacksBeginning([part('ond.')])).toBe(false)
  expect(numbers(blocks.after(part('ond.\n\nThird.')))).toEqual(['1/1'])
})

test('[S18][W80] other help is sent in blocks as an answer is, by the attempt that no answer has', () => {
  const text = 'Sorry.\n\n- [Tea](/help/tea): All of it.'
  const about = { topic: 'fallback', turnId, inReplyTo: mintMessageId(0, bytes), reason: 'agent-error', text } as const
  const blocks = new LinkBlocks(createAnswerBlocks())
  const notice: Entry = { ...place(), kind: 'notice', ...about }
  expect(blocks.lacksBeginning([notice])).toBe(false)
  expect(numbers(blocks.after(notice))).toEqual(['0/0', '0/1'])
  const anew = blocks.of([{ kind: 'notice', seq: 1, at: 0, ...about }])
  expect(anew).toMatchObject([
    { index: 0, html: '<p class="govuk-body">Sorry.</p>' },
    { index: 1, html: expect.stringContaining('href="/help/tea"'), upTo: text.length },
  ])
})

test('[S18] entries that bring their answer along need no beginning from elsewhere', () => {
  const blocks = new LinkBlocks(createAnswerBlocks())
  expect(blocks.lacksBeginning([started(), part('First.')])).toBe(false)
  expect(blocks.lacksBeginning([part('First.'), started()])).toBe(true)
  expect(blocks.lacksBeginning([superseded])).toBe(true)
  const withdrawn: Entry = {
    ...place(),
    kind: 'turn-ended',
    turnId,
    attempt: 0,
    outcome: 'stopped',
    reason: 'asked-to-stop',
    parts: 0,
    chars: 0,
    sha256: '',
  }
  expect(blocks.lacksBeginning([withdrawn])).toBe(false)
})
