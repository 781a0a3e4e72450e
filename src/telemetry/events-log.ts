/**
 * The events of the service as log lines: part, level, action name and fixed words, in one place.
 *
 * error: something was given up. warn: something went wrong and was dealt with. info: one line for each step of a session or
 * question that people on call count. debug: the rest.
 */
import { clean } from './clean.ts'
import { errorFields } from './error-fields.ts'
import type { Events } from './events.ts'
import type { IdHash } from './id-hash.ts'
import type { Log, LogFields, LogLevel, Part } from './log.ts'
import type { TurnOutcome } from '../conversation/entry.ts'

const TURN_ENDS: Readonly<Record<TurnOutcome, readonly [level: LogLevel, action: string, message: string]>> = {
  complete: ['info', 'message.completed', 'A question was answered.'],
  stopped: ['info', 'message.stopped', 'An answer was stopped on request.'],
  interrupted: ['warn', 'message.interrupted', 'An answer broke off; what was shown stays.'],
  expired: ['warn', 'message.expired', 'A question was too old to be asked.'],
  failed: ['error', 'message.failed', 'A question could not be answered.'],
}

const LEVEL_LEVELS = { full: 'info', limited: 'warn', offline: 'error' } as const

/** Milliseconds as ECS has them: whole nanoseconds. */
const duration = (ms: number): LogFields => ({ 'event.duration': Math.round(ms * 1e6) })

/** Events that write one line each to `log`; ids go through `hash`. Methods never throw. */
export function createEventsLog(log: Log, hash: IdHash): Events {
  const say =
    (part: Part) =>
    (level: LogLevel, action: string, message: string, fields: LogFields = {}): void =>
      log.write(part, level, message, { 'event.action': action, ...fields })
  return {
    ...processEvents(say('app')),
    ...gatewayEvents(say('gateway'), hash),
    ...questionEvents(say('gateway'), hash),
    ...turnEvents(say('turns'), say('agent'), hash),
    ...breakerEvents(say('resilience')),
    ...storeEvents(say('conversation-log')),
    ...levelEvents(say('service-level')),
  }
}

type Say = (level: LogLevel, action: string, message: string, fields?: LogFields) => void
type Some<Names extends keyof Events> = Pick<Events, Names>

const processEvents = (
  say: Say,
): Some<'serviceStarted' | 'drainStarted' | 'serviceStopped' | 'serviceCrashed' | 'profileTaken' | 'profileRefused'> => ({
  serviceStarted: ({ url, store, agent, level }) =>
    say('info', 'sys_startup', 'The service takes questions.', {
      'url.full': clean(url),
      'chat.store': clean(store),
      'chat.agent': clean(agent),
      'chat.degradation.to': level,
    }),
  drainStarted: ({ running, limitMs }) =>
    say('info', 'drain.started', 'The service is stopping; running answers may finish.', {
      'chat.count': running,
      'chat.drain_ms': limitMs,
    }),
  serviceStopped: ({ tookMs }) => say('info', 'sys_shutdown', 'The service has stopped.', duration(tookMs)),
  profileTaken: () => say('info', 'profile.taken', 'What the service file says has changed and is in force.'),
  profileRefused: (cause) =>
    say('error', 'profile.refused', 'The service file cannot be used; what it said before stays in force.', errorFields(cause)),
  serviceCrashed: (cause) => say('error', 'sys_crash', 'The process ends because it cannot go on safely.', errorFields(cause)),
})

type GatewayEvents = Some<
  | 'sessionCreated'
  | 'sessionDeleted'
  | 'sessionsExpired'
  | 'linkOpened'
  | 'linkClosed'
  | 'linkRefused'
  | 'linkResumed'
  | 'frameRefused'
  | 'requestFailed'
>

