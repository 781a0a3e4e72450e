import { createHmac } from 'node:crypto'

/** What stands in the log for an id: 12 hexadecimal digits. */
export type IdHash = (id: string) => string

/**
 * Hashes ids under a key of the day (UTC): lines of one day can be read together, those of different days cannot,
 * and nobody without the secret can look an id up.
 */
export function createIdHash(secret: string, now: () => number): IdHash {
  return (id) => {
    const day = new Date(now()).toISOString().slice(0, 10)
    const key = createHmac('sha256', secret).update(`log ids of ${day}`).digest()
    return createHmac('sha256', key).update(id).digest('hex').slice(0, 12)
  }
}
