import { expect, test } from 'vitest'
import { AgentError } from '../agent/agent-error.ts'
import { TURN_END_REASONS, TURN_OUTCOMES } from '../conversation/entry.ts'
import { mintSessionId, mintTurnId } from '../conversation/ids.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { CATALOGUE } from './catalogue.ts'
import { createEventsLog } from './events-log.ts'
import { createEventsMetrics } from './events-metrics.ts'
import { createEvents, type Events } from './events.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createTurnTrace } from './turn-trace.ts'

const random = (count: number): Uint8Array => new Uint8Array(count).fill(7)
const session = mintSessionId(random)
const turn = mintTurnId(random)
const cause = new AgentError('busy', 'busy', { isRetryable: true })

interface Play {
  readonly metrics: Metrics
  readonly events: Events
  /** Samples whose value is not what it was when this was last asked, with how much was added. */
  readonly moved: () => Promise<Readonly<Record<string, number>>>
}

function createPlay(): Play {
  const metrics = createMetrics({ store: 'sqlite', withRuntime: false })
  const log = createEventsLog({ write: () => undefined }, { hash: (id) => id, traceOf: createTurnTrace('secret') })
  let before = new Map<string, number>()
  const moved = async () => {
    const lines = (await metrics.render()).split('\n').filter((line) => /^chat_\w+(?:\{[^}]*\})? [\d.]+$/.test(line))
    const now = new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]))
    const changes = [...now].flatMap(([name, value]) =>
      value === (before.get(name) ?? 0) ? [] : [[name, value - (before.get(name) ?? 0)]],
    )
    before = now
    return Object.fromEntries(changes)
  }
  return { metrics, events: createEvents(log, createEventsMetrics(metrics, 'sqlite')), moved }
}

/** What an act moves, without the buckets of histograms. */
async function movedBy(act: (events: Events) => void): Promise<Readonly<Record<string, number>>> {
  const { events, moved } = createPlay()
  act(events)
  return Object.fromEntries(Object.entries(await moved()).filter(([name]) => !name.includes('_bucket')))
}

test('[O81] a question is accepted once, and is a duplicate from then on', async () => {
  const accepted = { session, turn, transport: 'websocket', duplicate: false, tookMs: 4 } as const
  expect(await movedBy((events) => events.questionAccepted(accepted))).toEqual({
    'chat_messages_total{type="user",status="accepted"}': 1,
    'chat_message_ack_seconds_sum{transport="websocket"}': 0.004,
    'chat_message_ack_seconds_count{transport="websocket"}': 1,
  })
  expect(await movedBy((events) => events.questionAccepted({ ...accepted, duplicate: true }))).toMatchObject({
    'chat_messages_total{type="user",status="duplicate"}': 1,
    chat_duplicates_suppressed_total: 1,
  })
})

test.each([
  ['complete', undefined, 'completed', 'completed'],
  ['stopped', 'asked-to-stop', 'cancelled', 'cancelled'],
  ['failed', 'agent-error', 'failed', 'failed'],
  ['failed', 'first-token-timeout', 'timeout', 'timeout'],
  ['interrupted', 'agent-broke-off', 'failed', 'failed'],
  ['interrupted', 'deadline', 'timeout', 'timeout'],
  ['interrupted', 'too-long', 'degraded', 'degraded'],
  ['expired', 'expired', 'expired', 'failed'],
] as const)('[O81] a turn that ends %s (%s) is a question %s and an answer %s', async (outcome, reason, user, agent) => {
  const { events, moved } = createPlay()
  events.turnFirstText({ turn, tookMs: 700 })
  expect(await moved()).toMatchObject({
    'chat_messages_total{type="agent",status="accepted"}': 1,
    'chat_messages_inflight{type="agent"}': 1,
    chat_time_to_first_token_seconds_sum: 0.7,
  })
  events.turnEnded({ session, turn, outcome, reason, attempt: 1, tookMs: 3_000, answeredMs: 2_000 })
  expect(await moved()).toMatchObject({
    [`chat_messages_total{type="user",status="${user}"}`]: 1,
    [`chat_messages_total{type="agent",status="${agent}"}`]: 1,
    [`chat_message_duration_seconds_sum{type="user",status="${user}"}`]: 3,
    [`chat_message_duration_seconds_sum{type="agent",status="${agent}"}`]: 2,
    'chat_messages_inflight{type="agent"}': -1,
    ...(reason === undefined ? {} : { [`chat_turn_ends_total{reason="${reason}"}`]: 1 }),
  })
})

test('[O81] a question that ends without an answer is no answer', async () => {
  const moves = await movedBy((events) =>
    events.turnEnded({ session, turn, outcome: 'expired', reason: 'expired', attempt: 0, tookMs: 9, answeredMs: undefined }),
  )
  expect(Object.keys(moves).filter((name) => name.includes('agent'))).toEqual([])
  expect(moves).toMatchObject({ 'chat_queue_dropped_total{queue="inbound",reason="expired"}': 1 })
})

