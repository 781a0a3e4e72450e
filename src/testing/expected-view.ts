/**
 * What a page must show for a prefix of a log: a second, independent telling of the fold, for the checker only.
 */
import type { ShownItem, StoredEntry } from './history.ts'

export interface ExpectedItem extends Omit<ShownItem, 'blocks'> {
  readonly turnId: string
}

type Change = Partial<Pick<ExpectedItem, 'key' | 'text' | 'status'>>

const ENDS: Readonly<Record<string, readonly [question: string, answer: string]>> = {
  complete: ['answered', 'complete'],
  interrupted: ['answered', 'interrupted'],
  stopped: ['answered', 'stopped'],
  failed: ['failed', 'failed'],
  expired: ['expired', 'failed'],
}

/** The view after `entry`, given the view before it. */
export function nextView(items: readonly ExpectedItem[], entry: StoredEntry): readonly ExpectedItem[] {
  const turnId = entry.turnId ?? ''
  const key = `${turnId}/${entry.attempt}`
  switch (entry.kind) {
    case 'message':
      return [...items, { kind: 'question', key: entry.messageId ?? '', text: entry.text ?? '', status: 'sent', turnId }]
    case 'notice':
      return [
        ...change(items, (item) => item.key === entry.inReplyTo && (item.status === 'sent' || item.status === 'delivered'), {
          status: 'queued',
        }),
        { kind: 'notice', key: String(entry.seq), text: entry.text ?? '', status: entry.topic ?? '', turnId: '' },
      ]
    case 'turn-started': {
      const delivered = change(items, (item) => item.kind === 'question' && item.turnId === turnId, { status: 'delivered' })
      const isBlank = (item: ExpectedItem): boolean =>
        item.kind === 'answer' && item.turnId === turnId && item.text === '' && item.status === 'streaming'
      if (delivered.some(isBlank)) return change(delivered, isBlank, { key })
      return [...delivered, { kind: 'answer', key, text: '', status: 'streaming', turnId }]
    }
    case 'answer-part':
      return items.map((item) => (item.kind === 'answer' && item.key === key ? { ...item, text: item.text + (entry.text ?? '') } : item))
    case 'turn-superseded':
      return change(items, (item) => item.kind === 'answer' && item.key === key, { status: 'interrupted' })
    case 'turn-ended':
      return ended(items, entry, turnId, key)
    default:
      return items
  }
}

function ended(items: readonly ExpectedItem[], entry: StoredEntry, turnId: string, key: string): readonly ExpectedItem[] {
  const [question, answer] = ENDS[entry.outcome ?? ''] ?? ['unknown', 'unknown']
  const withdrawn = entry.outcome === 'stopped' && entry.attempt === 0
  const asked = change(items, (item) => item.kind === 'question' && item.turnId === turnId, { status: withdrawn ? 'cancelled' : question })
  return change(asked, (item) => item.kind === 'answer' && item.key === key, { status: answer })
}

const change = (items: readonly ExpectedItem[], matches: (item: ExpectedItem) => boolean, what: Change): readonly ExpectedItem[] =>
  items.map((item) => (matches(item) ? { ...item, ...what } : item))
