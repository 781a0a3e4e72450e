/**
 * Judges a recording when everything is healed and quiet, with the checker of the simulation (`src/testing/checker.ts`) and with
 * counts of its own.
 *
 * The log is read once, at the end. An entry counts as durable from the moment at which somebody was first shown it or told of it,
 * so whatever was shown and is not there, or is there otherwise, stands out.
 */
import { Checker } from '../../src/testing/checker.ts'
import type { HistoryRecord, StoredEntry, Violation } from '../../src/testing/history.ts'
import type { Fact, ReadItem } from './recording.ts'

export interface Verdict {
  readonly counts: {
    readonly sent: number
    readonly acknowledged: number
    /** Questions with one outcome, a whole answer. */
    readonly answered: number
    /** Questions that the product had said it has, or attempts whose words were shown, and that had to be mended: asked again in full. */
    readonly repaired: number
    readonly lost: number
    /** Questions in the log more than once, and turns with more than one end. */
    readonly twice: number
    readonly outOfOrder: number
    /** Questions without any outcome. */
    readonly open: number
    readonly words: number
    readonly faults: number
  }
  readonly violations: readonly Violation[]
}

/** More of the same says nothing more. */
const VIOLATIONS_MAX = 20

type OfSession = Exclude<Fact, { type: 'fault' }>
type Logs = ReadonlyMap<string, readonly StoredEntry[]>

export function judge(facts: readonly Fact[]): Verdict {
  const own = facts.filter((fact): fact is OfSession => fact.type !== 'fault')
  const logs = logsIn(own)
  const checker = new Checker()
  for (const record of historyOf(own, logs)) checker.record(record)
  return {
    counts: { ...countsOf(own, logs), faults: facts.length - own.length },
    violations: [...checker.violations, ...lostOf(own, logs), ...readWrongly(own, logs)],
  }
}

function logsIn(facts: readonly OfSession[]): Logs {
  const logs = new Map<string, StoredEntry[]>()
  for (const fact of facts) {
    const log = logs.get(fact.session) ?? []
    logs.set(fact.session, log)
    if (fact.type === 'entry') log.push(fact.entry)
  }
  return logs
}

/** The recording in the words of the simulation's checker. */
function* historyOf(facts: readonly OfSession[], logs: Logs): Generator<HistoryRecord> {
  const told = new Map<string, number>()
  function* durableTo(session: string, seq: number): Generator<HistoryRecord> {
    const log = logs.get(session) ?? []
    for (let at = told.get(session) ?? 0; at < log.length && (log[at]?.seq ?? seq) <= seq; at += 1) {
      const entry = log[at]
      if (entry !== undefined) yield { type: 'durable', session, lineage: 0, entry }
      told.set(session, at + 1)
    }
  }
  for (const fact of facts) {
    const { session } = fact
    switch (fact.type) {
      case 'loaded':
      case 'forked':
        yield { type: fact.type, session, tab: fact.page }
        break
      case 'typed':
        yield { type: 'typed', session, tab: fact.page, messageId: fact.id, text: fact.text }
        break
      case 'acknowledged': {
        const place = logs.get(session)?.find(({ messageId }) => messageId === fact.id)
        yield* durableTo(session, place?.seq ?? 0)
        yield { type: 'sent', session, tab: fact.page, messageId: fact.id }
        break
      }
      case 'refused':
        yield { type: 'refused', session, tab: fact.page, messageId: fact.id }
        break
      case 'view':
        yield* durableTo(session, fact.seq)
        yield { type: 'view', session, tab: fact.page, seq: fact.seq, id: fact.id, items: fact.items }
        break
      case 'read':
      case 'asked':
      case 'said':
      case 'entry':
    }
  }
  for (const session of logs.keys()) yield* durableTo(session, Number.POSITIVE_INFINITY)
  yield* callsOf(facts, logs)
  yield { type: 'rest', lineage: 0 }
}

/** What the agent was asked and said. From outside nobody sees a claim; each start of a turn under a new fence is one. */
function* callsOf(facts: readonly OfSession[], logs: Logs): Generator<HistoryRecord> {
  const fences = new Map<string, number>()
  for (const [session, log] of logs) {
    for (const { kind, turnId = '', attempt, fence = 0 } of log) {
      if (kind !== 'turn-started') continue
      if (![...fences].some(([key, known]) => known === fence && key.startsWith(`${turnId}/`))) {
        yield { type: 'claimed', session, turnId, fence }
      }
      fences.set(`${turnId}/${attempt}`, fence)
    }
  }
  for (const fact of facts) {
    if (fact.type === 'asked') {
      const { session, turnId, call, text, before } = fact
      yield { type: 'asked', session, turnId, call, fence: fences.get(`${turnId}/${fact.attempt}`) ?? -1, text, before }
    }
    if (fact.type === 'said') yield { type: 'said', session: fact.session, turnId: fact.turnId, call: fact.call, text: fact.text }
  }
}

const isQuestion = ({ kind }: StoredEntry): boolean => kind === 'message'