test('[O81] live links are counted while they are open', async () => {
  const { events, moved } = createPlay()
  events.linkOpened('websocket')
  events.linkOpened('sse')
  expect(await moved()).toMatchObject({ chat_active_connections: 2 })
  events.linkClosed({ transport: 'sse', code: 200, heldMs: 5_000 })
  expect(await moved()).toMatchObject({
    chat_active_connections: -1,
    'chat_connections_closed_total{reason="normal"}': 1,
    chat_connection_duration_seconds_sum: 5,
  })
})

test('[O81] a failed request counts by what failed, and one that finds nothing does not', async () => {
  const typesOf = async (route: string, status: number) =>
    Object.keys(await movedBy((events) => events.requestFailed({ method: 'GET', route, status, reference: '', cause })))
  expect(await typesOf('/chat', 500)).toEqual(['chat_errors_total{service="http",type="internal"}'])
  expect(await typesOf('/chat', 403)).toEqual(['chat_errors_total{service="http",type="auth"}'])
  expect(await typesOf('parser', 400)).toEqual(['chat_errors_total{service="http",type="protocol"}'])
  expect(await typesOf('unknown', 404)).toEqual([])
})

/** Every event in every way that counts differently. */
function everything(events: Events): void {
  for (const transport of ['websocket', 'form', 'api'] as const) {
    for (const duplicate of [true, false]) events.questionAccepted({ session, turn, transport, duplicate, tookMs: 1 })
  }
  for (const reason of ['empty', 'rate', 'overload', 'in flight', 'gone']) events.questionRefused({ transport: 'form', reason })
  for (const outcome of TURN_OUTCOMES) {
    for (const reason of TURN_END_REASONS) {
      events.turnFirstText({ turn, tookMs: 1 })
      events.turnEnded({ session, turn, outcome, reason, attempt: 1, tookMs: 1, answeredMs: 1 })
    }
  }
  events.turnFirstText({ turn, tookMs: 1 })
  events.answerLeft({ turn, answeredMs: 1 })
  events.helpGiven({ session, turn, reason: 'agent-unreachable', tookMs: 1 })
  events.turnStalled({ turn, gapMs: 15_000 })
  for (const kind of ['unreachable', 'busy', 'error', 'protocol', 'broke-off']) events.agentFailed({ turn, kind, cause })
  for (const stop of ['attempts', 'budget'])
    events.agentAttemptFailed({ turn, attempt: 1, retriesLeft: 0, delayMs: undefined, stop, cause })
  events.tokensUsed({ turn, inputTokens: 1, outputTokens: 2 })
  events.agentRecovered({ turn, attempts: 2 })
  for (const to of ['open', 'half-open', 'closed', 'isolated'] as const) {
    events.breakerChanged({ service: 'ai-agent', from: 'closed', to, openMs: undefined })
  }
  for (const outcome of ['success', 'failure', 'rejected'] as const)
    events.breakerCalled({ service: 'ai-agent', outcome, tookMs: 1, cause })
  for (const during of ['read', 'write', 'wait'] as const) events.storeFailed({ kind: 'corrupt', during, cause })
  events.storeCommitted({ commands: 1, tookMs: 1 })
  events.commandRefused()
  events.questionsLost({ found: 1, missing: 1 })
  for (const from of ['full', 'limited', 'offline'] as const) {
    for (const to of ['full', 'limited', 'offline'] as const) events.levelChanged({ from, to, away: [] })
  }
  for (const reason of ['rate', 'too-many'] as const) events.sessionRefused(reason)
  events.accessDenied('operations')
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
  for (const result of ['clean', 'forced'] as const) events.drainEnded({ result, tookMs: 1 })
  for (const [route, status] of [
    ['/chat', 400],
    ['/chat', 401],
    ['/chat', 408],
    ['/chat', 429],
    ['/chat', 500],
    ['parser', 400],
    ['/ws', 500],
  ] as const) {
    events.requestFailed({ method: 'GET', route, status, reference: '', cause })
  }
}

/** Counted where it happens, and not by an event. */
const ELSEWHERE = new Set(['chat_degraded_seconds_total', 'chat_log_dropped_total', 'chat_metrics_refused_total'])

test('[O81] every count and every duration of the catalogue is moved by some event', async () => {
  const { events, moved } = createPlay()
  everything(events)
  const names = new Set(Object.keys(await moved()))
  const dead = Object.entries(CATALOGUE).flatMap(([name, { type, series }]) => {
    if (type === 'gauge' || ELSEWHERE.has(name)) return []
    const all: readonly Readonly<Record<string, string>>[] = series.all
    return all
      .filter((labels) => labels['service'] !== 'redis')
      .map((labels) => Object.entries(labels).map(([label, value]) => `${label}="${value}"`))
      .map((labels) => `${name}${type === 'histogram' ? '_count' : ''}${labels.length === 0 ? '' : `{${labels.join(',')}}`}`)
      .filter((sample) => !names.has(sample))
  })
  expect(dead).toEqual([])
})
