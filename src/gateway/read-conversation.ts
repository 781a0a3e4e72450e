import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { EMPTY_CONVERSATION, fold, type Conversation } from '../conversation/conversation.ts'
import type { Cursor, LogId, SessionId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'

export interface ReadConversation {
  readonly conversation: Conversation
  /** The last entry folded in; `undefined` when the log is empty. */
  readonly cursor: Cursor | undefined
  /** Entries of the log up to here are settled. */
  readonly settled: number
}

/** Where `conversation` stands in its log. */
export const cursorOf = (logId: LogId, { head }: Conversation): Cursor | undefined => head && { logId, ...head }

/**
 * Everything said in a session up to now, or up to the entry at `upTo`, folded; bounded by `SESSION_ENTRIES_MAX`.
 *
 * Reads in batches, so it may end later than it began; it is always the fold of a prefix. A log that is rolled back
 * between two batches is read again from its start.
 *
 * @throws LogError when the store fails
 */
export async function readConversation(
  log: ConversationLog,
  session: SessionId,
  upTo: number = Number.POSITIVE_INFINITY,
): Promise<ReadConversation | 'gone'> {
  let conversation = EMPTY_CONVERSATION
  let cursor: Cursor | undefined
  for (;;) {
    const result = await log.read(session, cursor, READ_ENTRIES_MAX)
    switch (result.type) {
      case 'gone':
        return 'gone'
      case 'fork':
        conversation = EMPTY_CONVERSATION
        cursor = undefined
        break
      case 'entries':
        conversation = fold(
          result.entries.filter(({ seq }) => seq <= upTo),
          conversation,
        )
        cursor = cursorOf(result.logId, conversation)
        if (result.entries.length < READ_ENTRIES_MAX || (cursor?.seq ?? 0) >= upTo) return { conversation, cursor, settled: result.settled }
        break
    }
  }
}
