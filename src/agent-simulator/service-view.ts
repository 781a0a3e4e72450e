/**
 * What the service that asks this agent says of itself meanwhile, for the person who breaks the agent and watches.
 *
 * Read from the service's own addresses, as anybody on its machine may: the level and the checks from `/health`, breakers and waiting
 * questions from what is for operators, where that is open to this machine.
 */
import * as v from 'valibot'
import { SERVICE_BODY_CHARS_MAX } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import { withTimeLimit } from '../resilience/deadline.ts'

export interface BreakerView {
  readonly name: string
  readonly state: string
  /** Milliseconds until it lets somebody through, 0 when it does. */
  readonly retryAfterMs: number
}

export type ServiceView =
  /** It does not answer, or not as this service does. */
  | { readonly status: 'silent'; readonly url: string }
  | {
      readonly status: 'heard'
      readonly url: string
      readonly level: string
      readonly checks: readonly { readonly name: string; readonly status: string }[]
      /** `undefined`: not for us to see. */
      readonly breakers: readonly BreakerView[] | undefined
      readonly waiting: number | undefined
    }

/** One GET; the text of the answer, whatever its status. Rejects when there is none. */
export type FetchText = (url: string, signal: AbortSignal) => Promise<string>

/** Nobody who looks at the page waits longer for a service that does not answer. */
const READ_MS = 1_000

const statusSchema = v.object({ level: v.string() })
const healthSchema = v.object({ services: v.record(v.string(), v.object({ status: v.string() })) })
const detailsSchema = v.object({
  circuitBreakers: v.array(v.object({ name: v.string(), state: v.string(), retryAfterMs: v.number() })),
})

/** Reads what the service at `url` says now. Never rejects. */
export function createServiceReader(url: string, fetchText: FetchText, clock: Clock): () => Promise<ServiceView> {
  const read = async (path: string): Promise<string | undefined> => {
    try {
      const limit = { service: 'service', kind: 'attempt', ms: READ_MS } as const
      const text = await withTimeLimit((signal) => fetchText(`${url}${path}`, signal), limit, clock)
      return text.length > SERVICE_BODY_CHARS_MAX ? undefined : text
    } catch {
      // Not there, or not for us: the page says which of the two.
      return undefined
    }
  }
  return async () => {
    const [status, health, details, metrics] = await Promise.all(
      ['/api/v1/status', '/health', '/health/detailed', '/metrics'].map((path) => read(path)),
    )
    const level = parsed(status, statusSchema)?.level
    if (level === undefined) return { status: 'silent', url }
    const services = parsed(health, healthSchema)?.services ?? {}
    return {
      status: 'heard',
      url,
      level,
      checks: Object.entries(services).map(([name, check]) => ({ name, status: check.status })),
      breakers: parsed(details, detailsSchema)?.circuitBreakers,
      waiting: waitingIn(metrics),
    }
  }
}

function parsed<Schema extends v.GenericSchema>(text: string | undefined, schema: Schema): v.InferOutput<Schema> | undefined {
  if (text === undefined) return undefined
  try {
    const result = v.safeParse(schema, JSON.parse(text))
    return result.success ? result.output : undefined
  } catch {
    // Something else answers there.
    return undefined
  }
}

/** Questions without an outcome, from the metrics in Prometheus text. */
function waitingIn(metrics: string | undefined): number | undefined {
  const [, count] = /^chat_integrity_questions\{state="waiting"\} (\d+)$/m.exec(metrics ?? '') ?? []
  return count === undefined ? undefined : Number(count)
}
