/**
 * Who may come in, and how much: token buckets for what is counted by the minute, counters for what is held open.
 *
 * Kept in memory, for this process only, in bounded space: a bucket that has filled up again is the same as none, and
 * beyond `ADMISSION_KEYS_MAX` the one used longest ago is forgotten. Knows no HTTP.
 */
import {
  ADMISSION_KEYS_MAX,
  CSP_REPORTS_PER_MINUTE_MAX,
  LINKS_MAX,
  LINKS_PER_ADDRESS_MAX,
  LINKS_PER_SESSION_MAX,
  QUESTIONS_PER_MINUTE_MAX,
  SESSIONS_PER_MINUTE_MAX,
} from '../conversation/limits.ts'
import type { SessionId } from '../conversation/ids.ts'
import type { Clock } from '../resilience/clock.ts'
import { createTokenBuckets, type Verdict } from '../resilience/token-bucket.ts'

/** A place that is held until `release`; releasing twice is harmless. */
export type Place = { readonly ok: true; readonly release: () => void } | { readonly ok: false; readonly reason: 'capacity' | 'rate' }

export interface Admission {
  /** Whether this address may create one more session now. */
  createSession(address: string): Verdict
  /** Whether this session may ask one more question now. */
  ask(session: SessionId): Verdict
  /** Whether this address may report one more time now. */
  report(address: string): Verdict
  /** A place for one more live link of this address: `rate` when the address has its share, `capacity` when the process is full. */
  openLink(address: string): Place
  /** A place for one more live link of this session. */
  joinSession(session: SessionId): Place
}

export function createAdmission(clock: Pick<Clock, 'monotonic'>): Admission {
  const sessions = createTokenBuckets({ perMinute: SESSIONS_PER_MINUTE_MAX, keysMax: ADMISSION_KEYS_MAX, clock })
  const questions = createTokenBuckets({ perMinute: QUESTIONS_PER_MINUTE_MAX, keysMax: ADMISSION_KEYS_MAX, clock })
  const reports = createTokenBuckets({ perMinute: CSP_REPORTS_PER_MINUTE_MAX, keysMax: ADMISSION_KEYS_MAX, clock })
  const linksOfAddress = createCounters(LINKS_PER_ADDRESS_MAX)
  const linksOfSession = createCounters(LINKS_PER_SESSION_MAX)
  const links = createCounters(LINKS_MAX)
  return {
    createSession: (address) => sessions.take(address),
    ask: (session) => questions.take(session),
    report: (address) => reports.take(address),
    openLink(address) {
      const mine = linksOfAddress.hold(address)
      if (mine === undefined) return { ok: false, reason: 'rate' }
      const all = links.hold('')
      if (all !== undefined) return { ok: true, release: () => [mine, all].forEach((release) => release()) }
      mine()
      return { ok: false, reason: 'capacity' }
    },
    joinSession(session) {
      const release = linksOfSession.hold(session)
      return release === undefined ? { ok: false, reason: 'rate' } : { ok: true, release }
    },
  }
}

/** Counts what is held open; bounded, because a key that holds nothing is forgotten. */
function createCounters(max: number): { hold(key: string): (() => void) | undefined } {
  const held = new Map<string, number>()
  return {
    hold(key) {
      const count = held.get(key) ?? 0
      if (count >= max) return undefined
      held.set(key, count + 1)
      let isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        const left = (held.get(key) ?? 1) - 1
        if (left === 0) held.delete(key)
        else held.set(key, left)
      }
    },
  }
}
