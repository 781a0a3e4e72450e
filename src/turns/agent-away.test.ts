/** What becomes of questions while the agent is known to be away, and when it comes back. */
import { describe, expect, test } from 'vitest'
import { questionOfTurn } from '../conversation/conversation.ts'
import type { SessionId, TurnId } from '../conversation/ids.ts'
import { STOP_LOOK_MS } from '../conversation/limits.ts'
import { answering as answeringWith, createScriptedAgent } from '../testing/scripted-agent.ts'
import {
  answering,
  ASK,
  asking,
  claim,
  ended,
  FRESH,
  help,
  Play,
  PLAY_SETTINGS,
  STARTED,
  TOLD,
  waiting,
  write,
} from '../testing/turn-play.ts'
import { createTurnWorld, type TurnWorld } from '../testing/turn-world.ts'
import type { AgentPresence } from './agent-room.ts'

describe('an agent that is known to be away', () => {
  test('[T32] is not asked; when it is back the question is', () => {
    const play = waiting()
    expect([play.status, play.on({ type: 'agent-changed' }), play.status]).toEqual(['waiting', [], 'waiting'])
    play.room = 'taken'
    expect([play.on({ type: 'agent-changed' }), play.status]).toEqual([[], 'waiting'])
    play.room = 'free'
    expect([play.on({ type: 'agent-changed' }), play.status]).toEqual([[write(STARTED)], 'starting'])
    expect(play.on({ type: 'written' })).toEqual([ASK])
  })

  test('[T33] is waited for by a question that found it unreachable', () => {
    const play = asking()
    play.room = 'agent-unreachable'
    expect(play.on({ type: 'agent-failed', kind: 'unreachable' })).toEqual([write(help('agent-unreachable', 'waiting'))])
    expect([play.on({ type: 'written' }), play.status]).toEqual([[], 'waiting'])
    play.room = 'free'
    expect(play.on({ type: 'agent-changed' })).toEqual([write({ ...STARTED, attempt: 2 })])
  })

  test('[T33][T54] so is one that may be back, by the question that was to find out', () => {
    const play = asking()
    play.room = 'taken'
    expect([play.on({ type: 'agent-failed', kind: 'unreachable' }), play.status]).toEqual([[], 'waiting'])
  })

  test('[T6] fails a question in any other way, and whatever has said something', () => {
    const failing = asking()
    failing.room = 'agent-unreachable'
    expect(failing.on({ type: 'agent-failed', kind: 'error' })).toEqual([
      write(ended('failed', 'agent-error', []), help('agent-error', 'failed')),
    ])
    const cut = answering()
    cut.room = 'agent-unreachable'
    cut.on({ type: 'agent-failed', kind: 'unreachable' })
    expect(cut.status).toBe('ending')
  })

  test('[T33] a question that waits can be stopped, given back, and expires', () => {
    expect(waiting().on({ type: 'stop-requested' })).toEqual([write(ended('stopped', 'asked-to-stop', [], 0))])
    const drained = waiting()
    expect([drained.on({ type: 'drain' }), drained.status]).toEqual([[{ type: 'release', claim }], 'released'])
    const old = waiting()
    expect(old.pass(PLAY_SETTINGS.questionExpiresMs - 1)).toEqual([])
    expect(old.pass(1)).toEqual([write(ended('expired', 'expired', [], 0))])
  })
})

describe('an agent that is busy', () => {
  test('[T56] is asked again when it has room, and after five attempts no more', () => {
    const play = asking()
    for (let attempt = 2; attempt <= 5; attempt += 1) {
      play.room = 'taken'
      expect([play.on({ type: 'agent-failed', kind: 'busy' }), play.status]).toEqual([[], 'waiting'])
      play.room = 'free'
      expect(play.on({ type: 'agent-changed' })).toEqual([write({ ...STARTED, attempt })])
      play.on({ type: 'written' })
    }
    expect(play.on({ type: 'agent-failed', kind: 'busy' })).toEqual([
      write(ended('failed', 'agent-busy', [], 5), help('agent-busy', 'failed')),
    ])
  })
})

