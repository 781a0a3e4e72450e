/**
 * The port of outgoing HTTP: one request on a connection of its own, and the answer as it comes. `app/ports.ts` brings the real one.
 */

export interface AgentHttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** UTF-8 text; `undefined` sends none. */
  readonly body: string | undefined
}

export interface AgentHttpOptions {
  /** Aborting it ends the connection at once, and whatever is waited for rejects. */
  readonly signal: AbortSignal
  /** Called once the connection stands: from then on it is the agent that takes its time. */
  readonly onConnected: () => void
}

export interface AgentHttpResponse {
  readonly status: number
  /** The value of a header, by its name in lower case. */
  header(name: string): string | undefined
  /** For one reader, who sets the pace. Rejects when the connection ends before the body does. */
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * Resolves with the head of the answer, whatever its status. Follows no redirect, asks for no compression, and tries nothing again.
 *
 * @throws the system's error, with its `code`; what is not HTTP has a code that begins with `HPE_`
 */
export type SendAgentRequest = (request: AgentHttpRequest, options: AgentHttpOptions) => Promise<AgentHttpResponse>