const gatewayEvents = (say: Say, hash: IdHash): GatewayEvents => ({
  sessionCreated: (session) => say('info', 'session_created', 'A session was created.', { 'session.hash': hash(session) }),
  sessionDeleted: (session) => say('info', 'session_deleted', 'A session was deleted on request.', { 'session.hash': hash(session) }),
  sessionsExpired: (count) => say('info', 'session_expired', 'Expired sessions were deleted.', { 'chat.count': count }),
  linkOpened: (transport) => say('debug', 'ws.opened', 'A live link was opened.', { 'chat.transport': transport }),
  linkClosed: ({ transport, code, heldMs }) =>
    say('debug', 'ws.closed', 'A live link was closed.', { 'chat.transport': transport, 'chat.close_code': code, ...duration(heldMs) }),
  linkRefused: (reason) => say('warn', 'ws.rejected', 'A live link was refused.', { 'event.reason': reason }),
  linkResumed: (outcome) =>
    outcome === 'fork'
      ? say('warn', 'resume.done', 'A page was ahead of the log and takes the log for true.', { 'chat.resume.outcome': outcome })
      : say('debug', 'resume.done', 'A page has caught up.', { 'chat.resume.outcome': outcome }),
  frameRefused: (problem) =>
    say('warn', 'input_validation_fail', 'A frame did not follow the protocol.', { 'event.reason': clean(problem) }),
  requestFailed: ({ method, route, status, reference, cause }) =>
    say(status >= 500 ? 'error' : 'info', 'request.failed', 'A request failed.', {
      'http.request.method': clean(method),
      'url.path': clean(route),
      'http.response.status_code': status,
      'http.request.id': clean(reference),
      ...errorFields(cause),
      // Where our code stood when somebody asked for the wrong thing helps nobody.
      ...(status >= 500 ? {} : { 'error.stack_trace': undefined }),
    }),
})

const questionEvents = (say: Say, hash: IdHash): Some<'questionAccepted' | 'questionRefused' | 'stopRequested'> => ({
  questionAccepted: ({ session, turn, transport, duplicate, tookMs }) => {
    const fields = { 'session.hash': hash(session), 'chat.turn_id': hash(turn), 'chat.transport': transport, ...duration(tookMs) }
    if (duplicate) say('info', 'message.duplicate', 'A question that is in the log was sent again.', fields)
    else say('info', 'message.accepted', 'A question was accepted.', fields)
  },
  questionRefused: ({ transport, reason }) =>
    say('info', 'message.rejected', 'A question was refused.', { 'chat.transport': transport, 'event.reason': clean(reason) }),
  stopRequested: ({ session, turn }) =>
    say('info', 'message.stop_requested', 'Someone asked for an answer to stop.', {
      'session.hash': hash(session),
      'chat.turn_id': hash(turn),
    }),
})

const turnEvents = (
  say: Say,
  sayOfAgent: Say,
  hash: IdHash,
): Some<'turnStarted' | 'turnFirstText' | 'turnEnded' | 'turnFenced' | 'agentFailed' | 'tokensUsed' | 'agentAttemptFailed'> => ({
  turnStarted: ({ session, turn, attempt }) =>
    say('debug', 'turn.started', 'A question is being asked.', {
      'session.hash': hash(session),
      'chat.turn_id': hash(turn),
      'chat.attempt': attempt,
    }),
  turnFirstText: ({ turn, tookMs }) =>
    say('debug', 'turn.first_token', 'An answer has begun.', { 'chat.turn_id': hash(turn), ...duration(tookMs) }),
  turnEnded: ({ session, turn, outcome, reason, tookMs }) => {
    const [level, action, message] = TURN_ENDS[outcome]
    const ids = { 'session.hash': hash(session), 'chat.turn_id': hash(turn) }
    say(level, action, message, { ...ids, 'event.outcome': outcome, 'event.reason': reason, ...duration(tookMs) })
  },
  turnFenced: (turn) =>
    say('warn', 'turn.fenced', 'A newer owner has this turn; nothing more was written.', { 'chat.turn_id': hash(turn) }),
  agentFailed: ({ turn, kind, cause }) =>
    sayOfAgent('warn', 'agent.failed', 'The agent failed.', {
      'chat.turn_id': hash(turn),
      'event.reason': clean(kind),
      ...errorFields(cause),
    }),
  tokensUsed: ({ turn, inputTokens, outputTokens }) =>
    sayOfAgent('debug', 'agent.usage', 'The agent said how many tokens an answer took.', {
      'chat.turn_id': hash(turn),
      'gen_ai.usage.input_tokens': inputTokens,
      'gen_ai.usage.output_tokens': outputTokens,
    }),
  agentAttemptFailed: ({ turn, attempt, retriesLeft, delayMs, stop, cause }) =>
    sayOfAgent('warn', 'agent.attempt_failed', 'An attempt to ask the agent failed.', {
      'chat.turn_id': hash(turn),
      'chat.attempt': attempt,
      'chat.retries_left': retriesLeft,
      'chat.delay_ms': delayMs === undefined ? undefined : Math.round(delayMs),
      'event.reason': stop,
      ...errorFields(cause),
    }),
})

