/**
 * One browser's link on a simulated server: the very steps of `gateway/server-link.ts`, with simulated effects.
 */
import { EMPTY_CONVERSATION, fold, type Conversation } from '../conversation/conversation.ts'
import type { Cursor, SessionId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Session } from '../conversation-log/conversation-log.ts'
import type { LogCommand } from '../conversation-log/sync-log.ts'
import { initialServerLink, nextDeadline, step } from '../gateway/server-link.ts'
import type { LinkEffect, LinkEvent, ServerLink } from '../gateway/server-link-state.ts'
import { snapshotWindow } from '../gateway/snapshot-window.ts'
import { formatFrames, parseClientFrames } from '../protocol/parse-frame.ts'
import type { ServerFrame } from '../protocol/protocol.ts'
import type { Connection, Peer } from './simulated-network.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedStore, StoreAnswer } from './simulated-store.ts'

export interface SimulatedLinkOptions {
  readonly process: SimulatedProcess
  readonly store: SimulatedStore
  readonly session: SessionId
  /** Bytes that the browser has not taken yet. */
  buffered(): number
  /** Planted bugs: what the link decided may be changed before it is done. */
  tamper(effects: readonly LinkEffect[]): readonly LinkEffect[]
}

type Result = Extract<StoreAnswer, { readonly ok: true }>['result']

export class SimulatedLink implements Peer {
  readonly #options: SimulatedLinkOptions
  readonly #connection: Connection
  readonly #ended: () => void
  #link: ServerLink
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

  event(event: LinkEvent): void {
    const [link, effects] = step(this.#link, event, { now: this.#options.process.world.now(), buffered: this.#options.buffered() })
    this.#link = link
    for (const effect of this.#options.tamper(effects)) this.#perform(effect)
    if (link.status === 'closed') this.#ended()
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
        this.#submit({ name: 'read', args: [this.#options.session, effect.after, READ_ENTRIES_MAX] }, (result) => {
          this.event({ type: 'read', result: isReadResult(result) ? result : { type: 'failed' } })
        })
        return
      case 'fold':
        this.#fold(EMPTY_CONVERSATION, undefined)
        return
      case 'ask': {
        const { messageId } = effect.question
        this.#submit({ name: 'ask', args: [this.#options.session, effect.question] }, (result) => {
          this.event({ type: 'asked', messageId, result: isAskResult(result) ? result : { type: 'failed' } })
        })
        return
      }
      case 'stop':
        this.#submit({ name: 'stop', args: [this.#options.session, effect.turnId] }, () => undefined)
        return
      case 'send':
        this.#send(effect.frames)
        return
      case 'deliver':
        this.#send(effect.entries.map((entry) => ({ type: 'entry', entry })))
        return
      case 'show':
        this.#send([{ type: 'snapshot', head: effect.head, items: [...effect.items], earlier: effect.earlier }])
        return
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

  #open({ hello }: LinkEffect & { readonly type: 'open' }): void {
    const { session, device } = hello
    this.#submit({ name: 'findSession', args: [session] }, (found) => {
      if (!isSession(found)) return this.event({ type: 'opened', result: { type: 'failed' } })
      return this.#submit({ name: 'lastNumber', args: [session, device] }, (lastNumber) => {
        if (typeof lastNumber !== 'number') return this.event({ type: 'opened', result: { type: 'failed' } })
        const opened = { session, device, logId: found.logId, lastNumber, durability: 'fsync', level: 'full' } as const
        return this.event({ type: 'opened', result: { type: 'opened', opened } })
      })
    })
  }

  #fold(so: Conversation, cursor: Cursor | undefined): void {
    this.#submit({ name: 'read', args: [this.#options.session, cursor, READ_ENTRIES_MAX] }, (result) => {
      if (!isReadResult(result) || result.type !== 'entries') return this.event({ type: 'folded', result: { type: 'failed' } })
      const conversation = fold(result.entries, so)
      const { head, items } = conversation
      const { logId, settled } = result
      if (result.entries.length === READ_ENTRIES_MAX && head !== undefined) return this.#fold(conversation, { logId, ...head })
      return this.event({ type: 'folded', result: { type: 'folded', logId, head, settled, ...snapshotWindow(items) } })
    })
  }
}

type ReadResult = Extract<Result, { readonly type: 'entries' | 'fork' | 'gone' }>
type AskResult = Extract<LinkEvent, { readonly type: 'asked' }>['result']

const typeOf = (result: Result | undefined): unknown => (typeof result === 'object' && 'type' in result ? result.type : undefined)
const isReadResult = (result: Result | undefined): result is ReadResult => ['entries', 'fork', 'gone'].includes(String(typeOf(result)))
const isAskResult = (result: Result | undefined): result is Exclude<AskResult, { readonly type: 'rate' | 'failed' }> & Result =>
  ['accepted', 'conflict', 'order', 'overload', 'gone'].includes(String(typeOf(result)))
const isSession = (result: Result | undefined): result is Session => typeof result === 'object' && 'logId' in result && !('type' in result)
