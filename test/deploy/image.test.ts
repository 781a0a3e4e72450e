/** The container file: its rules, and what comes out of it, run as it would run. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { ApiClient } from '../api-client.ts'
import { END_WITH_PARENT, onAction, startProgram, type RunningProcess } from '../processes.ts'
import { temporaryFolder, type TemporaryFolder } from '../server-process.ts'
import {
  contextFiles,
  environmentOf,
  lastOf,
  listOf,
  playStage,
  readContainerFile,
  root,
  stageOf,
  type PlayedStage,
} from './container-file.ts'

const stages = readContainerFile()
const FINAL = ['service', 'cdp', 'agent-simulator'] as const

test('[O141] every stage begins with an image whose version is named, and the Node of those that build is the pinned one', () => {
  const images = stages.map(({ image }) => image)
  expect(images.filter((image) => !/^[\w./-]+:[\w.-]+$/.test(image) || image.endsWith(':latest'))).toEqual([])
  const node = packageJson.devDependencies.node
  expect(stages.filter(({ name }) => name === 'build' || name === 'app').map(({ image }) => image)).toEqual([
    `node:${node}-trixie-slim`,
    `node:${node}-trixie-slim`,
  ])
  // The last stage is what is built when none is named.
  expect(stages.at(-1)?.name).toBe('service')
})

test('[O141] packages are installed from the lock file and no script of theirs is run', () => {
  const runs = stages.flatMap(({ instructions }) => instructions.filter(({ name }) => name === 'RUN').map(({ text }) => text))
  const npm = runs.flatMap((text) => text.split('&&')).filter((text) => /\bnpm /.test(text))
  expect(npm.length).toBeGreaterThan(0)
  expect(npm.filter((text) => !(text.includes('npm ci') && text.includes('--ignore-scripts')))).toEqual([])
})

test.each(FINAL)('[O141] %s runs Node itself, as a user other than root', (name) => {
  const stage = stageOf(name)
  const command = [...listOf(lastOf(stage, 'ENTRYPOINT')), ...listOf(lastOf(stage, 'CMD'))]
  expect(command[0]).toMatch(/^(?:\/nodejs\/bin\/)?node$/)
  expect(command[1]).toMatch(/^src\/(?:app|agent-simulator)\/main\.ts$/)
  expect(existsSync(path.join(root, command[1] ?? ''))).toBe(true)
  expect(lastOf(stage, 'USER')?.text).toMatch(/^(?:65532:65532|node)$/)
})

test('[O141] what is copied is in the build context, and the context holds no test', () => {
  const files = contextFiles()
  const copied = stages.flatMap(({ instructions }) =>
    instructions.filter(({ name, text }) => name === 'COPY' && !text.includes('--from=')).flatMap(({ words }) => words.slice(0, -1)),
  )
  expect(copied.filter((source) => !files.some((file) => file === source || file.startsWith(`${source}/`)))).toEqual([])
  expect(files.filter((file) => /\.(?:test|contract)\.ts$|^test\/|^src\/testing\/|node_modules|^data\//.test(file))).toEqual([])
})

const OPS_TOKEN = 'a-token-for-a-test-0123456789abcdef'

let base: TemporaryFolder
let service: PlayedStage
let simulator: PlayedStage
/** The user of the image where we may choose one; else ourselves, with every file made read-only. */
let user: { readonly uid: number; readonly gid: number } | undefined

beforeAll(() => {
  base = temporaryFolder()
  chmodSync(base.path, 0o755)
  const played = new Map<string, PlayedStage>()
  service = playStage('service', base.path, played)
  simulator = playStage('agent-simulator', base.path, played)
  const [uid = 0, gid = 0] = (lastOf(service.stage, 'USER')?.text ?? '').split(':').map(Number)
  if (process.getuid?.() === 0) user = { uid, gid }
  else for (const { folder } of [service, simulator]) forEachFile(folder, (file) => chmodSync(file, lstatSync(file).mode & ~0o222))
})

afterAll(() => {
  if (user === undefined) forEachFile(base.path, (file) => chmodSync(file, 0o755))
  base[Symbol.dispose]()
})

function forEachFile(folder: string, see: (file: string) => void): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) forEachFile(file, see)
    if (!entry.isSymbolicLink()) see(file)
  }
}

/** Every file with what a write would change of it. */
function listing(folder: string): readonly string[] {
  const lines: string[] = []
  forEachFile(folder, (file) => {
    const { size, mtimeMs, mode } = lstatSync(file)
    lines.push(`${path.relative(folder, file)} ${size} ${mtimeMs} ${mode}`)
  })
  return lines.toSorted()
}

