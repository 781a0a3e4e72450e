import { describe, expect, test } from 'vitest'
import type { TurnId } from '../conversation/ids.ts'
import type { HealthEvent } from '../service-level/health-checks.ts'
import { INITIAL_LEVEL, type ComponentState, type LevelState } from '../service-level/service-level.ts'
import type { Events } from '../telemetry/events.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createStanding } from './service-standing.ts'

const MINUTE = 60_000
const WORKING: ComponentState = { status: 'working', since: 0, holdMs: 0 }
const AWAY: ComponentState = { status: 'away', betterSince: undefined, holdMs: 0 }
const ALL: LevelState = { level: 'full', components: { store: WORKING, agent: WORKING, link: WORKING } }

function bench(first: LevelState = ALL) {
  const clock = createSimulatedClock()
  const health = { state: first, tell: (_event: HealthEvent): void => undefined }
  const { standing, onChange, hearing } = createStanding(
    {
      report: () => ({ state: health.state, checks: new Map() }),
      subscribe(listener) {
        health.tell = listener
        return () => undefined
      },
    },
    clock,
  )
  const recorded = createRecordedEvents()
  const events: Pick<Events, 'turnEnded' | 'helpGiven'> = hearing(recorded)
  let turns = 0
  const ends = (tookMs: number, change: Partial<Parameters<Events['turnEnded']>[0]> = {}): void => {
    turns += 1
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- names of a test
    const [session, turn] = ['session', `turn-${turns}`] as unknown as [Parameters<Events['turnEnded']>[0]['session'], TurnId]
    events.turnEnded({ session, turn, outcome: 'complete', reason: undefined, attempt: 1, tookMs, answeredMs: tookMs, ...change })
  }
  const becomes = (state: LevelState): void => {
    health.state = state
    health.tell({ type: 'away', away: [] })
  }
  return { clock, standing, onChange, events, recorded, ends, becomes }
}

const times = (count: number, act: () => void): void => Array.from({ length: count }).forEach(act)

describe('how the service stands', () => {
  test('[H85] is the level with the parts that are away, and each change is told to whoever listens still', () => {
    const { standing, onChange, becomes } = bench(INITIAL_LEVEL)
    expect(standing()).toEqual({ level: 'offline', away: ['store', 'agent', 'link'], answersTakeMs: undefined })
    const heard: string[] = []
    const stop = onChange(() => heard.push(standing().away?.join() ?? 'all work'))
    becomes(ALL)
    becomes({ level: 'limited', components: { ...ALL.components, agent: AWAY, link: AWAY } })
    becomes({ level: 'limited', components: { ...ALL.components, link: AWAY } })
    becomes({ level: 'limited', components: { ...ALL.components, link: AWAY } })
    stop()
    becomes(ALL)
    expect([heard, standing().away]).toEqual([['all work', 'agent,link', 'link'], undefined])
  })

  test('[H86] says how many minutes answers take once the middle one of five has taken one, and no more below 45 seconds', () => {
    const { standing, onChange, ends } = bench()
    const heard: unknown[] = []
    onChange(() => heard.push(standing().answersTakeMs))
    times(4, () => ends(2 * MINUTE + 1))
    expect(standing().answersTakeMs).toBe(undefined)
    ends(2 * MINUTE + 1)
    expect(standing().answersTakeMs).toBe(3 * MINUTE)
    times(11, () => ends(MINUTE - 10_000))
    expect(standing().answersTakeMs).toBe(MINUTE)
    times(11, () => ends(1_000))
    expect([standing().answersTakeMs, heard]).toEqual([undefined, [3 * MINUTE, MINUTE, undefined]])
    times(15, () => ends(MINUTE - 10_000))
    expect(standing().answersTakeMs).toBe(undefined)
  })

  test('[H86] forgets after ten minutes', async () => {
    const { clock, standing, ends } = bench()
    times(5, () => ends(MINUTE))
    await clock.advance(10 * MINUTE)
    expect(standing().answersTakeMs).toBe(MINUTE)
    await clock.advance(1)
    expect(standing().answersTakeMs).toBe(undefined)
  })

  test('[H86] counts whole answers only, and none to a question that waited for an agent that was away; every event goes on', () => {
    const { standing, events, recorded, ends } = bench()
    times(5, () => ends(5 * MINUTE, { outcome: 'stopped' }))
    for (let count = 0; count < 5; count += 1) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- names of a test
      const [session, turn] = ['session', `helped-${count}`] as unknown as [Parameters<Events['helpGiven']>[0]['session'], TurnId]
      events.helpGiven({ session, turn, reason: 'agent-unreachable', doesWait: true, tookMs: 0 })
      ends(5 * MINUTE, { turn })
    }
    expect(standing().answersTakeMs).toBe(undefined)
    expect([recorded.of('turnEnded').length, recorded.of('helpGiven').length]).toEqual([10, 5])
    times(5, () => ends(5 * MINUTE))
    expect(standing().answersTakeMs).toBe(5 * MINUTE)
  })
})
