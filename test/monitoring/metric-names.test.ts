/** Whatever reads metrics reads metrics that there are: alerts, panels, runbooks and the unit tests of alerts. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { ROWS } from '../../monitoring/dashboard.ts'
import { RECORDING_RULES } from '../../monitoring/recording-rules.ts'
import { ALERTS } from '../../monitoring/rules.ts'
import { CATALOGUE, type MetricName } from '../../src/telemetry/catalogue.ts'
import { ALERT_CASES } from './alert-cases.ts'
import { metricsIn } from './expression.ts'
import { PLATFORM_METRICS, root } from './tools.ts'

const known = new Set<string>([
  'up',
  ...PLATFORM_METRICS,
  ...RECORDING_RULES.map(({ record }) => record),
  ...Object.entries(CATALOGUE).flatMap(([name, { type }]) =>
    type === 'histogram' ? ['_bucket', '_count', '_sum'].map((suffix) => name + suffix) : [name],
  ),
])

const unknownIn = (exprs: readonly string[]): readonly string[] => exprs.flatMap(metricsIn).filter((name) => !known.has(name))

/** Labels and their values in `name{label="value"}`, as far as the catalogue lists them. */
function unknownLabelsIn(exprs: readonly string[]): readonly string[] {
  const selectors = exprs.flatMap((expr) => [...expr.matchAll(/\b(chat_\w+?)(?:_bucket|_count|_sum)?\{([^}]*)\}/g)])
  return selectors.flatMap(([whole, name = '', inside = '']) => {
    const all: readonly Readonly<Record<string, string>>[] = CATALOGUE[name as keyof typeof CATALOGUE]?.series.all ?? []
    const matchers = [...inside.matchAll(/(\w+)(=~|=)"([^"]*)"/g)].filter(([, label = '']) => !['job', 'instance', 'le'].includes(label))
    const isMet = matchers.every(([, label = '', operator, value = '']) => {
      const values = operator === '=~' ? value.split('|') : [value]
      return values.every((each) => all.some((series) => series[label] === each))
    })
    return isMet || all.length === 0 ? [] : [whole]
  })
}

const alertExprs = [...ALERTS, ...RECORDING_RULES].map(({ expr }) => expr)
const panelExprs = ROWS.flatMap((row) =>
  row.panels.flatMap(({ queries }) => queries.map(({ expr }) => expr.replaceAll('$__rate_interval', '4m').replaceAll('$__range', '1h'))),
)

const runbooks = path.join(root, 'docs/runbooks')
const runbookExprs = readdirSync(runbooks).flatMap((file) =>
  [...readFileSync(path.join(runbooks, file), 'utf8').matchAll(/```promql\n([\s\S]*?)```/g)].map(([, expr = '']) => expr.trim()),
)
const caseSeries = Object.values(ALERT_CASES).flatMap(({ fires, quiet }) =>
  [...fires, ...quiet].flatMap(({ series }) => Object.keys(series)),
)

test.each([
  ['alerts and recording rules', alertExprs],
  ['panels', panelExprs],
  ['runbooks', runbookExprs],
  ['cases of alerts', caseSeries],
])('[O164] %s read metrics of the catalogue, under labels that they have', (_what, exprs) => {
  expect(exprs.length).toBeGreaterThan(10)
  expect(unknownIn(exprs)).toEqual([])
  expect(unknownLabelsIn(exprs)).toEqual([])
})

test('[O164] a metric or a label that there is not would be found', () => {
  expect(unknownIn(['sum(rate(chat_mesages_total[5m])) > on() chat_active_connections'])).toEqual(['chat_mesages_total'])
  expect(unknownLabelsIn(['chat_messages_total{type="user", status=~"failed|lost"}'])).toEqual([
    'chat_messages_total{type="user", status=~"failed|lost"}',
  ])
  expect(() => unknownIn(['sum(rate('])).toThrow(/does not parse/)
})

/** Read by no panel, on purpose. */
const NOT_SHOWN: readonly MetricName[] = [
  'chat_metrics_refused_total',
  'chat_circuit_breaker_transitions_total',
  'chat_circuit_breaker_rejected_total',
  'chat_degradation_transitions_total',
  'chat_config_info',
  'chat_synthetic_probe_success',
]

test('[O164] every metric of the catalogue is on the dashboard, but for those that are named here', () => {
  const shown = new Set(
    [...panelExprs, ...RECORDING_RULES.map(({ expr }) => expr)]
      .flatMap(metricsIn)
      .map((name) => name.replace(/_(?:bucket|count|sum)$/, '')),
  )
  expect(Object.keys(CATALOGUE).filter((name) => !shown.has(name) && !NOT_SHOWN.some((each) => each === name))).toEqual([])
})
