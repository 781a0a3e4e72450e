import { expect, test } from 'vitest'
import { emptyWindow } from './outcome-window.ts'
import { breakerFaults, breakerRules, initialBreaker, step } from './breaker-state.ts'
import { type BreakerEffect, type BreakerInput, type BreakerSettings, type BreakerState } from './breaker-state.ts'

const SETTINGS: BreakerSettings = { name: 'agent', errorThreshold: 50, resetTimeout: 1_000, resetTimeoutMax: 3_000, volumeThreshold: 2 }
const rules = breakerRules(SETTINGS)
const at = (now: number, settings: BreakerSettings = SETTINGS) => ({ now, rules: breakerRules(settings) })

const ASK: BreakerInput = { type: 'ask' }
const settled = (ticket: number, outcome: 'success' | 'failure' | 'ignored', tookMs = 1): BreakerInput => ({
  type: 'settled',
  ticket,
  outcome,
  tookMs,
})
const play = (state: BreakerState, inputs: readonly BreakerInput[], now: number): BreakerState =>
  inputs.reduce((before, input) => step(before, input, at(now))[0], state)
const ticketIn = (effects: readonly BreakerEffect[]): number => effects.find((effect) => effect.type === 'admit')?.ticket ?? -1
const tripped = (now: number): BreakerState => play(initialBreaker(rules), [settled(0, 'failure'), settled(0, 'failure')], now)

/** One state of each status, and the ticket that is current in it. */
const STATES: Readonly<Record<BreakerState['status'], { readonly state: BreakerState; readonly ticket: number }>> = (() => {
  const open = tripped(0)
  const [halfOpen, effects] = step(open, ASK, at(1_000))
  return {
    closed: { state: initialBreaker(rules), ticket: 0 },
    open: { state: open, ticket: 0 },
    'half-open': { state: halfOpen, ticket: ticketIn(effects) },
    isolated: { state: step(open, { type: 'isolate' }, at(0))[0], ticket: 0 },
  }
})()

type Case = 'ask early' | 'ask late' | 'success' | 'failure' | 'ignored' | 'stale failure' | 'isolate' | 'release' | 'invite'
const TABLE: Readonly<Record<BreakerState['status'], Readonly<Record<Case, BreakerState['status'] | 'same'>>>> = {
  closed: {
    'ask early': 'same',
    'ask late': 'same',
    success: 'closed',
    failure: 'closed',
    ignored: 'same',
    'stale failure': 'same',
    isolate: 'isolated',
    release: 'same',
    invite: 'same',
  },
  open: {
    'ask early': 'same',
    'ask late': 'half-open',
    success: 'same',
    failure: 'same',
    ignored: 'same',
    'stale failure': 'same',
    isolate: 'isolated',
    release: 'same',
    invite: 'open',
  },
  'half-open': {
    'ask early': 'same',
    'ask late': 'half-open',
    success: 'closed',
    failure: 'open',
    ignored: 'half-open',
    'stale failure': 'same',
    isolate: 'isolated',
    release: 'same',
    invite: 'same',
  },
  isolated: {
    'ask early': 'same',
    'ask late': 'same',
    success: 'same',
    failure: 'same',
    ignored: 'same',
    'stale failure': 'same',
    isolate: 'isolated',
    release: 'closed',
    invite: 'same',
  },
}
const inputOf = (name: Case, ticket: number): readonly [BreakerInput, number] => {
  const inputs: Readonly<Record<Case, readonly [BreakerInput, number]>> = {
    'ask early': [ASK, 999],
    'ask late': [ASK, 5_000],
    success: [settled(ticket, 'success'), 1_500],
    failure: [settled(ticket, 'failure'), 1_500],
    ignored: [settled(ticket, 'ignored'), 1_500],
    'stale failure': [settled(-7, 'failure'), 1_500],
    isolate: [{ type: 'isolate' }, 1_500],
    release: [{ type: 'release' }, 1_500],
    invite: [{ type: 'invite' }, 500],
  }
  return inputs[name]
}

