/**
 * An agent that speaks the message form of requirements R10 over WebSocket.
 *
 * Every question has a connection of its own. The handshake names one session and one person, and an agent may leave out
 * `inReplyTo`: on a connection that carries one question only, nothing that comes can be anybody else's. A ping has a connection
 * of its own too, so no conversation ever sees one.
 */
import { mintMessageId, type RandomBytes, type TurnId } from '../conversation/ids.ts'
import type { Clock } from '../resilience/clock.ts'
import { AgentConnection } from './agent-connection.ts'
import { AgentError } from './agent-error.ts'
import { formatCancel, formatPing, formatPong, formatQuestion, parseAgentMessage, type Envelope } from './agent-messages.ts'
import type { OpenAgentSocket } from './agent-socket.ts'
import type { Agent, AgentEvent, Question } from './agent.ts'
import { hear, NOTHING_READ } from './answer-reader.ts'
import { callerHeaders, filledUrl, HEALTH_CHECK, placeOf, type Caller } from './caller.ts'

export interface WebSocketAgentOptions {
  /** `ws:` or `wss:`; `{sessionId}` and `{userId}` in it are filled in. */
  readonly url: string
  /** Sent as a bearer token. */
  readonly apiKey: string | undefined
  readonly open: OpenAgentSocket
  readonly clock: Clock
  readonly random: RandomBytes
  /** The agent has said something about nobody's question, or another's, while this turn was answered; once a question. */
  readonly onStray?: (turn: TurnId) => void
}

export class WebSocketAgent implements Agent {
  readonly description: string
  readonly #options: WebSocketAgentOptions
  readonly #connections = new Set<AgentConnection>()
  #strayMessages = 0

  /** @throws TypeError when `url` is not a URL. */
  constructor(options: WebSocketAgentOptions) {
    this.#options = options
    this.description = `messages ${placeOf(options.url)}`
  }

  /** Messages that were about nobody's question and were ignored. */
  get strayMessages(): number {
    return this.#strayMessages
  }

  async *answer(question: Question, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    const asked: Envelope = { id: question.messageId, now: this.#options.clock.now() }
    let isOver = false
    let hasStrayed = false
    const cancel = (): string | undefined => (isOver ? undefined : formatCancel(this.#envelope(), asked.id))
    using connection = this.#connect(question, signal, cancel)
    if (!(await connection.opened())) return
    connection.send(formatQuestion(question, asked))
    let reading = NOTHING_READ
    for (;;) {
      const text = await connection.next()
      if (text === undefined) return
      const heard = hear(reading, parseAgentMessage(text), asked.id)
      switch (heard.type) {
        case 'stray':
          this.#strayMessages += 1
          if (!hasStrayed) this.#options.onStray?.(question.turnId)
          hasStrayed = true
          break
        case 'status':
          break
        case 'ping':
          connection.send(formatPong(this.#envelope(), heard.id))
          break
        case 'failed':
          isOver = true
          throw heard.error
        case 'text':
          ;({ reading, isLast: isOver } = heard)
          if (heard.text !== '') yield { type: 'text', text: heard.text, persona: undefined }
          if (!isOver) break
          yield { type: 'finished' }
          return
      }
    }
  }

  async ping(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const asked = this.#envelope()
    using connection = this.#connect(HEALTH_CHECK, signal, () => undefined)
    if (await connection.opened()) {
      connection.send(formatPing(asked))
      for (let text = await connection.next(); text !== undefined; text = await connection.next()) {
        if (isPong(text, asked.id)) return
      }
    }
    signal.throwIfAborted()
    throw new AgentError('unreachable', 'the agent is being closed', { isRetryable: false })
  }

  /** Ends what runs: streams end unfinished, pings reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection[Symbol.dispose]()
  }

  #envelope(): Envelope {
    const { clock, random } = this.#options
    return { id: mintMessageId(clock.now(), random), now: clock.now() }
  }

  #connect(caller: Caller, signal: AbortSignal, lastWords: () => string | undefined): AgentConnection {
    const { open, url, apiKey, clock } = this.#options
    const connection = new AgentConnection({
      open,
      url: filledUrl(url, caller),
      headers: callerHeaders(caller, apiKey),
      clock,
      signal,
      lastWords,
      onEnd: () => this.#connections.delete(connection),
    })
    if (connection.isLive) this.#connections.add(connection)
    return connection
  }
}

/** Only the answer to this very ping counts, or one that names none. */
function isPong(text: string, id: string): boolean {
  const message = parseAgentMessage(text)
  if (message.type !== 'status' || message.content !== 'pong') return false
  const inReplyTo = message.metadata?.inReplyTo
  return inReplyTo === undefined || inReplyTo === id
}
