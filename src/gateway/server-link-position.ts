/**
 * Where the browser's view stands on the log: on it, so that it is resumed, or not, so that it is shown anew. Pure.
 */
import { PING_INTERVAL_MS, RECONNECT_BASE_MS, RECONNECT_CAP_MS, SENDS_IN_FLIGHT_MAX } from '../conversation/limits.ts'
import type { ServerFrame } from '../protocol/protocol.ts'
import { IDLE, retrying, unsettledAt } from './server-link-delivery.ts'
import { goodbye, NONE, OVERLOAD_RETRY_MS, send, TRY_LATER_MS } from './server-link-effects.ts'
import type {
  FoldResult,
  Live,
  LinkContext,
  LinkEffect,
  LinkStep,
  LiveLink,
  OpenedSession,
  Opening,
  OpenResult,
  Positioning,
  ReadOutcome,
} from './server-link-state.ts'

/** Whose session it is, and whether there is room. */
export function onOpened(link: Opening, result: OpenResult): LinkStep {
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

/** Whether the cursor of a browser that comes back is on the log. */
export function onReadToResume(link: Positioning, result: ReadOutcome, ctx: LinkContext): LinkStep {
  switch (result.type) {
    case 'gone':
      return goodbye('sessionGone')
    case 'failed':
      return goodbye('storeUnavailable', TRY_LATER_MS)
    case 'fork':
      return [{ ...link, how: 'fork' }, [{ type: 'fold' }]]
    case 'entries':
      return goLive(link, result, ctx)
  }
}

/** The whole view, for a browser that has none or has another log's. */
export function show(link: Positioning | Live, result: FoldResult, ctx: LinkContext): LinkStep {
  switch (result.type) {
    case 'gone':
      return goodbye('sessionGone')
    case 'failed':
      return link.status === 'live'
        ? [{ ...link, delivery: retrying(link.delivery, 'folding', ctx) }, NONE]
        : goodbye('storeUnavailable', TRY_LATER_MS)
    case 'folded': {
      const { logId, head, settled, items, earlier } = result
      const opened: OpenedSession = { ...link.opened, logId }
      const how = link.status === 'live' ? 'fork' : link.how
      const cursor = head === undefined ? undefined : { logId, ...head }
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
        unsettled: unsettledAt(head?.seq ?? 0, settled, opened, ctx.now),
        pings,
        pingAt,
      }
      return [live, [...welcome(live, how, 0), { type: 'show', head, items, earlier }]]
    }
  }
}

function goLive(link: Positioning, position: ReadOutcome & { readonly type: 'entries' }, ctx: LinkContext): LinkStep {
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
    unsettled: unsettledAt(head?.seq ?? 0, settled, opened, ctx.now),
    pings: 0,
    pingAt: ctx.now + PING_INTERVAL_MS,
  }
  const deliver: readonly LinkEffect[] = entries.length > 0 ? [{ type: 'deliver', entries }] : NONE
  const [first] = entries
  const missed = first === undefined ? 0 : (head?.seq ?? 0) - first.seq + 1
  return [live, [...welcome(live, 'resumed', missed), ...deliver]]
}

function welcome(link: Live, how: 'resumed' | 'snapshot' | 'fork', missed: number): readonly LinkEffect[] {
  const { session, logId, durability, lastNumber, standing } = link.opened
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
    ...standing,
  }
  return [{ type: 'report', fact: { type: 'positioned', how, missed } }, send(frame)]
}
