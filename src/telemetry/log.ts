/**
 * The log: one line of JSON an event, in ECS field names, written before the call returns.
 *
 * Purpose: the only file that names pino. Lines are written synchronously, so none is lost when the process ends.
 * Guarantees: never throws; a line that could not be written is counted, and the next one that can be says how many are missing.
 * It does not know what events there are (`events-log.ts`) nor where lines go (`app/ports.ts`).
 */
import pino from 'pino'
import { consoleForm } from './console-form.ts'
import type { WriteLogFiles } from './log-files.ts'

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
  /** To the output. */
  readonly write: LineWriter
  /** To files, as JSON whatever the form of the output. */
  readonly writeFiles: WriteLogFiles | undefined
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
  const output = createOutput(options)
  // pino knows the level of a line and does not tell; it writes before it returns.
  let level: LogLevel = 'info'
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
    {
      write(line: string) {
        options.writeFiles?.(level, line)
        output.write(level, line)
      },
    },
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
    write(part, given, message, fields) {
      const child = childOf(part)
      if (!child.isLevelEnabled(given)) return
      level = given
      const { missing } = output
      try {
        child[given](missing === 0 ? fields : { ...fields, 'log.missing_lines': missing }, message)
      } catch {
        // Neither files nor output throw, and a line that cannot even be made is missing like any other.
        output.miss('output')
      }
    },
  }
}

interface Output {
  write(level: LogLevel, line: string): void
  /** Lines that were not written since the last one that was. */
  readonly missing: number
  miss(reason: 'stalled' | 'output'): void
}

/** The output, which may be full, closed, or read by somebody who has stalled: then it costs as few lines and as little time as can be. */
function createOutput({ form, write, monotonic, dropped }: LogOptions): Output {
  let missing = 0
  let sparedUntil = Number.NEGATIVE_INFINITY
  const miss = (reason: 'stalled' | 'output'): void => {
    missing += 1
    dropped(reason)
  }
  return {
    get missing() {
      return missing
    },
    miss,
    write(level, line) {
      const startedAt = monotonic()
      if (startedAt < sparedUntil && (level === 'debug' || level === 'info')) return miss('stalled')
      try {
        write(form === 'json' ? line : consoleForm(line))
        missing = 0
      } catch {
        // Nowhere is left to say so but the next line.
        miss('output')
      }
      const endedAt = monotonic()
      if (endedAt - startedAt >= SLOW_MS) sparedUntil = endedAt + SPARED_MS
    },
  }
}
