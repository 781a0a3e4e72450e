/** Checks what one tab showed, told and held, at every moment. */
import type { Broken, ShownItem, TabFact } from './history.ts'
import { continues, itemsAt, questionsBack, seqOf, type LogNode, type LogTree } from './log-tree.ts'

export interface TabCheckerOptions {
  readonly name: string
  readonly tree: LogTree
  readonly broken: Broken
  /** Whether any of these ids and texts belongs to another session. */
  isForeign(...keys: readonly string[]): boolean
}

type Shown<Type extends TabFact['type']> = Extract<TabFact, { type: Type }>

/** A page that has heard nothing for two heartbeats, and as long again as an answer to them may take, must say so. */
const QUIET_MAX_MS = 30_000
/** Questions a page may hold; beyond, the person is told and nothing is taken. */
const HELD_MAX = 20

export class TabChecker {
  /** Typed here, and the tab's to keep until it is settled or refused: since it was loaded, or said to be on its device. */
  readonly held = new Set<string>()
  readonly #kept = new Set<string>()
  readonly #options: TabCheckerOptions
  /** Where its view stands, and the last cursor that it told. */
  #node: LogNode | undefined
  #cursor: LogNode | undefined
  #marked = 0
  /** Told the person of another log, and has not shown it yet. */
  #isForked = false
  /** Loaded, and has shown nothing yet. */
  #isFresh = false
  /** It shows the conversation as it goes on; a form does not. */
  #isPage = false
  /** Told never to come back, with this code. */
  #leftWith: number | undefined

  constructor(options: TabCheckerOptions) {
    this.#options = options
  }

  /** The question that was typed here before this one and is not in a log that ends with `head`, if any. */
  overtaken(messageId: string, head: LogNode | undefined): string | undefined {
    if (!this.#isPage || !this.held.has(messageId)) return undefined
    const inLog = new Set([...questionsBack(head)].map(({ entry }) => entry.messageId))
    for (const id of this.held) {
      if (id === messageId) return undefined
      if (!inLog.has(id)) return id
    }
    return undefined
  }

  /** Up to where it was told that entries are settled, since it was loaded. */
  get marked(): number {
    return this.#marked
  }

  mark(seq: number): void {
    this.#marked = Math.max(this.#marked, seq)
  }

  record(entry: Shown<'kept' | 'refused' | 'gave away' | 'held' | 'loaded' | 'left' | 'forked' | 'view' | 'cursor' | 'quiet'>): void {
    const { name, broken } = this.#options
    switch (entry.type) {
      case 'kept':
        this.#kept.add(entry.messageId)
        return
      case 'refused':
      case 'gave away':
        this.held.delete(entry.messageId)
        return
      case 'held':
        if (entry.count > HELD_MAX) broken('I24', `${name} holds ${entry.count} questions`)
        return
      case 'loaded':
        for (const id of this.held) if (!this.#kept.has(id)) this.held.delete(id)
        this.#isPage = true
        this.#marked = 0
        this.#isFresh = true
        this.#leftWith = undefined
        return
      case 'left':
        this.#leftWith = entry.code
        return
      case 'forked':
        this.#isForked = true
        return
      case 'view':
        this.#view(entry)
        return
      case 'cursor':
        this.#told(entry)
        return
      case 'quiet':
        if (entry.forMs > QUIET_MAX_MS) broken('I23', `${name} shows a working link that was silent for ${Math.round(entry.forMs)} ms`)
    }
  }

  rest(head: LogNode | undefined, wasDeleted: boolean): void {
    const { name, broken } = this.#options
    // Whoever was told that the conversation is no more does not look again.
    if (this.#leftWith !== undefined && wasDeleted) return
    if (this.#leftWith !== undefined) broken('I22', `${name} was told never to come back, with ${this.#leftWith}`)
    const inLog = new Set([...questionsBack(head)].map(({ entry }) => entry.messageId))
    for (const id of this.held) if (!inLog.has(id)) broken('I1', `question ${id} of ${name} is not in the log`)
    if (this.#isPage && this.#node !== head) broken('I22', `${name} stands at entry ${seqOf(this.#node)} of ${seqOf(head)}`)
  }

  #view(shown: Shown<'view'>): void {
    const { name, tree, broken } = this.#options
    const node = tree.find(shown.id)
    if (shown.seq > 0 && seqOf(node) !== shown.seq) {
      if (this.#options.isForeign(shown.id ?? '')) broken('I21', `${name} shows entry ${shown.seq} of another session`)
      else if (shown.seq > tree.longest) broken('I17', `${name} shows entry ${shown.seq} before it is durable`)
      else broken('I8', `${name} shows another entry at ${shown.seq}`)
      return
    }
    // A page that was just loaded does not know that the store forgot what an earlier one had shown.
    const mayJump = this.#isForked || (this.#isFresh && tree.lineages.size > 1)
    if (!mayJump && !continues(node, this.#node))
      broken('I9', `${name} went from entry ${seqOf(this.#node)} to ${shown.seq}, which does not follow it`)
    else this.#sameItems(shown, node)
    this.#node = node
    this.#isForked = false
    this.#isFresh = false
  }

  #sameItems({ seq, items }: Shown<'view'>, node: LogNode | undefined): void {
    const { name, broken } = this.#options
    const all = itemsAt(node)
    if (items.length > all.length || (items.length === 0 && all.length > 0))
      return broken('I9', `${name} shows ${items.length} messages at entry ${seq}, the log has ${all.length}`)
    const from = all.length - items.length
    items.forEach((item, index) => {
      const expected = all[from + index]
      if (!item.text.startsWith(item.blocks)) broken('I12', `${name} at entry ${seq} shows blocks that are not the text of ${item.key}`)
      if (item.key === expected?.key && item.text === expected.text && item.status === expected.status) return
      const isForeign = this.#options.isForeign(item.key.split('/')[0] ?? '', item.text)
      broken(isForeign ? 'I21' : 'I9', `${name} at entry ${seq} shows ${describe(item)}, the log says ${describe(expected)}`)
    })
    return undefined
  }

  #told({ seq, id }: Shown<'cursor'>): void {
    const { name, tree, broken } = this.#options
    const node = tree.find(id)
    if (seqOf(node) !== seq || !continues(this.#node, node))
      broken('I10', `${name} said that it stands at entry ${seq}, and shows ${seqOf(this.#node)}`)
    else if (seq < seqOf(this.#cursor) && continues(this.#node, this.#cursor))
      broken('I10', `${name} took back its cursor from ${seqOf(this.#cursor)} to ${seq}`)
    this.#cursor = node
  }
}

const describe = (item: Omit<ShownItem, 'blocks'> | undefined): string =>
  item === undefined ? 'nothing' : `${item.kind} ${item.key} "${item.text.slice(-20)}" (${item.text.length}) ${item.status}`
