import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

/** The first column of the table, where every setting stands. */
function documented(): readonly string[] {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/settings.md'), 'utf8')
  const cells = text.split('\n').flatMap((line) => (line.startsWith('| `') ? [line.split('|')[1] ?? ''] : []))
  return cells.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name))
}

/** The names that reading the configuration asks for. */
function asked(): readonly string[] {
  const names = new Set<string>()
  const env = new Proxy<Record<string, string | undefined>>({}, { get: (_target, name) => void names.add(String(name)) })
  readConfig(env)
  return [...names]
}

test('[O4] docs/settings.md lists the settings that are read, and no others', () => {
  expect(documented().toSorted()).toEqual(asked().toSorted())
})
