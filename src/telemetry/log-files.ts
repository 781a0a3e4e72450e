/**
 * Log files beside the output: `application-2026-01-05.log` with every line, `error-2026-01-05.log` with the errors.
 *
 * Own code, because the libraries for it write later, and lose the last lines when the process ends. Here a line is with the
 * operating system before the call returns. A file ends with its day (UTC) and at 20 MB; the next of a day is
 * `application-2026-01-05.1.log`. Old ones are removed, unless the clock was set: then nobody knows how old they are.
 *
 * Guarantees: never throws. A folder that cannot be written costs lines here and nothing else: they are counted, told once, and tried
 * again a little later.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { LogLevel } from './log.ts'

/** What this needs of a disk; tests bring one that is full. */
export interface LogDisk {
  makeFolder(folder: string): void
  /** The names in a folder. */
  list(folder: string): readonly string[]
  /** Opens to append, and to look at what is there. */
  open(file: string): number
  sizeOf(descriptor: number): number
  /** The byte at `position`. */
  byteAt(descriptor: number, position: number): number
  /** How many bytes were written. */
  write(descriptor: number, bytes: Uint8Array): number
  close(descriptor: number): void
  remove(file: string): void
}

export const realDisk: LogDisk = {
  makeFolder: (folder) => void mkdirSync(folder, { recursive: true, mode: 0o750 }),
  list: (folder) => readdirSync(folder),
  open: (file) => openSync(file, 'a+', 0o640),
  sizeOf: (descriptor) => fstatSync(descriptor).size,
  byteAt(descriptor, position) {
    const byte = new Uint8Array(1)
    readSync(descriptor, byte, 0, 1, position)
    return byte[0] ?? 0
  },
  write: (descriptor, bytes) => writeSync(descriptor, bytes),
  close: closeSync,
  remove: (file) => rmSync(file, { force: true }),
}

export interface LogFilesOptions {
  readonly folder: string
  /** Wall-clock milliseconds since the epoch: which day it is. */
  readonly now: () => number
  /** Milliseconds that never go back: when to try again. */
  readonly monotonic: () => number
  readonly disk: LogDisk
  /** Counts a line that was not written; must not throw. */
  readonly dropped: (reason: 'file' | 'quota') => void
  /** Hears once when writing begins to fail, and again when it does after it has worked. */
  readonly failed: (cause: unknown) => void
}

/** Writes one line of JSON, line feed included, to the files that it belongs in. */
export type WriteLogFiles = (level: LogLevel, line: string) => void

const FILE_BYTES_MAX = 20 * 1024 * 1024
/** Files of one kind a day: a flood of lines must not fill the disk. */
const FILES_PER_DAY_MAX = 50
const APPLICATION_DAYS_KEPT = 14
const ERROR_DAYS_KEPT = 30
/** After a failure the next line is tried no sooner. */
const RETRY_MS = 10_000
const DAY_MS = 86_400_000
const LINE_FEED = 10

export function createLogFiles(options: LogFilesOptions): WriteLogFiles {
  const application = new RotatedFile(options, 'application', APPLICATION_DAYS_KEPT)
  const error = new RotatedFile(options, 'error', ERROR_DAYS_KEPT)
  return (level, line) => {
    application.write(line)
    if (level === 'error') error.write(line)
  }
}

class QuotaError extends Error {
  override name = 'QuotaError'
}

interface OpenFile {
  readonly descriptor: number
  readonly day: string
  size: number
  /** Its last line was cut off. */
  isCutOff: boolean
}

class RotatedFile {
  readonly #options: LogFilesOptions
  readonly #kind: 'application' | 'error'
  readonly #daysKept: number
  #file: OpenFile | undefined
  #lastDay: string | undefined
  #isFailing = false
  #retryAt = Number.NEGATIVE_INFINITY

  constructor(options: LogFilesOptions, kind: 'application' | 'error', daysKept: number) {
    this.#options = options
    this.#kind = kind
    this.#daysKept = daysKept
  }

  write(line: string): void {
    const { monotonic, dropped, failed } = this.#options
    if (monotonic() < this.#retryAt) return dropped('file')
    try {
      this.#append(line)
      this.#isFailing = false
    } catch (cause) {
      this.#retryAt = monotonic() + RETRY_MS
      dropped(cause instanceof QuotaError ? 'quota' : 'file')
      if (!this.#isFailing) failed(cause)
      this.#isFailing = true
      this.#close()
    }
  }

  #append(line: string): void {
    const day = dayOf(this.#options.now())
    if (this.#file !== undefined && (this.#file.day !== day || this.#file.size >= FILE_BYTES_MAX)) this.#close()
    const file = (this.#file ??= this.#open(day))
    // A line given up in its middle must not swallow the next one.
    let bytes = Buffer.from(file.isCutOff ? `\n${line}` : line)
    while (bytes.length > 0) {
      const written = this.#options.disk.write(file.descriptor, bytes)
      file.size += written
      file.isCutOff = written < bytes.length
      bytes = bytes.subarray(written)
    }
  }

  #open(day: string): OpenFile {
    const { folder, disk } = this.#options
    disk.makeFolder(folder)
    const names = disk.list(folder)
    this.#removeOld(names, day)
    const numbers = names.flatMap((name) => (this.#dayIn(name) === day ? [numberIn(name)] : []))
    for (let number = Math.max(0, ...numbers); number < FILES_PER_DAY_MAX; number += 1) {
      const descriptor = disk.open(path.join(folder, `${this.#kind}-${day}${number === 0 ? '' : `.${number}`}.log`))
      const size = disk.sizeOf(descriptor)
      // Whoever wrote it last may have been cut off in the middle of a line.
      if (size < FILE_BYTES_MAX) return { descriptor, day, size, isCutOff: size > 0 && disk.byteAt(descriptor, size - 1) !== LINE_FEED }
      disk.close(descriptor)
    }
    throw new QuotaError(`there are ${FILES_PER_DAY_MAX} log files of this day`)
  }

  #removeOld(names: readonly string[], day: string): void {
    const { folder, disk } = this.#options
    const last = this.#lastDay
    this.#lastDay = day
    if (last !== undefined && Math.abs(Date.parse(day) - Date.parse(last)) > DAY_MS) return
    const oldest = dayOf(Date.parse(day) - this.#daysKept * DAY_MS)
    for (const name of names) {
      const written = this.#dayIn(name)
      if (written !== undefined && written < oldest) disk.remove(path.join(folder, name))
    }
  }

  /** The day in the name of a file of this kind. */
  #dayIn(name: string): string | undefined {
    const [, kind, day] = /^(application|error)-(\d{4}-\d\d-\d\d)(?:\.\d+)?\.log$/.exec(name) ?? []
    return kind === this.#kind ? day : undefined
  }

  #close(): void {
    const file = this.#file
    this.#file = undefined
    if (file !== undefined) this.#options.disk.close(file.descriptor)
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
const numberIn = (name: string): number => Number(/\.(\d+)\.log$/.exec(name)?.[1] ?? 0)
