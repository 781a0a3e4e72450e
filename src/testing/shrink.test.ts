import { expect, test } from 'vitest'
import { shrink } from './shrink.ts'

test('[I25] a failing list is shortened to what makes it fail', () => {
  const list = Array.from({ length: 40 }, (_unused, index) => index)
  expect(shrink(list, (shorter) => shorter.includes(7) && shorter.includes(31))).toEqual([7, 31])
  expect(shrink(list, () => true)).toEqual([])
})

test('[I25] shortening is bounded', () => {
  let tries = 0
  shrink(
    Array.from({ length: 1_000 }, (_unused, index) => index),
    () => {
      tries += 1
      return false
    },
    50,
  )
  expect(tries).toBe(50)
})
