/**
 * The server's end of one browser's live link: a cursor on the log, and what is said in both directions. Pure.
 *
 * States:
 * - `awaiting-hello` only a hello counts, and it must come in time.
 * - `opening`        whose session it is, and whether there is room, is being found out.
 * - `positioning`    where the browser's view stands on the log: resumed, forked or to be shown anew.
 * - `live`           the log is followed by pull: a bell only says that reading is worth while, and a slow reader is not read for.
 * - `closed`         final.
 *
 * Durable before visible: `accepted` follows the log's own answer, and what is delivered was read from the log.
 */
import { checkQuestion } from '../conversation/question-text.ts'
import { SERVER_DEVICE, type MessageId } from '../conversation/ids.ts'
import type { Entry } from '../conversation/entry.ts'
import {
  FRAME_STRIKES_MAX,
  FRAMES_BURST_MAX,
  FRAMES_PER_MINUTE_MAX,
  HELLO_TIMEOUT_MS,
  LINK_SILENCE_MAX_MS,
  PING_INTERVAL_MS,
  READ_ENTRIES_MAX,
  RECONNECT_BASE_MS,
  RECONNECT_CAP_MS,
  SEND_BUFFER_CHECK_MS,
  SEND_BUFFER_PAUSE_BYTES,
  SENDS_IN_FLIGHT_MAX,
  SLOW_READER_MAX_MS,
} from '../conversation/limits.ts'
import { CLOSE_CODES, mayReconnect, type CloseReason } from '../protocol/close-codes.ts'
import { PROTOCOL_VERSION, type ClientFrame, type SendFrame, type ServerFrame } from '../protocol/protocol.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import { takeToken } from './admission.ts'
import type {
  AskedResult,
  Delivery,
  FoldResult,
  LinkContext,
  LinkEffect,
  LinkEvent,
  LinkStep,
  LiveLink,
  OpenedSession,
  OpenResult,
  ServerLink,
} from './server-link-state.ts'

type Live = ServerLink & { readonly status: 'live' }
type Open = Exclude<ServerLink, { readonly status: 'closed' }>
const NONE: readonly LinkEffect[] = []
const IDLE: Delivery = { status: 'idle' }
const STORE_RETRY_MS = 250
const STORE_RETRY_MAX_MS = 5_000
const TRY_LATER_MS = 1_000
const OVERLOAD_RETRY_MS = 5_000

/** A link whose socket has just opened. */
export const initialServerLink = (now: number): ServerLink => ({
  status: 'awaiting-hello',
  helloBy: now + HELLO_TIMEOUT_MS,
  heardAt: now,
  frames: undefined,
  strikes: 0,
})

/** The link after `event`, and what is to be done about it. Total; the same link when the event means nothing. */
export function step(link: ServerLink, event: LinkEvent, ctx: LinkContext): LinkStep {
  if (link.status === 'closed') return [link, NONE]
  const [next, effects] = react(link, event, ctx)
  return next.status === 'live' ? pull(next, effects, ctx) : [next, effects]
}

/** When the link next needs a `tick`, monotonic. */
export function nextDeadline(link: ServerLink): number | undefined {
  switch (link.status) {
    case 'closed':
      return undefined
    case 'awaiting-hello':
      return link.helloBy
    case 'opening':
    case 'positioning':
      return link.heardAt + LINK_SILENCE_MAX_MS
    case 'live':
      return Math.min(link.heardAt + LINK_SILENCE_MAX_MS, link.pingAt, deliveryDeadline(link.delivery))
  }
}

function deliveryDeadline(delivery: Delivery): number {
  switch (delivery.status) {
    case 'idle':
    case 'reading':
    case 'folding':
      return Number.POSITIVE_INFINITY
    case 'paused':
      return delivery.checkAt
    case 'retrying':
      return delivery.at
  }
}

