/** A simulator in this process for tests: any free port, the bundled guidance, and a clock that waits for nobody. */
import path from 'node:path'
import { loadGuidance } from '../guidance/guidance.ts'
import type { ServiceWatch } from './control.ts'
import { parsePlanText } from './fault.ts'
import { NapClock } from './nap-clock.ts'
import { startSimulator, type Simulator } from './simulator.ts'
import type { Stats } from './stats.ts'

export const guidance = await loadGuidance(path.resolve(import.meta.dirname, '../../guidance'))

export interface TestSimulator extends AsyncDisposable {
  readonly clock: NapClock
  readonly simulator: Simulator
  readonly url: string
  request(method: string, where: string, body?: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** Sets faults in their text form. */
  faults(text: string): Promise<void>
  stats(): Promise<Stats>
}

const randomBytes = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count))

export async function startTestSimulator(text = 'normal', service?: ServiceWatch): Promise<TestSimulator> {
  const clock = new NapClock()
  const plan = planOf(text)
  const pace = { firstMs: 400, chunkMs: 40 }
  const simulator = await startSimulator({ host: '127.0.0.1', port: 0, plan, seed: 1, pace, guidance, clock, randomBytes, service })
  const request: TestSimulator['request'] = (method, where, body, headers = {}) =>
    fetch(new URL(where, simulator.controlUrl), { method, redirect: 'manual', headers, ...(body === undefined ? {} : { body }) })
  return {
    clock,
    simulator,
    url: simulator.url,
    request,
    async faults(next) {
      const response = await request('PUT', '/control/faults', JSON.stringify(planOf(next)))
      if (response.status !== 200) throw new Error(await response.text())
    },
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by our own process a moment ago, and compared as a whole
    stats: async () => (await (await request('GET', '/control/stats')).json()) as Stats,
    [Symbol.asyncDispose]: () => simulator[Symbol.asyncDispose](),
  }
}

function planOf(text: string) {
  const parsed = parsePlanText(text)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.plan
}
