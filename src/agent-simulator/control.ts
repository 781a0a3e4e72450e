/**
 * How the simulator is told to fail, over HTTP: JSON for programs and tests, forms for people.
 *
 * A request that a page of somebody else's makes a browser send is refused, because the simulator may run on the machine of
 * whoever looks at that page.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import * as v from 'valibot'
import { SIMULATOR_BODY_BYTES_MAX } from '../conversation/limits.ts'
import { controlPage, CONTROL_PAGE_POLICY, type PageNote } from './control-page.ts'
import { formatPlan, formatStep, parsePlan, parsePlanText, type Plan, type PlanResult, type Problem } from './fault.ts'
import { advance, stepInForce, type FaultState, type Pace } from './faults.ts'
import { REFRESH_SECONDS, servicePage, SERVICE_PAGE_POLICY, SERVICE_PATHS, type ServicePageKind } from './service-page.ts'
import type { ServiceView } from './service-view.ts'
import type { Stats } from './stats.ts'

export interface FaultsNow {
  readonly state: FaultState
  readonly pace: Pace
  /** Monotonic milliseconds. */
  readonly now: number
}

/** What can be read and changed from outside. */
export interface Control {
  readFaults(): FaultsNow
  setPlan(plan: Plan): void
  setPace(pace: Partial<Pace>): void
  readStats(): Stats
  resetStats(): void
  /** What the service says that asks this agent; `undefined`: nobody said where it is. */
  readonly service: ServiceWatch | undefined
}

export interface ServiceWatch {
  readonly url: string
  /** Never rejects. */
  read(): Promise<ServiceView>
  /** Milliseconds since the epoch. */
  now(): number
}

type Reply = (status: number, body: string, headers: Readonly<Record<string, string>>) => void

interface Route {
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly path: string
  run(control: Control, body: string, reply: Reply): void
}

const NORMAL_PLAN: Plan = { script: [{ fault: 'normal', rate: 1 }], repeat: false }
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }

const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/', run: (control, _body, reply) => sendPage(control, reply, 200) },
  { method: 'POST', path: '/', run: takeForm },
  { method: 'GET', path: SERVICE_PATHS.moving, run: (control, _body, reply) => void sendService(control, reply, 'moving') },
  { method: 'GET', path: SERVICE_PATHS.still, run: (control, _body, reply) => void sendService(control, reply, 'still') },
  { method: 'GET', path: '/control/faults', run: (control, _body, reply) => sendFaults(control, reply) },
  { method: 'PUT', path: '/control/faults', run: takeFaults },
  { method: 'GET', path: '/control/stats', run: (control, _body, reply) => sendJson(reply, 200, control.readStats()) },
  {
    method: 'POST',
    path: '/control/reset',
    run(control, _body, reply) {
      reset(control)
      sendFaults(control, reply)
    },
  },
]

/** Answers one HTTP request. Never throws. */
export function handleControl(control: Control, request: IncomingMessage, response: ServerResponse): void {
  const reply: Reply = (status, body, headers) => {
    response.writeHead(status, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers })
    response.end(body)
  }
  const path = (request.url ?? '/').split('?')[0]
  const routes = ROUTES.filter((route) => route.path === path)
  const route = routes.find(({ method }) => method === (request.method === 'HEAD' ? 'GET' : request.method))
  if (routes.length === 0) return refuse(reply, 404, 'NOT_FOUND', 'there is nothing at this address')
  if (route === undefined) {
    return refuse(reply, 405, 'METHOD_NOT_ALLOWED', `use ${routes.map(({ method }) => method).join(' or ')}`)
  }
  if (route.method !== 'GET' && isFromElsewhere(request)) {
    return refuse(reply, 403, 'FORBIDDEN_ORIGIN', 'the request comes from another website')
  }
  readBody(request, SIMULATOR_BODY_BYTES_MAX, (body) => {
    if (body === undefined) return refuse(reply, 413, 'TOO_LARGE', `the body is larger than ${SIMULATOR_BODY_BYTES_MAX} bytes`)
    route.run(control, body, reply)
  })
}

/** The whole body, or `undefined` when it is too large: the rest is read and dropped, so that the answer arrives. */
export function readBody(request: IncomingMessage, bytesMax: number, then: (body: string | undefined) => void): void {
  let chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= bytesMax) chunks.push(chunk)
    else chunks = []
  })
  request.on('end', () => then(bytes > bytesMax ? undefined : Buffer.concat(chunks).toString('utf8')))
}

