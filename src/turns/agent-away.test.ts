/** What becomes of questions while the agent is known to be away. */
import { describe, expect, test } from 'vitest'
import { questionOfTurn } from '../conversation/conversation.ts'
import { STOP_LOOK_MS } from '../conversation/limits.ts'
import { answering as answeringWith, createScriptedAgent } from '../testing/scripted-agent.ts'
import { answering, ASK, asking, claim, ended, FRESH, Play, PLAY_SETTINGS, STARTED, write } from '../testing/turn-play.ts'
import { createTurnWorld } from '../testing/turn-world.ts'
import type { AgentRoom } from './turn-driver.ts'

describe('an agent that is known to be away', () => {
  const waiting = (): Play => {
    const play = new Play()
    play.isAgentAway = true
    play.on({ type: 'read', view: FRESH })
    return play
  }

  test('[T32] is not asked; when it is back the question is', () => {
    const play = waiting()
    expect([play.effects, play.status, play.on({ type: 'agent-back' }), play.status]).toEqual([[], 'waiting', [], 'waiting'])
    play.isAgentAway = false
    expect([play.on({ type: 'agent-back' }), play.status]).toEqual([[write(STARTED)], 'starting'])
    expect(play.on({ type: 'written' })).toEqual([ASK])
  })

  test.each(['unreachable', 'busy'] as const)('[T33] is waited for by a question that found it %s', (kind) => {
    const play = asking()
    play.isAgentAway = true
    expect([play.on({ type: 'agent-failed', kind }), play.status]).toEqual([[], 'waiting'])
    play.isAgentAway = false
    expect(play.on({ type: 'agent-back' })).toEqual([write({ ...STARTED, attempt: 2 })])
  })

  test('[T6] fails a question in any other way, and whatever has said something', () => {
    const failing = asking()
    failing.isAgentAway = true
    expect(failing.on({ type: 'agent-failed', kind: 'error' })).toEqual([write(ended('failed', 'agent-error', []))])
    const cut = answering()
    cut.isAgentAway = true
    cut.on({ type: 'agent-failed', kind: 'unreachable' })
    expect(cut.status).toBe('ending')
  })

  test('[T33] a question that waits can be stopped, given back, and expires', () => {
    const stopped = waiting()
    expect(stopped.on({ type: 'stop-requested' })).toEqual([write(ended('stopped', 'asked-to-stop', [], 0))])
    const drained = waiting()
    expect([drained.on({ type: 'drain' }), drained.status]).toEqual([[{ type: 'release', claim }], 'released'])
    const old = waiting()
    expect(old.pass(PLAY_SETTINGS.questionExpiresMs - 1)).toEqual([])
    expect(old.pass(1)).toEqual([write(ended('expired', 'expired', [], 0))])
  })
})

describe('a question of a running process', () => {
  test('[T32] waits while the agent is away, and is asked once when it is back, oldest first', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ script: answeringWith('Yes.') }) })
    let isAway = true
    await using runner = world.runner('one', { agentRoom: () => (isAway ? 'none' : 'any') })
    const [a, b] = [await world.newSession(), await world.newSession()]
    const turns = [await world.ask(a, 'first'), await world.ask(b, 'second')]
    await world.clock.advance(60_000)
    expect([world.agent.calls.length, runner.running]).toEqual([0, 2])
    expect((await world.entries(a)).map(({ kind }) => kind)).toEqual(['message'])
    isAway = false
    await world.clock.advance(world.settings.pollMs + 100)
    expect(world.agent.calls.map((call) => call.question.text)).toEqual(['first', 'second'])
    const said = [await world.conversation(a), await world.conversation(b)]
    expect(said.map((one, index) => one.items.find((item) => item.kind === 'answer' && item.turnId === turns[index]))).toMatchObject([
      { status: 'complete' },
      { status: 'complete' },
    ])
  })

  test('[T32] while it is in doubt whether the agent is back, one question finds out and the others wait', async () => {
    const world = createTurnWorld()
    let room: AgentRoom = 'none'
    await using runner = world.runner('one', { agentRoom: () => room })
    const sessions = [await world.newSession(), await world.newSession(), await world.newSession()]
    for (const [index, session] of sessions.entries()) await world.ask(session, `question ${index}`)
    await world.clock.advance(10_000)
    room = 'one'
    await world.clock.advance(world.settings.pollMs)
    room = 'none'
    await world.clock.advance(5_000)
    expect([world.agent.calls.map((call) => call.question.text), runner.running]).toEqual([['question 0'], 3])
    room = 'any'
    await world.clock.advance(world.settings.pollMs)
    expect(world.agent.calls.map((call) => call.question.text)).toEqual(['question 0', 'question 1', 'question 2'])
  })

  test('[T33] can be stopped while it waits for the agent', async () => {
    const world = createTurnWorld()
    await using runner = world.runner('one', { agentRoom: () => 'none' })
    const session = await world.newSession()
    const turn = await world.ask(session)
    await world.clock.advance(1_000)
    await world.log.stop(session, turn)
    await world.clock.advance(STOP_LOOK_MS + 100)
    expect([questionOfTurn(await world.conversation(session), turn)?.status, runner.running]).toEqual(['cancelled', 0])
  })
})
