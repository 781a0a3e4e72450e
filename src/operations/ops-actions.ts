/**
 * `POST /ops/actions`: what an operator may do, where that is switched on. For now: hold the circuit breaker of a dependency open
 * (`isolate`), and let go of it (`release`).
 *
 * Only this process does it, and only for as long as it lives. A browser must send the form of the operator page, with its token, from
 * the same origin; whoever presents the bearer token by hand needs neither, and is answered in JSON. Everything is told as an event.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { methodNotAllowed } from '@hapi/boom'
import type { Request, ResponseObject, ResponseToolkit, RouteOptions, Server } from '@hapi/hapi'
import * as v from 'valibot'
import type { RandomBytes } from '../conversation/ids.ts'
import type { BreakerRegistry } from '../resilience/breaker-registry.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Events } from '../telemetry/events.ts'
import { isByHand, operatorOf, type OpsAccess, type OpsDoor } from './ops-access.ts'
import { STATUS_PATH, type ReplyWithStatus } from './ops-status-route.ts'

const ACTIONS_PATH = '/ops/actions'

const actionSchema = v.object({ action: v.picklist(['isolate', 'release']), service: v.string(), token: v.optional(v.string()) })

export interface OpsActionsOptions {
  readonly access: OpsAccess
  readonly door: OpsDoor
  readonly areOn: boolean
  readonly breakers: Pick<BreakerRegistry, 'get'>
  readonly events: Pick<Events, 'operatorActed'>
  readonly tokens: OpsFormTokens
  readonly reply: ReplyWithStatus
}

interface Refusal {
  readonly code: number
  readonly problem: string
}

export function registerOpsActions(server: Server, options: OpsActionsOptions): void {
  const { access } = options
  const holds = new Map<string, () => void>()
  const route: RouteOptions = {
    cache: { otherwise: 'no-store' },
    plugins: { gateway: { checksForgery: 'itself' } },
    ext: {
      onPreAuth: {
        method: (request, h) => {
          access(request)
          return h.continue
        },
      },
    },
  }
  server.route({ method: 'POST', path: ACTIONS_PATH, options: route, handler: (request, h) => act(request, h, holds, options) })
  server.route({
    method: '*',
    path: ACTIONS_PATH,
    options: route,
    handler: () => {
      throw methodNotAllowed(undefined, undefined, ['POST'])
    },
  })
}

function act(request: Request, h: ResponseToolkit, holds: Map<string, () => void>, options: OpsActionsOptions): ResponseObject {
  const { breakers, events, door, reply } = options
  const parsed = v.safeParse(actionSchema, request.payload)
  const asked = parsed.success ? parsed.output : undefined
  const breaker = asked === undefined ? undefined : breakers.get(asked.service)
  const isHand = isByHand(request)
  const refusal = refusalOf(request, asked, breaker !== undefined, options)
  if (asked !== undefined && breaker !== undefined) {
    const { action, service } = asked
    events.operatorActed({ action, service, ...operatorOf(request, door), result: refusal === undefined ? 'done' : 'refused' })
  }
  if (refusal !== undefined || asked === undefined || breaker === undefined) {
    const { code, problem } = refusal ?? UNKNOWN
    return isHand
      ? h.response({ error: { code: 'NOT_DONE', message: problem, isRetryable: false } }).code(code)
      : reply(h, code, { problem })
  }
  const { action, service } = asked
  if (action === 'isolate' && !holds.has(service)) holds.set(service, breaker.isolate())
  if (action === 'release') {
    holds.get(service)?.()
    holds.delete(service)
  }
  return isHand ? h.response({ done: action, service }) : h.redirect(`${STATUS_PATH}?done=${action}`).code(303)
}

const UNKNOWN: Refusal = {
  code: 400,
  problem: 'action must be isolate or release, and service one that has a circuit breaker here',
}

/** Why it is not done; first what concerns whoever asks, so that a forger learns nothing. */
function refusalOf(
  request: Request,
  asked: v.InferOutput<typeof actionSchema> | undefined,
  isKnown: boolean,
  { areOn, tokens }: OpsActionsOptions,
): Refusal | undefined {
  if (!areOn) return { code: 403, problem: 'Actions are switched off in this process: OPS_ACTIONS is not true.' }
  if (!isByHand(request)) {
    if (!isFromThisOrigin(request)) return { code: 403, problem: 'The form came from another site.' }
    if (!tokens.isGood(asked?.token)) {
      return { code: 403, problem: 'The form is more than an hour old, or of another process. Look at this page and try again.' }
    }
  }
  return isKnown ? undefined : UNKNOWN
}

/** What the browser says of where the form was. One that says nothing is old, and has the token to show. */
function isFromThisOrigin({ headers }: Request): boolean {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') return false
  return origin === undefined || origin === `http://${String(host)}` || origin === `https://${String(host)}`
}

/** Proof that a form was made by this process within the hour. */
export interface OpsFormTokens {
  make(): string
  isGood(token: string | undefined): boolean
}

const LIFE_MINUTES = 60
const MINUTE_MS = 60_000
const KEY_BYTES = 32

/** Tokens under a key that lives as long as this process: a form of another one is about another one's breakers. */
export function createOpsFormTokens(clock: Pick<Clock, 'monotonic'>, randomBytes: RandomBytes): OpsFormTokens {
  const key = randomBytes(KEY_BYTES)
  const minute = (): number => Math.floor(clock.monotonic() / MINUTE_MS)
  const sign = (text: string): Buffer => createHmac('sha256', key).update(text).digest()
  return {
    make: () => `${minute()}.${sign(String(minute())).toString('base64url')}`,
    isGood(token = '') {
      const [, made, signature = ''] = /^(\d{1,15})\.([\w-]{43})$/.exec(token) ?? []
      if (made === undefined || minute() - Number(made) > LIFE_MINUTES) return false
      return timingSafeEqual(sign(made), Buffer.from(signature, 'base64url'))
    },
  }
}
