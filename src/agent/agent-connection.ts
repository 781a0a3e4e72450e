/**
 * One connection to an agent, as something to wait for: opens in time or fails, gives messages one by one, ends in one way.
 *
 * It watches for signs of life, makes a talkative agent wait while nobody reads, and knows nothing of what is said.
 */
import {
  AGENT_CLOSE_TIMEOUT_MS,
  AGENT_CONNECT_TIMEOUT_MS,
  AGENT_FRAME_BYTES_MAX,
  AGENT_INBOX_MAX,
  LINK_SILENCE_MAX_MS,
  PING_INTERVAL_MS,
} from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import { parseRetryAfter } from '../resilience/retry-after.ts'
import { AgentError, WebSocketConnectionError } from './agent-error.ts'
import type { AgentSocket, AgentSocketEnd, OpenAgentSocket } from './agent-socket.ts'

export interface AgentConnectionOptions {
  readonly open: OpenAgentSocket
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly clock: Clock
  /** Aborting it closes the connection; whoever waits is told that there is nothing more. */
  readonly signal: AbortSignal
  /** What to say, if anything, before we close a connection that is open. */
  readonly lastWords: () => string | undefined
  /** Called once a connection that was live is so no more. */
  readonly onEnd: () => void
}

/** `given-up`: by us. */
type End = AgentError | 'given-up'

/** Closes the connection when disposed of. For one reader. */
export class AgentConnection implements Disposable {
  readonly #options: AgentConnectionOptions
  readonly #socket: AgentSocket | undefined
  readonly #inbox: string[] = []
  #isOpen = false
  #isPaused = false
  #heardAt = 0
  #end: End | undefined
  #wake: () => void = () => undefined
  #cancelTimer: () => void = () => undefined
  readonly #giveUp = (): void => this[Symbol.dispose]()

  constructor(options: AgentConnectionOptions) {
    this.#options = options
    const { open, url, headers, clock, signal } = options
    if (signal.aborted) {
      this.#end = 'given-up'
      return
    }
    try {
      this.#socket = open(
        { url, headers, messageBytesMax: AGENT_FRAME_BYTES_MAX },
        {
          opened: () => this.#opened(),
          message: (text) => this.#received(text),
          alive: () => this.#heard(),
          ended: (end) => this.#ended(end),
        },
      )
    } catch (cause) {
      this.#end = new AgentError('unreachable', 'the connection to the agent cannot be made', { isRetryable: false, cause })
      return
    }
    signal.addEventListener('abort', this.#giveUp, { once: true })
    this.#cancelTimer = clock.schedule(AGENT_CONNECT_TIMEOUT_MS, () => this.#fail('unreachable', 'the agent did not answer in time'))
  }

  /** Whether anything may still come of it. */
  get isLive(): boolean {
    return this.#end === undefined
  }

  /**
   * Resolves `true` once open, `false` when given up before.
   *
   * @throws AgentError `unreachable`, or `busy` when the agent said so.
   */
  async opened(): Promise<boolean> {
    while (!this.#isOpen && this.#end === undefined) await this.#news()
    if (this.#end instanceof AgentError) throw this.#end
    return this.#end === undefined
  }

  send(text: string): void {
    if (this.#end === undefined) this.#socket?.send(text)
  }

  /**
   * The next message; `undefined` once given up.
   *
   * @throws AgentError when the connection has ended and all that came before has been read.
   */
  async next(): Promise<string | undefined> {
    for (;;) {
      if (this.#end === 'given-up') return undefined
      const text = this.#inbox.shift()
      if (text !== undefined) {
        if (this.#isPaused && this.#inbox.length === 0) this.#resume()
        return text
      }
      if (this.#end !== undefined) throw this.#end
      await this.#news()
    }
  }

  [Symbol.dispose](): void {
    if (this.#end !== undefined) return
    const words = this.#isOpen ? this.#options.lastWords() : undefined
    if (words !== undefined) this.#socket?.send(words)
    this.#finish('given-up')
    this.#socket?.close()
    this.#cancelTimer = this.#options.clock.schedule(AGENT_CLOSE_TIMEOUT_MS, () => this.#socket?.cut())
  }

  #opened(): void {
    if (this.#end !== undefined) return
    this.#isOpen = true
    this.#heard()
    this.#watch(PING_INTERVAL_MS)
    this.#wake()
  }

  #received(text: string): void {
    if (this.#end !== undefined) return
    this.#heard()
    this.#inbox.push(text)
    if (this.#inbox.length >= AGENT_INBOX_MAX && !this.#isPaused) {
      this.#isPaused = true
      this.#socket?.pause()
    }
    this.#wake()
  }

  #ended(end: AgentSocketEnd): void {
    // The other side has closed too: there is nothing left to cut.
    if (this.#end !== undefined) this.#cancelTimer()
    else this.#finish(errorOf(end, this.#options.clock.now()))
  }

  #heard(): void {
    this.#heardAt = this.#options.clock.monotonic()
  }

  #resume(): void {
    this.#isPaused = false
    this.#heard()
    this.#socket?.resume()
  }

  /** Asks for a sign of life after a time of silence, and gives the connection up when none comes. */
  #watch(inMs: number): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#options.clock.schedule(inMs, () => {
      // While we do not read we cannot hear either.
      if (this.#isPaused) this.#heard()
      const silentMs = this.#options.clock.monotonic() - this.#heardAt
      if (silentMs >= LINK_SILENCE_MAX_MS) this.#fail('broke-off', 'the agent gave no sign of life')
      else if (silentMs < PING_INTERVAL_MS) this.#watch(PING_INTERVAL_MS - silentMs)
      else {
        this.#socket?.ping()
        this.#watch(LINK_SILENCE_MAX_MS - silentMs)
      }
    })
  }

  #fail(kind: 'unreachable' | 'broke-off', message: string): void {
    this.#finish(new WebSocketConnectionError(kind, message))
    this.#socket?.cut()
  }

  #finish(end: End): void {
    this.#end = end
    this.#cancelTimer()
    this.#options.signal.removeEventListener('abort', this.#giveUp)
    this.#options.onEnd()
    this.#wake()
  }

  #news(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }
}

function errorOf(end: AgentSocketEnd, now: number): AgentError {
  switch (end.type) {
    case 'closed':
      return new WebSocketConnectionError('broke-off', `the agent closed the connection: ${end.code}`)
    case 'violated':
      return new AgentError('protocol', 'the agent broke the rules of the connection', { isRetryable: false, cause: end.cause })
    case 'refused': {
      const { status, retryAfter, cause } = end
      const said = status === undefined ? 'the agent cannot be reached' : `the agent refused the connection: ${status}`
      if (status === 429 || status === 503)
        return new AgentError('busy', said, { isRetryable: true, retryAfterMs: parseRetryAfter(retryAfter, now), cause })
      const mayPass = status === undefined || status >= 500 || status === 408 || status === 425
      return mayPass
        ? new WebSocketConnectionError('unreachable', said, { cause })
        : new AgentError('unreachable', said, { isRetryable: false, cause })
    }
  }
}
