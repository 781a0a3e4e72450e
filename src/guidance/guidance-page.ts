/** One page of guidance: a Markdown file as title, summary and sections. Pure. */
import { GUIDANCE_PAGE_CHARS_MAX } from '../conversation/limits.ts'
import { parseFrontMatter, type Audience } from './front-matter.ts'

/** A piece of a page under a heading of its own; `heading` is empty for what stands before the first. */
export interface GuidanceSection {
  readonly heading: string
  /** Markdown, without the heading. */
  readonly text: string
}

export interface GuidancePage {
  /** Last part of its address, from the file's name: lower-case letters, digits and hyphens. */
  readonly slug: string
  readonly title: string
  /** One or two sentences of plain text. */
  readonly summary: string
  readonly audience: Audience
  readonly order: number
  /** Other words for what the page is about, for the search only. */
  readonly keywords: string
  /** Markdown, without front matter and title. */
  readonly text: string
  readonly sections: readonly GuidanceSection[]
}

export type PageResult = { readonly ok: true; readonly page: GuidancePage } | { readonly ok: false; readonly problem: string }

const FILE_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*\.md$/
const TITLE_LINE = /^#[ \t]+(.+?)[ \t]*#*$/
const SECTION_LINE = /^##[ \t]+(.+?)[ \t]*#*$/
const FENCE = /^[ \t]*(?:```|~~~)/
const TITLE_CHARS_MAX = 100
const SUMMARY_CHARS_MAX = 200

const wrong = (problem: string): PageResult => ({ ok: false, problem })

/** The page in `source`, the content of a file called `fileName`. */
export function parseGuidancePage(fileName: string, source: string): PageResult {
  if (!FILE_NAME.test(fileName)) return wrong('the name must be lower-case letters, digits and single hyphens, and end in .md')
  if (source.length > GUIDANCE_PAGE_CHARS_MAX) return wrong(`it is longer than ${GUIDANCE_PAGE_CHARS_MAX} characters`)
  if (source.includes('\u0000') || source.includes('\uFFFD')) return wrong('it is not UTF-8 text')
  const parsed = parseFrontMatter(source.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n'))
  if (!parsed.ok) return parsed
  const { frontMatter } = parsed
  const { heading, body } = splitTitle(parsed.body)
  const title = plainText(frontMatter.title ?? heading ?? '')
  if (title === '') return wrong('it has no title: begin it with "# Title", or put "title:" into its front matter')
  if (title.length > TITLE_CHARS_MAX) return wrong(`its title is longer than ${TITLE_CHARS_MAX} characters`)
  if (body === '') return wrong('it has a title and nothing else')
  const sections = splitSections(body)
  const summary = plainText(frontMatter.summary ?? firstParagraph(sections))
  const { audience, order, keywords } = frontMatter
  return { ok: true, page: { slug: fileName.slice(0, -'.md'.length), title, summary, audience, order, keywords, text: body, sections } }
}

/** The first line of text as title, when it is one, and what follows it. */
function splitTitle(source: string): { readonly heading: string | undefined; readonly body: string } {
  const body = source.trim()
  const [first = '', ...rest] = body.split('\n')
  const heading = TITLE_LINE.exec(first)?.[1]
  return heading === undefined ? { heading, body } : { heading, body: rest.join('\n').trim() }
}

function splitSections(body: string): readonly GuidanceSection[] {
  const sections: { heading: string; lines: string[] }[] = [{ heading: '', lines: [] }]
  let isCode = false
  for (const line of body.split('\n')) {
    if (FENCE.test(line)) isCode = !isCode
    const heading = isCode ? undefined : SECTION_LINE.exec(line)?.[1]
    if (heading === undefined) sections.at(-1)?.lines.push(line)
    else sections.push({ heading: plainText(heading), lines: [] })
  }
  return sections
    .map(({ heading, lines }) => ({ heading, text: lines.join('\n').trim() }))
    .filter(({ heading, text }) => heading !== '' || text !== '')
}

function firstParagraph(sections: readonly GuidanceSection[]): string {
  const paragraph = sections[0]?.text.split(/\n\s*\n/)[0] ?? ''
  if (paragraph.length <= SUMMARY_CHARS_MAX) return paragraph
  return `${paragraph.slice(0, SUMMARY_CHARS_MAX).replace(/\s+\S*$/, '')} …`
}

/** Markdown as the words that people see of it, without code: for search, titles and summaries. */
export const plainText = (markdown: string): string =>
  markdown
    .replace(/^[ \t]*(```|~~~)[^]*?^[ \t]*\1/gm, ' ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^[ \t]*(?:#{1,6}|[-*+]|\d+[.)]|>)[ \t]+/gm, '')
    .replace(/^[ \t]*\|?[ \t:|-]+\|[ \t:|-]*$/gm, '')
    .replace(/[*`|]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

/** Names of the help pages that `page` links to. */
export const linkedSlugs = (page: GuidancePage): readonly string[] =>
  [...page.text.matchAll(/\]\(\/help\/([^)#?\s]*)/g)].map(([, slug = '']) => slug)
