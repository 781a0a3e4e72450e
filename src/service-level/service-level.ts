/**
 * What the service can do now, from what its parts can do. Pure.
 *
 * - `full`: store, agent and live link all work.
 * - `limited`: the store works; the agent or the live link, or both, do not. Questions can still be kept.
 * - `offline`: the store does not work, or has not answered yet.
 *
 * Each part is `unknown` until it is first heard of, then `working` or `away`. Away is believed at once; working again
 * is believed when it has lasted `holdMs`. A part that fails again soon after it was believed must hold twice as long
 * next time, up to `holdMsMax`, so a part that comes and goes does not make the page flicker.
 */
export type ServiceLevel = 'full' | 'limited' | 'offline'
export type Component = 'store' | 'agent' | 'link'
export type Health = 'working' | 'failing' | 'unknown'
export type SystemHealth = Readonly<Record<Component, Health>>

/** Things that may or may not be on offer; the words of the status API. */
export type Feature = 'websocket' | 'ai-agent' | 'session-storage' | 'real-time' | 'message-queue' | 'static-content'

/** Things people do that need another way when something is away. */
export type Action = 'send-message' | 'read-messages'

/** The other way. `queue`: keep the question and answer it later. `stored`: show what is kept. `offline`: say so; the text stays with the person. */
export type FallbackAction =
  | { readonly type: 'queue'; readonly status: 'queued' }
  | { readonly type: 'stored' }
  | { readonly type: 'offline'; readonly status: 'offline' }

export interface LevelFacts {
  readonly description: string
  readonly features: readonly Feature[]
}

export const LEVELS: Readonly<Record<ServiceLevel, LevelFacts>> = {
  full: {
    description: 'Everything works',
    features: ['websocket', 'ai-agent', 'session-storage', 'real-time'],
  },
  limited: {
    description: 'Questions are kept; answers or live updates may have to wait',
    features: ['session-storage', 'message-queue'],
  },
  offline: {
    description: 'Questions cannot be kept now; only fixed pages are served',
    features: ['static-content'],
  },
}

export interface Hysteresis {
  /** Milliseconds a part must work before it is believed. */
  readonly holdMs: number
  /** Milliseconds it must work at most, after having come and gone. */
  readonly holdMsMax: number
}

/** A part that came and went must work at most so many times as long as one that failed once. */
const HOLD_TIMES_MAX = 6

/** `holdMs`: milliseconds that a part must work before it is believed. */
export const hysteresisOf = (holdMs: number): Hysteresis => ({ holdMs, holdMsMax: holdMs * HOLD_TIMES_MAX })

/** More than the 6 seconds between ten flaps a minute, and short enough for people who wait. */
export const HYSTERESIS: Hysteresis = hysteresisOf(10_000)

export type ComponentState =
  | { readonly status: 'unknown' }
  | { readonly status: 'working'; readonly since: number; readonly holdMs: number }
  | {
      readonly status: 'away'
      /** When it began to work again, if it does; monotonic milliseconds. */
      readonly betterSince: number | undefined
      readonly holdMs: number
    }

export interface LevelState {
  readonly level: ServiceLevel
  readonly components: Readonly<Record<Component, ComponentState>>
}

const COMPONENTS: readonly Component[] = ['store', 'agent', 'link']
const UNKNOWN: ComponentState = { status: 'unknown' }

/** Nothing has been heard of yet: `offline`, because no question could be kept. */
export const INITIAL_LEVEL: LevelState = { level: 'offline', components: { store: UNKNOWN, agent: UNKNOWN, link: UNKNOWN } }

/** The state after hearing `health` at the monotonic time `now`; the same one when that is no news. */
export function step(state: LevelState, health: SystemHealth, now: number, hysteresis: Hysteresis): LevelState {
  const { store, agent, link } = state.components
  const components = {
    store: stepComponent(store, health.store, now, hysteresis),
    agent: stepComponent(agent, health.agent, now, hysteresis),
    link: stepComponent(link, health.link, now, hysteresis),
  }
  if (COMPONENTS.every((name) => components[name] === state.components[name])) return state
  return { level: levelOf(components), components }
}

