/**
 * A person's page on a process of ours: the browser's end of the live link as it runs (`browser/client-link.ts`), joined to the
 * server's end without a network between. It never gives up, and it writes down what it was told.
 */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers'
import { canAsk, initialLink, nextDeadline, step } from '../../src/browser/client-link.ts'
import type { ClientEffect, ClientEvent, ClientLink } from '../../src/browser/client-link-state.ts'
import { viewOfLink } from '../../src/browser/link-view.ts'
import { initialView, stepView } from '../../src/browser/view-model.ts'
import { mintDeviceId, mintMessageId, type MessageId, type SessionId, type TurnId, type VisitorId } from '../../src/conversation/ids.ts'
import { findQuestion } from '../../src/conversation/conversation.ts'
import { ENGLISH } from '../../src/gateway/words.ts'
import type { SocketSession } from '../../src/gateway/socket-session.ts'
import { formatFrames, parseServerFrames } from '../../src/protocol/parse-frame.ts'
import { network, random } from './open-log.ts'
import type { ChatProcess } from './chat-process.ts'

export interface ChatPageOptions {
  readonly session: SessionId
  readonly visitor: VisitorId
  /** Where the next link leads. */
  readonly process: () => ChatProcess
}

const GOING_AWAY = 1001
const LOST = 1006

export class ChatPage implements Disposable {
  readonly session: SessionId
  /** What its person asked, in order. */
  readonly typed: MessageId[] = []
  /** The turns that each question was shown with: another one when the log had lost it and took it again. */
  readonly turns = new Map<MessageId, Set<TurnId>>()
  /** Questions that it forgot, because the log had promised to keep them, with the turn they had then. */
  readonly entrusted = new Map<MessageId, TurnId>()
  /** What the page said of its connection, each sentence once. */
  readonly said = new Set<string>()
  readonly #options: ChatPageOptions
  readonly #sockets = new Map<number, SocketSession>()
  #client: ClientLink
  #shown = initialView(network.clock.monotonic())
  #cancelTick: () => void = () => undefined
  #isGone = false

  constructor(options: ChatPageOptions) {
    this.#options = options
    this.session = options.session
    this.#client = initialLink(options.session, mintDeviceId(random))
    this.#on({ type: 'start' })
  }

  get isOpen(): boolean {
    return this.#client.link.status === 'open'
  }

  /** Questions that the log has not promised to keep. */
  get unsettled(): number {
    return this.#client.questions.length
  }

  get forks(): number {
    return this.#client.forks
  }

  /** Up to where the log has promised to keep everything. */
  get settled(): number {
    return this.#client.settled
  }

  get items(): ClientLink['view']['conversation']['items'] {
    return this.#client.view.conversation.items
  }

  /** Whether there was room for one more question. */
  ask(): boolean {
    if (!canAsk(this.#client)) return false
    const messageId = mintMessageId(network.clock.now(), random)
    this.typed.push(messageId)
    this.#on({ type: 'ask', messageId, text: `question ${this.typed.length}`, inReplyTo: undefined })
    return true
  }

  /** As when the network goes; the page looks for another process by itself. */
  loseLink(): void {
    for (const socket of this.#sockets.keys()) {
      this.#hangUp(socket, LOST)
      this.#soon({ type: 'closed', socket, code: LOST })
    }
  }

  [Symbol.dispose](): void {
    this.#isGone = true
    this.#cancelTick()
    for (const socket of this.#sockets.values()) socket.closed(GOING_AWAY)
  }

  #on(event: ClientEvent): void {
    if (this.#isGone) return
    const before = this.#client
    const ctx = { now: network.clock.monotonic(), chance: quick, mintDevice: () => mintDeviceId(random) }
    const [client, effects] = step(before, event, ctx)
    this.#client = client
    this.#observe(before)
    for (const effect of effects) this.#perform(effect)
    this.#cancelTick()
    const due = nextDeadline(this.#client)
    if (due !== undefined) this.#cancelTick = network.clock.schedule(Math.max(0, due - ctx.now), () => this.#on({ type: 'tick' }))
  }

  #perform(effect: ClientEffect): void {
    switch (effect.type) {
      case 'connect':
        this.#connect(effect.socket)
        return
      case 'send':
        this.#sockets.get(effect.socket)?.received(formatFrames(effect.frames))
        return
      case 'close':
        this.#hangUp(effect.socket, effect.code)
        return
      case 'store':
        throw new Error('unreachable chat-page-1: a page on a device without storage keeps nothing there')
      case 'verify':
        this.#soon({ type: 'verified', matches: createHash('sha256').update(effect.text, 'utf8').digest('hex') === effect.sha256 })
    }
  }

  #connect(socket: number): void {
    const { process, visitor } = this.#options
    const link = {
      bufferedAmount: 0,
      send: (text: string) => this.#soon({ type: 'frames', socket, frames: parseServerFrames(text) }),
      close: (code: number) => {
        this.#hangUp(socket, code)
        this.#soon({ type: 'closed', socket, code: code || LOST })
      },
    }
    this.#sockets.set(socket, process().accept(link, visitor))
    this.#soon({ type: 'opened', socket })
  }

  #hangUp(socket: number, code: number): void {
    const session = this.#sockets.get(socket)
    this.#sockets.delete(socket)
    // Whoever closes is in the middle of something.
    setImmediate(() => session?.closed(code))
  }

  /** As a socket would: later, and in order. */
  #soon(event: ClientEvent): void {
    setImmediate(() => this.#on(event))
  }

  #show(): void {
    const now = network.clock.monotonic()
    const context = { itemWords: ENGLISH.item, words: ENGLISH.live, now, wallNow: network.clock.now() }
    this.#shown = stepView(this.#shown, viewOfLink(this.#client), context)
    const { connection } = this.#shown.view
    if (connection.kind === 'said') for (const line of connection.lines) this.said.add(line)
  }

  #observe(before: ClientLink): void {
    const { questions, view } = this.#client
    this.#show()
    if (view.conversation !== before.view.conversation) {
      for (const item of view.conversation.items) {
        if (item.kind === 'question') this.turns.set(item.messageId, (this.turns.get(item.messageId) ?? new Set()).add(item.turnId))
      }
    }
    if (questions === before.questions) return
    const held = new Set(questions.map(({ messageId }) => messageId))
    for (const { messageId } of before.questions) {
      const turn = findQuestion(view.conversation, messageId)?.turnId
      if (!held.has(messageId) && turn !== undefined) this.entrusted.set(messageId, turn)
    }
  }
}

/** Full jitter of a second is too long for a test, and none at all is a busy loop. */
const quick = (): number => 0.02 + 0.08 * network.chance()
