/**
 * An agent that answers in pieces, sometimes badly, and always differently: no two attempts give the same text.
 */
import type { AgentErrorKind } from '../agent/agent-error.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

export interface AskedOfAgent {
  readonly turnId: string
  readonly attempt: number
  readonly text: string
}

/** What the agent does with one question; exactly one of the last three happens, unless it stays silent. */
export interface AgentListener {
  text(text: string): void
  finished(): void
  failed(kind: AgentErrorKind): void
  stopped(): void
}

/** What an observer beside the agent notices. */
export interface AgentHearing {
  asked(question: AskedOfAgent): void
  /** It could not be reached or was too busy, and whoever asked knows. */
  turnedAway(question: AskedOfAgent): void
}

export type AgentMood = 'well' | 'away' | 'failing' | 'cutting' | 'silent' | 'slow' | 'empty'

const WORDS = ['one', 'two ', 'drei', ' vier', '\n\n', 'fünf ', '六', '👩‍👧', '. ', 'a longer run of words ']

export class SimulatedAgent {
  readonly #world: World
  readonly #random: SeededRandom
  readonly #heard: AgentHearing
  #mood: AgentMood = 'well'
  #knownAt = 0

  constructor(world: World, random: SeededRandom, heard: AgentHearing) {
    this.#world = world
    this.#random = random
    this.#heard = heard
  }

  /** Whether health checks have found that it is away. They are sometimes late. */
  get isKnownAway(): boolean {
    return this.#mood === 'away' && this.#world.now() >= this.#knownAt
  }

  /** How it treats what it is asked from now on. */
  become(mood: AgentMood): void {
    if (mood === 'away') this.#knownAt = this.#world.now() + this.#random.between(0, 5_000)
    this.#mood = mood
  }

  /** Asks; the returned function cancels. */
  ask(question: AskedOfAgent, listener: AgentListener): () => void {
    let isCancelled = false
    const later = (ms: number, action: () => void): void => {
      this.#world.after(ms, () => {
        if (!isCancelled) action()
      })
    }
    const mood = this.#mood
    this.#heard.asked(question)
    const failed = (kind: AgentErrorKind): void => {
      if (kind === 'unreachable' || kind === 'busy') this.#heard.turnedAway(question)
      listener.failed(kind)
    }
    if (mood === 'away') later(this.#random.between(1, 50), () => failed('unreachable'))
    else if (mood !== 'silent') {
      this.#say(mood === 'empty' ? 0 : this.#random.between(1, 12), { mood, later, listener: { ...listener, failed } })
    }
    return () => {
      isCancelled = true
    }
  }

  #say(
    left: number,
    answer: { readonly mood: AgentMood; readonly later: (ms: number, action: () => void) => void; readonly listener: AgentListener },
  ): void {
    const { mood, later, listener } = answer
    const wait = mood === 'slow' ? this.#random.between(500, 4_000) : this.#random.between(1, 120)
    later(wait, () => {
      if (mood === 'failing' && this.#random.happens(0.5)) listener.failed(this.#random.pick(['error', 'protocol', 'busy']))
      else if (mood === 'cutting' && this.#random.happens(0.3)) listener.stopped()
      else if (left === 0) listener.finished()
      else {
        listener.text(this.#random.pick(WORDS))
        this.#say(left - 1, answer)
      }
    })
  }
}
