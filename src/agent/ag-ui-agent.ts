/**
 * An agent that speaks AG-UI 1.0 over HTTP with server-sent events.
 *
 * Each question is a run of its own, under an id of its own, in the thread that is the session. An answer is whole when its run has finished
 * well, and only then.
 */
import { mintMessageId, type RandomBytes } from '../conversation/ids.ts'
import { AgentError } from './agent-error.ts'
import { createExchanges, type AgentExchange, type AgentExchangePorts, type AgentExchanges } from './agent-exchange.ts'
import { formatRunInput, parseRunEvent, type TokenUsage } from './ag-ui-events.ts'
import { NOT_BEGUN, step, type Run, type RunIds } from './ag-ui-run.ts'
import type { Agent, AgentEvent, Question } from './agent.ts'
import { callerHeaders, filledUrl, HEALTH_CHECK, placeOf, questionHeaders } from './caller.ts'

export interface AgUiAgentOptions extends AgentExchangePorts {
  /** `http:` or `https:`; `{sessionId}` and `{userId}` in it are filled in. */
  readonly url: string
  /** Sent as a bearer token. */
  readonly apiKey: string | undefined
  readonly random: RandomBytes
}

/** Answers to a request that is no question, by which an agent shows that it is not there for us. */
const NOT_THERE: ReadonlySet<number> = new Set([401, 403, 404, 407, 408, 410, 425, 429])

export class AgUiAgent implements Agent {
  readonly description: string
  readonly #options: AgUiAgentOptions
  readonly #exchanges: AgentExchanges

  /** @throws TypeError when `url` is not a URL. */
  constructor(options: AgUiAgentOptions) {
    this.#options = options
    this.#exchanges = createExchanges(options)
    this.description = `ag-ui ${placeOf(options.url)}`
  }

  async *answer(question: Question, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    const { url, apiKey, clock, random } = this.#options
    const ids = { threadId: question.session, runId: mintMessageId(clock.now(), random) }
    const request = { method: 'POST', url: filledUrl(url, question), headers: questionHeaders(question, apiKey) } as const
    using exchange = this.#exchanges.begin({ ...request, body: formatRunInput(question, ids.runId) }, signal)
    const opened = await exchange.open()
    switch (opened.type) {
      case 'given-up':
        return
      case 'refused':
        throw opened.error
      case 'stream':
        yield* read(opened.events, ids, exchange)
    }
  }

  /**
   * AG-UI has no ping. That the agent's server answers at its address, and takes our key, is what can be found out without a run: a `GET`
   * there is refused as the wrong method, or answered with whatever the agent has to say.
   */
  async ping(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { url, apiKey } = this.#options
    const headers = { ...callerHeaders(HEALTH_CHECK, apiKey), Accept: 'application/json' }
    using exchange = this.#exchanges.begin({ method: 'GET', url: filledUrl(url, HEALTH_CHECK), headers, body: undefined }, signal)
    const seen = await exchange.look()
    signal.throwIfAborted()
    if (seen === undefined) throw new AgentError('unreachable', 'the agent is being closed', { isRetryable: false })
    const { status } = seen
    const isThere = (status >= 200 && status < 300) || (status >= 400 && status < 500 && !NOT_THERE.has(status))
    if (!isThere) throw new AgentError('unreachable', `the agent is not there for us: ${status}`, { isRetryable: true })
  }

  /** Ends what runs: streams end unfinished, pings reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#exchanges.giveUp()
  }
}

async function* read(events: AsyncIterable<string>, ids: RunIds, exchange: AgentExchange): AsyncGenerator<AgentEvent> {
  let run = NOT_BEGUN
  try {
    for await (const data of events) {
      const before = run
      const [next, text] = step(run, parseRunEvent(data), ids)
      run = next
      if (text !== '') yield { type: 'text', text, persona: undefined }
      // All that may follow is word that the run failed after all.
      if (run.status === 'closed' && before.status !== 'closed') exchange.giveUpSoon()
    }
  } catch (error) {
    // The run has its end: that the connection has none takes nothing from it.
    const isAfterwards = run.status === 'closed' && error instanceof AgentError && error.kind === 'broke-off'
    if (!isAfterwards) throw error
  }
  yield* endOf(run, exchange)
}

function* endOf(run: Run, exchange: AgentExchange): Generator<AgentEvent> {
  if (run.status === 'closed') {
    if (run.usage.length > 0) yield { type: 'usage', ...totalOf(run.usage) }
    yield { type: 'finished' }
    return
  }
  if (exchange.isGivenUp) return
  if (run.status === 'waiting' && run.hasReplayed) {
    throw new AgentError('protocol', 'the agent never began the run that it was asked for', { isRetryable: false })
  }
  throw new AgentError('broke-off', 'the agent ended the connection before its run', { isRetryable: true })
}

/** Of all models that took part; a count that nobody gives stays unknown. */
const totalOf = (usage: TokenUsage) => ({
  inputTokens: sum(usage.map(({ inputTokens }) => inputTokens)),
  outputTokens: sum(usage.map(({ outputTokens }) => outputTokens)),
})

function sum(counts: readonly (number | undefined)[]): number | undefined {
  const known = counts.filter((count) => count !== undefined)
  return known.length === 0 ? undefined : known.reduce((total, count) => total + count, 0)
}
