/**
 * The events of the service as log lines: part, level, action name and fixed words, in one place.
 *
 * error: something was given up. warn: something went wrong and was dealt with. info: one line for each step of a session or
 * question that people on call count. debug: the rest. `docs/logs.md` lists them all.
 */
import { clean } from './clean.ts'
import { errorFields } from './error-fields.ts'
import type { Events, LoggedEvents } from './events.ts'
import type { IdHash } from './id-hash.ts'
import type { Log, LogFields, LogLevel, Part } from './log.ts'
import type { TurnTrace } from './turn-trace.ts'
import type { TurnOutcome } from '../conversation/entry.ts'
import type { SessionId, TurnId } from '../conversation/ids.ts'
import { referenceOf, type Trace } from '../conversation/trace.ts'

/** What stands in the log for ids. */
export interface LogNames {
  readonly hash: IdHash
  readonly traceOf: TurnTrace
}

/** Events that write one line each to `log`; ids go through `names`. Methods never throw. */
export function createEventsLog(log: Log, names: LogNames): LoggedEvents {
  const say =
    (part: Part, category: Category): Say =>
    (level, action, message, fields = {}) =>
      log.write(part, level, message, { 'event.action': action, 'event.category': category, 'event.outcome': outcomeOf(level), ...fields })
  return {
    ...processEvents(say('app', 'process')),
    ...sessionEvents(say('gateway', 'session'), names.hash),
    ...linkEvents(say('gateway', 'network')),
    ...requestEvents(say('gateway', 'web')),
    ...questionEvents(say('gateway', 'web'), names),
    ...turnEvents(say('turns', 'process'), names),
    ...agentEvents(say('agent', 'network'), names),
    ...breakerEvents(say('resilience', 'network')),
    ...storeEvents(say('conversation-log', 'database')),
    ...integrityEvents(say('operations', 'database')),
    ...operatorEvents(say('operations', 'process')),
    ...levelEvents(say('service-level', 'process')),
  }
}

/** `event.category` of the Elastic Common Schema. */
type Category = 'process' | 'session' | 'network' | 'web' | 'database'
type Say = (level: LogLevel, action: string, message: string, fields?: LogFields) => void
type Some<Names extends keyof Events> = Pick<Events, Names>

const outcomeOf = (level: LogLevel): 'success' | 'failure' => (level === 'warn' || level === 'error' ? 'failure' : 'success')
const FAILURE: LogFields = { 'event.outcome': 'failure' }

/** Milliseconds as ECS has them: whole nanoseconds. */
const duration = (ms: number): LogFields => ({ 'event.duration': Math.round(ms * 1e6) })

/** Which trace a line belongs to, and what people quote for it. */
const traced = (trace: Trace): LogFields => ({ 'trace.id': trace.traceId, 'span.id': trace.spanId, 'chat.reference': referenceOf(trace) })

interface Asked {
  readonly session?: SessionId
  readonly turn: TurnId
  readonly attempt?: number
}

/** What says which question a line is about. */
const about = ({ hash, traceOf }: LogNames, { session, turn, attempt }: Asked): LogFields => ({
  'session.hash': session === undefined ? undefined : hash(session),
  'chat.turn_id': hash(turn),
  'chat.attempt': attempt,
  ...traced(traceOf(turn, attempt)),
})

type ProcessEvents = Some<
  | 'configLoaded'
  | 'serviceStarted'
  | 'drainStarted'
  | 'drainEnded'
  | 'serviceStopped'
  | 'profileTaken'
  | 'profileRefused'
  | 'serviceCrashed'
  | 'clockJumped'
  | 'logFilesFailed'
>

