/**
 * What counts as a question. Used by the page, the form, the API and the live link, so that all four refuse the same things.
 */
import { QUESTION_BYTES_MAX, QUESTION_GRAPHEMES_MAX } from './limits.ts'

export type QuestionProblem = 'empty' | 'too-long' | 'too-large' | 'not-text'

export type QuestionCheck = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly problem: QuestionProblem }

// Invisible to the person who pasted them, so they are removed rather than reported: C0 and C1 controls but tab and line feed.
// oxlint-disable-next-line no-control-regex -- they are what it is about
const CONTROLS = /[\u0001-\u0008\u000B-\u001F\u007F-\u009F]/g
/** Space, joiners, tags and the like alone are nothing that anybody could have asked. */
const VISIBLE = /[^\p{Z}\p{Cc}\p{Cf}]/u
const LINE_ENDS = /\r\n?/g
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The stored form of what was typed: line feeds only, no invisible controls, no space around it. */
export const normaliseQuestion = (typed: string): string => typed.replace(LINE_ENDS, '\n').replace(CONTROLS, '').trim()

/** Length as a person counts it: an emoji family or an accented letter is one. */
export function countGraphemes(text: string): number {
  return [...graphemes.segment(text)].length
}

/** UTF-8 length of well-formed text, in bytes. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x80) bytes += 1
    else if (code < 0x800) bytes += 2
    else if (code < 0x10000) bytes += 3
    else bytes += 4
  }
  return bytes
}

/**
 * Checks and normalises a typed question.
 *
 * NUL and lone surrogates are refused (`not-text`): nobody types them, so something between the person and us is broken.
 * Everything else that is odd but harmless (HTML, bidirectional controls, any script) is kept and shown as text.
 */
export function checkQuestion(typed: string): QuestionCheck {
  // Before any work that grows with the input: no valid question is longer than this in UTF-16 units.
  if (typed.length > QUESTION_BYTES_MAX * 2) return { ok: false, problem: 'too-large' }
  if (!typed.isWellFormed() || typed.includes('\u0000')) return { ok: false, problem: 'not-text' }
  const text = normaliseQuestion(typed)
  if (!VISIBLE.test(text)) return { ok: false, problem: 'empty' }
  if (utf8Bytes(text) > QUESTION_BYTES_MAX) return { ok: false, problem: 'too-large' }
  if (countGraphemes(text) > QUESTION_GRAPHEMES_MAX) return { ok: false, problem: 'too-long' }
  return { ok: true, text }
}
