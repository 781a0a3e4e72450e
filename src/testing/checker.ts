/**
 * Checks the promise over a history, record by record (SPEC §17; invariants numbered as in the rules).
 *
 * It folds the store's entries with code of its own and compares that with what every tab showed at every moment.
 * It knows neither the product's fold nor its protocol.
 */
import { createHash } from 'node:crypto'
import { nextView, type ExpectedItem } from './expected-view.ts'
import type { HistoryRecord, ShownItem, StoredEntry, Violation } from './history.ts'

interface Typed {
  readonly tab: string
  readonly text: string
  /** The highest place in the log that any tab had shown as sent when this was typed. */
  readonly afterSeq: number
}

interface Tab {
  seq: number
  isForked: boolean
  /** Typed here, not yet in the log, not refused: since it was loaded, or kept on the device. */
  readonly waiting: Set<string>
}

const VIOLATIONS_MAX = 20

type Seen<Type extends HistoryRecord['type']> = Extract<HistoryRecord, { type: Type }>

/** A checker for one session's history. Feed it every record in the order things happened. */
export class Checker {
  /** Everything broken so far, first first; bounded. */
  readonly violations: Violation[] = []
  readonly #log: StoredEntry[] = []
  /** At `n`, what a page must show when its view stands at entry n. */
  readonly #prefixes: (readonly ExpectedItem[])[] = [[]]
  readonly #typed = new Map<string, Typed>()
  readonly #placed = new Map<string, number>()
  /** Said to be saved on the device: no tab may lose them any more. */
  readonly #kept = new Set<string>()
  readonly #asked = new Map<string, number>()
  /** Turns whose agent could not be asked since they were started. */
  readonly #mayTryAgain = new Set<string>()
  readonly #tabs = new Map<string, Tab>()
  #kills = 0
  #sentSeq = 0

  record(entry: HistoryRecord): void {
    switch (entry.type) {
      case 'typed':
        this.#type(entry)
        return
      case 'kept':
        this.#kept.add(entry.messageId)
        return
      case 'sent':
        this.#sent(entry)
        return
      case 'refused':
        this.#tab(entry.tab).waiting.delete(entry.messageId)
        return
      case 'loaded':
        this.#loaded(this.#tab(entry.tab))
        return
      case 'forked':
        this.#tab(entry.tab).isForked = true
        return
      case 'view':
        this.#view(entry)
        return
      case 'durable':
        this.#durable(entry.entry)
        return
      case 'asked':
        this.#agentAsked(entry)
        return
      case 'turned away':
        this.#asked.set(entry.turnId, (this.#asked.get(entry.turnId) ?? 0) - 1)
        this.#mayTryAgain.add(entry.turnId)
        return
      case 'fault':
        this.#kills += entry.kills
        return
      case 'rest':
        this.#rest()
    }
  }

