/** A process that was given a turn again that it was driving already: its lease had run out, or its store was rolled back. */
import { expect, test } from 'vitest'
import { ANSWER_COALESCE_MS } from '../conversation/limits.ts'
import { answering, CANCEL, claim, FRESH, OURS, part, Play, READ, STARTED, text, write } from '../testing/turn-play.ts'

test('[T16] a turn that is claimed again goes on under the new fence', () => {
  const again = { ...claim, fence: 5 }
  const play = answering('Yes. ')
  play.on({ type: 'reclaimed', claim: again, since: play.now })
  play.on(text('Go.'))
  expect(play.pass(ANSWER_COALESCE_MS)).toEqual([{ type: 'write', claim: again, bodies: [part(1, 'Go.')] }])
  expect(play.on({ type: 'renewed', fence: 3, isHeld: false })).toEqual([])
})

test('[T16] a write refused under the old fence is looked up and goes out under the new one', () => {
  const again = { ...claim, fence: 5 }
  const play = answering('Yes. ')
  play.on(text('Go.'))
  play.pass(ANSWER_COALESCE_MS)
  play.on({ type: 'reclaimed', claim: again, since: play.now })
  expect(play.on({ type: 'fenced' })).toEqual([READ])
  expect(play.on({ type: 'read', view: { ...OURS, parts: 1 } })).toEqual([{ type: 'write', claim: again, bodies: [part(1, 'Go.')] }])
})

test('[T16] a turn that is claimed again before it was asked is read again, and what an earlier read finds does not count', () => {
  const again = { ...claim, fence: 5 }
  const reading = new Play()
  expect(reading.on({ type: 'reclaimed', claim: again, since: reading.now })).toEqual([])
  expect(reading.on({ type: 'read', view: FRESH })).toEqual([READ])
  expect(reading.on({ type: 'read', view: FRESH })).toEqual([{ type: 'write', claim: again, bodies: [{ ...STARTED, fence: 5 }] }])
  const waiting = new Play()
  waiting.room = 'taken'
  waiting.on({ type: 'read', view: FRESH })
  expect([waiting.on({ type: 'reclaimed', claim: again, since: waiting.now }), waiting.status]).toEqual([[READ], 'opening'])
})

test('[T16] an owner whose fence has not grown begins again, because the store has forgotten what it began', () => {
  const play = answering('Yes. ')
  expect([play.on({ type: 'reclaimed', claim, since: play.now }), play.status]).toEqual([[CANCEL, READ], 'opening'])
  expect(play.on({ type: 'read', view: FRESH })).toEqual([write(STARTED)])
})
