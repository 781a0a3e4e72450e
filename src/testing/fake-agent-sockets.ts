/**
 * The agent's end of the socket port, played by a test.
 */
import type { AgentSocketEnd, AgentSocketListener, AgentSocketRequest, OpenAgentSocket } from '../agent/agent-socket.ts'

/** One connection, seen from the agent. */
export interface FakeAgentSocket {
  readonly request: AgentSocketRequest
  /** Messages that came, parsed. */
  readonly heard: readonly unknown[]
  readonly pings: number
  readonly isPaused: boolean
  readonly isClosed: boolean
  readonly isCut: boolean
  accept(): void
  /** Says an object as JSON, or a text as it is. */
  say(message: object | string): void
  /** A sign of life. */
  stir(): void
  end(how: AgentSocketEnd): void
}

export interface FakeAgentSockets {
  readonly open: OpenAgentSocket
  /** Every connection that was asked for, oldest first. */
  readonly all: readonly FakeAgentSocket[]
}

export function createFakeAgentSockets(): FakeAgentSockets {
  const all: FakeAgentSocket[] = []
  return {
    all,
    open: (request, listener) => {
      const socket = new FakeSocket(request, listener)
      all.push(socket)
      return socket
    },
  }
}

class FakeSocket implements FakeAgentSocket {
  readonly request: AgentSocketRequest
  readonly heard: unknown[] = []
  readonly #listener: AgentSocketListener
  pings = 0
  isPaused = false
  isClosed = false
  isCut = false

  constructor(request: AgentSocketRequest, listener: AgentSocketListener) {
    this.request = request
    this.#listener = listener
  }

  send(text: string): void {
    this.heard.push(JSON.parse(text))
  }

  ping(): void {
    this.pings += 1
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  close(): void {
    this.isClosed = true
  }

  cut(): void {
    this.isCut = true
  }

  accept(): void {
    this.#listener.opened()
  }

  say(message: object | string): void {
    this.#listener.message(typeof message === 'string' ? message : JSON.stringify(message))
  }

  stir(): void {
    this.#listener.alive()
  }

  end(how: AgentSocketEnd): void {
    this.#listener.ended(how)
  }
}
