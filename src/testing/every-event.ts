/** Says every event in every way that is counted or written differently. */
import { AgentError } from '../agent/agent-error.ts'
import { TURN_END_REASONS, TURN_OUTCOMES } from '../conversation/entry.ts'
import { mintSessionId, mintTurnId } from '../conversation/ids.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { ForgeryError, RateLimitError, ValidationError } from '../gateway/errors.ts'
import type { Events } from '../telemetry/events.ts'

const random = (count: number): Uint8Array => new Uint8Array(count).fill(7)
const session = mintSessionId(random)
const turn = mintTurnId(random)
const cause = new AgentError('busy', 'busy', { isRetryable: true })
const LEVELS = ['full', 'limited', 'offline'] as const

export function sayEverything(events: Events): void {
  sayOfProcess(events)
  sayOfQuestions(events)
  sayOfTurns(events)
  sayOfLinks(events)
  sayOfDependencies(events)
  sayOfRequests(events)
}

function sayOfProcess(events: Events): void {
  events.configLoaded({})
  events.serviceStarted({ url: '', store: '', agent: '', level: 'full', version: '' })
  events.drainStarted({ running: 1, limitMs: 1 })
  for (const handedOver of [0, 1]) {
    events.drainEnded({ tookMs: 1, answers: { finished: 1, handedOver }, links: { moved: 1, told: 1, cut: 1 } })
  }
  for (const kind of ['image', 'script', 'form', 'style', 'request', 'frame', 'other'] as const) events.contentBlocked({ kind })
  events.serviceStopped({ tookMs: 1 })
  events.serviceCrashed(cause)
  events.profileTaken()
  events.profileRefused(cause)
  events.clockJumped({ byMs: 1 })
  events.logFilesFailed(cause)
  events.sessionCreated(session)
  events.sessionDeleted(session)
  events.sessionsExpired(1)
  for (const reason of ['rate', 'too-many'] as const) events.sessionRefused(reason)
  events.accessDenied('operations')
  for (const result of ['done', 'refused'] as const) {
    events.operatorActed({ action: 'isolate', service: 'ai-agent', door: 'token', name: 'ada', result })
  }
  for (const from of LEVELS) for (const to of LEVELS) events.levelChanged({ from, to, away: [] })
}

function sayOfQuestions(events: Events): void {
  for (const transport of ['websocket', 'form', 'api'] as const) {
    for (const duplicate of [true, false]) events.questionAccepted({ session, turn, transport, duplicate, tookMs: 1 })
  }
  for (const reason of ['empty', 'rate', 'overload', 'in flight', 'gone']) events.questionRefused({ transport: 'form', reason })
  events.stopRequested({ session, turn })
}

function sayOfTurns(events: Events): void {
  events.turnStarted({ session, turn, attempt: 1 })
  for (const outcome of TURN_OUTCOMES) {
    for (const reason of TURN_END_REASONS) {
      events.turnFirstText({ turn, tookMs: 1 })
      events.turnEnded({ session, turn, outcome, reason, attempt: 1, tookMs: 1, answeredMs: 1 })
    }
  }
  events.turnFirstText({ turn, tookMs: 1 })
  events.answerLeft({ turn, answeredMs: 1 })
  events.helpGiven({ session, turn, reason: 'agent-unreachable', doesWait: true, tookMs: 1 })
  events.turnStalled({ turn, gapMs: 15_000 })
  events.turnFenced(turn)
  for (const kind of ['unreachable', 'busy', 'error', 'protocol', 'broke-off']) events.agentFailed({ turn, kind, cause })
  events.agentStrayed(turn)
  for (const stop of ['attempts', 'budget'])
    events.agentAttemptFailed({ turn, attempt: 1, retriesLeft: 0, delayMs: undefined, stop, cause })
  events.tokensUsed({ turn, inputTokens: 1, outputTokens: 2 })
  events.agentRecovered({ turn, attempts: 2 })
}

function sayOfLinks(events: Events): void {
  for (const transport of ['websocket', 'sse'] as const) {
    events.linkOpened(transport)
    for (const reason of ['origin', 'session', 'capacity', 'rate', 'version', 'path', 'draining'] as const) {
      events.linkRefused({ transport, reason })
    }
  }
  for (const code of [...Object.values(CLOSE_CODES), 1001, 1006, 1008, 1009]) events.linkClosed({ transport: 'websocket', code, heldMs: 1 })
  for (const outcome of ['resumed', 'snapshot', 'fork', 'expired', 'refused'] as const) events.linkResumed({ outcome, missed: 2 })
  for (const action of ['paused', 'terminated'] as const) events.linkSlow(action)
  for (const direction of ['in', 'out'] as const) events.linkTraffic({ direction, bytes: 3 })
  events.linkPonged({ tookMs: 1 })
  events.frameRefused('not JSON')
}

function sayOfDependencies(events: Events): void {
  events.listenerFailed(cause)
  for (const service of ['ai-agent', 'redis']) {
    for (const to of ['open', 'half-open', 'closed', 'isolated'] as const) {
      events.breakerChanged({ service, from: 'closed', to, openMs: undefined })
    }
    for (const outcome of ['success', 'failure', 'rejected'] as const) events.breakerCalled({ service, outcome, tookMs: 1, cause })
  }
  for (const stop of ['attempts', 'budget'])
    events.storeAttemptFailed({ command: 'ask', attempt: 1, retriesLeft: 0, delayMs: undefined, stop, cause })
  events.storeRecovered({ command: 'ask', attempts: 2 })
  for (const weaknesses of [['it keeps nothing on disk'], []]) events.storeGuarantee({ durability: 'best-effort', weaknesses })
  for (const isStalled of [true, false]) events.storeSettling({ isStalled, server: '127.0.0.1:6379', replicas: 0, needed: 1 })
  for (const isUp of [true, false]) events.dependencyChanged({ service: 'sqlite', isUp, cause: undefined })
  for (const during of ['read', 'write', 'wait'] as const) events.storeFailed({ kind: 'corrupt', during, cause })
  events.storeCommitted({ commands: 1, tookMs: 1 })
  events.commandRefused()
  events.queueFull({ queue: 'store', depth: 1 })
  events.queueStuck({ queue: 'inbound', depth: 1, ageMs: 1 })
  events.queueDrained({ queue: 'inbound' })
  events.questionsLost({ found: 1, missing: 1 })
}

function sayOfRequests(events: Events): void {
  events.requestServed({ method: 'GET', route: '/', status: 200, tookMs: 1 })
  const failures = [
    ['/chat', 400, new ValidationError([])],
    ['/chat', 401, cause],
    ['/chat', 403, new ForgeryError('origin')],
    ['/chat', 403, new ForgeryError('token')],
    ['/chat', 408, cause],
    ['/chat', 429, new RateLimitError(1)],
    ['/chat', 500, cause],
    ['parser', 400, cause],
    ['/ws', 500, cause],
  ] as const
  for (const [route, status, failure] of failures) events.requestFailed({ method: 'GET', route, status, reference: '', cause: failure })
}
