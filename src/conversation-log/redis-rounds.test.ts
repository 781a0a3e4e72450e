import { expect, test } from 'vitest'
import { isVisitorId, mintSessionId, mintTurnId } from '../conversation/ids.ts'
import { REDIS_CLAIMS_REMEMBERED_MAX } from '../conversation/limits.ts'
import type { Claim } from './conversation-log.ts'
import { WriteRounds } from './redis-rounds.ts'
import { randomBytes } from './world.contract.ts'

const random = randomBytes(8)
const visitor = mintSessionId(random)

function newClaim(fields: Partial<Claim> = {}): Claim {
  if (!isVisitorId(visitor)) throw new TypeError('a session id has the form of a visitor id')
  return { session: mintSessionId(random), visitor, turnId: mintTurnId(random), fence: 1, askedAt: 0, ...fields }
}

test('[L54] a write that was given up begins a new round before the next read, and once', () => {
  const rounds = new WriteRounds()
  const claim = newClaim()
  expect([rounds.of(claim), rounds.doubtsOf(claim.session)]).toEqual([0, []])
  rounds.doubt(claim)
  rounds.doubt(claim)
  const [doubt, ...others] = rounds.doubtsOf(claim.session)
  expect([doubt, others]).toEqual([{ claim, round: 1 }, []])
  // Until the store knows of it, writes go on in the old round.
  expect(rounds.of(claim)).toBe(0)
  if (doubt !== undefined) rounds.resolved(doubt)
  expect([rounds.of(claim), rounds.doubtsOf(claim.session)]).toEqual([1, []])
})

test('[L54] each claim has rounds of its own', () => {
  const rounds = new WriteRounds()
  const claim = newClaim()
  rounds.resolved({ claim, round: 3 })
  expect([rounds.of(claim), rounds.of({ ...claim, fence: 2 }), rounds.of(newClaim())]).toEqual([3, 0, 0])
  rounds.forget(claim)
  expect(rounds.of(claim)).toBe(0)
})

test('[L54] what is remembered is bounded', () => {
  const rounds = new WriteRounds()
  const first = newClaim()
  rounds.resolved({ claim: first, round: 1 })
  for (let count = 0; count < REDIS_CLAIMS_REMEMBERED_MAX; count += 1) rounds.resolved({ claim: newClaim(), round: 1 })
  expect(rounds.of(first)).toBe(0)
})
