/**
 * The agent simulator as a program: `npm run simulator`. Reads its flags, says where it listens, ends on a signal.
 *
 * The first line of standard output has the address; a parent with an IPC channel gets `{ type: 'ready', url, control }` as well.
 */
import { randomBytes } from 'node:crypto'
import { GuidanceError, loadGuidance } from '../guidance/guidance.ts'
import type { Clock } from '../resilience/clock.ts'
import type { ServiceWatch } from './control.ts'
import { readFlags, USAGE, type Flags } from './flags.ts'
import { createServiceReader } from './service-view.ts'
import { SimulatorStartError, startSimulator, type Simulator } from './simulator.ts'

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
  async sleep(ms, signal) {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  },
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(1)
}

/** What the service says that asks this agent. */
const watchOf = (url: string): ServiceWatch => ({
  url,
  read: createServiceReader(url, async (address, signal) => (await fetch(address, { signal })).text(), clock),
  now: () => clock.now(),
})

async function start({ guidanceFolder, serviceUrl, ...flags }: Flags): Promise<Simulator> {
  try {
    const guidance = await loadGuidance(guidanceFolder)
    const service = serviceUrl === undefined ? undefined : watchOf(serviceUrl)
    return await startSimulator({ ...flags, guidance, clock, service, randomBytes: (count) => new Uint8Array(randomBytes(count)) })
  } catch (error) {
    if (error instanceof SimulatorStartError || error instanceof GuidanceError) return fail(error.message)
    throw error
  }
}

/** What goes wrong while stopping ends the process all the same, and says so. */
async function stop(simulator: Simulator): Promise<never> {
  try {
    await simulator[Symbol.asyncDispose]()
  } catch (error) {
    return fail(`The agent simulator could not stop cleanly: ${String(error)}`)
  }
  process.exit(0)
}

async function run(flags: Flags): Promise<void> {
  const simulator = await start(flags)
  let isStopping = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (isStopping) return
      isStopping = true
      void stop(simulator)
    })
  }
  say(`Agent simulator listening on ${simulator.url}`)
  say(`Over HTTP at ${simulator.controlUrl}v1 (openai) and ${simulator.controlUrl}ag-ui (ag-ui)`)
  say(`Break it at ${simulator.controlUrl}`)
  process.send?.({ type: 'ready', url: simulator.url, control: simulator.controlUrl })
}

const result = readFlags(process.argv.slice(2), process.env)
switch (result.type) {
  case 'help':
    say(USAGE)
    break
  case 'wrong':
    fail(['The agent simulator cannot start:', ...result.problems.map((problem) => `  ${problem}`), 'See --help.'].join('\n'))
    break
  case 'run':
    await run(result.flags)
}
