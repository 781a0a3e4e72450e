import { describe, expect, test } from 'vitest'
import { mintMessageId, mintSessionId, mintTurnId, type VisitorId } from '../conversation/ids.ts'
import { createBreaker, CircuitBreakerOpenError } from '../resilience/breaker.ts'
import type { BreakerSettings } from '../resilience/breaker-state.ts'
import { TimeoutError } from '../resilience/deadline.ts'
import { createRetryBudget, type RetryBudgetSettings } from '../resilience/retry-budget.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { answering, createScriptedAgent, type ScriptedAgentOptions, type ScriptedCall } from '../testing/scripted-agent.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { AgentError, type AgentErrorKind, type AgentErrorOptions } from './agent-error.ts'
import type { Agent, AgentEvent, Question } from './agent.ts'
import { createResilientAgent, type ResilientAgentOptions } from './resilient-agent.ts'

const random = seededRandom(5)
const bytes = (count: number): Uint8Array => random.bytes(count)
const question: Question = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  session: mintSessionId(bytes),
  visitor: 'visitor-0123456789' as VisitorId,
  turnId: mintTurnId(bytes),
  messageId: mintMessageId(0, bytes),
  attempt: 1,
  text: 'How do I renew?',
  history: [],
  deadlineMs: 120_000,
}

const agentError = (kind: AgentErrorKind, options: Partial<AgentErrorOptions> = {}): AgentError =>
  new AgentError(kind, kind, { isRetryable: true, ...options })
const failingWith =
  (error: Error) =>
  (call: ScriptedCall): void =>
    call.fail(error)
const tooSlow = (): TimeoutError => new TimeoutError({ service: 'ai-agent', kind: 'attempt', ms: 10_000 })
const DONE: AgentEvent = { type: 'finished' }
const text = (said: string): AgentEvent => ({ type: 'text', text: said, persona: undefined })

interface WorldOptions extends ScriptedAgentOptions {
  /** What each call does, in order; the last one goes for all later calls. */
  readonly calls?: readonly ((call: ScriptedCall) => void)[]
  readonly breaker?: Partial<BreakerSettings>
  readonly budget?: Partial<RetryBudgetSettings>
  readonly attempts?: number
  readonly inner?: Agent
}

/** A resilient agent whose delays are exactly half their ceiling: 500, 1,000, 2,000, 4,000 ms. */
function createWorld({ calls = [], breaker: rules, budget, attempts = 5, inner, ...given }: WorldOptions = {}) {
  const clock = createSimulatedClock()
  let count = 0
  const script = (call: ScriptedCall): void => {
    calls[Math.min(count, calls.length - 1)]?.(call)
    count += 1
  }
  const scripted = createScriptedAgent({ script, ...given })
  const breaker = createBreaker({ name: 'ai-agent', errorThreshold: 50, volumeThreshold: 100, resetTimeout: 30_000, ...rules }, { clock })
  const events = createRecordedEvents()
  const options: ResilientAgentOptions = {
    clock,
    chance: () => 0.5,
    breaker,
    budget: createRetryBudget({ service: 'ai-agent', ...budget }, clock),
    events,
    retry: { attempts, backoff: { baseMs: 1_000, capMs: 30_000 } },
    firstTextTimeoutMs: 10_000,
  }
  const agent = createResilientAgent(inner ?? scripted, options)
  /** Asks, and gathers what comes; `problem` is what the stream ended with. */
  const ask = () => {
    const aborter = new AbortController()
    const told: AgentEvent[] = []
    const gather = async (): Promise<unknown> => {
      try {
        for await (const event of agent.answer(question, aborter.signal)) told.push(event)
        return undefined
      } catch (problem) {
        return problem
      }
    }
    return { aborter, told, ended: gather() }
  }
  const counts = () => breaker.stats().counts
  return { clock, agent, scripted, breaker, events, ask, counts }
}

