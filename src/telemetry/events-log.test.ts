import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { AgentError } from '../agent/agent-error.ts'
import { mintSessionId, mintTurnId } from '../conversation/ids.ts'
import { errorFields } from './error-fields.ts'
import { createEventsLog } from './events-log.ts'
import { createEvents, type CountedEvents, type Events, type LoggedEvents } from './events.ts'
import { createIdHash } from './id-hash.ts'
import type { Log, LogFields, LogLevel, Part } from './log.ts'
import { createTurnTrace } from './turn-trace.ts'

const DAY_MS = 86_400_000
const random = (count: number): Uint8Array => new Uint8Array(count).fill(7)
const session = mintSessionId(random)
const turn = mintTurnId(random)

interface Line {
  readonly part: Part
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
}

const nothing = (): void => undefined
const NOT_COUNTED: CountedEvents = { requestServed: nothing, linkTraffic: nothing, linkPonged: nothing, commandRefused: nothing }

/** Runs `act` on the events and gives back the lines it caused. */
function linesOf(act: (events: Events) => void): readonly Line[] {
  const lines: Line[] = []
  const log: Log = { write: (part, level, message, fields) => lines.push({ part, level, message, fields }) }
  const hash = createIdHash('secret', () => 0)
  act(createEvents(createEventsLog(log, { hash, traceOf: createTurnTrace('secret') }), NOT_COUNTED))
  return lines
}

const DRAINED = { tookMs: 1, answers: { finished: 1, handedOver: 0 }, links: { moved: 2, told: 1, cut: 1 } }
const cause = new AgentError('busy', 'the agent is busy', { isRetryable: true })

