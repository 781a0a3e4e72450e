/**
 * `GET /ops/status` and `GET /ops/status.json`: one status, as a page and as JSON, for operators.
 *
 * The page needs no JavaScript; where there is some, it is renewed in place. It has a content policy of its own, which allows less than
 * that of the service's pages.
 */
import type { ResponseObject, ResponseToolkit, Server } from '@hapi/hapi'
import { statusJson, type OpsStatus } from './ops-status.ts'
import { createOpsPage, type OpsAssets, type OpsPageExtras } from './ops-status-page.ts'
import { routeForOperators, type OpsAccess } from './ops-access.ts'

export const STATUS_PATH = '/ops/status'

export interface OpsStatusOptions {
  readonly access: OpsAccess
  readonly status: () => OpsStatus
  readonly serviceName: () => string
  readonly assets: OpsAssets
  readonly formToken: () => string
}

/** Answers with the page as it is now. */
export type ReplyWithStatus = (
  h: ResponseToolkit,
  code: number,
  more?: Pick<OpsPageExtras, 'problem' | 'done' | 'refreshes'>,
) => ResponseObject

const REFRESH_SECONDS = 10

/** What is said of an action after it. */
const DONE: ReadonlyMap<string, string> = new Map([
  ['isolate', 'Isolated. This process leaves it alone until it is released or the process ends.'],
  ['release', 'Released. This process uses it again.'],
])

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types ops',
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** Adds both to the server; gives back the way to answer with the page. */
export function registerOpsStatus(server: Server, { access, status, serviceName, assets, formToken }: OpsStatusOptions): ReplyWithStatus {
  const render = createOpsPage()
  const reply: ReplyWithStatus = (h, code, more = {}) => {
    const html = render(status(), { serviceName: serviceName(), assets, formToken: formToken(), ...more })
    const response = h.response(html).type('text/html').code(code)
    for (const [name, value] of Object.entries(HEADERS)) response.header(name, value)
    return more.refreshes === true ? response.header('refresh', String(REFRESH_SECONDS)) : response
  }
  routeForOperators(server, access, {
    path: STATUS_PATH,
    handler: ({ query }, h) => reply(h, 200, { refreshes: query['refresh'] === 'on', done: DONE.get(String(query['done'])) }),
  })
  routeForOperators(server, access, {
    path: `${STATUS_PATH}.json`,
    handler: (_request, h) => h.response(statusJson(status())).type('application/json'),
  })
  return reply
}
