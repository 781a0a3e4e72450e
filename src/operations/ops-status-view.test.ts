import { expect, test } from 'vitest'
import type { DependencyStatus, OpsStatus } from './ops-status.ts'
import { viewOf } from './ops-status-view.ts'
import { durationOf, momentOf, quantileOf } from './plain-figures.ts'
import { SOME_PROCESS } from '../testing/ops-status-play.ts'

const AT = '2026-01-05T09:10:00.000Z'
const BEFORE = '2026-01-05T09:06:00.000Z'

const agent: DependencyStatus = {
  service: 'ai-agent',
  check: { name: 'aiAgent', status: 'unhealthy', at: BEFORE, tookMs: 12.4, error: 'AgentError unreachable' },
  breaker: {
    name: 'ai-agent',
    state: 'open',
    retryInSeconds: 20,
    holds: 0,
    opened: 1,
    moves: [{ at: BEFORE, what: 'breaker ai-agent', from: 'closed', to: 'open', why: undefined }],
  },
  calls: [
    { seconds: 60, coveredSeconds: 60, succeeded: 1, failed: 1, refused: 2, failedPercent: 50 },
    { seconds: 300, coveredSeconds: 250, succeeded: 0, failed: 0, refused: 0, failedPercent: undefined },
    { seconds: 900, coveredSeconds: 250, succeeded: 0, failed: 0, refused: 0, failedPercent: undefined },
  ],
  latency: {
    overSeconds: 250,
    p50: { seconds: 0.04, isAtLeast: false },
    p95: { seconds: 1.25, isAtLeast: false },
    p99: { seconds: 10, isAtLeast: true },
  },
  lastFailure: { at: BEFORE, error: 'AgentError busy' },
  retries: { available: 3, reserve: 10 },
}

const self = { ...SOME_PROCESS, startedAt: BEFORE }

const calm: OpsStatus = {
  at: AT,
  process: { ...self, platform: 'v24', running: 1 },
  level: { now: 'full', since: BEFORE, why: [] },
  told: [],
  dependencies: [],
  queues: [{ queue: 'questions', depth: 2, oldestSeconds: 130, capacity: undefined }],
  integrity: {
    accepted: 9,
    ended: { answered: 5, stopped: 0, failed: 0, interrupted: 0, expired: 0, cancelled: 0 },
    waiting: 4,
    difference: 0,
    lost: 0,
    lostAt: undefined,
    ageSeconds: 3,
  },
  links: { open: { websocket: 2, sse: 1 }, recentSeconds: 900, resumes: { resumed: 4 }, slow: { 'given up': 0 } },
  answers: [
    { seconds: 300, coveredSeconds: 300, ended: 0, succeeded: 0, successPercent: undefined, firstWordsP95: undefined },
    { seconds: 3_600, coveredSeconds: 1_000, ended: 4, succeeded: 3, successPercent: 75, firstWordsP95: { seconds: 2, isAtLeast: false } },
  ],
  changes: [{ at: '2026-01-04T23:59:59.000Z', what: 'level', from: 'full', to: 'limited', why: 'agent away' }],
  processes: {
    isShared: true,
    asOf: BEFORE,
    list: [self, { ...self, id: 'other', node: 'pod-2', version: '1.2.4', isThis: false, phase: 'draining' }],
  },
  runtime: {
    loopLagP99Ms: 1.23,
    heapUsedBytes: 50 * 1024 * 1024,
    heapLimitBytes: 100 * 1024 * 1024,
    residentBytes: 1,
    openFiles: 30,
    openFilesMax: 1_024,
  },
  settings: [],
  actions: { areOn: false },
  unknown: [],
}

test('[O201] what comes first: the level, since when, what is lost, what waits', () => {
  const { level, lost, waiting } = viewOf(calm)
  expect(level).toEqual({
    tag: { text: 'full', colour: 'green' },
    means: 'Everything works',
    since: { iso: BEFORE, text: '09:06:00 UTC' },
    ago: '4 minutes',
  })
  expect(lost).toEqual({ text: '0', isBad: false, detail: 'Counted 3 seconds ago.' })
  expect(waiting).toEqual({ text: '2', detail: 'The oldest for 2 minutes; 2 being answered.' })
})

test('[O201] a loss stands out, and so does one that was made good', () => {
  const integrity = { ...calm.integrity, difference: 0, lost: 2, lostAt: BEFORE } as OpsStatus['integrity']
  expect(viewOf({ ...calm, integrity }).lost).toEqual({
    text: '2',
    isBad: true,
    detail: 'Counted 3 seconds ago. Since 09:06:00 UTC. Missing now: 0.',
  })
})

test('[O203] before the store was counted nothing is called 0', () => {
  const { lost, waiting, queues } = viewOf({
    ...calm,
    integrity: undefined,
    queues: [{ queue: 'questions', depth: undefined, oldestSeconds: undefined, capacity: undefined }],
  })
  expect([lost.text, waiting.text, queues[0]?.lines]).toEqual(['not known yet', 'not known yet', ['Not known yet']])
})

