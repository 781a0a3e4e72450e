import { expect, test } from 'vitest'
import { ANSWER_COALESCE_MS } from '../conversation/limits.ts'
import { answering, asking, claim, FRESH, OURS, Play, renewing, text, waiting } from '../testing/turn-play.ts'
import type { TurnEvent } from './turn-state.ts'
import { nextDeadline, step } from './turn.ts'

/** Each state, with each thing that can be known of its last write; a renewal of the lease is under way in all. */
const SITUATIONS = {
  'opening:checking': () => renewing(new Play()),
  'opening:unsure': () => after(renewing(new Play()), { type: 'read-failed', isRetryable: true }),
  'telling:writing': () => renewing(telling()),
  'telling:unsure': () => after(renewing(telling()), { type: 'write-failed', isRetryable: true }),
  'waiting:idle': () => back(renewing(waiting())),
  'starting:writing': () => renewing(after(new Play(), { type: 'read', view: FRESH })),
  'starting:unsure': () => after(renewing(after(new Play(), { type: 'read', view: FRESH })), { type: 'write-failed', isRetryable: true }),
  'asking:idle': () => renewing(asking()),
  'answering:idle': () => renewing(answering()),
  'answering:writing': () => writing(),
  'answering:unsure': () => after(writing(), { type: 'write-failed', isRetryable: true }),
  'ending:writing': () => after(renewing(answering()), { type: 'agent-finished' }),
  'ending:unsure': () => after(renewing(answering()), { type: 'agent-finished' }, { type: 'write-failed', isRetryable: true }),
  /** `done`, however it came about. */
  fenced: () => after(new Play(), { type: 'gone' }),
} as const satisfies Record<string, () => Play>
type Situation = keyof typeof SITUATIONS

const EVENTS = {
  tick: { type: 'tick' },
  read: { type: 'read', view: { ...OURS, parts: 1, text: 'Yes. ' } },
  'read-failed': { type: 'read-failed', isRetryable: true },
  written: { type: 'written' },
  fenced: { type: 'fenced' },
  'write-failed': { type: 'write-failed', isRetryable: true },
  renewed: { type: 'renewed', fence: claim.fence, isHeld: true },
  lost: { type: 'renewed', fence: claim.fence, isHeld: false },
  'renew-failed': { type: 'renew-failed', fence: claim.fence, isRetryable: true },
  reclaimed: { type: 'reclaimed', claim: { ...claim, fence: 9 }, since: 0 },
  gone: { type: 'gone' },
  'agent-text': text('More.'),
  'agent-finished': { type: 'agent-finished' },
  'agent-cut-short': { type: 'agent-cut-short', reason: 'too-long' },
  'agent-failed': { type: 'agent-failed', kind: 'error' },
  'agent-stopped': { type: 'agent-stopped' },
  'stop-requested': { type: 'stop-requested' },
  'agent-changed': { type: 'agent-changed' },
  drain: { type: 'drain' },
  'hand-over': { type: 'hand-over' },
} as const satisfies Record<string, TurnEvent>
type EventName = keyof typeof EVENTS

