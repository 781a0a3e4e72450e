/**
 * Every entry that a store ever made durable for one session. Where the store forgot entries and others took their places, the
 * log branches: each lineage is one way from the first entry to its head. For the checker only.
 */
import { nextView, type ExpectedItem } from './expected-view.ts'
import type { StoredEntry } from './history.ts'

export interface LogNode {
  readonly entry: StoredEntry
  readonly before: LogNode | undefined
  /** What a page must show when its view stands here. */
  readonly items: readonly ExpectedItem[]
  /** The last question, and the last start of a turn, before this entry. */
  readonly questionBefore: LogNode | undefined
  readonly startBefore: LogNode | undefined
}

const NOTHING: readonly ExpectedItem[] = []

export const itemsAt = (node: LogNode | undefined): readonly ExpectedItem[] => node?.items ?? NOTHING
export const seqOf = (node: LogNode | undefined): number => node?.entry.seq ?? 0

/** The entries up to `node`, last first. */
export function* back(node: LogNode | undefined): Generator<LogNode> {
  for (let at = node; at !== undefined; at = at.before) yield at
}

/** The last question before what follows `node`. */
const lastQuestion = (node: LogNode | undefined): LogNode | undefined => (node?.entry.kind === 'message' ? node : node?.questionBefore)

/** The last start of a turn before what follows `node`. */
const lastStart = (node: LogNode | undefined): LogNode | undefined => (node?.entry.kind === 'turn-started' ? node : node?.startBefore)

/** The questions up to `node`, last first. */
export function* questionsBack(node: LogNode | undefined): Generator<LogNode> {
  for (let at = lastQuestion(node); at !== undefined; at = at.questionBefore) yield at
}

/** The entry at `seq` on the way to `node`. */
function nodeAt(node: LogNode | undefined, seq: number): LogNode | undefined {
  let at = node
  while (at !== undefined && at.entry.seq > seq) at = at.before
  return at
}

/** Whether `later` continues `earlier`, or is the same. */
export const continues = (later: LogNode | undefined, earlier: LogNode | undefined): boolean => nodeAt(later, seqOf(earlier)) === earlier

export class LogTree {
  readonly #nodes = new Map<string, LogNode>()
  readonly #heads = new Map<number, LogNode | undefined>([[0, undefined]])
  #longest = 0

  /** The highest place that any entry ever had. */
  get longest(): number {
    return this.#longest
  }

  get lineages(): ReadonlyMap<number, LogNode | undefined> {
    return this.#heads
  }

  head(lineage: number): LogNode | undefined {
    return this.#heads.get(lineage)
  }

  find(id: string | undefined): LogNode | undefined {
    return id === undefined ? undefined : this.#nodes.get(id)
  }

  /** Puts an entry at the end of its lineage, after the entry that it names. */
  add(lineage: number, entry: StoredEntry): LogNode {
    const before = this.find(entry.prev) ?? (entry.seq > 1 ? this.#heads.get(lineage) : undefined)
    const items = nextView(itemsAt(before), entry)
    const node: LogNode = { entry, before, items, questionBefore: lastQuestion(before), startBefore: lastStart(before) }
    this.#nodes.set(entry.id, node)
    this.#heads.set(lineage, node)
    this.#longest = Math.max(this.#longest, entry.seq)
    return node
  }

  /** Begins a lineage with what another has up to `keeps`. */
  branch(lineage: number, from: number, keeps: number): LogNode | undefined {
    const head = nodeAt(this.#heads.get(from), keeps)
    this.#heads.set(lineage, head)
    return head
  }
}
