/** One answer on its way: piece by piece at its pace, to the end that was decided for it, unless it is called off before. */
import type { Guidance } from '../guidance/guidance.ts'
import type { Clock } from '../resilience/clock.ts'
import { composeAnswer, piecesOf } from './composed-answer.ts'
import type { Decision, Door, Ending, Pace } from './faults.ts'
import type { StatsCounter } from './stats.ts'

/** An answer as it was decided to be. */
export type AnswerPlan = Extract<Decision, { type: 'answer' }>

export const NORMAL_ANSWER: AnswerPlan = { type: 'answer', pace: {}, by: 'word', ending: { type: 'finish' } }

export type Garbage = Extract<Ending, { readonly type: 'garbage' }>

/** Which part of an answer it is, from 0, and whether it is the last. */
export interface Place {
  readonly sequence: number
  readonly done: boolean
}

/** How an answer is written in one form, to one connection. What is sent resolves when the network has taken it, or never will. */
export interface AnswerWire {
  part(content: string, place: Place): Promise<void>
  /** Says that it failed, in place of part number `sequence`. */
  fail(retryable: boolean, sequence: number): Promise<void>
  /** Sends what nobody can understand, in place of part number `sequence`. */
  garbage(ending: Garbage, sequence: number): Promise<void>
  cut(): void
}

export interface AnswerWorld {
  readonly clock: Clock
  readonly guidance: Guidance
  readonly stats: StatsCounter
  /** Pace of answers that no fault slows down. */
  pace(): Pace
  door(): Door
}

export interface AnswerRun {
  /** The question's text. */
  readonly question: string
  readonly plan: AnswerPlan
  readonly wire: AnswerWire
  readonly world: AnswerWorld
  /** Aborted by a cancel, the deadline, or the end of the connection. */
  readonly signal: AbortSignal
}

/** Resolves when there is nothing more to say; being called off is a way to end and not an error. */
export async function deliverAnswer(run: AnswerRun): Promise<void> {
  const { question, plan, wire, world } = run
  const { ending } = plan
  const pieces = piecesOf(composeAnswer(question, world.guidance), plan.by)
  const { firstMs, chunkMs } = { ...world.pace(), ...plan.pace }
  const paceAt = (sequence: number): number => (sequence === 0 ? firstMs : chunkMs)
  // However short the answer is, a fault comes before its end.
  const until = ending.type === 'finish' ? pieces.length : Math.min(ending.after, pieces.length - 1)
  for (const [sequence, content] of pieces.slice(0, until).entries()) {
    if (!(await mayGoOn(run, paceAt(sequence)))) return
    await wire.part(content, { sequence, done: sequence === pieces.length - 1 })
  }
  if (run.signal.aborted) return
  if (ending.type === 'finish') return world.stats.count('finished')
  if (await mayGoOn(run, paceAt(until))) await endBadly(run, until)
}

/** Waits, and says whether to go on: not when called off, cut, or struck dumb meanwhile. */
async function mayGoOn({ signal, wire, world }: AnswerRun, ms: number): Promise<boolean> {
  try {
    await world.clock.sleep(ms, signal)
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
  switch (world.door()) {
    case 'open':
    case 'refusing':
      return true
    case 'silent':
      world.stats.fault('silent')
      return false
    case 'gone':
      world.stats.fault('flapping')
      wire.cut()
      return false
  }
}

async function endBadly({ plan: { ending }, wire, world, signal }: AnswerRun, sequence: number): Promise<void> {
  switch (ending.type) {
    case 'finish':
      return
    case 'error':
      world.stats.fault('error')
      return wire.fail(ending.retryable, sequence)
    case 'cut':
      world.stats.fault('cut')
      return wire.cut()
    case 'garbage':
      world.stats.fault('garbage')
      await wire.garbage(ending, sequence)
      return calledOff(signal)
    case 'hang':
      world.stats.fault('hang')
      return calledOff(signal)
  }
}

function calledOff(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
