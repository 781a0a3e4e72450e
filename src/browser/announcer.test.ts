import { expect, test } from 'vitest'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createAnnouncer } from './announcer.ts'

function speaker() {
  const clock = createSimulatedClock()
  const said: string[] = []
  const region = {
    now: '',
    get textContent(): string {
      return region.now
    },
    set textContent(text: string) {
      region.now = text
      said.push(text)
    },
  }
  return { clock, said, ...createAnnouncer(region, clock) }
}

test('[W23] what comes at once is said at least half a second apart, and only the newest of it', () => {
  const { clock, said, say } = speaker()
  say('one')
  say('two')
  say('three')
  expect(said).toEqual(['one'])
  clock.advanceSync(499)
  say('four')
  expect(said).toEqual(['one'])
  clock.advanceSync(1)
  expect(said).toEqual(['one', 'four'])
  clock.advanceSync(500)
  say('five')
  expect(said).toEqual(['one', 'four', 'five'])
  expect(clock.waiting).toBe(0)
})

test('[W23] the same words again are said again', () => {
  const { clock, said, say } = speaker()
  say('one')
  clock.advanceSync(500)
  say('one')
  expect(said).toHaveLength(2)
  expect(new Set(said).size).toBe(2)
})