const processEvents = (say: Say): ProcessEvents => ({
  configLoaded: (settings) =>
    say(
      'info',
      'config.loaded',
      'The settings were read.',
      Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [`chat.config.${name}`, typeof value === 'string' ? clean(value) : value]),
      ),
    ),
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
  drainEnded: ({ tookMs, answers, links }) => {
    const fields = {
      ...duration(tookMs),
      'chat.drain.answers_finished': answers.finished,
      'chat.drain.answers_handed_over': answers.handedOver,
      'chat.drain.links_moved': links.moved,
      'chat.drain.links_told': links.told,
      'chat.drain.links_cut': links.cut,
    }
    if (answers.handedOver === 0) say('info', 'drain.done', 'Every running answer has ended, and everybody was let go.', fields)
    else say('warn', 'drain.done', 'Answers that were still running were given back for another process to go on from.', fields)
  },
  serviceStopped: ({ tookMs }) => say('info', 'sys_shutdown', 'The service has stopped.', duration(tookMs)),
  profileTaken: () => say('info', 'profile.taken', 'What the service file says has changed and is in force.'),
  profileRefused: (cause) =>
    say('error', 'profile.refused', 'The service file cannot be used; what it said before stays in force.', errorFields(cause)),
  serviceCrashed: (cause) => say('error', 'sys_crash', 'The process ends because it cannot go on safely.', errorFields(cause)),
  clockJumped: ({ byMs }) =>
    say('warn', 'sys.clock_jumped', 'The clock of this machine was set; durations do not depend on it.', {
      'chat.jump_ms': Math.round(byMs),
    }),
  logFilesFailed: (cause) =>
    say('error', 'log.files_failed', 'Log files cannot be written; lines go to the output only.', errorFields(cause)),
})

const sessionEvents = (
  say: Say,
  hash: IdHash,
): Some<'sessionCreated' | 'sessionDeleted' | 'sessionsExpired' | 'sessionRefused' | 'accessDenied'> => ({
  sessionCreated: (session) => say('info', 'session_created', 'A session was created.', { 'session.hash': hash(session) }),
  sessionDeleted: (session) => say('info', 'session_deleted', 'A session was deleted on request.', { 'session.hash': hash(session) }),
  sessionsExpired: (count) => say('info', 'session_expired', 'Expired sessions were deleted.', { 'chat.count': count }),
  sessionRefused: (reason) =>
    say('info', reason === 'rate' ? 'excess_rate_limit_exceeded' : 'session.refused', 'A session was refused.', {
      ...FAILURE,
      'event.reason': reason,
    }),
  accessDenied: (to) => say('warn', 'authz_fail', 'Somebody asked for what is not theirs.', { 'event.reason': to }),
})

type LinkEvents = Some<'linkOpened' | 'linkClosed' | 'linkRefused' | 'linkResumed' | 'linkSlow' | 'frameRefused'>

const linkEvents = (say: Say): LinkEvents => ({
  linkOpened: (transport) => say('debug', 'ws.opened', 'A live link was opened.', { 'chat.transport': transport }),
  linkClosed: ({ transport, code, heldMs }) =>
    say('debug', 'ws.closed', 'A live link was closed.', { 'chat.transport': transport, 'chat.close_code': code, ...duration(heldMs) }),
  linkRefused: ({ transport, reason }) =>
    say('warn', 'ws.rejected', 'A live link was refused.', { 'chat.transport': transport, 'event.reason': reason }),
  linkResumed: ({ outcome, missed }) => {
    const fields = { 'chat.resume.outcome': outcome, 'chat.resume.missed': missed }
    if (outcome === 'fork') say('warn', 'resume.done', 'A page was ahead of the log and takes the log for true.', fields)
    else if (outcome === 'refused') say('warn', 'resume.done', 'A page could not be brought up to date now.', fields)
    else if (outcome === 'expired') say('debug', 'resume.done', 'A page asked for a session that is not there.', { ...fields, ...FAILURE })
    else say('debug', 'resume.done', 'A page has caught up.', fields)
  },
  linkSlow: (action) =>
    action === 'paused'
      ? say('debug', 'ws.paused', 'A reader takes less than there is and is waited for.')
      : say('warn', 'ws.given_up', 'A reader took nothing for too long and was told to come back.'),
  frameRefused: (problem) =>
    say('warn', 'input_validation_fail', 'A frame did not follow the protocol.', { 'event.reason': clean(problem) }),
})

