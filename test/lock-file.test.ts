/**
 * `npm ci` refuses a lock file in which an optional package of another platform is missing, wherever it runs. A registry that
 * lacks some platforms makes such a file without a word, so this is looked at here.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import * as v from 'valibot'

const names = v.optional(v.record(v.string(), v.string()), {})
const lockSchema = v.object({
  packages: v.record(v.string(), v.object({ version: v.optional(v.string()), dependencies: names, optionalDependencies: names })),
})

const file = path.resolve(import.meta.dirname, '../package-lock.json')
const { packages } = v.parse(lockSchema, JSON.parse(readFileSync(file, 'utf8')))

/** Where Node would find the package from `place`, in the lock file. */
function found(place: string, name: string): boolean {
  const at = place === '' ? `node_modules/${name}` : `${place}/node_modules/${name}`
  if (at in packages) return true
  if (place === '') return false
  return found(place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/'))), name)
}

test('[O2] every package that another one needs is in the lock file, whatever the platform', () => {
  const missing = Object.entries(packages).flatMap(([place, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !found(place, name))
      .map((name) => `${name} for ${place}`),
  )
  expect(missing).toEqual([])
})

test('[O2] every package is pinned to one version', () => {
  expect(Object.entries(packages).filter(([place, { version }]) => place !== '' && version === undefined)).toEqual([])
})
