/**
 * Runs one case against one subject, in time and chance of its own.
 */
import { AssertionError } from 'node:assert'
import { createSimulatedClock } from '../../src/testing/simulated-clock.ts'
import { simulateGlobals } from './simulated-globals.ts'
import { NotApplicable, type Case, type Subject, type Verdict } from './subject.ts'

/** A fault of the case itself, or of an adapter, is thrown; a subject that does not do what the case asks has failed. */
export async function runCase(testCase: Case, subject: Subject): Promise<Verdict> {
  const clock = createSimulatedClock()
  const globals = simulateGlobals(clock)
  try {
    await testCase.run(subject, clock)
    return { type: 'pass' }
  } catch (error) {
    if (error instanceof NotApplicable) return { type: 'n/a', why: error.message }
    if (error instanceof AssertionError) return { type: 'fail', why: error.message.split('\n')[0] ?? '' }
    throw error
  } finally {
    globals[Symbol.dispose]()
  }
}
