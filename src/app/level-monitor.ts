/**
 * Keeps the one word for what the service can do: asks store and agent in the background, and answers from what they last said.
 *
 * A request never waits for a check. Both are asked at an interval, more often while something is away, and soon after anything failed.
 */
import type { Clock } from '../resilience/clock.ts'
import { withTimeLimit } from '../resilience/deadline.ts'
import type { Events } from '../telemetry/events.ts'

export type ServiceLevel = 'full' | 'limited' | 'offline'

/** Rejects when what it asks is not well; must end when the signal aborts. */
export type HealthCheck = (signal: AbortSignal) => Promise<void>

export interface LevelMonitorOptions {
  readonly store: HealthCheck
  readonly agent: HealthCheck
  readonly clock: Clock
  readonly events: Pick<Events, 'levelChanged'>
  readonly intervalMs: number
  readonly timeoutMs: number
}

export interface LevelMonitor extends Disposable {
  /** `offline` until the first check is done. */
  readonly level: ServiceLevel
  readonly isAgentAway: boolean
  /** Resolves when the first check is done; checks go on from then until disposed of. */
  start(): Promise<void>
  /** Something failed: checks soon, and at most once every `SOON_MS`. */
  look(): void
}

interface Health {
  readonly isStoreUp: boolean
  readonly isAgentUp: boolean
}

/** Between checks while something is away, and after a failure; milliseconds. */
const AWAY_INTERVAL_MS = 5_000
const SOON_MS = 500

/** Without the store nothing can be kept; without the agent questions are kept and wait. */
export function levelOf({ isStoreUp, isAgentUp }: Health): ServiceLevel {
  if (!isStoreUp) return 'offline'
  return isAgentUp ? 'full' : 'limited'
}

export function createLevelMonitor(options: LevelMonitorOptions): LevelMonitor {
  const { clock, events, intervalMs, timeoutMs } = options
  const ended = new AbortController()
  let health: Health = { isStoreUp: false, isAgentUp: false }
  let nextAt = Number.POSITIVE_INFINITY
  let callOff: (() => void) | undefined
  let isChecking = false
  let isLookWanted = false

  const isWell = (service: string, check: HealthCheck): Promise<boolean> =>
    withTimeLimit(check, { service, kind: 'attempt', ms: timeoutMs }, clock, ended.signal).then(
      () => true,
      () => false,
    )
  const schedule = (ms: number): void => {
    callOff?.()
    nextAt = clock.monotonic() + ms
    callOff = clock.schedule(ms, () => void check())
  }
  const check = async (): Promise<void> => {
    isChecking = true
    const [isStoreUp, isAgentUp] = await Promise.all([isWell('store', options.store), isWell('agent', options.agent)])
    isChecking = false
    if (ended.signal.aborted) return
    const from = levelOf(health)
    health = { isStoreUp, isAgentUp }
    const to = levelOf(health)
    if (from !== to) events.levelChanged({ from, to, isStoreUp, isAgentUp })
    if (isLookWanted) schedule(SOON_MS)
    else schedule(to === 'full' ? intervalMs : Math.min(intervalMs, AWAY_INTERVAL_MS))
    isLookWanted = false
  }

  return {
    get level() {
      return levelOf(health)
    },
    get isAgentAway() {
      return !health.isAgentUp
    },
    start: check,
    look() {
      if (isChecking) isLookWanted = true
      else if (nextAt - clock.monotonic() > SOON_MS) schedule(SOON_MS)
    },
    [Symbol.dispose]() {
      callOff?.()
      ended.abort(new Error('the service has stopped'))
    },
  }
}
