import { describe, expect, test } from 'vitest'
import { latestAnswer, questionOfTurn, type AnswerItem, type Conversation } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import type { TurnId } from '../conversation/ids.ts'
import { ANSWER_COALESCE_MS, HAND_OVER_MAX_MS, HISTORY_ITEMS_MAX, STOP_LOOK_MS } from '../conversation/limits.ts'
import { AgentError } from '../agent/agent-error.ts'
import { createFaultyLog } from '../testing/faulty-log.ts'
import { answering, createScriptedAgent } from '../testing/scripted-agent.ts'
import { createTurnWorld } from '../testing/turn-world.ts'

const kinds = (entries: readonly Entry[]): readonly string[] => entries.map((entry) => entry.kind)
const outcome = (conversation: Conversation, turnId: TurnId) => {
  const question = questionOfTurn(conversation, turnId)
  const answer = latestAnswer(conversation, turnId)
  return [question?.status, answer?.status, answer?.text, question?.reason]
}
const answersOf = (conversation: Conversation): readonly AnswerItem[] =>
  conversation.items.filter((item): item is AnswerItem => item.kind === 'answer')

describe('a question', () => {
  test('[T1][T5] is claimed, asked and answered', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ script: answering('You can ', 'renew online.') }) })
    await using runner = world.runner()
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.clock.advance(1_000)
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', 'You can renew online.', undefined])
    expect(kinds(await world.entries(session))).toEqual(['message', 'turn-started', 'answer-part', 'turn-ended'])
    expect(world.events.of('turnEnded')).toMatchObject([{ session, turn, outcome: 'complete', reason: undefined }])
    expect([world.events.of('turnStarted').length, world.events.of('turnFirstText').length, runner.running]).toEqual([1, 1, 0])
  })

  test('[T21] does not wait for those of other sessions, but for the earlier ones of its own', async () => {
    const world = createTurnWorld({ settings: { concurrency: 2 } })
    await using runner = world.runner()
    const [a, b, c] = [await world.newSession(), await world.newSession(), await world.newSession()]
    await world.ask(a, 'a1')
    await world.ask(a, 'a2')
    await world.ask(b, 'b1')
    await world.ask(c, 'c1')
    await world.clock.advance(100)
    expect([world.agent.calls.map((call) => call.question.text), runner.running]).toEqual([['a1', 'b1'], 2])
    answering('Done.')(await world.agent.asked(1))
    await world.clock.advance(100)
    answering('Done.')(await world.agent.asked(2))
    await world.clock.advance(100)
    expect(world.agent.calls.map((call) => call.question.text).toSorted()).toEqual(['a1', 'a2', 'b1', 'c1'])
    expect(world.agent.calls[2]?.question.history.length).toBe(world.agent.calls[2]?.question.text === 'a2' ? 2 : 0)
  })

  test('[T22] is found at the next poll when its bell was missed', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ script: answering('Yes.') }) })
    await using runner = world.runner()
    expect(runner.running).toBe(0)
    await world.clock.advance(10)
    world.log.deafen(true)
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.clock.advance(world.settings.pollMs + ANSWER_COALESCE_MS)
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', 'Yes.', undefined])
  })

  test('[T25] is asked with the complete exchanges before it', async () => {
    const count = HISTORY_ITEMS_MAX + 2
    const agent = createScriptedAgent({
      script: (call) => {
        if (call.question.text === 'question 20') call.fail(new AgentError('error', 'no', { isRetryable: false }))
        else answering(`answer to ${call.question.text}`)(call)
      },
    })
    const world = createTurnWorld({ agent })
    await using runner = world.runner()
    const session = await world.newSession()
    for (let index = 1; index <= count; index += 1) {
      await world.ask(session, `question ${index}`)
      await world.clock.advance(100)
    }
    const last = await world.ask(session, 'the last')
    await world.ask(session, 'a later one')
    await world.clock.advance(100)
    const asked = agent.calls.find((call) => call.question.turnId === last)?.question
    const expected = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22].flatMap((index) => [
      { id: expect.any(String), role: 'user', text: `question ${index}` },
      { id: expect.any(String), role: 'assistant', text: `answer to question ${index}` },
    ])
    expect([asked?.history, asked?.attempt, asked?.deadlineMs, runner.running]).toEqual([expected, 1, world.settings.deadlineMs, 0])
  })
})

