import { expect, test } from 'vitest'
import { createScriptedAgent } from '../testing/scripted-agent.ts'
import { createTurnWorld } from '../testing/turn-world.ts'

test('[A32][A46] an answer that the agent ended early says so, and what it took is told', async () => {
  const agent = createScriptedAgent({
    script: (call) => {
      call.say('Yes, ')
      call.used(12, 3)
      call.cutShort('too-long')
    },
  })
  const world = createTurnWorld({ agent })
  await using runner = world.runner()
  const turn = await world.ask(await world.newSession(), 'May I?')
  await world.clock.advance(100)
  expect(world.events.of('turnEnded')).toMatchObject([{ turn, outcome: 'interrupted', reason: 'too-long' }])
  expect(world.events.of('tokensUsed')).toEqual([{ turn, inputTokens: 12, outputTokens: 3 }])
  expect([world.events.of('agentFailed'), runner.running]).toEqual([[], 0])
})
