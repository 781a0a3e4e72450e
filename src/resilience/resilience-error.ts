import { ChatServiceError, type ChatServiceErrorOptions } from '../chat-service-error.ts'

export interface ResilienceErrorOptions extends ChatServiceErrorOptions {
  /** The service that was called: `ai-agent`, `redis`, … */
  readonly service: string
  /** Milliseconds after which another try is worth it, where that is known. */
  readonly retryAfterMs: number | undefined
  /**
   * Whether the error says something about the service. A full bulkhead or a caller with little time left says
   * nothing about it, so breakers ignore those.
   */
  readonly blamesService: boolean
}

/** Base of what this module refuses or cuts short. */
export class ResilienceError extends ChatServiceError {
  override name = 'ResilienceError'
  readonly service: string
  readonly retryAfterMs: number | undefined
  readonly blamesService: boolean

  constructor(message: string, options: ResilienceErrorOptions) {
    super(message, options)
    this.service = options.service
    this.retryAfterMs = options.retryAfterMs
    this.blamesService = options.blamesService
  }
}

/**
 * Makes a refusal without the stack of where it was refused: that place is always the same, and walking the stack costs
 * several times the rest of a refused call, of which there are most when the machine has least to spare.
 */
export function withoutStack<Refused extends ResilienceError>(make: () => Refused): Refused {
  const limit: unknown = Reflect.get(Error, 'stackTraceLimit')
  // Where the runtime has no such limit, or does not let it be set, the error has its stack.
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return make()
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit)
  }
}

/** Settings that cannot work. Not retryable: someone must change them. */
export class SettingsError extends ChatServiceError {
  override name = 'SettingsError'
  /** Every fault found, one sentence each. */
  readonly faults: readonly string[]

  constructor(what: string, faults: readonly string[]) {
    super(`${what}: ${faults.join('; ')}`, { code: 'SETTINGS_ERROR', statusCode: 500, isRetryable: false })
    this.faults = faults
  }
}

/** One numeric setting and what it may be. */
export interface NumberRule {
  readonly name: string
  readonly value: number
  readonly min: number
  readonly max?: number
  readonly isWhole?: boolean
}

/** One sentence for each number that breaks its rule; empty when all is well. */
export function numberFaults(rules: readonly NumberRule[]): readonly string[] {
  return rules.flatMap(({ name, value, min, max = Number.MAX_SAFE_INTEGER, isWhole = false }) => {
    if (Number.isFinite(value) && value >= min && value <= max && (!isWhole || Number.isInteger(value))) return []
    const kind = isWhole ? 'a whole number' : 'a number'
    return [`${name} must be ${kind} from ${min} to ${max}, not ${value}`]
  })
}

/** @throws SettingsError with all of `faults`, when there are any. */
export function refuseFaults(what: string, faults: readonly string[]): void {
  if (faults.length > 0) throw new SettingsError(what, faults)
}
