/**
 * Reads the Dockerfile, and plays it: builds the file system of a stage in a folder, by the same instructions and with the same
 * files as a builder of images would, so that what comes out can be run where no container can.
 *
 * What a folder is not: it has no base image in it but the one program that the instructions name, and `RUN` sees this machine's
 * shell and npm. `npm ci` with the development packages is not run again: `npm test` has just done so from the same lock file,
 * and its `node_modules` is taken.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, cpSync, globSync, linkSync, lstatSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')

export interface Instruction {
  readonly name: string
  readonly words: readonly string[]
  readonly text: string
}

export interface Stage {
  readonly name: string
  /** With the global arguments put in. */
  readonly image: string
  readonly instructions: readonly Instruction[]
}

const KNOWN = ['FROM', 'ARG', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'EXPOSE', 'VOLUME', 'ENTRYPOINT', 'CMD']

/** The stages in order. Throws on an instruction or a form that `playStage` does not know. */
export function readContainerFile(text = readFileSync(path.join(root, 'Dockerfile'), 'utf8')): readonly Stage[] {
  const args = new Map<string, string>()
  const stages: { name: string; image: string; instructions: Instruction[] }[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [name = '', ...words] = line.trim().split(/\s+/)
    const rest = line.trim().slice(name.length).trim()
    if (!KNOWN.includes(name) || line.endsWith('\\')) throw new Error(`the Dockerfile has a line that is not understood: ${line}`)
    const stage = stages.at(-1)
    if (name === 'FROM') stages.push({ name: words[2] ?? '', image: withArguments(words[0] ?? '', args), instructions: [] })
    else if (stage === undefined) args.set(rest.split('=')[0] ?? '', rest.slice(rest.indexOf('=') + 1))
    else stage.instructions.push({ name, words, text: rest })
  }
  return stages
}

const withArguments = (text: string, args: ReadonlyMap<string, string>): string =>
  text.replaceAll(/\$\{(\w+)\}/g, (_whole, name: string) => args.get(name) ?? '')

export const stageOf = (name: string, stages = readContainerFile()): Stage => {
  const stage = stages.find((each) => each.name === name)
  if (stage === undefined) throw new Error(`the Dockerfile has no stage ${name}`)
  return stage
}

/** The last instruction of that name. */
export const lastOf = (stage: Stage, name: string): Instruction | undefined => stage.instructions.findLast((each) => each.name === name)

/** A list in the form of JSON, as ENTRYPOINT and CMD have it. */
export function listOf(instruction: Instruction | undefined): readonly string[] {
  const list: unknown = JSON.parse(instruction?.text ?? '[]')
  if (!Array.isArray(list)) throw new Error(`not a list: ${instruction?.text}`)
  return list.map(String)
}

/** What ENV sets, over all of the stage; an argument that nobody gives is empty. */
export const environmentOf = (stage: Stage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    stage.instructions
      .filter(({ name }) => name === 'ENV')
      .flatMap(({ words }) =>
        words.map((word) => [word.slice(0, word.indexOf('=')), withArguments(word.slice(word.indexOf('=') + 1), new Map())]),
      ),
  )

/** The paths of the build context, by `.dockerignore`: the last line that fits decides. */
export function contextFiles(): readonly string[] {
  const rules = readFileSync(path.join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ isIn: line.startsWith('!'), pattern: line.replace(/^!/, '') }))
  // No pattern lets these in, and they are large; `isIn` below would leave them out as well.
  const all = globSync('**', { cwd: root, exclude: (name) => ['node_modules', '.git', 'dist', 'data'].includes(name) })
  const files = [...all, '.npmrc'].filter((file) => lstatSync(path.join(root, file)).isFile())
  return files.filter((file) => rules.findLast(({ pattern }) => fits(file, pattern))?.isIn !== false)
}

/** A pattern fits a file when it fits the file's path or a folder above it. */
function fits(file: string, pattern: string): boolean {
  const parts = file.split('/')
  const places = parts.map((_part, index) => parts.slice(0, index + 1).join('/'))
  return places.some((place) => path.posix.matchesGlob(place, pattern))
}

/** A stage that has been played: its file system, under a folder of this machine. */
export interface PlayedStage {
  readonly stage: Stage
  /** The folder that stands for `/`. */
  readonly folder: string
  /** Where a path of the image is on this machine. */
  readonly at: (place: string) => string
}