function react(link: Open, event: LinkEvent, ctx: LinkContext): LinkStep {
  switch (event.type) {
    case 'frames':
      return onFrames({ ...link, heardAt: ctx.now }, event.frames, ctx)
    case 'opened':
      return link.status === 'opening' ? onOpened(link, event.result) : [link, NONE]
    case 'read':
      return onRead(link, event.result, ctx)
    case 'folded':
      return onFolded(link, event.result, ctx)
    case 'asked':
      return link.status === 'live' ? onAsked(link, event.messageId, event.result) : [link, NONE]
    case 'rung':
      return link.status === 'live' && !link.isDirty ? [{ ...link, isDirty: true }, NONE] : [link, NONE]
    case 'level':
      return onLevel(link, event.level)
    case 'drain':
      return link.status === 'live'
        ? [link, [send({ type: 'drain', afterMs: event.afterMs, windowMs: event.windowMs, deadlineMs: event.deadlineMs })]]
        : [link, NONE]
    case 'end':
      return goodbye(event.reason, event.afterMs)
    case 'closed':
      return [{ status: 'closed' }, NONE]
    case 'tick':
      return onTick(link, ctx)
  }
}

const send = (...frames: readonly ServerFrame[]): LinkEffect => ({ type: 'send', frames })

function goodbye(reason: CloseReason, afterMs = 0): LinkStep {
  const code = CLOSE_CODES[reason]
  const retry = mayReconnect(code) ? 'resume' : 'never'
  return [{ status: 'closed' }, [send({ type: 'bye', code, retry, afterMs }), { type: 'close', code }]]
}

// ── what the browser says ────────────────────────────────────────────────────

function onFrames(link: Open, frames: readonly Parsed<ClientFrame>[], ctx: LinkContext): LinkStep {
  let next: ServerLink = link
  const all: LinkEffect[] = []
  for (const parsed of frames) {
    if (next.status === 'closed') break
    const [after, effects]: LinkStep = onParsed(next, parsed, ctx)
    all.push(...effects)
    next = after
  }
  return [next, all]
}

function onParsed(link: Open, parsed: Parsed<ClientFrame>, ctx: LinkContext): LinkStep {
  const { bucket, verdict } = takeToken(link.frames, FRAMES_PER_MINUTE_MAX, ctx.now)
  const counted: Open = { ...link, frames: { ...bucket, tokens: Math.min(bucket.tokens, FRAMES_BURST_MAX) } }
  if (!verdict.ok) return refused('too many frames', goodbye('flood'))
  if (parsed.ok) return onFrame(counted, parsed.frame)
  const strikes = link.strikes + 1
  if (strikes >= FRAME_STRIKES_MAX) return refused(parsed.problem, goodbye('protocol'))
  return refused(parsed.problem, [{ ...counted, strikes }, NONE])
}

const refused = (problem: string, [link, effects]: LinkStep): LinkStep => [
  link,
  [{ type: 'report', fact: { type: 'frame-refused', problem } }, ...effects],
]

function onFrame(link: Open, frame: ClientFrame): LinkStep {
  switch (frame.type) {
    case 'hello': {
      if (link.status !== 'awaiting-hello') return refused('a second hello', goodbye('protocol'))
      if (frame.v !== PROTOCOL_VERSION) return goodbye('version')
      // The server's own device numbers its questions at append; a browser that took its name could not.
      if (frame.device === SERVER_DEVICE) return refused('device: expected a device of its own', goodbye('protocol'))
      const { heardAt, frames, strikes } = link
      return [{ status: 'opening', hello: frame, heardAt, frames, strikes }, [{ type: 'open', hello: frame }]]
    }
    case 'send':
      return link.status === 'live' ? onSend(link, frame) : outOfTurn(link)
    case 'stop':
      return link.status === 'live' ? [link, [{ type: 'stop', turnId: frame.turnId }]] : outOfTurn(link)
    case 'probe':
      return link.status === 'live' ? ping(link) : outOfTurn(link)
    case 'pong':
      return link.status === 'awaiting-hello' ? outOfTurn(link) : [link, NONE]
  }
}