/** Whether a page of another website made a browser send it. */
export function isFromElsewhere({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers
  if (origin === undefined) return headers['sec-fetch-site'] === 'cross-site'
  return !URL.canParse(origin) || new URL(origin).host !== host
}

const sendJson = (reply: Reply, status: number, body: object): void => reply(status, `${JSON.stringify(body, undefined, 2)}\n`, JSON_TYPE)

const refuse = (reply: Reply, status: number, code: string, message: string): void =>
  sendJson(reply, status, { error: { code, message, isRetryable: false } })

const refuseFaults = (reply: Reply, details: readonly Problem[]): void =>
  sendJson(reply, 400, { error: { code: 'VALIDATION_ERROR', message: 'these faults cannot be used', isRetryable: false, details } })

function reset(control: Control): void {
  control.setPlan(NORMAL_PLAN)
  control.resetStats()
}

function sendFaults(control: Control, reply: Reply): void {
  const { state: before, pace, now } = control.readFaults()
  const state = advance(before, now)
  sendJson(reply, 200, {
    script: state.plan.script,
    repeat: state.plan.repeat,
    seed: state.seed,
    text: formatPlan(state.plan),
    ...pace,
    current: {
      step: state.index,
      ...stepInForce(state),
      text: formatStep(stepInForce(state)),
      used: state.used,
      forMs: Math.round(now - state.since),
    },
  })
}

const paceSchema = v.object({
  firstMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3_600_000))),
  chunkMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3_600_000))),
})

/** A plan or one step as `parsePlan` takes it; beside a `script`, `firstMs` and `chunkMs` set the pace of normal answers. */
function takeFaults(control: Control, body: string, reply: Reply): void {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return refuseFaults(reply, [{ path: '', problem: 'must be JSON' }])
  }
  const { plan, pace } = splitPace(value)
  const parsedPace = v.safeParse(paceSchema, pace)
  if (!parsedPace.success) return refuseFaults(reply, [{ path: 'firstMs, chunkMs', problem: 'must be whole numbers from 0 to 3600000' }])
  const hasPlan = plan === undefined ? undefined : parsePlan(plan)
  if (hasPlan?.ok === false) return refuseFaults(reply, hasPlan.problems)
  if (hasPlan?.ok === true) control.setPlan(hasPlan.plan)
  const { firstMs, chunkMs } = parsedPace.output
  control.setPace({ ...(firstMs === undefined ? {} : { firstMs }), ...(chunkMs === undefined ? {} : { chunkMs }) })
  sendFaults(control, reply)
}

/** Takes the pace out of what is not a step of its own; a body with nothing but pace has no plan. */
function splitPace(value: unknown): { readonly plan: unknown; readonly pace: object } {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.hasOwn(value, 'fault')) return { plan: value, pace: {} }
  const rest = Object.entries(value).filter(([name]) => name !== 'firstMs' && name !== 'chunkMs')
  const pace = Object.fromEntries(Object.entries(value).filter(([name]) => name === 'firstMs' || name === 'chunkMs'))
  return { plan: rest.length === 0 && Object.keys(pace).length > 0 ? undefined : Object.fromEntries(rest), pace }
}

function takeForm(control: Control, body: string, reply: Reply): void {
  const fields = new URLSearchParams(body)
  const back = (): void => reply(303, '', { location: '/' })
  if (fields.get('action') === 'reset') {
    reset(control)
    return back()
  }
  const parsed: PlanResult =
    fields.get('action') === 'script' ? parsePlanText(fields.get('script') ?? '') : parsePlan({ fault: fields.get('fault') })
  if (!parsed.ok) {
    const typed = fields.get('script') ?? undefined
    return sendPage(control, reply, 400, { problems: parsed.problems.map(({ path, problem }) => `${placeOf(path)} ${problem}`), typed })
  }
  control.setPlan(parsed.plan)
  return back()
}

/** `script.1.rate` as people say it. */
function placeOf(path: string): string {
  const [, index, name] = /^script\.(\d+)(?:\.(.+))?$/.exec(path) ?? []
  if (index === undefined) return path === '' ? 'The script' : path
  const step = `Step ${Number(index) + 1}`
  return name === undefined ? `${step}:` : `${step}: ${name}`
}

function sendPage(control: Control, reply: Reply, status: number, note?: PageNote): void {
  const { state, pace, now } = control.readFaults()
  const facts = { state: advance(state, now), pace, stats: control.readStats(), serviceUrl: control.service?.url }
  const html = controlPage(facts, note)
  reply(status, html, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': CONTROL_PAGE_POLICY })
}

async function sendService({ service }: Control, reply: Reply, kind: ServicePageKind): Promise<void> {
  if (service === undefined) return refuse(reply, 404, 'NOT_FOUND', 'nobody said where the service is')
  const html = servicePage(await service.read(), service.now(), kind)
  return reply(200, html, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': SERVICE_PAGE_POLICY,
    ...(kind === 'moving' ? { refresh: String(REFRESH_SECONDS) } : {}),
  })
}