describe('other help', () => {
  test('[T52] is given at once while the agent is away, with why, and before the question waits', () => {
    const play = new Play()
    play.room = 'circuit-breaker-open'
    expect(play.on({ type: 'read', view: FRESH })).toEqual([write(help('circuit-breaker-open', 'waiting'))])
    expect([play.status, play.on({ type: 'written' }), play.facts]).toEqual([
      'telling',
      [],
      [{ type: 'told', reason: 'circuit-breaker-open', doesWait: true }],
    ])
    expect(play.status).toBe('waiting')
  })

  test('[T52] is not given again: not by the next owner, not in the next outage, not after the answer failed', () => {
    const next = new Play()
    next.room = 'agent-unreachable'
    expect([next.on({ type: 'read', view: TOLD }), next.status]).toEqual([[], 'waiting'])
    const play = waiting()
    play.room = 'taken'
    play.on({ type: 'agent-changed' })
    play.room = 'circuit-breaker-open'
    expect([play.on({ type: 'agent-changed' }), play.status]).toEqual([[], 'waiting'])
    play.room = 'free'
    play.on({ type: 'agent-changed' })
    play.on({ type: 'written' })
    expect(play.on({ type: 'agent-failed', kind: 'error' })).toEqual([write(ended('failed', 'agent-error', []))])
  })

  test('[T52] is given to a question that waits already when the agent goes away', () => {
    const play = new Play()
    play.room = 'taken'
    expect([play.on({ type: 'read', view: FRESH }), play.status]).toEqual([[], 'waiting'])
    play.room = 'agent-unreachable'
    expect(play.on({ type: 'agent-changed' })).toEqual([write(help('agent-unreachable', 'waiting'))])
  })

  test('[T14][T52] whose writing is in doubt is looked for in the log before anything else is done', () => {
    const telling = (): Play => {
      const play = new Play()
      play.room = 'circuit-breaker-open'
      play.on({ type: 'read', view: FRESH })
      play.on({ type: 'write-failed', isRetryable: true })
      expect(play.pass(10_000)).toEqual([{ type: 'read' }])
      return play
    }
    const missing = telling()
    expect(missing.on({ type: 'read', view: FRESH })).toEqual([write(help('circuit-breaker-open', 'waiting'))])
    const there = telling()
    expect([there.on({ type: 'read', view: TOLD }), there.status]).toEqual([[], 'waiting'])
  })

  test('[T52] does not hold up a wish to stop', () => {
    const play = new Play()
    play.room = 'circuit-breaker-open'
    play.on({ type: 'read', view: FRESH })
    play.on({ type: 'stop-requested' })
    expect(play.on({ type: 'written' })).toEqual([write(ended('stopped', 'asked-to-stop', [], 0))])
  })

  test('[T53] goes out with the end of an answer that failed, and with no other', () => {
    const slow = asking()
    expect(slow.pass(PLAY_SETTINGS.firstTextTimeoutMs).at(-1)).toEqual(
      write(ended('failed', 'first-token-timeout', []), help('first-token-timeout', 'failed')),
    )
    slow.on({ type: 'written' })
    expect(slow.facts).toEqual([
      { type: 'told', reason: 'first-token-timeout', doesWait: false },
      { type: 'ended', outcome: 'failed', reason: 'first-token-timeout' },
    ])
    const tried = new Play()
    expect(tried.on({ type: 'read', view: { ...FRESH, attempt: 5 } })).toEqual([
      write(ended('failed', 'too-many-attempts', [], 5), help('too-many-attempts', 'failed')),
    ])
    expect(asking().on({ type: 'stop-requested' })).toContainEqual(write(ended('stopped', 'asked-to-stop', [])))
    expect(answering().on({ type: 'agent-failed', kind: 'error' })).toEqual([write(ended('interrupted', 'agent-error', ['Yes. ']))])
  })

  describe('as the only errand', () => {
    const telling = (): Play => {
      const play = new Play(claim, 'tell')
      play.room = 'agent-unreachable'
      return play
    }
    test('[T52] is given, and the turn given back', () => {
      const play = telling()
      expect(play.on({ type: 'read', view: FRESH })).toEqual([write(help('agent-unreachable', 'waiting'))])
      expect([play.on({ type: 'written' }), play.status]).toEqual([[{ type: 'release', claim }], 'released'])
    })
    test('[T52] is done when there is nothing to give, whatever the agent does; nobody is asked', () => {
      const told = telling()
      expect([told.on({ type: 'read', view: TOLD }), told.status]).toEqual([[{ type: 'release', claim }], 'released'])
      const back = telling()
      back.room = 'free'
      expect([back.on({ type: 'read', view: FRESH }), back.status]).toEqual([[{ type: 'release', claim }], 'released'])
    })
    test('[T52] does not keep a question from being cancelled', () => {
      expect(telling().on({ type: 'read', view: { ...FRESH, isStopping: true } })).toEqual([
        write(ended('stopped', 'asked-to-stop', [], 0)),
      ])
    })
  })
})

/** A runner whose agent is what the test says. */
function runnerIn(world: TurnWorld): { readonly run: (owner?: string) => ReturnType<TurnWorld['runner']>; presence: AgentPresence } {
  const state = {
    presence: 'circuit-breaker-open' as AgentPresence,
    run: (owner?: string) => world.runner(owner, { agentPresence: () => state.presence }),
  }
  return state
}

const askedOf = (world: TurnWorld): readonly string[] => world.agent.calls.map((call) => call.question.text)

async function questionsIn(world: TurnWorld, count: number): Promise<readonly { readonly session: SessionId; readonly turn: TurnId }[]> {
  const questions = []
  for (let index = 0; index < count; index += 1) {
    const session = await world.newSession()
    world.clock.advanceSync(1)
    questions.push({ session, turn: await world.ask(session, `question ${index}`) })
  }
  return questions
}

const noticesIn = async (world: TurnWorld, session: SessionId): Promise<number> =>
  (await world.entries(session)).filter(({ kind }) => kind === 'notice').length

