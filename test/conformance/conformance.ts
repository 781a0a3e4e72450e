/** All cases and all subjects, and what each gives for each. */
import { cockatiel } from './cockatiel.ts'
import { compositionCases } from './composition-cases.ts'
import { opossum10, opossum8 } from './opossum.ts'
import { ours } from './ours.ts'
import { openingCases } from './opening-cases.ts'
import { pRetryLatest, pRetryOld } from './p-retry.ts'
import { probeCases } from './probe-cases.ts'
import { retryCases } from './retry-cases.ts'
import { runCase } from './run-case.ts'
import type { Case, Subject, Verdict } from './subject.ts'

export const cases: readonly Case[] = [...openingCases, ...probeCases, ...retryCases, ...compositionCases]
export const subjects: readonly Subject[] = [ours, opossum10, opossum8, cockatiel, pRetryLatest, pRetryOld]

export interface CaseResult {
  readonly id: number
  readonly title: string
  /** In the order of `subjects`. */
  readonly verdicts: readonly Verdict[]
}

/** Runs every case against every subject, one after the other: they share the machine's globals. */
export async function runConformance(): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = []
  for (const testCase of cases) {
    const verdicts: Verdict[] = []
    for (const subject of subjects) verdicts.push(await runCase(testCase, subject))
    results.push({ id: testCase.id, title: testCase.title, verdicts })
  }
  return results
}
