/** docs/metrics.md and docs/logs.md list what there is, and nothing else. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { sayEverything } from '../testing/every-event.ts'
import { createRecordedEvents } from '../testing/recorded-events.ts'
import { CATALOGUE } from './catalogue.ts'
import { createEventsLog } from './events-log.ts'
import { createEventsMetrics } from './events-metrics.ts'
import { createEvents, type CountedEvents, type Events } from './events.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import type { Series, SeriesList } from './series.ts'
import { createTurnTrace } from './turn-trace.ts'

const document = (name: string): string => readFileSync(path.resolve(import.meta.dirname, '../../docs', name), 'utf8')

/** Labels with their values; under each value of the first of two, those of the second that go with it. */
function labelsOf({ names, all }: SeriesList<Series>): string {
  const [outer, inner] = names
  if (outer === undefined) return '–'
  if (all.length === 0) return names.map((name) => `\`${name}\``).join(' ')
  const values = [...new Set(all.map((labels) => labels[outer] ?? ''))]
  if (inner === undefined) return `\`${outer}\`: ${values.join(' ')}`
  const groups = Map.groupBy(values, (value) => all.flatMap((labels) => (labels[outer] === value ? [labels[inner] ?? ''] : [])).join(' '))
  return `\`${outer}\` \`${inner}\`: ${Array.from(groups, ([inners, outers]) => `${outers.join(' ')} (${inners})`).join(', ')}`
}

test('[O88] docs/metrics.md has a row for every metric of the catalogue, as it is, and no others', () => {
  const rows = Object.entries(CATALOGUE).map(
    ([name, { type, help, series }]) => `| \`${name}\` | ${type} | ${labelsOf(series)} | ${help} |`,
  )
  expect(
    document('metrics.md')
      .split('\n')
      .filter((line) => /^\| `(?:chat|http|nodejs)_\w+` \| (?:counter|gauge|histogram) /.test(line)),
  ).toEqual(rows)
})

test('[O89] docs/logs.md has a row for every action that a line can have, with its levels, and no others', () => {
  const levels = new Map<string, Set<string>>()
  const log: Log = {
    write: (_part, level, _message, fields) => {
      const action = String(fields['event.action'])
      levels.set(action, (levels.get(action) ?? new Set()).add(level))
    },
  }
  const nothing = (): void => undefined
  const counted: CountedEvents = { requestServed: nothing, linkTraffic: nothing, linkPonged: nothing, commandRefused: nothing }
  sayEverything(createEvents(createEventsLog(log, { hash: (id) => id, traceOf: createTurnTrace('secret') }), counted))
  const listed = [...document('logs.md').matchAll(/^\| `([\w.]+)` \| ([a-z, ]+) \|/gm)].map(
    ([, action = '', said = '']) => [action, said] as const,
  )
  const order = ['debug', 'info', 'warn', 'error']
  const said = Array.from(levels, ([action, seen]) => [action, order.filter((level) => seen.has(level)).join(', ')] as const)
  expect(new Map(listed)).toEqual(new Map(said))
})

test('[O81][O89] what is checked here is said of every event that there is', () => {
  const events = createRecordedEvents()
  sayEverything(events)
  const names = { hash: (id: string) => id, traceOf: createTurnTrace('secret') }
  const measured = createEventsMetrics(createMetrics({ store: 'sqlite', withRuntime: false }), 'sqlite')
  const all = Object.keys(createEvents(createEventsLog({ write: () => undefined }, names), measured)) as (keyof Events)[]
  expect(all.filter((name) => events.of(name).length === 0)).toEqual([])
})

test('[O89] docs/logs.md names every field that a line can have, and no others', () => {
  const fieldNames = new Set<string>()
  const log: Log = { write: (_part, _level, _message, fields) => Object.keys(fields).forEach((name) => fieldNames.add(name)) }
  const nothing = (): void => undefined
  const counted: CountedEvents = { requestServed: nothing, linkTraffic: nothing, linkPonged: nothing, commandRefused: nothing }
  sayEverything(createEvents(createEventsLog(log, { hash: (id) => id, traceOf: createTurnTrace('secret') }), counted))
  const table = document('logs.md').split('## Fields')[1] ?? ''
  const listed = [...table.matchAll(/`([\w@]+(?:\.\w+)+|@timestamp|message)`/g)].map(([, name = '']) => name)
  const always = ['@timestamp', 'log.level', 'log.logger', 'log.missing_lines', 'message', 'ecs.version', 'service.name', 'service.version']
  const node = ['service.environment', 'service.node.name', 'process.pid']
  expect([...new Set(listed)].toSorted()).toEqual([...fieldNames, ...always, ...node].toSorted())
})
