import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SEND_BUFFER_PAUSE_BYTES } from '../conversation/limits.ts'
import { ALL_WORKS } from '../protocol/protocol.ts'
import {
  OTHER_LOG,
  TURN,
  cursorAt,
  HELLO,
  sendOf,
  heard,
  GARBAGE,
  opened,
  read,
  readFailed,
  readFork,
  folded,
  foldFailed,
  asked,
  acceptedAt,
  TICK,
  ServerLinkPlay,
  kindsOf,
  opening,
  positioning,
  reading,
  live,
  folding,
  retrying,
  paused,
} from '../testing/server-link-play.ts'
import type { LinkEvent, ServerLink } from './server-link-state.ts'

const SITUATIONS = {
  'awaiting-hello': () => new ServerLinkPlay(),
  opening: () => opening(),
  'positioning:resumed': () => positioning(cursorAt(5)),
  'positioning:snapshot': () => positioning(),
  'live:idle': live,
  'live:reading': reading,
  'live:folding': folding,
  'live:paused': paused,
  'live:retrying': retrying,
  closed: () => new ServerLinkPlay().on({ type: 'closed' }),
} as const satisfies Record<string, () => ServerLinkPlay>
type Situation = keyof typeof SITUATIONS

const EVENTS = {
  hello: heard(HELLO),
  send: heard(sendOf(4)),
  stop: heard({ type: 'stop', turnId: TURN }),
  probe: heard({ type: 'probe' }),
  pong: heard({ type: 'pong', n: 1, cursor: undefined }),
  garbage: GARBAGE,
  opened,
  'opened-gone': { type: 'opened', result: { type: 'gone' } },
  read: read(5, 6),
  'read-fork': readFork,
  'read-failed': readFailed,
  folded: folded(2, OTHER_LOG),
  'fold-failed': foldFailed,
  asked: asked(4, acceptedAt(6)),
  rung: { type: 'rung' },
  level: { type: 'level', standing: { ...ALL_WORKS, level: 'limited' } },
  drain: { type: 'drain', afterMs: 0, windowMs: 1_000, deadlineMs: 5_000 },
  end: { type: 'end', reason: 'drain', afterMs: 0 },
  'socket-closed': { type: 'closed' },
  tick: TICK,
} as const satisfies Record<string, LinkEvent>
type EventName = keyof typeof EVENTS
type Row = Readonly<Record<EventName, string>>

/** Each cell: the situation after it and what is to be done; `-`: the very same link and nothing to do; `=`: the same situation. */
function row(other: string, given: Partial<Row>): Row {
  return Object.fromEntries(Object.keys(EVENTS).map((name) => [name, given[name as EventName] ?? other])) as Row
}
const TOO_EARLY = 'closed: report bye close'
const NO_PLACE = 'closed: bye close'
const ENDS = { end: NO_PLACE, 'socket-closed': 'closed:' } as const
const LIVE_SAID = { hello: TOO_EARLY, send: '=: ask', stop: '=: stop', pong: '=:', garbage: '=: report', ...ENDS } as const

const TABLE: Readonly<Record<Situation, Row>> = {
  'awaiting-hello': row('-', {
    hello: 'opening: open',
    send: TOO_EARLY,
    stop: TOO_EARLY,
    probe: TOO_EARLY,
    pong: TOO_EARLY,
    garbage: '=: report',
    ...ENDS,
  }),
  opening: row('-', {
    hello: TOO_EARLY,
    send: TOO_EARLY,
    stop: TOO_EARLY,
    probe: TOO_EARLY,
    pong: '=:',
    garbage: '=: report',
    opened: 'positioning:snapshot: fold',
    'opened-gone': NO_PLACE,
    ...ENDS,
  }),
  'positioning:resumed': row('-', {
    hello: TOO_EARLY,
    send: TOO_EARLY,
    stop: TOO_EARLY,
    probe: TOO_EARLY,
    pong: '=:',
    garbage: '=: report',
    read: 'live:reading: report welcome deliver read',
    'read-fork': 'positioning:fork: fold',
    'read-failed': NO_PLACE,
    level: '=:',
    ...ENDS,
  }),
  'positioning:snapshot': row('-', {
    hello: TOO_EARLY,
    send: TOO_EARLY,
    stop: TOO_EARLY,
    probe: TOO_EARLY,
    pong: '=:',
    garbage: '=: report',
    folded: 'live:reading: report welcome show read',
    'fold-failed': NO_PLACE,
    level: '=:',
    ...ENDS,
  }),
  'live:idle': row('-', {
    ...LIVE_SAID,
    probe: 'live:reading: ping read',
    asked: 'live:reading: accepted read',
    rung: 'live:reading: read',
    level: '=: level',
    drain: '-: drain',
  }),
  'live:reading': row('-', {
    ...LIVE_SAID,
    probe: '=: ping',
    read: 'live:idle: deliver',
    'read-fork': 'live:folding: fold',
    'read-failed': 'live:retrying:',
    asked: '=: accepted',
    rung: '=:',
    level: '=: level',
    drain: '-: drain',
  }),
  'live:folding': row('-', {
    ...LIVE_SAID,
    probe: '=: ping',
    folded: 'live:reading: report welcome show read',
    'fold-failed': 'live:retrying:',
    asked: '=: accepted',
    rung: '=:',
    level: '=: level',
    drain: '-: drain',
  }),
  'live:paused': row('-', {
    ...LIVE_SAID,
    probe: '=: ping',
    asked: '=: accepted',
    level: '=: level',
    drain: '-: drain',
  }),
  'live:retrying': row('-', {
    ...LIVE_SAID,
    probe: '=: ping',
    asked: '=: accepted',
    rung: '=:',
    level: '=: level',
    drain: '-: drain',
  }),
  closed: row('-', {}),
}

function situationOf(link: ServerLink): string {
  if (link.status === 'live') return `live:${link.delivery.status}`
  return link.status === 'positioning' ? `positioning:${link.how}` : link.status
}

function outcome(situation: Situation, event: LinkEvent): string {
  const play = SITUATIONS[situation]()
  const before = play.link
  play.on(event)
  const after = situationOf(play.link)
  const same = play.link === before ? '-' : '='
  const effects = kindsOf(play.effects)
  if (same === '-' && effects.length === 0) return '-'
  return [`${after === situation ? same : after}:`, ...effects].join(' ')
}

test.each(Object.keys(SITUATIONS) as readonly Situation[])('[S17] every event is answered in %s', (situation) => {
  expect(situationOf(SITUATIONS[situation]().link)).toBe(situation)
  const found = Object.fromEntries(Object.entries(EVENTS).map(([name, event]) => [name, outcome(situation, event)]))
  expect(found).toEqual(TABLE[situation])
})

test('[S17] a tick that fell due changes what is due next, or ends the link', () => {
  const event = fc.constantFrom(...Object.values(EVENTS))
  const happening = fc.record({ event, afterMs: fc.nat(20_000), buffered: fc.constantFrom(0, SEND_BUFFER_PAUSE_BYTES, 1_000_000) })
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(SITUATIONS)), fc.array(happening, { maxLength: 20 }), (begin, happenings) => {
      const play = begin()
      for (const { event: next, afterMs, buffered } of happenings) {
        play.buffered = buffered
        // Throws when a tick leads to the next one without time passing.
        play.pass(afterMs)
        play.on(next)
      }
    }),
  )
})
