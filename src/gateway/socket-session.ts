/**
 * One browser's live link on real parts: runs the decisions of `server-link.ts` over a socket, the log and a clock.
 *
 * Guarantees: frames go out in the order they were decided, entries and the blocks they complete in one message; every failure of
 * an effect becomes an event of the link, and a fault of ours ends this link and nothing else; when the socket is gone nothing is left
 * behind. It decides nothing itself.
 */
import type { Cursor, SessionId, VisitorId } from '../conversation/ids.ts'
import { MESSAGE_CHARS_SENT_MAX, READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { personalInformationIn } from '../conversation/personal-information.ts'
import type { ReadResult } from '../conversation-log/conversation-log.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { parseClientFrames, formatFrames } from '../protocol/parse-frame.ts'
import { isSameStanding, type HelloFrame, type ServerFrame } from '../protocol/protocol.ts'
import type { AnswerBlocks } from './answer-blocks.ts'
import { moveTerms, type Moves } from './drain.ts'
import type { GatewayContext } from './gateway-context.ts'
import { LinkBlocks } from './link-blocks.ts'
import { readConversation } from './read-conversation.ts'
import { LINK_PATH } from './routes.ts'
import { initialServerLink, nextDeadline, step } from './server-link.ts'
import type { AskedResult, FoldResult, LinkEffect, LinkEvent, OpenResult, ServerLink } from './server-link-state.ts'
import { snapshotWindow } from './snapshot-window.ts'
import { stopTurn } from './stop-turn.ts'

/** WebSocket's own word for a fault of the server's. */
const INTERNAL_ERROR = 1011

/** What a session needs of a socket; `ws` sockets have it. */
export interface LinkSocket {
  send(text: string): void
  close(code: number): void
  /** Bytes that were given to `send` and have not left. */
  readonly bufferedAmount: number
}

export interface SocketSessionOptions {
  readonly context: Pick<
    GatewayContext,
    'log' | 'admission' | 'clock' | 'events' | 'standing' | 'onStandingChange' | 'service' | 'settings'
  >
  readonly blocks: AnswerBlocks
  readonly socket: LinkSocket
  readonly visitor: VisitorId
  /** How the page is to move to another process, while it can. */
  readonly moves: Moves
  /** Aborts when the link has to end. */
  readonly leaving: AbortSignal
}

/** The caller feeds what happens to the socket; after `closed` nothing has an effect. */
export class SocketSession {
  readonly #options: SocketSessionOptions
  readonly #linkBlocks: LinkBlocks
  readonly #openedAt: number
  #link: ServerLink
  #session: SessionId | undefined
  #isAskedToMove = false
  #cancelTick: () => void = () => undefined
  /** The newest ping that was sent, until it is answered. */
  #pinged: { readonly n: number; readonly at: number } | undefined
  readonly #release: (() => void)[] = []

  constructor(options: SocketSessionOptions) {
    const { context, moves, leaving } = options
    const { clock, events } = context
    this.#options = options
    this.#linkBlocks = new LinkBlocks(options.blocks)
    this.#openedAt = clock.monotonic()
    this.#link = initialServerLink(this.#openedAt)
    events.linkOpened('websocket')
    const leave = (): void => this.#dispatch({ type: 'end', reason: 'drain', afterMs: 0 })
    leaving.addEventListener('abort', leave, { once: true })
    this.#release.push(() => leaving.removeEventListener('abort', leave))
    // Passing by is enough: every step compares how the service stands, and whether the page has been asked to move.
    const passBy = (): void => this.#dispatch({ type: 'tick' })
    this.#release.push(moves.onPlan(passBy))
    const stopHearing = context.onStandingChange?.(passBy)
    if (stopHearing !== undefined) this.#release.push(stopHearing)
    this.#plan()
    if (leaving.aborted) leave()
  }

  /** One text message arrived. */
  received(message: string): void {
    // After our goodbye nothing it says can matter, and parsing it would be work that it makes us do.
    if (this.#link.status === 'closed') return
    this.#options.context.events.linkTraffic({ direction: 'in', bytes: Buffer.byteLength(message) })
    const frames = parseClientFrames(message)
    for (const parsed of frames) if (parsed.ok && parsed.frame.type === 'pong') this.#ponged(parsed.frame.n)
    this.#dispatch({ type: 'frames', frames })
  }

  /** The socket has closed, for whatever reason. */
  closed(code: number): void {
    const { clock, events } = this.#options.context
    this.#dispatch({ type: 'closed' })
    for (const release of this.#release.splice(0)) release()
    events.linkClosed({ transport: 'websocket', code, heldMs: clock.monotonic() - this.#openedAt })
  }

  /** Never throws: whoever calls is a timer, a doorbell or a promise, and nobody there could do anything about it. */
  #dispatch(event: LinkEvent): void {
    try {
      this.#react(event)
    } catch (cause) {
      this.#link = { status: 'closed' }
      this.#cancelTick()
      this.#options.context.events.requestFailed({ method: 'GET', route: LINK_PATH, status: 500, reference: '', cause })
      this.#options.socket.close(INTERNAL_ERROR)
    }
  }

  #react(event: LinkEvent): void {
    const { clock, standing } = this.#options.context
    const ctx = { now: clock.monotonic(), buffered: this.#options.socket.bufferedAmount }
    const before = this.#link
    const [link, effects] = step(before, event, ctx)
    this.#link = link
    for (const effect of effects) this.#perform(effect)
    this.#tellMove(before, link, effects)
    // These belong to the service; whoever passes by tells the link what it does not know.
    const now = standing()
    if ((link.status === 'live' || link.status === 'positioning') && !isSameStanding(link.opened.standing, now)) {
      this.#react({ type: 'level', standing: now })
    } else if (link.status === 'live' && this.#options.moves.plan !== undefined && !this.#isAskedToMove) {
      this.#isAskedToMove = true
      this.#react({ type: 'drain', ...moveTerms(this.#options.moves.plan, ctx.now) })
    } else this.#plan()
  }

  #plan(): void {
    const { clock } = this.#options.context
    this.#cancelTick()
    const due = nextDeadline(this.#link)
    if (due !== undefined) this.#cancelTick = clock.schedule(Math.max(0, due - clock.monotonic()), () => this.#dispatch({ type: 'tick' }))
  }

  #perform(effect: LinkEffect): void {
    switch (effect.type) {
      case 'open':
        this.#answer(this.#open(effect.hello), (result) => ({ type: 'opened', result }))
        return
      case 'read':
        this.#answer(this.#read(effect.after), (result) => ({ type: 'read', result }))
        return
      case 'fold':
        this.#answer(this.#fold(), (result) => ({ type: 'folded', result }))
        return
      case 'ask': {
        const { messageId } = effect.question
        this.#answer(this.#ask(effect), (result) => ({ type: 'asked', messageId, result }))
        return
      }
      case 'stop':
        void this.#stop(effect).catch((cause: unknown) => this.#failed(cause))
        return
      case 'send':
        this.#send([effect.frames])
        return
      case 'deliver':
        this.#send(effect.entries.map((entry) => [{ type: 'entry', entry }, ...this.#linkBlocks.after(entry)]))
        return
      case 'show': {
        const { head, items, earlier } = effect
        this.#send([[{ type: 'snapshot', head, items: [...items], earlier }, ...this.#linkBlocks.of(items)]])
        return
      }
      case 'close':
        this.#options.socket.close(effect.code)
        return
      case 'report':
        this.#report(effect)
    }
  }

  /** Tells the link what came of an effect; a failure is an answer too. */
  #answer<Result>(outcome: Promise<Result>, event: (result: NoInfer<Result> | { readonly type: 'failed' }) => LinkEvent): void {
    outcome.then(
      (result) => this.#dispatch(event(result)),
      (cause: unknown) => {
        this.#failed(cause)
        this.#dispatch(event({ type: 'failed' }))
      },
    )
  }

  #failed(cause: unknown): void {
    this.#options.context.events.storeFailed({ kind: 'link', cause })
  }

  /** An answer to the newest ping; one to an older ping says nothing about the line as it is now. */
  #ponged(n: number): void {
    const { clock, events } = this.#options.context
    if (this.#pinged?.n === n) events.linkPonged({ tookMs: clock.monotonic() - this.#pinged.at })
    this.#pinged = undefined
  }

  #sendMessage(message: string): void {
    this.#options.context.events.linkTraffic({ direction: 'out', bytes: Buffer.byteLength(message) })
    this.#options.socket.send(message)
  }

  /** Each group in one message, and small groups together: on a slow line every message that arrives is a sign of life. */
  #send(groups: readonly (readonly ServerFrame[])[]): void {
    let message = ''
    for (const group of groups) {
      for (const frame of group) if (frame.type === 'ping') this.#pinged = { n: frame.n, at: this.#options.context.clock.monotonic() }
      const text = formatFrames(group)
      if (message !== '' && message.length + text.length > MESSAGE_CHARS_SENT_MAX) {
        this.#sendMessage(message)
        message = ''
      }
      message = message === '' ? text : `${message}\n${text}`
    }
    if (message !== '') this.#sendMessage(message)
  }

  async #open({ session: id, device }: HelloFrame): Promise<OpenResult> {
    const { log, admission, standing } = this.#options.context
    const session = await log.findSession(id)
    if (session?.visitor !== this.#options.visitor) return { type: 'gone' }
    const place = admission.joinSession(id)
    if (!place.ok) return { type: 'full' }
    if (this.#link.status === 'closed') {
      place.release()
      return { type: 'gone' }
    }
    this.#session = id
    // Before the first read, so that nothing appended in between goes unnoticed.
    this.#release.push(
      place.release,
      log.onAppend(id, () => this.#dispatch({ type: 'rung' })),
    )
    const lastNumber = await log.lastNumber(id, device)
    const { durability } = log.profile
    return { type: 'opened', opened: { session: id, device, logId: session.logId, lastNumber, durability, standing: standing() } }
  }

  async #read(after: Cursor | undefined): Promise<ReadResult> {
    const { log } = this.#options.context
    const result = await log.read(this.#opened(), after, READ_ENTRIES_MAX)
    if (result.type !== 'entries' || after === undefined || !this.#linkBlocks.lacksBeginning(result.entries)) return result
    const before = await readConversation(log, this.#opened(), after.seq)
    if (before === 'gone') return { type: 'gone' }
    this.#linkBlocks.learn(before.conversation)
    return result
  }

  async #fold(): Promise<FoldResult> {
    const { log } = this.#options.context
    const session = await log.findSession(this.#opened())
    const read = session === undefined ? 'gone' : await readConversation(log, session.id)
    if (session === undefined || read === 'gone') return { type: 'gone' }
    const { conversation, cursor, settled } = read
    const { head, items } = conversation
    return { type: 'folded', logId: cursor?.logId ?? session.logId, head, settled, ...snapshotWindow(items) }
  }

  async #ask({ question, from }: LinkEffect & { readonly type: 'ask' }): Promise<AskedResult> {
    const { log, admission, clock, events, service, settings } = this.#options.context
    const session = this.#opened()
    if (!service().questions.areOpen) return { type: 'switched-off' }
    const isBlocked = settings.personalInformation === 'block' && personalInformationIn(question.text).length > 0
    if (isBlocked) return { type: 'personal' }
    const verdict = admission.ask(session)
    if (!verdict.ok) return { type: 'rate', retryAfterMs: verdict.retryAfterMs }
    const startedAt = clock.monotonic()
    const result = await log.ask(session, question)
    if (result.type === 'accepted') {
      const { turnId: turn, duplicate } = result
      events.questionAccepted({ session, turn, transport: 'websocket', duplicate, tookMs: clock.monotonic() - startedAt, from })
    }
    return result
  }

  async #stop({ turnId }: LinkEffect & { readonly type: 'stop' }): Promise<void> {
    await stopTurn(this.#options.context, this.#opened(), turnId)
  }

  /** @throws Error when the core asks for the log before it opened a session */
  #opened(): SessionId {
    if (this.#session === undefined) throw new Error('unreachable socket-session-1: no session is open')
    return this.#session
  }

  /** What can be told of a link only by comparing it with what it was. */
  #tellMove(before: ServerLink, after: ServerLink, effects: readonly LinkEffect[]): void {
    const { events } = this.#options.context
    const closing = effects.find((effect) => effect.type === 'close')?.code
    if (isPaused(after) && !isPaused(before)) events.linkSlow('paused')
    if (closing === CLOSE_CODES.slow) events.linkSlow('terminated')
    if (before.status !== 'opening' && before.status !== 'positioning') return
    if (closing === CLOSE_CODES.sessionGone) events.linkResumed({ outcome: 'expired', missed: 0 })
    if (closing === CLOSE_CODES.overload || closing === CLOSE_CODES.storeUnavailable) events.linkResumed({ outcome: 'refused', missed: 0 })
  }

  #report({ fact }: LinkEffect & { readonly type: 'report' }): void {
    const { events } = this.#options.context
    switch (fact.type) {
      case 'positioned':
        events.linkResumed({ outcome: fact.how, missed: fact.missed })
        return
      case 'frame-refused':
        events.frameRefused(fact.problem)
        return
      case 'question-refused':
        events.questionRefused({ transport: 'websocket', reason: fact.reason })
    }
  }
}

const isPaused = (link: ServerLink): boolean => link.status === 'live' && link.delivery.status === 'paused'
