/**
 * One HTTP exchange with an agent: connects in time or fails, gives the events of the answer one by one, ends in one way.
 *
 * It turns what HTTP and the network say into `AgentError`s, and knows nothing of what the events mean. Whatever an agent says of a
 * failure of its own is read within bounds, looked at by whoever knows its form, and never repeated.
 */
import { AGENT_CONNECT_TIMEOUT_MS, AGENT_ERROR_BYTES_MAX, AGENT_TAIL_MS } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import { parseRetryAfter } from '../resilience/retry-after.ts'
import { RETRY_RULES } from '../resilience/retry-rules.ts'
import { AgentError } from './agent-error.ts'
import type { AgentHttpRequest, AgentHttpResponse, SendAgentRequest } from './agent-http.ts'
import { readEvents } from './event-source.ts'

export interface AgentExchangePorts {
  readonly send: SendAgentRequest
  readonly clock: Clock
}

/** All exchanges of one agent. */
export interface AgentExchanges {
  /** Aborting `signal` ends the connection; whoever waits is told that there is nothing more. */
  begin(request: AgentHttpRequest, signal: AbortSignal): AgentExchange
  /** Ends what runs. */
  giveUp(): void
}

export function createExchanges(ports: AgentExchangePorts): AgentExchanges {
  const running = new Set<AgentExchange>()
  return {
    begin(request, signal) {
      const exchange = new AgentExchange(request, { ...ports, signal, onEnd: () => running.delete(exchange) })
      running.add(exchange)
      return exchange
    },
    giveUp() {
      for (const exchange of running) exchange.giveUp()
    },
  }
}

interface AgentExchangeOptions extends AgentExchangePorts {
  readonly signal: AbortSignal
  readonly onEnd: () => void
}

/** How an exchange began. */
export type Opened =
  | { readonly type: 'given-up' }
  /** `body`: its words, cut at a bound, for whoever knows their form; `error`: what its status says. */
  | { readonly type: 'refused'; readonly status: number; readonly body: string; readonly error: AgentError }
  /** The data of each event of the answer; it ends early once given up, and throws an `AgentError` when the connection does. */
  | { readonly type: 'stream'; readonly events: AsyncIterable<string> }

const GIVEN_UP: Opened = { type: 'given-up' }

/** `given-up`: by us, whatever the agent did. `timed-out`: there was no connection in time. */
type State = 'running' | 'given-up' | 'timed-out'

const EVENT_STREAM = 'text/event-stream'

/** Ends the connection when disposed of. For one reader. */
export class AgentExchange implements Disposable {
  readonly #request: AgentHttpRequest
  readonly #options: AgentExchangeOptions
  readonly #controller = new AbortController()
  #state: State = 'running'
  #cancelTimer: () => void = () => undefined
  readonly #onAbort = (): void => this.giveUp()

