import type { BaseIssue } from 'valibot'

const KINDS: Readonly<Record<string, string>> = {
  Array: 'a list',
  Object: 'an object',
  boolean: 'true or false',
  number: 'a number',
  string: 'text',
}

/** What is allowed where `issue` was found, after "must be". Never repeats the input. */
export function expectationOf({ type, expected, requirement }: BaseIssue<unknown>): string {
  if (type === 'integer') return 'a whole number'
  if (type === 'min_value') return `${String(requirement)} or more`
  if (type === 'max_value') return `${String(requirement)} or less`
  if (type === 'min_length') return `of length ${String(requirement)} or more`
  if (type === 'max_length') return `of length ${String(requirement)} or less`
  if (type === 'iso_timestamp') return 'a time such as 2026-01-05T09:00:00.000Z'
  if (expected === null) return 'something else'
  // A choice is written as ("one" | "other").
  const choice = /^\((.+)\)$/.exec(expected)?.[1]
  return choice === undefined
    ? (KINDS[expected] ?? expected.replaceAll('"', ''))
    : `one of ${choice.replaceAll('"', '').replaceAll(' | ', ', ')}`
}