test.each(Object.entries(TABLE).flatMap(([from, row]) => Object.entries(row).map(([input, to]) => ({ from, input, to }))))(
  '[R18] $from: $input leads to $to',
  ({ from, input, to }) => {
    const { state, ticket } = STATES[from as BreakerState['status']]
    const [event, now] = inputOf(input as Case, ticket)
    const [next] = step(state, event, at(now))
    expect(next === state ? 'same' : next.status).toBe(to)
  },
)

test('[V30] an invitation lets one call find out at once whether the service is back, and promises nothing', () => {
  const [invited] = step(tripped(0), { type: 'invite' }, at(10))
  const [halfOpen, effects] = step(invited, ASK, at(10))
  expect([halfOpen.status, effects.map(({ type }) => type)]).toEqual(['half-open', ['half-opened', 'admit']])
  const [, failed] = step(halfOpen, settled(ticketIn(effects), 'failure'), at(11))
  // The wait goes on growing.
  expect(failed).toMatchObject([{ type: 'opened', openMs: 2_000 }])
})

test('[R1] it opens when enough results are in the window and the share of failures has reached the threshold', () => {
  const settings = { ...SETTINGS, volumeThreshold: 5 }
  const statusAfter = (outcomes: string, errorThreshold: number): string => {
    let state = initialBreaker(rules)
    for (const letter of outcomes)
      [state] = step(state, settled(0, letter === 'F' ? 'failure' : 'success'), at(0, { ...settings, errorThreshold }))
    return state.status
  }
  expect({
    fourFailures: statusAfter('FFFF', 50),
    fiveFailures: statusAfter('FFFFF', 50),
    exactlyHalf: statusAfter('SSSSSFFFFF', 50),
    justBelow: statusAfter('SSSSSFFFF', 50),
    allOfThem: statusAfter('FFFFF', 100),
    allButOne: statusAfter('SFFFFFFFFF', 100),
  }).toEqual({
    fourFailures: 'closed',
    fiveFailures: 'open',
    exactlyHalf: 'open',
    justBelow: 'closed',
    allOfThem: 'open',
    allButOne: 'closed',
  })
})

test('[R1] a good result never opens it, even when it makes the window full enough', () => {
  const settings = { ...SETTINGS, volumeThreshold: 5 }
  let state = initialBreaker(rules)
  for (const letter of 'FFFFS') [state] = step(state, settled(0, letter === 'F' ? 'failure' : 'success'), at(0, settings))
  expect(state.status).toBe('closed')
  expect(step(state, settled(0, 'failure'), at(0, settings))[0].status).toBe('open')
})

test('[R5] calls slower than slowCallMs open it at slowThreshold, successes too; one exactly as long is not slow', () => {
  const settings: BreakerSettings = { ...SETTINGS, volumeThreshold: 4, slowCallMs: 100, slowThreshold: 50 }
  const statusAfter = (times: readonly number[]): string => {
    let state = initialBreaker(breakerRules(settings))
    for (const tookMs of times) [state] = step(state, settled(0, 'success', tookMs), at(0, settings))
    return state.status
  }
  expect([statusAfter([100, 100, 100, 100]), statusAfter([1, 1, 101, 101]), statusAfter([1, 1, 1, 101])]).toEqual([
    'closed',
    'open',
    'closed',
  ])
})

test('[R5] a slow probe opens it again', () => {
  const settings: BreakerSettings = { ...SETTINGS, slowCallMs: 100 }
  const { state, ticket } = STATES['half-open']
  expect(step(state, settled(ticket, 'success', 101), at(1_500, settings))[0].status).toBe('open')
})

test('[R8] at most `probes` run at a time, and a place that comes free is taken by the next call', () => {
  const settings = { ...SETTINGS, probes: 2, probeSuccesses: 3 }
  let state = tripped(0)
  let effects: readonly BreakerEffect[]
  const ask = (): string => {
    ;[state, effects] = step(state, ASK, at(1_000, settings))
    return effects.map(({ type }) => type).join()
  }
  expect([ask(), ask(), ask()]).toEqual(['half-opened,admit', 'admit', 'refuse'])
  const ticket = state.status === 'half-open' ? (state.leases[0]?.ticket ?? -1) : -1
  ;[state] = step(state, settled(ticket, 'success'), at(1_000, settings))
  expect([state.status, ask(), ask()]).toEqual(['half-open', 'admit', 'refuse'])
})

