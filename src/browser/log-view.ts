/**
 * What a page has of the log: the fold up to its head, and the blocks that the server rendered. Pure.
 *
 * Entries are applied in their place or not at all; over a hole nothing is ever guessed.
 */
import {
  applyEntry,
  EMPTY_CONVERSATION,
  findQuestion,
  fit,
  latestAnswer,
  type AnswerItem,
  type Conversation,
} from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import type { Cursor, LogId, MessageId } from '../conversation/ids.ts'
import type { BlockFrame, SnapshotFrame } from '../protocol/protocol.ts'

/** An answer's completed blocks, in order, and how many UTF-16 units of its text they cover. */
export interface AnswerBlocks {
  readonly html: readonly string[]
  readonly upTo: number
}

export interface LogView {
  readonly logId: LogId | undefined
  readonly conversation: Conversation
  /** Messages before the first one held. */
  readonly earlier: number
  /** By `turnId/attempt`. */
  readonly blocks: ReadonlyMap<string, AnswerBlocks>
}

export const EMPTY_VIEW: LogView = { logId: undefined, conversation: EMPTY_CONVERSATION, earlier: 0, blocks: new Map() }
const NO_BLOCKS: AnswerBlocks = { html: [], upTo: 0 }

const keyOf = ({ turnId, attempt }: Pick<AnswerItem, 'turnId' | 'attempt'>): string => `${turnId}/${attempt}`

export const blocksOf = (view: LogView, answer: Pick<AnswerItem, 'turnId' | 'attempt'>): AnswerBlocks =>
  view.blocks.get(keyOf(answer)) ?? NO_BLOCKS

/** Where to resume, or `undefined` when only a snapshot will do. */
export function cursorOf({ logId, conversation: { head } }: LogView): Cursor | undefined {
  return logId === undefined || head === undefined ? undefined : { logId, seq: head.seq, id: head.id }
}

/** Whether the question that the log holds at `seq` is in the view, or among the messages that were left out before its first. */
export function showsQuestion({ logId, conversation, earlier }: LogView, messageId: MessageId, seq: number): boolean {
  if (logId === undefined || seq > (conversation.head?.seq ?? 0)) return false
  const [first] = conversation.items
  const isEarlier = earlier > 0 && first !== undefined && seq < first.seq
  return isEarlier || findQuestion(conversation, messageId) !== undefined
}

/** `broken`: the entry cannot follow what is shown, so the view must be fetched anew. */
export type Applied =
  | { readonly type: 'applied'; readonly view: LogView; readonly ended: { readonly text: string; readonly sha256: string } | undefined }
  | { readonly type: 'seen' }
  | { readonly type: 'hole' }
  | { readonly type: 'broken' }

export function applyToView(view: LogView, entry: Entry): Applied {
  switch (fit(view.conversation.head, entry)) {
    case 'seen':
      return { type: 'seen' }
    case 'hole':
    case 'fork':
      return { type: 'hole' }
    case 'next':
      return applyNext(view, entry)
  }
}

function applyNext(view: LogView, entry: Entry): Applied {
  try {
    const conversation = applyEntry(view.conversation, entry)
    return { type: 'applied', view: { ...view, conversation }, ended: endedText(conversation, entry) }
  } catch (error) {
    // Only what the fold itself refuses; anything else is a fault of ours and must be seen.
    if (error instanceof RangeError) return { type: 'broken' }
    throw error
  }
}

/** The text that the end's digest is over. */
function endedText(conversation: Conversation, entry: Entry): { readonly text: string; readonly sha256: string } | undefined {
  if (entry.kind !== 'turn-ended' || entry.attempt === 0) return undefined
  const answer = latestAnswer(conversation, entry.turnId)
  return answer === undefined ? undefined : { text: answer.text, sha256: entry.sha256 }
}

/** The view that a snapshot describes; blocks follow in frames of their own. */
export const viewOfSnapshot = (logId: LogId, { head, items, earlier }: SnapshotFrame): LogView => ({
  logId,
  conversation: { head, items },
  earlier,
  blocks: new Map(),
})

/** Blocks come in order; one that was had is dropped, and after a gap the text stays plain until a snapshot brings the rest. */
export function addBlock(view: LogView, frame: BlockFrame): LogView {
  const key = keyOf(frame)
  const before = view.blocks.get(key) ?? NO_BLOCKS
  if (frame.index !== before.html.length) return view
  return { ...view, blocks: new Map(view.blocks).set(key, { html: [...before.html, frame.html], upTo: frame.upTo }) }
}
