/** What a PromQL expression reads, by the grammar that Prometheus's own editor uses. */
import { parser } from '@prometheus-io/lezer-promql'

/** The names of the metrics in an expression. Throws when it does not parse. */
export function metricsIn(expr: string): readonly string[] {
  const names = new Set<string>()
  const faults: string[] = []
  parser.parse(expr).iterate({
    enter({ name, type, from, to }) {
      if (type.isError) faults.push(`at ${from}`)
      if (name === 'VectorSelector') {
        const [metric] = /^[\w:]+/.exec(expr.slice(from, to)) ?? []
        if (metric !== undefined) names.add(metric)
      }
    },
  })
  if (faults.length > 0) throw new Error(`${expr} does not parse: ${faults.join()}`)
  return [...names]
}