/** Failures that are also security events have the names of the OWASP Logging Vocabulary. */
const SECURITY_ACTIONS: Readonly<Record<string, string>> = {
  FORM_EXPIRED: 'malicious_csrf',
  FORBIDDEN_ORIGIN: 'malicious_cors',
  RATE_LIMITED: 'excess_rate_limit_exceeded',
  VALIDATION_ERROR: 'input_validation_fail',
}

const requestEvents = (say: Say): Some<'requestFailed' | 'contentBlocked'> => ({
  contentBlocked: ({ kind }) => say('warn', 'csp.blocked', 'A browser refused something that a page held.', { 'event.reason': kind }),
  requestFailed: ({ method, route, status, reference, trace, cause }) => {
    const error = errorFields(cause)
    const action = SECURITY_ACTIONS[String(error['error.code'])] ?? 'request.failed'
    say(status >= 500 ? 'error' : 'info', action, 'A request failed.', {
      ...FAILURE,
      'http.request.method': clean(method),
      'url.path': clean(route),
      'http.response.status_code': status,
      'http.request.id': trace?.requestId,
      'chat.reference': reference === '' ? undefined : clean(reference),
      'trace.id': trace?.traceId,
      'transaction.id': trace?.spanId,
      ...error,
      // Where our code stood when somebody asked for the wrong thing helps nobody.
      ...(status >= 500 ? {} : { 'error.stack_trace': undefined }),
    })
  },
})

const questionEvents = (say: Say, names: LogNames): Some<'questionAccepted' | 'questionRefused' | 'stopRequested'> => ({
  questionAccepted: ({ session, turn, transport, duplicate, tookMs, from }) => {
    const fields = {
      ...about(names, { session, turn }),
      'chat.transport': transport,
      // A question is a trace of its own, because whoever answers it may be another process; this is where it came from.
      'http.request.id': from?.requestId,
      'chat.from.trace_id': from?.traceId,
      'chat.from.reference': from === undefined ? undefined : referenceOf(from),
      ...duration(tookMs),
    }
    if (duplicate) say('info', 'message.duplicate', 'A question that is in the log was sent again.', fields)
    else say('info', 'message.accepted', 'A question was accepted.', fields)
  },
  questionRefused: ({ transport, reason }) => {
    const action = reason === 'rate' ? 'excess_rate_limit_exceeded' : 'message.rejected'
    say('info', action, 'A question was refused.', { ...FAILURE, 'chat.transport': transport, 'event.reason': clean(reason) })
  },
  stopRequested: ({ session, turn }) =>
    say('info', 'message.stop_requested', 'Someone asked for an answer to stop.', about(names, { session, turn })),
})

const TURN_ENDS: Readonly<Record<TurnOutcome, readonly [level: LogLevel, action: string, message: string]>> = {
  complete: ['info', 'message.completed', 'A question was answered.'],
  stopped: ['info', 'message.stopped', 'An answer was stopped on request.'],
  interrupted: ['warn', 'message.interrupted', 'An answer broke off; what was shown stays.'],
  expired: ['warn', 'message.expired', 'A question was too old to be asked.'],
  failed: ['error', 'message.failed', 'A question could not be answered.'],
}

type TurnEvents = Some<'turnStarted' | 'turnFirstText' | 'helpGiven' | 'turnStalled' | 'turnEnded' | 'turnFenced' | 'answerLeft'>

