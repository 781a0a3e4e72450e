/** One server link that is told what happens to it, with a log of five entries for it to stand on. */
import type { Durability } from '../conversation/durability.ts'
import type { Entry } from '../conversation/entry.ts'
import type { Cursor, DeviceId, EntryId, LogId, MessageId, SessionId, TurnId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX, SEND_BUFFER_PAUSE_BYTES } from '../conversation/limits.ts'
import { ALL_WORKS, type ClientFrame, type HelloFrame, type ServerFrame } from '../protocol/protocol.ts'
import type { AskedResult, LinkEffect, LinkEvent, OpenedSession, ServerLink } from '../gateway/server-link-state.ts'
import { initialServerLink, nextDeadline, step } from '../gateway/server-link.ts'

// oxlint-disable typescript/no-unsafe-type-assertion -- ids that can be read in a failing test
export const idOf = (seq: number): EntryId => seq.toString(16).padStart(24, '0') as EntryId
export const LOG = 'a'.repeat(24) as LogId
export const OTHER_LOG = 'b'.repeat(24) as LogId
export const SESSION = 'c'.repeat(32) as SessionId
export const DEVICE = 'd'.repeat(24) as DeviceId
export const TURN = 'e'.repeat(24) as TurnId
export const messageIdOf = (number: number): MessageId => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}` as MessageId
// oxlint-enable typescript/no-unsafe-type-assertion
export const cursorAt = (seq: number, logId = LOG): Cursor => ({ logId, seq, id: idOf(seq) })
export const entryAt = (seq: number): Entry => ({
  seq,
  id: idOf(seq),
  prev: seq === 1 ? undefined : idOf(seq - 1),
  at: 0,
  kind: 'stop-requested',
  turnId: TURN,
})

export const HELLO: HelloFrame = { type: 'hello', v: 1, session: SESSION, device: DEVICE, resume: undefined }
export const sendOf = (number: number, text = 'Why?'): ClientFrame => ({
  type: 'send',
  messageId: messageIdOf(number),
  number,
  text,
  inReplyTo: undefined,
})
export const heard = (...frames: readonly ClientFrame[]): LinkEvent => ({
  type: 'frames',
  frames: frames.map((frame) => ({ ok: true, frame })),
})
export const GARBAGE: LinkEvent = { type: 'frames', frames: [{ ok: false, problem: 'not JSON' }] }
const OPENED: OpenedSession = { session: SESSION, device: DEVICE, logId: LOG, lastNumber: 3, durability: 'fsync', standing: ALL_WORKS }
export const opened: LinkEvent = { type: 'opened', result: { type: 'opened', opened: OPENED } }
export const openedAs = (durability: Durability): LinkEvent => ({
  type: 'opened',
  result: { type: 'opened', opened: { ...OPENED, durability } },
})

/** The log up to `head`, read after `after`. */
export const read = (after: number, head: number, logId = LOG, settled = head): LinkEvent => ({
  type: 'read',
  result: {
    type: 'entries',
    logId,
    entries: Array.from({ length: Math.min(head - after, READ_ENTRIES_MAX) }, (_, index) => entryAt(after + 1 + index)),
    head: head === 0 ? undefined : { seq: head, id: idOf(head) },
    settled,
  },
})
export const readFailed: LinkEvent = { type: 'read', result: { type: 'failed' } }
export const readFork: LinkEvent = { type: 'read', result: { type: 'fork', logId: OTHER_LOG, head: undefined, settled: 0 } }
export const folded = (head: number, logId = LOG): LinkEvent => ({
  type: 'folded',
  result: { type: 'folded', logId, head: head === 0 ? undefined : { seq: head, id: idOf(head) }, settled: head, items: [], earlier: 0 },
})
export const foldFailed: LinkEvent = { type: 'folded', result: { type: 'failed' } }
export const asked = (number: number, result: AskedResult): LinkEvent => ({ type: 'asked', messageId: messageIdOf(number), result })
export const acceptedAt = (seq: number): AskedResult => ({
  type: 'accepted',
  cursor: cursorAt(seq),
  turnId: TURN,
  number: 1,
  duplicate: false,
})
export const TICK: LinkEvent = { type: 'tick' }

/** A link that is told what happens to it. */
export class ServerLinkPlay {
  link: ServerLink = initialServerLink(0)
  now = 0
  buffered = 0
  effects: readonly LinkEffect[] = []

  on(...events: readonly LinkEvent[]): this {
    for (const event of events) [this.link, this.effects] = step(this.link, event, { now: this.now, buffered: this.buffered })
    return this
  }

  /** Time passes; whatever falls due on the way is ticked. Gives every effect of it. */
  pass(ms: number): readonly LinkEffect[] {
    const until = this.now + ms
    const all: LinkEffect[] = []
    for (let ticks = 0; ticks < 10_000; ticks += 1) {
      const due = nextDeadline(this.link)
      if (due === undefined || due > until) {
        this.now = until
        return all
      }
      this.now = Math.max(this.now, due)
      all.push(...this.on(TICK).effects)
    }
    throw new Error('the link ticks without end')
  }

  get said(): readonly ServerFrame[] {
    return framesIn(this.effects)
  }
}

export const framesIn = (effects: readonly LinkEffect[]): readonly ServerFrame[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? effect.frames : []))
export const kindsOf = (effects: readonly LinkEffect[]): readonly string[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? effect.frames.map(({ type }) => type) : [effect.type]))
export const bye = (code: number, retry: 'never' | 'resume', afterMs = 0): readonly LinkEffect[] => [
  { type: 'send', frames: [{ type: 'bye', code, retry, afterMs }] },
  { type: 'close', code },
]

export const opening = (resume?: Cursor): ServerLinkPlay => new ServerLinkPlay().on(heard({ ...HELLO, resume }))
export const positioning = (resume?: Cursor): ServerLinkPlay => opening(resume).on(opened)
/** Live on a log of five entries, all of which the browser has. */
export const reading = (): ServerLinkPlay => positioning(cursorAt(5)).on(read(5, 5))
export const live = (): ServerLinkPlay => reading().on(read(5, 5))
export const folding = (): ServerLinkPlay => reading().on(readFork)
export const retrying = (): ServerLinkPlay => reading().on(readFailed)
export function paused(): ServerLinkPlay {
  const play = live()
  play.buffered = SEND_BUFFER_PAUSE_BYTES
  return play.on({ type: 'rung' })
}
