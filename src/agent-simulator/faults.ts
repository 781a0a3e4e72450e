/**
 * Decides what the simulated agent does wrong, and when. Pure: script, seed and the number of occasions so far say everything.
 *
 * An *occasion* is what a fault strikes at: a handshake for faults that keep people out or say nothing (refused, flapping, silent,
 * rate-limited at the handshake), a question for all others. A step with `count` ends after that many occasions, one with `ms`
 * after that time; after the last step the agent is normal, unless the script repeats.
 */
import type { Plan, Step } from './fault.ts'

export type Occasion = 'handshake' | 'question'

/** How an answer ends. `after` counts words. */
export type Ending =
  | { readonly type: 'finish' }
  | { readonly type: 'hang'; readonly after: number }
  | { readonly type: 'error'; readonly after: number; readonly retryable: boolean }
  | { readonly type: 'garbage'; readonly after: number; readonly kind: Extract<Step, { fault: 'garbage' }>['kind']; readonly pick: number }
  | { readonly type: 'cut'; readonly after: number }

export type Decision =
  /** As it should be. */
  | { readonly type: 'pass' }
  | { readonly type: 'refuse'; readonly status: number; readonly retryAfterMs: number | undefined }
  | { readonly type: 'limit'; readonly retryAfterMs: number }
  | { readonly type: 'silence' }
  | { readonly type: 'answer'; readonly pace: Partial<Pace>; readonly by: 'word' | 'letter'; readonly ending: Ending }

export interface Pace {
  /** Milliseconds to the first part … */
  readonly firstMs: number
  /** … and between two. */
  readonly chunkMs: number
}

/** `refusing`: nobody new gets in, what runs goes on. `gone`: what runs is cut as well. */
export type Door = 'open' | 'silent' | 'refusing' | 'gone'

export interface FaultState {
  readonly plan: Plan
  readonly seed: number
  /** The step in force; beyond the last: normal for good. */
  readonly index: number
  /** Occasions of this step so far. */
  readonly used: number
  /** Monotonic milliseconds at which the step came into force. */
  readonly since: number
  /** Occasions of all steps: with the seed, all chance. */
  readonly occasions: number
  readonly window: { readonly start: number; readonly used: number } | undefined
}

const NORMAL: Step = { fault: 'normal', rate: 1 }
const PASS: Decision = { type: 'pass' }
const GONE_STATUS = 503

/** The state in which `plan` begins at `now`; `seed` counts where the plan has none. */
export const startFaults = (plan: Plan, seed: number, now: number): FaultState => ({
  plan,
  seed: plan.seed ?? seed,
  index: 0,
  used: 0,
  since: now,
  occasions: 0,
  window: undefined,
})

export const stepInForce = ({ plan, index }: FaultState): Step => plan.script[index] ?? NORMAL

/** The state at `now`: steps whose time is over are behind. The same one when none is. */
export function advance(state: FaultState, now: number): FaultState {
  const { script, repeat } = state.plan
  const lap = repeat && script.every((step) => step.ms !== undefined) ? script.reduce((sum, step) => sum + (step.ms ?? 0), 0) : 0
  // Whole laps are taken at once, however long nobody asked.
  const laps = lap > 0 ? Math.floor((now - state.since) / lap) - 1 : 0
  let next = laps > 0 ? { ...state, used: 0, window: undefined, since: state.since + laps * lap } : state
  for (;;) {
    const step = script[next.index]
    if (step?.ms === undefined || now - next.since < step.ms) return next
    next = following(next, next.since + step.ms)
  }
}

function following(state: FaultState, since: number): FaultState {
  const index = state.index + 1
  const { script, repeat } = state.plan
  return { ...state, index: repeat && index >= script.length ? 0 : index, used: 0, since, window: undefined }
}

/** What happens at this occasion, and the state after it. */
export function decide(before: FaultState, occasion: Occasion, now: number): readonly [FaultState, Decision] {
  const state = advance(before, now)
  const step = stepInForce(state)
  if (occasionOf(step) !== occasion) return [state, PASS]
  const isStruck = chanceAt(state.seed, state.occasions) < step.rate
  const [windowed, decision] = isStruck ? strike(state, step, now) : [state, PASS]
  const counted = { ...windowed, used: state.used + 1, occasions: state.occasions + 1 }
  return [step.count !== undefined && counted.used >= step.count ? following(counted, now) : counted, decision]
}

/** How things stand for whoever is connected already. */
export function doorOf(before: FaultState, now: number): Door {
  const state = advance(before, now)
  const step = stepInForce(state)
  if (step.fault === 'flapping') return isDown(step, state.since, now) ? 'gone' : 'open'
  if (step.rate < 1) return 'open'
  if (step.fault === 'silent') return 'silent'
  return step.fault === 'refused' ? 'refusing' : 'open'
}

function occasionOf(step: Step): Occasion {
  if (step.fault === 'rate-limited') return step.at
  return step.fault === 'refused' || step.fault === 'flapping' || step.fault === 'silent' ? 'handshake' : 'question'
}

const isDown = (step: Extract<Step, { fault: 'flapping' }>, since: number, now: number): boolean =>
  (now - since) % (step.upMs + step.downMs) >= step.upMs

function strike(state: FaultState, step: Step, now: number): readonly [FaultState, Decision] {
  switch (step.fault) {
    case 'normal':
      return [state, PASS]
    case 'silent':
      return [state, { type: 'silence' }]
    case 'refused':
      return [state, { type: 'refuse', status: step.status, retryAfterMs: undefined }]
    case 'flapping':
      return [state, isDown(step, state.since, now) ? { type: 'refuse', status: GONE_STATUS, retryAfterMs: undefined } : PASS]
    case 'rate-limited':
      return limit(state, step, now)
    case 'slow':
      return [state, answer({ type: 'finish' }, { firstMs: step.firstMs, chunkMs: step.chunkMs })]
    case 'dribble':
      return [state, { ...answer({ type: 'finish' }, { chunkMs: step.chunkMs }), by: 'letter' }]
    case 'hang':
      return [state, answer({ type: 'hang', after: step.afterWords })]
    case 'cut':
      return [state, answer({ type: 'cut', after: step.afterWords })]
    case 'error':
      return [state, answer({ type: 'error', after: step.afterWords, retryable: step.retryable })]
    case 'garbage': {
      // Another draw than the one that decided about striking.
      const pick = chanceAt(state.seed ^ 0x5bd1e995, state.occasions)
      return [state, answer({ type: 'garbage', after: step.afterWords, kind: step.kind, pick })]
    }
  }
}

const answer = (ending: Ending, pace: Partial<Pace> = {}): Extract<Decision, { type: 'answer' }> => ({
  type: 'answer',
  pace,
  by: 'word',
  ending,
})

function limit(state: FaultState, step: Extract<Step, { fault: 'rate-limited' }>, now: number): readonly [FaultState, Decision] {
  const isOver = state.window === undefined || now - state.window.start >= step.windowMs
  const window = isOver || state.window === undefined ? { start: now, used: 0 } : state.window
  if (window.used < step.allowed) return [{ ...state, window: { ...window, used: window.used + 1 } }, PASS]
  const retryAfterMs = Math.ceil(window.start + step.windowMs - now)
  return [{ ...state, window }, step.at === 'question' ? { type: 'limit', retryAfterMs } : { type: 'refuse', status: 429, retryAfterMs }]
}

/** A number in [0, 1) that is the same for the same seed and place, and else unrelated (splitmix32). */
export function chanceAt(seed: number, place: number): number {
  let mixed = (seed + Math.imul(place + 1, 0x9e3779b9)) | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
}