/** Every event once, with the part, level and action its one line must have. */
const EVENTS: Readonly<Record<keyof LoggedEvents, readonly [act: (events: Events) => void, part: Part, level: LogLevel, action: string]>> =
  {
    serviceStarted: [
      (e) => e.serviceStarted({ url: 'http://x', store: 's', agent: 'a', level: 'full', version: '1' }),
      'app',
      'info',
      'sys_startup',
    ],
    configLoaded: [(e) => e.configLoaded({ drain_ms: 5 }), 'app', 'info', 'config.loaded'],
    drainEnded: [(e) => e.drainEnded(DRAINED), 'app', 'info', 'drain.done'],
    clockJumped: [(e) => e.clockJumped({ byMs: -3_600_000 }), 'app', 'warn', 'sys.clock_jumped'],
    logFilesFailed: [(e) => e.logFilesFailed(cause), 'app', 'error', 'log.files_failed'],
    drainStarted: [(e) => e.drainStarted({ running: 1, limitMs: 5 }), 'app', 'info', 'drain.started'],
    serviceStopped: [(e) => e.serviceStopped({ tookMs: 1 }), 'app', 'info', 'sys_shutdown'],
    profileTaken: [(e) => e.profileTaken(), 'app', 'info', 'profile.taken'],
    profileRefused: [(e) => e.profileRefused(cause), 'app', 'error', 'profile.refused'],
    serviceCrashed: [(e) => e.serviceCrashed(cause), 'app', 'error', 'sys_crash'],
    sessionCreated: [(e) => e.sessionCreated(session), 'gateway', 'info', 'session_created'],
    sessionDeleted: [(e) => e.sessionDeleted(session), 'gateway', 'info', 'session_deleted'],
    sessionsExpired: [(e) => e.sessionsExpired(2), 'gateway', 'info', 'session_expired'],
    sessionRefused: [(e) => e.sessionRefused('too-many'), 'gateway', 'info', 'session.refused'],
    operatorActed: [
      (e) => e.operatorActed({ action: 'isolate', service: 'ai-agent', door: 'token', name: 'ada', result: 'done' }),
      'operations',
      'warn',
      'operator.acted',
    ],
    accessDenied: [(e) => e.accessDenied('operations'), 'gateway', 'warn', 'authz_fail'],
    linkSlow: [(e) => e.linkSlow('terminated'), 'gateway', 'warn', 'ws.given_up'],
    linkOpened: [(e) => e.linkOpened('websocket'), 'gateway', 'debug', 'ws.opened'],
    linkClosed: [(e) => e.linkClosed({ transport: 'sse', code: 1000, heldMs: 1 }), 'gateway', 'debug', 'ws.closed'],
    linkRefused: [(e) => e.linkRefused({ transport: 'websocket', reason: 'origin' }), 'gateway', 'warn', 'ws.rejected'],
    linkResumed: [(e) => e.linkResumed({ outcome: 'resumed', missed: 3 }), 'gateway', 'debug', 'resume.done'],
    frameRefused: [(e) => e.frameRefused('not JSON'), 'gateway', 'warn', 'input_validation_fail'],
    questionAccepted: [
      (e) => e.questionAccepted({ session, turn, transport: 'api', duplicate: false, tookMs: 1 }),
      'gateway',
      'info',
      'message.accepted',
    ],
    questionRefused: [(e) => e.questionRefused({ transport: 'form', reason: 'empty' }), 'gateway', 'info', 'message.rejected'],
    stopRequested: [(e) => e.stopRequested({ session, turn }), 'gateway', 'info', 'message.stop_requested'],
    turnStarted: [(e) => e.turnStarted({ session, turn, attempt: 1 }), 'turns', 'debug', 'turn.started'],
    turnFirstText: [(e) => e.turnFirstText({ turn, tookMs: 1 }), 'turns', 'debug', 'turn.first_token'],
    turnEnded: [
      (e) => e.turnEnded({ session, turn, outcome: 'complete', reason: undefined, attempt: 1, tookMs: 1, answeredMs: 1 }),
      'turns',
      'info',
      'message.completed',
    ],
    turnStalled: [(e) => e.turnStalled({ turn, gapMs: 15_000 }), 'turns', 'warn', 'turn.stalled'],
    answerLeft: [(e) => e.answerLeft({ turn, answeredMs: 1 }), 'turns', 'info', 'turn.left'],
    helpGiven: [
      (e) => e.helpGiven({ session, turn, reason: 'circuit-breaker-open', doesWait: true, tookMs: 1 }),
      'turns',
      'debug',
      'turn.help_given',
    ],
    turnFenced: [(e) => e.turnFenced(turn), 'turns', 'warn', 'turn.fenced'],
    agentStrayed: [(e) => e.agentStrayed(turn), 'agent', 'warn', 'agent.strayed'],
    agentFailed: [(e) => e.agentFailed({ turn, kind: 'busy', cause }), 'agent', 'warn', 'agent.failed'],
    agentAttemptFailed: [
      (e) => e.agentAttemptFailed({ turn, attempt: 1, retriesLeft: 4, delayMs: 500, stop: undefined, cause }),
      'agent',
      'warn',
      'agent.attempt_failed',
    ],
    tokensUsed: [(e) => e.tokensUsed({ turn, inputTokens: 12, outputTokens: undefined }), 'agent', 'debug', 'agent.usage'],
    agentRecovered: [(e) => e.agentRecovered({ turn, attempts: 2 }), 'agent', 'info', 'agent.recovered'],
    breakerChanged: [
      (e) => e.breakerChanged({ service: 'ai-agent', from: 'closed', to: 'open', openMs: 30_000 }),
      'resilience',
      'warn',
      'breaker.changed',
    ],
    breakerCalled: [
      (e) => e.breakerCalled({ service: 'ai-agent', outcome: 'failure', tookMs: 1, cause }),
      'resilience',
      'error',
      'breaker.failure',
    ],
    listenerFailed: [(e) => e.listenerFailed(cause), 'resilience', 'error', 'listener.failed'],
    dependencyChanged: [(e) => e.dependencyChanged({ service: 'sqlite', isUp: false, cause }), 'resilience', 'warn', 'dependency.down'],
    storeAttemptFailed: [
      (e) => e.storeAttemptFailed({ command: 'ask', attempt: 1, retriesLeft: 1, delayMs: 200, stop: undefined, cause }),
      'conversation-log',
      'warn',
      'store.attempt_failed',
    ],
    storeRecovered: [(e) => e.storeRecovered({ command: 'ask', attempts: 2 }), 'conversation-log', 'info', 'store.recovered'],
    storeGuarantee: [
      (e) => e.storeGuarantee({ durability: 'best-effort', weaknesses: ['it keeps nothing on disk'] }),
      'conversation-log',
      'warn',
      'store.guarantee',
    ],
    storeSettling: [
      (e) => e.storeSettling({ isStalled: true, server: '127.0.0.1:6379', replicas: 0, needed: 1 }),
      'conversation-log',
      'warn',
      'store.unsettled',
    ],
    storeFailed: [(e) => e.storeFailed({ kind: 'fatal', cause }), 'conversation-log', 'error', 'store.failed'],
    queueFull: [(e) => e.queueFull({ queue: 'store', depth: 9 }), 'conversation-log', 'error', 'queue.full'],
    queueStuck: [(e) => e.queueStuck({ queue: 'inbound', depth: 9, ageMs: 1 }), 'operations', 'warn', 'queue.stuck'],
    queueDrained: [(e) => e.queueDrained({ queue: 'inbound' }), 'operations', 'info', 'queue.drained'],
    questionsLost: [(e) => e.questionsLost({ found: 1, missing: 2 }), 'operations', 'error', 'message.lost'],
    storeCommitted: [(e) => e.storeCommitted({ commands: 3, tookMs: 1 }), 'conversation-log', 'debug', 'store.committed'],
    contentBlocked: [(e) => e.contentBlocked({ kind: 'image' }), 'gateway', 'warn', 'csp.blocked'],
    requestFailed: [
      (e) => e.requestFailed({ method: 'GET', route: '/x', status: 500, reference: 'AB12', cause }),
      'gateway',
      'error',
      'request.failed',
    ],
    levelChanged: [(e) => e.levelChanged({ from: 'full', to: 'limited', away: ['agent'] }), 'service-level', 'warn', 'degradation.changed'],
  }

