/**
 * Who is asking: a signed cookie with 256 random bits, and an id derived from it.
 *
 * Store, agent and logs see the derived `VisitorId` only; from it nobody can get back to the cookie. A cookie that is missing,
 * garbled or wrongly signed is a new visitor and never an error. Pages, API and the upgrade to the live link read it here.
 */
import { createHmac } from 'node:crypto'
import type { Request, Server } from '@hapi/hapi'
import { isVisitorId, type RandomBytes, type VisitorId } from '../conversation/ids.ts'
import type { GatewaySettings } from './gateway-context.ts'

export interface Visitors {
  /** The request's visitor; the same one however often it is asked. A new one gets a cookie with the answer. */
  of(request: Request): VisitorId
  /** The visitor of a raw `Cookie` header, or `undefined` when it names none that we signed. */
  ofCookies(header: string | undefined): Promise<VisitorId | undefined>
  /** A `Set-Cookie` value that lets the cookie of this raw `Cookie` header live on, or `undefined`. */
  refresh(header: string | undefined): Promise<string | undefined>
}

interface Visit {
  readonly token: string
  readonly visitor: VisitorId
}

const TOKEN = /^[A-Za-z0-9_-]{43}$/
const TOKEN_BYTES = 32

export function registerVisitors(server: Server, settings: GatewaySettings, randomBytes: RandomBytes): Visitors {
  const cookie = settings.isProduction ? '__Host-visitor' : 'visitor'
  const visits = new WeakMap<Request, Visit>()
  server.state(cookie, {
    // A session outlives the last visit by one TTL at most, so its owner's cookie must live longer than that.
    ttl: settings.sessionTtlMs * 2,
    isSecure: settings.isProduction,
    isHttpOnly: true,
    // Strict would lose the session on a link from another site.
    isSameSite: 'Lax',
    path: '/',
    // Not `none`: hapi does not check the signature of unencoded cookies.
    encoding: 'base64',
    sign: { password: settings.secret },
    ignoreErrors: true,
  })

  const visitOf = (token: string): Visit => ({ token, visitor: visitorIdOf(token, settings.secret) })
  const tokenOfCookies = async (header: string | undefined): Promise<string | undefined> => {
    if (header === undefined) return undefined
    try {
      return tokenIn((await parsedCookies(server, header))[cookie])
    } catch {
      // Only the header's syntax can make parsing fail, and a header like that names nobody.
      return undefined
    }
  }

  const sent = new WeakMap<Request, string>()
  // hapi reads cookies only once it has found a route; who asks for an address that does not exist is somebody too.
  server.ext('onRequest', async (request, h) => {
    const token = await tokenOfCookies(request.raw.req.headers.cookie)
    if (token !== undefined) sent.set(request, token)
    return h.continue
  })
  server.ext('onPreResponse', (request, h) => {
    const visit = visits.get(request)
    if (visit !== undefined) h.state(cookie, visit.token)
    return h.continue
  })

  return {
    of(request) {
      const known = visits.get(request)
      if (known !== undefined) return known.visitor
      const visit = visitOf(sent.get(request) ?? Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url'))
      visits.set(request, visit)
      return visit.visitor
    },
    async ofCookies(header) {
      const token = await tokenOfCookies(header)
      return token === undefined ? undefined : visitOf(token).visitor
    },
    async refresh(header) {
      const token = await tokenOfCookies(header)
      if (token === undefined) return undefined
      return setCookieHeader(server, cookie, token)
    },
  }
}

// hapi's types of `server.states` do not describe what it does (21.4.10): `parse` gives `{ states, failed }`, and `format` a list of headers.

async function parsedCookies(server: Server, header: string): Promise<Readonly<Record<string, unknown>>> {
  const parsed: object = await server.states.parse(header)
  return 'states' in parsed && typeof parsed.states === 'object' && parsed.states !== null ? { ...parsed.states } : {}
}

async function setCookieHeader(server: Server, name: string, value: string): Promise<string | undefined> {
  const settings = server.states.cookies[name]
  if (settings === undefined) throw new Error('unreachable gateway-4: a cookie that was never defined')
  const headers: string | readonly string[] = await server.states.format({ name, value, options: settings })
  return typeof headers === 'string' ? headers : headers[0]
}

/** One-way: the store and the agent learn it, and must not learn the cookie from it. */
function visitorIdOf(token: string, secret: string): VisitorId {
  const id = createHmac('sha256', secret).update(`visitor\n${token}`).digest('base64url')
  if (!isVisitorId(id)) throw new Error('unreachable gateway-2: a digest is no visitor id')
  return id
}

/** Whose questions a page keeps on its device: always the same for a visitor, and nothing of ours can be reached with it. */
export const deviceOwnerOf = (visitor: VisitorId, secret: string): string =>
  createHmac('sha256', secret).update(`device\n${visitor}`).digest('base64url').slice(0, 24)

/** A browser may send the name twice, from two paths or domains; the first that we signed counts. */
function tokenIn(state: unknown): string | undefined {
  const candidates: readonly unknown[] = Array.isArray(state) ? state : [state]
  return candidates.find((value): value is string => typeof value === 'string' && TOKEN.test(value))
}
