import { expect, test } from 'vitest'
import { AgentError } from '../agent/agent-error.ts'
import type { AgentEvent, Question } from '../agent/agent.ts'
import { mintMessageId, mintSessionId, mintTurnId, type VisitorId } from '../conversation/ids.ts'
import { createResilience } from '../plugins/resilience.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { answering, createScriptedAgent } from '../testing/scripted-agent.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createTurnWorld } from '../testing/turn-world.ts'
import { readConfig } from './config.ts'
import { agentPresence, createAgentBudget, guardAgent } from './guarded-agent.ts'

const random = seededRandom(6)
const bytes = (count: number): Uint8Array => random.bytes(count)
const question = (): Question => ({
  session: mintSessionId(bytes),
  visitor: 'visitor-0123456789' as VisitorId,
  turnId: mintTurnId(bytes),
  messageId: mintMessageId(0, bytes),
  attempt: 1,
  text: 'How do I renew?',
  history: [],
  deadlineMs: 120_000,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
})

const SETTINGS = {
  RETRY_WEBSOCKET_ATTEMPTS: '2',
  RETRY_WEBSOCKET_BASE_DELAY_MS: '100',
  RETRY_WEBSOCKET_MAX_DELAY_MS: '100',
  BREAKER_AI_AGENT_VOLUME_THRESHOLD: '4',
  BREAKER_AI_AGENT_RESET_TIMEOUT_MS: '5000',
}

/** A service with only its agent, whose store and live link always work, and which is `full`. */
async function createWorld() {
  const clock = createSimulatedClock()
  const state = { isAway: false }
  const agent = createScriptedAgent({
    script: (call) => {
      if (state.isAway) call.fail(new AgentError('unreachable', 'away', { isRetryable: true }))
      else answering('Yes.')(call)
    },
  })
  const events = createRecordedEvents()
  const resilience = createResilience({ clock, events, health: {} })
  const { health, breakers } = resilience
  const guarded = guardAgent(agent, readConfig(SETTINGS).agent, { chance: () => 0.5, resilience, events, budget: createAgentBudget(clock) })
  health.registerHealthCheck('sqlite', () => undefined)
  health.registerHealthCheck('websocket', () => undefined)
  health.registerHealthCheck('aiAgent', (signal) => guarded.ping(signal))
  health.start()
  await clock.settle()
  const ask = async (): Promise<unknown> => {
    const told: AgentEvent[] = []
    try {
      for await (const event of guarded.answer(question(), new AbortController().signal)) told.push(event)
      return told.at(-1)?.type
    } catch (problem) {
      return problem
    }
  }
  /** Two questions of two attempts each, all in vain. */
  const trip = async (): Promise<void> => {
    state.isAway = true
    const asked = [ask(), ask()]
    await clock.advance(200)
    await Promise.all(asked)
  }
  return { clock, state, agent, guarded, health, events, breakers, ask, trip }
}

test('[O34] attempts, delays and thresholds are those of the settings', async () => {
  const { agent, breakers, trip } = await createWorld()
  await trip()
  expect(agent.calls).toHaveLength(4)
  expect(breakers.stats('ai-agent')).toMatchObject({ state: 'open', counts: { failure: 4, opened: 1 }, retryAfterMs: expect.any(Number) })
  expect(breakers.get('ai-agent')?.rules).toMatchObject({ resetTimeout: 5_000, resetTimeoutMax: 300_000, errorThreshold: 50 })
})

test('[O34] what the breaker does is an event with its name', async () => {
  const { clock, state, events, ask, trip } = await createWorld()
  await ask()
  await trip()
  await ask()
  state.isAway = false
  await clock.advance(5_000)
  expect(await ask()).toBe('finished')
  const service = 'ai-agent'
  expect(events.of('breakerChanged')).toEqual([
    { service, from: 'closed', to: 'open', openMs: 5_000 },
    { service, from: 'open', to: 'half-open', openMs: undefined },
    { service, from: 'half-open', to: 'closed', openMs: undefined },
  ])
  expect(events.of('breakerCalled').map(({ outcome }) => outcome)).toEqual([
    'success',
    'failure',
    'failure',
    'failure',
    'rejected',
    'rejected',
    'success',
  ])
  expect(events.of('agentAttemptFailed')).toHaveLength(3)
})

