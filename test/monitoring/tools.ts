/** Where the tests find Prometheus's tool, and what they know beside the catalogue. */
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

/** What alerts and panels read beside the catalogue: the platform's own, and what Prometheus says of a scrape. */
export const PLATFORM_METRICS = [
  'scrape_samples_post_metric_relabeling',
  'process_start_time_seconds',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_open_fds',
  'process_max_fds',
  'nodejs_eventloop_lag_p99_seconds',
  'nodejs_heap_size_used_bytes',
] as const
