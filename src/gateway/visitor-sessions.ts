/**
 * What a visitor can do with sessions of their own: the use cases behind both the API and the forms.
 *
 * Every call names the visitor; somebody else's session and one that does not exist are the same to it.
 * Asking waits for the durable append and never for the agent.
 */
import { createHmac } from 'node:crypto'
import type { AskResult, Session } from '../conversation-log/conversation-log.ts'
import { isOpen, type Conversation, type QuestionItem } from '../conversation/conversation.ts'
import {
  isSessionId,
  mintMessageId,
  mintSessionId,
  SERVER_DEVICE,
  type Cursor,
  type DeviceId,
  type MessageId,
  type TurnId,
  type VisitorId,
} from '../conversation/ids.ts'
import { personalInformationIn } from '../conversation/personal-information.ts'
import { checkQuestion } from '../conversation/question-text.ts'
import type { QuestionOrigin, Transport } from '../telemetry/events.ts'
import type { Admission } from './admission.ts'
import {
  MessageConflictError,
  MessageNotFoundError,
  MessageOrderError,
  MessageSendError,
  OfflineError,
  OverloadError,
  PersonalInformationError,
  QuestionsClosedError,
  QuestionTextError,
  RateLimitError,
  SessionNotFoundError,
  TooManySessionsError,
} from './errors.ts'
import type { GatewayOptions } from './gateway-context.ts'
import { readConversation } from './read-conversation.ts'
import { stopTurn } from './stop-turn.ts'

export interface NewAsk {
  /** Checked here to be a session id and this visitor's. */
  readonly session: string
  /** Idempotency key; `undefined` mints one, and then nothing protects from asking twice. */
  readonly messageId: MessageId | undefined
  /** As it was typed; checked and normalised here. */
  readonly typed: string
  readonly inReplyTo: MessageId | undefined
  /** A page's own count; without it the log numbers the question. */
  readonly numbered?: { readonly device: DeviceId; readonly number: number } | undefined
  readonly transport: Transport
  /** The person knows what it may hold and wants it sent. */
  readonly isConfirmed?: boolean
  /** The request that brings it. */
  readonly from: QuestionOrigin
}

export interface Asked {
  readonly session: Session
  readonly messageId: MessageId
  readonly turnId: TurnId
  readonly cursor: Cursor
  /** It had been accepted before; nothing was appended. */
  readonly duplicate: boolean
  /** The text as it was stored. */
  readonly text: string
  readonly inReplyTo: MessageId | undefined
}

export interface OwnConversation {
  readonly session: Session
  readonly conversation: Conversation
  /** The last entry folded in; `undefined` when the log is empty. */
  readonly cursor: Cursor | undefined
}

/** Every method rejects with `OfflineError` while the level is `offline`, and with `LogError` when the store fails. */
export interface VisitorSessions {
  /**
   * A new session. One that is made for a question is the same however often its form is sent.
   *
   * @throws RateLimitError | TooManySessionsError
   */
  create(visitor: VisitorId, address: string, question?: MessageId): Promise<Session>
  /** Newest first. */
  list(visitor: VisitorId): Promise<readonly Session[]>
  /** @throws SessionNotFoundError also for somebody else's, and for text that is no session id */
  find(visitor: VisitorId, session: string): Promise<Session>
  /** Gives the session its whole life again. @throws SessionNotFoundError */
  keep(visitor: VisitorId, session: string): Promise<void>
  /** @throws SessionNotFoundError */
  delete(visitor: VisitorId, session: string): Promise<void>
  /** The whole conversation, folded. @throws SessionNotFoundError */
  read(visitor: VisitorId, session: string): Promise<OwnConversation>
  /** @throws QuestionsClosedError | SessionNotFoundError | QuestionTextError | PersonalInformationError | MessageConflictError | MessageOrderError | RateLimitError | OverloadError */
  ask(visitor: VisitorId, ask: NewAsk): Promise<Asked>
  /**
   * Asks that the answer to a question stop. The turn runner ends it.
   *
   * @returns the question as it stood, with `isOpen` of it: stopping a question that has ended changes nothing
   * @throws SessionNotFoundError | MessageNotFoundError
   */
  stop(visitor: VisitorId, session: string, messageId: string): Promise<{ readonly question: QuestionItem; readonly isStopping: boolean }>
}

/** What a session that is too full is told; its own questions end one by one. */
const OVERLOAD_RETRY_AFTER_MS = 5_000

export function createVisitorSessions(options: GatewayOptions, admission: Admission): VisitorSessions {
  return {
    create: (visitor, address, question) => create(options, admission, { visitor, address, question }),
    async list(visitor) {
      assertOnline(options)
      return options.log.listSessions(visitor)
    },
    find: (visitor, id) => find(options, visitor, id),
    async keep(visitor, id) {
      const session = await find(options, visitor, id)
      if ((await options.log.keepSession(session.id)) === undefined) throw new SessionNotFoundError()
    },
    async delete(visitor, id) {
      const session = await find(options, visitor, id)
      if (!(await options.log.deleteSession(session.id))) throw new SessionNotFoundError()
      options.events.sessionDeleted(session.id)
    },
    read: (visitor, id) => read(options, visitor, id),
    ask: (visitor, newAsk) => ask(options, admission, visitor, newAsk),
    stop: (visitor, id, messageId) => stop(options, visitor, id, messageId),
  }
}