test('[O35] the level is limited from the moment the breaker opens, though pings are answered', async () => {
  const { health, trip } = await createWorld()
  const levels: string[] = []
  health.subscribe((event) => {
    if (event.type === 'level') levels.push(event.to)
  })
  expect(health.getCurrentLevel()).toBe('full')
  await trip()
  expect([health.getCurrentLevel(), levels]).toEqual(['limited', ['limited']])
})

test('[O35] a service that nobody asks is full again when the breaker’s time is over and the agent has worked for the hold', async () => {
  const { clock, health, breakers, trip } = await createWorld()
  await trip()
  await clock.advance(4_000)
  expect(health.getCurrentLevel()).toBe('limited')
  await clock.advance(30_000)
  expect([health.getCurrentLevel(), breakers.stats('ai-agent')?.state]).toEqual(['full', 'open'])
})

test('[O35] the question that finds the agent well leaves the level as it is, and one that finds it away makes it limited again', async () => {
  const { clock, state, health, ask, trip } = await createWorld()
  await trip()
  state.isAway = false
  await clock.advance(60_000)
  const levels: string[] = []
  health.subscribe((event) => {
    if (event.type === 'level') levels.push(event.to)
  })
  expect([await ask(), levels]).toEqual(['finished', []])
  await trip()
  expect(levels).toEqual(['limited'])
  await clock.advance(60_000)
  // The first try finds it half-open and away.
  const asked = ask()
  await clock.advance(200)
  expect([await asked, health.getCurrentLevel()]).toMatchObject([{ kind: 'unreachable' }, 'limited'])
})

test('[O42] the agent is away while its breaker refuses, in doubt from the first good check on, and there when that has lasted', async () => {
  const { clock, state, health, breakers, ask, trip } = await createWorld()
  const presence = (): string => agentPresence({ health, breakers })
  expect(presence()).toBe('there')
  await trip()
  expect(presence()).toBe('circuit-breaker-open')
  state.isAway = false
  await clock.advance(5_000)
  expect([presence(), health.getCurrentLevel()]).toEqual(['in-doubt', 'limited'])
  await clock.advance(30_000)
  // Half-open by now, if anybody asked: one question has to find out.
  expect([presence(), health.getCurrentLevel()]).toEqual(['in-doubt', 'full'])
  await ask()
  expect(presence()).toBe('there')
})

test('[O42] an agent that no check has found yet is not known, and one that a check does not find is unreachable', async () => {
  const clock = createSimulatedClock()
  const events = createRecordedEvents()
  const { health, breakers } = createResilience({ clock, events, health: {} })
  const presence = (): string => agentPresence({ health, breakers })
  let isThere = false
  health.registerHealthCheck('sqlite', () => undefined)
  health.registerHealthCheck('websocket', () => undefined)
  health.registerHealthCheck('aiAgent', () => {
    if (!isThere) throw new Error('nobody there')
  })
  expect(presence()).toBe('unknown')
  health.start()
  await clock.settle()
  expect(presence()).toBe('agent-unreachable')
  isThere = true
  await clock.advance(5_000)
  expect(presence()).toBe('in-doubt')
  await clock.advance(20_000)
  expect(presence()).toBe('there')
})

test('[O40] of many questions that waited one tries the agent, the others wait for what it finds, and all are answered', async () => {
  const { clock, agent, health, events, breakers, guarded, state, trip } = await createWorld()
  await trip()
  state.isAway = false
  const asked = agent.calls.length
  const turns = createTurnWorld({ clock })
  await using runner = turns.runner('one', { agent: guarded, agentPresence: () => agentPresence({ health, breakers }) })
  const sessions = await Promise.all(Array.from({ length: 10 }, () => turns.newSession()))
  for (const session of sessions) await turns.ask(session)
  await clock.advance(1_000)
  expect([agent.calls.length, runner.running]).toEqual([asked, 10])
  await clock.advance(60_000)
  expect([agent.calls.length, runner.running]).toEqual([asked + 10, 0])
  expect(turns.events.of('turnEnded').map(({ outcome }) => outcome)).toEqual(Array.from({ length: 10 }, () => 'complete'))
  // One found out that the agent was back; no other one used up an attempt for it.
  expect(turns.events.of('turnStarted').length).toBe(10)
  expect(events.of('breakerChanged').at(-1)?.to).toBe('closed')
})
