import { readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')

/** The installed version of a package, by the name it is installed under. */
export function versionOf(name: string): string {
  const found: unknown = JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8'))
  if (typeof found !== 'object' || found === null || !('version' in found) || typeof found.version !== 'string') {
    throw new TypeError(`${name} has no version`)
  }
  return found.version
}
