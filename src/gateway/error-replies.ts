/**
 * What a failed request is answered with: JSON for the API, a page for people, the same facts in both.
 *
 * Nothing internal leaves: only codes and words of the tables here, what was wrong with the input, and a reference that finds
 * the cause in the log. Every failed request is reported once.
 */
import type { Lifecycle, Request, ResponseObject, ResponseToolkit, Server } from '@hapi/hapi'
import { ChatServiceError } from '../chat-service-error.ts'
import { referenceOf } from '../conversation/trace.ts'
import { retryAfterOf } from '../resilience/retry-after.ts'
import type { Events, RequestTrace } from '../telemetry/events.ts'
import { MessageOrderError, RequestError, ValidationError, type InputFault } from './errors.ts'
import { messageFor, OFFLINE_NOTICE, titleFor } from './error-words.ts'
import { formField } from './forgery.ts'
import { FORM_FIELDS } from './form-fields.ts'
import type { ErrorPage, RenderErrorPage } from './gateway-context.ts'
import { isApiRequest, isUnknownRoute, otherMethods, routeTemplate } from './routes.ts'

/** A failure as others may see it. */
export interface Failure {
  readonly status: number
  readonly code: string
  readonly isRetryable: boolean
  readonly faults: readonly InputFault[]
  readonly expectedNumber?: number
  readonly retryAfterMs: number | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** When to come back after a 503, in milliseconds. */
const UNAVAILABLE_RETRY_AFTER_MS = 5_000

/** hapi's own refusals, by status. Everything else that is not ours is `INTERNAL_ERROR`. */
const HTTP_CODES: Readonly<Record<number, string>> = {
  400: 'VALIDATION_ERROR',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'RATE_LIMITED',
  503: 'OVERLOADED',
}

/** What may be said about `error`; `httpStatus` is hapi's word for it, used when the error is not one of ours. */
export function failureOf(error: unknown, httpStatus: number): Failure {
  if (error instanceof ChatServiceError) {
    return {
      status: error.statusCode,
      code: error.code,
      isRetryable: error.isRetryable,
      faults: error instanceof ValidationError ? error.faults : [],
      ...(error instanceof MessageOrderError && { expectedNumber: error.expectedNumber }),
      retryAfterMs: retryAfterMsOf(error),
      headers: error instanceof RequestError ? error.headers : {},
    }
  }
  const code = HTTP_CODES[httpStatus]
  const status = code === undefined ? 500 : httpStatus
  const isRetryable = status === 408 || status === 503 || status === 500
  return {
    status,
    code: code ?? 'INTERNAL_ERROR',
    isRetryable,
    faults: status === 400 ? [{ where: 'request', problem: 'must be well-formed HTTP with a valid path, query and headers' }] : [],
    retryAfterMs: status === 503 ? UNAVAILABLE_RETRY_AFTER_MS : undefined,
    headers: {},
  }
}

function retryAfterMsOf(error: ChatServiceError): number | undefined {
  return retryAfterOf(error) ?? (error.statusCode === 503 && error.isRetryable ? UNAVAILABLE_RETRY_AFTER_MS : undefined)
}

/** The API's body for a failure. While the store is away it is also the API's answer "offline". */
export function failureBody({ code, isRetryable, faults, expectedNumber }: Failure, reference: string): object {
  const error = {
    code,
    message: messageFor(code),
    isRetryable,
    ...(faults.length > 0 ? { details: faults } : {}),
    ...(expectedNumber === undefined ? {} : { details: { expectedNumber } }),
    reference,
  }
  return code === 'STORE_UNAVAILABLE' ? { status: 'offline', notice: OFFLINE_NOTICE, error } : { error }
}

export interface ErrorRepliesOptions {
  readonly events: Pick<Events, 'requestFailed'>
  /** Which trace a request belongs to: the reference is made from it. */
  readonly traceOf: (request: Request) => RequestTrace
  /** Asked at every failure, because pages come after the plugin's own parts; `undefined`: nobody gets a page. */
  readonly renderErrorPage: (() => RenderErrorPage) | undefined
  /** Whether a failure of this request is answered here. */
  readonly isAnswered: (request: Request) => boolean
}

export function registerErrorReplies(server: Server, { events, traceOf, renderErrorPage, isAnswered }: ErrorRepliesOptions): void {
  const reply = async (request: Request, h: ResponseToolkit): Promise<Lifecycle.ReturnValue> => {
    const { response } = request
    if (typeof response === 'symbol' || !('isBoom' in response) || !isAnswered(request)) return h.continue
    const isUnknown = isUnknownRoute(request) && response.output.statusCode === 404
    const failure = failureOf(isUnknown ? wrongMethod(request, response) : response, response.output.statusCode)
    const trace = traceOf(request)
    const reference = referenceOf(trace)
    events.requestFailed({
      method: request.method.toUpperCase(),
      route: routeTemplate(request),
      status: failure.status,
      reference,
      trace,
      cause: response,
    })
    const answer =
      renderErrorPage === undefined || isApiRequest(request)
        ? h.response(failureBody(failure, reference)).type('application/json')
        : h.response(await errorPage(request, failure, { reference, render: renderErrorPage() })).type('text/html')
    return withHeaders(answer, failure, namedInLowerCase(response.output.headers))
  }

  async function errorPage(
    request: Request,
    failure: Failure,
    { reference, render }: { readonly reference: string; readonly render: RenderErrorPage },
  ): Promise<string> {
    const page: ErrorPage = {
      status: failure.status,
      code: failure.code,
      title: titleFor(failure.status),
      message: messageFor(failure.code),
      reference,
      keptText: formField(request, FORM_FIELDS.question),
    }
    try {
      return await render(request, page)
    } catch (cause) {
      // The page about the failure failed too: say so in the log, and still answer.
      events.requestFailed({
        method: request.method.toUpperCase(),
        route: 'error-page',
        status: 500,
        reference,
        trace: traceOf(request),
        cause,
      })
      return minimalErrorPage(page)
    }
  }

  server.ext('onPreResponse', reply)
}

/** What HTTP asks of a refusal, where whoever refused has set it. */
const KEPT_HEADERS = ['www-authenticate', 'retry-after', 'allow']

/** hapi knows addresses by method, so that an address it does not find may be there for another one. */
function wrongMethod(request: Request, notFound: Error): Error {
  const allow = otherMethods(request).join(', ')
  return allow === '' ? notFound : new RequestError(405, 'METHOD_NOT_ALLOWED', { headers: { allow }, cause: notFound })
}

function withHeaders(answer: ResponseObject, failure: Failure, set: Readonly<Record<string, unknown>>): ResponseObject {
  answer.code(failure.status).header('cache-control', 'no-store')
  for (const name of KEPT_HEADERS) if (typeof set[name] === 'string') answer.header(name, set[name])
  for (const [name, value] of Object.entries(failure.headers)) answer.header(name, value)
  if (failure.retryAfterMs !== undefined) answer.header('retry-after', String(retryAfterSeconds(failure.retryAfterMs)))
  return answer
}

const namedInLowerCase = (headers: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** `Retry-After` counts whole seconds, and 0 would invite a loop. */
const retryAfterSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000))

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')

/** Needs no template, style sheet or script: for when there are none. */
export const minimalErrorPage: (page: ErrorPage) => string = ({ title, message, reference, keptText }) =>
  [
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${escapeHtml(title)}</title></head><body><main><h1>${escapeHtml(title)}</h1><p>${escapeHtml(message)}</p>`,
    keptText === undefined || keptText === ''
      ? ''
      : `<p><label for="kept">What you typed</label></p><textarea id="kept" rows="8" cols="60" readonly>\n${escapeHtml(keptText)}</textarea>`,
    `<p>Reference: ${escapeHtml(reference)}</p></main></body></html>`,
  ].join('')
