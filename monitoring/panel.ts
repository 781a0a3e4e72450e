/** What a panel of the dashboard is made of. `dashboard.ts` makes Grafana's own form of it. */

interface Query {
  readonly expr: string
  /** In Grafana's form, `{{label}}`; it names every label that the answer has. */
  readonly legend: string
}

export interface PanelSpec {
  readonly title: string
  /** What it says, and what is well. */
  readonly description: string
  /** `stat`: the value of now, large. `lines`: over time. */
  readonly form: 'stat' | 'lines'
  /** One of Grafana's units. */
  readonly unit: 'short' | 's' | 'bytes' | 'percentunit' | 'reqps' | 'ops' | 'Bps'
  readonly queries: readonly [Query, ...Query[]]
  /** Words for values, each with its colour. */
  readonly words?: Readonly<Record<string, readonly [word: string, colour: Colour]>>
  /** From here on it is not well; `below` turns that round. */
  readonly limit?: number | { readonly below: number }
  /** Shown where there is nothing to divide. */
  readonly nothing?: string
}

export type Colour = 'green' | 'orange' | 'red' | 'blue'

export interface PanelRow {
  readonly title: string
  readonly panels: readonly PanelSpec[]
}

/** The 95th, say, of 100 observations, over all processes, for each value of the labels. */
export const quantile = (share: number, histogram: string, ...labels: readonly string[]): string =>
  `histogram_quantile(${share}, sum by (${['le', ...labels].join(', ')}) (rate(${withSuffix(histogram, '_bucket')}[$__rate_interval])))`

const withSuffix = (selector: string, suffix: string): string => selector.replace(/^\w+/, (name) => name + suffix)

/** How fast counters rise, over all processes, for each value of the labels. */
export const perSecond = (counter: string, ...labels: readonly string[]): string => `${sumBy(labels)}(rate(${counter}[$__rate_interval]))`

const sumBy = (labels: readonly string[]): string => (labels.length === 0 ? 'sum' : `sum by (${labels.join(', ')}) `)
