/**
 * An agent that is asked again when it could not be reached, and left alone for a while when it keeps failing.
 *
 * `retry + budget( breaker( one attempt ))` stands round the way to the first event of a stream, and only round that. From
 * there on the answer is committed: what follows flows under the caller's own signal, is never asked for again, and a failure of
 * it is one more failure for the breaker.
 *
 * It sets no time limit of its own. The turn does, because it knows what was stored; a signal that aborts with a `TimeoutError`
 * says that the agent was too slow, which the breaker hears as a failure. Any other abort says nothing about the agent.
 * Retries carry the same turn, so an agent that acts on questions knows them again.
 */
import type { Backoff } from '../resilience/backoff.ts'
import { CircuitBreakerOpenError, type Breaker } from '../resilience/breaker.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import { TimeoutError } from '../resilience/deadline.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import { RETRY_RULES } from '../resilience/retry-rules.ts'
import { createRetry, type FailedAttempt } from '../resilience/retry.ts'
import type { Events } from '../telemetry/events.ts'
import { AgentError } from './agent-error.ts'
import type { Agent, AgentEvent, Question } from './agent.ts'

export interface ResilientAgentOptions {
  readonly clock: Clock
  readonly chance: Chance
  readonly breaker: Breaker
  readonly budget: RetryBudget
  readonly events: Pick<Events, 'agentAttemptFailed' | 'agentRecovered'>
  /** Tries in all, and the waits between them. */
  readonly retry: { readonly attempts: number; readonly backoff: Backoff }
  /** When the caller gives up waiting for a first text, in milliseconds: a wait that would outlast it is not begun. */
  readonly firstTextTimeoutMs: number
}

/** A stream that has begun. */
interface Begun {
  readonly stream: AsyncIterator<AgentEvent>
  readonly first: AgentEvent
}

/**
 * `agent`, with retry and breaker round it. `ping` goes past both: a check takes no probe's place and enters no window.
 *
 * @throws SettingsError for retry settings that cannot work, at the first question.
 */
export function createResilientAgent(agent: Agent, options: ResilientAgentOptions): Agent {
  return new ResilientAgent(agent, options)
}

class ResilientAgent implements Agent {
  readonly description: string
  readonly #agent: Agent
  readonly #options: ResilientAgentOptions

  constructor(agent: Agent, options: ResilientAgentOptions) {
    this.description = agent.description
    this.#agent = agent
    this.#options = options
  }

