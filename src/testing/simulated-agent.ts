/**
 * An agent that answers in pieces, sometimes badly, and always differently: no two calls give the same text.
 */
import type { AgentErrorKind } from '../agent/agent-error.ts'
import type { AgentPresence } from '../turns/agent-room.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

export interface AskedOfAgent {
  readonly session: string
  readonly turnId: string
  /** Of the owner that asks. */
  readonly fence: number
  readonly text: string
  /** The texts of the exchanges before, oldest first. */
  readonly before: readonly string[]
}

/** What the agent does with one question; exactly one of the last three happens, unless it stays silent or misbehaves. */
export interface AgentListener {
  text(text: string): void
  finished(): void
  failed(kind: AgentErrorKind): void
  stopped(): void
}

/** What an observer beside the agent notices of its `call`s, which are numbered. */
export interface AgentHearing {
  asked(call: number, question: AskedOfAgent): void
  /** To somebody who still listens. */
  said(call: number, question: AskedOfAgent, text: string): void
  /** It could not be reached or was too busy, and whoever asked knows. */
  turnedAway(call: number, question: AskedOfAgent): void
}

/**
 * `stutters`: goes on after it has finished, and finishes again. `deaf`: goes on after it was told to stop. `babbles`: says things that
 * are not of the protocol. `endless`: a word now and then, for ever.
 */
export const AGENT_MOODS = [
  'away',
  'failing',
  'cutting',
  'silent',
  'slow',
  'empty',
  'stutters',
  'deaf',
  'babbles',
  'busy',
  'endless',
] as const
export type AgentMood = 'well' | (typeof AGENT_MOODS)[number]

const WORDS = ['one', 'two ', 'drei', ' vier', '\n\n', 'fünf ', '六', '👩‍👧', '\uD83D', '\uDC67', '. ', 'a longer run of words ']

/** Longest pauses between two pieces, one of which each world has. */
const PACES_MS = [60, 300, 1_500]

/** It takes so long until it is known that the agent is away, and so long until it is trusted again when it is back. */
const KNOWN_AFTER_MS = 5_000
const DOUBTED_MS = 3_000

interface Call {
  readonly number: number
  readonly question: AskedOfAgent
  readonly mood: AgentMood
  readonly listener: AgentListener
  isCancelled: boolean
}

export class SimulatedAgent {
  readonly #world: World
  readonly #random: SeededRandom
  readonly #heard: AgentHearing
  readonly #paceMs: number
  #mood: AgentMood = 'well'
  #knownAt = 0
  #doubtedUntil = 0
  #calls = 0

  constructor(world: World, random: SeededRandom, heard: AgentHearing) {
    this.#world = world
    this.#random = random
    this.#heard = heard
    this.#paceMs = random.pick(PACES_MS)
  }

  /** What health checks and the breaker have found. They are sometimes late. */
  get presence(): AgentPresence {
    const now = this.#world.now()
    if (this.#mood === 'away') return now >= this.#knownAt ? 'agent-unreachable' : 'there'
    return now < this.#doubtedUntil ? 'in-doubt' : 'there'
  }

  /** How it treats what it is asked from now on. */
  become(mood: AgentMood): void {
    const now = this.#world.now()
    if (mood === 'away') this.#knownAt = now + this.#random.between(0, KNOWN_AFTER_MS)
    else if (this.#mood === 'away') this.#doubtedUntil = now + this.#random.between(0, DOUBTED_MS)
    this.#mood = mood
  }

  /** Asks; the returned function cancels. */
  ask(question: AskedOfAgent, listener: AgentListener): () => void {
    this.#calls += 1
    const call: Call = { number: this.#calls, question, mood: this.#mood, listener, isCancelled: false }
    this.#heard.asked(call.number, question)
    this.#begin(call)
    return () => {
      call.isCancelled = true
    }
  }

  #begin(call: Call): void {
    switch (call.mood) {
      case 'silent':
        return
      case 'away':
        return this.#later(call, this.#random.between(1, 50), () => this.#fail(call, 'unreachable'))
      case 'busy':
        return this.#later(call, this.#random.between(1, 200), () => this.#fail(call, 'busy'))
      case 'empty':
        return this.#say(call, 0)
      case 'endless':
        return this.#say(call, Number.POSITIVE_INFINITY)
      case 'well':
      case 'failing':
      case 'cutting':
      case 'slow':
      case 'stutters':
      case 'deaf':
      case 'babbles':
        return this.#say(call, this.#random.between(1, 12))
    }
  }

  #later(call: Call, ms: number, action: () => void): void {
    this.#world.after(ms, () => {
      if (!call.isCancelled || call.mood === 'deaf') action()
    })
  }

  #fail(call: Call, kind: AgentErrorKind): void {
    if (kind === 'unreachable' || kind === 'busy') this.#heard.turnedAway(call.number, call.question)
    call.listener.failed(kind)
  }

  /** So many more pieces, and the end. */
  #say(call: Call, left: number, isFirst = true): void {
    const { mood, listener } = call
    this.#later(call, this.#pauseOf(mood), () => {
      if (mood === 'failing' && this.#random.happens(0.5)) this.#fail(call, this.#random.pick(['error', 'protocol', 'busy']))
      else if (mood === 'babbles' && this.#random.happens(0.3)) this.#fail(call, 'protocol')
      else if (mood === 'cutting' && this.#random.happens(0.3)) listener.stopped()
      else if (left <= 0) this.#finish(call)
      else {
        const text = isFirst ? `call ${call.number}: ` : this.#random.pick(WORDS)
        if (!call.isCancelled) this.#heard.said(call.number, call.question, text)
        listener.text(text)
        this.#say(call, left - 1, false)
      }
    })
  }

  #pauseOf(mood: AgentMood): number {
    if (mood === 'endless') return this.#random.between(1_000, 9_000)
    return mood === 'slow' ? this.#random.between(500, 4_000) : this.#random.between(1, this.#paceMs)
  }

  #finish({ mood, listener }: Call): void {
    listener.finished()
    if (mood !== 'stutters') return
    listener.text('and again')
    listener.finished()
    listener.stopped()
  }
}
