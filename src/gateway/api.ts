/**
 * The JSON API of requirement R10; `docs/api.md` is its description, and a test runs the examples there.
 */
import type { Lifecycle, Request, ResponseToolkit, Server } from '@hapi/hapi'
import * as v from 'valibot'
import { isMessageId, isPageDevice, type DeviceId, type MessageId } from '../conversation/ids.ts'
import { MESSAGES_PAGE_MAX } from '../conversation/limits.ts'
import type { Session } from '../conversation-log/conversation-log.ts'
import { QUEUED_NOTICE } from './error-words.ts'
import { MessageNotFoundError, RequestError, ValidationError } from './errors.ts'
import { followEvents } from './event-stream-route.ts'
import type { GatewayContext } from './gateway-context.ts'
import { AS_IT_COMES } from './held-response.ts'
import { checked, jsonBody, RAW_PAYLOAD } from './json-body.ts'
import { listMessages } from './message-list.ts'
import { messageView, type MessageView } from './message-view.ts'
import { waitForAnswer } from './wait-for-answer.ts'

type Handler = (request: Request, h: ResponseToolkit) => Promise<Lifecycle.ReturnValue> | Lifecycle.ReturnValue
type Method = 'GET' | 'POST' | 'DELETE'
type Handlers = readonly (readonly [Method, Handler])[]

const ROOT = '/api/v1'

const messageId = v.pipe(
  v.string(),
  v.guard((value: string): value is MessageId => isMessageId(value), 'must be a lower-case UUID'),
)
const pageDevice = v.pipe(
  v.string(),
  v.guard((value: string): value is DeviceId => isPageDevice(value), 'must be a device id'),
)
const position = v.pipe(v.number(), v.safeInteger('must be a whole number from 1'), v.minValue(1, 'must be a whole number from 1'))
const noFields = v.optional(v.strictObject({}))
const newMessage = v.strictObject({
  id: v.optional(messageId),
  content: v.string(),
  metadata: v.optional(
    v.strictObject({ inReplyTo: v.optional(messageId), numbered: v.optional(v.strictObject({ device: pageDevice, number: position })) }),
  ),
})
const listQuery = v.strictObject({
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[0-9]{1,4}$/, `must be a number from 1 to ${MESSAGES_PAGE_MAX}`),
      v.transform(Number),
      v.minValue(1, `must be a number from 1 to ${MESSAGES_PAGE_MAX}`),
      v.maxValue(MESSAGES_PAGE_MAX, `must be a number from 1 to ${MESSAGES_PAGE_MAX}`),
    ),
    String(MESSAGES_PAGE_MAX),
  ),
  after: v.optional(v.string()),
})

export function registerApi(server: Server, context: GatewayContext): void {
  const routes: Readonly<Record<string, Handlers>> = {
    '/sessions': [
      ['POST', createSession(context)],
      ['GET', listSessions(context)],
    ],
    '/sessions/{session}': [
      ['GET', getSession(context)],
      ['DELETE', deleteSession(context)],
    ],
    '/sessions/{session}/messages': [
      ['POST', postMessage(context)],
      ['GET', getMessages(context)],
    ],
    '/sessions/{session}/messages/{message}/stop': [['POST', stopMessage(context)]],
    '/sessions/{session}/events': [['GET', followEvents(context)]],
    '/status': [['GET', getStatus(context)]],
  }
  for (const [path, handlers] of Object.entries(routes)) addRoute(server, `${ROOT}${path}`, handlers)
  server.route({
    method: '*',
    path: '/api/{any*}',
    options: { payload: { output: 'stream', parse: false }, cache: NO_STORE },
    handler: () => {
      throw new RequestError(404, 'NOT_FOUND')
    },
  })
}

/** Everything here is somebody's own. */
const NO_STORE = { otherwise: 'no-store' } as const

