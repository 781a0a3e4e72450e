import { createHmac } from 'node:crypto'

/** What stands in the log for an id: 12 hexadecimal digits. */
export type IdHash = (id: string) => string

const DAY_MS = 86_400_000

/**
 * Hashes ids under a key of the day (UTC): lines of one day can be read together, those of different days cannot,
 * and nobody without the secret can look an id up.
 */
export function createIdHash(secret: string, now: () => number): IdHash {
  const keyOf = (day: number): Buffer => {
    const date = new Date(day * DAY_MS).toISOString().slice(0, 10)
    return createHmac('sha256', secret).update(`log ids of ${date}`).digest()
  }
  let last: { readonly day: number; readonly key: Buffer } | undefined
  return (id) => {
    const day = Math.floor(now() / DAY_MS)
    if (last?.day !== day) last = { day, key: keyOf(day) }
    return createHmac('sha256', last.key).update(id).digest('hex').slice(0, 12)
  }
}
