/** A real Prometheus for tests, on a free port of this machine. */
import { mkdirSync } from 'node:fs'
import * as v from 'valibot'
import { freePort } from '../free-port.ts'
import { startProgram, type RunningProcess } from '../processes.ts'

const prometheusPath = process.env['PROMETHEUS_PATH'] ?? '/usr/bin/prometheus'

const answerSchema = v.object({
  status: v.literal('success'),
  data: v.object({ result: v.array(v.object({ metric: v.record(v.string(), v.string()), value: v.tuple([v.number(), v.string()]) })) }),
})

const alertsSchema = v.object({
  data: v.object({ alerts: v.array(v.object({ labels: v.record(v.string(), v.string()), state: v.picklist(['pending', 'firing']) })) }),
})

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface RunningPrometheus extends RunningProcess {
  /** The value of an expression at a time, in seconds since the epoch, or now. */
  query(expr: string, time?: number): Promise<readonly Sample[]>
  /** The names of alerts in that state. */
  alerts(state: 'pending' | 'firing'): Promise<readonly string[]>
}

/** Starts one with that configuration and data, and waits until it answers. */
export async function startPrometheus(configFile: string, dataFolder: string): Promise<RunningPrometheus> {
  mkdirSync(dataFolder, { recursive: true })
  const address = `127.0.0.1:${await freePort()}`
  const running = startProgram(prometheusPath, {
    name: 'prometheus',
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${dataFolder}`,
      // Recordings are older than anything that is kept usually.
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=${address}`,
    ],
    cwd: dataFolder,
    env: {},
  })
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://${address}/api/v1/${path}`)
    const body: unknown = await response.json()
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(body)}`)
    return body
  }
  try {
    await running.line((line) => (line.includes('Server is ready to receive web requests') ? true : undefined))
  } catch (error) {
    await running[Symbol.asyncDispose]()
    throw error
  }
  return Object.assign(running, {
    async query(expr: string, time?: number) {
      const { data } = v.parse(
        answerSchema,
        await get(`query?${new URLSearchParams({ query: expr, ...(time === undefined ? {} : { time: String(time) }) }).toString()}`),
      )
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
    async alerts(state: 'pending' | 'firing') {
      const { data } = v.parse(alertsSchema, await get('alerts'))
      return data.alerts.filter((alert) => alert.state === state).map(({ labels }) => labels['alertname'] ?? '')
    },
  })
}