const NODE_OF_IMAGE = '/nodejs/bin/node'
const INSTALL_ALL = 'npm ci --ignore-scripts'

/** Plays the stage, and before it those that it copies from, each in a folder of `base`. */
export function playStage(name: string, base: string, played = new Map<string, PlayedStage>()): PlayedStage {
  const done = played.get(name)
  if (done !== undefined) return done
  const stage = stageOf(name)
  const folder = path.join(base, name)
  let workdir = '/'
  const at = (place: string): string => path.join(folder, path.posix.resolve(workdir, place))
  mkdirSync(folder, { mode: 0o755 })
  if (stage.image.startsWith('gcr.io/distroless/nodejs')) placeNode(path.join(folder, NODE_OF_IMAGE))
  for (const { name: kind, words, text } of stage.instructions) {
    if (kind === 'WORKDIR') workdir = path.posix.resolve(workdir, text)
    if (kind === 'WORKDIR') mkdirSync(at('.'), { recursive: true })
    if (kind === 'COPY') copy(words, at, (from) => playStage(from, base, played))
    if (kind === 'RUN') run(text, at)
  }
  const result = { stage, folder, at }
  played.set(name, result)
  return result
}

/** As a link where that can be: it has more than a hundred megabytes. */
function placeNode(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true })
  try {
    linkSync(process.execPath, file)
  } catch {
    copyFileSync(process.execPath, file)
  }
  chmodSync(file, 0o755)
}

function copy(words: readonly string[], at: (place: string) => string, play: (stage: string) => PlayedStage): void {
  const options = words.filter((word) => word.startsWith('--'))
  const places = words.filter((word) => !word.startsWith('--'))
  const target = places.at(-1) ?? ''
  const from = options.find((option) => option.startsWith('--from='))?.slice('--from='.length)
  const owner = options.find((option) => option.startsWith('--chown='))?.slice('--chown='.length)
  for (const source of places.slice(0, -1)) {
    const to = target.endsWith('/') && !isFolder(source, from, play) ? at(path.posix.join(target, path.basename(source))) : at(target)
    if (from === undefined) copyFromContext(source, to)
    else cpSync(play(from).at(source), to, { recursive: true, verbatimSymlinks: true })
    if (owner !== undefined) giveTo(to, owner)
  }
}

const isFolder = (source: string, from: string | undefined, play: (stage: string) => PlayedStage): boolean =>
  lstatSync(from === undefined ? path.join(root, source) : play(from).at(source)).isDirectory()

function copyFromContext(source: string, to: string): void {
  const files = contextFiles().filter((file) => file === source || file.startsWith(`${source}/`))
  if (files.length === 0) throw new Error(`the Dockerfile copies ${source}, which .dockerignore keeps out or which is not there`)
  for (const file of files) {
    const place = path.join(to, path.relative(source, file))
    mkdirSync(path.dirname(place), { recursive: true })
    copyFileSync(path.join(root, file), place)
  }
}

/** Only root may give files away; for anybody else they are their own, and the user of the image is them. */
function giveTo(place: string, owner: string): void {
  const [uid = 0, gid = 0] = owner.split(':').map(Number)
  if (process.getuid?.() === 0) chownSync(place, uid, gid)
}

function run(text: string, at: (place: string) => string): void {
  if (text === INSTALL_ALL) {
    symlinkSync(path.join(root, 'node_modules'), at('node_modules'))
    return
  }
  const [program = '', ...args] = text.startsWith('[') ? listOf({ name: 'RUN', words: [], text }) : ['sh', '-c', text]
  const command = path.isAbsolute(program) ? at(program) : program
  const result = spawnSync(command, args, { cwd: at('.'), encoding: 'utf8', env: buildEnvironment() })
  if (result.status !== 0)
    throw new Error(`RUN ${text} failed (${result.error?.message ?? result.status}):\n${result.stdout}${result.stderr}`)
}

/** This machine's path and npm settings, without what npm tells its scripts about our own package. */
function buildEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(?:npm_|NODE_(?:ENV|OPTIONS|PATH)$|VITEST)/i.test(name) ||
      /^npm_config_(?:registry|cache|cafile|proxy|https_proxy|noproxy)$/i.test(name),
  )
  return {
    ...Object.fromEntries(kept),
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}`,
    npm_config_loglevel: 'error',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_prefer_offline: 'true',
  }
}
