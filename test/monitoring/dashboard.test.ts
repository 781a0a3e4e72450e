/** The dashboard: as the code has it, and every panel's query answered by a real Prometheus that has recorded incidents. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as v from 'valibot'
import { ROWS, renderDashboard } from '../../monitoring/dashboard.ts'
import type { PanelSpec } from '../../monitoring/panel.ts'
import { RECORDING_RULES } from '../../monitoring/recording-rules.ts'
import { ALERTS } from '../../monitoring/rules.ts'
import { temporaryFolder, type TemporaryFolder } from '../server-process.ts'
import { momentOf, recordIncidents, type PhaseName } from './incidents.ts'
import { startPrometheus, type RunningPrometheus, type Sample } from './prometheus.ts'
import { promtool, root } from './tools.ts'

const DASHBOARD = path.join(root, 'monitoring/grafana/dashboards/chat.json')
const panels = ROWS.flatMap((row) => row.panels)

let folder: TemporaryFolder
let prometheus: RunningPrometheus

beforeAll(async () => {
  folder = temporaryFolder()
  const recording = path.join(folder.path, 'incidents.om')
  writeFileSync(recording, recordIncidents())
  const data = path.join(folder.path, 'data')
  promtool('tsdb', 'create-blocks-from', 'openmetrics', recording, data)
  const config = path.join(folder.path, 'prometheus.yml')
  writeFileSync(config, '')
  prometheus = await startPrometheus(config, data)
})

afterAll(async () => {
  await prometheus[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

/** What Grafana puts in, and what the recording has not worked out. */
const asAsked = (expr: string): string =>
  RECORDING_RULES.reduce((text, { record, expr: meant }) => text.replaceAll(record, `(${meant})`), expr)
    .replaceAll('$__rate_interval', '4m')
    .replaceAll('$__range', '1h')
    .replaceAll('$instance', '.*')

const legendOf = (legend: string, { labels }: Sample): string =>
  legend.replaceAll(/\{\{(\w+)\}\}/g, (_whole, name: string) => labels[name] ?? `no ${name}`)

/** What the panel would show at the end of that phase: a value for each legend. */
async function shown({ queries }: PanelSpec, phase: PhaseName): Promise<readonly (readonly [legend: string, value: number])[]> {
  const answers = await Promise.all(
    queries.map(async ({ expr, legend }) =>
      (await prometheus.query(asAsked(expr), momentOf(phase))).map((sample) => [legendOf(legend, sample), sample.value] as const),
    ),
  )
  return answers.flat()
}

/** Where a panel has something to show only during an incident: which. */
const SHOWS: Readonly<Record<string, PhaseName>> = {
  'Why answers do not come': 'agent down',
  Errors: 'store down',
  'Seconds that drains took': 'drain',
}

test.each(panels.map((panel) => [panel.title, panel] as const))(
  '[O165] %s shows numbers, each under a name of its own',
  async (title, panel) => {
    const answer = await shown(panel, SHOWS[title] ?? 'calm')
    const legends = answer.map(([legend]) => legend)
    expect(answer.length).toBeGreaterThanOrEqual(panel.queries.length)
    expect(answer.filter(([, value]) => !Number.isFinite(value))).toEqual([])
    expect(legends.filter((legend, index) => legends.indexOf(legend) !== index || /\bno \w+|\s$/.test(legend))).toEqual([])
  },
)