/** Nothing but a hello may come first; what comes while it is being answered was sent too early. */
const outOfTurn = (link: Open): LinkStep =>
  refused(link.status === 'awaiting-hello' ? 'a frame before hello' : 'a frame before welcome', goodbye('protocol'))

function onSend(link: Live, frame: SendFrame): LinkStep {
  const { messageId, number, inReplyTo } = frame
  const checked = checkQuestion(frame.text)
  if (!checked.ok) return refuseQuestion(link, { messageId, code: 'invalid', temporary: false }, checked.problem)
  if (link.asking >= SENDS_IN_FLIGHT_MAX) {
    return refuseQuestion(link, { messageId, code: 'overload', temporary: true, retryAfterMs: TRY_LATER_MS }, 'in flight')
  }
  const question = { messageId, device: link.opened.device, number, text: checked.text, inReplyTo }
  return [{ ...link, asking: link.asking + 1 }, [{ type: 'ask', question }]]
}

type Refusal = Omit<ServerFrame & { readonly type: 'rejected' }, 'type' | 'retryAfterMs' | 'expectedNumber'> & {
  readonly retryAfterMs?: number
  readonly expectedNumber?: number
}

const refuseQuestion = (link: Live, refusal: Refusal, reason: string): LinkStep => [
  link,
  [
    { type: 'report', fact: { type: 'question-refused', reason } },
    send({ type: 'rejected', retryAfterMs: undefined, expectedNumber: undefined, ...refusal }),
  ],
]

function onAsked(before: Live, messageId: MessageId, result: AskedResult): LinkStep {
  const link: Live = { ...before, asking: Math.max(0, before.asking - 1) }
  switch (result.type) {
    case 'accepted': {
      const { number, duplicate, cursor } = result
      return [{ ...link, isDirty: true }, [send({ type: 'accepted', messageId, number, seq: cursor.seq, duplicate })]]
    }
    case 'conflict':
      return refuseQuestion(link, { messageId, code: 'conflict', temporary: false }, 'conflict')
    case 'order':
      return refuseQuestion(link, { messageId, code: 'order', temporary: true, expectedNumber: result.expected }, 'order')
    case 'overload':
      return refuseQuestion(link, { messageId, code: 'overload', temporary: true, retryAfterMs: OVERLOAD_RETRY_MS }, 'overload')
    case 'rate':
      return refuseQuestion(link, { messageId, code: 'rate', temporary: true, retryAfterMs: result.retryAfterMs }, 'rate')
    case 'failed':
      return refuseQuestion(link, { messageId, code: 'unavailable', temporary: true, retryAfterMs: TRY_LATER_MS }, 'unavailable')
    case 'gone': {
      const [, refusal] = refuseQuestion(link, { messageId, code: 'closed', temporary: false }, 'gone')
      const [closed, effects] = goodbye('sessionGone')
      return [closed, [...refusal, ...effects]]
    }
  }
}

// ── where the browser stands ─────────────────────────────────────────────────

function onOpened(link: ServerLink & { readonly status: 'opening' }, result: OpenResult): LinkStep {
  switch (result.type) {
    case 'gone':
      return goodbye('sessionGone')
    case 'full':
      return goodbye('overload', OVERLOAD_RETRY_MS)
    case 'failed':
      return goodbye('storeUnavailable', TRY_LATER_MS)
    case 'opened': {
      const { hello, heardAt, frames, strikes } = link
      const { opened } = result
      const resume = hello.resume
      const how = resume === undefined ? 'snapshot' : 'resumed'
      return [
        { status: 'positioning', opened, how, heardAt, frames, strikes },
        [resume === undefined ? { type: 'fold' } : { type: 'read', after: resume }],
      ]
    }
  }
}

