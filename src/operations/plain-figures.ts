/** Times, sizes and counts as the operator page writes them. Everything is in English and UTC, as in logs and metrics. */
import type { Quantile } from './ops-status.ts'

const MINUTE = 60
const HOUR = 3_600
const DAY = 86_400

/** `45 seconds`, `12 minutes`, `5 hours`, `6 days`: one unit, rounded down. */
export function durationOf(seconds: number): string {
  if (seconds < 2 * MINUTE) return counted(Math.floor(Math.max(0, seconds)), 'second')
  if (seconds < 2 * HOUR) return counted(Math.floor(seconds / MINUTE), 'minute')
  if (seconds < 2 * DAY) return counted(Math.floor(seconds / HOUR), 'hour')
  return counted(Math.floor(seconds / DAY), 'day')
}

/** `1 question`, `2 questions`, `1,200 questions`. */
export const counted = (count: number, one: string, more = `${one}s`): string => `${number(count)} ${count === 1 ? one : more}`

export const number = (value: number): string => value.toLocaleString('en-GB', { maximumFractionDigits: 1 })

/** `40 ms`, `1.4 s`; `over 10 s` where nobody knows how much over. */
export function quantileOf(quantile: Quantile | undefined): string {
  if (quantile === undefined) return 'not known'
  const { seconds, isAtLeast } = quantile
  const text = seconds < 1 ? `${Math.round(seconds * 1_000)} ms` : `${number(seconds)} s`
  return isAtLeast ? `over ${text}` : text
}

const MEGABYTE = 1024 * 1024

export const megabytes = (bytes: number): string => `${number(Math.round(bytes / MEGABYTE))} MB`

/** A moment for people and for machines. */
export interface Moment {
  readonly iso: string
  /** `14:03:22 UTC`, with the day in front when it is another one than that of `now`. */
  readonly text: string
}

export function momentOf(iso: string, now: string): Moment {
  const time = `${iso.slice(11, 19)} UTC`
  return { iso, text: iso.slice(0, 10) === now.slice(0, 10) ? time : `${iso.slice(0, 10)} ${time}` }
}

/** Seconds from one moment to the other. */
export const secondsBetween = (iso: string, now: string): number => Math.max(0, (Date.parse(now) - Date.parse(iso)) / 1_000)