describe('a wish to stop', () => {
  test('[T10] reaches a turn at each of its phases', async () => {
    const world = createTurnWorld({ settings: { concurrency: 1 } })
    const session = await world.newSession()
    const before = await world.ask(session, 'before its start')
    await world.log.stop(session, before)
    await using runner = world.runner()
    await world.clock.advance(100)
    expect(outcome(await world.conversation(session), before)).toEqual(['cancelled', undefined, undefined, 'asked-to-stop'])

    const silent = await world.ask(session, 'while the agent thinks')
    await world.clock.advance(100)
    await world.log.stop(session, silent)
    await world.clock.advance(STOP_LOOK_MS + 10)
    expect(outcome(await world.conversation(session), silent)).toEqual(['answered', 'stopped', '', 'asked-to-stop'])

    const speaking = await world.ask(session, 'while it speaks')
    await world.clock.advance(100)
    const call = await world.agent.asked(2)
    call.say('Let me ')
    await world.clock.advance(100)
    call.say('explain')
    await world.log.stop(session, speaking)
    await world.clock.advance(STOP_LOOK_MS + 10)
    expect(outcome(await world.conversation(session), speaking)).toEqual(['answered', 'stopped', 'Let me explain', 'asked-to-stop'])
    expect([call.isCancelled, world.agent.calls.length, runner.running]).toEqual([true, 2, 0])
  })

  test('[T10] is seen at the next renewal when its bell was missed', async () => {
    const world = createTurnWorld()
    await using runner = world.runner()
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.clock.advance(100)
    world.log.deafen(true)
    await world.log.stop(session, turn)
    await world.clock.advance(world.settings.leaseMs / 3 + STOP_LOOK_MS)
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'stopped', '', 'asked-to-stop'])
    expect(runner.running).toBe(0)
  })

  test('[T31] and a deletion stop the agent at once', async () => {
    const world = createTurnWorld()
    await using runner = world.runner()
    const session = await world.newSession()
    await world.ask(session)
    const call = await world.agent.asked(1)
    await world.log.deleteSession(session)
    await world.clock.advance(STOP_LOOK_MS)
    expect([call.isCancelled, runner.running, world.events.of('turnFenced').length]).toEqual([true, 0, 1])
  })
})

describe('an owner that dies', () => {
  test('[T2][T23] is followed by another, and a question nobody saw an answer to is simply asked again', async () => {
    const world = createTurnWorld()
    const asleep = createFaultyLog(world.log)
    await using first = world.runner('one', { log: asleep })
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.agent.asked(1)
    asleep.fault('holds')
    await using second = world.runner('two')
    await world.clock.advance(world.settings.leaseMs + world.settings.pollMs)
    answering('Yes.')(await world.agent.asked(2))
    await world.clock.advance(100)
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', 'Yes.', undefined])
    expect(kinds(await world.entries(session))).toEqual(['message', 'turn-started', 'turn-started', 'answer-part', 'turn-ended'])
    expect([world.agent.calls.map((call) => call.question.attempt), first.running, second.running]).toEqual([[1, 2], 1, 0])
    asleep.fault(undefined)
    await world.clock.advance(10_000)
    expect(first.running).toBe(0)
  })

  test('[T2][T24] keeps the text it showed, and writes nothing when it wakes up', async () => {
    const world = createTurnWorld()
    const asleep = createFaultyLog(world.log)
    await using first = world.runner('one', { log: asleep })
    const session = await world.newSession()
    const turn = await world.ask(session)
    const call = await world.agent.asked(1)
    call.say('I was say')
    await world.clock.advance(100)
    asleep.fault('holds')
    // What it still has to say is on its way to the store when another takes the turn.
    call.say('ing something else')
    await using second = world.runner('two')
    await world.clock.advance(world.settings.leaseMs + world.settings.pollMs)
    const again = await world.agent.asked(2)
    asleep.fault(undefined)
    await world.clock.advance(100)
    answering('The whole answer.')(again)
    await world.clock.advance(10_000)
    const conversation = await world.conversation(session)
    expect(answersOf(conversation).map(({ text, status, isSuperseded }) => [text, status, isSuperseded])).toEqual([
      ['I was say', 'interrupted', true],
      ['The whole answer.', 'complete', false],
    ])
    expect(outcome(conversation, turn)[0]).toBe('answered')
    expect([call.isCancelled, first.running, second.running, world.events.of('turnFenced').length]).toEqual([true, 0, 0, 1])
  })

  test('[T23] leaves its turn to another within ten seconds, by itself', async () => {
    const world = createTurnWorld()
    const first = world.runner('one')
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.agent.asked(1)
    world.log.fault('holds')
    const stopped = first.drain(0)
    await world.clock.advance(HAND_OVER_MAX_MS)
    await stopped
    world.log.fault(undefined)
    await using second = world.runner('two', { agent: createScriptedAgent({ script: answering('Yes.') }) })
    await world.clock.advance(10_000 - HAND_OVER_MAX_MS)
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', 'Yes.', undefined])
    expect(second.running).toBe(0)
  })

  test('[T12] five times over, leaves a question that is not asked again', async () => {
    const world = createTurnWorld()
    const session = await world.newSession()
    const turn = await world.ask(session)
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const [claim] = await world.log.claim(`dead ${attempt}`, 10, 1)
      if (claim === undefined) throw new Error('nothing to claim')
      await world.log.write(claim, [{ kind: 'turn-started', turnId: turn, attempt, fence: claim.fence }])
      await world.clock.advance(10)
    }
    await using runner = world.runner()
    await world.clock.advance(100)
    expect(outcome(await world.conversation(session), turn)).toEqual(['failed', 'failed', '', 'too-many-attempts'])
    expect([world.agent.calls.length, runner.running]).toEqual([0, 0])
  })

  test('[T11] for a day leaves a question that has expired', async () => {
    const world = createTurnWorld()
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.clock.advance(world.settings.questionExpiresMs)
    await using runner = world.runner()
    await world.clock.advance(100)
    expect(outcome(await world.conversation(session), turn)).toEqual(['expired', undefined, undefined, 'expired'])
    expect([world.agent.calls.length, runner.running]).toEqual([0, 0])
  })
})