/** One handler a method; any other method is answered with those there are. */
function addRoute(server: Server, path: string, handlers: Handlers): void {
  for (const [method, handler] of handlers) {
    // hapi takes no payload settings where there is no payload.
    const options = method === 'GET' ? { cache: NO_STORE, compression: AS_IT_COMES } : { payload: RAW_PAYLOAD, cache: NO_STORE }
    server.route({ method, path, options, handler: async (request, h) => handler(request, h) })
  }
  const allow = handlers.flatMap(([method]) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
  server.route({
    method: '*',
    path,
    options: { payload: { output: 'stream', parse: false }, cache: NO_STORE },
    handler: () => {
      throw new RequestError(405, 'METHOD_NOT_ALLOWED', { headers: { allow } })
    },
  })
}

const parameter = (request: Request, name: string): string => String(request.params[name])
/** Asked before query and body are judged: somebody else's session answers as if there were none, whatever is sent to it. */
const ownSession = (context: GatewayContext, request: Request): Promise<Session> =>
  context.sessions.find(context.visitorOf(request), parameter(request, 'session'))
const iso = (at: number): string => new Date(at).toISOString()

const createSession =
  (context: GatewayContext): Handler =>
  async (request, h) => {
    jsonBody(request, noFields)
    const session = await context.sessions.create(context.visitorOf(request), context.addressOf(request))
    return h
      .response({ sessionId: session.id, status: 'created', createdAt: iso(session.createdAt), expiresAt: iso(session.expiresAt) })
      .code(201)
      .header('location', context.paths.at(`${ROOT}/sessions/${session.id}`))
  }

const sessionView = (session: Session): object => ({
  sessionId: session.id,
  status: 'active',
  createdAt: iso(session.createdAt),
  expiresAt: iso(session.expiresAt),
  questions: session.questions,
})

const listSessions =
  (context: GatewayContext): Handler =>
  async (request) => ({ sessions: (await context.sessions.list(context.visitorOf(request))).map(sessionView) })

const getSession =
  (context: GatewayContext): Handler =>
  async (request) =>
    sessionView(await ownSession(context, request))

const deleteSession =
  (context: GatewayContext): Handler =>
  async (request, h) => {
    const session = await ownSession(context, request)
    jsonBody(request, noFields)
    await context.sessions.delete(session.visitor, session.id)
    return h.response().code(204)
  }

const postMessage =
  (context: GatewayContext): Handler =>
  async (request, h) => {
    const session = await ownSession(context, request)
    const { content, id, metadata } = jsonBody(request, newMessage)
    const asked = await context.sessions.ask(session.visitor, {
      session: session.id,
      messageId: idempotencyKey(request, id),
      typed: content,
      inReplyTo: metadata?.inReplyTo,
      numbered: metadata?.numbered,
      transport: 'api',
      from: context.traceOf(request),
    })
    const isAway = context.isAgentAway()
    if (isAway) {
      const { log, clock, drain } = context
      await waitForAnswer(log, clock, { session: session.id, messageId: asked.messageId, waitMs: HELP_WAIT_MAX_MS, signal: drain.over })
    }
    const { message, fallback } = await shownFor(context, request, asked.messageId)
    // A page that sends this way has to know what its link would tell it.
    const accepted = metadata?.numbered && { accepted: { seq: asked.cursor.seq, duplicate: asked.duplicate } }
    if (message.status !== 'queued' && !(isAway && message.status === 'sent'))
      return h.response({ status: 'sent', message, ...accepted }).code(200)
    const notice = fallback?.content ?? QUEUED_NOTICE
    return h.response({ status: 'queued', message, notice, ...(fallback && { fallback }), ...accepted }).code(202)
  }

/** While the agent is away other help appears at once, unless something else is wrong, too. */
const HELP_WAIT_MAX_MS = 1_000

/** A question as the log has it now, and the other help that it was given. */
interface Shown {
  readonly message: MessageView
  readonly fallback: MessageView | undefined
}

/** The field `id` and the header `Idempotency-Key` are the same thing, so they must agree. */
function idempotencyKey(request: Request, id: MessageId | undefined): MessageId | undefined {
  const header: unknown = request.headers['idempotency-key']
  if (header === undefined) return id
  const key = typeof header === 'string' ? header.replace(/^"(.*)"$/, '$1') : ''
  if (!isMessageId(key)) throw new ValidationError([{ where: 'header.idempotency-key', problem: 'must be a lower-case UUID' }])
  if (id !== undefined && id !== key)
    throw new ValidationError([{ where: 'header.idempotency-key', problem: 'must be the same as body.id' }])
  return key
}

const getMessages =
  (context: GatewayContext): Handler =>
  async (request) => {
    const session = await ownSession(context, request)
    const { after, limit } = checked({ ...request.query }, listQuery, 'query')
    return listMessages(context.log, session, { after, limit })
  }

const stopMessage =
  (context: GatewayContext): Handler =>
  async (request, h) => {
    const message = parameter(request, 'message')
    const session = await ownSession(context, request)
    jsonBody(request, noFields)
    const { isStopping } = await context.sessions.stop(session.visitor, session.id, message)
    const shown = await shownFor(context, request, message)
    return h.response({ status: isStopping ? 'stopping' : 'ended', message: shown.message }).code(isStopping ? 202 : 200)
  }

async function shownFor(context: GatewayContext, request: Request, id: string): Promise<Shown> {
  const { session, conversation } = await context.sessions.read(context.visitorOf(request), parameter(request, 'session'))
  const question = conversation.items.find((item) => item.kind === 'question' && item.messageId === id)
  if (question === undefined) throw new MessageNotFoundError()
  const notice = conversation.items.find((item) => item.kind === 'notice' && item.inReplyTo === id)
  return { message: messageView(session.id, question), fallback: notice && messageView(session.id, notice) }
}

const getStatus =
  (context: GatewayContext): Handler =>
  () => ({ ...context.standing(), away: context.standing().away ?? [], timestamp: iso(context.clock.now()) })