function onRead(link: Open, result: Extract<LinkEvent, { type: 'read' }>['result'], ctx: LinkContext): LinkStep {
  if (link.status !== 'positioning' && link.status !== 'live') return [link, NONE]
  switch (result.type) {
    case 'gone':
      return goodbye('sessionGone')
    case 'failed':
      return link.status === 'live'
        ? [{ ...link, delivery: retrying(link.delivery, 'reading', ctx) }, NONE]
        : goodbye('storeUnavailable', TRY_LATER_MS)
    case 'fork':
      if (link.status === 'positioning') return [{ ...link, how: 'fork' }, [{ type: 'fold' }]]
      return [{ ...link, delivery: { status: 'folding', failures: 0 } }, [{ type: 'fold' }]]
    case 'entries': {
      const { entries, head, settled, logId } = result
      const last = entries.at(-1)
      if (link.status === 'live') {
        const cursor = last === undefined ? link.cursor : { logId, seq: last.seq, id: last.id }
        const moved: Live = { ...link, delivery: IDLE, cursor, head, settled, isDirty: link.isDirty || entries.length === READ_ENTRIES_MAX }
        return [moved, entries.length > 0 ? [{ type: 'deliver', entries }] : NONE]
      }
      return goLive(link, { logId, head, settled, entries }, ctx)
    }
  }
}

function onFolded(link: Open, result: FoldResult, ctx: LinkContext): LinkStep {
  if (link.status !== 'positioning' && link.status !== 'live') return [link, NONE]
  switch (result.type) {
    case 'gone':
      return goodbye('sessionGone')
    case 'failed':
      return link.status === 'live'
        ? [{ ...link, delivery: retrying(link.delivery, 'folding', ctx) }, NONE]
        : goodbye('storeUnavailable', TRY_LATER_MS)
    case 'folded': {
      const { logId, head, items, earlier } = result
      const opened: OpenedSession = { ...link.opened, logId }
      const how = link.status === 'live' ? 'fork' : link.how
      const cursor = head === undefined ? undefined : { logId, ...head }
      const settled = opened.durability === 'fsync' ? (head?.seq ?? 0) : 0
      const base: Pick<LiveLink, 'asking' | 'pings' | 'pingAt'> =
        link.status === 'live' ? link : { asking: 0, pings: 0, pingAt: ctx.now + PING_INTERVAL_MS }
      const { heardAt, frames, strikes } = link
      const { asking, pings, pingAt } = base
      const live: Live = {
        status: 'live',
        heardAt,
        frames,
        strikes,
        opened,
        cursor,
        head,
        settled,
        delivery: IDLE,
        isDirty: true,
        asking,
        pings,
        pingAt,
      }
      return [live, [...welcome(live, how), { type: 'show', head, items, earlier }]]
    }
  }
}

interface Position {
  readonly logId: OpenedSession['logId']
  readonly head: LiveLink['head']
  readonly settled: number
  readonly entries: readonly Entry[]
}

function goLive(link: ServerLink & { readonly status: 'positioning' }, position: Position, ctx: LinkContext): LinkStep {
  const { heardAt, frames, strikes, opened } = link
  const { logId, head, settled, entries } = position
  const last = entries.at(-1) ?? head
  const live: Live = {
    status: 'live',
    heardAt,
    frames,
    strikes,
    opened,
    cursor: last === undefined ? undefined : { logId, seq: last.seq, id: last.id },
    head,
    settled,
    delivery: IDLE,
    // What was appended while the link was being opened rang for nobody.
    isDirty: true,
    asking: 0,
    pings: 0,
    pingAt: ctx.now + PING_INTERVAL_MS,
  }
  const deliver: readonly LinkEffect[] = entries.length > 0 ? [{ type: 'deliver', entries }] : NONE
  return [live, [...welcome(live, 'resumed'), ...deliver]]
}

