/**
 * The library of functions inside Redis (`redis-functions.lua`), named by what is in it.
 *
 * Two releases whose functions differ have two libraries side by side, so that old and new processes can run together while a
 * deployment goes on, and loading never replaces what somebody else is using. Functions know no key prefix: it comes with the keys.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  ANSWER_PART_CHARS_MAX,
  OPEN_TURNS_MAX,
  PROCESSES_MAX,
  SESSION_ENTRIES_MAX,
  TALLY_SESSIONS_MAX,
  WRITE_ENTRIES_MAX,
} from '../conversation/limits.ts'
import { LEASES_AHEAD_MAX } from './log-decisions.ts'

/** How keys, fields and entries are written; raised with every change that an older release could not read. */
export const REDIS_FORMAT = 1

/** Sessions a step looks at beyond those it was asked for. */
const LOOK_MAX = 64
/** A session that is listed and cannot be claimed is looked at again after this long. */
const POSTPONE_MS = 60_000

export interface RedisLibrary {
  readonly name: string
  /** What `FUNCTION LOAD` takes. */
  readonly code: string
  /** The full name of one of its functions. */
  readonly functionName: (name: string) => string
}

/** Reads the functions; the same text always gives the same library. */
export function loadLibrary(): RedisLibrary {
  const limits = {
    openTurns: OPEN_TURNS_MAX,
    entries: SESSION_ENTRIES_MAX,
    bodies: WRITE_ENTRIES_MAX,
    partChars: ANSWER_PART_CHARS_MAX,
    look: LOOK_MAX,
    postponeMs: POSTPONE_MS,
    leasesAhead: LEASES_AHEAD_MAX,
    tallySessions: TALLY_SESSIONS_MAX,
    processes: PROCESSES_MAX,
  }
  const table = Object.entries(limits).map(([name, value]) => `${name} = ${value}`)
  const constants = `local FORMAT = '${REDIS_FORMAT}'\nlocal LIMITS = { ${table.join(', ')} }`
  const functions = readFileSync(new URL('./redis-functions.lua', import.meta.url), 'utf8')
  const digest = createHash('sha256').update(`${constants}\n${functions}`).digest('hex').slice(0, 12)
  const name = `chat_log_${REDIS_FORMAT}_${digest}`
  return {
    name,
    code: `#!lua name=${name}\nlocal NAME = '${name}'\n${constants}\n${functions}`,
    functionName: (short) => `${name}_${short}`,
  }
}
