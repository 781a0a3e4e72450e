import { expect, test } from 'vitest'
import { parseClientFrames } from './parse-frame.ts'

test.each([
  [{ type: 'stop', turnId: 'a'.repeat(24), Marker: 1 }],
  [{ type: 'Marker' }],
  [{ Marker: 1 }],
  [{ type: 'pong', n: 'Marker' }],
  [{ type: 'stop', turnId: 'Marker' }],
  [{ type: 'pong', n: 1, cursor: { Marker: 2, logId: 'a'.repeat(24), seq: 1, id: 'a'.repeat(24) } }],
])('[O12] what is wrong with %j is said without repeating it', (frame) => {
  const [parsed] = parseClientFrames(JSON.stringify(frame))
  expect(parsed).toEqual({ ok: false, problem: expect.not.stringContaining('Marker') })
})
