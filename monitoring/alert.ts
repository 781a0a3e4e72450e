/** What an alert is made of. `rules.ts` writes them for Prometheus. */

/** Panels of the dashboard that alerts point to, by their titles; `dashboard.ts` has each. */
export type PanelTitle = string

export interface Alert {
  readonly name: `Chat${string}`
  /** `page`: somebody must act now. `ticket`: somebody must look in working hours. */
  readonly severity: 'page' | 'ticket'
  readonly expr: string
  /** How long it must be so; absent: at once. */
  readonly for?: string
  /** Labels that the expression does not always give. */
  readonly labels?: Readonly<Record<string, string>>
  /** What is wrong, in one line. */
  readonly summary: string
  /** What people see of it. */
  readonly impact: string
  /** In `docs/runbooks/`, without its ending. */
  readonly runbook: string
  readonly panel: PanelTitle
}
