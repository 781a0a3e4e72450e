import { expect, test } from 'vitest'
import { signalMeaning } from './shutdown.ts'

test.each([
  [undefined, 1_000, 'stop'],
  [1_000, 1_000, 'same'],
  [1_000, 1_499, 'same'],
  [1_000, 1_500, 'now'],
] as const)('[O25] stopping since %s, a signal at %i means %s', (firstAt, now, meaning) => {
  expect(signalMeaning(firstAt, now)).toBe(meaning)
})
