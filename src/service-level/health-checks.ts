/**
 * Runs the health checks and keeps what they said, so that nobody who asks ever waits for a dependency.
 *
 * Each check runs under a time limit of its own and apart from the others: one that throws, hangs or answers late is a
 * failing check and nothing more. Checks run every `intervalMs`; every `failingIntervalMs` while something fails, so that
 * recovery is seen soon; and at once when poked. A breaker that leaves closed counts as its part failing, without a check.
 *
 * Checks talk to dependencies directly, never through a breaker: they take no probe's place and enter no window.
 */
import { type Clock } from '../resilience/clock.ts'
import { TimeoutError, withTimeLimit } from '../resilience/deadline.ts'
import { createHook, type Hook } from '../resilience/hook.ts'
import { numberFaults, refuseFaults } from '../resilience/resilience-error.ts'
import { awayParts, canUseFeature, fallbackAction, INITIAL_LEVEL, nextDeadline, step } from './service-level.ts'
import { type Action, type Component, type FallbackAction, type Feature } from './service-level.ts'
import { type Health, type Hysteresis, type LevelState, type ServiceLevel, type SystemHealth } from './service-level.ts'

/** Resolves when the dependency works; throws, or does not resolve in time, when it does not. Must honour the signal. */
export type HealthCheck = (signal: AbortSignal) => unknown

export interface HealthCheckOptions {
  /** The part that fails with this check; `undefined` only shows. Default by name: `redis` and `sqlite` store, `aiAgent` agent, `websocket` link. */
  readonly component?: Component | undefined
  /** Milliseconds; default the time limit of all. */
  readonly timeoutMs?: number | undefined
}

export interface HealthSettings {
  readonly intervalMs: number
  readonly failingIntervalMs: number
  readonly timeoutMs: number
  readonly hysteresis: Hysteresis
}

/** What one check last said. `at` is wall-clock milliseconds. */
export type CheckResult =
  | { readonly status: 'unknown' }
  | { readonly status: 'healthy'; readonly at: number; readonly tookMs: number }
  | { readonly status: 'unhealthy'; readonly at: number; readonly tookMs: number; readonly error: unknown }

export type HealthEvent =
  | { readonly type: 'level'; readonly from: ServiceLevel; readonly to: ServiceLevel; readonly state: LevelState }
  /** The parts that are away are others than before, whatever that did to the level. */
  | { readonly type: 'away'; readonly away: readonly Component[] }
  | { readonly type: 'check'; readonly name: string; readonly result: CheckResult }

export interface HealthReport {
  readonly state: LevelState
  readonly checks: ReadonlyMap<string, CheckResult>
}

export interface HealthChecks extends Disposable {
  /** @throws SettingsError for a name that is taken or a time limit that cannot work. */
  registerHealthCheck(name: string, check: HealthCheck, options?: HealthCheckOptions): void
  /** Runs every check now, or joins the run that is going on, and resolves with what is known then. Never rejects. */
  assessSystemHealth(): Promise<HealthReport>
  /** What is known, without asking anybody. */
  report(): HealthReport
  getCurrentLevel(): ServiceLevel
  canUseFeature(feature: Feature): boolean
  /** `undefined`: the action works as usual. */
  getFallbackAction(action: Action): FallbackAction | undefined
  /** A breaker of `component` moved: whether it is closed now. Counts at once, and the checks run at once. */
  breakerMoved(component: Component, service: string, isClosed: boolean): void
  /** Something happened; do not wait for the next round. */
  poke(): void
  /** Hears each change of level once, and each result, until the returned function is called. */
  subscribe(listener: (event: HealthEvent) => void): () => void
  listenerFaults(): number
  /**
   * Runs the checks now and then for ever, until disposed of.
   *
   * @throws SettingsError when a part has no check: it could never be found working, so the level never `full`.
   */
  start(): void
}

interface Registered {
  readonly name: string
  readonly check: HealthCheck
  readonly component: Component | undefined
  readonly timeoutMs: number
}

const COMPONENTS: readonly Component[] = ['store', 'agent', 'link']
const COMPONENT_OF: ReadonlyMap<string, Component> = new Map([
  ['redis', 'store'],
  ['sqlite', 'store'],
  ['aiAgent', 'agent'],
  ['websocket', 'link'],
])
/** Calls of one check that may hang at a time; beyond, it fails without being asked. */
const HANGING_MAX = 3
/** A poke during a round starts the next one no sooner than this after it. */
const POKE_GAP_MS = 250
const NOT_YET: CheckResult = { status: 'unknown' }