const turnEvents = (say: Say, names: LogNames): TurnEvents => ({
  turnStarted: (facts) => say('debug', 'turn.started', 'A question is being asked.', about(names, facts)),
  turnFirstText: ({ turn, tookMs }) =>
    say('debug', 'turn.first_token', 'An answer has begun.', { ...about(names, { turn }), ...duration(tookMs) }),
  turnStalled: ({ turn, gapMs }) =>
    say('warn', 'turn.stalled', 'An answer makes no progress.', { ...about(names, { turn }), ...duration(gapMs) }),
  turnEnded: ({ session, turn, attempt, outcome, reason, tookMs }) => {
    const [level, action, message] = TURN_ENDS[outcome]
    say(level, action, message, {
      ...about(names, { session, turn, attempt }),
      'chat.outcome': outcome,
      'event.reason': reason,
      ...duration(tookMs),
    })
  },
  helpGiven: ({ session, turn, reason, tookMs }) =>
    say('debug', 'turn.help_given', 'A question was given other help than an answer.', {
      ...about(names, { session, turn }),
      'event.reason': reason,
      ...duration(tookMs),
    }),
  turnFenced: (turn) => say('warn', 'turn.fenced', 'A newer owner has this turn; nothing more was written.', about(names, { turn })),
  answerLeft: ({ turn, answeredMs }) =>
    say('info', 'turn.left', 'An answer that had begun was given up for another process to go on.', {
      ...about(names, { turn }),
      ...duration(answeredMs),
    }),
})

const agentEvents = (
  say: Say,
  names: LogNames,
): Some<'agentFailed' | 'agentStrayed' | 'tokensUsed' | 'agentAttemptFailed' | 'agentRecovered'> => ({
  agentStrayed: (turn) =>
    say('warn', 'agent.strayed', 'The agent said something about another question, or none; it was ignored.', about(names, { turn })),
  agentFailed: ({ turn, kind, cause }) =>
    say('warn', 'agent.failed', 'The agent failed.', { ...about(names, { turn }), 'event.reason': clean(kind), ...errorFields(cause) }),
  tokensUsed: ({ turn, inputTokens, outputTokens }) =>
    say('debug', 'agent.usage', 'The agent said how many tokens an answer took.', {
      ...about(names, { turn }),
      'gen_ai.usage.input_tokens': inputTokens,
      'gen_ai.usage.output_tokens': outputTokens,
    }),
  agentAttemptFailed: ({ turn, attempt, retriesLeft, delayMs, stop, cause }) =>
    say('warn', 'agent.attempt_failed', 'An attempt to ask the agent failed.', {
      ...about(names, { turn }),
      'chat.attempt': attempt,
      'chat.retries_left': retriesLeft,
      'chat.delay_ms': delayMs === undefined ? undefined : Math.round(delayMs),
      'event.reason': stop,
      ...errorFields(cause),
    }),
  agentRecovered: ({ turn, attempts }) =>
    say('info', 'agent.recovered', 'The agent answered when it was asked again.', { ...about(names, { turn }), 'chat.attempt': attempts }),
})

const BREAKER_MOVES = {
  open: ['warn', 'A circuit breaker opened; calls are refused for a while.'],
  'half-open': ['info', 'A circuit breaker lets a call through to see.'],
  closed: ['info', 'A circuit breaker closed; calls go through again.'],
  isolated: ['warn', 'A circuit breaker is held open by a person.'],
} as const

const BREAKER_CALLS = {
  success: ['debug', 'breaker.success', 'A call through a circuit breaker worked.'],
  failure: ['error', 'breaker.failure', 'A call through a circuit breaker failed.'],
  rejected: ['warn', 'breaker.rejected', 'A circuit breaker refused a call.'],
} as const

