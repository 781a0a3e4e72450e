/** What a process says of itself where a test of the operator page is about something else. */
import type { OtherProcess, RuntimeFacts } from '../operations/ops-status.ts'

export const SOME_PROCESS: Omit<OtherProcess, 'startedAt'> = {
  id: 'self',
  node: 'pod-1',
  version: '1.2.3',
  commit: 'abc',
  phase: 'running',
  level: 'full',
  isolated: [],
  isThis: true,
}

export const SOME_RUNTIME: RuntimeFacts = {
  loopLagP99Ms: undefined,
  heapUsedBytes: 1,
  heapLimitBytes: 2,
  residentBytes: 3,
  openFiles: undefined,
  openFilesMax: undefined,
}
