/** How an entry's body is kept as text, in every store that keeps text. */
import type { EntryBody } from '../conversation/entry.ts'
import { LogError } from './log-error.ts'

/** A body as text. `null` stands for `undefined`, which JSON would leave out. */
export const bodyText = (body: EntryBody): string => JSON.stringify(body, (_key, value: unknown) => (value === undefined ? null : value))

/** The body that `bodyText` wrote. @throws LogError `corrupt` for anything else */
export function bodyOf(text: string): EntryBody {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new LogError('corrupt', 'an entry in the store is not JSON', { cause })
  }
  if (typeof parsed !== 'object' || parsed === null || !('kind' in parsed)) {
    throw new LogError('corrupt', 'the store holds something else than an entry')
  }
  const fields = Object.entries(parsed).map(([key, value]): [string, unknown] => [key, value === null ? undefined : value])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `bodyText` from an EntryBody, and the store checks its own pages
  return Object.fromEntries(fields) as unknown as EntryBody
}