const breakerEvents = (say: Say): Some<'breakerChanged' | 'breakerCalled' | 'dependencyChanged' | 'listenerFailed'> => ({
  listenerFailed: (cause) =>
    say('error', 'listener.failed', 'Something that wanted to hear of breakers or checks failed; nothing else did.', errorFields(cause)),
  breakerChanged: ({ service, from, to, openMs }) => {
    const [level, message] = BREAKER_MOVES[to]
    say(level, 'breaker.changed', message, {
      'chat.breaker.service': clean(service),
      'chat.breaker.from': from,
      'chat.breaker.to': to,
      'chat.retry_after_ms': openMs,
    })
  },
  breakerCalled: ({ service, outcome, tookMs, cause }) => {
    const [level, action, message] = BREAKER_CALLS[outcome]
    say(level, action, message, {
      'chat.breaker.service': clean(service),
      ...(tookMs === undefined ? {} : duration(tookMs)),
      ...(cause === undefined ? {} : errorFields(cause)),
    })
  },
  dependencyChanged: ({ service, isUp, cause }) => {
    // Where our own check stood is no news about what it found.
    const fields = { 'chat.dependency': service, ...(cause === undefined ? {} : errorFields(cause)), 'error.stack_trace': undefined }
    if (isUp) say('info', 'dependency.up', 'A check found that this works.', fields)
    else say('warn', 'dependency.down', 'A check found that this does not work.', fields)
  },
})

type StoreEvents = Some<
  'storeAttemptFailed' | 'storeRecovered' | 'storeFailed' | 'storeCommitted' | 'storeGuarantee' | 'storeSettling' | 'queueFull'
>

const storeEvents = (say: Say): StoreEvents => ({
  storeAttemptFailed: ({ command, attempt, retriesLeft, delayMs, stop, cause }) =>
    say('warn', 'store.attempt_failed', 'An attempt at a command of the conversation log failed.', {
      'chat.command': clean(command),
      'chat.attempt': attempt,
      'chat.retries_left': retriesLeft,
      'chat.delay_ms': delayMs === undefined ? undefined : Math.round(delayMs),
      'event.reason': stop,
      ...errorFields(cause),
    }),
  storeRecovered: ({ command, attempts }) =>
    say('info', 'store.recovered', 'A command of the conversation log worked after it had failed.', {
      'chat.command': clean(command),
      'chat.attempt': attempts,
    }),
  storeFailed: ({ kind, during, cause }) =>
    say('error', 'store.failed', 'The conversation log failed.', {
      'event.reason': clean(kind),
      'chat.during': during,
      ...errorFields(cause),
    }),
  storeCommitted: ({ commands, tookMs }) =>
    say('debug', 'store.committed', 'Commands were made durable.', { 'chat.count': commands, ...duration(tookMs) }),
  queueFull: ({ queue, depth }) =>
    say('error', 'queue.full', 'So much waits that more is refused.', { 'chat.queue.name': queue, 'chat.queue.depth': depth }),
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

const operatorEvents = (say: Say): Some<'operatorActed'> => ({
  operatorActed: ({ action, service, door, name, result }) =>
    say('warn', 'operator.acted', 'An operator did something, or was refused it.', {
      'event.outcome': result === 'done' ? 'success' : 'failure',
      'event.reason': action,
      'chat.breaker.service': clean(service),
      'chat.operator.door': door,
      'user.name': name === undefined ? undefined : clean(name),
    }),
})

const integrityEvents = (say: Say): Some<'questionsLost' | 'queueStuck' | 'queueDrained'> => ({
  questionsLost: ({ found, missing }) =>
    say('error', 'message.lost', 'Accepted questions are gone from the store.', { 'chat.count': found, 'chat.missing': missing }),
  queueStuck: ({ queue, depth, ageMs }) =>
    say('warn', 'queue.stuck', 'Questions have waited for longer than anybody should.', {
      'chat.queue.name': queue,
      'chat.queue.depth': depth,
      'chat.queue.age_ms': Math.round(ageMs),
    }),
  queueDrained: ({ queue }) => say('info', 'queue.drained', 'No question waits for too long any more.', { 'chat.queue.name': queue }),
})

const LEVEL_LEVELS = { full: 'info', limited: 'warn', offline: 'error' } as const

const levelEvents = (say: Say): Some<'levelChanged'> => ({
  levelChanged: ({ from, to, away }) =>
    say(LEVEL_LEVELS[to], 'degradation.changed', 'What the service can do has changed.', {
      'chat.degradation.from': from,
      'chat.degradation.to': to,
      'chat.degradation.reason': away.join(' '),
    }),
})
