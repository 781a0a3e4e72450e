import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TurnId } from '../conversation/ids.ts'
import { ANSWER_CHARS_MAX, ANSWER_PART_CHARS_MAX } from '../conversation/limits.ts'
import { addText, EMPTY_ANSWER, finishText, nextParts, partsStored, type AnswerText } from './answer-text.ts'

const turnId = '0'.repeat(24) as TurnId

/** Text as an agent may cut it: anywhere, characters included. */
const chunk = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('\ud83d', '\ude00', 'x\ud83d', '\ude00y'),
  fc.nat(3 * ANSWER_PART_CHARS_MAX).map((length) => '\u{1F600}'.repeat(length).slice(1, length + 1)),
)

test('[T3][T4][T20] however text arrives and is written, its parts are bounded, whole, and in order', () => {
  const script = fc.array(fc.record({ text: chunk, persona: fc.constantFrom(undefined, 'ann'), writes: fc.boolean() }), { maxLength: 30 })
  fc.assert(
    fc.property(script, (lines) => {
      const stored: string[] = []
      let answer: AnswerText = EMPTY_ANSWER
      let frozen = 0
      const write = (): void => {
        const parts = nextParts(answer, turnId, 1)
        expect(parts.map(({ index }) => index)).toEqual(parts.map((_part, offset) => stored.length + offset))
        stored.push(...parts.map(({ text }) => text))
        answer = partsStored(answer, parts.length)
        frozen = 0
      }
      for (const { text, persona, writes } of lines) {
        const before = nextParts(answer, turnId, 1).slice(0, frozen)
        ;({ answer } = addText(answer, { text, persona, now: 0, frozen }))
        // What is being written does not change under the writer.
        expect(nextParts(answer, turnId, 1).slice(0, frozen)).toEqual(before)
        if (writes) write()
        else frozen = nextParts(answer, turnId, 1).length
      }
      answer = finishText(answer, { now: 0, frozen })
      while (answer.pending.length > 0) write()
      const given = lines.map(({ text }) => text).join('')
      expect(stored.join('')).toBe(answer.text)
      expect(stored.every((text) => text.length > 0 && text.length <= ANSWER_PART_CHARS_MAX && text.isWellFormed())).toBe(true)
      // A change of voice, like the longest length, may part two halves of a character; nothing else changes the text.
      const isPlain = lines.every(({ persona }) => persona === lines[0]?.persona) && given.length <= ANSWER_CHARS_MAX
      expect(answer.text).toBe(isPlain ? given.toWellFormed() : answer.text)
    }),
    { numRuns: 300 },
  )
})

test('[T8] an answer is cut at its longest without cutting a character', () => {
  const { answer } = addText(EMPTY_ANSWER, { text: 'a'.repeat(ANSWER_CHARS_MAX - 1), persona: undefined, now: 0, frozen: 0 })
  const { answer: cut, isTooLong } = addText(answer, { text: '\u{1F600}', persona: undefined, now: 0, frozen: 0 })
  expect([isTooLong, cut.text.length]).toEqual([true, ANSWER_CHARS_MAX - 1])
  const full = addText(answer, { text: 'b', persona: undefined, now: 0, frozen: 0 })
  expect([full.isTooLong, full.answer.text.length]).toEqual([false, ANSWER_CHARS_MAX])
})
