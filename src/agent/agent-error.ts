import { ChatServiceError } from '../chat-service-error.ts'

/**
 * `unreachable`: no connection, or it was refused. `busy`: the agent asked us to come back later.
 * `error`: the agent said it failed. `protocol`: it said something we do not understand. `broke-off`: the connection ended before the answer did.
 */
export type AgentErrorKind = 'unreachable' | 'busy' | 'error' | 'protocol' | 'broke-off'

export interface AgentErrorOptions {
  /** Whether the same question may succeed later; the agent's own word where it gave one. */
  readonly isRetryable: boolean
  /** The agent's wish, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
  /** For a kind of agent whose failures have a name of their own; else `AGENT_ERROR` and 502. */
  readonly named?: { readonly code: string; readonly statusCode: number }
}

/** The agent or its connection failed. The message never holds what the agent said. */
export class AgentError extends ChatServiceError {
  override name = 'AgentError'
  readonly kind: AgentErrorKind
  readonly retryAfterMs: number | undefined

  constructor(kind: AgentErrorKind, message: string, options: AgentErrorOptions) {
    const { isRetryable, retryAfterMs, cause, named = { code: 'AGENT_ERROR', statusCode: 502 } } = options
    super(message, { ...named, isRetryable, cause })
    this.kind = kind
    this.retryAfterMs = retryAfterMs
  }
}

/** There is no connection to a WebSocket agent, or it was lost. Retryable: the next one may hold. */
export class WebSocketConnectionError extends AgentError {
  override name = 'WebSocketConnectionError'

  constructor(kind: 'unreachable' | 'broke-off', message: string, options: { readonly cause?: unknown } = {}) {
    super(kind, message, { ...options, isRetryable: true, named: { code: 'WEBSOCKET_CONNECTION_ERROR', statusCode: 503 } })
  }
}