test('[R8] a refused call is told when the first place will come free', () => {
  const { state } = STATES['half-open']
  expect(step(state, ASK, at(1_400))[1]).toEqual([{ type: 'refuse', reason: 'half-open-full', retryAfterMs: 600 }])
})

test('[R9] it closes after probeSuccesses good probes, with an empty window', () => {
  const settings = { ...SETTINGS, probeSuccesses: 2 }
  const { state, ticket } = STATES['half-open']
  const [once] = step(state, settled(ticket, 'success'), at(1_100, settings))
  const [asked, effects] = step(once, ASK, at(1_100, settings))
  const [twice] = step(asked, settled(ticketIn(effects), 'success'), at(1_100, settings))
  expect(once.status).toBe('half-open')
  expect(twice).toEqual({ status: 'closed', generation: expect.any(Number), window: emptyWindow(rules.window) })
})

test('[R10] a lease that ran out is the next call’s, and its own late result is nobody’s', () => {
  const { state, ticket } = STATES['half-open']
  const [still, refused] = step(state, ASK, at(1_999))
  const [next, effects] = step(state, ASK, at(2_000))
  expect([still === state, refused[0]?.type, ticketIn(effects) > ticket]).toEqual([true, 'refuse', true])
  expect(step(next, settled(ticket, 'failure'), at(2_001))[0]).toBe(next)
})

test('[R10] a late result counts as long as no other call has taken its place', () => {
  const { state, ticket } = STATES['half-open']
  expect(step(state, settled(ticket, 'failure'), at(9_000))[0].status).toBe('open')
})

test('[R12] each opening in a row lasts twice as long, up to the maximum, and closing starts over', () => {
  const spans: number[] = []
  let now = 0
  let state: BreakerState = tripped(now)
  for (let round = 0; round < 4; round += 1) {
    const until = state.status === 'open' ? state.until : Number.NaN
    spans.push(until - now)
    now = until
    const [probing, effects] = step(state, ASK, at(now))
    ;[state] = step(probing, settled(ticketIn(effects), 'failure'), at(now))
  }
  now = state.status === 'open' ? state.until : Number.NaN
  const [probing, effects] = step(state, ASK, at(now))
  const [closed] = step(probing, settled(ticketIn(effects), 'success'), at(now))
  const again = play(closed, [settled(closed.generation, 'failure'), settled(closed.generation, 'failure')], now)
  spans.push(again.status === 'open' ? again.until - now : Number.NaN)
  expect(spans).toEqual([1_000, 2_000, 3_000, 3_000, 1_000])
})

test('[R11] no ticket is ever given twice, so a result of an earlier life is known', () => {
  let state = initialBreaker(rules)
  const tickets: number[] = []
  let now = 0
  for (let round = 0; round < 5; round += 1) {
    tickets.push(state.generation)
    state = play(state, [settled(state.generation, 'failure'), settled(state.generation, 'failure')], now)
    now += 10_000
    const [probing, effects] = step(state, ASK, at(now))
    tickets.push(ticketIn(effects))
    ;[state] = step(probing, settled(ticketIn(effects), 'success'), at(now))
  }
  expect(new Set(tickets).size).toBe(10)
  for (const ticket of tickets) expect(step(state, settled(ticket, 'failure'), at(now))[0]).toBe(state)
})

test('[R19] every fault of the settings is listed', () => {
  const faults = breakerFaults({
    name: ' ',
    timeout: -1,
    errorThreshold: 101,
    resetTimeout: -5,
    volumeThreshold: 1.5,
    probes: 0,
    window: { type: 'count', calls: 0 },
    slowCallMs: Number.NaN,
  })
  const named = [
    'name',
    'timeout',
    'slowCallMs',
    'errorThreshold',
    'resetTimeout',
    'resetTimeoutMax',
    'volumeThreshold',
    'probes',
    'probeLeaseMs',
  ]
  expect(faults.map((fault) => fault.split(' ')[0])).toEqual([...named, 'window.calls', 'volumeThreshold'])
})
