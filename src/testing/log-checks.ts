/** What must hold of a whole log, entry by entry. For the checker only. */
import { createHash } from 'node:crypto'
import type { Broken, StoredEntry } from './history.ts'
import { back, type LogNode } from './log-tree.ts'

/** One time that the agent was asked, and everything it said. */
export interface Call {
  readonly turnId: string
  readonly fence: number
  readonly text: string
  readonly isTurnedAway: boolean
}

const entriesTo = (head: LogNode | undefined): readonly StoredEntry[] => [...back(head)].map(({ entry }) => entry).toReversed()

/** What holds of every lineage, the forgotten ones too. */
export function checkLog(head: LogNode | undefined, calls: ReadonlyMap<number, Call>, broken: Broken): void {
  const log = entriesTo(head)
  afterFence(log, broken)
  for (const entry of log) if (entry.kind === 'turn-ended') wholeText(log, entry, broken)
  oneAttempt(log, [...calls.values()], broken)
}

/** At rest each question has its one outcome. */
export function checkOutcomes(head: LogNode | undefined, broken: Broken): void {
  const log = entriesTo(head)
  for (const question of log) {
    if (question.kind !== 'message') continue
    const ends = log.filter((entry) => entry.kind === 'turn-ended' && entry.turnId === question.turnId)
    if (ends.length !== 1) broken('I11', `question ${question.messageId} has ${ends.length} outcomes`)
  }
}

const partsOf = (log: readonly StoredEntry[], turnId: string | undefined, attempt: number | undefined): readonly StoredEntry[] =>
  log.filter((entry) => entry.kind === 'answer-part' && entry.turnId === turnId && entry.attempt === attempt)

const textOf = (parts: readonly StoredEntry[]): string => parts.map((part) => part.text).join('')

function wholeText(log: readonly StoredEntry[], end: StoredEntry, broken: Broken): void {
  const parts = partsOf(log, end.turnId, end.attempt)
  const text = textOf(parts)
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

/** What is left of a character that the agent had said one half of. */
const HALF = /\uFFFD$/

/** The text of an attempt is what the agent said in one call, from its beginning. */
function oneAttempt(log: readonly StoredEntry[], calls: readonly Call[], broken: Broken): void {
  for (const started of log) {
    if (started.kind !== 'turn-started') continue
    const text = textOf(partsOf(log, started.turnId, started.attempt))
    const own = calls.filter((call) => call.turnId === started.turnId).map((call) => call.text.toWellFormed())
    if (text !== '' && !own.some((said) => said.startsWith(text) || said.startsWith(text.replace(HALF, ''))))
      broken('I13', `attempt ${started.attempt} of turn ${started.turnId} has text that the agent did not say in one call`)
  }
}
