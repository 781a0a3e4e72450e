import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  accepted,
  ask,
  awaitingSnapshot,
  ClientLinkPlay,
  entryAt,
  greeting,
  headAt,
  kindsOf,
  messageIdOf,
  open,
  pingAt,
  questionAt,
  rejected,
  snapshotAt,
  started,
  TURN,
  welcome,
} from '../testing/client-link-play.ts'
import type { ServerFrame } from '../protocol/protocol.ts'
import { moveUnderWay } from './client-link-socket.ts'
import type { ClientEvent, ClientLink } from './client-link-state.ts'

/** The socket of the link in every situation that has one, … */
const SOCKET = 1
/** … and of the one that a page is moving to. */
const NEXT = 2

const DRAIN: ServerFrame = { type: 'drain', afterMs: 0, windowMs: 0, deadlineMs: 5_000 }
/** An open page that has dialled its next link. */
function moving(): ClientLinkPlay {
  const play = open().hears(DRAIN)
  play.pass(0)
  return play
}

const SITUATIONS = {
  fresh: () => new ClientLinkPlay(),
  waiting: () => started().fails(),
  connecting: started,
  greeting,
  'awaiting-snapshot': awaitingSnapshot,
  open: () => open(),
  moving,
  'moving-greeting': () => moving().opens(),
  closed: () => open().closes(4404),
} as const satisfies Record<string, () => ClientLinkPlay>
type Situation = keyof typeof SITUATIONS

const heardOn = (socket: number, ...frames: readonly ServerFrame[]): ClientEvent => ({
  type: 'frames',
  socket,
  frames: frames.map((frame) => ({ ok: true, frame })),
})
const heard = (...frames: readonly ServerFrame[]): ClientEvent => heardOn(SOCKET, ...frames)

const EVENTS = {
  start: { type: 'start' },
  ask: ask(1),
  stop: { type: 'stop', turnId: TURN },
  withdraw: { type: 'withdraw', messageIds: [messageIdOf(9)] },
  left: { type: 'left' },
  hinted: { type: 'hinted' },
  opened: { type: 'opened', socket: SOCKET },
  'socket-closed': { type: 'closed', socket: SOCKET, code: 1006 },
  'socket-refused': { type: 'closed', socket: SOCKET, code: 4404 },
  'old-socket': { type: 'closed', socket: 0, code: 1006 },
  online: { type: 'online' },
  offline: { type: 'offline' },
  woke: { type: 'woke' },
  matches: { type: 'verified', matches: true },
  differs: { type: 'verified', matches: false },
  tick: { type: 'tick' },
  nonsense: { type: 'frames', socket: SOCKET, frames: [{ ok: false, problem: 'not JSON' }] },
  resumed: heard(welcome('resumed')),
  fork: heard(welcome('fork')),
  snapshot: heard(snapshotAt(7)),
  entry: heard(entryAt(6)),
  hole: heard(entryAt(8)),
  ping: heard(pingAt(5)),
  bye: heard({ type: 'bye', code: 4503, retry: 'resume', afterMs: 0 }),
  'bye-never': heard({ type: 'bye', code: 4404, retry: 'never', afterMs: 0 }),
  drain: heard(DRAIN),
  'drain-now': heard({ ...DRAIN, deadlineMs: 0 }),
  'next-opened': { type: 'opened', socket: NEXT },
  'next-welcome': heardOn(NEXT, welcome('resumed')),
  'next-entry': heardOn(NEXT, entryAt(6)),
  'next-bye': heardOn(NEXT, { type: 'bye', code: 1013, retry: 'resume', afterMs: 0 }),
  'next-closed': { type: 'closed', socket: NEXT, code: 4404 },
} as const satisfies Record<string, ClientEvent>
type EventName = keyof typeof EVENTS
type Row = Readonly<Record<EventName, string>>

