/**
 * How a server lets go of those who follow the log over it. New links are refused at once; those that are open are asked to move,
 * each at a time of its own choice, where other processes serve the same log; whoever is left is told goodbye when the server stops.
 *
 * A page that is asked opens its new link before it ends the old one, so nothing is ended here while there is still time to move.
 * Where nobody else could take a link it simply stays until the end. It decides about links and streams only: answers are the
 * turn runner's, and requests go on until they are done.
 */
import {
  DRAIN_GOODBYES_MAX_MS,
  DRAIN_GOODBYE_MS,
  DRAIN_LINKS_PER_SECOND,
  DRAIN_MOVE_GRACE_MS,
  DRAIN_WINDOW_MIN_MS,
} from '../conversation/limits.ts'
import type { ServerFrame } from '../protocol/protocol.ts'
import type { Clock } from '../resilience/clock.ts'

type DrainFrame = Extract<ServerFrame, { type: 'drain' }>

/** How followers are to move; monotonic milliseconds. */
export interface MovePlan {
  /** Each moves at a random time from when it is told to this. */
  readonly windowEndsAt: number
  /** The server says goodbye no later than this. */
  readonly deadlineAt: number
}

/** The plan as a follower is told it, which may come late and has what is left of the time then. */
export const moveTerms = ({ windowEndsAt, deadlineAt }: MovePlan, now: number): Omit<DrainFrame, 'type'> => ({
  afterMs: 0,
  windowMs: Math.ceil(Math.max(0, windowEndsAt - now)),
  deadlineMs: Math.ceil(Math.max(0, deadlineAt - now)),
})

/** What a follower hears. */
export interface Moves {
  /** How to move; `undefined` while nobody has to, and where there is nobody to move to. */
  readonly plan: MovePlan | undefined
  /** Calls back once, when there is a plan, unless the returned function is called before. */
  onPlan(listener: () => void): () => void
}

/** How the links ended that were open when draining began. */
export interface DrainedLinks {
  /** Gone before the goodbye: moved, mostly. */
  readonly moved: number
  /** Told to come back elsewhere. */
  readonly told: number
  /** Of those, how many were cut off because they did not say goodbye. */
  readonly cut: number
}

/** As much of a socket as it takes to end it. */
export interface EndableLink {
  once(event: 'close', listener: () => void): unknown
  terminate(): void
}

export interface DrainOptions {
  readonly clock: Clock
  /** Whether other processes serve the same log. */
  readonly isShared: boolean
}

export class Drain implements Moves {
  readonly #options: DrainOptions
  readonly #begun = new AbortController()
  readonly #over = new AbortController()
  readonly #open = new Map<EndableLink, AbortController>()
  readonly #listeners = new Set<() => void>()
  #plan: MovePlan | undefined
  #openAtFirst = 0
  /** Called when the last link has gone. */
  #wake: (() => void) | undefined
  #moving: Promise<void> | undefined
  #ending: Promise<DrainedLinks> | undefined

  constructor(options: DrainOptions) {
    this.#options = options
  }

  /** Aborts when draining begins: links that come from then on are refused. */
  get begun(): AbortSignal {
    return this.#begun.signal
  }

  /** Aborts when the server says goodbye: waits and streams end. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  get plan(): MovePlan | undefined {
    return this.#plan
  }

  onPlan(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Counts the link among the open ones until it closes. The signal aborts when it is its turn to say goodbye. */
  hold(link: EndableLink): AbortSignal {
    const leaving = new AbortController()
    this.#open.set(link, leaving)
    link.once('close', () => {
      this.#open.delete(link)
      if (this.#open.size === 0) this.#wake?.()
    })
    return leaving.signal
  }

  /**
   * Begins. Resolves when every link has gone or waiting for them is of no use, after `limitMs` at the latest; at once where nobody else
   * could take them. Calling it again waits for the same.
   */
  begin(limitMs: number): Promise<void> {
    this.#moving ??= this.#move(limitMs)
    return this.#moving
  }

  /** Says goodbye to who is left, and resolves when every link is closed. Calling it again waits for the same end. */
  end(): Promise<DrainedLinks> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #move(limitMs: number): Promise<void> {
    this.#openAtFirst = this.#open.size
    this.#begun.abort(new Error('the server is draining'))
    if (!this.#options.isShared || limitMs <= 0) return
    const now = this.#options.clock.monotonic()
    const windowEndsAt = now + windowMs(this.#open.size, limitMs)
    const deadlineAt = now + limitMs
    this.#plan = { windowEndsAt, deadlineAt }
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
    await this.#emptied(Math.min(windowEndsAt + DRAIN_MOVE_GRACE_MS, deadlineAt) - now)
  }

  /** Resolves when no link is open, or after `ms`. */
  async #emptied(ms: number): Promise<void> {
    if (this.#open.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.schedule(ms, resolve)
    this.#wake = resolve
    await promise
    cancel()
  }

  async #end(): Promise<DrainedLinks> {
    void this.begin(0)
    this.#over.abort(new Error('the server is draining'))
    const told = this.#open.size
    const everyMs = Math.min(1_000 / DRAIN_LINKS_PER_SECOND, DRAIN_GOODBYES_MAX_MS / Math.max(1, told))
    const { clock } = this.#options
    const closings = Array.from(this.#open, ([link, leaving], index) => sayGoodbye(clock, link, leaving, index * everyMs))
    const cut = (await Promise.all(closings)).filter((hasAnswered) => !hasAnswered).length
    return { moved: Math.max(0, this.#openAtFirst - told), told, cut }
  }
}

/** Long enough for the others to take so many, short enough that who does not get through at once has time to try again. */
function windowMs(links: number, limitMs: number): number {
  const wanted = Math.max(DRAIN_WINDOW_MIN_MS, (links * 1_000) / DRAIN_LINKS_PER_SECOND)
  return Math.min(wanted, limitMs - Math.min(DRAIN_MOVE_GRACE_MS, limitMs / 2))
}

/** Ends the link when it is its turn. Resolves when it has closed, with whether it did so by itself. */
async function sayGoodbye(clock: Clock, link: EndableLink, leaving: AbortController, afterMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  let isCut = false
  const cancels = [
    clock.schedule(afterMs, () => leaving.abort(new Error('the server is draining'))),
    clock.schedule(afterMs + DRAIN_GOODBYE_MS, () => {
      isCut = true
      link.terminate()
    }),
  ]
  link.once('close', () => {
    for (const cancel of cancels) cancel()
    resolve(!isCut)
  })
  return promise
}
