/**
 * The service file: read whole at start, looked at again every few seconds, and taken when what it says has changed and can be used.
 *
 * Contents that cannot be used stop the start; later they are told once and the last good ones stay in force, so that a slip of the
 * pen never takes a page away. The file is read by its name and not watched: one that is replaced, lies on a network disk or behind
 * a link that is moved (as Kubernetes does) is noticed all the same.
 */
import { readFile, stat } from 'node:fs/promises'
import { PROFILE_FILE_BYTES_MAX, PROFILE_LOOK_MS } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import { parseProfile, type ProfileResult } from './parse-profile.ts'
import { ProfileError } from './profile-error.ts'
import type { ServiceProfile } from './service-profile.ts'

export type ReadText = (path: string) => Promise<Text>
type Text = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly problem: string }

export interface ProfileFileOptions {
  readonly path: string
  /** What the service is called when the file does not say. */
  readonly name: string
  readonly clock: Pick<Clock, 'schedule'>
  /** Other contents are in force now. */
  readonly onTaken: () => void
  /** The contents cannot be used and the ones before stay in force; called once for each. */
  readonly onRefused: (cause: ProfileError) => void
  /** Never rejects. */
  readonly read?: ReadText
}

export interface ProfileFile extends Disposable {
  readonly current: ServiceProfile
}

/** @throws ProfileError when the file cannot be read or used */
export async function openProfileFile(options: ProfileFileOptions): Promise<ProfileFile> {
  const { path, name, clock, onTaken, onRefused, read = readText } = options
  let seen = await read(path)
  const first = parsed(seen, name)
  if (!first.ok) throw new ProfileError(path, first.faults)
  let current = first.profile
  let isClosed = false
  let cancel = clock.schedule(PROFILE_LOOK_MS, () => void look())

  async function look(): Promise<void> {
    const now = await read(path)
    if (isClosed) return
    cancel = clock.schedule(PROFILE_LOOK_MS, () => void look())
    if (isSame(now, seen)) return
    seen = now
    const result = parsed(now, name)
    if (!result.ok) return onRefused(new ProfileError(path, result.faults))
    current = result.profile
    onTaken()
  }

  return {
    get current() {
      return current
    },
    [Symbol.dispose]() {
      isClosed = true
      cancel()
    },
  }
}

const saidBy = (text: Text): string => (text.ok ? text.text : text.problem)
const isSame = (one: Text, other: Text): boolean => one.ok === other.ok && saidBy(one) === saidBy(other)

const parsed = (text: Text, name: string): ProfileResult =>
  text.ok ? parseProfile(text.text, name) : { ok: false, faults: [{ line: 1, problem: text.problem }] }

async function readText(path: string): Promise<Text> {
  try {
    // Before it is in memory: anything may have been put there.
    const { size } = await stat(path)
    if (size > PROFILE_FILE_BYTES_MAX) return { ok: false, problem: `the file is larger than ${PROFILE_FILE_BYTES_MAX} bytes` }
    return { ok: true, text: await readFile(path, 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return { ok: false, problem: `the file cannot be read (${code})` }
  }
}
