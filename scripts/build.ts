/**
 * Builds what browsers load into `dist/`: the scripts, one style sheet for each brand, and the icons of the generic brand,
 * each with its content's hash in its name, and `manifest.json`, which says what is called how.
 *
 * Does nothing when nothing that goes into it has changed. Run as `node scripts/build.ts`.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { compile } from 'sass'
import { minify, type MinifyOptions } from 'terser'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const manifestPath = join(dist, 'manifest.json')

/** Everything that decides what comes out. */
const INPUTS = ['src/browser', 'src/conversation', 'src/page', 'src/protocol', 'src/resilience', 'scripts/build.ts', 'package-lock.json']

/** The script that the chat page cannot come alive without. What it loads after that is lazy. */
const CRITICAL = 'chat.js'

/** Gzip sizes in bytes (chat page reference §8). */
const BUDGET = { critical: 25 * 1024, lazy: 8 * 1024, styles: 13 * 1024 }

/** After esbuild's own minifying it still takes a twentieth off what people wait for. */
const SMALLER: MinifyOptions = { module: true, ecma: 2022, compress: { passes: 2 }, format: { comments: false } }

interface Output {
  readonly name: string
  /** Where others look for it; by default with its hash in its name. */
  readonly file?: string
  readonly content: Uint8Array
}

/** The files of `dist/` by the name that pages call them. */
interface Manifest {
  readonly inputs: string
  readonly files: Readonly<Record<string, string>>
}

const hash = (content: Uint8Array | string): string => createHash('sha256').update(content).digest('hex').slice(0, 12)

function inputsHash(): string {
  const files = INPUTS.flatMap((input) =>
    extname(input) === ''
      ? readdirSync(join(root, input), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
          .map((entry) => join(entry.parentPath, entry.name))
          .toSorted()
      : [join(root, input)],
  )
  return hash(files.map((file) => `${file} ${hash(readFileSync(file))}`).join('\n'))
}

function isUpToDate(inputs: string): boolean {
  if (!existsSync(manifestPath)) return false
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own file; anything else in it makes a new build
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as Partial<Manifest>
    return manifest.inputs === inputs && Object.values(manifest.files ?? {}).every((file) => existsSync(join(dist, file)))
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

/** Scripts of one page. */
async function scripts(...entries: readonly string[]): Promise<readonly Output[]> {
  const { outputFiles, metafile } = await build({
    entryPoints: entries.map((name) => join(root, `src/browser/${name}.ts`)),
    absWorkingDir: root,
    outdir: dist,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    write: false,
    metafile: true,
    legalComments: 'none',
    logLevel: 'error',
    // Only for the hashes in the names, which esbuild makes: what comes out depends on this, too.
    banner: { js: `/* ${JSON.stringify(SMALLER)} ${hash(readFileSync(join(root, 'package-lock.json')))} */` },
  })
  for (const [file, { imports }] of Object.entries(metafile.outputs)) {
    // It would cost every page another round trip.
    if (imports.some(({ kind }) => kind === 'import-statement')) throw new Error(`${file} shares code with another script`)
  }
  return Promise.all(
    outputFiles.map(async ({ path, text }) => {
      const file = basename(path)
      const { code = '' } = await minify(text, SMALLER)
      return { name: file.replace(/-[A-Z0-9]+(?=\.js$)/, ''), file, content: Buffer.from(code) }
    }),
  )
}

function styles(page: 'generic' | 'govuk' | 'ops'): Output {
  const { css } = compile(join(root, `src/browser/styles/${page}.scss`), {
    style: 'compressed',
    loadPaths: [join(root, 'node_modules/govuk-frontend/dist')],
    quietDeps: true,
  })
  return { name: `${page}.css`, content: Buffer.from(css) }
}

function images(): readonly Output[] {
  const folder = join(root, 'src/browser/images')
  return readdirSync(folder).map((name) => ({ name, content: readFileSync(join(folder, name)) }))
}

function write(outputs: readonly Output[], inputs: string): void {
  mkdirSync(dist, { recursive: true })
  const files: Record<string, string> = {}
  for (const { name, content, file = hashed(name, content) } of outputs) {
    writeFileSync(join(dist, file), content)
    files[name] = file
  }
  const manifest: Manifest = { inputs, files }
  // After the files and in one step, so that a server that starts meanwhile finds the old build or the new one, and a build
  // that was cut short is built again.
  writeFileSync(`${manifestPath}.new`, `${JSON.stringify(manifest, undefined, 2)}\n`)
  renameSync(`${manifestPath}.new`, manifestPath)
  const kept = new Set(['manifest.json', ...Object.values(files)])
  for (const name of readdirSync(dist)) if (!kept.has(name)) rmSync(join(dist, name), { recursive: true, force: true })
}

function hashed(name: string, content: Uint8Array): string {
  const extension = extname(name)
  return `${name.slice(0, -extension.length)}-${hash(content)}${extension}`
}

/** Together, what is lazy has one budget. */
function budgetOf(name: string): keyof typeof BUDGET | undefined {
  if (extname(name) === '.css') return 'styles'
  // Operators load it, once.
  if (extname(name) !== '.js' || name === 'ops-status.js') return undefined
  return name === CRITICAL ? 'critical' : 'lazy'
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)

const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KB`

async function main(): Promise<void> {
  const inputs = inputsHash()
  if (isUpToDate(inputs)) return
  const outputs = [
    ...(await scripts('chat', 'components')),
    ...(await scripts('ops-status')),
    ...(['generic', 'govuk', 'ops'] as const).map(styles),
    ...images(),
  ]
  write(outputs, inputs)
  const spent = { critical: 0, lazy: 0, styles: 0 }
  for (const { name, content } of outputs) {
    const size = gzipSync(content, { level: 9 }).length
    const budget = budgetOf(name)
    print(`built ${name.padEnd(13)} ${kilobytes(size)} gzipped${budget === undefined ? '' : ` of ${kilobytes(BUDGET[budget])} ${budget}`}`)
    if (budget === undefined) continue
    // A page has one of the style sheets.
    spent[budget] = budget === 'styles' ? Math.max(spent[budget], size) : spent[budget] + size
  }
  for (const budget of ['critical', 'lazy', 'styles'] as const) {
    if (spent[budget] <= BUDGET[budget]) continue
    process.exitCode = 1
    print(`the ${budget} budget is spent: ${kilobytes(spent[budget])}`)
  }
}

await main()