const BREAKER_MOVES = {
  open: ['warn', 'breaker.opened', 'A circuit breaker opened; calls are refused for a while.'],
  'half-open': ['info', 'breaker.half_opened', 'A circuit breaker lets a call through to see.'],
  closed: ['info', 'breaker.closed', 'A circuit breaker closed; calls go through again.'],
  isolated: ['warn', 'breaker.isolated', 'A circuit breaker is held open by a person.'],
} as const

const BREAKER_CALLS = {
  success: ['debug', 'breaker.success', 'A call through a circuit breaker worked.'],
  failure: ['error', 'breaker.failure', 'A call through a circuit breaker failed.'],
  rejected: ['warn', 'breaker.rejected', 'A circuit breaker refused a call.'],
} as const

const breakerEvents = (say: Say): Some<'breakerChanged' | 'breakerCalled'> => ({
  breakerChanged: ({ service, to, openMs }) => {
    const [level, action, message] = BREAKER_MOVES[to]
    say(level, action, message, { 'chat.breaker': clean(service), 'chat.retry_after_ms': openMs })
  },
  breakerCalled: ({ service, outcome, cause }) => {
    const [level, action, message] = BREAKER_CALLS[outcome]
    say(level, action, message, { 'chat.breaker': clean(service), ...(cause === undefined ? {} : errorFields(cause)) })
  },
})

const storeEvents = (say: Say): Some<'storeAttemptFailed' | 'storeFailed' | 'storeCommitted' | 'storeGuarantee' | 'storeSettling'> => ({
  storeAttemptFailed: ({ command, attempt, retriesLeft, delayMs, stop, cause }) =>
    say('warn', 'store.attempt_failed', 'An attempt at a command of the conversation log failed.', {
      'chat.command': clean(command),
      'chat.attempt': attempt,
      'chat.retries_left': retriesLeft,
      'chat.delay_ms': delayMs === undefined ? undefined : Math.round(delayMs),
      'event.reason': stop,
      ...errorFields(cause),
    }),
  storeFailed: ({ kind, cause }) =>
    say('error', 'store.failed', 'The conversation log failed.', { 'event.reason': clean(kind), ...errorFields(cause) }),
  storeCommitted: ({ commands, tookMs }) =>
    say('debug', 'store.committed', 'Commands were made durable.', { 'chat.count': commands, ...duration(tookMs) }),
  storeGuarantee: ({ durability, weaknesses }) => {
    const fields = { 'chat.durability': durability, 'event.reason': clean(weaknesses.join('; ')) }
    if (weaknesses.length > 0) say('warn', 'store.guarantee', 'The store may lose what it has acknowledged.', fields)
    else say('info', 'store.guarantee', 'The store keeps what it acknowledges.', { 'chat.durability': durability })
  },
  storeSettling: ({ isStalled, server, replicas, needed }) => {
    const fields = { 'chat.server': clean(server), 'chat.replicas': replicas, 'chat.replicas_needed': needed }
    if (isStalled) say('warn', 'store.unsettled', 'Replicas are missing: what is accepted is not settled.', fields)
    else say('info', 'store.settling', 'All replicas are there: what is accepted is settled again.', fields)
  },
})

const levelEvents = (say: Say): Some<'levelChanged'> => ({
  levelChanged: ({ from, to, away }) =>
    say(LEVEL_LEVELS[to], 'degradation.changed', 'What the service can do has changed.', {
      'chat.degradation.from': from,
      'chat.degradation.to': to,
      'chat.degradation.reason': away.join(' '),
    }),
})
