/** What is told of a turn: durations on the clock that never goes back, one trace, and answers that stall or are left. */
import { expect, test } from 'vitest'
import { parseTraceparent } from '../conversation/trace.ts'
import { createTurnTrace } from '../telemetry/turn-trace.ts'
import { createTurnWorld } from '../testing/turn-world.ts'

test('[O93] a clock that is set while a question is answered changes none of its durations', async () => {
  const world = createTurnWorld()
  await using runner = world.runner()
  await world.ask(await world.newSession())
  const call = await world.agent.asked(1)
  world.clock.jump(-3_600_000)
  await world.clock.advance(2_000)
  call.say('Hello.')
  await world.clock.advance(1_000)
  world.clock.jump(7_200_000)
  call.finish()
  await world.clock.advance(100)
  const [first] = world.events.of('turnFirstText')
  const [ended] = world.events.of('turnEnded')
  expect([first?.tookMs, ended?.tookMs, ended?.answeredMs].map((ms) => Math.round((ms ?? 0) / 1_000))).toEqual([2, 3, 1])
  expect(runner.running).toBe(0)
})

test('[O100][A70] every attempt at a question is asked in the question’s one trace, whichever process asks', async () => {
  const first = createTurnWorld()
  const dead = first.runner()
  const turn = await first.ask(await first.newSession())
  const before = await first.agent.asked(1)
  await dead[Symbol.asyncDispose]()
  await using next = first.runner()
  await first.clock.advance(1_000)
  const after = await first.agent.asked(2)
  const [one, two] = [before, after].map(({ question }) => parseTraceparent(question.traceparent))
  expect([one?.traceId, two?.traceId]).toEqual([createTurnTrace('a secret')(turn).traceId, one?.traceId])
  expect([before.question.attempt, after.question.attempt, one?.spanId === two?.spanId]).toEqual([1, 2, false])
  expect(next.running).toBe(1)
})

test('[O81] an answer that says nothing for 15 seconds has stalled, whether it goes on or is given up', async () => {
  const world = createTurnWorld({ settings: { idleTimeoutMs: 20_000 } })
  await using runner = world.runner()
  const turn = await world.ask(await world.newSession())
  const call = await world.agent.asked(1)
  call.say('Let me see. ')
  await world.clock.advance(16_000)
  expect(world.events.of('turnStalled')).toEqual([])
  call.say('Here it is: ')
  await world.clock.advance(20_100)
  const gaps = world.events.of('turnStalled').map((stalled) => [stalled.turn, Math.round(stalled.gapMs / 1_000)])
  expect(gaps).toEqual([
    [turn, 16],
    [turn, 20],
  ])
  expect(runner.running).toBe(0)
})

test('[O81] an answer that had begun and is given up for another process to go on is left, once', async () => {
  const world = createTurnWorld()
  const runner = world.runner()
  const turn = await world.ask(await world.newSession())
  const call = await world.agent.asked(1)
  call.say('I was saying ')
  await world.clock.advance(500)
  const drained = runner.drain(1_000)
  await world.clock.advance(5_000)
  expect(await drained).toEqual({ finished: 0, handedOver: 1 })
  expect(world.events.of('answerLeft')).toEqual([{ turn, answeredMs: 1_500 }])
  expect(world.events.of('turnEnded')).toEqual([])
})