  constructor(request: AgentHttpRequest, options: AgentExchangeOptions) {
    this.#request = request
    this.#options = options
    if (options.signal.aborted) this.#state = 'given-up'
    else options.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** @throws AgentError when there is no connection, and when what comes over it is neither a refusal nor an event stream */
  async open(): Promise<Opened> {
    const response = await this.#head()
    if (response === undefined) return GIVEN_UP
    if (response.status === 200) {
      if (mediaType(response) !== EVENT_STREAM) throw violation('the agent did not answer with an event stream')
      return { type: 'stream', events: this.#read(response) }
    }
    const { status } = response
    const error = refusalOf(status, parseRetryAfter(response.header('retry-after'), this.#options.clock.now()))
    const body = await textOf(response)
    return this.#state === 'running' ? { type: 'refused', status, body, error } : GIVEN_UP
  }

  /** The status of the answer and the media type of its body, which is not read; `undefined` once given up. */
  async look(): Promise<{ readonly status: number; readonly type: string | undefined } | undefined> {
    const response = await this.#head()
    return response === undefined ? undefined : { status: response.status, type: mediaType(response) }
  }

  /** Whether it was given up: then nothing that is missing says anything about the agent. */
  get isGivenUp(): boolean {
    return this.#state === 'given-up'
  }

  /** Ends the connection; whoever waits is told that there is nothing more. */
  giveUp(): void {
    this.#end('given-up')
  }

  /** The answer has its end, and this long is left for what may follow it. */
  giveUpSoon(): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#options.clock.schedule(AGENT_TAIL_MS, () => this.giveUp())
  }

  [Symbol.dispose](): void {
    this.giveUp()
    this.#options.onEnd()
  }

  async #head(): Promise<AgentHttpResponse | undefined> {
    if (this.#stateNow() !== 'running') return undefined
    const { send, clock } = this.#options
    this.#cancelTimer = clock.schedule(AGENT_CONNECT_TIMEOUT_MS, () => this.#end('timed-out'))
    const onConnected = (): void => this.#cancelTimer()
    try {
      const response = await send(this.#request, { signal: this.#controller.signal, onConnected })
      return this.#stateNow() === 'running' ? response : undefined
    } catch (cause) {
      switch (this.#stateNow()) {
        case 'given-up':
          return undefined
        case 'timed-out':
          throw new AgentError('unreachable', 'the agent did not answer in time', { isRetryable: true, cause })
        case 'running':
          throw unreachable(cause)
      }
    } finally {
      this.#cancelTimer()
    }
  }

  async *#read({ body }: AgentHttpResponse): AsyncGenerator<string> {
    try {
      for await (const data of readEvents(body)) {
        if (this.#state !== 'running') return
        yield data
      }
    } catch (cause) {
      if (this.#state !== 'running') return
      throw cause instanceof AgentError ? cause : broken(cause)
    }
  }

  /** It changes while something is awaited, which the compiler does not expect of a field. */
  #stateNow(): State {
    return this.#state
  }

  #end(state: 'given-up' | 'timed-out'): void {
    if (this.#state === 'running') this.#state = state
    this.#cancelTimer()
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#controller.abort()
  }
}

/** What a status means that is not 200. Requirement R1 says which may pass. */
function refusalOf(status: number, retryAfterMs: number | undefined): AgentError {
  const isRetryable = RETRY_RULES.api.shouldRetry({ statusCode: status })
  if (status === 429 || status === 503) return new AgentError('busy', `the agent is busy: ${status}`, { isRetryable, retryAfterMs })
  if (status >= 300 && status < 400)
    return new AgentError('error', `the agent is elsewhere, and is not followed: ${status}`, { isRetryable })
  if (status === 502 || status === 504) return new AgentError('unreachable', `the agent is away: ${status}`, { isRetryable, retryAfterMs })
  if (status < 300) return violation(`the agent answered with a status of another form: ${status}`)
  return new AgentError('error', `the agent refused: ${status}`, { isRetryable, retryAfterMs })
}

const mediaType = (response: AgentHttpResponse): string | undefined => response.header('content-type')?.split(';')[0]?.trim().toLowerCase()

/** The beginning of the body as text, up to the bound; what cannot be read is left out. */
async function textOf({ body }: AgentHttpResponse): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > AGENT_ERROR_BYTES_MAX) break
      text += decoder.decode(chunk, { stream: true })
    }
  } catch {
    // The status has said that it is a refusal; how it would have gone on changes nothing.
  }
  return text
}

const isViolation = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && cause.code.startsWith('HPE_')

const violation = (message: string, cause?: unknown): AgentError => new AgentError('protocol', message, { isRetryable: false, cause })

const unreachable = (cause: unknown): AgentError =>
  isViolation(cause)
    ? violation('the agent does not speak HTTP', cause)
    : new AgentError('unreachable', 'the agent cannot be reached', { isRetryable: RETRY_RULES.api.shouldRetry(cause), cause })

const broken = (cause: unknown): AgentError =>
  isViolation(cause)
    ? violation('the agent broke the rules of HTTP', cause)
    : new AgentError('broke-off', 'the connection to the agent ended before the answer did', { isRetryable: true, cause })
