/**
 * What the browser says over the live link, and what it is answered: frames are counted and judged, questions go to the log. Pure.
 *
 * Nothing is answered `accepted` but by the log itself.
 */
import { SERVER_DEVICE, type MessageId } from '../conversation/ids.ts'
import { FRAME_STRIKES_MAX, FRAMES_BURST_MAX, FRAMES_PER_MINUTE_MAX, SENDS_IN_FLIGHT_MAX } from '../conversation/limits.ts'
import { parseTraceparent } from '../conversation/trace.ts'
import { checkQuestion } from '../conversation/question-text.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import { PROTOCOL_VERSION, type ClientFrame, type SendFrame, type ServerFrame } from '../protocol/protocol.ts'
import { takeToken } from '../resilience/token-bucket.ts'
import { ping, unsettledAt } from './server-link-delivery.ts'
import { goodbye, NONE, OVERLOAD_RETRY_MS, send, SWITCHED_OFF_RETRY_MS, TRY_LATER_MS } from './server-link-effects.ts'
import type { AskedResult, Live, LinkContext, LinkEffect, LinkStep, Open, ServerLink } from './server-link-state.ts'

/** The frames of one WebSocket message, in order; what follows a goodbye is not heard. */
export function onFrames(link: Open, frames: readonly Parsed<ClientFrame>[], ctx: LinkContext): LinkStep {
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
  const { bucket, verdict } = takeToken(link.frames, FRAMES_PER_MINUTE_MAX, ctx.now, FRAMES_BURST_MAX)
  const counted: Open = { ...link, frames: bucket }
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
  return [{ ...link, asking: link.asking + 1 }, [{ type: 'ask', question, from: parseTraceparent(frame.traceparent) }]]
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

/** What the log said to a question. */
export function onAsked(before: Live, messageId: MessageId, result: AskedResult, ctx: LinkContext): LinkStep {
  const link: Live = { ...before, asking: Math.max(0, before.asking - 1) }
  switch (result.type) {
    case 'accepted': {
      const { number, duplicate, cursor } = result
      // The log is known to reach there: a heartbeat that said less would make the browser doubt it.
      const head = cursor.seq > (link.head?.seq ?? 0) ? { seq: cursor.seq, id: cursor.id } : link.head
      const seq = Math.max(cursor.seq, link.unsettled?.seq ?? 0)
      const unsettled = unsettledAt(seq, link.settled, link.opened, ctx.now)
      return [{ ...link, head, unsettled, isDirty: true }, [send({ type: 'accepted', messageId, number, seq: cursor.seq, duplicate })]]
    }
    case 'conflict':
      return refuseQuestion(link, { messageId, code: 'conflict', temporary: false }, 'conflict')
    case 'order':
      return refuseQuestion(link, { messageId, code: 'order', temporary: true, expectedNumber: result.expected }, 'order')
    case 'overload':
      return refuseQuestion(link, { messageId, code: 'overload', temporary: true, retryAfterMs: OVERLOAD_RETRY_MS }, 'overload')
    case 'rate':
      return refuseQuestion(link, { messageId, code: 'rate', temporary: true, retryAfterMs: result.retryAfterMs }, 'rate')
    case 'switched-off':
      return refuseQuestion(link, { messageId, code: 'unavailable', temporary: true, retryAfterMs: SWITCHED_OFF_RETRY_MS }, 'switched off')
    case 'personal':
      return refuseQuestion(link, { messageId, code: 'invalid', temporary: false }, 'personal information')
    case 'failed':
      return refuseQuestion(link, { messageId, code: 'unavailable', temporary: true, retryAfterMs: TRY_LATER_MS }, 'unavailable')
    case 'gone': {
      const [, refusal] = refuseQuestion(link, { messageId, code: 'closed', temporary: false }, 'gone')
      const [closed, effects] = goodbye('sessionGone')
      return [closed, [...refusal, ...effects]]
    }
  }
}
