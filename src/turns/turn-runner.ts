/**
 * Claims open turns and has each driven to its one outcome.
 *
 * It holds no queue of its own: what is open is in the log, and a bell that is missed costs one poll. Any number of processes
 * may run one; a process that dies leaves its turns to the others when their leases run out.
 */
import { HAND_OVER_MAX_MS, SWEEP_SESSIONS_MAX } from '../conversation/limits.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { backoffMs } from '../resilience/backoff.ts'
import { TurnCrew } from './turn-crew.ts'
import type { TurnPorts } from './turn-driver.ts'
import { createBell, pause, within, type Bell } from './wait.ts'

export interface TurnRunnerOptions extends TurnPorts {
  /** Names this process among the owners of claims; new for each start of it. */
  readonly owner: string
}

/** What became of the answers that were running when draining began. */
export interface DrainedTurns {
  readonly finished: number
  /** Still running when the time was up. */
  readonly handedOver: number
}

export interface TurnRunner extends AsyncDisposable {
  /** Begins to claim and to sweep, until drained or disposed of. Calling it again does nothing. */
  run(): void
  /**
   * Claims nothing more, gives back what has not started, lets running answers go on for `limitMs` and then gives those back too,
   * text and all, for another owner to go on from. Resolves when nothing runs any more, at most `HAND_OVER_MAX_MS` later.
   */
  drain(limitMs: number): Promise<DrainedTurns>
  /** Turns that are being driven. */
  readonly running: number
}

/** Disposing of it is draining with no time to go on. */
export function createTurnRunner(options: TurnRunnerOptions): TurnRunner {
  const stopping = new AbortController()
  const bell = createBell(options.clock)
  const crew = new TurnCrew({ ...options, onRoom: () => bell.ring() })
  let loops: Promise<unknown> | undefined
  let drained: Promise<DrainedTurns> | undefined

  const isQuiet = async (): Promise<void> => {
    await loops
    await crew.ended()
  }
  const stop = async (limitMs: number): Promise<DrainedTurns> => {
    stopping.abort()
    crew.drain()
    const running = crew.going
    if (limitMs > 0) await within(options.clock, limitMs, isQuiet())
    const left = crew.going
    crew.handOver()
    // What is about to end is not given back any more.
    const ending = crew.going
    await within(options.clock, HAND_OVER_MAX_MS, isQuiet())
    const handedOver = left - ending + crew.going
    crew.abandon()
    return { finished: Math.max(0, running - handedOver), handedOver }
  }

  return {
    run() {
      if (loops !== undefined || stopping.signal.aborted) return
      const stopListening = options.log.onWork(() => bell.ring())
      const work = claimWhileRunning(options, crew, bell, stopping.signal)
      loops = Promise.all([work.finally(stopListening), sweepWhileRunning(options, stopping.signal)])
    },
    drain(limitMs) {
      drained ??= stop(limitMs)
      return drained
    },
    async [Symbol.asyncDispose]() {
      drained ??= stop(0)
      await drained
    },
    get running() {
      return crew.size
    },
  }
}

async function claimWhileRunning(options: TurnRunnerOptions, crew: TurnCrew, bell: Bell, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    crew.wake()
    try {
      const isFullCatch = await crew.claim()
      failures = 0
      // A full catch may not have been all there is.
      if (!isFullCatch) await bell.wait(options.settings.pollMs, signal)
    } catch (cause) {
      failures += 1
      reportStoreFailure(options, cause)
      await pause(options.clock, backoffMs(options.settings.storeBackoff, failures, options.chance), signal)
    }
  }
}

/** Deletes sessions whose time is over. A failure is reported, and the next round tries again. */
async function sweepWhileRunning(options: TurnRunnerOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const deleted = await options.log.deleteExpired(SWEEP_SESSIONS_MAX)
      if (deleted > 0) options.events.sessionsExpired(deleted)
      if (deleted >= SWEEP_SESSIONS_MAX) continue
    } catch (cause) {
      reportStoreFailure(options, cause)
    }
    await pause(options.clock, options.settings.sweepMs, signal)
  }
}

const reportStoreFailure = ({ events }: TurnRunnerOptions, cause: unknown): void =>
  events.storeFailed({ kind: cause instanceof LogError ? cause.kind : 'unexpected', cause })
