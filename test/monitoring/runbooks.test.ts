/** The runbooks: one for every alert, in a form that somebody can follow who has just been woken up. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { ALERTS, annotationsOf } from '../../monitoring/rules.ts'
import { root } from './tools.ts'

const HEADINGS = ['What it means', 'What people see', 'First look', 'Mend', 'Escalate']
const folder = path.join(root, 'docs/runbooks')
const textOf = (file: string): string => readFileSync(path.join(folder, file), 'utf8')
const files = readdirSync(folder)
const index = textOf('README.md')

test('[O163] every alert names a runbook that is there, names the alert, and has every part', () => {
  const wrong = ALERTS.flatMap((alert) => {
    const file = annotationsOf(alert)['runbook_url'] ?? ''
    if (!existsSync(path.join(root, file))) return [`${alert.name}: no ${file}`]
    const text = textOf(path.basename(file))
    const missing = HEADINGS.filter((heading) => !text.includes(`\n## ${heading}\n`))
    return [
      ...missing.map((heading) => `${file}: no "${heading}"`),
      ...(text.includes(`\`${alert.name}\``) ? [] : [`${file}: not about ${alert.name}`]),
    ]
  })
  expect(wrong).toEqual([])
})

test('[O163] a runbook says which of its alerts page and which are tickets', () => {
  const wrong = ALERTS.filter(({ name, runbook, severity }) => {
    const [, list = ''] = /\n\*\*Alerts?:\*\* (.+)\n/.exec(textOf(`${runbook}.md`)) ?? []
    const words = list.slice(list.indexOf(`\`${name}\``))
    const [kind] = /\b(?:page|ticket)s?\b/.exec(words) ?? []
    return !list.includes(`\`${name}\``) || kind?.startsWith(severity) !== true
  })
  expect(wrong.map(({ name }) => name)).toEqual([])
})

test('[O163] the page for those on call leads from every alert to its runbook', () => {
  const rows = index.split('\n').filter((line) => line.startsWith('| ['))
  const wrong = ALERTS.filter(({ name, runbook }) => !rows.some((row) => row.includes(`(${runbook}.md)`) && row.includes(`\`${name}\``)))
  expect(wrong.map(({ name }) => name)).toEqual([])
  expect(files.filter((file) => file !== 'README.md' && !index.includes(`(${file})`))).toEqual([])
})

test('[O163] every link in a runbook leads somewhere, and every alert that it names exists', () => {
  const links = files.flatMap((file) =>
    [...textOf(file).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = '']) => path.join(folder, target)),
  )
  expect(links.filter((target) => !existsSync(target))).toEqual([])
  const names = files.flatMap((file) => [...textOf(file).matchAll(/`(Chat[A-Z]\w+)`/g)].map(([, name = '']) => name))
  expect(names.filter((name) => !ALERTS.some((alert) => alert.name === name))).toEqual([])
})
