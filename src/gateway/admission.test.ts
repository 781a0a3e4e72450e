import { describe, expect, test } from 'vitest'
import type { SessionId } from '../conversation/ids.ts'
import {
  ADMISSION_KEYS_MAX,
  LINKS_MAX,
  LINKS_PER_ADDRESS_MAX,
  LINKS_PER_SESSION_MAX,
  QUESTIONS_PER_MINUTE_MAX,
} from '../conversation/limits.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createTestGateway } from '../testing/test-gateway.ts'
import { takeToken, type Verdict } from '../resilience/token-bucket.ts'
import { createAdmission, type Place } from './admission.ts'

const session = 'a'.repeat(32) as SessionId
const other = 'b'.repeat(32) as SessionId
const times = <Value>(count: number, make: () => Value): readonly Value[] => Array.from({ length: count }, make)
const oks = (verdicts: readonly (Verdict | Place)[]): readonly boolean[] => verdicts.map(({ ok }) => ok)

describe('a bucket', () => {
  test('[H22] is full at first, gives one token a request and says when there is another', () => {
    const first = takeToken(undefined, 2, 0)
    const second = takeToken(first.bucket, 2, 0)
    expect([first.verdict, second.verdict]).toEqual([{ ok: true }, { ok: true }])
    expect(takeToken(second.bucket, 2, 0).verdict).toEqual({ ok: false, retryAfterMs: 30_000 })
    expect(takeToken(second.bucket, 2, 29_999).verdict).toEqual({ ok: false, retryAfterMs: 1 })
    expect(takeToken(second.bucket, 2, 30_000).verdict).toEqual({ ok: true })
  })
  test('[H22] never holds more than a minute gives, and refusals cost nothing', () => {
    const empty = takeToken(takeToken(undefined, 1, 0).bucket, 1, 0)
    expect(takeToken(empty.bucket, 1, 60_000).verdict).toEqual({ ok: true })
    expect(takeToken({ tokens: 0, at: 0 }, 2, 10 * 60_000).bucket.tokens).toBe(1)
  })
  test('[H22] does not refill when the clock goes back', () => {
    expect(takeToken({ tokens: 0, at: 1_000 }, 60, 0).verdict).toEqual({ ok: false, retryAfterMs: 1_000 })
  })
})

describe('rates', () => {
  test('[H22] a session asks so many questions a minute, another one its own', () => {
    const clock = createSimulatedClock()
    const admission = createAdmission(clock)
    expect(oks(times(QUESTIONS_PER_MINUTE_MAX, () => admission.ask(session)))).not.toContain(false)
    expect(admission.ask(session)).toEqual({ ok: false, retryAfterMs: 4_000 })
    expect(admission.ask(other)).toEqual({ ok: true })
    clock.advanceSync(4_000)
    expect(admission.ask(session)).toEqual({ ok: true })
  })
  test('[H24] what is remembered is bounded: the address seen longest ago starts afresh', () => {
    const admission = createAdmission(createSimulatedClock())
    while (admission.createSession('first').ok) continue
    for (let index = 0; index < ADMISSION_KEYS_MAX - 1; index += 1) admission.createSession(`address ${index}`)
    expect(admission.createSession('first').ok).toBe(false)
    for (let index = 0; index < ADMISSION_KEYS_MAX; index += 1) admission.createSession(`address ${index}`)
    expect(admission.createSession('first').ok).toBe(true)
  })
  test('[H22] the API answers 429 with the seconds until the next question', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const url = `/api/v1/sessions/${await visitor.session()}/messages`
    for (let index = 0; index < QUESTIONS_PER_MINUTE_MAX; index += 1) await visitor.json('POST', url, { content: `Question ${index}` })
    const { status, body, headers } = await visitor.json('POST', url, { content: 'One more' })
    expect([status, Object(body).error.code, Object(body).error.isRetryable, headers['retry-after']]).toEqual([
      429,
      'RATE_LIMITED',
      true,
      '4',
    ])
    expect(gateway.events.of('questionRefused')).toEqual([{ transport: 'api', reason: 'rate' }])
    await gateway.clock.advance(4_000)
    expect((await visitor.json('POST', url, { content: 'One more' })).status).toBe(200)
  })
  test('[H22] the API answers 429 to an address that creates too many sessions, whoever asks from there', async () => {
    await using gateway = await createTestGateway()
    for (let index = 0; index < 30; index += 1) await gateway.visitor().session()
    const { status, headers } = await gateway.visitor().json('POST', '/api/v1/sessions')
    expect([status, headers['retry-after']]).toEqual([429, '2'])
    const elsewhere = await gateway.visitor().request('POST', '/api/v1/sessions', { remoteAddress: '192.0.2.7' })
    expect(elsewhere.statusCode).toBe(201)
  })
})

describe('places', () => {
  test('[H23] a session has so many links, and one that closes makes room, once', () => {
    const admission = createAdmission(createSimulatedClock())
    const places = times(LINKS_PER_SESSION_MAX, () => admission.joinSession(session))
    expect(oks(places)).not.toContain(false)
    expect(admission.joinSession(session)).toEqual({ ok: false, reason: 'rate' })
    expect(admission.joinSession(other).ok).toBe(true)
    const [first] = places as readonly (Place & { readonly ok: true })[]
    first?.release()
    first?.release()
    expect(oks(times(2, () => admission.joinSession(session)))).toEqual([true, false])
  })
  test('[H23] an address has so many links', () => {
    const admission = createAdmission(createSimulatedClock())
    expect(oks(times(LINKS_PER_ADDRESS_MAX, () => admission.openLink('192.0.2.1')))).not.toContain(false)
    expect(admission.openLink('192.0.2.1')).toEqual({ ok: false, reason: 'rate' })
  })
  test('[H23][H24] the process has so many links, and a refused one holds nothing', () => {
    const admission = createAdmission(createSimulatedClock())
    const places = Array.from({ length: LINKS_MAX }, (_unused, index) => admission.openLink(`address ${index}`))
    expect(oks(places)).not.toContain(false)
    expect(oks(times(LINKS_PER_ADDRESS_MAX + 1, () => admission.openLink('late')))).not.toContain(true)
    const [first] = places as readonly (Place & { readonly ok: true })[]
    first?.release()
    expect(admission.openLink('late').ok).toBe(true)
  })
})
