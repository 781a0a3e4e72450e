/**
 * Lets a circuit breaker speak for its part of the service: while it refuses every call, that part counts as failing.
 */
import { type BreakerRegistry } from '../resilience/breaker-registry.ts'
import { type Breaker } from '../resilience/breaker.ts'
import { type HealthChecks } from './health-checks.ts'
import { type Component } from './service-level.ts'

/**
 * `component` counts as away from the moment `breaker` refuses calls. A breaker whose time is over refuses nobody, but moves only
 * when somebody asks: from then on the checks decide, or a service that nobody asks anything would stay limited for ever.
 *
 * `parts.invitedBy` names a check that does what calls do: when it has found the service working, an open breaker need not wait.
 */
export function followBreaker(breaker: Breaker, component: Component, parts: FollowParts): void {
  const { breakers, health, invitedBy } = parts
  let isOpen = false
  const follow = (): void => {
    const wasOpen = isOpen
    isOpen = refusesAll(breaker) ?? isOpen
    if (isOpen !== wasOpen) health.breakerMoved(component, breaker.name, !isOpen)
  }
  breakers.subscribe(({ service }) => {
    if (service === breaker.name) follow()
  })
  health.subscribe((event) => {
    if (event.type !== 'check') return
    if (event.name === invitedBy && event.result.status === 'healthy') breaker.invite()
    follow()
  })
}

export interface FollowParts {
  readonly breakers: Pick<BreakerRegistry, 'subscribe'>
  readonly health: Pick<HealthChecks, 'subscribe' | 'breakerMoved'>
  readonly invitedBy?: string | undefined
}

/** `undefined` while half-open: what the probe finds will tell. */
function refusesAll(breaker: Breaker): boolean | undefined {
  const { state, retryAfterMs } = breaker.stats()
  switch (state) {
    case 'closed':
      return false
    case 'open':
      return retryAfterMs > 0
    case 'half-open':
      return undefined
    case 'isolated':
      return true
  }
}
