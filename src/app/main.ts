/**
 * The server process: reads the environment, starts the service, and ends it on a signal or when it cannot go on.
 *
 * Exit code 0 after a stop that somebody asked for, 1 otherwise. Whatever ends the process without warning (`kill -9`, power)
 * is for the conversation log to survive, not for this file.
 */
import packageJson from '../../package.json' with { type: 'json' }
import { ChatServiceError } from '../chat-service-error.ts'
import { readConfig, type Config } from './config.ts'
import { createPorts } from './ports.ts'
import { startService, type Service } from './service.ts'
import { signalMeaning } from './shutdown.ts'
import { StartError } from './start-error.ts'

/** What stopping may take beyond the time that running answers are given; then the process ends as it is. */
const STOP_LIMIT_MS = 10_000

const ports = createPorts()
const print = (text: string): void => ports.writeLine(`${text}\n`)

/** One message, for the person who started it; a stack only where nobody foresaw what happened. */
function fail(error: unknown): never {
  const isForeseen = error instanceof ChatServiceError
  const unforeseen = error instanceof Error ? error.stack : String(error)
  process.stderr.write(isForeseen ? `${error.message}\n` : `The service could not start.\n${unforeseen}\n`)
  process.exit(1)
}

async function start(config: Config): Promise<Service> {
  try {
    return await startService(config, ports, packageJson.version)
  } catch (error) {
    return fail(error)
  }
}

function readEnvironment(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    return fail(error)
  }
}

/** The few lines a person wants to see. */
function introduce(service: Service): void {
  print(
    [
      '',
      `  ${packageJson.name} ${packageJson.version}`,
      `  Open     ${config.publicOrigin ?? service.url.replace('127.0.0.1', 'localhost')}`,
      `  Store    ${service.facts.store}`,
      `  Agent    ${service.facts.agent}`,
      `  Level    ${service.facts.level}`,
      '  Stop     Ctrl-C',
      '',
    ].join('\n'),
  )
}

const config = readEnvironment()
const service = await start(config)
if (config.environment === 'development') introduce(service)

let stoppingSince: number | undefined

async function stop(): Promise<void> {
  const callOff = ports.clock.schedule(config.drainMs + STOP_LIMIT_MS, () => {
    service.events.serviceCrashed(new StartError(`Stopping took longer than ${config.drainMs + STOP_LIMIT_MS} ms.`))
    process.exit(1)
  })
  await service.stop()
  callOff()
  process.exit(0)
}

function crash(cause: unknown): never {
  service.events.serviceCrashed(cause)
  process.exit(1)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    const now = ports.clock.monotonic()
    const meaning = signalMeaning(stoppingSince, now)
    if (meaning === 'now') process.exit(1)
    if (meaning === 'same') return
    stoppingSince = now
    stop().catch(crash)
  })
}
// After an error that nobody expected, nothing that is in memory can be relied on; what is in the log can.
process.on('uncaughtException', crash)
process.on('unhandledRejection', crash)
void service.broken.then(crash)
