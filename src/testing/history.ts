/**
 * What an observer outside the product writes down while it runs: the input of the checker.
 *
 * Plain data with ids as text. Nothing here comes from the product's protocol, so a mistake there cannot hide itself.
 */

/** A message as a person sees it on a page. */
export interface ShownItem {
  readonly kind: 'question' | 'answer' | 'notice'
  /** Message id of a question, `turn/attempt` of an answer, position of a notice. */
  readonly key: string
  readonly text: string
  readonly status: string
}

/** An entry as the store holds it. */
export interface StoredEntry {
  readonly seq: number
  readonly id: string
  readonly prev: string | undefined
  readonly kind: string
  readonly messageId?: string | undefined
  readonly device?: string | undefined
  readonly number?: number | undefined
  readonly turnId?: string | undefined
  readonly attempt?: number | undefined
  readonly fence?: number | undefined
  readonly index?: number | undefined
  readonly text?: string | undefined
  readonly outcome?: string | undefined
  readonly parts?: number | undefined
  readonly chars?: number | undefined
  readonly sha256?: string | undefined
  readonly topic?: string | undefined
  readonly inReplyTo?: string | undefined
}

export type HistoryRecord =
  /** A person pressed Send in a tab. */
  | { readonly type: 'typed'; readonly tab: string; readonly messageId: string; readonly text: string }
  /** The tab says that this question is saved on its device. */
  | { readonly type: 'kept'; readonly tab: string; readonly messageId: string }
  /** The tab shows this question as sent. */
  | { readonly type: 'sent'; readonly tab: string; readonly messageId: string }
  /** The tab told the person that this question will not be sent. */
  | { readonly type: 'refused'; readonly tab: string; readonly messageId: string }
  /** The tab was loaded or loaded again: its view begins anew, and what was neither kept nor accepted is gone. */
  | { readonly type: 'loaded'; readonly tab: string }
  /** The tab told the person that something shown could not be kept. */
  | { readonly type: 'forked'; readonly tab: string }
  /** What the tab shows now: the last items of the conversation, at this place in the log. */
  | {
      readonly type: 'view'
      readonly tab: string
      readonly seq: number
      readonly id: string | undefined
      readonly items: readonly ShownItem[]
    }
  /** The store has made this entry durable. */
  | { readonly type: 'durable'; readonly entry: StoredEntry }
  /** The agent was asked. */
  | { readonly type: 'asked'; readonly turnId: string; readonly attempt: number; readonly text: string }
  /** The agent could not take the question that it was asked, and its owner knows. */
  | { readonly type: 'turned away'; readonly turnId: string }
  /** Something was broken on purpose. `kills` counts owners of turns that died by it. */
  | { readonly type: 'fault'; readonly kind: string; readonly kills: number }
  /** Everything was healed and left alone until nothing moved. */
  | { readonly type: 'rest' }

/** A broken promise: which one, and the shortest account of it. */
export interface Violation {
  readonly invariant: string
  readonly witness: string
}