describe('before the first event', () => {
  test.each([
    ['unreachable', agentError('unreachable')],
    ['busy', agentError('busy')],
    ['error', agentError('error')],
    ['broke-off', agentError('broke-off')],
    ['of the system', Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
  ])('[A15] a failure that may pass (%s) is tried again, with the same turn', async (_name, error) => {
    const { clock, scripted, ask } = createWorld({ calls: [failingWith(error), failingWith(error), answering('Yes.')] })
    const { told, ended } = ask()
    await clock.advance(1_500)
    expect(await ended).toBeUndefined()
    expect(told).toEqual([text('Yes.'), DONE])
    expect(scripted.calls.map((call) => [call.question.turnId, call.question.messageId, call.question.attempt])).toEqual(
      Array.from({ length: 3 }, () => [question.turnId, question.messageId, 1]),
    )
  })

  test('[A15] a stream that ends without a word counts as broken off', async () => {
    const { clock, ask, counts } = createWorld({ calls: [(call) => call.breakOff(), answering('Yes.')] })
    const { told, ended } = ask()
    await clock.advance(500)
    await ended
    expect([told, counts()]).toMatchObject([[text('Yes.'), DONE], { success: 1, failure: 1 }])
  })

  test('[A15] there are as many attempts as set, and the last failure is the answer', async () => {
    const errors = Array.from({ length: 5 }, () => agentError('unreachable'))
    const { clock, scripted, ask } = createWorld({ calls: errors.map(failingWith), attempts: 3 })
    const { ended } = ask()
    await clock.advance(60_000)
    expect(await ended).toBe(errors[2])
    expect(scripted.calls).toHaveLength(3)
  })

  test.each([
    ['a protocol error', agentError('protocol')],
    ['one that will not pass', agentError('unreachable', { isRetryable: false })],
    ['a programming error', new TypeError('undefined is not a function')],
  ])('[A15] %s is not tried again', async (_name, error) => {
    const { clock, scripted, ask, counts } = createWorld({ calls: [failingWith(error)] })
    const { ended } = ask()
    await clock.advance(60_000)
    expect(await ended).toBe(error)
    expect([scripted.calls.length, counts().failure]).toEqual([1, 1])
  })

  test('[A15] an agent that throws before there is a stream is a failure like any other', async () => {
    let calls = 0
    const throwsAtOnce = (): Error => {
      calls += 1
      return agentError('unreachable')
    }
    const { clock, ask, counts } = createWorld({ throwsAtOnce })
    const { ended } = ask()
    await clock.advance(60_000)
    expect(await ended).toMatchObject({ kind: 'unreachable' })
    expect([calls, counts().failure]).toEqual([5, 5])
  })

  test('[A16] each attempt is told what is left of the time', async () => {
    const { clock, scripted, ask } = createWorld({ calls: [failingWith(agentError('unreachable'))] })
    const { ended } = ask()
    await clock.advance(60_000)
    await ended
    expect(scripted.calls.map((call) => call.question.deadlineMs)).toEqual([120_000, 119_500, 118_500, 116_500, 112_500])
  })

  test('[A16] the agent’s wish to be asked later is granted within the time for a first text', async () => {
    const { clock, scripted, ask } = createWorld({ calls: [failingWith(agentError('busy', { retryAfterMs: 3_000 })), answering('Yes.')] })
    const { ended } = ask()
    await clock.advance(2_999)
    expect(scripted.calls).toHaveLength(1)
    await clock.advance(1)
    expect([await ended, scripted.calls.length]).toEqual([undefined, 2])
  })

  test('[A16] a wait that would outlast the time for a first text is not begun', async () => {
    const error = agentError('busy', { retryAfterMs: 10_000 })
    const { clock, scripted, ask, events } = createWorld({ calls: [failingWith(error)] })
    const { ended } = ask()
    await clock.settle()
    expect(await ended).toBe(error)
    expect([scripted.calls.length, clock.waiting, events.of('agentAttemptFailed')[0]?.stop]).toEqual([1, 0, 'deadline'])
  })

  test('[A22] each failed attempt is reported, and the last one with why there is no other', async () => {
    const error = agentError('unreachable')
    const { clock, ask, events } = createWorld({ calls: [failingWith(error)], attempts: 3 })
    const { ended } = ask()
    await clock.advance(60_000)
    await ended
    const turn = question.turnId
    expect(events.of('agentAttemptFailed')).toEqual([
      { turn, attempt: 1, retriesLeft: 2, delayMs: 500, stop: undefined, cause: error },
      { turn, attempt: 2, retriesLeft: 1, delayMs: 1_000, stop: undefined, cause: error },
      { turn, attempt: 3, retriesLeft: 0, delayMs: undefined, stop: 'attempts', cause: error },
    ])
  })

  test('[A22] retries of all questions are paid from one budget', async () => {
    const { clock, scripted, ask } = createWorld({
      calls: [failingWith(agentError('unreachable'))],
      budget: { ratio: 0, reservePerSecond: 0.3 },
    })
    const asked = Array.from({ length: 4 }, () => ask().ended)
    await clock.advance(60_000)
    expect((await Promise.all(asked)).every((problem) => problem instanceof AgentError)).toBe(true)
    expect(scripted.calls).toHaveLength(4 + 3)
  })
})

describe('after the first event', () => {
  test('[A17] nothing is asked again, and the failure is the caller’s and the breaker’s', async () => {
    const error = agentError('broke-off')
    const { clock, scripted, ask, counts } = createWorld()
    const { told, ended } = ask()
    const call = await scripted.asked(1)
    call.say('Well, ')
    await clock.settle()
    call.fail(error)
    expect(await ended).toBe(error)
    expect([told, scripted.calls.length, clock.waiting]).toEqual([[text('Well, ')], 1, 0])
    expect(counts()).toMatchObject({ success: 1, failure: 1 })
  })

  test('[A17] an answer that stops unfinished is one more failure, and ends as the agent ended it', async () => {
    const { ask, scripted, counts } = createWorld()
    const { told, ended } = ask()
    const call = await scripted.asked(1)
    call.say('Well, ')
    call.breakOff()
    expect([await ended, told]).toEqual([undefined, [text('Well, ')]])
    expect(counts()).toMatchObject({ success: 1, failure: 1 })
  })

  test('[A17] an agent that always breaks off in the middle opens the breaker', async () => {
    const { ask, breaker } = createWorld({
      calls: [
        (call) => {
          call.say('Well, ')
          call.breakOff()
        },
      ],
      breaker: { volumeThreshold: 6 },
    })
    for (let asked = 0; asked < 3; asked += 1) await ask().ended
    expect(breaker.stats().state).toBe('open')
  })

  test.each(['too-long', 'withheld'] as const)('[A46] an answer that the agent ended early as %s is no failure', async (reason) => {
    const early = (call: ScriptedCall): void => {
      call.say('Yes')
      call.cutShort(reason)
    }
    const nothing = (call: ScriptedCall): void => call.cutShort(reason)
    const { ask, breaker, scripted } = createWorld({ calls: [early, nothing] })
    const answers = [ask(), ask()]
    expect([await answers[0]?.ended, await answers[1]?.ended]).toEqual([undefined, undefined])
    expect(answers.map(({ told }) => told.at(-1))).toEqual([
      { type: 'cut-short', reason },
      { type: 'cut-short', reason },
    ])
    expect([breaker.stats().counts, scripted.calls.length]).toMatchObject([{ success: 2, failure: 0 }, 2])
  })

  test('[A17] a whole answer is one success', async () => {
    const { ask, counts } = createWorld({ calls: [answering('a', 'b', 'c')] })
    const { told, ended } = ask()
    expect([await ended, told]).toEqual([undefined, [text('a'), text('b'), text('c'), DONE]])
    expect(counts()).toMatchObject({ success: 1, failure: 0, ignored: 0 })
  })
})

describe('the breaker', () => {
  test('[A18] opens in the middle of the attempts, which ends them, and then refuses at once', async () => {
    const { clock, scripted, ask, events } = createWorld({
      calls: [failingWith(agentError('unreachable'))],
      breaker: { volumeThreshold: 3 },
    })
    const first = ask()
    await clock.advance(3_500)
    expect(await first.ended).toMatchObject({ name: 'AgentError', kind: 'unreachable', cause: { name: 'CircuitBreakerOpenError' } })
    expect(scripted.calls).toHaveLength(3)
    const told = events.of('agentAttemptFailed').length
    const problem = await ask().ended
    expect(problem).toBeInstanceOf(AgentError)
    expect(problem).toMatchObject({ kind: 'unreachable', isRetryable: true, retryAfterMs: 28_000 })
    expect(problem instanceof AgentError && problem.cause).toBeInstanceOf(CircuitBreakerOpenError)
    expect([scripted.calls.length, clock.waiting, told, events.of('agentAttemptFailed').length]).toEqual([3, 0, 3, 3])
  })

  test('[A18] half-open, one question tries the agent, the others are refused, and its first text closes the breaker', async () => {
    const { clock, scripted, ask, breaker } = createWorld({
      calls: [failingWith(agentError('unreachable')), () => undefined],
      breaker: { volumeThreshold: 1 },
    })
    await Promise.all([ask().ended, clock.advance(1_000)])
    await clock.advance(30_000)
    const probe = ask()
    const call = await scripted.asked(2)
    const other = await ask().ended
    expect([other, breaker.stats().state]).toMatchObject([{ kind: 'unreachable' }, 'half-open'])
    call.say('Here.')
    await clock.settle()
    expect(breaker.stats().state).toBe('closed')
    call.finish()
    expect([await probe.ended, probe.told]).toEqual([undefined, [text('Here.'), DONE]])
  })

  test('[A19] pings go past it, and past retry', async () => {
    const { scripted, agent, breaker, counts } = createWorld({ breaker: { volumeThreshold: 1 } })
    const error = agentError('unreachable')
    scripted.failPing(error)
    await expect(agent.ping(new AbortController().signal)).rejects.toBe(error)
    expect(counts()).toEqual({ success: 0, failure: 0, ignored: 0, rejected: 0, opened: 0 })
    const release = breaker.isolate()
    scripted.failPing(undefined)
    await agent.ping(new AbortController().signal)
    expect(counts().rejected).toBe(0)
    release()
  })
})

describe('an abort', () => {
  test('[A20][A21] before anything was asked asks nobody', async () => {
    const { agent, scripted, counts } = createWorld()
    const told: AgentEvent[] = []
    for await (const event of agent.answer(question, AbortSignal.abort())) told.push(event)
    expect([told, scripted.calls.length, counts().rejected]).toEqual([[], 0, 0])
  })

  test.each([false, true])('[A20][A21] of an attempt ends it, whether the agent heeds it or not (%s)', async (ignoresCancel) => {
    const { clock, scripted, ask, counts, events } = createWorld({ ignoresCancel })
    const { aborter, told, ended } = ask()
    const call = await scripted.asked(1)
    aborter.abort()
    expect([await ended, told, call.isCancelled]).toEqual([undefined, [], true])
    await clock.advance(60_000)
    expect([scripted.calls.length, clock.waiting, events.of('agentAttemptFailed').length]).toEqual([1, 0, 0])
    expect(counts()).toMatchObject({ success: 0, failure: 0, ignored: 1 })
  })

  test('[A20][A21] of a wait ends it at once', async () => {
    const { clock, scripted, ask, counts } = createWorld({ calls: [failingWith(agentError('unreachable'))] })
    const { aborter, ended } = ask()
    await clock.advance(499)
    expect(clock.waiting).toBe(1)
    aborter.abort(tooSlow())
    expect([await ended, clock.waiting, scripted.calls.length]).toEqual([undefined, 0, 1])
    expect(counts()).toMatchObject({ failure: 1, ignored: 0 })
  })

  test('[A20] closes the stream of an attempt that failed by itself, too', async () => {
    let closed = 0
    const stream: AsyncIterator<AgentEvent> = {
      next: () => Promise.reject(agentError('unreachable', { isRetryable: false })),
      return: async () => {
        closed += 1
        return { done: true, value: undefined }
      },
    }
    const { scripted } = createWorld()
    const inner: Agent = { ...scripted, answer: () => ({ [Symbol.asyncIterator]: () => stream }) }
    await createWorld({ inner }).ask().ended
    expect(closed).toBe(1)
  })

  test('[A20] of a reader that leaves in the middle closes the stream', async () => {
    let closed = 0
    const stream: AsyncIterator<AgentEvent> = {
      next: async () => ({ done: false, value: text('on and on ') }),
      return: async () => {
        closed += 1
        return { done: true, value: undefined }
      },
    }
    const { scripted } = createWorld()
    const inner: Agent = { ...scripted, answer: () => ({ [Symbol.asyncIterator]: () => stream }) }
    const { agent, counts } = createWorld({ inner })
    let heard = 0
    for await (const event of agent.answer(question, new AbortController().signal)) {
      heard += event.type === 'text' ? 1 : 0
      if (heard === 3) break
    }
    expect([heard, closed, counts().failure]).toEqual([3, 1, 0])
  })

  test('[A21] because the agent kept silent is a failure, and not tried again', async () => {
    const { clock, scripted, ask, counts, events } = createWorld()
    const { aborter, ended } = ask()
    await scripted.asked(1)
    aborter.abort(tooSlow())
    expect(await ended).toBeUndefined()
    await clock.advance(60_000)
    expect([scripted.calls.length, clock.waiting, counts().failure, counts().ignored]).toEqual([1, 0, 1, 0])
    expect(events.of('agentAttemptFailed')).toMatchObject([{ attempt: 1, retriesLeft: 0, stop: 'not-retryable' }])
  })

  test('[A21] in the middle of an answer is a failure only when the agent was too slow', async () => {
    const { clock, scripted, ask, counts } = createWorld()
    const stopped = ask()
    const slow = ask()
    for (const number of [1, 2]) (await scripted.asked(number)).say('Well, ')
    await clock.settle()
    stopped.aborter.abort()
    await stopped.ended
    expect(counts()).toMatchObject({ success: 2, failure: 0 })
    slow.aborter.abort(tooSlow())
    await slow.ended
    expect(counts()).toMatchObject({ success: 2, failure: 1 })
  })

  test('[A20] leaves no listener on a signal that lives on', async () => {
    const { clock, agent } = createWorld({ calls: [failingWith(agentError('unreachable')), answering('Yes.')] })
    const { signal } = new AbortController()
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    Object.assign(signal, {
      addEventListener: (...args: Parameters<typeof add>) => ((listeners += 1), add(...args)),
      removeEventListener: (...args: Parameters<typeof remove>) => ((listeners -= 1), remove(...args)),
    })
    const told: AgentEvent[] = []
    const gather = async (): Promise<void> => {
      for await (const event of agent.answer(question, signal)) told.push(event)
    }
    const ended = gather()
    expect(listeners).toBeGreaterThan(0)
    await clock.advance(500)
    await ended
    expect([told, listeners, clock.waiting]).toEqual([[text('Yes.'), DONE], 0, 0])
  })
})
