import { LOG_STRING_CHARS_MAX } from '../conversation/limits.ts'

// What could end a line, forge another, hide itself or turn its neighbours around: C0 and C1 controls, line and paragraph
// separators, direction controls, zero-width marks, and the tag characters.
// oxlint-disable-next-line no-control-regex, no-misleading-character-class -- they are what it is about
const UNSAFE = /[\u0000-\u001F\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF\u{E0000}-\u{E007F}]/gu

/** Untrusted text as it may stand in a log line: NFC, without unsafe characters, at most `LOG_STRING_CHARS_MAX` UTF-16 units. */
export function clean(untrusted: string): string {
  // Cut first, so that the work does not grow with the input; and last, because NFC may lengthen.
  const whole = untrusted.slice(0, LOG_STRING_CHARS_MAX * 4).toWellFormed()
  return whole.normalize('NFC').replace(UNSAFE, '').slice(0, LOG_STRING_CHARS_MAX).toWellFormed()
}
