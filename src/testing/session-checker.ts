/**
 * Checks the promise over the history of one session: what its store made durable, what its agent was asked and said, and, through
 * `tab-checker.ts`, what every tab showed at every moment.
 */
import { continues, itemsAt, LogTree, questionsBack, seqOf, type LogNode } from './log-tree.ts'
import type { Broken, StoreRecord, StoredEntry, TabRecord, TurnRecord } from './history.ts'
import { checkLog, checkOutcomes, type Call } from './log-checks.ts'
import { TabChecker } from './tab-checker.ts'

interface Typed {
  readonly tab: string
  readonly text: string
  /** In each lineage, the last question that any tab had shown as sent when this was typed. */
  readonly after: ReadonlyMap<number, LogNode>
}

interface Place {
  readonly lineage: number
  readonly node: LogNode
}

type Seen<Type extends (StoreRecord | TabRecord | TurnRecord)['type']> = Extract<StoreRecord | TabRecord | TurnRecord, { type: Type }>

export interface Repairs {
  readonly forgotten: number
  readonly repaired: number
}

/** To whom ids and texts belong, over all sessions. */
export type Belongings = Map<string, string>

export class SessionChecker {
  readonly #name: string
  readonly #broken: Broken
  readonly #belongings: Belongings
  readonly #tree = new LogTree()
  readonly #typed = new Map<string, Typed>()
  /** Where each question ever stood, newest last. */
  readonly #places = new Map<string, Place[]>()
  /** In each lineage, the last question that any tab has shown as sent. */
  readonly #sent = new Map<number, LogNode>()
  /** Questions that their devices have forgotten because the log will keep them. */
  readonly #entrusted = new Set<string>()
  /** Questions of pages that could not know of earlier ones. */
  readonly #blind = new Set<string>()
  /** In each lineage, up to where the store says that it will keep everything. */
  readonly #settled = new Map<number, number>()
  /** The lineage of the last old copy that people put back. */
  #restored = 0
  /** The highest mark that the store ever told. */
  #mostSettled = 0
  /** How often each right to write a turn was given: a store that forgets may give one again. */
  readonly #granted = new Map<string, number>()
  readonly #calls = new Map<number, Call>()
  readonly #tabs = new Map<string, TabChecker>()
  /** Lineages that do not have the session any more. */
  readonly #deletedIn = new Set<number>()

  constructor(name: string, broken: Broken, belongings: Belongings) {
    this.#name = name
    this.#broken = broken
    this.#belongings = belongings
  }

  record(entry: StoreRecord | TabRecord | TurnRecord): void {
    switch (entry.type) {
      case 'typed':
        this.#type(entry)
        return
      case 'sent':
        this.#shownAsSent(entry)
        return
      case 'forgot':
        this.#forgot(entry)
        return
      case 'blind':
        this.#blind.add(entry.messageId)
        return
      case 'marked':
        this.#marked(entry)
        return
      case 'kept':
      case 'refused':
      case 'gave away':
      case 'held':
      case 'loaded':
      case 'left':
      case 'forked':
      case 'view':
      case 'cursor':
      case 'quiet':
        this.#tab(entry.tab).record(entry)
        return
      case 'durable':
        this.#durable(entry)
        return
      case 'settled':
        this.#settles(entry)
        return
      case 'branch':
        this.#branch(entry)
        return
      case 'deleted':
        this.#deletedIn.add(entry.lineage)
        return
      case 'claimed':
        this.#granted.set(`${entry.turnId}/${entry.fence}`, this.#grantsOf(entry) + 1)
        return
      case 'asked':
        this.#asked(entry)
        return
      case 'said':
      case 'turned away':
        this.#answered(entry)
    }
  }

