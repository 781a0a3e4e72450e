/** The Alertmanager configuration: who is told of what, and what is silent while something else says it already. */
import path from 'node:path'
import { expect, test } from 'vitest'
import * as v from 'valibot'
import { ALERTS, labelsOf } from '../../monitoring/rules.ts'
import { readYaml } from '../deploy/kustomize.ts'
import { ALERT_CASES } from './alert-cases.ts'
import { root } from './tools.ts'

type Labels = Readonly<Record<string, string>>

const matchers = v.array(v.pipe(v.string(), v.regex(/^\w+(?:=~|!~|!=|=)"[^"]+"$/)))
const routeSchema = v.strictObject({
  receiver: v.string(),
  group_by: v.optional(v.array(v.string())),
  matchers: v.optional(matchers, []),
  group_wait: v.string(),
  group_interval: v.optional(v.string()),
  repeat_interval: v.string(),
})
const schema = v.strictObject({
  global: v.strictObject({ resolve_timeout: v.string() }),
  route: v.strictObject({ ...routeSchema.entries, routes: v.array(routeSchema) }),
  inhibit_rules: v.array(v.strictObject({ source_matchers: matchers, target_matchers: matchers })),
  receivers: v.array(v.strictObject({ name: v.string() })),
})
const { route, inhibit_rules, receivers } = v.parse(schema, readYaml(path.join(root, 'monitoring/alertmanager/alertmanager.yml'))[0])

/** As Alertmanager decides: every matcher must fit, and a regular expression must fit the whole value. */
const fits = (labels: Labels, all: readonly string[]): boolean =>
  all.every((matcher) => {
    const [, name = '', operator = '', wanted = ''] = /^(\w+)(=~|!~|!=|=)"([^"]+)"$/.exec(matcher) ?? []
    const value = labels[name] ?? ''
    const isSame = operator.includes('~') ? new RegExp(`^(?:${wanted})$`).test(value) : value === wanted
    return operator.startsWith('!') ? !isSame : isSame
  })

/** Every alert with each set of labels that it fires with in its cases. */
const fired: readonly Labels[] = ALERTS.flatMap((alert) =>
  (ALERT_CASES[alert.name]?.fires ?? []).map(({ labels }) => ({ alertname: alert.name, ...labelsOf(alert), ...labels })),
)
const names = (list: readonly Labels[]): readonly string[] => [...new Set(list.map(({ alertname = '' }) => alertname))]

/** What is silent while that alert fires. An alert never silences itself. */
const silentWhile = (source: Labels): readonly string[] =>
  names(
    fired.filter((target) =>
      inhibit_rules.some(
        (rule) => fits(source, rule.source_matchers) && fits(target, rule.target_matchers) && !fits(target, rule.source_matchers),
      ),
    ),
  )

const receiverOf = (labels: Labels): string => route.routes.find(({ matchers: all }) => fits(labels, all))?.receiver ?? route.receiver

test('[O168] pages go to who is on call at once, tickets to where tickets go', () => {
  const told = fired.map((labels) => [labels['alertname'], labels['severity'] === 'page' ? 'on-call' : 'tickets', receiverOf(labels)])
  expect(told.filter(([, wanted, given]) => wanted !== given)).toEqual([])
  expect(route.routes.map(({ receiver, group_wait }) => [receiver, group_wait])).toEqual([['on-call', '0s']])
  expect(receivers.map(({ name }) => name)).toEqual(['on-call', 'tickets'])
})

test('[O168] while nothing can be reached every other alert is silent, and that one is not', () => {
  expect(silentWhile({ alertname: 'ChatTargetDown', job: 'chat', severity: 'page' })).toEqual(
    names(fired).filter((name) => name !== 'ChatTargetDown'),
  )
})

test('[O168] while the agent is left alone its slowness is silent, and while Redis is, nothing', () => {
  expect(silentWhile({ alertname: 'ChatCircuitOpen', service: 'ai-agent' })).toEqual(['ChatTimeToFirstTokenSlow', 'ChatStreamStalls'])
  expect(silentWhile({ alertname: 'ChatCircuitOpen', service: 'redis' })).toEqual([])
})

test('[O168] what says less than an alert that pages is silent meanwhile, and a loss never is', () => {
  expect(silentWhile({ alertname: 'ChatErrorBudgetBurnFast', severity: 'page' })).toEqual([
    'ChatErrorBudgetBurnSlow',
    'ChatErrorBudgetBurnTicket',
  ])
  expect(silentWhile({ alertname: 'ChatSyntheticProbeFailing', severity: 'page' })).toEqual(['ChatQueueStuck'])
  const silencing = names(fired.filter((labels) => silentWhile(labels).includes('ChatMessagesLost')))
  expect(silencing).toEqual(['ChatTargetDown'])
})