/** Starts what the image starts, with the image's own environment and nothing else but `env`. */
function startImage({ stage, folder, at }: PlayedStage, args: readonly string[], env: Readonly<Record<string, string>>): RunningProcess {
  const [node = '', ...before] = listOf(lastOf(stage, 'ENTRYPOINT'))
  // Beside the image, where its user may read it wherever this repository is.
  const end = path.join(base.path, 'end-with-parent.mjs')
  copyFileSync(new URL(END_WITH_PARENT), end)
  return startProgram(path.join(folder, node), {
    name: stage.name,
    args: ['--import', pathToFileURL(end).href, ...before, ...listOf(lastOf(stage, 'CMD')), ...args],
    cwd: at('.'),
    env: { ...environmentOf(stage), ...env },
    user,
  })
}

test('[O143] the image holds what runs and nothing else', () => {
  const files = listing(service.at('.')).map((line) => line.split(' ')[0] ?? '')
  const top = new Set(files.map((file) => file.split('/')[0]).toSorted((a = '', b = '') => a.localeCompare(b)))
  expect([...top]).toEqual(['data', 'dist', 'guidance', 'node_modules', 'package.json', 'src'])
  const packages = new Set(files.flatMap((file) => (file.startsWith('node_modules/') ? [file.split('/')[1] ?? ''] : [])))
  const devOnly = Object.keys(packageJson.devDependencies).filter((name) => packages.has(name))
  expect(devOnly).toEqual([])
  expect(Object.keys(packageJson.dependencies).filter((name) => !packages.has(name.split('/')[0] ?? ''))).toEqual([])
  expect(files.filter((file) => /^src\/(?:testing|browser|agent-simulator)\/|^src\/.*\.(?:test|contract)\.ts$/.test(file))).toEqual([])
})

test('[O142][O143] the image answers a question from read-only files, as its own user, and writes in DATA_DIR alone', async () => {
  const data = path.join(base.path, 'volume')
  mkdirSync(data, { mode: 0o700 })
  if (user !== undefined) chownSync(data, user.uid, user.gid)
  await using agent = startImage(simulator, ['--port', '0', '--first-ms', '1', '--chunk-ms', '1'], {})
  const agentUrl = await agent.line((line) => /\bws:\/\/\S+/.exec(line)?.[0])
  const before = listing(service.folder)

  await using server = startImage(service, [], {
    PORT: '0',
    DATA_DIR: data,
    AGENT_URL: agentUrl.replace('0.0.0.0', '127.0.0.1'),
    PUBLIC_ORIGIN: 'https://chat.example.gov.uk',
    OPS_TOKEN,
  })
  const url = (await server.line(onAction('sys_startup', 'url.full'))).replace('0.0.0.0', '127.0.0.1')
  const person = new ApiClient(url)
  const session = await person.createSession()
  await person.ask(session, 'What happens to my question when the assistant is down?')
  const answer = await person.until(session, (messages) => messages.find(({ status }) => status === 'complete'))
  const page = await (await fetch(url)).text()
  const assets = [...page.matchAll(/(?:href|src)="(\/assets\/[^"]+\.(?:css|js))"/g)].map(([, place = '']) => place)
  const served = await Promise.all(assets.map(async (place) => (await fetch(url + place)).status))
  // Whose process it is, where the system shows that and we could choose.
  const uid = user === undefined ? undefined : lstatSync(`/proc/${server.pid}`, { throwIfNoEntry: false })?.uid
  const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } })).text()
  const level = await person.request('GET', '/api/v1/status')
  expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })

  expect(answer.content.length).toBeGreaterThan(20)
  expect(level.body).toMatchObject({ level: 'full' })
  expect(assets.length).toBeGreaterThanOrEqual(2)
  expect(metrics).toContain('chat_messages_total{type="user",status="completed"} 1')
  expect(served).toEqual(assets.map(() => 200))
  expect(server.errors).toEqual([])
  expect(listing(service.folder)).toEqual(before)
  expect(readdirSync(data)).toContain('chat.sqlite')
  expect([user?.uid, undefined]).toContain(uid)
})

test.each([
  ['is as old as the one of the tests', process.versions.node, 0],
  ['is of the same major and older', `${process.versions.node.split('.')[0]}.999.0`, 1],
  ['is of another major', '1.0.0', 1],
])('[O141] building the image ends with an error unless its Node is the one the tests ran with or newer: %s', (_what, wanted, status) => {
  using folder = temporaryFolder()
  writeFileSync(path.join(folder.path, 'package.json'), JSON.stringify({ devDependencies: { node: wanted } }))
  const check = listOf(stageOf('service').instructions.find(({ name, text }) => name === 'RUN' && text.startsWith('[')))
  const result = spawnSync(process.execPath, check.slice(1), { cwd: folder.path, encoding: 'utf8' })
  expect(result.status).toBe(status)
})
