import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  formatCursor,
  isDeviceId,
  isEntryId,
  isMessageId,
  isSessionId,
  isVisitorId,
  mintDeviceId,
  mintEntryId,
  mintLogId,
  mintMessageId,
  mintSessionId,
  mintTurnId,
  parseCursor,
  SERVER_DEVICE,
} from './ids.ts'

const sameByte =
  (byte: number) =>
  (count: number): Uint8Array =>
    new Uint8Array(count).fill(byte)

test('[C8] every minted id has the form of its kind', () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat({ max: 2 ** 47 }), (byte, now) => {
      const random = sameByte(byte)
      expect(isSessionId(mintSessionId(random))).toBe(true)
      expect([mintTurnId(random), mintEntryId(random), mintLogId(random)].every(isEntryId)).toBe(true)
      expect(isDeviceId(mintDeviceId(random))).toBe(true)
      expect(isMessageId(mintMessageId(now, random))).toBe(true)
    }),
  )
})

test('[C8] a message id is a UUID version 7 that sorts by time', () => {
  const early = mintMessageId(1_700_000_000_000, sameByte(0xff))
  const late = mintMessageId(1_700_000_000_001, sameByte(0))
  expect(early).toBe('018bcfe5-6800-7fff-bfff-ffffffffffff')
  expect(early < late).toBe(true)
})

test('[C8] other text is no id', () => {
  for (const text of ['', 'server ', 'A'.repeat(32), '0'.repeat(31), '__proto__', '../../etc', `${'0'.repeat(24)}\n`]) {
    expect([isSessionId(text), isEntryId(text), isMessageId(text), isDeviceId(text)]).toEqual([false, false, false, false])
  }
  expect(isDeviceId(SERVER_DEVICE)).toBe(true)
  expect(isVisitorId('a b')).toBe(false)
})

test('[C9] a cursor reads back as it was written', () => {
  const cursor = { logId: mintLogId(sameByte(1)), seq: 42, id: mintEntryId(sameByte(2)) }
  expect(parseCursor(formatCursor(cursor))).toEqual(cursor)
})

test('[C9] anything else is no cursor', () => {
  const log = '0'.repeat(24)
  for (const text of [
    '',
    '.',
    `${log}.0.${log}`,
    `${log}.-1.${log}`,
    `${log}.1e3.${log}`,
    `${log}.9007199254740993.${log}`,
    `${log}.1.${log}.1`,
    `${log}.1.x`,
    `x.1.${log}`,
  ]) {
    expect(parseCursor(text)).toBeUndefined()
  }
  fc.assert(fc.property(fc.string(), (text) => parseCursor(text) === undefined))
})
