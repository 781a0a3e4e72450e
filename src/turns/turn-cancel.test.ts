import { describe, expect, test } from 'vitest'
import { latestAnswer, questionOfTurn } from '../conversation/conversation.ts'
import { STOP_LOOK_MS } from '../conversation/limits.ts'
import { createScriptedAgent } from '../testing/scripted-agent.ts'
import { createTurnWorld } from '../testing/turn-world.ts'

describe('the reason of a cancel', () => {
  /** A turn whose agent says `said` and then nothing, and what its signal was aborted with. */
  async function cancelledAfter(said: string | undefined, act: (world: ReturnType<typeof createTurnWorld>) => Promise<unknown>) {
    const scripted = createScriptedAgent()
    let signal: AbortSignal | undefined
    const agent: typeof scripted = {
      ...scripted,
      answer(question, given) {
        signal = given
        return scripted.answer(question, given)
      },
    }
    const world = createTurnWorld({ agent, settings: { firstTextTimeoutMs: 2_000, idleTimeoutMs: 3_000, deadlineMs: 4_000 } })
    await using runner = world.runner()
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.clock.advance(100)
    if (said !== undefined) scripted.calls[0]?.say(said)
    await act(world)
    await world.clock.advance(STOP_LOOK_MS)
    expect(runner.running).toBe(0)
    const conversation = await world.conversation(session)
    return { signal, reason: latestAnswer(conversation, turn)?.reason ?? questionOfTurn(conversation, turn)?.reason }
  }

  test.each([
    ['before the first text', undefined, 2_000, 'first-token-timeout'],
    ['between two pieces', 'Well, ', 3_000, 'idle-timeout'],
  ] as const)('[T41] an agent too slow %s is told so', async (_when, said, ms, reason) => {
    const cancelled = await cancelledAfter(said, (world) => world.clock.advance(ms))
    expect(cancelled.signal?.reason).toMatchObject({ name: 'TimeoutError', kind: 'attempt', timeoutMs: ms, blamesService: true })
    expect(cancelled.reason).toBe(reason)
  })

  test('[T41] so is one that does not come to an end', async () => {
    const cancelled = await cancelledAfter('Well, ', async (world) => {
      for (let second = 0; second < 4; second += 1) {
        await world.clock.advance(1_000)
        world.agent.calls[0]?.say('and ')
      }
    })
    expect(cancelled.signal?.reason).toMatchObject({ name: 'TimeoutError', kind: 'deadline', timeoutMs: 4_000 })
    expect(cancelled.reason).toBe('deadline')
  })

  test('[T41] one that a person stops is not', async () => {
    const cancelled = await cancelledAfter('Well, ', async (world) => {
      const question = world.agent.calls[0]?.question
      if (question !== undefined) await world.log.stop(question.session, question.turnId)
      await world.clock.advance(STOP_LOOK_MS)
    })
    expect([cancelled.signal?.aborted, cancelled.signal?.reason]).toMatchObject([true, { name: 'AbortError' }])
    expect(cancelled.reason).toBe('asked-to-stop')
  })
})