/** `-`: ignored, the very same turn and no effects. `=`: the same situation with something learnt. */
const TABLE: Readonly<Record<Situation, Readonly<Record<EventName, string>>>> = {
  'opening:checking': row('-', {
    read: 'starting:writing',
    'read-failed': 'opening:unsure',
    ...LEASE('='),
    'stop-requested': '=',
    drain: 'released',
    'hand-over': 'released',
  }),
  'opening:unsure': row('-', {
    ...LEASE('='),
    reclaimed: 'opening:checking',
    'stop-requested': '=',
    drain: 'released',
    'hand-over': 'released',
  }),
  'telling:writing': row('-', {
    written: 'waiting:idle',
    fenced: 'fenced',
    'write-failed': 'telling:unsure',
    ...LEASE('='),
    'stop-requested': '=',
    drain: 'released',
    'hand-over': 'released',
  }),
  'telling:unsure': row('-', {
    ...LEASE('='),
    reclaimed: 'telling:checking',
    'stop-requested': '=',
    drain: 'released',
    'hand-over': 'released',
  }),
  'waiting:idle': row('-', {
    ...LEASE('fenced'),
    reclaimed: 'opening:checking',
    'stop-requested': 'ending:writing',
    'agent-changed': 'starting:writing',
    drain: 'released',
    'hand-over': 'released',
  }),
  'starting:writing': row('-', {
    written: 'asking:idle',
    fenced: 'fenced',
    'write-failed': 'starting:unsure',
    ...LEASE('='),
    'stop-requested': '=',
    'hand-over': 'released',
  }),
  'starting:unsure': row('-', { ...LEASE('='), reclaimed: 'starting:checking', 'stop-requested': '=', 'hand-over': 'released' }),
  'asking:idle': row('-', { ...LEASE('fenced'), ...AGENT('answering:idle'), 'stop-requested': 'ending:writing', 'hand-over': 'released' }),
  'answering:idle': row('-', { ...LEASE('fenced'), ...AGENT('='), 'stop-requested': 'ending:writing', 'hand-over': 'released' }),
  'answering:writing': row('-', {
    written: 'answering:idle',
    fenced: 'fenced',
    'write-failed': 'answering:unsure',
    ...LEASE('='),
    ...AGENT('='),
    'stop-requested': 'ending:writing',
    'hand-over': 'released',
  }),
  'answering:unsure': row('-', {
    ...LEASE('='),
    reclaimed: 'answering:checking',
    ...AGENT('=', 'ending:unsure'),
    'stop-requested': 'ending:unsure',
    'hand-over': 'released',
  }),
  'ending:writing': row('-', { written: 'ended', fenced: 'fenced', 'write-failed': 'ending:unsure', ...LEASE('=') }),
  'ending:unsure': row('-', { ...LEASE('='), reclaimed: 'ending:checking' }),
  fenced: row('-', {}),
}

function row(other: string, given: Partial<Record<EventName, string>>): Record<EventName, string> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made from the very names
  return Object.fromEntries(Object.keys(EVENTS).map((name) => [name, given[name as EventName] ?? other])) as Record<EventName, string>
}
function LEASE(lost: string) {
  return { renewed: '=', lost, 'renew-failed': '=', reclaimed: '=', gone: 'fenced' }
}
function AGENT(onText: string, onEnd = 'ending:writing') {
  return { 'agent-text': onText, 'agent-finished': onEnd, 'agent-cut-short': onEnd, 'agent-failed': onEnd, 'agent-stopped': onEnd }
}

function after(play: Play, ...events: readonly TurnEvent[]): Play {
  for (const event of events) play.on(event)
  return play
}
/** Of a question that waits, once the agent is back. */
function back(play: Play): Play {
  play.room = 'free'
  return play
}
function telling(): Play {
  const play = new Play()
  play.room = 'circuit-breaker-open'
  return after(play, { type: 'read', view: FRESH })
}
function writing(): Play {
  const play = renewing(answering())
  play.on(text('Go on.'))
  play.now += ANSWER_COALESCE_MS
  return after(play, { type: 'tick' })
}
const situationOf = ({ turn }: Play): string => (turn.status === 'done' ? turn.how : `${turn.status}:${turn.store.status}`)

/** What `event` makes of the situation, in the words of the table. */
function outcome(situation: Situation, event: TurnEvent): string {
  const play = SITUATIONS[situation]()
  const before = play.turn
  const [turn, effects] = step(before, event, play.ctx())
  if (turn === before) return effects.length === 0 ? '-' : 'the same turn, and something to do'
  play.turn = turn
  return situationOf(play) === situation ? '=' : situationOf(play)
}

test.each(Object.keys(SITUATIONS) as readonly Situation[])('[T19] every event is answered in %s', (situation) => {
  expect(situationOf(SITUATIONS[situation]())).toBe(situation)
  const found = Object.fromEntries(Object.entries(EVENTS).map(([name, event]) => [name, outcome(situation, event)]))
  expect(found).toEqual(TABLE[situation])
})

test('[T19] a tick that was asked for is never asked for again at the same time', () => {
  for (const begin of Object.values(SITUATIONS)) {
    const play = begin()
    for (let ticks = 0; ticks < 200; ticks += 1) {
      const due = nextDeadline(play.turn)
      if (due === undefined) break
      play.now = Math.max(play.now, due)
      play.on({ type: 'tick' })
      expect(nextDeadline(play.turn) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(play.now)
    }
  }
})