test.each([
  ['full', 'info'],
  ['limited', 'warn'],
  ['offline', 'error'],
] as const)('[O16] a change to %s is logged at %s', (to, level) => {
  const lines = linesOf((e) => e.levelChanged({ from: 'full', to, away: ['store'] }))
  expect(lines[0]?.level).toBe(level)
})

test.each([
  ['open', 'warn'],
  ['half-open', 'info'],
  ['closed', 'info'],
  ['isolated', 'warn'],
] as const)('[O16] a breaker that is %s now is logged at %s, with its service', (to, level) => {
  const [line] = linesOf((e) => e.breakerChanged({ service: 'ai-agent', from: 'closed', to, openMs: undefined }))
  expect(line).toMatchObject({
    level,
    fields: { 'chat.breaker.service': 'ai-agent', 'chat.breaker.from': 'closed', 'chat.breaker.to': to },
  })
})

test.each([
  ['success', 'debug'],
  ['failure', 'error'],
  ['rejected', 'warn'],
] as const)('[O16] a call through a breaker that ended as %s is logged at %s', (outcome, level) => {
  expect(linesOf((e) => e.breakerCalled({ service: 'ai-agent', outcome, tookMs: 1, cause: undefined }))[0]?.level).toBe(level)
})

test('[O16] an attempt that failed says its number, the retries left and the next delay', () => {
  const [line] = linesOf((e) => e.agentAttemptFailed({ turn, attempt: 2, retriesLeft: 3, delayMs: 812.4, stop: undefined, cause }))
  expect(line?.fields).toMatchObject({ 'chat.attempt': 2, 'chat.retries_left': 3, 'chat.delay_ms': 812, 'error.type': 'AgentError' })
})

test('[O16] a store that keeps what it acknowledges, and one that settles again, are no warnings', () => {
  const [kept] = linesOf((e) => e.storeGuarantee({ durability: 'fsync', weaknesses: [] }))
  const [settling] = linesOf((e) => e.storeSettling({ isStalled: false, server: 'here', replicas: 1, needed: 1 }))
  expect([kept, settling].map((line) => [line?.level, line?.fields['event.action']])).toEqual([
    ['info', 'store.guarantee'],
    ['info', 'store.settling'],
  ])
})

