/** The readable form of a log line, for a person at a terminal in development. */

/** In every line and of no use to somebody who watches one service. */
const HIDDEN = new Set([
  '@timestamp',
  'log.level',
  'log.logger',
  'message',
  'event.action',
  'error.stack_trace',
  'ecs.version',
  'service.name',
  'service.version',
  'service.environment',
  'service.node.name',
  'event.category',
  'event.outcome',
  'trace.id',
  'span.id',
  'process.pid',
])

/** `12:30:01.250 WARN  agent  The agent failed.  error.code=…`, and a stack trace below it where there is one. */
export function consoleForm(line: string): string {
  const fields: unknown = JSON.parse(line)
  if (typeof fields !== 'object' || fields === null) return line
  const values = new Map(Object.entries(fields).map(([name, value]) => [name, String(value)]))
  const valueOf = (name: string): string => values.get(name) ?? ''
  const head = [
    valueOf('@timestamp').slice(11, 23),
    valueOf('log.level').toUpperCase().padEnd(5),
    valueOf('log.logger').padEnd(16),
    valueOf('message'),
  ].join(' ')
  const rest = [...values]
    .filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => (name === 'event.duration' ? `took=${milliseconds(value)}` : `${name}=${value}`))
  const stack = valueOf('error.stack_trace')
  return `${[head, ...rest].join('  ')}\n${stack === '' ? '' : `${stack}\n`}`
}

/** ECS counts durations in nanoseconds. */
const milliseconds = (nanoseconds: string): string => `${Math.round(Number(nanoseconds) / 1e5) / 10}ms`