function countsOf(facts: readonly OfSession[], logs: Logs): Omit<Verdict['counts'], 'faults'> {
  const entries = [...logs.values()].flat()
  const questions = entries.filter(isQuestion)
  const ends = Map.groupBy(
    entries.filter(({ kind }) => kind === 'turn-ended'),
    ({ turnId }) => turnId,
  )
  const endsOf = ({ turnId }: StoredEntry): readonly StoredEntry[] => ends.get(turnId) ?? []
  const ids = new Set(questions.map(({ messageId }) => messageId))
  const superseded = new Set(entries.filter(({ kind }) => kind === 'turn-superseded').map(({ turnId }) => turnId))
  const isAnswered = (question: StoredEntry): boolean => endsOf(question).length === 1 && endsOf(question)[0]?.outcome === 'complete'
  return {
    sent: facts.filter(({ type }) => type === 'typed').length,
    acknowledged: new Set(facts.flatMap((fact) => (fact.type === 'acknowledged' ? [fact.id] : []))).size,
    answered: questions.filter(isAnswered).length,
    repaired: questions.filter((question) => superseded.has(question.turnId) && isAnswered(question)).length,
    lost: lostOf(facts, logs).length,
    twice: questions.length - ids.size + questions.filter((question) => endsOf(question).length > 1).length,
    outOfOrder: [...logs].reduce((sum, [session, log]) => sum + outOfOrder(facts, session, log), 0),
    open: questions.filter((question) => endsOf(question).length === 0).length,
    words: facts.reduce((sum, fact) => sum + (fact.type === 'said' ? fact.text.split(' ').length : 0), 0),
  }
}

/** Questions that stand in the log before one that was typed earlier on the same page. */
function outOfOrder(facts: readonly OfSession[], session: string, log: readonly StoredEntry[]): number {
  const places = new Map(log.filter(isQuestion).map(({ messageId, seq }) => [messageId, seq]))
  const latest = new Map<string, number>()
  let count = 0
  for (const fact of facts) {
    if (fact.type !== 'typed' || fact.session !== session) continue
    const seq = places.get(fact.id)
    if (seq === undefined) continue
    const before = latest.get(fact.page) ?? 0
    if (seq < before) count += 1
    latest.set(fact.page, Math.max(seq, before))
  }
  return count
}

/** Questions that the product said it has and that are not in the log. */
function lostOf(facts: readonly OfSession[], logs: Logs): readonly Violation[] {
  const acknowledged = new Map<string, string>()
  for (const fact of facts) if (fact.type === 'acknowledged') acknowledged.set(fact.id, fact.session)
  return Array.from(acknowledged)
    .filter(([id, session]) => logs.get(session)?.some(({ messageId }) => messageId === id) !== true)
    .map(([id]) => ({ invariant: 'lost', witness: `question ${id} was acknowledged and is not in the log` }))
}

/** Pages of HTML: no question goes or moves, and the words of an answer only grow, from the beginning of what the log has of it. */
function readWrongly(facts: readonly OfSession[], logs: Logs): readonly Violation[] {
  const shown = new Map<string, string>()
  const wrong: Violation[] = []
  for (const fact of facts) {
    if (fact.type !== 'read') continue
    const texts = textsOf(logs.get(fact.session) ?? [])
    const say = (item: ReadItem | undefined, what: string): void => {
      if (wrong.length < VIOLATIONS_MAX)
        wrong.push({ invariant: 'read', witness: `${fact.page}: ${item?.kind} ${item?.key} ${what}: "${item?.words.slice(-40)}"` })
    }
    let last = -1
    for (const item of fact.items) {
      if (item.kind === 'notice') continue
      const key = `${fact.page} ${item.key}`
      const before = shown.get(key) ?? ''
      if (!item.words.startsWith(before)) say(item, 'lost or changed words')
      shown.set(key, item.words)
      const place = texts.findIndex(({ key: id }) => item.key === id)
      if (place === -1 || texts[place]?.text.startsWith(item.words) !== true) say(item, 'is not the text of the log')
      else if (place <= last) say(item, 'has moved')
      else last = place
    }
  }
  return wrong
}

const wordsOf = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** What a page of HTML has of a log: each message by the `id` of its element, in order. */
function textsOf(log: readonly StoredEntry[]): readonly { readonly key: string; readonly text: string }[] {
  const texts: { readonly key: string; readonly turnId: string; attempt: number | undefined; text: string }[] = []
  for (const { seq, kind, messageId, turnId = '', attempt, text = '' } of log) {
    const isOf = (other: (typeof texts)[number]): boolean => other.turnId === turnId && other.attempt !== undefined
    if (kind === 'message') texts.push({ key: `m-${messageId}`, turnId, attempt: undefined, text })
    if (kind === 'turn-started') {
      const blank = texts.findLast((other) => isOf(other) && other.text === '')
      if (blank === undefined) texts.push({ key: `i-${seq}`, turnId, attempt, text: '' })
      else blank.attempt = attempt
    }
    if (kind === 'answer-part') {
      const own = texts.find((other) => isOf(other) && other.attempt === attempt)
      if (own !== undefined) own.text += text
    }
  }
  return texts.map(({ key, text }) => ({ key, text: wordsOf(text) }))
}
