/**
 * `GET messages`: the conversation from its start, after a message, or what is new or has changed since a cursor.
 */
import type { ConversationLog, Session } from '../conversation-log/conversation-log.ts'
import { EMPTY_CONVERSATION, fold, type Conversation, type Item } from '../conversation/conversation.ts'
import { formatCursor, parseCursor, type Cursor } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { CursorNotOnLogError, SessionNotFoundError, ValidationError } from './errors.ts'
import { changedItems, isShown, messageIdOf, messageView, type MessageView } from './message-view.ts'
import { cursorOf, readConversation } from './read-conversation.ts'

export interface MessageList {
  readonly messages: readonly MessageView[]
  /** Where the log stood; `null` while it is empty. As `after` it gives what is new or has changed since. */
  readonly cursor: string | null
  /** There is more than `limit`: go on with the last message's id as `after`. */
  readonly hasMore: boolean
}

export interface ListOptions {
  /** A cursor or a message id. */
  readonly after: string | undefined
  readonly limit: number
}

/** @throws SessionNotFoundError | CursorNotOnLogError | ValidationError when `after` names nothing in the session */
export async function listMessages(log: ConversationLog, session: Session, { after, limit }: ListOptions): Promise<MessageList> {
  const cursor = after === undefined ? undefined : parseCursor(after)
  const { items, head } = cursor === undefined ? await itemsAfterMessage(log, session, after) : await itemsAfterCursor(log, session, cursor)
  const shown = items.filter(isShown)
  return {
    messages: shown.slice(0, limit).map((item) => messageView(session.id, item)),
    cursor: head === undefined ? null : formatCursor(head),
    hasMore: shown.length > limit,
  }
}

interface Items {
  readonly items: readonly Item[]
  readonly head: Cursor | undefined
}

async function itemsAfterMessage(log: ConversationLog, session: Session, after: string | undefined): Promise<Items> {
  const read = await readConversation(log, session.id)
  if (read === 'gone') throw new SessionNotFoundError()
  const { items } = read.conversation
  if (after === undefined) return { items, head: read.cursor }
  const place = items.findIndex((item) => messageIdOf(item) === after)
  if (place === -1) {
    throw new ValidationError([{ where: 'query.after', problem: 'must be a cursor, or the id of a message of this conversation' }])
  }
  return { items: items.slice(place + 1), head: read.cursor }
}

/** Folds twice over the same read: up to the cursor and on to the head; what differs has changed. */
async function itemsAfterCursor(log: ConversationLog, session: Session, cursor: Cursor): Promise<Items> {
  let earlier: Conversation | undefined
  let later = EMPTY_CONVERSATION
  let head: Cursor | undefined
  for (;;) {
    const result = await log.read(session.id, head, READ_ENTRIES_MAX)
    if (result.type === 'gone') throw new SessionNotFoundError()
    if (result.type === 'fork' || result.logId !== cursor.logId) throw new CursorNotOnLogError()
    const known = result.entries.filter(({ seq }) => seq <= cursor.seq)
    later = fold(known, later)
    if (later.head?.seq === cursor.seq && earlier === undefined) {
      if (later.head.id !== cursor.id) throw new CursorNotOnLogError()
      earlier = later
    }
    later = fold(result.entries.slice(known.length), later)
    head = cursorOf(result.logId, later)
    if (result.entries.length < READ_ENTRIES_MAX) break
  }
  if (earlier === undefined) throw new CursorNotOnLogError()
  return { items: changedItems(earlier, later), head }
}
