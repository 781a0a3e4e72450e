/**
 * Tokens of a Markdown parser as HTML from an allow-list. A tag is written only where it stands in this file,
 * and an attribute only with a value made here; whatever else a token holds is shown as text.
 */
import type { Token } from 'markdown-it'
import { ANSWER_LINK_CHARS_MAX } from '../conversation/limits.ts'

/** Host names are what people trust, so text that could turn one around is not shown inside a link. */
const BIDI_CONTROLS = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')

/** A web address without a user name in it, one of our own help pages, or the place on the page that says where else to get help. */
export const isSafeLink = (href: string): boolean => targetOf(href) !== undefined

/** Where a link may go. */
export interface Target {
  readonly href: string
  /** With its port; `undefined` for a page of this service. */
  readonly host: string | undefined
}

/** How a link is written. */
export interface WrittenLink {
  readonly href: string
  /** Stands after its text, which can say anything. */
  readonly note: string | undefined
}

/** Any other address of ours would let an answer send people to where something is done. */
const HELP_PAGE = /^\/help\/[a-z0-9-]+(?:#[a-z0-9-]+)?$/

const OTHER_HELP = '#other-help'

function targetOf(href: string): Target | undefined {
  if (HELP_PAGE.test(href) || href === OTHER_HELP) return { href, host: undefined }
  if (!/^https?:\/\//i.test(href)) return undefined
  const url = URL.parse(href)
  if (url === null || url.username !== '' || url.password !== '' || url.hostname === '') return undefined
  // Nobody reads a longer one.
  if (url.href.length > ANSWER_LINK_CHARS_MAX) return undefined
  return { href: url.href, host: url.host }
}

/** Whether the host is one of `trusted` or below one. */
export function isTrustedHost(host: string, trusted: readonly string[]): boolean {
  const name = host.replace(/:\d+$/, '')
  return trusted.some((one) => name === one || name.endsWith(`.${one}`))
}

/** Fixed HTML for tokens without content of their own. */
const FIXED: Readonly<Record<string, string>> = {
  blockquote_open: '<blockquote class="app-quote">',
  blockquote_close: '</blockquote>',
  bullet_list_open: '<ul class="govuk-list govuk-list--bullet">',
  bullet_list_close: '</ul>',
  ordered_list_close: '</ol>',
  list_item_open: '<li>',
  list_item_close: '</li>',
  hr: '<hr class="govuk-section-break govuk-section-break--m govuk-section-break--visible">',
  table_open: '<table class="govuk-table">',
  table_close: '</table>',
  thead_open: '<thead>',
  thead_close: '</thead>',
  tbody_open: '<tbody>',
  tbody_close: '</tbody>',
  tr_open: '<tr>',
  tr_close: '</tr>',
  th_open: '<th scope="col">',
  th_close: '</th>',
  td_open: '<td>',
  td_close: '</td>',
  strong_open: '<strong>',
  strong_close: '</strong>',
  em_open: '<em>',
  em_close: '</em>',
  softbreak: '<br>',
  hardbreak: '<br>',
}

/** What a text is rendered for. */
export interface HtmlStyle {
  /** Level of the heading that the text stands under; its own begin at the next. */
  readonly under: number
  readonly link: (target: Target) => WrittenLink
}

/** Links go where they say, and name the host unless it is trusted. */
const directLinks =
  (trusted: readonly string[], root = ''): HtmlStyle['link'] =>
  ({ href, host }) => {
    if (host === undefined) return { href: href.startsWith('/') ? `${root}${href}` : href, note: undefined }
    return { href, note: isTrustedHost(host, trusted) ? undefined : host }
  }

/** A message has an h3, and a page its title. */
const MESSAGE_LEVEL = 3
const TITLE_LEVEL = 1
const LEVEL_MAX = 6

/** Hosts that need no naming unless a service says otherwise. */
const GOV_UK: readonly string[] = ['gov.uk']

export const ANSWER_STYLE: HtmlStyle = { under: MESSAGE_LEVEL, link: directLinks(GOV_UK) }
/** For the team's own text; `root` stands before the addresses of this service's pages. */
export const pageStyle = (root: string): HtmlStyle => ({ under: TITLE_LEVEL, link: directLinks(GOV_UK, root) })

/** For a file that lies elsewhere: pages of this service by their whole address, and every address to be read. */
export const printedStyle = (origin: string): HtmlStyle => ({
  under: MESSAGE_LEVEL,
  link({ href, host }) {
    const whole = host === undefined ? `${origin}${href}` : href
    return { href: whole, note: whole }
  },
})

/** The headings that text stands under, by their levels in the Markdown, outermost first. */
export type OpenHeadings = readonly number[]

/** What the tokens before have left open. */
interface Writing {
  readonly style: HtmlStyle
  readonly links: (WrittenLink | undefined)[]
  headings: OpenHeadings
}

/** The HTML of a run of tokens under `headings`, and the headings that are open after it; `inline` tokens must have their children. */
export function renderTokens(tokens: readonly Token[], style: HtmlStyle, headings: OpenHeadings): Written {
  const writing: Writing = { style, links: [], headings }
  const html = renderAll(tokens, writing)
  return { html, headings: writing.headings }
}

export interface Written {
  readonly html: string
  readonly headings: OpenHeadings
}

const renderAll = (tokens: readonly Token[], writing: Writing): string => tokens.map((token) => renderToken(token, writing)).join('')

function renderToken(token: Token, writing: Writing): string {
  const { links } = writing
  switch (token.type) {
    case 'inline':
      return renderAll(token.children ?? [], writing)
    case 'text':
    case 'text_special':
      return escapeHtml(links.length > 0 ? token.content.replace(BIDI_CONTROLS, '') : token.content)
    case 'code_inline':
      return `<code>${escapeHtml(links.length > 0 ? token.content.replace(BIDI_CONTROLS, '') : token.content)}</code>`
    case 'code_block':
    case 'fence':
      return `<pre class="app-code"><code>${escapeHtml(token.content)}</code></pre>`
    case 'image':
      // Never fetched: a picture's address can carry what was said to somebody else's server. Its description stays.
      return escapeHtml(token.content)
    case 'paragraph_open':
      return token.hidden ? '' : '<p class="govuk-body">'
    case 'paragraph_close':
      // Tight list items have no paragraphs; text must not run into a list inside the same item.
      return token.hidden ? '' : '</p>'
    case 'heading_open':
      return openHeading(token, writing)
    case 'heading_close':
      return `</h${levelOf(writing)}>`
    case 'ordered_list_open':
      return orderedList(token)
    case 'link_open':
      return openLink(token, writing)
    case 'link_close':
      return closeLink(writing)
    default:
      return FIXED[token.type] ?? escapeHtml(token.content)
  }
}

/** One level below the heading that it belongs to, whatever the Markdown left out: who moves by headings would look for what is missing. */
function openHeading({ tag }: Token, writing: Writing): string {
  const level = Number(tag.slice(1))
  writing.headings = [...writing.headings.filter((open) => open < level), level]
  return `<h${levelOf(writing)} class="govuk-heading-${level <= 2 ? 'm' : 's'}">`
}

const levelOf = ({ style, headings }: Writing): number => Math.min(LEVEL_MAX, style.under + headings.length)

function orderedList(token: Token): string {
  const start = Number(token.attrGet('start') ?? 1)
  const from = Number.isSafeInteger(start) && start !== 1 ? ` start="${start}"` : ''
  return `<ol class="govuk-list govuk-list--number"${from}>`
}

function openLink(token: Token, { links, style }: Writing): string {
  const target = targetOf(String(token.attrGet('href') ?? ''))
  const link = target && style.link(target)
  links.push(link)
  return link === undefined ? '' : `<a class="govuk-link" href="${escapeHtml(link.href)}" rel="noopener noreferrer nofollow">`
}

function closeLink({ links }: Writing): string {
  const link = links.pop()
  if (link === undefined) return ''
  return link.note === undefined ? '</a>' : ` (${escapeHtml(link.note)})</a>`
}
