/**
 * Claims open turns and has each driven to its one outcome.
 *
 * It holds no queue of its own: what is open is in the log, and a bell that is missed costs one poll. Any number of processes
 * may run one; a process that dies leaves its turns to the others when their leases run out.
 */
import type { TurnId } from '../conversation/ids.ts'
import { HAND_OVER_MAX_MS, SWEEP_SESSIONS_MAX } from '../conversation/limits.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { backoffMs } from '../resilience/backoff.ts'
import { TurnDriver, type AgentRoom, type TurnPorts } from './turn-driver.ts'
import { createBell, pause, within, type Bell } from './wait.ts'

export interface TurnRunnerOptions extends TurnPorts {
  /** Names this process among the owners of claims; new for each start of it. */
  readonly owner: string
}

export interface TurnRunner extends AsyncDisposable {
  /** Begins to claim and to sweep, until drained or disposed of. Calling it again does nothing. */
  run(): void
  /**
   * Claims nothing more, gives back what has not started, lets running answers go on for `limitMs` and then gives those back too,
   * text and all, for another owner to go on from. Resolves when nothing runs any more, at most `HAND_OVER_MAX_MS` later, with how
   * many were still running when the time was up.
   */
  drain(limitMs: number): Promise<number>
  /** Turns that are being driven. */
  readonly running: number
}

/** Disposing of it is draining with no time to go on. */
export function createTurnRunner(options: TurnRunnerOptions): TurnRunner {
  const drivers = new Map<TurnId, TurnDriver>()
  const stopping = new AbortController()
  const bell = createBell(options.clock)
  let loops: Promise<unknown> | undefined
  let drained: Promise<number> | undefined

  const drive = async (driver: TurnDriver): Promise<void> => {
    drivers.set(driver.turnId, driver)
    // A claim that was under way when the runner was told to stop is given straight back.
    if (stopping.signal.aborted) driver.drain()
    await driver.done
    drivers.delete(driver.turnId)
    bell.ring()
  }
  const claimUpTo = async (limit: number): Promise<number> => {
    const since = options.clock.monotonic()
    const claims = await options.log.claim(options.owner, options.settings.leaseMs, limit)
    for (const claim of claims) {
      const running = drivers.get(claim.turnId)
      if (running === undefined) void drive(new TurnDriver(options, claim, since))
      else running.reclaimed(claim, since)
    }
    return claims.length
  }
  const isQuiet = async (): Promise<void> => {
    await loops
    await Promise.all([...drivers.values()].map((driver) => driver.done))
  }
  const stop = async (limitMs: number): Promise<number> => {
    stopping.abort()
    for (const driver of drivers.values()) driver.drain()
    if (limitMs > 0) await within(options.clock, limitMs, isQuiet())
    const left = drivers.size
    for (const driver of drivers.values()) driver.handOver()
    await within(options.clock, HAND_OVER_MAX_MS, isQuiet())
    for (const driver of drivers.values()) driver.abandon()
    return left
  }

  return {
    run() {
      if (loops !== undefined || stopping.signal.aborted) return
      const stopListening = options.log.onWork(() => bell.ring())
      const wake = (): void => wakeWaiting(drivers.values(), options.agentRoom())
      const free = (): number => options.settings.concurrency - drivers.size
      const work = claimWhileRunning({ ...options, claimUpTo, bell, signal: stopping.signal, free, wake })
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
      return drivers.size
    },
  }
}

function wakeWaiting(drivers: IteratorObject<TurnDriver>, room: AgentRoom): void {
  if (room === 'none') return
  const waiting = drivers.filter((driver) => driver.isWaiting)
  for (const driver of room === 'one' ? waiting.take(1) : waiting) driver.agentBack()
}

interface ClaimLoop extends TurnRunnerOptions {
  readonly claimUpTo: (limit: number) => Promise<number>
  readonly free: () => number
  /** Has the turns asked that wait for an agent that is back, in the order in which they were claimed; one of them while it is in doubt. */
  readonly wake: () => void
  readonly bell: Bell
  readonly signal: AbortSignal
}

async function claimWhileRunning({ claimUpTo, free, wake, bell, signal, ...options }: ClaimLoop): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    wake()
    const room = free()
    try {
      const claimed = room > 0 ? await claimUpTo(room) : 0
      failures = 0
      // A full catch may not have been all there is.
      if (claimed < room || room <= 0) await bell.wait(options.settings.pollMs, signal)
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
