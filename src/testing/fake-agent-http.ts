/**
 * The agent's end of the HTTP port, played by a test.
 */
import type { AgentHttpOptions, AgentHttpRequest, AgentHttpResponse, SendAgentRequest } from '../agent/agent-http.ts'

/** One request, seen from the agent. */
export interface FakeAgentRequest {
  readonly request: AgentHttpRequest
  /** The body, parsed. */
  readonly heard: unknown
  /** Whether the other side has ended the connection. */
  readonly isAborted: boolean
  /** Bytes that wait to be read. */
  readonly waiting: number
  connect(): void
  /** Sends the head of the answer. */
  answer(status: number, headers?: Readonly<Record<string, string>>): void
  /** Sends an event with each value as its data: an object as JSON, a text as it is. */
  event(...data: readonly (object | string)[]): void
  send(bytes: Uint8Array | string): void
  /** Ends the body, and with it the answer. */
  end(): void
  /** Breaks the connection. */
  fail(cause: unknown): void
}

export interface FakeAgentHttp {
  readonly send: SendAgentRequest
  /** Every request so far, oldest first. */
  readonly all: readonly FakeAgentRequest[]
}

const EVENT_STREAM = { 'content-type': 'text/event-stream; charset=utf-8' }

export function createFakeAgentHttp(): FakeAgentHttp {
  const all: FakeRequest[] = []
  return {
    all,
    send(request, options) {
      const made = new FakeRequest(request, options)
      all.push(made)
      return made.head
    },
  }
}

type End = { readonly type: 'open' } | { readonly type: 'ended' } | { readonly type: 'failed'; readonly cause: unknown }

class FakeRequest implements FakeAgentRequest {
  readonly request: AgentHttpRequest
  readonly #options: AgentHttpOptions
  readonly #head = Promise.withResolvers<AgentHttpResponse>()
  readonly #chunks: Uint8Array[] = []
  #end: End = { type: 'open' }
  #wake: () => void = () => undefined

  constructor(request: AgentHttpRequest, options: AgentHttpOptions) {
    this.request = request
    this.#options = options
    // A body that nobody reads may fail unheard, as a socket does.
    this.#head.promise.catch(() => undefined)
    options.signal.addEventListener('abort', () => this.fail(options.signal.reason), { once: true })
  }

  get head(): Promise<AgentHttpResponse> {
    return this.#head.promise
  }

  get heard(): unknown {
    return this.request.body === undefined ? undefined : JSON.parse(this.request.body)
  }

  get isAborted(): boolean {
    return this.#options.signal.aborted
  }

  get waiting(): number {
    return this.#chunks.length
  }

  connect(): void {
    this.#options.onConnected()
  }

  answer(status: number, headers: Readonly<Record<string, string>> = EVENT_STREAM): void {
    this.#head.resolve({ status, header: (name) => headers[name], body: this.#body() })
  }

  event(...data: readonly (object | string)[]): void {
    for (const one of data) this.send(`data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`)
  }

  send(bytes: Uint8Array | string): void {
    this.#chunks.push(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
    this.#wake()
  }

  end(): void {
    this.#finish({ type: 'ended' })
  }

  fail(cause: unknown): void {
    this.#head.reject(cause)
    this.#finish({ type: 'failed', cause })
  }

  #finish(end: End): void {
    if (this.#end.type === 'open') this.#end = end
    this.#wake()
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    for (;;) {
      // What was on its way when the connection broke is lost.
      if (this.#end.type === 'failed') throw this.#end.cause
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) yield chunk
      else if (this.#end.type === 'ended') return
      else {
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#wake = resolve
        await promise
      }
    }
  }
}