/** Each cell: the situation after it and what is to be done; `-`: the very same client and nothing to do; `=`: the same situation. */
function row(other: string, given: Partial<Row>): Row {
  return Object.fromEntries(Object.keys(EVENTS).map((name) => [name, given[name as EventName] ?? other])) as Row
}
/** Learnt by any page, whatever becomes of its link. */
const ALWAYS = { ask: '=:', stop: '=:', offline: '=:', differs: '=:' } as const
const ENDINGS = {
  'socket-closed': 'waiting:',
  'socket-refused': 'closed:',
  left: 'waiting: close',
  differs: 'waiting: close',
  nonsense: 'waiting: close',
  bye: 'waiting: close',
  'bye-never': 'closed: close',
} as const

const OF_NEXT = ['next-opened', 'next-welcome', 'next-entry', 'next-bye', 'next-closed'] as const
/** Of an open link, whether it moves or not. */
const OPEN = {
  ask: '=: send',
  stop: '=: stop',
  online: '=: probe',
  offline: '=: probe',
  woke: '=: probe',
  ping: '=: pong',
} as const
/** A move ends with its link, unless it can take its place. */
const MOVE_ENDINGS = {
  'socket-refused': 'closed: close',
  left: 'waiting: close close',
  differs: 'waiting: close close',
  hole: 'waiting: close close',
  'bye-never': 'closed: close close',
} as const

const TABLE: Readonly<Record<Situation, Row>> = {
  fresh: row('-', {
    ...ALWAYS,
    start: 'connecting: connect',
    online: 'connecting: connect',
    woke: 'connecting: connect',
    tick: 'connecting: connect',
  }),
  waiting: row('-', { ...ALWAYS, online: 'connecting: connect', woke: 'connecting: connect', tick: 'connecting: connect' }),
  connecting: row('-', {
    ...ALWAYS,
    ...ENDINGS,
    'socket-closed': '=: connect',
    nonsense: '=: close connect',
    bye: '=: close connect',
    opened: 'greeting: hello',
  }),
  greeting: row('-', {
    ...ALWAYS,
    ...ENDINGS,
    'socket-closed': 'connecting: connect',
    nonsense: 'connecting: close connect',
    bye: 'connecting: close connect',
    resumed: 'open:',
    fork: 'awaiting-snapshot:',
  }),
  'awaiting-snapshot': row('=:', {
    ...ALWAYS,
    ...ENDINGS,
    ...nothing('start', 'withdraw', 'hinted', 'opened', 'old-socket', 'matches', 'tick', ...OF_NEXT),
    online: '=: probe',
    offline: '=: probe',
    woke: '=: probe',
    resumed: 'open:',
    snapshot: 'open:',
    ping: '=: pong',
  }),
  open: row('=:', {
    ...ALWAYS,
    ...ENDINGS,
    ...nothing('start', 'withdraw', 'hinted', 'opened', 'old-socket', 'matches', 'tick', ...OF_NEXT),
    ...OPEN,
    fork: 'awaiting-snapshot:',
    hole: 'waiting: close',
  }),
  moving: row('=:', {
    ...ALWAYS,
    ...MOVE_ENDINGS,
    ...nothing('start', 'withdraw', 'hinted', 'opened', 'old-socket', 'matches', 'tick', 'next-welcome', 'next-entry', 'next-bye'),
    ...OPEN,
    // Its hello has not been said yet, and will say how the page stands then.
    fork: 'awaiting-snapshot:',
    'socket-closed': 'connecting:',
    nonsense: 'connecting: close',
    bye: 'connecting: close',
    'drain-now': 'connecting: close',
    'next-opened': 'moving-greeting: hello',
    'next-closed': 'open: close',
  }),
  'moving-greeting': row('=:', {
    ...ALWAYS,
    ...MOVE_ENDINGS,
    ...nothing('start', 'withdraw', 'hinted', 'opened', 'old-socket', 'matches', 'tick', 'next-opened', 'next-entry'),
    ...OPEN,
    fork: 'awaiting-snapshot: close',
    resumed: 'open: close',
    'socket-closed': 'greeting:',
    nonsense: 'greeting: close',
    bye: 'greeting: close',
    'drain-now': 'greeting: close',
    'next-welcome': 'open: close',
    'next-bye': 'open: close',
    'next-closed': 'open: close',
  }),
  closed: row('-', { ...ALWAYS, stop: '-' }),
}

