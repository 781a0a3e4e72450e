/** The alert and recording rules: as the code has them, valid, and firing when they should and only then. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { stringify } from 'yaml'
import { expect, test } from 'vitest'
import type { Alert } from '../../monitoring/alert.ts'
import { ANSWERED_MIN, BURNS, burnFactor, burnThreshold } from '../../monitoring/objectives.ts'
import { ALERTS, annotationsOf, labelsOf, renderRules } from '../../monitoring/rules.ts'
import { temporaryFolder } from '../server-process.ts'
import type { AlertCase, SeriesValues } from './alert-case.ts'
import { ALERT_CASES } from './alert-cases.ts'
import { promtool, root } from './tools.ts'

const RULES = path.join(root, 'monitoring/prometheus/rules/chat.yml')

test('[O160] the rules that Prometheus reads are those of the code', () => {
  expect(readFileSync(RULES, 'utf8')).toBe(renderRules())
})

test('[O161] Prometheus takes the rules and the configuration that names them', () => {
  expect(promtool('check', 'rules', RULES)).toContain(`${ALERTS.length + 7} rules found`)
  expect(promtool('check', 'config', path.join(root, 'monitoring/prometheus/prometheus.yml'))).toContain('SUCCESS')
})

test('[O166] burn rates follow from the objective: 28 days, and what share of its budget goes in each window', () => {
  expect(Object.values(BURNS).map(burnFactor)).toEqual([13.44, 5.6, 0.933333])
  expect(Object.values(BURNS).map(burnThreshold)).toEqual([0.0672, 0.028, 0.00466667])
  expect(ANSWERED_MIN).toBe(0.995)
})

test('[O162] every alert has cases in which it fires and cases in which it does not, and every case an alert', () => {
  const names = ALERTS.map(({ name }) => name)
  expect(Object.keys(ALERT_CASES).toSorted((a, b) => a.localeCompare(b))).toEqual(names.toSorted((a, b) => a.localeCompare(b)))
  const poor = Object.entries(ALERT_CASES).filter(([, { fires, quiet }]) => fires.length === 0 || quiet.length === 0)
  expect(poor).toEqual([])
})

/** What alerts read is worked out before them; in Prometheus a moment earlier or later makes no difference. */
const GROUPS = ['chat-recorded', 'chat-pages', 'chat-tickets']

/** promtool's own form of a case; `expected` are the labels and words of the alert, or nothing when it must not fire. */
const unitTest = (name: string, { title, series, at, interval = '1m' }: AlertCase, expected: readonly object[]) => ({
  name: `${name}: ${title}`,
  interval,
  input_series: Object.entries(series).map(([each, values]) => ({ series: each, values })),
  alert_rule_test: [{ eval_time: at, alertname: name, exp_alerts: expected }],
})

/** The cases of these alerts. Rules are worked out as often as there are values, so cases with other intervals are files of their own. */
function runCases(alerts: readonly Alert[], areExpected: boolean): string {
  const tests = alerts.flatMap((alert) => {
    const { fires, quiet } = ALERT_CASES[alert.name] ?? { fires: [], quiet: [] }
    const expected = (labels: SeriesValues = {}): readonly object[] =>
      areExpected ? [{ exp_labels: { ...labelsOf(alert), ...labels }, exp_annotations: annotationsOf(alert) }] : []
    return [
      ...fires.map((each) => unitTest(alert.name, each, expected(each.labels))),
      ...quiet.map((each) => unitTest(alert.name, each, [])),
    ]
  })
  using folder = temporaryFolder()
  const files = Object.entries(Object.groupBy(tests, ({ interval }) => interval)).map(([interval, some]) => {
    const file = path.join(folder.path, `${interval}.yml`)
    writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: interval, group_eval_order: GROUPS, tests: some }))
    return file
  })
  return promtool('test', 'rules', ...files)
}

test('[O162] every alert fires in its cases, with its labels and words, and in no other', () => {
  expect(runCases(ALERTS, true).match(/SUCCESS/g)?.length).toBe(3)
})

test('[O162] an alert that fires and should not would be found', () => {
  const [page, ticket] = [ALERTS.slice(2, 3), ALERTS.slice(-1)]
  expect(() => runCases(page, false)).toThrow(/ChatMessagesLost[\s\S]*got:/)
  expect(() => runCases(ticket, false)).toThrow(/ChatMetricsSeriesExplosion[\s\S]*got:/)
})
