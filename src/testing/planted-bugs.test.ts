import { describe, expect, test } from 'vitest'
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.ts'
import { simulate } from './simulation.ts'

/** A bug that needs more asks for a better mix of faults. */
const SEEDS_MAX = 400

describe('planted bugs', () => {
  test.each(Object.entries<PlantedBug>(PLANTED_BUGS))('[I27] is caught: %s', (_name, bug) => {
    let seed = 1
    while (seed <= SEEDS_MAX && simulate({ seed, bug }).violations.length === 0) seed += 1
    expect(seed).toBeLessThanOrEqual(SEEDS_MAX)
  })
})