test.each(Object.entries(EVENTS))('[O16] %s is one line with its own action', (_name, [act, part, level, action]) => {
  const lines = linesOf(act)
  expect(lines.map((line) => [line.part, line.level, line.fields['event.action']])).toEqual([[part, level, action]])
})

test.each([
  ['complete', 'info'],
  ['stopped', 'info'],
  ['interrupted', 'warn'],
  ['expired', 'warn'],
  ['failed', 'error'],
] as const)('[O16] a turn that ended %s is logged at %s', (outcome, level) => {
  expect(linesOf((e) => e.turnEnded({ session, turn, outcome, reason: undefined, attempt: 1, tookMs: 1, answeredMs: 1 }))[0]?.level).toBe(
    level,
  )
})

test('[O16] what a person got wrong is not an error of ours', () => {
  const lines = linesOf((e) => e.requestFailed({ method: 'POST', route: '/x', status: 404, reference: 'AB12', cause }))
  expect(lines[0]).toMatchObject({ level: 'info', fields: { 'error.code': 'AGENT_ERROR', 'error.stack_trace': undefined } })
})

test('[O16] a store that keeps what it acknowledges, and one that settles again, are no warnings', () => {
  const [kept] = linesOf((e) => e.storeGuarantee({ durability: 'fsync', weaknesses: [] }))
  const [settling] = linesOf((e) => e.storeSettling({ isStalled: false, server: 'here', replicas: 1, needed: 1 }))
  expect([kept, settling].map((line) => [line?.level, line?.fields['event.action']])).toEqual([
    ['info', 'store.guarantee'],
    ['info', 'store.settling'],
  ])
})

test.each(Object.entries(EVENTS))('[O11] %s has no id in clear', (_name, [act]) => {
  const text = JSON.stringify(linesOf(act))
  expect(text).not.toContain(session)
  expect(text).not.toContain(turn)
})

test('[O11] an id has one hash for a day, another the next day, and another under another secret', () => {
  const at = { now: 0 }
  const hash = createIdHash('secret', () => at.now)
  const first = hash(session)
  at.now = DAY_MS - 1
  const sameDay = hash(session)
  at.now = DAY_MS
  const nextDay = hash(session)
  expect(first).toMatch(/^[0-9a-f]{12}$/)
  expect(sameDay).toBe(first)
  expect(new Set([first, nextDay, createIdHash('other', () => 0)(session), hash(turn)]).size).toBe(4)
})

test('[O12] what came from outside is cleaned on its way into a line', () => {
  const forged = 'x\u2028{"log.level":"error"}'
  const lines = linesOf((e) => e.frameRefused(forged))
  expect(lines[0]?.fields['event.reason']).toBe('x{"log.level":"error"}')
})

function thrownBy(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error
  }
}

test('[O13] words that a foreign error quotes are not logged', () => {
  const words = 'my name is Marker'
  const thrown = [
    thrownBy((): unknown => JSON.parse(words)),
    thrownBy(() => 'length' in (words as unknown as object)),
    new Error(words, { cause: new TypeError(words) }),
    words,
  ]
  const logged = JSON.stringify(thrown.map(errorFields))
  expect(logged).not.toContain('Marker')
  expect(errorFields(thrown[0])).toMatchObject({ 'error.type': 'SyntaxError', 'error.message': undefined })
  expect(errorFields(words)).toMatchObject({ 'error.type': 'thrown string' })
})

test('[O13] our own errors and those of the system say what happened and where, with their causes', () => {
  const system = thrownBy(() => readFileSync('/nowhere/at/all'))
  const fields = errorFields(new AgentError('unreachable', 'no connection', { isRetryable: true, cause: system }))
  expect(fields).toEqual({
    'error.type': 'AgentError',
    'error.code': 'AGENT_ERROR',
    'error.message': 'no connection',
    'error.causes': "Error ENOENT ENOENT: no such file or directory, open '/nowhere/at/all'",
    'error.stack_trace': expect.stringMatching(/^ {4}at .*events-log\.test\.ts/),
  })
})
