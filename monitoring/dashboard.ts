/** The Grafana dashboard *Chat*, from the panels of this folder. */
import * as common from '@grafana/grafana-foundation-sdk/common'
import * as grafana from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import * as stat from '@grafana/grafana-foundation-sdk/stat'
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries'
import type { PanelRow, PanelSpec } from './panel.ts'
import { DEPENDENCIES, LINKS, PROCESSES } from './panels-parts.ts'
import { NOW, QUESTIONS } from './panels-questions.ts'

export const ROWS: readonly PanelRow[] = [NOW, QUESTIONS, DEPENDENCIES, LINKS, PROCESSES]

/** Of the 24 columns that a dashboard has. */
const WIDTH = { stat: 6, lines: 8 } as const
const HEIGHT = { stat: 4, lines: 8 } as const

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }

/** The text of `grafana/dashboards/chat.json`. */
export function renderDashboard(): string {
  const builder = new grafana.DashboardBuilder('Chat')
    .uid('chat')
    .description('What people can do now, whether anything was lost, and why. Runbooks: docs/runbooks/.')
    .tags(['chat'])
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .readonly()
    .tooltip(grafana.DashboardCursorSync.Crosshair)
    .withVariable(new grafana.DatasourceVariableBuilder('datasource').label('Data').type('prometheus'))
    .withVariable(
      new grafana.QueryVariableBuilder('instance')
        .label('Process')
        .datasource(DATASOURCE)
        .query('label_values(up{job="chat"}, instance)')
        .refresh(grafana.VariableRefresh.OnTimeRangeChanged)
        // oxlint-disable-next-line unicorn/no-array-sort -- Grafana's, not an array's
        .sort(grafana.VariableSort.AlphabeticalAsc)
        .multi(true)
        .includeAll(true)
        .allValue('.*'),
    )
  let id = 0
  for (const row of ROWS) {
    builder.withRow(new grafana.RowBuilder(row.title).id((id += 1)))
    for (const panel of row.panels) builder.withPanel(panelOf(panel).id((id += 1)))
  }
  return `${JSON.stringify(builder.build(), undefined, 2)}\n`
}

function panelOf(spec: PanelSpec): stat.PanelBuilder | timeseries.PanelBuilder {
  const panel = withCommon(spec.form === 'stat' ? statPanel() : linesPanel(spec), spec)
  for (const [index, { expr, legend }] of spec.queries.entries()) {
    const query = new DataqueryBuilder()
      .refId(String.fromCodePoint('A'.charCodeAt(0) + index))
      .expr(expr)
      .legendFormat(legend)
    panel.withTarget(spec.form === 'stat' ? query.instant() : query.range())
  }
  return panel
}

function withCommon<Panel extends stat.PanelBuilder | timeseries.PanelBuilder>(panel: Panel, spec: PanelSpec): Panel {
  panel
    .title(spec.title)
    .description(spec.description)
    .datasource(DATASOURCE)
    .unit(spec.unit)
    .span(WIDTH[spec.form])
    .height(HEIGHT[spec.form])
    .thresholds(new grafana.ThresholdsConfigBuilder().mode(grafana.ThresholdsMode.Absolute).steps(stepsOf(spec)))
    .noValue(spec.nothing ?? 'no data')
  if (spec.words !== undefined) panel.mappings([mappingOf(spec.words)])
  return panel
}

const statPanel = (): stat.PanelBuilder =>
  new stat.PanelBuilder()
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .colorMode(common.BigValueColorMode.Background)
    .graphMode(common.BigValueGraphMode.None)
    .textMode(common.BigValueTextMode.Auto)

function linesPanel({ limit }: PanelSpec): timeseries.PanelBuilder {
  const panel = new timeseries.PanelBuilder()
    .min(0)
    .fillOpacity(5)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom),
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
  if (limit !== undefined) {
    panel.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed))
  }
  return panel
}

function stepsOf({ limit, words }: PanelSpec): grafana.Threshold[] {
  const base = words === undefined && limit === undefined ? 'blue' : 'green'
  if (limit === undefined) return [{ value: null, color: base }]
  if (typeof limit === 'number')
    return [
      { value: null, color: base },
      { value: limit, color: 'red' },
    ]
  return [
    { value: null, color: 'red' },
    { value: limit.below, color: base },
  ]
}

const mappingOf = (words: NonNullable<PanelSpec['words']>): grafana.ValueMap => ({
  type: grafana.MappingType.ValueToText,
  options: Object.fromEntries(Object.entries(words).map(([value, [text, color]], index) => [value, { text, color, index }])),
})