interface NewOwn {
  readonly visitor: VisitorId
  readonly address: string
  readonly question: MessageId | undefined
}

async function create(options: GatewayOptions, admission: Admission, { visitor, address, question }: NewOwn): Promise<Session> {
  const { log, events, randomBytes, settings } = options
  assertOnline(options)
  const verdict = admission.createSession(address)
  if (!verdict.ok) {
    events.sessionRefused('rate')
    throw new RateLimitError(verdict.retryAfterMs)
  }
  // Nobody else can come to the same id: it takes our secret and their visitor.
  const ofQuestion = (count: number): Uint8Array =>
    createHmac('sha256', settings.secret).update(`session\n${visitor}\n${question}`).digest().subarray(0, count)
  const id = mintSessionId(question === undefined ? randomBytes : ofQuestion)
  const result = await log.createSession({ id, visitor, ttlMs: settings.sessionTtlMs })
  switch (result.type) {
    case 'created':
      events.sessionCreated(result.session.id)
      return result.session
    case 'existing':
      return result.session
    case 'too-many':
      events.sessionRefused('too-many')
      throw new TooManySessionsError()
    case 'taken':
      throw new Error('unreachable gateway-1: a fresh session id was taken')
  }
}

async function find(options: GatewayOptions, visitor: VisitorId, id: string): Promise<Session> {
  assertOnline(options)
  if (!isSessionId(id)) throw new SessionNotFoundError()
  const session = await options.log.findSession(id)
  if (session?.visitor === visitor) return session
  if (session !== undefined) options.events.accessDenied('session')
  throw new SessionNotFoundError()
}

async function read(options: GatewayOptions, visitor: VisitorId, id: string): Promise<OwnConversation> {
  const session = await find(options, visitor, id)
  const result = await readConversation(options.log, session.id)
  if (result === 'gone') throw new SessionNotFoundError()
  return { session, ...result }
}

async function ask(options: GatewayOptions, admission: Admission, visitor: VisitorId, newAsk: NewAsk): Promise<Asked> {
  const { log, clock, events, randomBytes } = options
  const { typed, inReplyTo, transport, from } = newAsk
  const startedAt = clock.monotonic()
  const session = await find(options, visitor, newAsk.session)
  const refuse = (reason: string, error: Error): Error => {
    events.questionRefused({ transport, reason })
    return error
  }
  const checkPersonalInformation = (text: string): void => {
    const mode = options.settings.personalInformation
    const isAsked = mode === 'block' || (mode === 'warn' && transport === 'form' && newAsk.isConfirmed !== true)
    const kinds = isAsked ? personalInformationIn(text) : []
    if (kinds.length > 0) throw refuse('personal information', new PersonalInformationError(kinds, mode === 'warn'))
  }
  if (!options.service().questions.areOpen) throw refuse('closed', new QuestionsClosedError())
  const checked = checkQuestion(typed)
  if (!checked.ok) throw refuse(checked.problem, new QuestionTextError(checked.problem))
  checkPersonalInformation(checked.text)
  const verdict = admission.ask(session.id)
  if (!verdict.ok) throw refuse('rate', new RateLimitError(verdict.retryAfterMs))
  const { text } = checked
  const messageId = newAsk.messageId ?? mintMessageId(clock.now(), randomBytes)
  const { device, number } = newAsk.numbered ?? { device: SERVER_DEVICE, number: undefined }
  const result = await log.ask(session.id, { messageId, device, number, text, inReplyTo })
  if (result.type !== 'accepted') throw refuse(result.type, refusal(result, number !== undefined))
  const { turnId, cursor, duplicate } = result
  events.questionAccepted({ session: session.id, turn: turnId, transport, duplicate, tookMs: clock.monotonic() - startedAt, from })
  return { session, messageId, turnId, cursor, duplicate, text, inReplyTo }
}

async function stop(
  options: GatewayOptions,
  visitor: VisitorId,
  id: string,
  messageId: string,
): Promise<{ readonly question: QuestionItem; readonly isStopping: boolean }> {
  const { session, conversation } = await read(options, visitor, id)
  const question = conversation.items.find((item): item is QuestionItem => item.kind === 'question' && item.messageId === messageId)
  if (question === undefined) throw new MessageNotFoundError()
  if (!isOpen(question)) return { question, isStopping: false }
  const result = await stopTurn(options, session.id, question.turnId)
  if (result.type === 'gone') throw new SessionNotFoundError()
  return { question, isStopping: result.type !== 'stopped' }
}

function refusal(result: Exclude<AskResult, { readonly type: 'accepted' }>, isNumbered: boolean): Error {
  switch (result.type) {
    case 'conflict':
      return new MessageConflictError()
    case 'overload':
      return new OverloadError(OVERLOAD_RETRY_AFTER_MS)
    case 'gone':
      return new SessionNotFoundError()
    case 'order':
      // The server's own device is numbered at append, so there the store broke its contract.
      return isNumbered ? new MessageOrderError(result.expected) : new MessageSendError('the log refused the number it gives itself')
  }
}

function assertOnline(options: Pick<GatewayOptions, 'standing'>): void {
  if (options.standing().level === 'offline') throw new OfflineError()
}
