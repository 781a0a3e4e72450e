/**
 * The folder in which the service keeps what must outlive it: the conversation log, and the secret that signs cookies.
 */
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { RandomBytes } from '../conversation/ids.ts'
import { StartError, systemCode } from './start-error.ts'

const SECRET_FILE = 'session-secret'

/** The database of the conversation log. Beside it stands `-wal` while it is open. */
export const storeFileIn = (folder: string): string => path.join(folder, 'chat.sqlite')
const SECRET_BYTES = 32
const SECRET_FORM = /^[A-Za-z0-9_-]{43}$/

/**
 * Makes the folder where it is missing, for its owner only, and shows that it can be written.
 *
 * @throws StartError when it cannot.
 */
export function prepareDataFolder(folder: string): void {
  const probe = path.join(folder, `.write-probe-${process.pid}`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(probe, '')
    rmSync(probe)
  } catch (cause) {
    throw new StartError(`DATA_DIR cannot be written: ${path.resolve(folder)} (${systemCode(cause) ?? 'unknown error'}).`, { cause })
  }
}

/**
 * The secret kept in the folder, made on first use. Whoever starts first makes it: a second process finds the same one.
 *
 * @throws StartError when what is there cannot be read or is no secret.
 */
export function keptSecret(folder: string, randomBytes: RandomBytes): string {
  const file = path.join(folder, SECRET_FILE)
  try {
    return readSecret(file) ?? makeSecret(file, randomBytes)
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    throw new StartError(
      `The session secret in DATA_DIR cannot be used: ${path.resolve(file)} (${systemCode(cause) ?? 'unknown error'}).`,
      {
        cause,
      },
    )
  }
}

function readSecret(file: string): string | undefined {
  let kept: string
  try {
    kept = readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  if (SECRET_FORM.test(kept)) return kept
  throw new StartError(
    `The session secret in DATA_DIR is damaged: ${path.resolve(file)}. Put the old one back, or delete the file: everybody then starts as a new visitor.`,
  )
}

/** Written whole beside its place and linked there, so that no crash leaves half of one and nobody's is overwritten. */
function makeSecret(file: string, randomBytes: RandomBytes): string {
  const made = Buffer.from(randomBytes(SECRET_BYTES)).toString('base64url')
  const draft = `${file}.${process.pid}`
  rmSync(draft, { force: true })
  writeFileSync(draft, `${made}\n`, { mode: 0o600, flag: 'wx', flush: true })
  try {
    linkSync(draft, file)
    flushFolder(path.dirname(file))
    return made
  } catch (error) {
    const other = systemCode(error) === 'EEXIST' ? readSecret(file) : undefined
    if (other === undefined) throw error
    return other
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Makes the folder's list of files durable, too. */
function flushFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
