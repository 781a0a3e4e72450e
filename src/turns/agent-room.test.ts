import { expect, test } from 'vitest'
import { OPEN_RAMP, roomFor, step, type AgentPresence, type Ramp, type RampEvent } from './agent-room.ts'

const MAX = 32
const after = (events: readonly RampEvent[], { now = 0, ramp = OPEN_RAMP, max = MAX } = {}): Ramp =>
  events.reduce((before, event) => step(before, event, { now, max }), ramp)
const widthOf = (ramp: Ramp): number => (ramp.status === 'open' ? Number.POSITIVE_INFINITY : ramp.width)
const AWAY = { type: 'away' } as const
const SPOKE = { type: 'spoke' } as const
const FAILED = { type: 'failed' } as const
const busy = (retryAfterMs?: number): RampEvent => ({ type: 'busy', retryAfterMs })
const NOBODY = { asked: 0, isBehind: false }

test('[T54] after an outage one question goes first, and every round of answers doubles how many are asked at once', () => {
  let ramp = after([AWAY])
  const widths = [widthOf(ramp)]
  while (ramp.status === 'climbing') {
    ramp = after(
      Array.from({ length: widthOf(ramp) }, () => SPOKE),
      { ramp },
    )
    widths.push(widthOf(ramp))
  }
  expect(widths).toEqual([1, 2, 4, 8, 16, Number.POSITIVE_INFINITY])
})

test('[T54] an answer that does not begin halves it, and the next try waits a second; nothing is halved where nothing was in doubt', () => {
  const climbing = after([AWAY, ...Array.from({ length: 7 }, () => SPOKE)])
  const narrower = step(climbing, FAILED, { now: 500, max: MAX })
  expect(narrower).toEqual({ status: 'climbing', width: 4, notBefore: 1_500 })
  expect(step(narrower, FAILED, { now: 600, max: MAX })).toMatchObject({ width: 4, notBefore: 1_600 })
  expect(widthOf(after([AWAY, FAILED]))).toBe(1)
  expect(after([FAILED, SPOKE])).toBe(OPEN_RAMP)
})

test('[T56] an agent that is busy is left alone until the time it names, and has half as many to do from then on', () => {
  const ramp = step(OPEN_RAMP, busy(4_000), { now: 100, max: MAX })
  expect(ramp).toEqual({ status: 'climbing', width: 16, notBefore: 4_100 })
  // Turned away together: one word of the agent's.
  expect(step(ramp, busy(2_000), { now: 101, max: MAX })).toEqual(ramp)
  expect(step(ramp, busy(), { now: 4_100, max: MAX })).toMatchObject({ width: 8, notBefore: 5_100 })
  expect(step(OPEN_RAMP, busy(86_400_000), { now: 0, max: MAX }).notBefore).toBe(300_000)
  expect([roomFor(ramp, 'there', NOBODY, 4_099), roomFor(ramp, 'there', NOBODY, 4_100)]).toEqual(['taken', 'free'])
})

test.each([
  ['there', OPEN_RAMP, { asked: 99, isBehind: false }, 'free'],
  ['there', OPEN_RAMP, { asked: 0, isBehind: true }, 'taken'],
  ['there', after([AWAY, SPOKE]), { asked: 1, isBehind: false }, 'free'],
  ['there', after([AWAY, SPOKE]), { asked: 2, isBehind: false }, 'taken'],
  ['in-doubt', OPEN_RAMP, NOBODY, 'probe'],
  ['in-doubt', OPEN_RAMP, { asked: 1, isBehind: false }, 'taken'],
  ['in-doubt', OPEN_RAMP, { asked: 0, isBehind: true }, 'taken'],
  ['in-doubt', after([AWAY, FAILED]), NOBODY, 'taken'],
  ['unknown', OPEN_RAMP, NOBODY, 'taken'],
  ['agent-unreachable', OPEN_RAMP, NOBODY, 'agent-unreachable'],
  ['circuit-breaker-open', OPEN_RAMP, { asked: 1, isBehind: true }, 'circuit-breaker-open'],
] as const)('[T32][T54] when the agent is %s, with ramp %o and %o, there is room: %s', (presence: AgentPresence, ramp, occupancy, room) => {
  expect(roomFor(ramp, presence, occupancy, 0)).toBe(room)
})

test('[T54] where only one question may ever run at a time, nothing is in the way of it', () => {
  const ramp = after([AWAY, SPOKE], { max: 1 })
  expect(ramp.status).toBe('open')
  expect(roomFor(ramp, 'there', NOBODY, 0)).toBe('free')
})