/** What must be seen of each incident: panel, legend, and the least and most that the value may be. */
const SEEN: readonly (readonly [PhaseName, panel: string, legend: string, least: number, most: number])[] = [
  ['calm', 'Service level', 'level', 0, 0],
  ['calm', 'Failing now', 'failed', 0, 0],
  ['calm', 'Seconds to the first words', '95 of 100', 0.5, 1],
  ['calm', 'Processes that answer', 'processes', 2, 2],
  ['agent down', 'Service level', 'level', 1, 1],
  ['agent down', 'Dependencies that work', 'ai-agent', 0, 0],
  ['agent down', 'Dependencies that work', 'sqlite', 1, 1],
  ['agent down', 'Circuit breakers', 'ai-agent', 2, 2],
  ['agent down', 'Failing now', 'failed', 0.74, 0.76],
  ['agent down', 'Why answers do not come', 'agent-unreachable', 100, 200],
  ['agent down', 'Errors', 'ai-agent refused', 0.9, 1.1],
  ['agent down', 'Retry budget', 'ai-agent', 0.02, 0.02],
  ['agent down', 'What waits', 'inbound', 190, 190],
  ['agent down', 'Age of what has waited longest', 'inbound', 1_140, 1_140],
  ['agent down', 'Share of time at each level', 'limited', 0.99, 1],
  ['store down', 'Service level', 'level', 2, 2],
  ['store down', 'Dependencies that work', 'sqlite', 0, 0],
  ['store down', 'Errors', 'sqlite write', 1.9, 2.1],
  ['store down', 'How full queues are', 'store', 0.95, 0.95],
  ['store down', 'Age of the last count', 'age', 840, 840],
  ['store down', 'Log lines dropped', 'stalled', 100, 200],
  ['integrity breach', 'Questions lost', 'missing now', 2, 2],
  ['integrity breach', 'Questions lost', 'found in this time', 3.9, 4.2],
  ['integrity breach', 'Gaps in logs', 'client', 50, 100],
  ['integrity breach', 'Pages that come back', 'gap', 0.09, 0.11],
  ['slow tokens', 'Seconds to the first words', 'half', 5, 10],
  ['slow tokens', 'Share of first words that come late', '5 minutes', 0.99, 1],
  ['slow tokens', 'Answers that stall', 'stalled', 0.09, 0.11],
  ['slow tokens', 'Seconds to save a question', 'websocket', 1, 2.5],
  ['slow tokens', 'Event loop lag', 'a:9464', 0.8, 0.8],
  ['slow tokens', 'Slow readers', 'paused', 1.1, 1.3],
  ['drain', 'Draining', 'processes', 1, 1],
  ['drain', 'Seconds that drains took', '95 of 100', 10, 25],
  ['drain', 'Drains', 'forced', 0.9, 1.2],
  ['drain', 'Links that ended, by why', 'drain', 3.9, 4.1],
  ['drain', 'Pages that come back', 'full', 3.9, 4.1],
  ['drain', 'Releases that run', '0.2.0 bbbbbbb', 1, 2],
  ['drain', 'Starts in half an hour', 'a:9464', 4, 4],
]

test.each(SEEN)('[O165] %s: %s shows %s from %f to %f', async (phase, title, legend, ...[least, most]) => {
  const panel = panels.find((each) => each.title === title)
  const answer = panel === undefined ? [] : await shown(panel, phase)
  const value = answer.find(([name]) => name === legend)?.[1] ?? Number.NaN
  expect({ value, isWithin: value >= least && value <= most }).toEqual({ value, isWithin: true })
})

test('[O160] the dashboard that Grafana reads is that of the code', () => {
  expect(readFileSync(DASHBOARD, 'utf8')).toBe(renderDashboard())
})

const panelSchema = v.object({
  id: v.number(),
  type: v.picklist(['row', 'stat', 'timeseries']),
  title: v.string(),
  gridPos: v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() }),
  description: v.optional(v.string()),
  datasource: v.optional(v.object({ uid: v.literal('${datasource}') })),
  fieldConfig: v.optional(v.object({ defaults: v.looseObject({ unit: v.optional(v.string()) }) })),
  targets: v.optional(v.array(v.object({ refId: v.string(), expr: v.string(), legendFormat: v.string() })), []),
})
const dashboardSchema = v.object({ uid: v.literal('chat'), panels: v.array(panelSchema) })

test('[O164] every panel says what it is, in which unit and from which data, has a number of its own, and overlaps no other', () => {
  const { panels: drawn } = v.parse(dashboardSchema, JSON.parse(readFileSync(DASHBOARD, 'utf8')))
  const real = drawn.filter(({ type }) => type !== 'row')
  expect(real.map(({ title }) => title)).toEqual(panels.map(({ title }) => title))
  expect(new Set(real.map(({ title }) => title)).size).toBe(real.length)
  expect(new Set(drawn.map(({ id }) => id)).size).toBe(drawn.length)
  expect(
    real.filter(
      (panel) => panel.description === undefined || panel.datasource === undefined || panel.fieldConfig?.defaults.unit === undefined,
    ),
  ).toEqual([])
  expect(real.filter(({ targets }) => new Set(targets.map(({ refId }) => refId)).size !== targets.length)).toEqual([])
  const cells = drawn.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_cell, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
  )
  expect(new Set(cells).size).toBe(cells.length)
})

test('[O164] counters are read as rates over the interval of the graph, and nothing else is', () => {
  const exprs = panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))
  // Of a counter as it is, only what it has grown by means anything.
  expect(exprs.filter((expr) => /\w+_(?:total|count|bucket|sum)\b(?!\w*(?:\{[^}]*\})?\[)/.test(expr))).toEqual([])
  expect(
    exprs.filter((expr) => /\b(?:rate|increase)\(\w+(?:\{[^}]*\})?\[/.test(expr) && !/_(?:total|count|bucket|sum)\b/.test(expr)),
  ).toEqual([])
  expect(exprs.filter((expr) => /rate\([^)]*\[(?!\$__rate_interval\])/.test(expr))).toEqual([])
})

test('[O163] every alert has its panel', () => {
  const titles = panels.map(({ title }) => title)
  expect(ALERTS.filter(({ panel }) => !titles.includes(panel)).map(({ name, panel }) => `${name}: ${panel}`)).toEqual([])
})
