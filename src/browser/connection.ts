/**
 * The live link of one page on real parts: runs the decisions of `client-link.ts` over the browser's sockets, storage and clock.
 *
 * It never gives up for good unless the server says so, and it decides nothing itself.
 */
import { questionOfTurn } from '../conversation/conversation.ts'
import { mintDeviceId, type DeviceId, type MessageId, type TurnId } from '../conversation/ids.ts'
import { formatFrames, parseServerFrames } from '../protocol/parse-frame.ts'
import type { BrowserEnv, BrowserSocket, OutboxStore, SocketListener } from './browser-env.ts'
import { canAsk, initialLink, nextDeadline, step } from './client-link.ts'
import type { ClientContext, ClientEffect, ClientEvent, ClientLink, Rendered, Rung } from './client-link-state.ts'
import type { OutboxScope } from './outbox.ts'

/** What a person asked; the text has passed `checkQuestion`. */
export interface NewQuestion {
  readonly messageId: MessageId
  readonly text: string
  readonly inReplyTo: MessageId | undefined
}

/** Connects as soon as it is made; `rendered` is what the served page shows. It lives as long as its page; there is nothing to close. */
export class Connection {
  readonly #env: BrowserEnv
  readonly #context: () => ClientContext
  readonly #outbox: OutboxStore | undefined
  readonly #listeners: (() => void)[] = []
  /** Two while the page moves from one to the other, else one. */
  readonly #sockets = new Map<number, BrowserSocket>()
  #cancelTick: (() => void) | undefined
  #state: ClientLink

  constructor(env: BrowserEnv, scope: OutboxScope, rendered?: Rendered) {
    const { clock, chance, randomBytes } = env
    const mintDevice = (): DeviceId => mintDeviceId(randomBytes)
    this.#env = env
    this.#context = () => ({ now: clock.monotonic(), chance, mintDevice })
    this.#outbox = env.openOutbox(scope)
    this.#state = initialLink(scope.session, mintDevice(), this.#outbox !== undefined)
    env.onPageEvent((event) => this.#dispatch({ type: event }))
    this.#outbox?.onHint(() => this.#dispatch({ type: 'hinted' }))
    const rung = env.formerRung()
    this.#dispatch({ type: 'start', former: env.succeed(this.#state.page), ...(rendered && { rendered }), ...(rung && { rung }) })
    if (!env.isOnline()) this.#dispatch({ type: 'offline' })
  }

  /** How things stand; a new value whenever something changed. */
  get state(): ClientLink {
    return this.#state
  }

  /** Whether it can hold one more question. */
  get hasRoom(): boolean {
    return canAsk(this.#state)
  }

  /** Keeps the question on the device and sends it until the server has it or refuses it. Without room it does nothing. */
  ask(question: NewQuestion): void {
    this.#dispatch({ type: 'ask', ...question })
  }

  stop(turnId: TurnId): void {
    this.#dispatch({ type: 'stop', turnId })
  }

  /** Takes questions back that nobody has sent, or that nobody will. */
  withdraw(...messageIds: readonly MessageId[]): void {
    this.#dispatch({ type: 'withdraw', messageIds })
  }

  /** Sends a question that has waited too long to be sent by itself. */
  revive(messageId: MessageId): void {
    this.#dispatch({ type: 'revive', messageId })
  }

  /** Tries to connect at once. */
  reconnectNow(): void {
    this.#dispatch({ type: 'woke' })
  }

  /** Called after `state` has changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  #dispatch(event: ClientEvent): void {
    const before = this.#state
    const [state, effects] = step(before, event, this.#context())
    this.#state = state
    if (state.link.status === 'open' && before.link.status !== 'open') this.#env.rememberRung(state.rung)
    for (const effect of effects) this.#perform(effect)
    this.#plan()
    if (state !== before) for (const listener of this.#listeners) listener()
  }

  #plan(): void {
    const { clock } = this.#env
    this.#cancelTick?.()
    const due = nextDeadline(this.#state)
    const tick = (): void => this.#dispatch({ type: 'tick' })
    this.#cancelTick = due === undefined ? undefined : clock.schedule(Math.max(0, due - clock.monotonic()), tick)
  }

  #perform(effect: ClientEffect): void {
    switch (effect.type) {
      case 'connect':
        this.#open(effect.socket, effect.rung)
        return
      case 'send':
        // A message for each: a question fits into one, several together may be larger than a server takes.
        for (const frame of effect.frames) this.#sockets.get(effect.socket)?.send(formatFrames([frame]))
        return
      case 'close':
        this.#sockets.get(effect.socket)?.close(effect.code)
        this.#sockets.delete(effect.socket)
        return
      case 'store':
        this.#store(effect)
        return
      case 'verify':
        this.#verify(effect)
    }
  }

  #store({ change }: ClientEffect & { readonly type: 'store' }): void {
    // Without a storage the link asks for nothing; it never rejects.
    void this.#outbox?.apply(change).then((outcome) => this.#dispatch({ ...outcome, change }))
  }

  #open(number: number, rung: Rung): void {
    const listener: SocketListener = {
      opened: () => this.#dispatch({ type: 'opened', socket: number }),
      received: (text) => this.#dispatch({ type: 'frames', socket: number, frames: parseServerFrames(text) }),
      closed: (code) => {
        this.#sockets.delete(number)
        this.#dispatch({ type: 'closed', socket: number, code })
      },
    }
    const questionOf = (turnId: TurnId): MessageId | undefined => questionOfTurn(this.#state.view.conversation, turnId)?.messageId
    const socket = rung === 'socket' ? this.#env.openSocket(listener) : this.#env.openEvents(listener, questionOf)
    this.#sockets.set(number, socket)
  }

  #verify({ text, sha256 }: ClientEffect & { readonly type: 'verify' }): void {
    this.#env.digest(text).then(
      (digest) => this.#dispatch({ type: 'verified', matches: digest === undefined || digest === sha256 }),
      // A browser that cannot compute it has nothing to compare; the text is what the log sent either way.
      () => this.#dispatch({ type: 'verified', matches: true }),
    )
  }
}
