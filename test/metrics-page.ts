/** What `/metrics` says, as numbers. */
import { spawnSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

export type Samples = ReadonlyMap<string, number>

export async function metricsText(url: string, token?: string): Promise<string> {
  const response = await fetch(`${url}/metrics`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
  if (response.status !== 200) throw new Error(`no metrics: ${response.status}`)
  return response.text()
}

export const samplesIn = (text: string): Samples =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const blank = line.lastIndexOf(' ')
        return [line.slice(0, blank), Number(line.slice(blank + 1))]
      }),
  )

/**
 * Looks again until `read` makes something of the metrics. The text is made once a second, so looking more often tells no more.
 * A test that looks in vain is ended by its own time limit.
 */
export async function untilMetrics<Value>(url: string, read: (samples: Samples) => Value | undefined, token?: string): Promise<Value> {
  for (;;) {
    const value = read(samplesIn(await metricsText(url, token)))
    if (value !== undefined) return value
    await pause(250)
  }
}

/** The path of a program that `npm test` found, or the usual one. */
export const programAt = (setting: string, usual: string): string => process.env[setting] ?? usual

/** What `promtool check metrics` has against the text; empty when nothing. */
export function promtoolComplaints(text: string): string {
  const { status, stdout, stderr, error } = spawnSync(programAt('PROMTOOL_PATH', '/usr/bin/promtool'), ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  })
  if (error !== undefined) throw error
  return status === 0 && stderr === '' ? '' : `${status}\n${stdout}${stderr}`
}
