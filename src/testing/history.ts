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
  /** The beginning of an answer's text that is shown as blocks. */
  readonly blocks: string
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

interface OfSession {
  readonly session: string
}

interface OfTab extends OfSession {
  readonly tab: string
}

interface OfTurn extends OfSession {
  readonly turnId: string
}

/** Of a store: `lineage` numbers its histories. One that forgets entries begins a new one, and two may go on side by side for a while. */
interface OfLineage extends OfSession {
  readonly lineage: number
}

/** What happens in a tab. */
export type TabFact =
  /** A person pressed Send. */
  | { readonly type: 'typed'; readonly messageId: string; readonly text: string }
  /** The page says that this question is saved on its device. */
  | { readonly type: 'kept'; readonly messageId: string }
  /** The page shows this question as sent. */
  | { readonly type: 'sent'; readonly messageId: string }
  /** The page told the person that this question will not be sent. */
  | { readonly type: 'refused'; readonly messageId: string }
  /** The page was told that entries up to `seq` survive without it. */
  | { readonly type: 'marked'; readonly seq: number }
  /** The page does not hold this question any more, because it is settled. */
  | { readonly type: 'forgot'; readonly messageId: string }
  /** The page never held this question: from here on only the log has it, settled or not. */
  | { readonly type: 'gave away'; readonly messageId: string }
  /** How many questions the page and its device hold, each at most so many, when it is more than ever before. */
  | { readonly type: 'held'; readonly count: number }
  /** The page was loaded or loaded again: its view begins anew, and what it held is gone unless its device keeps it. */
  | { readonly type: 'loaded' }
  /** The server told the page never to come back, and the page says so. */
  | { readonly type: 'left'; readonly code: number }
  /** The page told the person that something shown could not be kept. */
  | { readonly type: 'forked' }
  /** What the page shows now: the last items of the conversation, at this place in the log. */
  | { readonly type: 'view'; readonly seq: number; readonly id: string | undefined; readonly items: readonly ShownItem[] }
  /** The page sends this question though it has never been able to read what its device keeps. */
  | { readonly type: 'blind'; readonly messageId: string }
  /** The page told a server that its view stands here. */
  | { readonly type: 'cursor'; readonly seq: number; readonly id: string }
  /** The page shows a working link and has heard nothing for so long, awake all the while. */
  | { readonly type: 'quiet'; readonly forMs: number }

export type TabRecord = OfTab & TabFact

export type TurnRecord =
  /** The store gave an owner the right to write this turn. */
  | (OfTurn & { readonly type: 'claimed'; readonly fence: number })
  /** The agent was asked, in its own `call`, by the owner that holds `fence`, after what was said `before`: texts, oldest first. */
  | (OfTurn & {
      readonly type: 'asked'
      readonly call: number
      readonly fence: number
      readonly text: string
      readonly before: readonly string[]
    })
  /** The agent said this next, in the call. */
  | (OfTurn & { readonly type: 'said'; readonly call: number; readonly text: string })
  /** The agent could not take the question, and its owner knows. */
  | (OfTurn & { readonly type: 'turned away'; readonly call: number })

export type StoreRecord =
  /** The store has made this entry durable. */
  | (OfLineage & { readonly type: 'durable'; readonly entry: StoredEntry })
  /** The store says that entries up to `seq` are settled. */
  | (OfLineage & { readonly type: 'settled'; readonly seq: number })
  /**
   * A lineage begins, which has the entries up to `keeps` of another, or not even the session. `isRestored`: people put an old copy
   * back, whatever was promised.
   */
  | (OfLineage & {
      readonly type: 'branch'
      readonly from: number
      readonly keeps: number
      readonly isThere: boolean
      readonly isRestored: boolean
    })
  /** Somebody deleted the session with everything in it. */
  | (OfLineage & { readonly type: 'deleted' })

export type HistoryRecord =
  | TabRecord
  | TurnRecord
  | StoreRecord
  /** Something was broken on purpose. */
  | { readonly type: 'fault'; readonly kind: string }
  /** Everything was healed and left alone until nothing moved; `lineage` is the store's last. */
  | { readonly type: 'rest'; readonly lineage: number }

/** A broken promise: which one, and the shortest account of it. */
export interface Violation {
  readonly invariant: string
  readonly witness: string
}

export type Broken = (invariant: string, witness: string) => void
