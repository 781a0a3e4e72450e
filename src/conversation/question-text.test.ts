import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { QUESTION_BYTES_MAX, QUESTION_GRAPHEMES_MAX } from './limits.ts'
import { checkQuestion, countGraphemes, utf8Bytes } from './question-text.ts'

const family = '👨‍👩‍👧‍👦'

test.each([
  ['', 'empty'],
  [' \n\t\u00A0 ', 'empty'],
  ['\u0007\u0008', 'empty'],
  ['\u{E0041}\u{E0042}', 'empty'],
  ['\u200B \u202E\uFEFF\u2060', 'empty'],
  ['x'.repeat(QUESTION_GRAPHEMES_MAX + 1), 'too-long'],
  [family.repeat(700), 'too-large'],
  ['x'.repeat(1_000_000), 'too-large'],
  ['a\uD800b', 'not-text'],
  ['a\u0000b', 'not-text'],
] as const)('[C10] a question that cannot be asked (case %#) is %s', (typed, problem) => {
  expect(checkQuestion(typed)).toEqual({ ok: false, problem })
})

test('[C10][C12] exactly 2,000 characters may be asked, counted as people count', () => {
  expect(checkQuestion('x'.repeat(QUESTION_GRAPHEMES_MAX)).ok).toBe(true)
  expect(checkQuestion('é'.repeat(QUESTION_GRAPHEMES_MAX)).ok).toBe(true)
  expect(countGraphemes(family)).toBe(1)
  expect(countGraphemes('e\u0301')).toBe(1)
})

test('[C11] line ends become line feeds, invisible controls and outer space go', () => {
  expect(checkQuestion('  one\r\ntwo\rthree\u0008\tfour\u0085 ')).toEqual({ ok: true, text: 'one\ntwo\nthree\tfour' })
})

test('[C11] markup, right-to-left overrides and any script are kept as they are', () => {
  for (const typed of ['<script>alert(1)</script>', '\u202Eevil\u202C', 'سلام', '# not a heading']) {
    expect(checkQuestion(typed)).toEqual({ ok: true, text: typed })
  }
})

test('[C11] what was accepted is accepted again unchanged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (typed) => {
      const first = checkQuestion(typed)
      return !first.ok || isDeepStrictEqual(checkQuestion(first.text), first)
    }),
  )
})

test('[C10] bytes are counted as UTF-8 has them', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => utf8Bytes(text) === new TextEncoder().encode(text).length))
  expect(QUESTION_BYTES_MAX).toBe(16_384)
})
