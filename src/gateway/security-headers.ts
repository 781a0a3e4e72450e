/**
 * The headers that every answer carries, errors included: set before hapi does anything else, so that nothing can miss them.
 */
import type { Request } from '@hapi/hapi'
import type { RandomBytes } from '../conversation/ids.ts'
import type { GatewaySettings } from './gateway-context.ts'
import { CSP_REPORTS_PATH } from './routes.ts'
import type { Paths } from './paths.ts'
import type { Scope } from './scope.ts'

type HeaderSettings = Pick<GatewaySettings, 'isProduction' | 'publicOrigin'> & { readonly paths: Paths }

export type HeaderList = Readonly<Record<string, string>>

const HSTS_SECONDS = 365 * 24 * 60 * 60

const POWERFUL_FEATURES = [
  'accelerometer',
  'autoplay',
  'camera',
  'display-capture',
  'encrypted-media',
  'fullscreen',
  'geolocation',
  'gyroscope',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'picture-in-picture',
  'publickey-credentials-get',
  'screen-wake-lock',
  'usb',
  'xr-spatial-tracking',
]

/**
 * The headers of one answer. `nonce` lets that answer's own inline scripts run; without one no inline script does.
 *
 * `Referrer-Policy` is `same-origin`: under `no-referrer` browsers send `Origin: null` with form posts, and we could not tell
 * our own forms from others'. Nothing leaks to other origins under either.
 */
export function securityHeaders(settings: HeaderSettings, nonce?: string): HeaderList {
  const policy = [
    "default-src 'none'",
    `script-src 'self'${nonce === undefined ? '' : ` 'nonce-${nonce}'`}`,
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types chat',
    'report-to csp',
    // For browsers that do not know the line before.
    `report-uri ${settings.paths.at(CSP_REPORTS_PATH)}`,
  ]
  const isHttps = settings.publicOrigin?.startsWith('https:') === true
  return {
    'content-security-policy': policy.join('; '),
    'reporting-endpoints': `csp="${settings.paths.at(CSP_REPORTS_PATH)}"`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': POWERFUL_FEATURES.map((feature) => `${feature}=()`).join(', '),
    ...(settings.isProduction && isHttps ? { 'strict-transport-security': `max-age=${HSTS_SECONDS}; includeSubDomains` } : {}),
  }
}

/** Puts the headers on every answer of ours; returns the nonce of a request's answer. */
export function registerSecurityHeaders(scope: Scope, settings: HeaderSettings, randomBytes: RandomBytes): (request: Request) => string {
  const nonces = new WeakMap<Request, string>()
  scope.onBegin((request, h) => {
    const nonce = Buffer.from(randomBytes(16)).toString('base64')
    nonces.set(request, nonce)
    for (const [name, value] of Object.entries(securityHeaders(settings, nonce))) request.raw.res.setHeader(name, value)
    return h.continue
  })
  return (request) => {
    const nonce = nonces.get(request)
    if (nonce === undefined) throw new Error('unreachable gateway-3: a request that nobody received')
    return nonce
  }
}
