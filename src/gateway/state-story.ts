/** Conversations that nobody had: made-up entries, folded like real ones, for the page that shows every state. */
import { fold, type Conversation } from '../conversation/conversation.ts'
import type { Entry, EntryBody, NoticeReason, TurnEndReason, TurnOutcome } from '../conversation/entry.ts'
import { mintEntryId, mintMessageId, mintTurnId, SERVER_DEVICE, type EntryId, type RandomBytes } from '../conversation/ids.ts'

/** What is said in one story, in order; each a few seconds after the one before. */
export interface Story {
  /** Somebody asks; returns the question for what follows. */
  ask(text: string): Asked
  readonly conversation: Conversation
}

export interface Asked {
  /** The assistant begins to answer, or begins again. */
  begin(): Asked
  say(text: string, persona?: string): Asked
  end(outcome: TurnOutcome, reason?: TurnEndReason): Asked
  /** The owner of the answer died, and another goes on. */
  supersede(): Asked
  wishToStop(): Asked
  /** Help of the service's own. */
  help(text: string, reason: NoticeReason): Asked
}

const STEP_MS = 20_000

/** @param until - when the last thing happened, in milliseconds since the epoch */
export function createStory(until: number, random: RandomBytes): Story {
  const bodies: EntryBody[] = []
  const tell = (body: EntryBody): void => void bodies.push(body)
  return {
    ask(text) {
      const ids = { messageId: mintMessageId(until, random), turnId: mintTurnId(random) }
      tell({ kind: 'message', ...ids, device: SERVER_DEVICE, number: bodies.length + 1, text, inReplyTo: undefined })
      return asked(ids, tell)
    },
    get conversation() {
      let prev: EntryId | undefined
      return fold(
        bodies.map((body, index): Entry => {
          const entry = { seq: index + 1, id: mintEntryId(random), prev, at: until - (bodies.length - index) * STEP_MS, ...body }
          prev = entry.id
          return entry
        }),
      )
    },
  }
}

type Ids = Pick<Extract<EntryBody, { readonly kind: 'message' }>, 'messageId' | 'turnId'>

function asked({ messageId, turnId }: Ids, tell: (body: EntryBody) => void): Asked {
  let [attempt, index] = [0, 0]
  const question: Asked = {
    begin() {
      attempt += 1
      index = 0
      tell({ kind: 'turn-started', turnId, attempt, fence: attempt })
      return question
    },
    say(text, persona) {
      tell({ kind: 'answer-part', turnId, attempt, index, persona, text })
      index += 1
      return question
    },
    end(outcome, reason) {
      tell({ kind: 'turn-ended', turnId, attempt, outcome, reason, parts: index, chars: 0, sha256: '' })
      return question
    },
    supersede() {
      tell({ kind: 'turn-superseded', turnId, attempt })
      return question
    },
    wishToStop() {
      tell({ kind: 'stop-requested', turnId })
      return question
    },
    help(text, reason) {
      tell({ kind: 'notice', topic: 'fallback', turnId, inReplyTo: messageId, reason, text })
      return question
    },
  }
  return question
}
