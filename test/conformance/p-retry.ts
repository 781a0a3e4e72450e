import pRetry9 from 'p-retry'
import pRetry6 from 'p-retry-6'
import { versionOf } from './version-of.ts'
import { NotApplicable, type Subject } from './subject.ts'

function subject(name: string, run: typeof pRetry9 | typeof pRetry6, packageName: string): Subject {
  return {
    name,
    version: versionOf(packageName),
    retry: ({ attempts, baseMs, capMs, shouldRetry, budget, deadlineMs }) => {
      if (budget !== undefined) throw new NotApplicable('no retry budget')
      if (deadlineMs !== undefined) throw new NotApplicable('no deadline that takes the next delay into account')
      return {
        execute: (call, signal) =>
          run(async (attempt: number) => call({ attempt }), {
            minTimeout: baseMs,
            maxTimeout: capMs,
            randomize: true,
            ...(attempts === undefined ? {} : { retries: attempts - 1 }),
            ...(signal === undefined ? {} : { signal }),
            ...(shouldRetry === undefined ? {} : { shouldRetry: (failure: unknown) => shouldRetry(errorOf(failure)) }),
          }),
      }
    },
  }
}

/** Version 9 gives the predicate the error in a context; version 6 gives the error itself. */
const errorOf = (failure: unknown): unknown =>
  failure instanceof Error || typeof failure !== 'object' || failure === null || !('error' in failure) ? failure : failure.error

export const pRetryLatest = subject('p-retry 9', pRetry9, 'p-retry')
export const pRetryOld = subject('p-retry 6', pRetry6, 'p-retry-6')
