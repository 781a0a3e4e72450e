import { isOpen, type Item } from '../conversation/conversation.ts'
import { SNAPSHOT_ITEMS_MAX } from '../conversation/limits.ts'

/** The latest of a conversation, and how many items before them were left out. */
export interface SnapshotWindow {
  readonly items: readonly Item[]
  readonly earlier: number
}

/**
 * The last `SNAPSHOT_ITEMS_MAX` items, and more where needed: every question that waits for its outcome is inside, and so is what
 * follows it, because later entries build on those items.
 */
export function snapshotWindow(items: readonly Item[]): SnapshotWindow {
  const firstOpen = items.findIndex(
    (item) => (item.kind === 'question' && isOpen(item)) || (item.kind === 'answer' && item.status === 'streaming'),
  )
  const latest = Math.max(0, items.length - SNAPSHOT_ITEMS_MAX)
  const earlier = firstOpen === -1 ? latest : Math.min(latest, firstOpen)
  return { items: items.slice(earlier), earlier }
}
