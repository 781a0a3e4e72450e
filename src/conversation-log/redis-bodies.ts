/** What goes to and comes from the functions of `redis-functions.lua` about the bodies of entries. Pure. */
import type { TurnBody } from '../conversation/entry.ts'
import { isEntryId, type TurnId } from '../conversation/ids.ts'
import type { AskResult, NewQuestion } from './conversation-log.ts'
import { accepted, decideAsk, stoppedUnseen, type EarlierMessage } from './log-decisions.ts'
import { LogError } from './log-error.ts'
import type { Reply } from './redis-connection.ts'
import { entryIn, logIdAt, textAt } from './redis-replies.ts'
import { bodyText } from './stored-entry.ts'

/** Before the number of a question, which the function gives it. */
export const NUMBER = '"number":'
const ATTEMPT = '"attempt":0'

/** A question that had been accepted: a repeat, or another text under its id. */
export function repeated(reply: readonly Reply[], question: NewQuestion): AskResult {
  const id = textAt(reply, 3)
  if (!isEntryId(id)) throw new LogError('corrupt', 'R8: an entry has no id')
  const entry = entryIn([`${textAt(reply, 2)}-0`, ['id', id, 'at', textAt(reply, 4), 'body', textAt(reply, 5)]], undefined)
  if (entry.kind !== 'message') throw new LogError('corrupt', 'R9: a message id stands at another kind of entry')
  const earlier: EarlierMessage = entry
  const decision = decideAsk({ head: undefined, earlier, lastNumber: 0, openTurns: 0 }, question, earlier.turnId)
  return decision.type === 'conflict' ? decision : accepted(logIdAt(reply, 1), earlier, true)
}

/** The wish to stop a turn, and the end of one that nobody holds: before and after its attempt, which the function knows. */
export function stopBodies(turnId: TurnId): { readonly wish: string; readonly end: readonly [string, string] } {
  const [before = '', after = ''] = bodyText(stoppedUnseen({ turnId, attempt: 0 })).split(ATTEMPT)
  return { wish: bodyText({ kind: 'stop-requested', turnId }), end: [`${before}${ATTEMPT.slice(0, -1)}`, after] }
}

/** What decides about a body: its kind, attempt, what it counts by, and its length. */
export function factsOf(body: TurnBody, turnId: TurnId): readonly string[] {
  if (body.turnId !== turnId) return ['foreign', '0', '0', '0']
  if (body.kind === 'notice') return [body.kind, '0', body.inReplyTo ?? '', '0']
  const attempt = String(body.attempt)
  switch (body.kind) {
    case 'turn-started':
      return [body.kind, attempt, String(body.fence), '0']
    case 'answer-part':
      return [body.kind, attempt, String(body.index), String(body.text.length)]
    case 'turn-superseded':
      return [body.kind, attempt, '0', '0']
    case 'turn-ended':
      return [body.kind, attempt, String(body.parts), String(body.chars)]
  }
}