  async *answer(question: Question, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    const begun = await this.#begin(question, signal)
    if (begun === undefined) return
    const failed = this.#options.breaker.followUp()
    const onAbort = (): void => {
      if (isTooSlow(signal)) failed(signal.reason)
    }
    signal.addEventListener('abort', onAbort)
    let hasEnd = false
    try {
      for await (const event of streamOf(begun)) {
        hasEnd = event.type === 'finished' || event.type === 'cut-short'
        yield event
        if (hasEnd) return
      }
      if (!signal.aborted) failed(new AgentError('broke-off', 'the agent ended its answer unfinished', { isRetryable: true }))
    } catch (error) {
      if (!signal.aborted && !hasEnd) failed(error)
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  ping(signal: AbortSignal): Promise<void> {
    return this.#agent.ping(signal)
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#agent[Symbol.asyncDispose]()
  }

  /** The stream with its first event, or `undefined` once the caller has given up. */
  async #begin(question: Question, signal: AbortSignal): Promise<Begun | undefined> {
    if (signal.aborted) return undefined
    const { clock, breaker } = this.#options
    const startedAt = clock.monotonic()
    const waitMs = Math.min(this.#options.firstTextTimeoutMs, question.deadlineMs)
    const caller = new CallerSignal(signal)
    try {
      let attempts = 0
      const begun = await this.#retryFor(question, signal).execute(
        (run) => {
          attempts = run.attempt
          const leftMs = Math.max(1, question.deadlineMs - (clock.monotonic() - startedAt))
          return breaker.watch(() => caller.run(this.#attempt({ ...question, deadlineMs: leftMs }, signal)), caller.givenUp)
        },
        { signal: caller.givenUp, expiresAt: startedAt + waitMs },
      )
      if (attempts > 1) this.#options.events.agentRecovered({ turn: question.turnId, attempts })
      return begun
    } catch (error) {
      if (signal.aborted) return undefined
      throw error instanceof CircuitBreakerOpenError ? refused(error) : error
    } finally {
      caller[Symbol.dispose]()
    }
  }

  #retryFor({ turnId: turn }: Question, signal: AbortSignal): ReturnType<typeof createRetry> {
    const { clock, chance, budget, events, retry, breaker } = this.#options
    const onFailedAttempt = ({ attempt, retriesLeft, delayMs, stop, error: cause }: FailedAttempt): void => {
      // Neither a refusal of our own nor a caller who left is a failed attempt.
      if (cause instanceof CircuitBreakerOpenError || stop === 'abort') return
      events.agentAttemptFailed({ turn, attempt, retriesLeft, delayMs, stop, cause })
    }
    const shouldRetry = (error: unknown): boolean => !signal.aborted && mayRecover(error)
    return createRetry({ service: breaker.name, ...retry, shouldRetry, isIdempotent: true }, { clock, chance, budget, onFailedAttempt })
  }

  /** One attempt up to its first event. Whatever it fails of, the stream is closed. */
  #attempt(question: Question, signal: AbortSignal): Attempt {
    let stream: AsyncIterator<AgentEvent> | undefined
    const begin = async (): Promise<Begun> => {
      stream = this.#agent.answer(question, signal)[Symbol.asyncIterator]()
      const { done, value } = await stream.next()
      if (done === true) throw new AgentError('broke-off', 'the agent ended without an answer', { isRetryable: true })
      return { stream, first: value }
    }
    // Nobody is left to hear how the closing went, and a stream that ignores its signal may take for ever.
    return { begun: begin(), close: () => void stream?.return?.().catch(() => undefined) }
  }
}

interface Attempt {
  readonly begun: Promise<Begun>
  readonly close: () => void
}

/**
 * The caller's signal, taken apart: an abort always ends the attempt that is running, but only one that says nothing about the agent
 * ends it as given up. When the agent was too slow, the attempt fails instead, so that the breaker hears of it.
 */
class CallerSignal implements Disposable {
  readonly #signal: AbortSignal
  readonly #givenUp = new AbortController()
  #endAttempt: ((reason: unknown) => void) | undefined
  readonly #onAbort = (): void => {
    const { reason } = this.#signal
    if (this.#endAttempt === undefined || !isTooSlow(this.#signal)) this.#givenUp.abort(reason)
    this.#endAttempt?.(reason)
  }

  constructor(signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort)
  }

  get givenUp(): AbortSignal {
    return this.#givenUp.signal
  }

  /** The attempt's own end, or the abort, whichever comes first. */
  async run({ begun, close }: Attempt): Promise<Begun> {
    const { promise: ended, reject } = Promise.withResolvers<never>()
    this.#endAttempt = reject
    try {
      return await Promise.race([begun, ended])
    } catch (error) {
      close()
      throw error
    } finally {
      this.#endAttempt = undefined
    }
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
  }
}

const isTooSlow = ({ aborted, reason }: AbortSignal): boolean => aborted && reason instanceof TimeoutError && reason.blamesService

/** What the agent got wrong it gets wrong again. */
const mayRecover = (error: unknown): boolean =>
  !(error instanceof AgentError && error.kind === 'protocol') && RETRY_RULES.websocket.shouldRetry(error)

const refused = (cause: CircuitBreakerOpenError): AgentError =>
  new AgentError('unreachable', 'the agent is left alone while its circuit breaker is open', {
    isRetryable: true,
    retryAfterMs: cause.retryAfterMs,
    cause,
  })

/** The events from the first on; leaving them early closes the stream. */
function streamOf({ stream, first }: Begun): AsyncIterable<AgentEvent> {
  let held: AgentEvent | undefined = first
  const next = (): Promise<IteratorResult<AgentEvent>> => {
    const value = held
    held = undefined
    return value === undefined ? stream.next() : Promise.resolve({ done: false, value })
  }
  const leave = async (): Promise<IteratorResult<AgentEvent>> => (await stream.return?.()) ?? { done: true, value: undefined }
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) }
}
