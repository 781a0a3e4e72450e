/**
 * The port of an outgoing WebSocket: text frames of bounded size, and one end. `app/ports.ts` brings the real one.
 */

export interface AgentSocketRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** A longer message ends the connection as `violated`. */
  readonly messageBytesMax: number
}

/** How a connection ended; told once, and nothing after it. */
export type AgentSocketEnd =
  /** It never opened. `status` and `retryAfter` (as it stood in the header) are of the HTTP answer, when there was one. */
  | {
      readonly type: 'refused'
      readonly status: number | undefined
      readonly retryAfter: string | undefined
      readonly cause: unknown
    }
  | { readonly type: 'closed'; readonly code: number }
  /** The other side broke the rules of WebSocket, sent what is not text, or too much of it. */
  | { readonly type: 'violated'; readonly cause: unknown }

export interface AgentSocketListener {
  opened(): void
  message(text: string): void
  /** The other side answered a `ping`, or sent one. */
  alive(): void
  ended(end: AgentSocketEnd): void
}

export interface AgentSocket {
  /** Sends a text message. Harmless once the connection has ended. */
  send(text: string): void
  /** Asks for a sign of life below the level of messages, so that no conversation sees it. */
  ping(): void
  /** Stops reading, so that the other side has to wait … */
  pause(): void
  /** … and goes on. */
  resume(): void
  /** Closes in order: what was sent is delivered, and the other side is asked to close too. */
  close(): void
  /** Ends at once. */
  cut(): void
}

/**
 * Begins to connect. The listener is called later, never before this returns.
 *
 * @throws anything when the request cannot even be made.
 */
export type OpenAgentSocket = (request: AgentSocketRequest, listener: AgentSocketListener) => AgentSocket
