/** The rules as Prometheus reads them, from the alerts and recording rules of this folder. */
import { stringify } from 'yaml'
import type { Alert } from './alert.ts'
import { PAGES } from './pages.ts'
import { RECORDING_RULES } from './recording-rules.ts'
import { TICKETS } from './tickets.ts'

export const ALERTS: readonly Alert[] = [...PAGES, ...TICKETS]

/** How long a ticket goes on after its cause is gone, so that one that flaps stays one ticket. */
const TICKET_KEEP = '10m'

const GENERATED = '# Generated from monitoring/*.ts: change it there, then run "npm run monitoring".\n'

export const labelsOf = ({ severity, labels }: Alert): Readonly<Record<string, string>> => ({ severity, ...labels })

export const annotationsOf = ({ summary, impact, runbook, panel }: Alert): Readonly<Record<string, string>> => ({
  summary,
  impact,
  runbook_url: `docs/runbooks/${runbook}.md`,
  panel,
})

const ruleOf = (alert: Alert): object => ({
  alert: alert.name,
  expr: alert.expr,
  ...(alert.for === undefined ? {} : { for: alert.for }),
  ...(alert.severity === 'ticket' ? { keep_firing_for: TICKET_KEEP } : {}),
  labels: labelsOf(alert),
  annotations: annotationsOf(alert),
})

/** The text of `prometheus/rules/chat.yml`. */
export const renderRules = (): string =>
  GENERATED +
  stringify(
    {
      groups: [
        { name: 'chat-recorded', rules: RECORDING_RULES },
        { name: 'chat-pages', rules: PAGES.map(ruleOf) },
        { name: 'chat-tickets', rules: TICKETS.map(ruleOf) },
      ],
    },
    { lineWidth: 0, singleQuote: true },
  )