  /** What the store forgot of questions, and how many of those are in the log all the same. */
  repairs(lineage: number): Repairs {
    const inLog = new Map([...questionsBack(this.#tree.head(lineage))].map((node) => [node.entry.messageId, node]))
    const forgotten = [...this.#places].filter(([id, places]) => places.some(({ node }) => inLog.get(id) !== node))
    return { forgotten: forgotten.length, repaired: forgotten.filter(([id]) => inLog.has(id)).length }
  }

  /** Everything is healed and nothing moves any more. */
  rest(lineage: number): void {
    const head = this.#tree.head(lineage)
    for (const lineageHead of this.#tree.lineages.values()) checkLog(lineageHead, this.#calls, this.#broken)
    if (this.#deletedIn.has(lineage)) return
    for (const tab of this.#tabs.values()) tab.rest(head, this.#deletedIn.size > 0)
    checkOutcomes(head, this.#broken)
    this.#keepsWhatWasEntrusted(head)
  }

  #tab(name: string): TabChecker {
    const known = this.#tabs.get(name)
    if (known !== undefined) return known
    const tab = new TabChecker({ name, tree: this.#tree, broken: this.#broken, isForeign: (...keys) => this.#isForeign(...keys) })
    this.#tabs.set(name, tab)
    return tab
  }

  /** Whether any of these belongs to another session. */
  #isForeign(...keys: readonly (string | undefined)[]): boolean {
    return keys.some((key) => key !== undefined && (this.#belongings.get(key) ?? this.#name) !== this.#name)
  }

  #claimAsOwn(...keys: readonly string[]): void {
    for (const key of keys) if (!this.#belongings.has(key)) this.#belongings.set(key, this.#name)
  }

  // ── questions ──────────────────────────────────────────────────────────────

  #type({ tab, messageId, text }: Seen<'typed'>): void {
    if (this.#typed.has(messageId)) this.#broken('I4', `id ${messageId} was used for two questions`)
    this.#typed.set(messageId, { tab, text, after: new Map(this.#sent) })
    this.#claimAsOwn(messageId, text)
    this.#tab(tab).held.add(messageId)
  }

  #shownAsSent({ tab, messageId }: Seen<'sent'>): void {
    if (this.#isForeign(messageId)) return this.#broken('I21', `${tab} shows ${messageId} of another session as sent`)
    const place = this.#places.get(messageId)?.at(-1)
    if (place === undefined) return this.#broken('I20', `${tab} shows ${messageId} as sent before it is durable`)
    if (place.node.entry.seq > seqOf(this.#sent.get(place.lineage))) this.#sent.set(place.lineage, place.node)
    return undefined
  }

  #durable({ lineage, entry }: Seen<'durable'>): void {
    const last = this.#tree.head(lineage)
    if (this.#deletedIn.has(lineage)) this.#broken('I28', `entry ${entry.seq} was appended after the session was deleted`)
    if (entry.seq !== seqOf(last) + 1) this.#broken('I7', `entry ${entry.seq} follows ${seqOf(last)}`)
    if (entry.prev !== last?.entry.id) this.#broken('I7', `entry ${entry.seq} names another entry before it`)
    if (this.#tree.find(entry.id) !== undefined) this.#broken('I7', `entry ${entry.seq} has the id of another`)
    const node = this.#tree.add(lineage, entry)
    this.#claimAsOwn(entry.id)
    if (entry.kind === 'message') this.#question(lineage, node)
    if (entry.kind === 'turn-started') this.#fenceGrows(node)
  }

  #question(lineage: number, node: LogNode): void {
    const { entry, before } = node
    const id = entry.messageId ?? ''
    const was = this.#typed.get(id)
    if (this.#isForeign(id, entry.text)) this.#broken('I21', `entry ${entry.seq} holds a question of another session`)
    else if (was?.text !== entry.text) this.#broken('I3', `entry ${entry.seq} holds a question nobody typed`)
    let [count, twin] = [0, undefined as LogNode | undefined]
    for (const other of questionsBack(before)) {
      if (other.entry.device === entry.device) count += 1
      if (other.entry.messageId === id) twin = other
    }
    if (twin !== undefined) this.#broken('I4', `question ${id} stands at ${twin.entry.seq} and at ${entry.seq}`)
    if (entry.number !== count + 1) this.#broken('I5', `device ${entry.device} has number ${entry.number} after ${count} questions`)
    this.#claimAsOwn(entry.turnId ?? '')
    this.#places.set(id, [...(this.#places.get(id) ?? []), { lineage, node }])
    if (was === undefined) return
    // What a store forgot is sent again when its page hears of it, and something else may be in the log by then.
    const overtaken = this.#tree.lineages.size > 1 || this.#blind.has(id) ? undefined : this.#tab(was.tab).overtaken(id, before)
    if (overtaken !== undefined) this.#broken('I5', `question ${id} overtook ${overtaken}, which was typed before it`)
    const after = was.after.get(lineage)
    if (after !== undefined && !continues(before, after))
      this.#broken('I6', `question ${id} was typed after entry ${after.entry.seq} was shown as sent`)
  }

  // ── settled ────────────────────────────────────────────────────────────────

  #settles({ lineage, seq }: Seen<'settled'>): void {
    const before = this.#settled.get(lineage) ?? 0
    if (seq < before) this.#broken('I19', `the mark of lineage ${lineage} fell from ${before} to ${seq}`)
    this.#settled.set(lineage, Math.max(before, seq))
    this.#mostSettled = Math.max(this.#mostSettled, seq)
  }

  #marked({ tab, seq }: Seen<'marked'>): void {
    const most = this.#mostSettled
    if (seq > most) this.#broken('I19', `${tab} was told that ${seq} entries are settled, the store says ${most}`)
    this.#tab(tab).mark(seq)
  }

  #forgot({ tab, messageId }: Seen<'forgot'>): void {
    const places = this.#places.get(messageId) ?? []
    const { marked } = this.#tab(tab)
    // Whichever page of the device it was: from here on only the log has it.
    this.#tab(this.#typed.get(messageId)?.tab ?? tab).held.delete(messageId)
    if (!places.some(({ node }) => node.entry.seq <= marked))
      this.#broken('I18', `${tab} forgot ${messageId} at ${places.at(-1)?.node.entry.seq ?? 'no place'} with the mark at ${marked}`)
    if (!this.#isVoid(places)) this.#entrusted.add(messageId)
  }

  /** Whether what was said of a question was said before an old copy was put back that does not have it. */
  #isVoid(places: readonly Place[]): boolean {
    const head = this.#tree.head(this.#restored)
    return places.every(({ lineage, node }) => lineage < this.#restored && !continues(head, node))
  }

  #branch({ lineage, from, keeps, isThere, isRestored }: Seen<'branch'>): void {
    if (!isThere) this.#deletedIn.add(lineage)
    const head = this.#tree.branch(lineage, from, keeps)
    if (isRestored) {
      // Whatever was promised is void beyond the old copy.
      this.#restored = lineage
      this.#entrusted.clear()
      this.#settled.clear()
    } else if (isThere) {
      const mark = Math.max(0, ...this.#settled.values())
      if (mark > keeps) this.#broken('I19', `lineage ${lineage} keeps ${keeps} entries, ${mark} were settled`)
      else this.#keepsWhatWasEntrusted(head)
    }
    this.#settled.set(lineage, 0)
  }

  #keepsWhatWasEntrusted(head: LogNode | undefined): void {
    if (this.#entrusted.size === 0) return
    const kept = new Set([...questionsBack(head)].map(({ entry }) => entry.messageId))
    for (const id of this.#entrusted) if (!kept.has(id)) this.#broken('I2', `question ${id} was settled and is not in the log`)
  }

  // ── turns ──────────────────────────────────────────────────────────────────

  #fenceGrows({ entry, startBefore }: LogNode): void {
    const last = startBefore?.entry.fence ?? 0
    const fence = entry.fence ?? 0
    const isSameOwner = startBefore?.entry.turnId === entry.turnId && fence === last
    // The same owner may start its turn again when the agent could not be asked, and only then.
    const isAgain = isSameOwner && this.#callsOf(entry).every((call) => call.isTurnedAway)
    if (fence < last || (fence === last && !isAgain)) this.#broken('I14', `entry ${entry.seq} starts under fence ${fence} after ${last}`)
  }

  #grantsOf({ turnId, fence }: { readonly turnId: string; readonly fence: number }): number {
    return this.#granted.get(`${turnId}/${fence}`) ?? 0
  }

  #callsOf({ turnId, fence }: Pick<StoredEntry, 'turnId' | 'fence'>): readonly Call[] {
    return [...this.#calls.values()].filter((call) => call.turnId === turnId && call.fence === fence)
  }

  #asked({ turnId, call, fence, text, before }: Seen<'asked'>): void {
    const times = 1 + this.#callsOf({ turnId, fence }).filter((other) => !other.isTurnedAway).length
    const grants = this.#grantsOf({ turnId, fence })
    if (times > grants) this.#broken('I15', `turn ${turnId} was asked ${times} times under fence ${fence}, which was given ${grants} times`)
    this.#calls.set(call, { turnId, fence, text: '', isTurnedAway: false })
    if (this.#isForeign(turnId, text, ...before)) return this.#broken('I21', `the agent was asked what belongs to another session`)
    const own = [...this.#tree.lineages.values()].flatMap((head) => toldOf(head, turnId))
    if (!own.some((told) => told.text === text))
      return this.#broken('I16', `the agent was asked another question than turn ${turnId} holds`)
    if (!own.some((told) => isSameList(told.before, before)))
      this.#broken('I16', `the agent was told another history than turn ${turnId} has`)
    return undefined
  }

  #answered(said: Seen<'said' | 'turned away'>): void {
    const call = this.#calls.get(said.call)
    if (call === undefined) return
    const text = said.type === 'said' ? call.text + said.text : call.text
    this.#calls.set(said.call, { ...call, text, isTurnedAway: call.isTurnedAway || said.type === 'turned away' })
  }
}

/** The questions and whole answers that an agent is told of, as pairs. */
const EXCHANGES_TOLD_MAX = 20

/** What the agent must be told for a turn, as its log stands at `head`. */
function toldOf(head: LogNode | undefined, turnId: string): readonly { readonly text: string; readonly before: readonly string[] }[] {
  const items = itemsAt(head)
  const index = items.findIndex((item) => item.kind === 'question' && item.turnId === turnId)
  const own = items[index]
  if (own === undefined) return []
  const exchanges = items.slice(0, index).flatMap((item) => {
    const answer = items.findLast((other) => other.kind === 'answer' && other.turnId === item.turnId && other.status === 'complete')
    return item.kind === 'question' && answer !== undefined ? [[item.text, answer.text]] : []
  })
  return [{ text: own.text, before: exchanges.slice(-EXCHANGES_TOLD_MAX).flat() }]
}

const isSameList = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((text, index) => text === other[index])
