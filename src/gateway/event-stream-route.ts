/**
 * `GET /api/v1/sessions/{session}/events`: the event stream over HTTP. Holds a place among the live links while it lasts, and ends
 * when the reader leaves, when the server drains, and before a proxy would cut it.
 */
import { Readable } from 'node:stream'
import type { Request, ResponseObject, ResponseToolkit } from '@hapi/hapi'
import * as v from 'valibot'
import { isPageDevice, parseCursor, type Cursor, type DeviceId, type SessionId } from '../conversation/ids.ts'
import { EVENT_STREAM_BYTES_BUFFERED } from '../conversation/limits.ts'
import { referenceOf } from '../conversation/trace.ts'
import { failureBody, failureOf } from './error-replies.ts'
import { RateLimitError, RequestError, ValidationError } from './errors.ts'
import { eventStream, formatEvent } from './event-stream.ts'
import type { GatewayContext } from './gateway-context.ts'
import { takePlace, untilOver } from './held-response.ts'
import { checked } from './json-body.ts'
import { routeTemplate } from './routes.ts'

const RETRY_AFTER_MS = 5_000
const DRAINING_RETRY_MS = 1_000

/** Reaches the reader as it is written: no cache, no compression, no proxy that gathers it. */
const HEADERS = { 'cache-control': 'no-store', 'x-accel-buffering': 'no' } as const

const eventsQuery = v.strictObject({
  after: v.optional(v.string()),
  device: v.optional(v.pipe(v.string(), v.guard(isPageDevice, 'must be a device id'))),
})

export const followEvents =
  (context: GatewayContext) =>
  async (request: Request, h: ResponseToolkit): Promise<ResponseObject> => {
    const session = await context.sessions.find(context.visitorOf(request), String(request.params['session']))
    const query = checked({ ...request.query }, eventsQuery, 'query')
    const follow = { session: session.id, after: standingOf(request, query.after), device: query.device }
    const response = request.method === 'head' ? h.response() : h.response(openStream(context, request, follow))
    for (const [name, value] of Object.entries(HEADERS)) response.header(name, value)
    return response.type('text/event-stream')
  }

/** The browser's own `Last-Event-ID` is newer than what the address says. */
function standingOf(request: Request, after: string | undefined): Cursor | 'unknown' | undefined {
  const header: unknown = request.headers['last-event-id']
  if (typeof header === 'string' && header !== '') return parseCursor(header) ?? 'unknown'
  if (after === undefined) return undefined
  const cursor = parseCursor(after)
  if (cursor === undefined) throw new ValidationError([{ where: 'query.after', problem: 'must be a cursor' }])
  return cursor
}

interface Follow {
  readonly session: SessionId
  readonly after: Cursor | 'unknown' | undefined
  readonly device: DeviceId | undefined
}

/** The body of the answer. @throws RateLimitError | RequestError when there is no place for one more */
function openStream(context: GatewayContext, request: Request, follow: Follow): Readable {
  const { clock, events, drain } = context
  // A page has a link to come from, and comes again; any other reader would not, and its stream is ended a little later instead.
  if (follow.device !== undefined && drain.plan !== undefined) throw refusal(context, 'draining')
  const place = takePlace(context, request, follow.session)
  if (!place.ok) throw refusal(context, place.reason)
  const openedAt = clock.monotonic()
  events.linkOpened('sse')
  const { res } = request.raw
  const onClose = (): void => {
    place.release()
    events.linkClosed({ transport: 'sse', code: res.statusCode, heldMs: clock.monotonic() - openedAt })
  }
  const signal = untilOver(context, request, { isMovable: follow.device === undefined, onClose })
  const pieces = eventStream(context, {
    ...follow,
    signal,
    onPositioned: (outcome, missed) => events.linkResumed({ outcome, missed }),
  })
  return Readable.from(orFailed(pieces, context, request), { objectMode: false, highWaterMark: EVENT_STREAM_BYTES_BUFFERED })
}

function refusal({ events }: GatewayContext, reason: 'capacity' | 'rate' | 'draining'): Error {
  events.linkRefused({ transport: 'sse', reason })
  if (reason === 'rate') return new RateLimitError(RETRY_AFTER_MS)
  const retryAfterMs = reason === 'draining' ? DRAINING_RETRY_MS : RETRY_AFTER_MS
  return new RequestError(503, 'OVERLOADED', { headers: { 'retry-after': String(retryAfterMs / 1000) } })
}

/** The headers are gone by the time that a stream fails, so the failure is its last event. */
async function* orFailed(
  pieces: AsyncGenerator<string, void, void>,
  context: GatewayContext,
  request: Request,
): AsyncGenerator<string, void, void> {
  try {
    yield* pieces
  } catch (cause) {
    const failure = failureOf(cause, 500)
    const trace = context.traceOf(request)
    const reference = referenceOf(trace)
    context.events.requestFailed({ method: 'GET', route: routeTemplate(request), status: failure.status, reference, trace, cause })
    const code = failure.code === 'INTERNAL_ERROR' ? 'UNKNOWN_ERROR' : failure.code
    yield formatEvent('failed', failureBody({ ...failure, code }, reference))
  }
}
