/**
 * One connection to the simulated agent: reads what the service says, answers one question at a time, and fails as it is told.
 *
 * Nothing that comes in can harm it: what is not of the form is answered with an error, and who goes on is disconnected. A part is
 * handed to the network before the next one is made, so a slow reader costs time and no memory.
 */
import type { RawData, WebSocket } from 'ws'
import { mintMessageId, type RandomBytes } from '../conversation/ids.ts'
import { SIMULATOR_STRIKES_MAX } from '../conversation/limits.ts'
import { deliverAnswer, NORMAL_ANSWER, type AnswerPlan, type AnswerWire, type AnswerWorld } from './answer-run.ts'
import type { Decision } from './faults.ts'
import { garbageOf } from './garbage.ts'
import { readMessage, writeMessage, type Incoming, type Outgoing, type Question } from './message.ts'

/** What all connections share. */
export interface AgentWorld extends AnswerWorld {
  readonly randomBytes: RandomBytes
  decideQuestion(): Decision
}

export interface AgentLinkOptions {
  /** The header `X-Session-ID`. */
  readonly sessionId: string
  /** Let in by a fault that says nothing from then on. */
  readonly isSilent: boolean
}

interface Run {
  readonly question: Question
  readonly controller: AbortController
}

const CLOSE = { badData: 1003, policy: 1008, tryLater: 1013 } as const

/** Serves its socket until that closes. */
export class AgentLink {
  readonly #socket: WebSocket
  readonly #world: AgentWorld
  readonly #options: AgentLinkOptions
  #run: Run | undefined
  #strikes = 0

  constructor(socket: WebSocket, world: AgentWorld, options: AgentLinkOptions) {
    this.#socket = socket
    this.#world = world
    this.#options = options
    socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    socket.on('ping', (data) => {
      if (!this.#isSilent()) socket.pong(data)
    })
    // `ws` closes after every error, with the code that belongs to it.
    socket.on('error', () => world.stats.count('badMessages'))
    socket.on('close', () => this.#run?.controller.abort())
  }

  #isSilent(): boolean {
    return this.#options.isSilent || this.#world.door() === 'silent'
  }

  #received(data: RawData, isBinary: boolean): void {
    if (this.#isSilent()) return
    if (this.#world.door() !== 'open') return this.#socket.close(CLOSE.tryLater, 'come back later')
    if (isBinary) {
      this.#world.stats.count('badMessages')
      return this.#socket.close(CLOSE.badData, 'messages are text')
    }
    const reading = readMessage(textOf(data))
    if (reading.ok) this.#heard(reading.message)
    else this.#complain(reading.problem, reading.id)
  }

  #heard(message: Incoming): void {
    if (message.type === 'message') return this.#ask(message)
    switch (message.content) {
      case 'ping':
        this.#world.stats.count('pings')
        return this.#tell({ type: 'status', content: 'pong', metadata: { inReplyTo: message.id } })
      case 'cancel':
        return this.#cancel(message.metadata.inReplyTo)
      case 'pong':
        // The simulator never pings; an answer to nothing means nothing.
        return
    }
  }

  #ask(question: Question): void {
    const { id: inReplyTo, metadata } = question
    if (metadata.sessionId !== this.#options.sessionId) {
      return this.#complain('metadata.sessionId is not the session of this connection (X-Session-ID)', inReplyTo)
    }
    if (this.#run !== undefined) {
      const content = 'this connection is answering another question: wait for its end'
      return this.#tell({ type: 'error', content, metadata: { inReplyTo, retryable: true } })
    }
    this.#world.stats.question(metadata.turnId, metadata.attempt)
    const decision = this.#world.decideQuestion()
    switch (decision.type) {
      case 'limit': {
        this.#world.stats.fault('rate-limited')
        const { retryAfterMs } = decision
        return this.#tell({ type: 'error', content: 'too many questions', metadata: { inReplyTo, retryable: true, retryAfterMs } })
      }
      case 'pass':
        return this.#start(question, NORMAL_ANSWER)
      case 'answer':
        return this.#start(question, decision)
      case 'refuse':
      case 'silence':
        // They strike at handshakes and are never decided for a question.
        throw new Error(`a question was met with ${decision.type} (SIM-1)`)
    }
  }

  #start(question: Question, plan: AnswerPlan): void {
    const run: Run = { question, controller: new AbortController() }
    this.#run = run
    const callOff = this.#world.clock.schedule(question.metadata.deadlineMs, () => run.controller.abort())
    const over = (): void => {
      callOff()
      if (this.#run === run) this.#run = undefined
    }
    // Being called off is a way to end, so what rejects is a mistake of ours: it ends the process, as it should.
    const { content, id } = question
    void deliverAnswer({ question: content, plan, wire: this.#wireFor(id), world: this.#world, signal: run.controller.signal }).finally(
      over,
    )
  }

  #wireFor(inReplyTo: string): AnswerWire {
    return {
      part: (content, { sequence, done }) => this.#send({ type: 'response', content, metadata: { inReplyTo, sequence, done } }),
      fail: (retryable) => this.#send({ type: 'error', content: 'the simulator was told to fail', metadata: { inReplyTo, retryable } }),
      garbage: async (ending, sequence) => {
        for (const frame of garbageOf(ending, inReplyTo, sequence)) await this.#sendRaw(frame)
      },
      cut: () => this.#socket.terminate(),
    }
  }

  #cancel(questionId: string): void {
    const run = this.#run?.question.id === questionId ? this.#run : undefined
    this.#world.stats.cancel(run?.question.metadata.turnId)
    run?.controller.abort()
  }

  #complain(problem: string, inReplyTo: string | undefined): void {
    this.#world.stats.count('badMessages')
    this.#strikes += 1
    this.#tell({ type: 'error', content: problem, metadata: { inReplyTo, retryable: false } })
    if (this.#strikes >= SIMULATOR_STRIKES_MAX) this.#socket.close(CLOSE.policy, 'too many messages that are not of the form')
  }

  /** Whoever is told need not have heard it: the end of the connection says the rest. */
  #tell(message: Outgoing): void {
    void this.#send(message)
  }

  #send(message: Outgoing): Promise<void> {
    const { clock, randomBytes } = this.#world
    return this.#sendRaw(writeMessage(mintMessageId(clock.now(), randomBytes), clock.now(), message))
  }

  #sendRaw(frame: string | Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(frame, () => resolve())
    else resolve()
    return promise
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8')
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8')
}
