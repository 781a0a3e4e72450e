/**
 * The breakers of a process by the name of their service, with one place to watch them all.
 */
import { createBreaker, type Breaker, type BreakerEvent, type BreakerStats } from './breaker.ts'
import { type BreakerSettings } from './breaker-state.ts'
import { type Clock } from './clock.ts'
import { createHook, type Hook } from './hook.ts'
import { refuseFaults } from './resilience-error.ts'

export interface BreakerRegistry {
  /**
   * Makes the breaker of a service, from `{ name, timeout, errorThreshold, resetTimeout, volumeThreshold = 10 }` and more.
   *
   * @throws SettingsError for settings that cannot work, or a name that is taken.
   */
  create(settings: BreakerSettings): Breaker
  get(name: string): Breaker | undefined
  /** State, counts and name of one breaker; `undefined` for a name nobody created. */
  stats(name: string): BreakerStats | undefined
  /** The same of all, in the order of their making. */
  allStats(): readonly BreakerStats[]
  /** Hears every event of every breaker, those made later too, until the returned function is called. */
  subscribe(listener: (event: BreakerEvent) => void): () => void
  /** How often a subscribed listener failed. */
  listenerFaults(): number
}

export interface RegistryPorts {
  readonly clock: Clock
  /** Hears what a subscribed listener failed of; must not throw. */
  readonly onListenerFault?: (error: unknown) => void
}

export function createBreakerRegistry(ports: RegistryPorts): BreakerRegistry {
  const breakers = new Map<string, Breaker>()
  const hooks = new Set<Hook<BreakerEvent>>()
  const publish = (event: BreakerEvent): void => {
    for (const hook of hooks) hook.emit(event)
  }

  return {
    create(settings) {
      refuseFaults('breaker registry', breakers.has(settings.name) ? [`${settings.name} is taken`] : [])
      const breaker = createBreaker(settings, { clock: ports.clock, onEvent: publish })
      breakers.set(settings.name, breaker)
      return breaker
    },
    get: (name) => breakers.get(name),
    stats: (name) => breakers.get(name)?.stats(),
    allStats: () => Array.from(breakers.values(), (breaker) => breaker.stats()),
    subscribe(listener) {
      const hook = createHook(listener, ports.onListenerFault)
      hooks.add(hook)
      return () => void hooks.delete(hook)
    },
    listenerFaults: () => Array.from(hooks, (hook) => hook.faults).reduce((sum, faults) => sum + faults, 0),
  }
}
