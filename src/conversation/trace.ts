/**
 * Which trace something belongs to (W3C Trace Context, level 1), and the reference that a person can quote for it.
 *
 * What comes from outside is taken only when it has exactly the form of the standard. Its flags are never looked at: whether
 * something is recorded here is not for a stranger to say.
 */
import type { RandomBytes } from './ids.ts'

/** A place in a trace: 16 bytes that name the trace and 8 that name the step, in lower-case hexadecimal, neither all zero. */
export interface Trace {
  readonly traceId: string
  readonly spanId: string
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/
const NOTHING = /^0+$/
/** Crockford's base 32: no I, L, O or U, so that it can be read out over the telephone. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const BITS_PER_DIGIT = 5
const REFERENCE_DIGITS = 6

/** The trace that a `traceparent` names, or `undefined` for anything that is not exactly one. */
export function parseTraceparent(text: unknown): Trace | undefined {
  const [, traceId, spanId] = (typeof text === 'string' ? TRACEPARENT.exec(text) : null) ?? []
  if (traceId === undefined || spanId === undefined || NOTHING.test(traceId) || NOTHING.test(spanId)) return undefined
  return { traceId, spanId }
}

/** As it is passed on. Flag 01: each question is recorded here, in the log. */
export const formatTraceparent = ({ traceId, spanId }: Trace): string => `00-${traceId}-${spanId}-01`

/** A trace that begins here. */
export const mintTrace = (random: RandomBytes): Trace => ({ traceId: mintHex(random, 16), spanId: mintSpanId(random) })

export const mintSpanId = (random: RandomBytes): string => mintHex(random, 8)

/** What a person quotes, and people on call find in the log: `7F3K-2Q`. About 10⁹ of them. */
export function referenceOf({ traceId }: Pick<Trace, 'traceId'>): string {
  const bits = Number.parseInt(traceId.slice(0, 8), 16)
  const text = Array.from(
    { length: REFERENCE_DIGITS },
    (_, place) => DIGITS[Math.floor(bits / 2 ** (BITS_PER_DIGIT * place)) % 32] ?? '',
  ).join('')
  return `${text.slice(0, 4)}-${text.slice(4)}`
}

function mintHex(random: RandomBytes, bytes: number): string {
  const text = Array.from(random(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
  // All zero names nothing; that it comes out of chance is all but impossible, and of a test's chance it is likely.
  return NOTHING.test(text) ? `${text.slice(0, -1)}1` : text
}
