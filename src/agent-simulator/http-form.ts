/** What the forms of an agent over HTTP have in common: a question in, a stream of events out. */
import type { IncomingHttpHeaders } from 'node:http'
import * as v from 'valibot'
import { expectationOf } from './expectation.ts'
import type { GARBAGE_KINDS } from './fault.ts'

/** A question as it came. */
export interface HttpQuestion {
  readonly text: string
  readonly turnId: string
  readonly attempt: number
  readonly deadlineMs: number
}

export type HttpReading =
  /** `answer` writes the one answer to it. `at`: milliseconds since the epoch; `id`: unique. */
  | { readonly ok: true; readonly question: HttpQuestion; readonly answer: (at: number, id: string) => AnswerStream }
  | { readonly ok: false; readonly problem: string }

/** One answer in one form, as the bytes of its event stream. */
export interface AnswerStream {
  /** Before the first word. */
  readonly begin: readonly string[]
  part(content: string): readonly string[]
  /** After the last of so many words. */
  end(words: number): readonly string[]
  /** In place of the rest: it has failed. */
  readonly fail: readonly string[]
  /** In place of the rest: what no reader should accept. */
  garbage(kind: (typeof GARBAGE_KINDS)[number]): readonly (string | Uint8Array)[]
}

export interface HttpForm {
  /** Where questions are posted to. */
  readonly path: string
  read(body: unknown, headers: IncomingHttpHeaders): HttpReading
  /** The JSON body of a refusal. */
  refusal(message: string): object
}

/** One server-sent event. */
export const event = (data: object | string): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`

/** What a person waits for when nobody says. */
const DEADLINE_MS = 120_000
/** Bytes that are no UTF-8. */
export const NOT_TEXT = Uint8Array.of(0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xfe, 0x80, 0x0a, 0x0a)
export const NEVER_SHOWN = 'This must never be shown. '

/** Words stand for tokens. */
export const wordsIn = (texts: readonly string[]): number =>
  texts
    .join(' ')
    .split(/\s+/)
    .filter((word) => word !== '').length

/** What the headers say of a question. */
export function headerFacts(headers: IncomingHttpHeaders): { readonly turnId: string; readonly deadlineMs: number } {
  const deadline = Number(headers['x-deadline-ms'])
  return { turnId: String(headers['idempotency-key'] ?? ''), deadlineMs: deadline > 0 ? deadline : DEADLINE_MS }
}

/** The first thing that is wrong, without repeating it. */
export function problemIn(issue: v.BaseIssue<unknown>): string {
  const where = v.getDotPath(issue) ?? 'the body'
  return issue.input === undefined ? `${where} is missing` : `${where} must be ${expectationOf(issue)}`
}
