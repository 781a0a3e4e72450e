/** The systemd unit, as sections of settings. A setting that stands several times has all its values. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './container-file.ts'

export const UNIT_FILE = path.join(root, 'deploy/systemd/govuk-chat-frontend.service')

type Section = Readonly<Record<string, readonly string[]>>

/** Throws on a line that is no section, no setting and no comment. */
export function readUnit(): Readonly<Record<string, Section>> {
  const sections: Record<string, Record<string, string[]>> = {}
  let current: Record<string, string[]> | undefined
  for (const line of readFileSync(UNIT_FILE, 'utf8').split('\n')) {
    const [, section] = /^\[(\w+)\]$/.exec(line) ?? []
    const [, name, value = ''] = /^([A-Z]\w+)=(.*)$/.exec(line) ?? []
    if (section !== undefined) sections[section] = current = {}
    else if (name !== undefined && current !== undefined) (current[name] ??= []).push(value)
    else if (line !== '' && !line.startsWith('#')) throw new Error(`the unit has a line that is not understood: ${line}`)
  }
  return sections
}

/** What the unit's Environment= sets. */
export const unitEnvironment = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (readUnit()['Service']?.['Environment'] ?? []).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
