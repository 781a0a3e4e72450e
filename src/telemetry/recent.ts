/**
 * What counters and histograms did lately, for whoever has no Prometheus at hand: the last hour, in slices of ten seconds.
 *
 * It hears the same calls as the metrics, under the same names, so the two cannot differ. Only the metrics below are remembered; one
 * slice holds the series that moved in it and nothing else, so an hour of everything is a few thousand numbers.
 */
import { CATALOGUE, type LabelsOf, type MetricName, type NameOf } from './catalogue.ts'
import type { Metrics } from './metrics.ts'
import type { Series } from './series.ts'

const REMEMBERED = [
  'chat_messages_total',
  'chat_time_to_first_token_seconds',
  'chat_dependency_request_duration_seconds',
  'chat_circuit_breaker_rejected_total',
  'chat_errors_total',
  'chat_resumes_total',
  'chat_ws_slow_consumers_total',
] as const satisfies readonly MetricName[]

type Remembered = (typeof REMEMBERED)[number]
type RememberedCounter = Remembered & NameOf<'counter'>
type RememberedHistogram = Remembered & NameOf<'histogram'>

/** Windows end now and are right to one slice; nobody remembers further back than all of them. */
const SLICE_MS = 10_000
const SLICES = 360

export interface Recent {
  /** How much a counter grew in the last `ms` milliseconds. */
  count<Name extends RememberedCounter>(name: Name, labels: LabelsOf<Name>, ms: number): number
  /** How many values a histogram took. */
  observed<Name extends RememberedHistogram>(name: Name, labels: LabelsOf<Name>, ms: number): number
  /**
   * What a share `q` of the values did not exceed, estimated within its bucket as Prometheus does; `Infinity` beyond the last one,
   * `undefined` where there were no values.
   */
  quantile<Name extends RememberedHistogram>(name: Name, labels: LabelsOf<Name>, q: number, ms: number): number | undefined
}

interface Slice {
  readonly startedAt: number
  readonly counts: Map<string, number>
}

const isRemembered = (name: MetricName): name is Remembered => REMEMBERED.some((remembered) => remembered === name)

const keyOf = (name: MetricName, labels: Series): string =>
  CATALOGUE[name].series.names.reduce((key, label) => `${key}\n${labels[label]}`, name)
const bucketKey = (key: string, index: number): string => `${key}\n#${index}`

/** `metrics` as before, and what they remember; `monotonic` in milliseconds that never go back. */
export function rememberRecent(metrics: Metrics, monotonic: () => number): { readonly metrics: Metrics; readonly recent: Recent } {
  const slices: Slice[] = []
  const add = (key: string, by: number): void => {
    const now = monotonic()
    let slice = slices.at(-1)
    if (slice === undefined || now - slice.startedAt >= SLICE_MS) {
      slice = { startedAt: now, counts: new Map() }
      slices.push(slice)
      if (slices.length > SLICES) slices.shift()
    }
    slice.counts.set(key, (slice.counts.get(key) ?? 0) + by)
  }
  const sum = (key: string, ms: number): number => {
    const from = monotonic() - ms
    return slices.reduce((total, { startedAt, counts }) => (startedAt + SLICE_MS > from ? total + (counts.get(key) ?? 0) : total), 0)
  }
  const bucketsOf = (name: RememberedHistogram, labels: Series, ms: number): readonly number[] => {
    const key = keyOf(name, labels)
    return Array.from({ length: CATALOGUE[name].buckets.length + 1 }, (_unused, index) => sum(bucketKey(key, index), ms))
  }
  return {
    metrics: {
      ...metrics,
      count(name, labels, by = 1) {
        if (isRemembered(name) && by > 0) add(keyOf(name, labels), by)
        metrics.count(name, labels, by)
      },
      observe(name, labels, value) {
        if (isRemembered(name)) add(bucketKey(keyOf(name, labels), bucketOf(CATALOGUE[name].buckets, value)), 1)
        metrics.observe(name, labels, value)
      },
    },
    recent: {
      count: (name, labels, ms) => sum(keyOf(name, labels), ms),
      observed: (name, labels, ms) => total(bucketsOf(name, labels, ms)),
      quantile: (name, labels, q, ms) => quantileOf(CATALOGUE[name].buckets, bucketsOf(name, labels, ms), q),
    },
  }
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** The first whose bound is not below the value; the one after the last takes what is beyond. */
function bucketOf(bounds: readonly number[], value: number): number {
  const index = bounds.findIndex((bound) => value <= bound)
  return index === -1 ? bounds.length : index
}

function quantileOf(bounds: readonly number[], counts: readonly number[], q: number): number | undefined {
  const all = total(counts)
  if (all === 0) return undefined
  const rank = q * all
  let below = 0
  for (const [index, bound] of bounds.entries()) {
    const count = counts[index] ?? 0
    if (count > 0 && below + count >= rank) {
      const lower = index === 0 ? 0 : (bounds[index - 1] ?? 0)
      return lower + ((bound - lower) * (rank - below)) / count
    }
    below += count
  }
  return Number.POSITIVE_INFINITY
}
