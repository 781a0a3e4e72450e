/**
 * Which trace each request belongs to, and how long it took.
 *
 * A caller may name its trace (`traceparent`, or the platform's `x-cdp-request-id`); what has not exactly the form is as if it were
 * not there. Every answer says under which `x-request-id` it is in the log.
 */
import type { Request, Server } from '@hapi/hapi'
import type { RandomBytes } from '../conversation/ids.ts'
import { mintSpanId, mintTrace, parseTraceparent, type Trace } from '../conversation/trace.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Events, RequestTrace } from '../telemetry/events.ts'
import { routeTemplate } from './routes.ts'
import type { Scope } from './scope.ts'

export interface RequestTraceOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly randomBytes: RandomBytes
  readonly events: Pick<Events, 'requestServed'>
}

/** A request id that says nothing about anybody: 32 hexadecimal digits, or a UUID. */
const REQUEST_ID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/

/** Adds the header to every answer of ours and times each; returns the trace of a request. */
export function registerRequestTraces(
  server: Server,
  scope: Scope,
  { clock, randomBytes, events }: RequestTraceOptions,
): (request: Request) => RequestTrace {
  const begun = new WeakMap<Request, Begun>()
  const begin = (request: Request): Begun => {
    const known = begun.get(request)
    if (known !== undefined) return known
    const begins = { trace: traceOf(request.headers, randomBytes), at: clock.monotonic() }
    begun.set(request, begins)
    request.raw.res.setHeader('x-request-id', begins.trace.requestId)
    return begins
  }
  scope.onBegin((request, h) => {
    begin(request)
    return h.continue
  })
  server.events.on('response', (request) => {
    const at = begun.get(request)?.at
    const { response } = request
    if (at === undefined || typeof response === 'symbol') return
    const status = 'isBoom' in response ? response.output.statusCode : response.statusCode
    const method = request.route.method.toUpperCase()
    events.requestServed({ method, route: routeTemplate(request), status, tookMs: clock.monotonic() - at })
  })
  // One that is nonsense may be answered before it was received.
  return (request) => begin(request).trace
}

interface Begun {
  readonly trace: RequestTrace
  readonly at: number
}

function traceOf(headers: Readonly<Record<string, unknown>>, randomBytes: RandomBytes): RequestTrace {
  const given = headers['x-cdp-request-id']
  const id = typeof given === 'string' && REQUEST_ID.test(given.toLowerCase()) ? given.toLowerCase() : undefined
  const trace = parseTraceparent(headers['traceparent']) ?? traceOfId(id)
  const { traceId, spanId } = trace === undefined ? mintTrace(randomBytes) : { traceId: trace.traceId, spanId: mintSpanId(randomBytes) }
  return { traceId, spanId, requestId: id ?? traceId }
}

/** The platform's id has the form of a trace id, once the hyphens are taken out. */
const traceOfId = (id: string | undefined): Pick<Trace, 'traceId'> | undefined =>
  id === undefined ? undefined : parseTraceparent(`00-${id.replaceAll('-', '')}-${'1'.repeat(16)}-00`)
