/**
 * The templates, compiled once when the service starts, so that a broken one stops the start and not a page.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Environment, FileSystemLoader } from 'nunjucks'

const FOLDER = fileURLToPath(new URL('views', import.meta.url))
const GOVUK_FOLDER = fileURLToPath(new URL('../../node_modules/govuk-frontend/dist', import.meta.url))

/** Pages by name; `layout` and `message` are parts of others. */
export type ViewName =
  | 'start'
  | 'chat'
  | 'conversations'
  | 'delete'
  | 'download'
  | 'transcript'
  | 'transcript-item'
  | 'as-written'
  | 'as-written-piece'
  | 'as-written-end'
  | 'help'
  | 'states'
  | 'text'
  | 'leaving'
  | 'error'

export interface Views {
  /** The HTML document. Every value is escaped unless the template says otherwise. */
  render(name: ViewName, model: object): string
}

/** @throws when a template cannot be read or compiled */
export function createViews(): Views {
  const environment = new Environment(new FileSystemLoader([FOLDER, GOVUK_FOLDER], { noCache: false, watch: false }), {
    autoescape: true,
    trimBlocks: true,
    lstripBlocks: true,
  })
  for (const file of readdirSync(FOLDER)) environment.getTemplate(file, true)
  return { render: (name, model) => environment.render(`${name}.njk`, model) }
}