/** Hears what a subscribed listener failed of; must not throw. */
type ListenerFault = (error: unknown) => void

class PeriodicHealthChecks implements HealthChecks {
  readonly #settings: HealthSettings
  readonly #clock: Clock
  readonly #onListenerFault: ListenerFault | undefined
  readonly #checks = new Map<string, Registered>()
  readonly #results = new Map<string, CheckResult>()
  /** Calls that have not ended, those nobody waits for any more included. */
  readonly #running = new Map<string, number>()
  /** Services whose breaker is not closed, by part. */
  readonly #tripped: Readonly<Record<Component, Set<string>>> = { store: new Set(), agent: new Set(), link: new Set() }
  readonly #hooks = new Set<Hook<HealthEvent>>()
  readonly #stopped = new AbortController()
  #state: LevelState = INITIAL_LEVEL
  #round: Promise<void> | undefined
  #isPokedInRound = false
  #isStarted = false
  #cancelRound: (() => void) | undefined
  #cancelHold: (() => void) | undefined

  constructor(settings: HealthSettings, clock: Clock, onListenerFault: ListenerFault | undefined) {
    this.#settings = settings
    this.#clock = clock
    this.#onListenerFault = onListenerFault
  }

  registerHealthCheck(name: string, check: HealthCheck, options: HealthCheckOptions = {}): void {
    const timeoutMs = options.timeoutMs ?? this.#settings.timeoutMs
    refuseFaults('health check', [
      ...(this.#checks.has(name) ? [`${name} is taken`] : []),
      ...numberFaults([{ name: `${name}.timeoutMs`, value: timeoutMs, min: 1 }]),
    ])
    const component = 'component' in options ? options.component : COMPONENT_OF.get(name)
    this.#checks.set(name, { name, check, component, timeoutMs })
    this.#results.set(name, NOT_YET)
  }

  start(): void {
    const covered = new Set(Array.from(this.#checks.values(), ({ component }) => component))
    const missing = COMPONENTS.filter((component) => !covered.has(component))
    refuseFaults(
      'health checks',
      missing.map((component) => `${component} has no check`),
    )
    if (this.#isStarted) return
    this.#isStarted = true
    this.poke()
  }

  async assessSystemHealth(): Promise<HealthReport> {
    await this.#runRound()
    return this.report()
  }

  report(): HealthReport {
    return { state: this.#state, checks: new Map(this.#results) }
  }

  getCurrentLevel(): ServiceLevel {
    return this.#state.level
  }

  canUseFeature(feature: Feature): boolean {
    return canUseFeature(this.#state.level, feature)
  }

  getFallbackAction(action: Action): FallbackAction | undefined {
    return fallbackAction(this.#state, action)
  }

  breakerMoved(component: Component, service: string, isClosed: boolean): void {
    if (isClosed) this.#tripped[component].delete(service)
    else this.#tripped[component].add(service)
    this.#assess()
    this.poke()
  }

  poke(): void {
    if (!this.#isStarted || this.#stopped.signal.aborted) return
    // A run that is going on may have asked before whatever this poke is about.
    if (this.#round !== undefined) this.#isPokedInRound = true
    else void this.#runRound() // it never rejects: every check's failure is a result
  }

  subscribe(listener: (event: HealthEvent) => void): () => void {
    const hook = createHook(listener, this.#onListenerFault)
    this.#hooks.add(hook)
    return () => void this.#hooks.delete(hook)
  }

  listenerFaults(): number {
    return Array.from(this.#hooks, (hook) => hook.faults).reduce((sum, faults) => sum + faults, 0)
  }

  [Symbol.dispose](): void {
    this.#stopped.abort()
    this.#cancelRound?.()
    this.#cancelHold?.()
  }

  #runRound(): Promise<void> {
    this.#round ??= this.#runAll()
    return this.#round
  }

  async #runAll(): Promise<void> {
    this.#cancelRound?.()
    await Promise.all(Array.from(this.#checks.values(), (registered) => this.#runOne(registered)))
    this.#round = undefined
    if (!this.#isStarted || this.#stopped.signal.aborted) return
    const { intervalMs, failingIntervalMs } = this.#settings
    const isTripped = COMPONENTS.some((component) => this.#tripped[component].size > 0)
    const isFailing = isTripped || Array.from(this.#results.values()).some(({ status }) => status === 'unhealthy')
    const waitMs = isFailing || nextDeadline(this.#state) !== undefined ? failingIntervalMs : intervalMs
    const isPoked = this.#isPokedInRound
    this.#isPokedInRound = false
    this.#cancelRound = this.#clock.schedule(isPoked ? POKE_GAP_MS : waitMs, () => this.poke())
  }

  async #runOne({ name, check, timeoutMs }: Registered): Promise<void> {
    const startedAt = this.#clock.monotonic()
    const limit = { service: name, kind: 'attempt', ms: timeoutMs } as const
    const result = await withTimeLimit((signal) => this.#ask(name, check, signal), limit, this.#clock, this.#stopped.signal).then(
      () => ({ status: 'healthy', ...this.#timing(startedAt) }) as const,
      (error: unknown) => ({ status: 'unhealthy', ...this.#timing(startedAt), error }) as const,
    )
    if (this.#stopped.signal.aborted) return // being stopped says nothing about the dependency
    this.#results.set(name, result)
    this.#emit({ type: 'check', name, result })
    this.#assess()
  }

  async #ask(name: string, check: HealthCheck, signal: AbortSignal): Promise<void> {
    const running = this.#running.get(name) ?? 0
    if (running >= HANGING_MAX) throw new TimeoutError({ service: name, kind: 'attempt', ms: 0 })
    this.#running.set(name, running + 1)
    try {
      await check(signal)
    } finally {
      this.#running.set(name, (this.#running.get(name) ?? 1) - 1)
    }
  }

  #timing(startedAt: number): { readonly at: number; readonly tookMs: number } {
    return { at: this.#clock.now(), tookMs: this.#clock.monotonic() - startedAt }
  }

  /** Takes what is known into the level, and comes back when a recovery will have lasted. */
  #assess(): void {
    if (this.#stopped.signal.aborted) return
    const before = this.#state
    this.#state = step(before, this.#health(), this.#clock.monotonic(), this.#settings.hysteresis)
    this.#cancelHold?.()
    const at = nextDeadline(this.#state)
    if (at !== undefined) this.#cancelHold = this.#clock.schedule(Math.max(0, at - this.#clock.monotonic()), () => this.#assess())
    const { level } = this.#state
    if (level !== before.level) this.#emit({ type: 'level', from: before.level, to: level, state: this.#state })
    const away = awayParts(this.#state)
    if (away.join() !== awayParts(before).join()) this.#emit({ type: 'away', away })
  }

  #health(): SystemHealth {
    return { store: this.#healthOf('store'), agent: this.#healthOf('agent'), link: this.#healthOf('link') }
  }

  /** Failing when any check or breaker says so; working when all checks have said so. */
  #healthOf(component: Component): Health {
    if (this.#tripped[component].size > 0) return 'failing'
    const own = [...this.#checks.values()].filter((registered) => registered.component === component)
    const statuses = own.map(({ name }) => this.#results.get(name)?.status)
    if (statuses.includes('unhealthy')) return 'failing'
    return statuses.length > 0 && statuses.every((status) => status === 'healthy') ? 'working' : 'unknown'
  }

  #emit(event: HealthEvent): void {
    for (const hook of this.#hooks) hook.emit(event)
  }
}

/** @throws SettingsError that lists every fault of `settings`. */
export function createHealthChecks(settings: HealthSettings, clock: Clock, onListenerFault?: ListenerFault): HealthChecks {
  const { intervalMs, failingIntervalMs, timeoutMs, hysteresis } = settings
  refuseFaults(
    'health checks',
    numberFaults([
      { name: 'intervalMs', value: intervalMs, min: 100 },
      { name: 'failingIntervalMs', value: failingIntervalMs, min: 100 },
      { name: 'timeoutMs', value: timeoutMs, min: 1 },
      { name: 'hysteresis.holdMs', value: hysteresis.holdMs, min: 0 },
      { name: 'hysteresis.holdMsMax', value: hysteresis.holdMsMax, min: Math.max(0, hysteresis.holdMs) },
    ]),
  )
  return new PeriodicHealthChecks(settings, clock, onListenerFault)
}
