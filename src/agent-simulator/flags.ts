/** The simulator's command line. Pure: arguments and environment in, options or what is wrong with them out. */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { FAULT_MEANINGS, FAULT_NAMES, parsePlanText, type Plan } from './fault.ts'
import type { Pace } from './faults.ts'

export interface Flags {
  readonly host: string
  readonly port: number
  readonly plan: Plan
  readonly seed: number
  readonly pace: Pace
  readonly guidanceFolder: string
  /** Where the service is that asks this agent, without a slash at the end. */
  readonly serviceUrl: string | undefined
}

export type FlagsResult =
  | { readonly type: 'run'; readonly flags: Flags }
  | { readonly type: 'help' }
  | { readonly type: 'wrong'; readonly problems: readonly string[] }

/** The bundled guidance, wherever the program is started from. */
const BUNDLED_GUIDANCE = path.resolve(import.meta.dirname, '../../guidance')
const DEFAULTS = {
  service: 'http://127.0.0.1:3000',
  host: '127.0.0.1',
  port: '3001',
  seed: '1',
  'first-ms': '400',
  'chunk-ms': '40',
  faults: 'normal',
}

export const USAGE = `Usage: npm run simulator -- [flags]

  --port N           where to listen (${DEFAULTS.port}, or SIMULATOR_PORT); 0 takes any free port
  --host HOST        on which address (${DEFAULTS.host}); anything else lets others break your agent
  --faults SCRIPT    what goes wrong (${DEFAULTS.faults}), for example "error rate=0.5 count=3, refused ms=10000, normal"
  --first-ms N       milliseconds to the first word of an answer (${DEFAULTS['first-ms']})
  --chunk-ms N       milliseconds between two words (${DEFAULTS['chunk-ms']})
  --seed N           all chance comes from it (${DEFAULTS.seed})
  --service URL      the service whose level and breakers the page shows (${DEFAULTS.service}, or its PORT); "none" shows nothing
  --guidance DIR     the Markdown pages it answers from (the bundled ones, or GUIDANCE_DIR)

Faults:
${FAULT_NAMES.map((name) => `  ${name.padEnd(17)}${FAULT_MEANINGS[name]}`).join('\n')}

Every fault takes rate=0..1, count=N and ms=N. docs/agent-protocol.md lists their other settings.`

type Values = Readonly<Record<string, string | boolean | undefined>>

/** Reads the arguments after the program's name; a variable of the environment counts where its flag is not given. */
export function readFlags(args: readonly string[], env: Readonly<Record<string, string | undefined>>): FlagsResult {
  let values: Values
  try {
    const text = { type: 'string' } as const
    const options = {
      help: { type: 'boolean' },
      ...Object.fromEntries([...Object.keys(DEFAULTS), 'guidance'].map((name) => [name, text])),
    } as const
    values = parseArgs({ args: [...args], options, allowPositionals: false }).values
  } catch (error) {
    return { type: 'wrong', problems: [error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error)] }
  }
  if (values['help'] === true) return { type: 'help' }
  return check({ ...fromEnvironment(env), ...values })
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Values {
  const port = env['SIMULATOR_PORT']?.trim() ?? ''
  const guidance = env['GUIDANCE_DIR']?.trim() ?? ''
  const servicePort = env['PORT']?.trim() ?? ''
  return {
    ...DEFAULTS,
    ...(port === '' ? {} : { port }),
    ...(guidance === '' ? {} : { guidance }),
    ...(/^[1-9]\d{0,4}$/.test(servicePort) ? { service: `http://127.0.0.1:${servicePort}` } : {}),
  }
}

function check(values: Values): FlagsResult {
  const problems: string[] = []
  const number = (name: string, max: number): number => {
    const given = String(values[name])
    const value = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN
    if (!(value <= max)) problems.push(`--${name} must be a whole number from 0 to ${max}`)
    return value
  }
  /** Without a slash at the end; `undefined` for none. */
  const address = (name: string): string | undefined => {
    const given = String(values[name])
    const url = /^https?:\/\//.test(given) ? URL.parse(given) : null
    if (url === null && given !== 'none') problems.push(`--${name} must be an http or https address, or "none"`)
    return url?.href.replace(/\/$/, '')
  }
  const plan = parsePlanText(String(values['faults']))
  if (!plan.ok) problems.push(...plan.problems.map(({ path: place, problem }) => `--faults: ${place === '' ? 'it' : place} ${problem}`))
  const flags = {
    host: String(values['host']),
    port: number('port', 65_535),
    seed: number('seed', 2 ** 32 - 1),
    pace: { firstMs: number('first-ms', 3_600_000), chunkMs: number('chunk-ms', 3_600_000) },
    guidanceFolder: path.resolve(String(values['guidance'] ?? BUNDLED_GUIDANCE)),
    serviceUrl: address('service'),
  }
  if (flags.host === '') problems.push('--host must not be empty')
  return problems.length > 0 || !plan.ok ? { type: 'wrong', problems } : { type: 'run', flags: { ...flags, plan: plan.plan } }
}
