/**
 * How the service stands, as pages, API and links say it: the level, the parts that are away, and, while answers take long, how long.
 *
 * The last is what answers really took here lately, or nothing. Questions that waited for an agent that was away say nothing about how
 * long the next one takes, so they do not count.
 */
import type { TurnId } from '../conversation/ids.ts'
import { isSameStanding, type ServiceStanding } from '../protocol/protocol.ts'
import type { Clock } from '../resilience/clock.ts'
import type { HealthChecks } from '../service-level/health-checks.ts'
import { awayParts } from '../service-level/service-level.ts'
import type { Events } from '../telemetry/events.ts'

export interface Standing {
  readonly standing: () => ServiceStanding
  /** Calls back at each change until the returned function is called. That answers take long is also forgotten with time, which nobody is told. */
  readonly onChange: (listener: () => void) => () => void
  /** The same events, listened to. */
  readonly hearing: (events: Events) => Events
}

/** So many answers of so long ago at most are what counts, and fewer than the least say nothing. */
const ANSWERS_MAX = 20
const ANSWERS_MIN = 5
const REMEMBERED_MS = 10 * 60_000
/** It is said from here on … */
const LONG_MS = 60_000
/** … until answers take less than this, so that it does not come and go. */
const SHORT_MS = 45_000
/** What people read is whole minutes. */
const MINUTE_MS = 60_000
/** Turns that were given other help and have not ended. */
const HELPED_MAX = 10_000

interface Ended {
  readonly at: number
  readonly tookMs: number
}

export function createStanding(health: Pick<HealthChecks, 'report' | 'subscribe'>, clock: Clock): Standing {
  const listeners = new Set<() => void>()
  const helped = new Set<TurnId>()
  let ended: readonly Ended[] = []
  let current = take(undefined)

  function take(answersTakeMs: number | undefined): ServiceStanding {
    const { state } = health.report()
    const away = awayParts(state)
    return { level: state.level, away: away.length === 0 ? undefined : [...away], answersTakeMs }
  }

  function change(next: ServiceStanding): void {
    if (isSameStanding(current, next)) return
    current = next
    for (const listener of listeners) listener()
  }

  function forget(): void {
    const since = clock.monotonic() - REMEMBERED_MS
    if ((ended[0]?.at ?? since) >= since) return
    ended = ended.filter(({ at }) => at >= since)
    current = { ...current, answersTakeMs: howLong(ended, current.answersTakeMs !== undefined) }
  }

  function heardEnd({ turn, outcome, tookMs }: Parameters<Events['turnEnded']>[0]): void {
    if (helped.delete(turn) || outcome !== 'complete') return
    ended = [...ended, { at: clock.monotonic(), tookMs }].slice(-ANSWERS_MAX)
    change({ ...current, answersTakeMs: howLong(ended, current.answersTakeMs !== undefined) })
  }

  health.subscribe((event) => {
    if (event.type === 'away') change(take(current.answersTakeMs))
  })
  return {
    standing() {
      forget()
      return current
    },
    onChange(listener) {
      const told = (): void => listener()
      listeners.add(told)
      return () => void listeners.delete(told)
    },
    hearing: (events) => ({
      ...events,
      helpGiven(facts) {
        events.helpGiven(facts)
        if (helped.size < HELPED_MAX) helped.add(facts.turn)
      },
      turnEnded(facts) {
        events.turnEnded(facts)
        heardEnd(facts)
      },
    }),
  }
}

/** In whole minutes. */
function howLong(ended: readonly Ended[], wasLong: boolean): number | undefined {
  if (ended.length < ANSWERS_MIN) return undefined
  const tookMs = median(ended.map((one) => one.tookMs))
  return tookMs >= (wasLong ? SHORT_MS : LONG_MS) ? Math.ceil(tookMs / MINUTE_MS) * MINUTE_MS : undefined
}

const median = (values: readonly number[]): number => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
