import type { RandomBytes } from '../conversation/ids.ts'

/** Crockford's base 32: no I, L, O or U, so that it can be read out over the telephone. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** What a person quotes about a failed request, and people on call find in the log: `7F3K-2Q`. About 10⁹ of them. */
export function mintReference(randomBytes: RandomBytes): string {
  const text = Array.from(randomBytes(6), (byte) => DIGITS[byte & 31] ?? '0').join('')
  return `${text.slice(0, 4)}-${text.slice(4)}`
}
