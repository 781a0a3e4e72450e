/** Where the tests find Prometheus and its tool. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')

const promtoolPath = process.env['PROMTOOL_PATH'] ?? '/usr/bin/promtool'

/** What promtool said; throws with it when promtool was not content. */
export function promtool(...args: readonly string[]): string {
  const result = spawnSync(promtoolPath, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (result.status === 0) return result.stdout
  throw new Error(`promtool ${args.join(' ')}:\n${result.error?.message ?? ''}${result.stdout}${result.stderr}`)
}