describe('an agent', () => {
  test('[T26] that throws at once, ends at once or throws something of its own still gives an outcome', async () => {
    const broken = [
      createScriptedAgent({ throwsAtOnce: () => new TypeError('a bug of the adapter') }),
      createScriptedAgent({ script: (call) => call.breakOff() }),
      createScriptedAgent({ script: (call) => call.fail(new RangeError('a bug of the adapter')) }),
      createScriptedAgent({ script: (call) => call.fail(new AgentError('busy', 'later', { isRetryable: true })) }),
    ]
    const reasons = []
    for (const agent of broken) {
      const world = createTurnWorld({ agent })
      await using runner = world.runner()
      const session = await world.newSession()
      const turn = await world.ask(session)
      await world.clock.advance(30_000)
      reasons.push([outcome(await world.conversation(session), turn)[3], world.events.of('agentFailed').length, runner.running])
    }
    expect(reasons).toEqual([
      ['agent-error', 1, 0],
      ['agent-broke-off', 0, 0],
      ['agent-error', 1, 0],
      ['agent-busy', 5, 0],
    ])
  })

  test('[T7][T26] that never answers and ignores being cancelled loses its place, and what it says later is not heard', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ ignoresCancel: true }), settings: { concurrency: 1 } })
    await using runner = world.runner()
    const [session, other] = [await world.newSession(), await world.newSession()]
    const turn = await world.ask(session)
    await world.ask(other)
    await world.clock.advance(world.settings.firstTextTimeoutMs + 100)
    const call = await world.agent.asked(1)
    expect([call.isCancelled, world.agent.calls.length]).toEqual([true, 2])
    answering('Too late.')(call)
    await world.clock.advance(1_000)
    expect(outcome(await world.conversation(session), turn)).toEqual(['failed', 'failed', '', 'first-token-timeout'])
    expect(runner.running).toBe(1)
  })

  test('[T26] that fails when nobody listens any more is not reported', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ ignoresCancel: true }) })
    await using runner = world.runner()
    const session = await world.newSession()
    const turn = await world.ask(session)
    const call = await world.agent.asked(1)
    await world.log.stop(session, turn)
    await world.clock.advance(STOP_LOOK_MS + 10)
    call.fail(new Error('cancelled'))
    await world.clock.advance(100)
    expect([world.events.of('agentFailed'), runner.running]).toEqual([[], 0])
  })
})

