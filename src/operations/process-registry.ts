/**
 * The processes that work on one store: each announces itself there every few seconds, with a lease, and learns who else has.
 *
 * A process that dies is gone when its lease is over; one that stops says so. While the store does not answer the last list stays,
 * with its age. A store that only one process can use has no list, and this process is alone.
 */
import * as v from 'valibot'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import type { Clock } from '../resilience/clock.ts'
import { errorClass } from './journal.ts'

const PHASES = ['starting', 'running', 'draining'] as const
const LEVELS = ['full', 'limited', 'offline'] as const

const word = v.pipe(v.string(), v.regex(/^[\w.:+-]{1,100}$/))
/** What another process, of any release, says of itself. */
const factsSchema = v.object({
  node: word,
  version: word,
  commit: word,
  /** Wall-clock milliseconds since the epoch, on that process's machine. */
  startedAt: v.pipe(v.number(), v.minValue(0), v.maxValue(8.64e15)),
  phase: v.picklist(PHASES),
  level: v.picklist(LEVELS),
  /** Circuit breakers that people hold open there. */
  isolated: v.pipe(v.array(word), v.maxLength(20), v.readonly()),
})

/** One process: its name for the time it lives, and what it says of itself. */
export interface ProcessFacts extends v.InferOutput<typeof factsSchema> {
  readonly id: string
}

export interface KnownProcesses {
  /** All but this one. */
  readonly others: readonly ProcessFacts[]
  /** How many there are that say of themselves what this release cannot read. */
  readonly unreadable: number
  /** Wall-clock milliseconds at which they were known. */
  readonly asOf: number | undefined
  /** Whether there can be others. */
  readonly isShared: boolean
  /** The class of the error, while the store does not answer. */
  readonly error: string | undefined
}

export interface ProcessRegistry extends Disposable {
  known(): KnownProcesses
  /** Announces this process now and then, until disposed of. */
  start(): void
  /** Says that this process is about to be gone. Never rejects. */
  leave(): Promise<void>
}

export interface ProcessRegistryOptions {
  readonly log: Pick<ConversationLog, 'announce'>
  readonly clock: Clock
  readonly self: () => ProcessFacts
}

const INTERVAL_MS = 5_000
/** Two announcements may be missed. */
const LEASE_MS = 15_000

export function createProcessRegistry({ log, clock, self }: ProcessRegistryOptions): ProcessRegistry {
  const { announce } = log
  if (announce === undefined) {
    const alone: KnownProcesses = { others: [], unreadable: 0, asOf: undefined, isShared: false, error: undefined }
    return { known: () => alone, start: () => undefined, leave: async () => undefined, [Symbol.dispose]: () => undefined }
  }
  let known: KnownProcesses = { others: [], unreadable: 0, asOf: undefined, isShared: true, error: undefined }
  let isOver = false
  let callOff: (() => void) | undefined
  const say = async (leaseMs: number): Promise<void> => {
    const { id, ...facts } = self()
    try {
      const announced = await announce({ id, about: JSON.stringify(facts) }, leaseMs)
      const others = announced.flatMap(readFacts)
      known = { ...known, others, unreadable: announced.length - others.length, asOf: clock.now(), error: undefined }
    } catch (error) {
      // The store says itself that it failed; here the last list grows older, which is shown.
      known = { ...known, error: errorClass(error) }
    }
  }
  const go = async (): Promise<void> => {
    await say(LEASE_MS)
    if (!isOver) callOff = clock.schedule(INTERVAL_MS, () => void go())
  }
  return {
    known: () => known,
    start() {
      if (callOff !== undefined || isOver) return
      callOff = () => undefined
      void go() // it never rejects
    },
    async leave() {
      isOver = true
      callOff?.()
      await say(0)
    },
    [Symbol.dispose]() {
      isOver = true
      callOff?.()
    },
  }
}

/** Empty for what this release cannot read. */
function readFacts({ id, about }: { readonly id: string; readonly about: string }): readonly ProcessFacts[] {
  try {
    const parsed = v.safeParse(factsSchema, JSON.parse(about))
    return parsed.success && v.is(word, id) ? [{ id, ...parsed.output }] : []
  } catch {
    return []
  }
}
