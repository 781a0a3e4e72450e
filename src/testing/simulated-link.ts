/**
 * One browser's link on a simulated server: the very steps of `gateway/server-link.ts`, with simulated effects.
 */
import { EMPTY_CONVERSATION, fold, type Conversation } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import type { Cursor, LogId, SessionId, VisitorId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Durability } from '../conversation/durability.ts'
import type { AskResult, Session } from '../conversation-log/conversation-log.ts'
import type { LogCommand } from '../conversation-log/sync-log.ts'
import type { Admission } from '../gateway/admission.ts'
import type { AnswerBlocks } from '../gateway/answer-blocks.ts'
import { LinkBlocks } from '../gateway/link-blocks.ts'
import { initialServerLink, nextDeadline, step } from '../gateway/server-link.ts'
import type { FoldResult, LinkEffect, LinkEvent, ServerLink } from '../gateway/server-link-state.ts'
import { snapshotWindow } from '../gateway/snapshot-window.ts'
import { formatFrames, parseClientFrames } from '../protocol/parse-frame.ts'
import { ALL_WORKS, type ServerFrame } from '../protocol/protocol.ts'
import type { Connection, Peer } from './simulated-network.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { StorePort } from './simulated-store.ts'
import type { StoreAnswer } from './store-node.ts'

export interface SimulatedLinkOptions {
  readonly process: SimulatedProcess
  readonly store: StorePort
  readonly durability: Durability
  readonly admission: Admission
  readonly visitor: VisitorId
  /** Bytes that the browser has not taken yet. */
  buffered(): number
  /** Planted bugs: what the link decided may be changed before it is done. */
  tamper(effects: readonly LinkEffect[]): readonly LinkEffect[]
}

/** Rendering is not what is simulated: a block of this many UTF-16 units is complete once there are more. */
const BLOCK_CHARS = 10

const PLAIN_BLOCKS: AnswerBlocks = {
  of({ text, status }) {
    const count = status === 'streaming' ? Math.floor(text.length / BLOCK_CHARS) : Math.ceil(text.length / BLOCK_CHARS)
    return Array.from({ length: count }, (_unused, index) => {
      const upTo = Math.min(text.length, (index + 1) * BLOCK_CHARS)
      return { html: text.slice(index * BLOCK_CHARS, upTo), upTo, isRestPlain: false, headings: [] }
    })
  },
}

type Result = Extract<StoreAnswer, { readonly ok: true }>['result']

export class SimulatedLink implements Peer {
  readonly #options: SimulatedLinkOptions
  readonly #connection: Connection
  readonly #ended: () => void
  readonly #blocks = new LinkBlocks(PLAIN_BLOCKS)
  #link: ServerLink
  /** Known once it is open. */
  #session: SessionId | undefined
  #leave: () => void = () => undefined
  #takeBack: () => void = () => undefined

  constructor(options: SimulatedLinkOptions, connection: Connection, ended: () => void) {
    this.#options = options
    this.#connection = connection
    this.#ended = ended
    this.#link = initialServerLink(options.process.world.now())
    this.#plan()
  }

  opened(): void {
    throw new Error('unreachable simulated-link-1: only a browser is told that its connection opened')
  }

  received(text: string): void {
    this.#options.process.run(() => this.event({ type: 'frames', frames: parseClientFrames(text) }))
  }

  closed(): void {
    this.#options.process.run(() => this.event({ type: 'closed' }))
  }

  rung(session: SessionId): void {
    if (session === this.#session) this.event({ type: 'rung' })
  }

  event(event: LinkEvent): void {
    const [link, effects] = step(this.#link, event, { now: this.#options.process.world.now(), buffered: this.#options.buffered() })
    this.#link = link
    for (const effect of this.#options.tamper(effects)) this.#perform(effect)
    if (link.status === 'closed') {
      this.#leave()
      this.#ended()
    }
    this.#plan()
  }

  #plan(): void {
    const { process } = this.#options
    this.#takeBack()
    const due = nextDeadline(this.#link)
    if (due !== undefined) this.#takeBack = process.after(due - process.world.now(), () => this.event({ type: 'tick' }))
  }

  #perform(effect: LinkEffect): void {
    switch (effect.type) {
      case 'open':
        this.#open(effect)
        return
      case 'read':
        this.#read(effect.after)
        return
      case 'fold':
        this.#fold((folded) => this.event({ type: 'folded', result: typeof folded === 'object' ? foldResult(folded) : { type: folded } }))
        return
      case 'ask':
        this.#ask(effect)
        return
      case 'stop':
        this.#submit({ name: 'stop', args: [this.#opened(), effect.turnId] }, () => undefined)
        return
      case 'send':
        this.#send(effect.frames)
        return
      case 'deliver':
        this.#send(effect.entries.flatMap((entry): readonly ServerFrame[] => [{ type: 'entry', entry }, ...this.#blocks.after(entry)]))
        return
      case 'show': {
        const { head, items, earlier } = effect
        this.#send([{ type: 'snapshot', head, items: [...items], earlier }, ...this.#blocks.of(items)])
        return
      }
      case 'close':
        this.#connection.close('server', effect.code)
        return
      case 'report':
    }
  }

  #send(frames: readonly ServerFrame[]): void {
    if (frames.length > 0) this.#connection.send('server', formatFrames(frames))
  }

  /** `then` gets `undefined` when the store did not answer. */
  #submit(command: LogCommand, then: (result: Result | undefined) => void): void {
    const reply = this.#options.process.bound((answer: StoreAnswer) => then(answer.ok ? answer.result : undefined))
    this.#options.store.submit(command, reply)
  }

