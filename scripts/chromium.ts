/** Finds the Chromium that the browser tests drive, or installs the system's where that can be done without asking. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

export type Chromium = { readonly type: 'found'; readonly path: string } | { readonly type: 'missing'; readonly advice: string }

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const PLACES = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium']
const ADVICE = [
  'The browser tests need Chromium, and none was found. Install it and run npm test again:',
  '  Debian, Ubuntu   apt-get install chromium',
  '  Fedora           dnf install chromium',
  '  macOS            brew install --cask chromium',
  'or set CHROMIUM_PATH to the executable of a Chromium or Chrome that is there.',
].join('\n')

/** `CHROMIUM_PATH`, else one from the usual places, else Debian's own package when this is Debian and we are root. */
export function findChromium(): Chromium {
  const given = process.env['CHROMIUM_PATH'] ?? ''
  if (given !== '') {
    return existsSync(given)
      ? { type: 'found', path: given }
      : { type: 'missing', advice: `CHROMIUM_PATH is set, and there is no file at ${given}.` }
  }
  const there = installedChromium() ?? (installChromium() ? installedChromium() : undefined)
  return there === undefined ? { type: 'missing', advice: ADVICE } : { type: 'found', path: there }
}

function installedChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder))
  return [...folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name))), ...PLACES].find((place) => existsSync(place))
}

/** Whether `apt-get` has installed it. Its package lists are fetched only when the package is not in those that are there. */
function installChromium(): boolean {
  const isRoot = process.getuid?.() === 0
  if (!isRoot || !existsSync('/usr/bin/apt-get')) return false
  console.log('Installing Chromium for the browser tests (apt-get install chromium) …')
  return aptGet('install', 'chromium') || (aptGet('update') && aptGet('install', 'chromium'))
}

function aptGet(command: string, ...packages: readonly string[]): boolean {
  const result = spawnSync('/usr/bin/apt-get', ['-qq', '-y', '--no-install-recommends', command, ...packages], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  return result.status === 0
}
