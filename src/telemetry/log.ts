/**
 * The log: one line of JSON an event, in ECS field names, written before the call returns.
 *
 * Purpose: the only file that names pino. Lines are written synchronously, so none is lost when the process ends.
 * Guarantees: never throws; a line that could not be written is counted, and the next one that can be says how many are missing.
 * It does not know what events there are (`events-log.ts`) nor where lines go (`app/ports.ts`).
 */
import pino from 'pino'
import { consoleForm } from './console-form.ts'

/** Which part of the service speaks. */
export type Part = 'app' | 'gateway' | 'turns' | 'agent' | 'conversation-log' | 'service-level' | 'resilience' | 'operations'
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Flat, with dotted ECS names. Text that came from outside goes through `clean` first. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Writes one line, line feed included, before it returns; throws when it cannot. */
export type LineWriter = (line: string) => void

export interface LogOptions {
  readonly level: LogLevel | 'silent'
  /** `json` for machines, `console` for people at a terminal. */
  readonly form: 'json' | 'console'
  readonly version: string
  readonly environment: string
  /** Which machine or container this is. */
  readonly node: string
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  readonly write: LineWriter
  /** Counts a line that was not written; must not throw. */
  readonly dropped: (reason: 'stalled' | 'output') => void
}

/** When one line took so long, whoever reads the output has stalled … */
const SLOW_MS = 250
/** … and for so long after it only warnings and errors are tried (operations reference §3). */
const SPARED_MS = 5_000

/** A child logger for each part. */
export interface Log {
  /** `message` is a fixed text of ours, never anything from outside. */
  write(part: Part, level: LogLevel, message: string, fields: LogFields): void
}

/** A log that writes through `options.write`. */
export function createLog(options: LogOptions): Log {
  let missing = 0
  let sparedUntil = Number.NEGATIVE_INFINITY
  const drop = (reason: 'stalled' | 'output'): void => {
    missing += 1
    options.dropped(reason)
  }
  const root = pino(
    {
      level: options.level,
      base: {
        'ecs.version': '8.11.0',
        'service.name': 'govuk-chat-frontend',
        'service.version': options.version,
        'service.environment': options.environment,
        'service.node.name': options.node,
        'process.pid': process.pid,
      },
      messageKey: 'message',
      timestamp: () => `,"@timestamp":"${new Date(options.now()).toISOString()}"`,
      formatters: { level: (label) => ({ 'log.level': label }) },
    },
    { write: (line: string) => options.write(options.form === 'json' ? line : consoleForm(line)) },
  )
  const children = new Map<Part, pino.Logger>()
  const childOf = (part: Part): pino.Logger => {
    const known = children.get(part)
    if (known !== undefined) return known
    const child = root.child({ 'log.logger': part })
    children.set(part, child)
    return child
  }
  return {
    write(part, level, message, fields) {
      const child = childOf(part)
      if (!child.isLevelEnabled(level)) return
      const startedAt = options.monotonic()
      if (startedAt < sparedUntil && (level === 'debug' || level === 'info')) return drop('stalled')
      try {
        child[level](missing === 0 ? fields : { ...fields, 'log.missing_lines': missing }, message)
        missing = 0
      } catch {
        // Nowhere is left to say so but the next line.
        drop('output')
      }
      const endedAt = options.monotonic()
      if (endedAt - startedAt >= SLOW_MS) sparedUntil = endedAt + SPARED_MS
    },
  }
}
