/** The cases of all alerts, by their names. */
import type { AlertCases } from './alert-case.ts'
import { PAGE_CASES } from './page-cases.ts'
import { TICKET_CASES } from './ticket-cases.ts'

export const ALERT_CASES: Readonly<Record<string, AlertCases>> = { ...PAGE_CASES, ...TICKET_CASES }
