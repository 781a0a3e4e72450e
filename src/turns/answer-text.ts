/**
 * The text of one attempt on its way from the agent to the log: gathered, bounded, never cut inside a character. Pure.
 */
import type { AnswerPartBody } from '../conversation/entry.ts'
import type { TurnId } from '../conversation/ids.ts'
import { ANSWER_CHARS_MAX, ANSWER_COALESCE_MS, ANSWER_PART_CHARS_MAX, WRITE_ENTRIES_MAX } from '../conversation/limits.ts'

/** A piece of text that will be one `answer-part`. */
interface Piece {
  readonly persona: string | undefined
  readonly text: string
}

export interface AnswerText {
  /** Everything received, as it will be stored; what the digest is over. */
  readonly text: string
  /** `answer-part` entries known to be durable. */
  readonly stored: number
  /** What is not known to be durable yet, in order. */
  readonly pending: readonly Piece[]
  /** When the pending text must be on its way, monotonic; `undefined` while nothing is pending. */
  readonly flushAt: number | undefined
  /** The first half of a character whose second half has not come. */
  readonly half: string
  readonly persona: string | undefined
}

export const EMPTY_ANSWER: AnswerText = { text: '', stored: 0, pending: [], flushAt: undefined, half: '', persona: undefined }

/** The text that an earlier owner left in the log. */
export const storedAnswer = (text: string, parts: number): AnswerText => ({ ...EMPTY_ANSWER, text, stored: parts })

export interface Arrival {
  readonly text: string
  readonly persona: string | undefined
  /** Monotonic milliseconds. */
  readonly now: number
  /** How many of the pending pieces are being written and must not change. */
  readonly frozen: number
}

/**
 * The answer with `arrival` added, up to the longest that an answer may be.
 *
 * Lone surrogates become U+FFFD: a store in UTF-8 could not give them back, and text and digest would disagree.
 */
export function addText(answer: AnswerText, arrival: Arrival): { readonly answer: AnswerText; readonly isTooLong: boolean } {
  const isSameVoice = answer.persona === arrival.persona
  const before = isSameVoice ? answer : finishText(answer, arrival)
  const joined = before.half + arrival.text
  const half = isHighSurrogate(joined, joined.length - 1) ? joined.slice(-1) : ''
  const whole = joined.slice(0, joined.length - half.length).toWellFormed()
  const room = ANSWER_CHARS_MAX - before.text.length
  const isTooLong = whole.length > room
  const kept = isTooLong ? whole.slice(0, cutAt(whole, room)) : whole
  const grown = append({ ...before, half, persona: arrival.persona }, { text: kept, persona: arrival.persona }, arrival)
  return { answer: grown, isTooLong }
}

/** The answer once no more text will come: half a character is shown as one that could not be read. */
export function finishText(answer: AnswerText, means: { readonly now: number; readonly frozen: number }): AnswerText {
  if (answer.half === '') return answer
  return append({ ...answer, half: '' }, { text: '\uFFFD', persona: answer.persona }, means)
}

/** Whether pending text should be written now: it has waited long enough, or fills a part. */
export const isFlushDue = ({ flushAt, pending }: AnswerText, now: number): boolean =>
  flushAt !== undefined && (flushAt <= now || pending.length > 1)

/** The next parts to write, at most `WRITE_ENTRIES_MAX` less one, so that an end always fits beside the last of them. */
export const nextParts = (answer: AnswerText, turnId: TurnId, attempt: number): readonly AnswerPartBody[] =>
  answer.pending.slice(0, WRITE_ENTRIES_MAX - 1).map(({ persona, text }, offset) => ({
    kind: 'answer-part',
    turnId,
    attempt,
    index: answer.stored + offset,
    persona,
    text,
  }))

/** The answer once its first `count` pending pieces are durable. */
export function partsStored(answer: AnswerText, count: number): AnswerText {
  if (count === 0) return answer
  const pending = answer.pending.slice(count)
  return { ...answer, stored: answer.stored + count, pending, flushAt: pending.length > 0 ? answer.flushAt : undefined }
}

function append(answer: AnswerText, piece: Piece, { now, frozen }: { readonly now: number; readonly frozen: number }): AnswerText {
  if (piece.text === '') return answer
  const pending = [...answer.pending]
  let rest = piece.text
  const last = pending.at(-1)
  if (last !== undefined && pending.length > frozen && last.persona === piece.persona) {
    const end = cutAt(rest, ANSWER_PART_CHARS_MAX - last.text.length)
    pending[pending.length - 1] = { persona: last.persona, text: last.text + rest.slice(0, end) }
    rest = rest.slice(end)
  }
  while (rest !== '') {
    const end = cutAt(rest, ANSWER_PART_CHARS_MAX)
    pending.push({ persona: piece.persona, text: rest.slice(0, end) })
    rest = rest.slice(end)
  }
  const isFirstWaiting = answer.pending.length <= frozen
  const flushAt = isFirstWaiting || answer.flushAt === undefined ? now + ANSWER_COALESCE_MS : answer.flushAt
  return { ...answer, text: answer.text + piece.text, pending, flushAt }
}

/** The longest length up to `max` that does not cut a character in two. */
function cutAt(text: string, max: number): number {
  const end = Math.min(text.length, Math.max(0, max))
  return end < text.length && isHighSurrogate(text, end - 1) ? end - 1 : end
}

function isHighSurrogate(text: string, index: number): boolean {
  const code = text.charCodeAt(index)
  return code >= 0xd800 && code <= 0xdbff
}
