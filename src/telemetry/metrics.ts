/**
 * The metrics of one process: the only file that names the Prometheus library. What there is stands in `catalogue.ts`.
 *
 * Guarantees: every series is there from the start, with 0; no series appears later that was not opened; counting never throws.
 * The registry belongs to this object, so several services in one process do not meet.
 */
import { getHeapStatistics } from 'node:v8'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import { CATALOGUE, type LabelsOf, type MetricName, type NameOf, type StoreName } from './catalogue.ts'
import type { Series } from './series.ts'

export interface MetricsOptions {
  readonly store: StoreName
  /** Also the platform's own: memory, processor, event loop. They need timers that live as long as the process. */
  readonly withRuntime: boolean
}

/** What was counted and measured. Labels are those of the catalogue; a series that was not opened is ignored. */
export interface Metrics {
  count<Name extends NameOf<'counter'>>(name: Name, labels: LabelsOf<Name>, by?: number): void
  /** `value` in the unit of the metric's name. */
  observe<Name extends NameOf<'histogram'>>(name: Name, labels: LabelsOf<Name>, value: number): void
  /** Asks `read` whenever the metrics are looked at; while it gives `undefined` or throws, nobody knows (NaN). */
  watch<Name extends NameOf<'gauge'>>(name: Name, labels: LabelsOf<Name>, read: () => number | undefined): void
  /** Calls `settle` before the metrics are looked at: for counts of time that goes on by itself. */
  beforeRender(settle: () => void): void
  /** Makes series that were not known before, with 0. */
  open<Name extends MetricName>(name: Name, series: readonly LabelsOf<Name>[]): void
  /** Prometheus text of everything as it is now. */
  render(): Promise<string>
  readonly contentType: string
}

/** One series, ready to be moved. */
type Point =
  | { readonly type: 'counter'; readonly add: (by: number) => void }
  | { readonly type: 'gauge'; readonly set: (value: number) => void }
  | { readonly type: 'histogram'; readonly observe: (value: number) => void }

/** A metric in the registry: how its series are made and named. */
interface Instrument {
  readonly labelNames: readonly string[]
  /** With 0, from now on. */
  readonly start: (labels: Series) => Point
}

/**
 * What the library's default metrics are named against the rules for names. The first three stand in others without `_total`;
 * how busy the event loop is we say ourselves.
 */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_histogram',
  'nodejs_eventloop_utilization_summary',
]
const GC_KINDS = ['major', 'minor', 'incremental', 'weakcb']
/** How often the library looks at the event loop's lag, in milliseconds … */
const LAG_LOOK_MS = 20
/** … and at its utilisation, which is left out. */
const NEVER_MS = 2 ** 31 - 1

/** Metrics with every series of the catalogue that this store can move. */
export function createMetrics({ store, withRuntime }: MetricsOptions): Metrics {
  const registry = new Registry()
  const instruments = new Map<string, Instrument>()
  const points = new Map<string, Point>()
  const reads = new Map<string, () => void>()
  const settles: (() => void)[] = []
  const keyOf = (name: string, labels: Series): string =>
    (instruments.get(name)?.labelNames ?? []).reduce((key, label) => `${key}\n${labels[label]}`, name)
  const pointOf = (name: string, labels: Series): Point | undefined => points.get(keyOf(name, labels))

  const open = (name: string, series: readonly Series[]): void => {
    const instrument = instruments.get(name)
    if (instrument === undefined) return
    for (const labels of series) {
      if (pointOf(name, labels) === undefined) points.set(keyOf(name, labels), instrument.start({ ...labels }))
    }
  }
  for (const [name, metric] of Object.entries(CATALOGUE)) {
    if ('store' in metric && metric.store !== store) continue
    instruments.set(name, createInstrument(registry, name, metric))
    const series: readonly Series[] = metric.series.all
    open(
      name,
      series.filter((labels) => isOfStore(labels, store)),
    )
  }
  if (withRuntime) collectRuntime(registry)

  const metrics: Metrics = {
    count(name, labels, by = 1) {
      const point = pointOf(name, labels)
      // A counter never goes back, and the library throws when it is asked to.
      if (point?.type === 'counter' && by > 0 && Number.isFinite(by)) point.add(by)
    },
    observe(name, labels, value) {
      const point = pointOf(name, labels)
      if (point?.type === 'histogram' && Number.isFinite(value)) point.observe(Math.max(0, value))
    },
    watch(name, labels, read) {
      const point = pointOf(name, labels)
      if (point?.type === 'gauge') reads.set(keyOf(name, labels), () => point.set(valueOf(read)))
    },
    beforeRender: (settle) => void settles.push(settle),
    open,
    async render() {
      for (const settle of settles) settle()
      for (const read of reads.values()) read()
      return registry.metrics()
    },
    contentType: registry.contentType,
  }
  metrics.watch('nodejs_heap_size_limit_bytes', {}, () => getHeapStatistics().heap_size_limit)
  metrics.watch('nodejs_eventloop_utilization_ratio', {}, createLoopLook())
  return metrics
}

const isOfStore = ({ service, profile }: Series, store: StoreName): boolean => {
  const other = store === 'sqlite' ? 'redis' : 'sqlite'
  return service !== other && profile !== other
}

function createInstrument(registry: Registry, name: string, metric: (typeof CATALOGUE)[MetricName]): Instrument {
  const labelNames = [...metric.series.names]
  const settings = { name, help: metric.help, labelNames, registers: [registry] }
  switch (metric.type) {
    case 'counter': {
      const counter = new Counter(settings)
      return {
        labelNames,
        start(labels) {
          counter.inc(labels, 0)
          return { type: 'counter', add: (by) => counter.inc(labels, by) }
        },
      }
    }
    case 'gauge': {
      const gauge = new Gauge(settings)
      return {
        labelNames,
        start(labels) {
          // Until somebody says what it is, nobody knows.
          gauge.set(labels, Number.NaN)
          return { type: 'gauge', set: (value) => gauge.set(labels, value) }
        },
      }
    }
    case 'histogram': {
      const histogram = new Histogram({ ...settings, buckets: [...metric.buckets] })
      return {
        labelNames,
        start(labels) {
          histogram.zero(labels)
          return { type: 'histogram', observe: (value) => histogram.observe(labels, value) }
        },
      }
    }
  }
}

function valueOf(read: () => number | undefined): number {
  try {
    return read() ?? Number.NaN
  } catch {
    return Number.NaN
  }
}

function collectRuntime(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_LOOK_MS, eventLoopUtilizationTimeout: NEVER_MS })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const collections = registry.getSingleMetric<'kind'>('nodejs_gc_duration_seconds')
  if (collections instanceof Histogram) for (const kind of GC_KINDS) collections.zero({ kind })
}

/** How much of the time since it was last asked the event loop was busy, from 0 to 1. */
function createLoopLook(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
