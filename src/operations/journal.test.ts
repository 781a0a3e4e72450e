import { expect, test } from 'vitest'
import { AgentError } from '../agent/agent-error.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { mintTurnId } from '../conversation/ids.ts'
import { createEventsLog } from '../telemetry/events-log.ts'
import { createEvents, type CountedEvents } from '../telemetry/events.ts'
import { createTurnTrace } from '../telemetry/turn-trace.ts'
import { sayEverything } from '../testing/every-event.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createJournal, errorClass } from './journal.ts'

const turn = mintTurnId((count) => new Uint8Array(count).fill(7))
const nothing = (): void => undefined
const counted: CountedEvents = { requestServed: nothing, linkTraffic: nothing, linkPonged: nothing, commandRefused: nothing }

function createPlay() {
  const clock = createSimulatedClock()
  const journal = createJournal(clock, 'redis')
  const log = createEventsLog({ write: nothing }, { hash: (id) => id, traceOf: createTurnTrace('secret') })
  return { clock, journal, events: createEvents(log, counted, journal.events) }
}

test('[O204] changes are kept newest first, each with when, what, from where, to where and why', async () => {
  const { clock, journal, events } = createPlay()
  const begun = clock.now()
  events.breakerChanged({ service: 'ai-agent', from: 'closed', to: 'open', openMs: 30_000 })
  await clock.advance(1_000)
  events.levelChanged({ from: 'full', to: 'limited', away: ['agent'] })
  events.dependencyChanged({ service: 'redis', isUp: false, cause: new LogError('unavailable', 'words') })
  expect(journal.changes()).toEqual([
    { at: begun + 1_000, what: 'check redis', from: undefined, to: 'fails', why: 'LogError unavailable' },
    { at: begun + 1_000, what: 'level', from: 'full', to: 'limited', why: 'agent away' },
    { at: begun, what: 'breaker ai-agent', from: 'closed', to: 'open', why: undefined },
  ])
})

test('[O204] only the last fifty changes and the last five moves of a breaker are kept', () => {
  const { journal, events } = createPlay()
  for (let count = 0; count < 40; count += 1) {
    events.breakerChanged({ service: 'ai-agent', from: 'closed', to: 'open', openMs: count })
    events.breakerChanged({ service: 'redis', from: 'open', to: 'half-open', openMs: undefined })
  }
  expect([journal.changes().length, journal.movesOf('ai-agent').length, journal.movesOf('nobody')]).toEqual([50, 5, []])
  expect(journal.movesOf('redis').every(({ to }) => to === 'half-open')).toBe(true)
})

test('[O201] the level is since its last change, and before one since the process began', async () => {
  const { clock, journal, events } = createPlay()
  const begun = clock.now()
  await clock.advance(5_000)
  expect(journal.levelSince()).toBe(begun)
  events.levelChanged({ from: 'full', to: 'offline', away: ['store'] })
  await clock.advance(5_000)
  expect(journal.levelSince()).toBe(begun + 5_000)
})

test('[O202] the last failure of a dependency is known by class and kind, under the name of the store that there is', async () => {
  const { clock, journal, events } = createPlay()
  const cause = new AgentError('busy', 'a secret place', { isRetryable: true })
  events.agentFailed({ turn, kind: 'busy', cause })
  const failedAt = clock.now()
  await clock.advance(1_000)
  events.breakerCalled({ service: 'ai-agent', outcome: 'success', tookMs: 1, cause: undefined })
  events.storeFailed({ kind: 'unavailable', during: 'write', cause: new TypeError('words of somebody') })
  expect([journal.lastFailureOf('ai-agent'), journal.lastFailureOf('redis'), journal.lastFailureOf('websocket')]).toEqual([
    { at: failedAt, error: 'AgentError busy' },
    { at: clock.now(), error: 'TypeError' },
    undefined,
  ])
})

test.each([
  [new LogError('fatal', 'secret'), 'LogError fatal'],
  [Object.assign(new Error('connect ECONNREFUSED 10.0.0.1'), { syscall: 'connect', code: 'ECONNREFUSED' }), 'Error ECONNREFUSED'],
  [Object.assign(new Error('secret'), { code: 'SECRET' }), 'Error'],
  [Object.assign(new Error('x'), { name: 'a name that is a sentence' }), 'Error'],
  ['secret', 'thrown string'],
])('[O204] of %s nothing but its class is kept', (thrown, expected) => {
  expect(errorClass(thrown)).toBe(expected)
})

test('[O202] links are counted by how they came, and forms are none', () => {
  const { journal, events } = createPlay()
  for (const transport of ['websocket', 'websocket', 'sse', 'form'] as const) events.linkOpened(transport)
  events.linkClosed({ transport: 'websocket', code: 1000, heldMs: 1 })
  expect(journal.openLinks()).toEqual({ websocket: 1, sse: 1 })
})

test('[O204] whatever happens, what is kept are a few words of ours', () => {
  const { journal, events } = createPlay()
  sayEverything(events)
  const words = journal.changes().flatMap(({ what, from, to, why }) => [what, from ?? '', to, why ?? ''])
  expect(words.filter((text) => !/^[\w ,;.:-]{0,80}$/.test(text))).toEqual([])
  expect(words.length).toBeGreaterThan(60)
})
