/** A process that is measured: where it listens, what it has cost so far. Linux only, from `/proc`. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Ticks of `/proc/PID/stat` in a second; fixed on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** CPU time that the process has used, in milliseconds. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

/** Memory that the process holds, in bytes. */
export function residentBytesOf(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? Number.NaN) * 1024
}

/** Puts every thread of the process on one core, where the machine allows it: servers on one, those who ask them on the other. */
export function pin(pid: number, core: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) spawnSync('taskset', ['-cp', String(core), thread], { stdio: 'ignore' })
}
