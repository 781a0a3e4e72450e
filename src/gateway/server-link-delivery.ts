/**
 * Following the log for a browser that is live: one read at a time, from the link's own cursor, while the browser takes what it is
 * given. Pure.
 */
import {
  PING_INTERVAL_MS,
  READ_ENTRIES_MAX,
  SEND_BUFFER_CHECK_MS,
  SEND_BUFFER_PAUSE_BYTES,
  SETTLED_LOOK_MS,
  SLOW_READER_MAX_MS,
} from '../conversation/limits.ts'
import { goodbye, NONE, send } from './server-link-effects.ts'
import type { Delivery, Live, LinkContext, LinkEffect, LinkStep, OpenedSession, ReadOutcome, Unsettled } from './server-link-state.ts'

const STORE_RETRY_MS = 250
const STORE_RETRY_MAX_MS = 5_000

export const IDLE: Delivery = { status: 'idle' }

/** What the log has after the link's cursor. */
export function onReadLive(link: Live, result: ReadOutcome, ctx: LinkContext): LinkStep {
  switch (result.type) {
    case 'gone':
      return goodbye('sessionGone')
    case 'failed':
      return [{ ...link, delivery: retrying(link.delivery, 'reading', ctx) }, NONE]
    case 'fork':
      return [{ ...link, delivery: { status: 'folding', failures: 0 } }, [{ type: 'fold' }]]
    case 'entries': {
      const { entries, head, settled, logId } = result
      const last = entries.at(-1)
      const cursor = last === undefined ? link.cursor : { logId, seq: last.seq, id: last.id }
      const isDirty = link.isDirty || entries.length === READ_ENTRIES_MAX
      const deliver: readonly LinkEffect[] = entries.length > 0 ? [{ type: 'deliver', entries }] : NONE
      const read: Live = { ...link, delivery: IDLE, cursor, head, settled, isDirty }
      if (link.unsettled === undefined || settled < link.unsettled.seq) return [read, deliver]
      return [{ ...read, pings: link.pings + 1, unsettled: undefined }, [...deliver, pingOf(read)]]
    }
  }
}

/** Reads on when there may be something and the browser can take it. */
export function pull(link: Live, effects: readonly LinkEffect[], ctx: LinkContext): LinkStep {
  if (link.delivery.status !== 'idle' || !link.isDirty) return [link, effects]
  if (ctx.buffered >= SEND_BUFFER_PAUSE_BYTES) {
    const paused: Delivery = { status: 'paused', since: ctx.now, buffered: ctx.buffered, checkAt: ctx.now + SEND_BUFFER_CHECK_MS }
    return [{ ...link, delivery: paused }, effects]
  }
  return [{ ...link, isDirty: false, delivery: { status: 'reading', failures: 0 } }, [...effects, { type: 'read', after: link.cursor }]]
}

/** The store failed: the same again after a growing pause. */
export function retrying(delivery: Delivery, what: 'reading' | 'folding', ctx: LinkContext): Delivery {
  const failures = ('failures' in delivery ? delivery.failures : 0) + 1
  return { status: 'retrying', failures, at: ctx.now + Math.min(STORE_RETRY_MAX_MS, STORE_RETRY_MS * 2 ** (failures - 1)), what }
}

/** A heartbeat that says where the log stood; looking at it with each finds what a missed bell did not say. */
export const ping = (link: Live): LinkStep => [{ ...link, pings: link.pings + 1, isDirty: true }, [pingOf(link)]]

const pingOf = ({ pings, head, settled }: Live): LinkEffect => send({ type: 'ping', n: pings + 1, head, settled })

/** What is to be looked for after the log took entries up to `seq`, where acceptance alone is no promise. */
export function unsettledAt(seq: number, settled: number, { durability }: OpenedSession, now: number): Unsettled | undefined {
  const willSettle = durability === 'replicated' || durability === 'best-effort'
  return willSettle && seq > settled ? { seq, lookAt: now + SETTLED_LOOK_MS, waitMs: SETTLED_LOOK_MS } : undefined
}

/** Reads again, to see whether it is settled now. */
export function lookForSettled(link: Live, { seq, waitMs }: Unsettled, ctx: LinkContext): LinkStep {
  const next = Math.min(PING_INTERVAL_MS, waitMs * 2)
  return [{ ...link, isDirty: true, unsettled: { seq, lookAt: ctx.now + next, waitMs: next } }, NONE]
}

/** Looks at a slow reader again. */
export function onPaused(link: Live, delivery: Delivery & { readonly status: 'paused' }, ctx: LinkContext): LinkStep {
  if (ctx.buffered < SEND_BUFFER_PAUSE_BYTES) return [{ ...link, delivery: IDLE }, NONE]
  const isMoving = ctx.buffered < delivery.buffered
  const since = isMoving ? ctx.now : delivery.since
  if (ctx.now - since >= SLOW_READER_MAX_MS) return goodbye('slow')
  const checkAt = ctx.now + SEND_BUFFER_CHECK_MS
  // Our pings wait behind what it has not taken yet, and so do its answers: whoever takes bytes is there.
  const heardAt = isMoving ? ctx.now : link.heardAt
  return [{ ...link, heardAt, delivery: { status: 'paused', since, buffered: ctx.buffered, checkAt } }, NONE]
}
