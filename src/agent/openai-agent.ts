/**
 * An agent that speaks OpenAI-compatible chat completions, streamed.
 *
 * An answer is whole when the agent says `stop`, and only then. The connection ending means nothing by itself: it may have been cut.
 */
import { AgentError } from './agent-error.ts'
import { createExchanges, type AgentExchange, type AgentExchangePorts, type AgentExchanges, type Opened } from './agent-exchange.ts'
import type { Agent, AgentEvent, Question } from './agent.ts'
import { callerHeaders, filledUrl, HEALTH_CHECK, placeOf, questionHeaders, type Caller } from './caller.ts'
import { DONE, formatCompletion, parseChunk, refusalCode, type Usage } from './openai-chunks.ts'

export interface OpenAiAgentOptions extends AgentExchangePorts {
  /** `http:` or `https:`, up to and with the version, such as `https://agent.example/v1`; `{sessionId}` and `{userId}` in it are filled in. */
  readonly url: string
  readonly model: string
  /** Sent as a bearer token. */
  readonly apiKey: string | undefined
}

type Refused = Extract<Opened, { readonly type: 'refused' }>

export class OpenAiAgent implements Agent {
  readonly description: string
  readonly #options: OpenAiAgentOptions
  readonly #exchanges: AgentExchanges

  /** @throws TypeError when `url` is not a URL. */
  constructor(options: OpenAiAgentOptions) {
    this.#options = options
    this.#exchanges = createExchanges(options)
    this.description = `openai ${placeOf(options.url)}`
  }

  async *answer(question: Question, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    const { model, apiKey } = this.#options
    const request = { method: 'POST', url: this.#place('chat/completions', question), headers: questionHeaders(question, apiKey) } as const
    using exchange = this.#exchanges.begin({ ...request, body: formatCompletion(question, model) }, signal)
    const opened = await exchange.open()
    switch (opened.type) {
      case 'given-up':
        return
      case 'refused':
        yield* explain(opened)
        return
      case 'stream':
        yield* this.#read(opened.events, exchange)
    }
  }

  async ping(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const headers = { ...callerHeaders(HEALTH_CHECK, this.#options.apiKey), Accept: 'application/json' }
    using exchange = this.#exchanges.begin({ method: 'GET', url: this.#place('models', HEALTH_CHECK), headers, body: undefined }, signal)
    const seen = await exchange.look()
    signal.throwIfAborted()
    if (seen === undefined) throw new AgentError('unreachable', 'the agent is being closed', { isRetryable: false })
    if (seen.status !== 200) throw new AgentError('unreachable', `the agent has no list of models: ${seen.status}`, { isRetryable: true })
    if (seen.type !== 'application/json') throw new AgentError('protocol', 'the list of models is not JSON', { isRetryable: false })
  }

  /** Ends what runs: streams end unfinished, pings reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#exchanges.giveUp()
  }

  async *#read(events: AsyncIterable<string>, exchange: AgentExchange): AsyncGenerator<AgentEvent> {
    let usage: Usage | undefined
    let end: AgentEvent | undefined
    try {
      for await (const data of events) {
        if (data === DONE) break
        const chunk = parseChunk(data)
        usage = chunk.usage ?? usage
        if (chunk.text !== '') yield { type: 'text', text: chunk.text, persona: undefined }
        // What it took comes after the end, if at all.
        if (chunk.end !== undefined && end === undefined) exchange.giveUpSoon()
        end ??= chunk.end
      }
    } catch (error) {
      // The answer has its end: whatever happens to the connection then takes nothing from it.
      if (end === undefined) throw error
    }
    if (usage !== undefined) yield usage
    if (end !== undefined) yield end
    else if (!exchange.isGivenUp) throw new AgentError('broke-off', 'the agent ended its answer without saying how', { isRetryable: true })
  }

  /** `path` below the address of the agent, whose own query stays. */
  #place(path: string, caller: Caller): string {
    const url = new URL(filledUrl(this.#options.url, caller))
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${path}`
    return url.href
  }
}

/** A refusal whose body says more than its status does. */
function* explain({ body, error }: Refused): Generator<AgentEvent> {
  const code = refusalCode(body)
  if (code === 'insufficient_quota') throw new AgentError('error', 'the agent has used up its quota', { isRetryable: false })
  if (code !== 'content_filter') throw error
  yield { type: 'cut-short', reason: 'withheld' }
}
