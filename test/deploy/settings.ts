/** What environment variables a deployment may set. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './container-file.ts'

/** Node's own, and nothing else that is not ours. */
const PLATFORM = ['NODE_OPTIONS']

/** The first column of docs/settings.md, which a test of its own keeps to what is read. */
function documented(): readonly string[] {
  const text = readFileSync(path.join(root, 'docs/settings.md'), 'utf8')
  const cells = text.split('\n').flatMap((line) => (line.startsWith('| `') ? [line.split('|')[1] ?? ''] : []))
  return cells.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name))
}

/** The names among these that are no setting of the service. */
export function unknownSettings(names: readonly string[]): readonly string[] {
  const known = new Set([...documented(), ...PLATFORM])
  return names.filter((name) => !known.has(name))
}
