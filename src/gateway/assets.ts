/**
 * What browsers load: the built script and styles, and the fonts and icons of GOV.UK Frontend.
 *
 * All of it is read into memory at start, so that no request touches the disk and no path reaches outside.
 * Files of ours carry their content's hash in their name and may be kept for ever.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { notFound } from '@hapi/boom'
import type { Server } from '@hapi/hapi'
import * as v from 'valibot'
import { ChatServiceError } from '../chat-service-error.ts'

const DIST = fileURLToPath(new URL('../../dist', import.meta.url))
const GOVUK_ASSETS = fileURLToPath(new URL('../../node_modules/govuk-frontend/dist/govuk/assets', import.meta.url))

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript',
  '.json': 'application/manifest+json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
}

const KEEP_FOR_EVER = 'public, max-age=31536000, immutable'
const KEEP_A_DAY = 'public, max-age=86400'

const manifestSchema = v.object({ files: v.record(v.string(), v.string()) })

/** One file as it is sent. */
export interface Asset {
  readonly content: Buffer
  readonly type: string
  readonly cacheControl: string
  readonly etag: string
}

/** Where a page's own files are. */
export interface AssetPaths {
  readonly css: string
  /** The chat page's script … */
  readonly chat: string
  /** … and that of every other page. */
  readonly components: string
  readonly icon: string
}

/** The browser files were never built. Not retryable: `npm run build` makes them. */
class AssetsMissingError extends ChatServiceError {
  override name = 'AssetsMissingError'

  constructor(what: string, options: { readonly cause?: unknown } = {}) {
    super(`${what} is missing from dist/: run "npm run build"`, {
      code: 'ASSETS_MISSING',
      statusCode: 500,
      isRetryable: false,
      cause: options.cause,
    })
  }
}

export interface Assets {
  /** Where the files of a brand are. */
  pathsOf(brand: 'generic' | 'govuk'): AssetPaths
  /** Where those of the operator page are. */
  readonly ops: Readonly<Record<'css' | 'js' | 'icon', string>>
  /** By the part of its address after `/assets/`. */
  find(name: string): Asset | undefined
}

/**
 * Everything under `/assets/`, read into memory.
 *
 * @throws AssetsMissingError when the browser files have not been built
 */
export function loadAssets(): Assets {
  const files = readManifest()
  const nameOf = (name: string): string => {
    const file = files[name]
    if (file === undefined || !existsSync(join(DIST, file))) throw new AssetsMissingError(name)
    return file
  }
  const assets = new Map<string, Asset>([
    ...readdirSync(GOVUK_ASSETS, { recursive: true, encoding: 'utf8' })
      .filter((name) => extname(name) !== '')
      .map((name) => [name.replaceAll('\\', '/'), asset(join(GOVUK_ASSETS, name), KEEP_A_DAY)] as const),
    ...Object.keys(files).map((name) => [nameOf(name), asset(join(DIST, nameOf(name)), KEEP_FOR_EVER)] as const),
  ])
  const at = (name: string): string => `/assets/${nameOf(name)}`
  return {
    pathsOf: (brand) => ({ css: at(`${brand}.css`), chat: at('chat.js'), components: at('components.js'), icon: at('icon.svg') }),
    ops: { css: at('ops.css'), js: at('ops-status.js'), icon: at('icon.svg') },
    find: (name) => assets.get(name),
  }
}

export function registerAssets(server: Server, assets: Assets): void {
  server.route({
    method: 'GET',
    path: '/assets/{name*}',
    handler(request, h) {
      const found = assets.find(String(request.params['name']))
      if (found === undefined) throw notFound()
      return h.response(found.content).type(found.type).etag(found.etag).header('cache-control', found.cacheControl)
    },
  })
}

function readManifest(): Readonly<Record<string, string>> {
  const path = join(DIST, 'manifest.json')
  if (!existsSync(path)) throw new AssetsMissingError('manifest.json')
  try {
    return v.parse(manifestSchema, JSON.parse(readFileSync(path, 'utf8'))).files
  } catch (cause) {
    throw new AssetsMissingError('a whole manifest.json', { cause })
  }
}

function asset(path: string, cacheControl: string): Asset {
  const content = readFileSync(path)
  const etag = createHash('sha256').update(content).digest('base64url').slice(0, 16)
  return { content, type: TYPES[extname(path)] ?? 'application/octet-stream', cacheControl, etag }
}