function welcome(link: Live, how: 'resumed' | 'snapshot' | 'fork'): readonly LinkEffect[] {
  const { session, logId, durability, lastNumber, level } = link.opened
  const frame: ServerFrame = {
    type: 'welcome',
    session,
    logId,
    head: link.head,
    outcome: how,
    durability,
    settled: link.settled,
    lastNumber,
    pingMs: PING_INTERVAL_MS,
    maxInFlight: SENDS_IN_FLIGHT_MAX,
    reconnect: { baseMs: RECONNECT_BASE_MS, capMs: RECONNECT_CAP_MS },
    level,
  }
  return [{ type: 'report', fact: { type: 'positioned', how } }, send(frame)]
}

// ── following the log ────────────────────────────────────────────────────────

/** Reads on when there may be something and the browser can take it. */
function pull(link: Live, effects: readonly LinkEffect[], ctx: LinkContext): LinkStep {
  if (link.delivery.status !== 'idle' || !link.isDirty) return [link, effects]
  if (ctx.buffered >= SEND_BUFFER_PAUSE_BYTES) {
    const paused: Delivery = { status: 'paused', since: ctx.now, buffered: ctx.buffered, checkAt: ctx.now + SEND_BUFFER_CHECK_MS }
    return [{ ...link, delivery: paused }, effects]
  }
  return [{ ...link, isDirty: false, delivery: { status: 'reading', failures: 0 } }, [...effects, { type: 'read', after: link.cursor }]]
}

function retrying(delivery: Delivery, what: 'reading' | 'folding', ctx: LinkContext): Delivery {
  const failures = ('failures' in delivery ? delivery.failures : 0) + 1
  return { status: 'retrying', failures, at: ctx.now + Math.min(STORE_RETRY_MAX_MS, STORE_RETRY_MS * 2 ** (failures - 1)), what }
}

function onTick(link: Open, ctx: LinkContext): LinkStep {
  if (link.status === 'awaiting-hello') return link.helloBy <= ctx.now ? goodbye('silent') : [link, NONE]
  if (link.heardAt + LINK_SILENCE_MAX_MS <= ctx.now) return goodbye('silent')
  if (link.status !== 'live') return [link, NONE]
  const { delivery } = link
  if (delivery.status === 'paused' && delivery.checkAt <= ctx.now) return onPaused(link, delivery, ctx)
  if (delivery.status === 'retrying' && delivery.at <= ctx.now) {
    const { what, failures } = delivery
    const effect: LinkEffect = what === 'reading' ? { type: 'read', after: link.cursor } : { type: 'fold' }
    return [{ ...link, delivery: { status: what, failures } }, [effect]]
  }
  if (link.pingAt > ctx.now) return [link, NONE]
  // Looking at the log with every ping finds what a missed bell did not say.
  const [pinged, effects] = ping({ ...link, pingAt: ctx.now + PING_INTERVAL_MS, isDirty: true })
  return [pinged, effects]
}

function ping(link: Live): LinkStep {
  const n = link.pings + 1
  return [{ ...link, pings: n }, [send({ type: 'ping', n, head: link.head, settled: link.settled })]]
}

function onPaused(link: Live, delivery: Delivery & { readonly status: 'paused' }, ctx: LinkContext): LinkStep {
  if (ctx.buffered < SEND_BUFFER_PAUSE_BYTES) return [{ ...link, delivery: IDLE }, NONE]
  const checkAt = ctx.now + SEND_BUFFER_CHECK_MS
  if (ctx.buffered < delivery.buffered)
    return [{ ...link, delivery: { status: 'paused', since: ctx.now, buffered: ctx.buffered, checkAt } }, NONE]
  if (ctx.now - delivery.since >= SLOW_READER_MAX_MS) return goodbye('slow')
  return [{ ...link, delivery: { ...delivery, checkAt } }, NONE]
}

function onLevel(link: Open, level: OpenedSession['level']): LinkStep {
  if (link.status !== 'live' && link.status !== 'positioning') return [link, NONE]
  if (link.opened.level === level) return [link, NONE]
  const opened = { ...link.opened, level }
  if (link.status === 'positioning') return [{ ...link, opened }, NONE]
  return [{ ...link, opened }, [send({ type: 'level', level, retryAfterMs: undefined })]]
}