function nothing(...names: readonly EventName[]): Partial<Row> {
  return Object.fromEntries(names.map((name) => [name, '-']))
}

function situationOf({ link, sockets }: ClientLink): string {
  if (sockets === 0) return 'fresh'
  if (link.status !== 'open') return link.status
  if (link.snapshotDue !== undefined) return 'awaiting-snapshot'
  const move = moveUnderWay(link)
  if (move === undefined) return 'open'
  return move.status === 'connecting' ? 'moving' : 'moving-greeting'
}

function outcome(situation: Situation, event: ClientEvent): string {
  const play = SITUATIONS[situation]()
  const before = play.client
  play.on(event)
  const after = situationOf(play.client)
  const same = play.client === before ? '-' : '='
  const effects = kindsOf(play.effects)
  if (same === '-' && effects.length === 0) return '-'
  return [`${after === situation ? same : after}:`, ...effects].join(' ')
}

test.each(Object.keys(SITUATIONS) as readonly Situation[])('[K19] every event is answered in %s', (situation) => {
  expect(situationOf(SITUATIONS[situation]().client)).toBe(situation)
  const found = Object.fromEntries(Object.entries(EVENTS).map(([name, event]) => [name, outcome(situation, event)]))
  expect(found).toEqual(TABLE[situation])
})

test('[K19] whatever happens, a tick that fell due changes what is due next', () => {
  const frame = fc.constantFrom<ServerFrame>(
    welcome('resumed'),
    welcome('fork', { durability: 'memory' }),
    snapshotAt(5),
    entryAt(6),
    questionAt(6, 1),
    pingAt(5),
    pingAt(9),
    accepted(1, 6),
    accepted(2, 7),
    rejected(1, 'rate', { retryAfterMs: 4_000 }),
    rejected(2, 'unavailable'),
    rejected(2, 'order', { expectedNumber: 1 }),
    rejected(1, 'invalid', { temporary: false }),
    { type: 'drain', afterMs: 0, windowMs: 1_000, deadlineMs: 5_000 },
    { type: 'drain', afterMs: 0, windowMs: 0, deadlineMs: 0 },
    { type: 'bye', code: 4503, retry: 'fresh', afterMs: 2_000 },
  )
  const happening = fc.oneof(
    fc.constantFrom<ClientEvent>(
      { type: 'online' },
      { type: 'offline' },
      { type: 'woke' },
      { type: 'verified', matches: false },
      ask(1),
      ask(2),
      ask(3),
    ),
    fc.constantFrom('opens', 'closes'),
    frame,
  )
  const moment = fc.record({ happening, afterMs: fc.nat(12_000) })
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(SITUATIONS)), fc.array(moment, { maxLength: 40 }), (begin, moments) => {
      const play = begin()
      for (const { happening: next, afterMs } of moments) {
        // Throws when a tick leads to the next one without time passing.
        play.chance = 0.5
        play.pass(afterMs)
        if (next === 'opens') play.opens()
        else if (next === 'closes') play.closes()
        else if (isFrame(next)) play.hears(next)
        else play.on(next)
      }
    }),
  )
})

const FRAMES = new Set(['welcome', 'snapshot', 'entry', 'accepted', 'rejected', 'ping', 'block', 'level', 'drain', 'bye'])
const isFrame = (what: ClientEvent | ServerFrame): what is ServerFrame => FRAMES.has(what.type)

test('[K18] whatever an older socket says is ignored', () => {
  const play = open().closes()
  play.comesBack()
  const before = play.client
  for (const event of [heard(entryAt(6)), heard(welcome('fork')), EVENTS.opened, EVENTS['socket-refused']]) play.on(event)
  expect(play.client).toBe(before)
})

test('[K3] a page that must not come back keeps everything it shows and holds', () => {
  const play = open({ durability: 'memory' }).on(ask(1), ask(2)).hears(accepted(1, 6), questionAt(6, 1))
  const { view } = play.client
  play.closes(4403)
  expect([play.client.view, play.questions, play.pass(3_600_000)]).toEqual([view, { 1: 'accepted', 2: 'waiting' }, []])
  expect(view.conversation.head).toEqual(headAt(6))
})