  readonly #broken: Broken = (invariant, witness) => {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push({ invariant, witness })
  }

  #tab(name: string): Tab {
    const tab = this.#tabs.get(name) ?? { seq: 0, isForked: false, waiting: new Set<string>() }
    this.#tabs.set(name, tab)
    return tab
  }

  #loaded({ waiting }: Tab): void {
    for (const messageId of waiting) if (!this.#kept.has(messageId)) waiting.delete(messageId)
  }

  #type({ tab, messageId, text }: Seen<'typed'>): void {
    if (this.#typed.has(messageId)) this.#broken('I4', `id ${messageId} was used for two questions`)
    this.#typed.set(messageId, { tab, text, afterSeq: this.#sentSeq })
    this.#tab(tab).waiting.add(messageId)
  }

  #sent({ tab, messageId }: Seen<'sent'>): void {
    const seq = this.#placed.get(messageId)
    if (seq === undefined) this.#broken('I20', `${tab} shows ${messageId} as sent before it is durable`)
    this.#sentSeq = Math.max(this.#sentSeq, seq ?? 0)
  }

  #durable(entry: StoredEntry): void {
    const last = this.#log.at(-1)
    if (entry.seq !== (last?.seq ?? 0) + 1) this.#broken('I7', `entry ${entry.seq} follows ${last?.seq ?? 0}`)
    if (entry.prev !== last?.id) this.#broken('I7', `entry ${entry.seq} names another entry before it`)
    if (entry.kind === 'message') this.#question(entry)
    if (entry.kind === 'turn-started') this.#fenceGrows(entry)
    this.#log.push(entry)
    this.#prefixes.push(nextView(this.#prefixes.at(-1) ?? [], entry))
  }

  #question(entry: StoredEntry): void {
    const id = entry.messageId ?? ''
    const was = this.#typed.get(id)
    if (was?.text !== entry.text) this.#broken('I3', `entry ${entry.seq} holds a question nobody typed`)
    if (this.#placed.has(id)) this.#broken('I4', `question ${id} stands at ${this.#placed.get(id)} and at ${entry.seq}`)
    const earlier = this.#log.filter((other) => other.kind === 'message' && other.device === entry.device).length
    if (entry.number !== earlier + 1) this.#broken('I5', `device ${entry.device} has number ${entry.number} after ${earlier} questions`)
    if (was === undefined) return
    if (entry.seq <= was.afterSeq) this.#broken('I6', `question ${id} was typed after entry ${was.afterSeq} was shown as sent`)
    this.#placed.set(id, entry.seq)
    const { waiting } = this.#tab(was.tab)
    const [first] = waiting
    if (waiting.has(id) && first !== id) this.#broken('I5', `question ${id} overtook ${first}, which ${was.tab} was asked before`)
    waiting.delete(id)
  }

  #fenceGrows(entry: StoredEntry): void {
    const before = this.#log.findLast((other) => other.kind === 'turn-started')
    const fence = entry.fence ?? 0
    const last = before?.fence ?? 0
    // The same owner may start its turn again when the agent could not be asked, and only then.
    const isAgain = before?.turnId === entry.turnId && this.#mayTryAgain.delete(entry.turnId ?? '')
    if (fence < last || (fence === last && !isAgain)) this.#broken('I14', `entry ${entry.seq} starts under fence ${fence} after ${last}`)
  }

  #view(shown: Seen<'view'>): void {
    const tab = this.#tab(shown.tab)
    const stored = this.#log[shown.seq - 1]
    if (shown.seq < tab.seq && !tab.isForked) this.#broken('I9', `${shown.tab} went back from entry ${tab.seq} to ${shown.seq}`)
    if (shown.seq > 0 && stored === undefined) this.#broken('I17', `${shown.tab} shows entry ${shown.seq} before it is durable`)
    else if (shown.seq > 0 && stored?.id !== shown.id) this.#broken('I8', `${shown.tab} shows another entry at ${shown.seq}`)
    else this.#sameItems(shown)
    tab.seq = shown.seq
    tab.isForked = false
  }

  #sameItems({ tab, seq, items }: Seen<'view'>): void {
    const all = this.#prefixes[seq] ?? []
    if (items.length > all.length || (items.length === 0 && all.length > 0)) {
      this.#broken('I9', `${tab} shows ${items.length} messages at entry ${seq}, the log has ${all.length}`)
      return
    }
    all.slice(all.length - items.length).forEach((expected, index) => {
      const item = items[index]
      if (item?.key === expected.key && item.text === expected.text && item.status === expected.status) return
      this.#broken('I9', `${tab} at entry ${seq} shows ${describe(item)}, the log says ${describe(expected)}`)
    })
  }

  #agentAsked({ turnId, text }: Seen<'asked'>): void {
    const times = (this.#asked.get(turnId) ?? 0) + 1
    this.#asked.set(turnId, times)
    if (times > 1 + this.#kills) this.#broken('I15', `the agent was asked ${times} times for one turn, with ${this.#kills} owners lost`)
    const own = this.#log.find((entry) => entry.kind === 'message' && entry.turnId === turnId)
    if (own?.text !== text) this.#broken('I16', `the agent was asked another question than turn ${turnId} holds`)
  }

  #rest(): void {
    for (const [name, tab] of this.#tabs) {
      for (const id of tab.waiting) this.#broken('I1', `question ${id} of ${name} never reached the log`)
      if (tab.seq !== this.#log.length) this.#broken('I22', `${name} stands at entry ${tab.seq} of ${this.#log.length}`)
    }
    for (const entry of this.#log) {
      if (entry.kind === 'message') oneOutcome(this.#log, entry, this.#broken)
      if (entry.kind === 'turn-ended') wholeText(this.#log, entry, this.#broken)
    }
    afterFence(this.#log, this.#broken)
  }
}

type Broken = (invariant: string, witness: string) => void

const describe = (item: ShownItem | undefined): string =>
  item === undefined ? 'nothing' : `${item.kind} ${item.key} "${item.text.slice(-20)}" (${item.text.length}) ${item.status}`

function oneOutcome(log: readonly StoredEntry[], question: StoredEntry, broken: Broken): void {
  const ends = log.filter((entry) => entry.kind === 'turn-ended' && entry.turnId === question.turnId)
  if (ends.length !== 1) broken('I11', `question ${question.messageId} has ${ends.length} outcomes`)
}

function wholeText(log: readonly StoredEntry[], end: StoredEntry, broken: Broken): void {
  const parts = log.filter((entry) => entry.kind === 'answer-part' && entry.turnId === end.turnId && entry.attempt === end.attempt)
  const text = parts.map((part) => part.text).join('')
  if (parts.some((part, index) => part.index !== index)) broken('I12', `turn ${end.turnId} has parts missing, twice or out of order`)
  if (parts.length !== end.parts || text.length !== end.chars)
    broken('I12', `turn ${end.turnId} ended with other counts than its parts have`)
  if (end.attempt !== 0 && createHash('sha256').update(text).digest('hex') !== end.sha256)
    broken('I12', `turn ${end.turnId} ended with another digest than its text has`)
  if (end.outcome === 'complete' && text === '') broken('I12', `turn ${end.turnId} is complete without a word`)
}

/** After the first entry of a newer attempt, and after the end, an older attempt writes nothing. */
function afterFence(log: readonly StoredEntry[], broken: Broken): void {
  const newest = new Map<string, number>()
  const over = new Set<string>()
  for (const entry of log) {
    const turn = entry.turnId ?? ''
    if (entry.kind === 'turn-started') newest.set(turn, entry.attempt ?? 0)
    if (entry.kind !== 'answer-part' && entry.kind !== 'turn-ended') continue
    if (over.has(turn)) broken('I11', `entry ${entry.seq} writes to a turn that has ended`)
    if ((entry.attempt ?? 0) < (newest.get(turn) ?? 0)) broken('I14', `entry ${entry.seq} belongs to an attempt that was taken over`)
    if (entry.kind === 'turn-ended') over.add(turn)
  }
}
