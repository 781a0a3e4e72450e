/** The operator page as HTML, from the status and what was just done. Its template is compiled once, so a broken one stops the start. */
import { fileURLToPath } from 'node:url'
import { Environment, FileSystemLoader } from 'nunjucks'
import type { OpsStatus } from './ops-status.ts'
import { viewOf } from './ops-status-view.ts'

const FOLDER = fileURLToPath(new URL('views', import.meta.url))
const GOVUK_FOLDER = fileURLToPath(new URL('../../node_modules/govuk-frontend/dist', import.meta.url))

/** Addresses of what the page loads. */
export interface OpsAssets {
  readonly css: string
  readonly js: string
  readonly icon: string
}

export interface OpsPageExtras {
  readonly serviceName: string
  readonly assets: OpsAssets
  /** Goes back with a form, so that no other site can post one. */
  readonly formToken: string
  /** Loads again by itself, because the operator asked for it. */
  readonly refreshes?: boolean
  /** Why something was not done. */
  readonly problem?: string | undefined
  /** What was done. */
  readonly done?: string | undefined
}

export type RenderOpsPage = (status: OpsStatus, extras: OpsPageExtras) => string

/** @throws the template engine's error when the template is broken */
export function createOpsPage(): RenderOpsPage {
  const environment = new Environment(new FileSystemLoader([FOLDER, GOVUK_FOLDER], { noCache: false, watch: false }), {
    autoescape: true,
    trimBlocks: true,
    lstripBlocks: true,
  })
  const template = environment.getTemplate('status.njk', true)
  return (status, extras) => template.render({ ...extras, page: viewOf(status) }).trimStart()
}
