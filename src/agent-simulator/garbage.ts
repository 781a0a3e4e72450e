/** What no reader of the agent protocol should accept. Pure. */
import { GARBAGE_KINDS } from './fault.ts'
import type { Garbage } from './answer-run.ts'

/** The kind of garbage, drawn where any will do. */
export const chosenKind = ({ kind, pick }: Garbage): (typeof GARBAGE_KINDS)[number] =>
  kind === 'any' ? (GARBAGE_KINDS[Math.floor(pick * GARBAGE_KINDS.length)] ?? 'text') : kind

/**
 * The frames that `ending` sends instead of the rest of an answer to the question `questionId`, whose next part would be `sequence`.
 *
 * `stranger` is of the form and answers somebody else's question: a reader must neither show it nor take it for an end.
 */
export function garbageOf(garbage: Garbage, questionId: string, sequence: number): readonly (string | Uint8Array)[] {
  const part = (changes: object): string =>
    JSON.stringify({ id: `${questionId}-garbage`, type: 'response', content: 'This must never be shown. ', ...changes })
  switch (chosenKind(garbage)) {
    case 'text':
      return ['<html><body>502 Bad Gateway</body></html>']
    case 'json':
      return ['{"id":"1","type":"respon']
    case 'form':
      return [part({ type: 'answer' }), part({ content: { text: 'This must never be shown. ' } })]
    case 'binary':
      return [Uint8Array.of(0x00, 0xff, 0xfe, 0x80, 0x7f)]
    case 'stranger':
      return [
        part({ metadata: { inReplyTo: 'somebody-elses-question', sequence: 0, done: false } }),
        part({ metadata: { inReplyTo: 'somebody-elses-question', sequence: 1, done: true } }),
      ]
    case 'order':
      return [part({ metadata: { inReplyTo: questionId, sequence: sequence + 7, done: false } })]
  }
}