function stepComponent(state: ComponentState, health: Health, now: number, hysteresis: Hysteresis): ComponentState {
  switch (health) {
    case 'unknown':
      return state
    case 'failing':
      return stepFailing(state, now, hysteresis)
    case 'working':
      return stepWorking(state, now, hysteresis)
  }
}

function stepFailing(state: ComponentState, now: number, { holdMs, holdMsMax }: Hysteresis): ComponentState {
  switch (state.status) {
    case 'unknown':
      return { status: 'away', betterSince: undefined, holdMs }
    case 'working': {
      const isSoon = now - state.since < holdMsMax
      return { status: 'away', betterSince: undefined, holdMs: isSoon ? Math.min(state.holdMs * 2, holdMsMax) : holdMs }
    }
    case 'away':
      return state.betterSince === undefined ? state : { ...state, betterSince: undefined }
  }
}

function stepWorking(state: ComponentState, now: number, { holdMs }: Hysteresis): ComponentState {
  switch (state.status) {
    case 'unknown':
      // There is nothing to flicker yet, and a start must not wait for the hold. It has never failed: no doubling later.
      return { status: 'working', since: Number.NEGATIVE_INFINITY, holdMs }
    case 'working':
      return state
    case 'away':
      if (state.betterSince === undefined) return { ...state, betterSince: now }
      return now - state.betterSince >= state.holdMs ? { status: 'working', since: now, holdMs: state.holdMs } : state
  }
}

function levelOf({ store, agent, link }: LevelState['components']): ServiceLevel {
  if (store.status !== 'working') return 'offline'
  return agent.status === 'working' && link.status === 'working' ? 'full' : 'limited'
}

/** The parts that are not believed to work. */
export const awayParts = ({ components }: Pick<LevelState, 'components'>): readonly Component[] =>
  COMPONENTS.filter((name) => components[name].status !== 'working')

/** When a part that works again will be believed: the earliest monotonic time at which `step` is worth calling without news. */
export function nextDeadline(state: LevelState): number | undefined {
  const times = COMPONENTS.flatMap((name) => {
    const component = state.components[name]
    return component.status === 'away' && component.betterSince !== undefined ? [component.betterSince + component.holdMs] : []
  })
  return times.length === 0 ? undefined : Math.min(...times)
}

/** Whether a feature is on offer at this level. */
export function canUseFeature(level: ServiceLevel, feature: Feature): boolean {
  return LEVELS[level].features.includes(feature)
}

/**
 * The other way for `action`, or `undefined` when it works as usual. With only the live link away questions are
 * answered as usual, over SSE or plain pages, so sending depends on the agent and not on the level alone.
 */
export function fallbackAction(state: LevelState, action: Action): FallbackAction | undefined {
  switch (state.level) {
    case 'full':
      return undefined
    case 'limited':
      if (action === 'read-messages') return { type: 'stored' }
      return state.components.agent.status === 'working' ? undefined : { type: 'queue', status: 'queued' }
    case 'offline':
      return { type: 'offline', status: 'offline' }
  }
}

/** Whether a load balancer should send people here. */
export type Readiness =
  | { readonly status: 'ready' }
  | { readonly status: 'not ready'; readonly reason: 'system offline' | 'draining' | 'starting' }

export interface ReadinessFacts {
  readonly level: ServiceLevel
  readonly phase: 'starting' | 'running' | 'draining'
  /** `READY_WHEN_OFFLINE`: people shall get our offline page, not the load balancer's. */
  readonly isReadyWhenOffline: boolean
}

/** `limited` is ready: that is what it is for. */
export function readiness({ level, phase, isReadyWhenOffline }: ReadinessFacts): Readiness {
  if (phase !== 'running') return { status: 'not ready', reason: phase }
  return level === 'offline' && !isReadyWhenOffline ? { status: 'not ready', reason: 'system offline' } : { status: 'ready' }
}

/** Milliseconds a client is asked to stay away: `baseMs` to one and a half times that, so that they do not all come back at once. */
export function spreadRetryAfterMs(baseMs: number, chance: () => number): number {
  return Math.round(baseMs * (1 + chance() / 2))
}