  #opened(): SessionId {
    if (this.#session === undefined) throw new Error('unreachable simulated-link-2: no session is open')
    return this.#session
  }

  #open({ hello }: LinkEffect & { readonly type: 'open' }): void {
    const { session, device } = hello
    const { visitor, admission, durability } = this.#options
    this.#findSession(session, (found) => {
      if (found === 'failed') return this.event({ type: 'opened', result: { type: 'failed' } })
      if (found?.visitor !== visitor) return this.event({ type: 'opened', result: { type: 'gone' } })
      const place = admission.joinSession(session)
      if (!place.ok) return this.event({ type: 'opened', result: { type: 'full' } })
      this.#leave = place.release
      if (this.#link.status === 'closed') return this.#leave()
      this.#session = session
      return this.#submit({ name: 'lastNumber', args: [session, device] }, (lastNumber) => {
        if (typeof lastNumber !== 'number') return this.event({ type: 'opened', result: { type: 'failed' } })
        const opened = { session, device, logId: found.logId, lastNumber, durability, standing: ALL_WORKS } as const
        return this.event({ type: 'opened', result: { type: 'opened', opened } })
      })
    })
  }

  #findSession(id: SessionId, then: (found: Session | undefined | 'failed') => void): void {
    const reply = this.#options.process.bound((answer: StoreAnswer) => {
      if (!answer.ok) return then('failed')
      return then(isSession(answer.result) ? answer.result : undefined)
    })
    this.#options.store.submit({ name: 'findSession', args: [id] }, reply)
  }

  #ask({ question }: LinkEffect & { readonly type: 'ask' }): void {
    const { messageId } = question
    const verdict = this.#options.admission.ask(this.#opened())
    if (!verdict.ok) {
      const refused = this.#options.process.bound(() =>
        this.event({ type: 'asked', messageId, result: { type: 'rate', retryAfterMs: verdict.retryAfterMs } }),
      )
      this.#options.process.world.after(0, refused)
      return
    }
    this.#submit({ name: 'ask', args: [this.#opened(), question] }, (result) => {
      this.event({ type: 'asked', messageId, result: isAskResult(result) ? result : { type: 'failed' } })
    })
  }

  #read(after: Cursor | undefined): void {
    this.#submit({ name: 'read', args: [this.#opened(), after, READ_ENTRIES_MAX] }, (result) => {
      if (!isReadResult(result)) return this.event({ type: 'read', result: { type: 'failed' } })
      if (result.type !== 'entries' || after === undefined || !this.#blocks.lacksBeginning(result.entries))
        return this.event({ type: 'read', result })
      // The beginnings of answers that go on.
      return this.#fold((before) => {
        if (typeof before !== 'object') return this.event({ type: 'read', result: { type: before } })
        this.#blocks.learn(before.conversation)
        return this.event({ type: 'read', result })
      }, after.seq)
    })
  }

  /** Everything said up to now, or up to the entry at `upTo`. */
  #fold(then: (folded: Folded | 'gone' | 'failed') => void, upTo = Number.POSITIVE_INFINITY, so?: Folded): void {
    const cursor = so?.conversation.head === undefined ? undefined : { logId: so.logId, ...so.conversation.head }
    this.#submit({ name: 'read', args: [this.#opened(), cursor, READ_ENTRIES_MAX] }, (result) => {
      if (!isReadResult(result)) return then('failed')
      if (result.type === 'gone') return then('gone')
      if (result.type === 'fork') return this.#fold(then, upTo)
      const entries = result.entries.filter(({ seq }) => seq <= upTo)
      const conversation = folding(entries, so?.conversation)
      if (conversation === undefined) return then('failed')
      const folded = { logId: result.logId, conversation, settled: result.settled }
      return entries.length < READ_ENTRIES_MAX ? then(folded) : this.#fold(then, upTo, folded)
    })
  }
}

interface Folded {
  readonly logId: LogId
  readonly conversation: Conversation
  readonly settled: number
}

/** `undefined` when the entries do not follow one another. */
function folding(entries: readonly Entry[], so: Conversation = EMPTY_CONVERSATION): Conversation | undefined {
  try {
    return fold(entries, so)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const foldResult = ({ logId, settled, conversation: { head, items } }: Folded): FoldResult => ({
  type: 'folded',
  logId,
  head,
  settled,
  ...snapshotWindow(items),
})

type ReadResult = Extract<Result, { readonly type: 'entries' | 'fork' | 'gone' }>

const typeOf = (result: Result | undefined): unknown => (typeof result === 'object' && 'type' in result ? result.type : undefined)
const isReadResult = (result: Result | undefined): result is ReadResult => ['entries', 'fork', 'gone'].includes(String(typeOf(result)))
export const isAskResult = (result: Result | undefined): result is AskResult =>
  ['accepted', 'conflict', 'order', 'overload', 'gone'].includes(String(typeOf(result)))
const isSession = (result: Result | undefined): result is Session => typeof result === 'object' && 'logId' in result && !('type' in result)