test.each([
  [
    { part: 'store', state: 'not checked yet', checks: [], breaker: undefined, believedInSeconds: undefined },
    'The store has not been checked yet.',
  ],
  [
    {
      part: 'agent',
      state: 'away',
      checks: [{ name: 'aiAgent', error: 'AgentError unreachable' }],
      breaker: { name: 'ai-agent', state: 'open', retryInSeconds: 20 },
      believedInSeconds: undefined,
    },
    'The agent does not work: its check aiAgent fails (AgentError unreachable); its circuit breaker is open, and lets one call try in 20 seconds.',
  ],
  [
    {
      part: 'agent',
      state: 'away',
      checks: [],
      breaker: { name: 'ai-agent', state: 'isolated', retryInSeconds: 30 },
      believedInSeconds: undefined,
    },
    'The agent does not work: its circuit breaker is held open by an operator.',
  ],
  [
    { part: 'link', state: 'works again', checks: [], breaker: undefined, believedInSeconds: 6 },
    'The live link works again, and will be believed in 6 seconds.',
  ],
] as const)('[O201] why the level is what it is: %#', (reason, sentence) => {
  expect(viewOf({ ...calm, level: { now: 'limited', since: BEFORE, why: [reason] } }).why).toEqual([sentence])
})

test('[O202] one dependency in words', () => {
  const [view] = viewOf({ ...calm, dependencies: [agent] }).dependencies
  expect(view).toEqual({
    id: 'ai-agent',
    heading: 'AI agent',
    tag: { text: 'away', colour: 'red' },
    rows: [
      { key: 'Check', lines: ['Failed 4 minutes ago, took 12 ms: AgentError unreachable'] },
      { key: 'Circuit breaker', lines: ['Open: calls are refused; one may try in 20 seconds; has opened 1 time since the start'] },
      { key: 'Calls', lines: ['Last 60 seconds: 50 % of 2 failed, 2 refused', 'Since the start 4 minutes ago: none'] },
      { key: 'Times', lines: ['50 % within 40 ms, 95 % within 1.3 s, 99 % within over 10 s', 'over 4 minutes'] },
      { key: 'Last failure', lines: ['AgentError busy, 4 minutes ago'] },
      { key: 'Retries left', lines: ['3 of 10'] },
    ],
    moves: [{ at: { iso: BEFORE, text: '09:06:00 UTC' }, text: 'open, was closed' }],
    action: undefined,
  })
})

test('[O210] what may be done is offered only where it is switched on, and says what it means', () => {
  const offered = (state: 'closed' | 'isolated') =>
    viewOf({ ...calm, actions: { areOn: true }, dependencies: [{ ...agent, breaker: agent.breaker && { ...agent.breaker, state } }] })
      .dependencies[0]?.action
  expect([offered('closed')?.name, offered('closed')?.means]).toEqual(['isolate', expect.stringContaining('Questions are kept and wait')])
  expect(offered('isolated')?.name).toBe('release')
})

test('[O202] windows that say the same as a shorter one are left out', () => {
  expect(viewOf(calm).answers).toEqual([
    { key: 'Last 5 minutes', lines: ['No question came to its end.'] },
    {
      key: 'Since the start 16 minutes ago',
      lines: ['75 % of 4 questions without a failure of the service (3)', 'First words within 2 s for 95 %'],
    },
  ])
})

test('[O204] a change of another day says its day', () => {
  expect(viewOf(calm).changes).toEqual([
    { at: { iso: '2026-01-04T23:59:59.000Z', text: '2026-01-04 23:59:59 UTC' }, text: 'level: limited, was full (agent away)' },
  ])
})

test('[O214] processes say what runs where, and that versions differ', () => {
  const { note, list } = viewOf(calm).processes
  expect(note).toBe('2 processes on this store, 4 minutes ago. 2 versions run side by side.')
  expect(list.map(({ heading, tag }) => [heading, tag.text])).toEqual([
    ['pod-1 (this process)', 'running'],
    ['pod-2', 'draining'],
  ])
  expect(viewOf({ ...calm, processes: { ...calm.processes, isShared: false } }).processes.note).toBe(
    'The store belongs to this process alone.',
  )
})

test('[O200] figures are written so that nobody has to reckon', () => {
  expect([0.4, 1, 119, 120, 7_199, 7_200, 172_799, 172_800].map(durationOf)).toEqual([
    '0 seconds',
    '1 second',
    '119 seconds',
    '2 minutes',
    '119 minutes',
    '2 hours',
    '47 hours',
    '2 days',
  ])
  expect([quantileOf(undefined), quantileOf({ seconds: 0.0126, isAtLeast: false })]).toEqual(['not known', '13 ms'])
  expect(momentOf(AT, AT).text).toBe('09:10:00 UTC')
})
