/** How this process is: its event loop, memory and files, as the platform tells. */
import { readdirSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { RuntimeFacts } from '../operations/ops-status.ts'
import type { Clock } from '../resilience/clock.ts'

const LOOK_MS = 10_000
const RESOLUTION_MS = 20
const NANOSECONDS = 1e6

export interface RuntimeLook extends Disposable {
  now(): RuntimeFacts
}

/** Looks at the event loop all the time, until disposed of; `measuresLoop` false: not at all. */
export function createRuntimeLook(clock: Clock, measuresLoop: boolean): RuntimeLook {
  const openFilesMax = readOpenFilesMax()
  const delays = measuresLoop ? monitorEventLoopDelay({ resolution: RESOLUTION_MS }) : undefined
  let loopLagP99Ms: number | undefined
  let callOff: (() => void) | undefined
  const look = (): void => {
    if (delays === undefined) return
    // The timer that looks is late by its own resolution even where nothing else is.
    loopLagP99Ms = Math.max(0, delays.percentile(99) / NANOSECONDS - RESOLUTION_MS)
    delays.reset()
    callOff = clock.schedule(LOOK_MS, look)
  }
  delays?.enable()
  if (delays !== undefined) callOff = clock.schedule(LOOK_MS, look)
  return {
    now: () => {
      const { heapUsed, rss } = process.memoryUsage()
      return {
        loopLagP99Ms,
        heapUsedBytes: heapUsed,
        heapLimitBytes: getHeapStatistics().heap_size_limit,
        residentBytes: rss,
        openFiles: countOpenFiles(),
        openFilesMax,
      }
    },
    [Symbol.dispose]() {
      delays?.disable()
      callOff?.()
    },
  }
}

/** Only Linux tells. */
function countOpenFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return undefined
  }
}

function readOpenFilesMax(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
