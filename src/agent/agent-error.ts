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
}

/** The agent or its connection failed. The message never holds what the agent said. */
export class AgentError extends ChatServiceError {
  override name = 'AgentError'
  readonly kind: AgentErrorKind
  readonly retryAfterMs: number | undefined

  constructor(kind: AgentErrorKind, message: string, options: AgentErrorOptions) {
    super(message, { code: 'AGENT_ERROR', statusCode: 502, isRetryable: options.isRetryable, cause: options.cause })
    this.kind = kind
    this.retryAfterMs = options.retryAfterMs
  }
}
