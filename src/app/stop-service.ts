/**
 * How a service that runs comes to its end: it is not ready at once, lets links move and answers finish at the same time, says goodbye
 * to who is left, and closes what it has open.
 *
 * It goes on serving meanwhile: whoever watches an answer sees it go on, and a question that is posted is stored for whoever comes next.
 */
import type { Drain } from '../gateway/drain.ts'
import type { HealthOptions } from '../operations/health.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Events } from '../telemetry/events.ts'
import type { TurnRunner } from '../turns/turn-runner.ts'

export type Phase = ReturnType<HealthOptions['phase']>

export interface Stopping {
  readonly clock: Clock
  readonly events: Pick<Events, 'drainStarted' | 'drainEnded' | 'serviceStopped'>
  readonly runner: Pick<TurnRunner, 'running' | 'drain'>
  readonly drain: Pick<Drain, 'begin' | 'end'>
  readonly resources: AsyncDisposable
  /** For answers that are running and for links that move, in milliseconds. */
  readonly limitMs: number
  readonly state: { phase: Phase }
}

/** Drains and closes; however often it is called, once. */
export function stopOnce(stopping: Stopping): () => Promise<void> {
  let stopped: Promise<void> | undefined
  return () => (stopped ??= stop(stopping))
}

async function stop({ clock, events, runner, drain, resources, limitMs, state }: Stopping): Promise<void> {
  const since = clock.monotonic()
  state.phase = 'draining'
  events.drainStarted({ running: runner.running, limitMs })
  const [answers] = await Promise.all([runner.drain(limitMs), drain.begin(limitMs)])
  // Only now, so that whoever has not moved has seen the end of the answer.
  const links = await drain.end()
  events.drainEnded({ tookMs: clock.monotonic() - since, answers, links })
  await resources[Symbol.asyncDispose]()
  events.serviceStopped({ tookMs: clock.monotonic() - since })
}
