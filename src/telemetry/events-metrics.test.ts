import { expect, test } from 'vitest'
import { AgentError } from '../agent/agent-error.ts'
import { mintSessionId, mintTurnId } from '../conversation/ids.ts'
import { sayEverything } from '../testing/every-event.ts'
import { CATALOGUE, type StoreName } from './catalogue.ts'
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

function createPlay(store: StoreName = 'sqlite'): Play {
  const metrics = createMetrics({ store, withRuntime: false })
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
  return { metrics, events: createEvents(log, createEventsMetrics(metrics, store)), moved }
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

/** Counted where it happens, and not by an event. */
const ELSEWHERE = new Set(['chat_degraded_seconds_total', 'chat_log_dropped_total', 'chat_metrics_refused_total'])

test.each([
  ['sqlite', 'redis'],
  ['redis', 'sqlite'],
] as const)('[O81] with %s every count and every duration of the catalogue is moved by some event', async (store, other) => {
  const { events, moved } = createPlay(store)
  sayEverything(events)
  const names = new Set(Object.keys(await moved()))
  const dead = Object.entries(CATALOGUE).flatMap(([name, { type, series }]) => {
    if (type === 'gauge' || ELSEWHERE.has(name)) return []
    const all: readonly Readonly<Record<string, string>>[] = series.all
    return all
      .filter((labels) => labels['service'] !== other)
      .map((labels) => Object.entries(labels).map(([label, value]) => `${label}="${value}"`))
      .map((labels) => `${name}${type === 'histogram' ? '_count' : ''}${labels.length === 0 ? '' : `{${labels.join(',')}}`}`)
      .filter((sample) => !names.has(sample))
  })
  expect(dead).toEqual([])
})

test.each([
  [0, 'clean'],
  [2, 'forced'],
] as const)('[O81] a drain that hands over %i answers is %s, and its time is measured', async (handedOver, result) => {
  const drained = { tookMs: 1_500, answers: { finished: 1, handedOver }, links: { moved: 3, told: 1, cut: 1 } }
  expect(await movedBy((events) => events.drainEnded(drained))).toEqual({
    [`chat_drain_total{result="${result}"}`]: 1,
    chat_drain_duration_seconds_sum: 1.5,
    chat_drain_duration_seconds_count: 1,
  })
})
