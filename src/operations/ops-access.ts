/**
 * Who may see what is for operators: `/metrics`, `/health/detailed` and everything under `/ops`. Every such route has this one rule.
 *
 * - With a token: whoever presents it as a bearer token or, from a browser, as the password of any user name (HTTP Basic). An address
 *   that keeps guessing is not even compared with any more.
 * - On a port of their own without a token: whoever reaches that port.
 * - Otherwise this machine only, for itself; to everybody else there is no such page.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { methodNotAllowed, notFound, tooManyRequests, unauthorized } from '@hapi/boom'
import type { Request, RouteOptions, Server, ServerRoute } from '@hapi/hapi'
import type { Clock } from '../resilience/clock.ts'
import { createTokenBuckets } from '../resilience/token-bucket.ts'
import type { Events } from '../telemetry/events.ts'

export type OpsDoor =
  /** `undefined`: being able to reach the port is enough. */
  | { readonly type: 'own-port'; readonly token: string | undefined }
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'loopback' }

export interface OpsAccessOptions {
  readonly door: OpsDoor
  readonly clock: Pick<Clock, 'monotonic'>
  readonly events: Pick<Events, 'accessDenied'>
  /** The address that guesses are counted against. */
  readonly addressOf: (request: Request) => string
}

/** Nobody but this machine, for whom nothing is counted. */
export const thisMachineOnly: OpsAccess = (request) => {
  if (!isFromHere(request)) throw notFound()
}

/** Lets a request in, or throws what it is answered. */
export type OpsAccess = (request: Request) => void

/** Wrong tokens that one address may present in a minute, and addresses whose guesses are remembered. */
const GUESSES_PER_MINUTE_MAX = 10
const GUESSERS_MAX = 10_000

/** The rule of one server. */
export function createOpsAccess({ door, clock, events, addressOf }: OpsAccessOptions): OpsAccess {
  if (door.type === 'loopback') return thisMachineOnly
  const { token } = door
  if (token === undefined) return () => undefined
  const guesses = createTokenBuckets({ perMinute: GUESSES_PER_MINUTE_MAX, keysMax: GUESSERS_MAX, clock })
  return (request) => {
    const address = addressOf(request)
    const verdict = guesses.look(address)
    if (verdict.ok && isSame(presentedBy(request), token)) return
    events.accessDenied('operations')
    if (verdict.ok) {
      guesses.take(address)
      // Past hapi, which would put both into one line.
      request.raw.res.setHeader('www-authenticate', CHALLENGES)
      throw unauthorized('this is for operators')
    }
    const refusal = tooManyRequests()
    refusal.output.headers['retry-after'] = String(Math.ceil(verdict.retryAfterMs / 1_000))
    throw refusal
  }
}

/** Adds a page for operators: read only, never cached, and behind the rule. */
export function routeForOperators(
  server: Server,
  access: OpsAccess,
  route: Pick<ServerRoute, 'handler'> & { readonly path: string },
): void {
  const options: RouteOptions = {
    cache: { otherwise: 'no-store' },
    ext: {
      onPreAuth: {
        method: (request, h) => {
          access(request)
          return h.continue
        },
      },
    },
  }
  server.route({ method: 'GET', path: route.path, options, handler: route.handler })
  server.route({
    method: '*',
    path: route.path,
    options,
    handler: () => {
      throw methodNotAllowed(undefined, undefined, ['GET', 'HEAD'])
    },
  })
}

/** One line each: Chromium asks for a password only where nothing else stands beside that scheme. */
const CHALLENGES = ['Bearer', 'Basic realm="operators"']

const presentedBy = (request: Request): string => bearerOf(request) ?? basicOf(request)?.password ?? ''

function bearerOf({ headers: { authorization } }: Request): string | undefined {
  return typeof authorization === 'string' ? /^Bearer ([^\s]{1,512})$/i.exec(authorization)?.[1] : undefined
}

function basicOf({ headers: { authorization } }: Request): { readonly name: string; readonly password: string } | undefined {
  const encoded = typeof authorization === 'string' ? /^Basic ([\w+/]{1,1024}={0,2})$/i.exec(authorization)?.[1] : undefined
  if (encoded === undefined) return undefined
  const [, name = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
  return { name, password }
}

/** Who asked, as far as anybody can know: by which door, and the name that they gave themselves there. */
export interface Operator {
  readonly door: OpsDoor['type']
  readonly name: string | undefined
}

const NAME = /^[\w.@-]{1,64}$/

export function operatorOf(request: Request, door: OpsDoor): Operator {
  const name = basicOf(request)?.name ?? ''
  return { door: door.type, name: NAME.test(name) ? name : undefined }
}

/** Whether no browser can have sent this by itself for another site: none adds a bearer token to a request. */
export const isByHand = (request: Request): boolean => bearerOf(request) !== undefined

/** Takes the same time however much of it is right. */
const isSame = (presented: string, token: string): boolean => timingSafeEqual(digest(presented), digest(token))
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const LOOPBACK = /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/i
const LOOPBACK_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via']

/**
 * Whether somebody on this machine asks for themselves. A proxy on this machine comes from here too, hence the headers; the name
 * keeps out a page in a browser here that has had its own name point to this machine.
 */
function isFromHere({ info, headers }: Request): boolean {
  return (
    LOOPBACK.test(info.remoteAddress) && LOOPBACK_NAME.test(info.hostname) && PROXY_HEADERS.every((name) => headers[name] === undefined)
  )
}
