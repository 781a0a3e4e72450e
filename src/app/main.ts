/**
 * The server process: reads the environment, starts the service, and ends it on a signal or when it cannot go on.
 *
 * Exit code 0 after a stop that somebody asked for, 1 otherwise. Whatever ends the process without warning (`kill -9`, power)
 * is for the conversation log to survive, not for this file.
 */
import packageJson from '../../package.json' with { type: 'json' }
import { ChatServiceError } from '../chat-service-error.ts'
import { readConfig } from './config.ts'
import { createPorts } from './ports.ts'
import { startService, type Service } from './service.ts'
import { createShutdown } from './shutdown.ts'

const ports = createPorts()

/** One message, for the person who started it; a stack only where nobody foresaw what happened. */
function fail(error: unknown): never {
  const isForeseen = error instanceof ChatServiceError
  const unforeseen = error instanceof Error ? error.stack : String(error)
  process.stderr.write(isForeseen ? `${error.message}\n` : `The service could not start.\n${unforeseen}\n`)
  process.exit(1)
}

/** The few lines a person wants to see. */
function introduce({ url, opsUrl, facts }: Service, publicOrigin: string | undefined): void {
  const lines = [
    `${packageJson.name} ${packageJson.version}`,
    `Open     ${publicOrigin ?? url.replace('127.0.0.1', 'localhost')}`,
    ...(opsUrl === undefined ? [] : [`Metrics  ${opsUrl}/metrics`]),
    `Store    ${facts.store}`,
    `Agent    ${facts.agent}`,
    `Level    ${facts.level}`,
    'Stop     Ctrl-C',
  ]
  ports.writeLine(`\n${lines.map((line) => `  ${line}\n`).join('')}\n`)
}

/** What runs, once it runs. */
let running: { readonly service: Service; readonly drainMs: number } | undefined

function crash(cause: unknown): never {
  if (running === undefined) fail(cause)
  running.service.events.serviceCrashed(cause)
  process.exit(1)
}

const onSignal = createShutdown({
  clock: ports.clock,
  running: () => running,
  exit: (code) => process.exit(code),
  crash,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
// After an error that nobody expected, nothing that is in memory can be relied on; what is in the log can.
process.on('uncaughtException', crash)
process.on('unhandledRejection', crash)

try {
  const config = readConfig(process.env)
  const service = await startService(config, ports, packageJson.version)
  running = { service, drainMs: config.drainMs }
  void service.broken.then(crash)
  if (config.environment === 'development') introduce(service, config.publicOrigin)
} catch (error) {
  fail(error)
}
