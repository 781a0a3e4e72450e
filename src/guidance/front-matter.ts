/**
 * The lines between `---` and `---` at the top of a page: `name: value`, one a line, nothing nested. Pure.
 *
 * A name we do not know is a fault and not ignored: it is most often one of ours, misspelt.
 */
export const AUDIENCES = ['people', 'teams', 'on-call'] as const

/** Who a page is for; pages are listed in this order. */
export type Audience = (typeof AUDIENCES)[number]

export interface FrontMatter {
  readonly title: string | undefined
  readonly summary: string | undefined
  readonly audience: Audience
  /** Place among the pages of the same audience; pages without one come last. */
  readonly order: number
  /** Other words for what the page is about, for the search only. */
  readonly keywords: string
}

export type FrontMatterResult =
  | { readonly ok: true; readonly frontMatter: FrontMatter; readonly body: string }
  | { readonly ok: false; readonly problem: string }

const FENCE = '---'
const FIELD = /^([a-z]+):[ \t]*(.*)$/
const NAMES = ['title', 'summary', 'audience', 'order', 'keywords']
const ORDER_MAX = 9_999

const wrong = (problem: string): FrontMatterResult => ({ ok: false, problem })

/** Takes the front matter off `source`, whose lines end in line feeds; a page without one has all of its defaults. */
export function parseFrontMatter(source: string): FrontMatterResult {
  const lines = source.split('\n')
  if (lines[0]?.trimEnd() !== FENCE) return finish(new Map(), source)
  const end = lines.findIndex((line, index) => index > 0 && line.trimEnd() === FENCE)
  if (end === -1) return wrong('the front matter has no closing "---"')
  const fields = new Map<string, string>()
  for (const [index, line] of lines.slice(1, end).entries()) {
    if (line.trim() === '') continue
    const [, name = '', value = ''] = FIELD.exec(line) ?? []
    if (name === '') return wrong(`line ${index + 2} is not of the form "name: value"`)
    if (!NAMES.includes(name)) return wrong(`line ${index + 2} names "${name}", which is none of ${NAMES.join(', ')}`)
    if (fields.has(name)) return wrong(`line ${index + 2} gives "${name}" a second time`)
    fields.set(name, unquoted(value.trim()))
  }
  return finish(fields, lines.slice(end + 1).join('\n'))
}

const unquoted = (value: string): string => /^(["'])(.*)\1$/.exec(value)?.[2] ?? value

function finish(fields: ReadonlyMap<string, string>, body: string): FrontMatterResult {
  const audienceText = fields.get('audience') ?? 'people'
  const audience = AUDIENCES.find((known) => known === audienceText)
  if (audience === undefined) return wrong(`audience must be one of ${AUDIENCES.join(', ')}`)
  const orderText = fields.get('order') ?? String(ORDER_MAX)
  if (!/^\d{1,4}$/.test(orderText)) return wrong(`order must be a whole number from 0 to ${ORDER_MAX}`)
  const frontMatter: FrontMatter = {
    title: fields.get('title'),
    summary: fields.get('summary'),
    audience,
    order: Number(orderText),
    keywords: fields.get('keywords') ?? '',
  }
  return { ok: true, frontMatter, body }
}
