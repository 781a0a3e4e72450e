/**
 * Requests that change something must come from our own pages, or from no browser at all.
 *
 * Every one: `Sec-Fetch-Site` and `Origin`, where the browser sends them, must say "the same origin". Forms also: a token made
 * for this visitor, different at every rendering (so that compression cannot leak it) and checked without keeping anything.
 * Own code and not `@hapi/crumb`: crumb compares a cookie with a field, so whoever can plant a cookie can forge both; this token
 * is bound to the signed visitor cookie.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Request } from '@hapi/hapi'
import type { RandomBytes, VisitorId } from '../conversation/ids.ts'
import { ForgeryError } from './errors.ts'
import { FORM_FIELDS } from './form-fields.ts'
import type { GatewaySettings } from './gateway-context.ts'
import { isApiRequest, isCspReport, isUnknownRoute } from './routes.ts'
import type { Scope } from './scope.ts'

declare module '@hapi/hapi' {
  interface PluginSpecificConfiguration {
    /** A route that is not for visitors, and looks by itself where its requests come from. */
    readonly gateway?: { readonly checksForgery: 'itself' }
  }
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['get', 'head', 'options'])
const TOKEN_NONCE_BYTES = 12

export interface FormTokens {
  make(visitor: VisitorId): string
  isGood(visitor: VisitorId, token: unknown): boolean
}

export function createFormTokens(secret: string, randomBytes: RandomBytes): FormTokens {
  const sign = (nonce: string, visitor: VisitorId): Buffer => createHmac('sha256', secret).update(`form\n${nonce}\n${visitor}`).digest()
  return {
    make(visitor) {
      const nonce = Buffer.from(randomBytes(TOKEN_NONCE_BYTES)).toString('base64url')
      return `${nonce}.${sign(nonce, visitor).toString('base64url')}`
    },
    isGood(visitor, token) {
      if (typeof token !== 'string') return false
      const [nonce, signature, ...rest] = token.split('.')
      if (nonce === undefined || signature === undefined || rest.length > 0) return false
      const given = Buffer.from(signature, 'base64url')
      const expected = sign(nonce, visitor)
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}

/** Whether a request with these headers may come from one of our own pages. Without an `Origin` at all: no browser sent it, or no form. */
function isFromOurPages(headers: Readonly<Record<string, unknown>>, settings: Pick<GatewaySettings, 'publicOrigin'>): boolean {
  const { origin } = headers
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  return origin === undefined || isOurOrigin(origin, headers['host'], settings)
}

/** Exact comparison with the configured origin; without one, with the host that the request itself names. */
export function isOurOrigin(origin: unknown, host: unknown, settings: Pick<GatewaySettings, 'publicOrigin'>): boolean {
  if (typeof origin !== 'string') return false
  if (settings.publicOrigin !== undefined) return origin === settings.publicOrigin
  return typeof host === 'string' && (origin === `http://${host}` || origin === `https://${host}`)
}

/** Runs after the payload was read, so that a refused form can give the person their text back. */
export function registerForgeryChecks(
  scope: Scope,
  settings: GatewaySettings,
  isGoodToken: (request: Request, token: unknown) => boolean,
): void {
  scope.onPreHandler((request, h) => {
    // A browser's report carries neither cookie nor token, and changes nothing but a count.
    if (SAFE_METHODS.has(request.method) || isUnknownRoute(request) || isCspReport(request)) return h.continue
    if (request.route.settings.plugins?.gateway?.checksForgery === 'itself') return h.continue
    if (!isFromOurPages(request.headers, settings)) throw new ForgeryError('origin')
    if (!isApiRequest(request) && !isGoodToken(request, formField(request, FORM_FIELDS.csrf))) throw new ForgeryError('token')
    return h.continue
  })
}

/** A field of a form that was posted, when there is one with that name and one value. */
export function formField(request: Request, name: string): string | undefined {
  const payload: unknown = request.payload
  if (typeof payload !== 'object' || payload === null || Buffer.isBuffer(payload)) return undefined
  const value: unknown = Object.hasOwn(payload, name) ? Reflect.get(payload, name) : undefined
  return typeof value === 'string' ? value : undefined
}