describe('a store that is away', () => {
  test.each(['refuses', 'loses'] as const)(
    '[T14][T27] and %s every command for a while loses nothing and doubles nothing',
    async (fault) => {
      const world = createTurnWorld()
      await using runner = world.runner()
      const session = await world.newSession()
      const turn = await world.ask(session)
      const call = await world.agent.asked(1)
      const words = Array.from({ length: 40 }, (_unused, index) => `word${index} `)
      for (const [index, word] of words.entries()) {
        if (index === 5) world.log.fault(fault)
        if (index === 30) world.log.fault(undefined)
        call.say(word)
        await world.clock.advance(300)
      }
      call.finish()
      await world.clock.advance(10_000)
      expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', words.join(''), undefined])
      expect(world.agent.calls.length).toBe(1)
      expect(world.events.of('storeFailed').length).toBeGreaterThan(0)
      expect(runner.running).toBe(0)
    },
  )

  test('[T27] while nothing runs costs no more than the time it was away', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ script: answering('Yes.') }) })
    const session = await world.newSession()
    const turn = await world.ask(session)
    world.log.fault('refuses')
    await using runner = world.runner()
    await world.clock.advance(60_000)
    expect(world.log.count('claim')).toBeLessThan(200)
    world.log.fault(undefined)
    await world.clock.advance(world.settings.storeBackoff.capMs + 1_000)
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', 'Yes.', undefined])
    expect(runner.running).toBe(0)
  })

  test('[T18] for good, because its log is corrupt, ends the work on that turn without a word', async () => {
    const world = createTurnWorld()
    await using runner = world.runner()
    const session = await world.newSession()
    await world.ask(session)
    const call = await world.agent.asked(1)
    world.log.rejectWith('corrupt')
    world.log.fault('refuses', ['write'])
    call.say('Yes.')
    await world.clock.advance(100)
    expect([call.isCancelled, runner.running]).toEqual([true, 0])
    expect(world.events.of('storeFailed')).toMatchObject([{ kind: 'corrupt' }])
  })
})

describe('a runner', () => {
  test('[T28] that drains lets running answers end, and starts nothing', async () => {
    const world = createTurnWorld()
    const runner = world.runner()
    const [session, other] = [await world.newSession(), await world.newSession()]
    const turn = await world.ask(session)
    const call = await world.agent.asked(1)
    const drained = runner.drain(25_000)
    await world.ask(other)
    await world.clock.advance(1_000)
    answering('Whole.')(call)
    await world.clock.advance(100)
    expect(await drained).toEqual({ finished: 1, handedOver: 0 })
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', 'Whole.', undefined])
    expect([world.agent.calls.length, runner.running, world.clock.waiting, world.log.listeners]).toEqual([1, 0, 0, 0])
  })

  test('[T17][T28] hands over what does not end in time, and another goes on at once', async () => {
    const world = createTurnWorld()
    const runner = world.runner()
    const session = await world.newSession()
    const turn = await world.ask(session)
    const call = await world.agent.asked(1)
    call.say('I was say')
    await world.clock.advance(100)
    const drained = runner.drain(3_000)
    await world.clock.advance(3_000)
    expect(await drained).toEqual({ finished: 0, handedOver: 1 })
    expect(call.isCancelled).toBe(true)
    expect(kinds(await world.entries(session))).toEqual(['message', 'turn-started', 'answer-part'])
    await using second = world.runner('two', { agent: createScriptedAgent({ script: answering('All of it.') }) })
    await world.clock.advance(100)
    expect(outcome(await world.conversation(session), turn)).toEqual(['answered', 'complete', 'All of it.', undefined])
    expect(second.running).toBe(0)
  })

  test('[T28][T30] stops in time even when the store is silent, and leaves nothing behind', async () => {
    const world = createTurnWorld()
    const runner = world.runner()
    await world.ask(await world.newSession())
    await world.agent.asked(1)
    world.log.fault('holds')
    await world.clock.advance(world.settings.pollMs)
    const stopped = runner[Symbol.asyncDispose]()
    await world.clock.advance(HAND_OVER_MAX_MS)
    await stopped
    expect([world.clock.waiting, runner.running]).toEqual([0, 0])
  })

  test('[T30] leaves no timer and no listener behind, however often it is stopped', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ script: answering('Yes.') }) })
    const runner = world.runner()
    runner.run()
    for (let index = 0; index < 5; index += 1) await world.ask(await world.newSession())
    await world.clock.advance(5_000)
    await Promise.all([runner.drain(1_000), runner.drain(0), runner[Symbol.asyncDispose]()])
    runner.run()
    await world.clock.advance(5_000)
    expect([world.clock.waiting, world.log.listeners, runner.running]).toEqual([0, 0, 0])
  })

  test('[T29] deletes expired sessions, however many there are', async () => {
    const world = createTurnWorld({ ttlMs: 1_000 })
    for (let index = 0; index < 150; index += 1) await world.newSession()
    await using runner = world.runner()
    await world.clock.advance(100)
    expect(world.events.of('sessionsExpired')).toEqual([])
    world.log.fault('refuses', ['deleteExpired'])
    await world.clock.advance(world.settings.sweepMs)
    world.log.fault(undefined)
    await world.clock.advance(world.settings.sweepMs)
    expect(world.events.of('sessionsExpired')).toEqual([100, 50])
    expect([await world.log.deleteExpired(1), runner.running]).toEqual([0, 0])
  })
})
