/** Finds the programs that the tests drive and npm cannot bring, or installs the system's where that can be done without asking. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

interface Tool {
  /** The setting that names its executable; tests read it. */
  readonly setting: 'CHROMIUM_PATH' | 'REDIS_SERVER_PATH' | 'PROMETHEUS_PATH' | 'PROMTOOL_PATH'
  readonly title: string
  /** Executables that do, the best first. */
  readonly names: readonly string[]
  /** Where it stands outside the `PATH`. */
  readonly places: readonly string[]
  readonly debian: string
  readonly fedora: string
  readonly homebrew: string
}

export type MachineTools =
  /** `paths` has the executable of each tool under its setting. */
  { readonly type: 'found'; readonly paths: Readonly<Record<string, string>> } | { readonly type: 'missing'; readonly advice: string }

const CHROMIUM: Tool = {
  setting: 'CHROMIUM_PATH',
  title: 'Chromium',
  names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
  places: ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium'],
  debian: 'chromium',
  fedora: 'chromium',
  homebrew: '--cask chromium',
}
const REDIS: Tool = {
  setting: 'REDIS_SERVER_PATH',
  title: 'Redis',
  names: ['redis-server'],
  places: [],
  debian: 'redis-server',
  fedora: 'redis',
  homebrew: 'redis',
}
const PROMETHEUS = { title: 'Prometheus', places: [], debian: 'prometheus', fedora: 'golang-github-prometheus', homebrew: 'prometheus' }
const TOOLS: readonly Tool[] = [
  CHROMIUM,
  REDIS,
  { setting: 'PROMETHEUS_PATH', names: ['prometheus'], ...PROMETHEUS },
  { setting: 'PROMTOOL_PATH', names: ['promtool'], ...PROMETHEUS },
]

/** Each tool's own setting, else one from the usual places, else Debian's package when this is Debian and we are root. */
export function findMachineTools(): MachineTools {
  const given = TOOLS.filter(({ setting }) => settingOf(setting) !== undefined)
  const wrong = given.filter(({ setting }) => !existsSync(settingOf(setting) ?? ''))
  if (wrong.length > 0) return { type: 'missing', advice: wrong.map(adviceOnSetting).join('\n') }
  const absent = TOOLS.filter((tool) => pathOf(tool) === undefined)
  if (absent.length > 0) installPackages([...new Set(absent.map(({ debian }) => debian))])
  const missing = TOOLS.filter((tool) => pathOf(tool) === undefined)
  if (missing.length > 0) return { type: 'missing', advice: missing.map(adviceOnInstalling).join('\n\n') }
  return { type: 'found', paths: Object.fromEntries(TOOLS.map((tool) => [tool.setting, pathOf(tool) ?? ''])) }
}

function settingOf(setting: Tool['setting']): string | undefined {
  const value = process.env[setting] ?? ''
  return value === '' ? undefined : value
}

function pathOf({ setting, names, places }: Tool): string | undefined {
  const given = settingOf(setting)
  if (given !== undefined) return given
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder))
  return [...folders.flatMap((folder) => names.map((name) => path.join(folder, name))), ...places].find((place) => existsSync(place))
}

const adviceOnSetting = ({ setting }: Tool): string => `${setting} is set, and there is no file at ${settingOf(setting)}.`

const adviceOnInstalling = ({ title, setting, debian, fedora, homebrew }: Tool): string =>
  [
    `The tests need ${title}, and none was found. Install it and run npm test again:`,
    `  Debian, Ubuntu   apt-get install ${debian}`,
    `  Fedora           dnf install ${fedora}`,
    `  macOS            brew install ${homebrew}`,
    `or set ${setting} to the executable of one that is there.`,
  ].join('\n')

/** By `apt-get`, where it can be used. Package lists are fetched only when a package is not in those that are there. */
function installPackages(packages: readonly string[]): void {
  const isRoot = process.getuid?.() === 0
  if (!isRoot || !existsSync('/usr/bin/apt-get')) return
  console.log(`Installing what the tests need (apt-get install ${packages.join(' ')}) …`)
  if (!aptGet('install', ...packages) && aptGet('update')) aptGet('install', ...packages)
}

function aptGet(command: string, ...packages: readonly string[]): boolean {
  const result = spawnSync('/usr/bin/apt-get', ['-qq', '-y', '--no-install-recommends', command, ...packages], {
    stdio: ['ignore', 'inherit', 'inherit'],
    // In runlevel 1 Debian's packages start none of the servers they bring.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  })
  return result.status === 0
}