describe('a question of a running process', () => {
  test('[T32] waits while the agent is away, and is asked once when it is back, oldest first', async () => {
    const world = createTurnWorld({ agent: createScriptedAgent({ script: answeringWith('Yes.') }) })
    const state = runnerIn(world)
    await using runner = state.run()
    const [a, b] = await questionsIn(world, 2)
    await world.clock.advance(60_000)
    expect([world.agent.calls.length, runner.running]).toEqual([0, 2])
    state.presence = 'there'
    await world.clock.advance(world.settings.pollMs + 100)
    expect(askedOf(world)).toEqual(['question 0', 'question 1'])
    for (const { session, turn } of [a, b].filter((one) => one !== undefined)) {
      const { items } = await world.conversation(session)
      expect(items.find((item) => item.kind === 'answer' && item.turnId === turn)).toMatchObject({ status: 'complete' })
    }
  })

  test('[T32] while it is in doubt whether the agent is back, one question finds out and the others wait', async () => {
    const world = createTurnWorld()
    const state = runnerIn(world)
    await using runner = state.run()
    await questionsIn(world, 3)
    await world.clock.advance(10_000)
    state.presence = 'in-doubt'
    await world.clock.advance(world.settings.pollMs * 3)
    expect([askedOf(world), runner.running]).toEqual([['question 0'], 3])
  })

  test('[T33] can be stopped while it waits for the agent', async () => {
    const world = createTurnWorld()
    await using runner = runnerIn(world).run()
    const [asked] = await questionsIn(world, 1)
    if (asked === undefined) throw new Error('nothing was asked')
    await world.clock.advance(1_000)
    await world.log.stop(asked.session, asked.turn)
    await world.clock.advance(STOP_LOOK_MS + 100)
    expect([questionOfTurn(await world.conversation(asked.session), asked.turn)?.status, runner.running]).toEqual(['cancelled', 0])
  })

  test('[T52] is given other help within a moment, also beyond what a process drives at once and behind another of its session', async () => {
    const world = createTurnWorld({ settings: { concurrency: 2 } })
    await using runner = runnerIn(world).run()
    const questions = await questionsIn(world, 30)
    const [first] = questions
    if (first === undefined) throw new Error('nothing was asked')
    await world.ask(first.session, 'and another')
    await world.clock.advance(100)
    const notices = await Promise.all(questions.map(({ session }) => noticesIn(world, session)))
    expect(notices).toEqual([2, ...Array.from({ length: 29 }, () => 1)])
    expect([runner.running, world.events.of('helpGiven').length]).toEqual([2, 31])
    await world.clock.advance(60_000)
    expect(world.log.count('claimUntold')).toBeLessThan(100)
  })

  test('[T52] is given it once, whatever comes: owners that die, outages that repeat, processes that compete', async () => {
    const world = createTurnWorld({ settings: { concurrency: 3 } })
    const state = runnerIn(world)
    const questions = await questionsIn(world, 12)
    const [one, two] = [state.run('one'), state.run('two')]
    await world.clock.advance(50)
    await one[Symbol.asyncDispose]()
    for (const presence of ['unknown', 'agent-unreachable', 'in-doubt', 'circuit-breaker-open'] as const) {
      state.presence = presence
      await world.clock.advance(10_000)
    }
    await two[Symbol.asyncDispose]()
    await using three = state.run('three')
    await world.clock.advance(10_000)
    expect(three.running).toBe(3)
    expect(await Promise.all(questions.map(({ session }) => noticesIn(world, session)))).toEqual(questions.map(() => 1))
  })

  test('[T55] is told nothing as long as nobody knows whether the agent is there', async () => {
    const world = createTurnWorld()
    const state = runnerIn(world)
    state.presence = 'unknown'
    await using runner = state.run()
    const [asked] = await questionsIn(world, 1)
    if (asked === undefined) throw new Error('nothing was asked')
    await world.clock.advance(30_000)
    expect([await noticesIn(world, asked.session), world.agent.calls.length, runner.running]).toEqual([0, 0, 1])
    state.presence = 'there'
    await world.clock.advance(world.settings.pollMs)
    expect(world.agent.calls.length).toBe(1)
  })

  test('[T54] does not meet an agent that has come back together with all the others, and keeps its place among them', async () => {
    const world = createTurnWorld({ settings: { concurrency: 16 } })
    const state = runnerIn(world)
    await using runner = state.run()
    await questionsIn(world, 40)
    await world.clock.advance(5_000)
    state.presence = 'there'
    const rounds: number[] = []
    let answered = 0
    while (answered < 40) {
      await world.clock.advance(world.settings.pollMs)
      const calls = world.agent.calls.slice(answered)
      rounds.push(calls.length)
      for (const call of calls) {
        call.say('Yes.')
        call.finish()
      }
      answered += calls.length
      await world.clock.advance(100)
    }
    expect(askedOf(world)).toEqual(Array.from({ length: 40 }, (_unused, index) => `question ${index}`))
    expect(rounds[0]).toBe(1)
    rounds.reduce((before, now) => {
      expect(now).toBeLessThanOrEqual(before * 2)
      return now
    })
    expect(runner.running).toBe(0)
  })
})
