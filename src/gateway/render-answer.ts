/**
 * An answer's text as HTML, block by block: the one renderer of the live page, the page without JavaScript and the transcript.
 *
 * Guarantees, for any text whatever (agent output is hostile):
 * - only the tags and attributes listed in SPEC [W1] are written; every other character of the text is shown as text;
 * - blocks are prefix-stable: the blocks of any prefix of a text are the first blocks of the whole, so a shown block never changes;
 * - it never throws, and its cost and its output grow no faster than the text: what would cost more is shown as plain text.
 *
 * A top-level block is complete when nothing that may follow can belong to it: a later one has begun, or its kind ends with
 * its line or with an empty one. A line counts only once it is complete, because one that still grows can change what came before it. Reference definitions are off: they would reach back into earlier blocks.
 */
import MarkdownIt, { type Token } from 'markdown-it'
import { ANSWER_BLOCK_CHARS_MAX, ANSWER_BLOCKS_MAX, ANSWER_MARKDOWN_CHARS_MAX, ANSWER_PLAIN_BLOCK_CHARS } from '../conversation/limits.ts'
import { ANSWER_STYLE, escapeHtml, isSafeLink, renderTokens, type HtmlStyle, type OpenHeadings, type Written } from './answer-html.ts'

/** A completed piece of an answer. */
export interface AnswerBlock {
  readonly html: string
  /** UTF-16 units of the answer's text that the blocks up to this one cover. */
  readonly upTo: number
  /** Markdown cost too much here, so what follows is shown as plain text. */
  readonly isRestPlain: boolean
  /** The headings that what follows stands under. */
  readonly headings: OpenHeadings
}

/** Levels of nesting one line may open; a person writes three or four. */
const MARKERS_PER_LINE_MAX = 12
/** Columns of markers and indentation before a line's text. No more levels than columns can be open, so `NESTING_MAX` is never reached. */
const LEAD_COLUMNS_MAX = 80
/** Beyond this markdown-it would leave text out. */
const NESTING_MAX = 200
const CELLS_PER_LINE_MAX = 64
/** Each opening bracket makes the parser look ahead through the block. */
const BRACKETS_PER_BLOCK_MAX = 400
/** How much longer than its text a block's HTML may be. */
const GROWTH_MAX = 12
const GROWTH_FREE_CHARS = 4_000

const LINE = /[^\r\n]*(?:\r\n?|\n|$)/y
const LEAD = /^(?:[ \t]|>|[-+*](?=\s|$)|\d{1,9}[.)](?=\s|$))+/
const MARKER = />|[-+*]|\d+[.)]/g
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/

const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false, breaks: true, maxNesting: NESTING_MAX })
markdown.disable(['reference', 'html_block', 'autolink', 'html_inline', 'strikethrough'])
markdown.validateLink = isSafeLink

/**
 * The completed blocks of `text`; with `isEnded` all of it.
 *
 * @param known - blocks returned earlier for a prefix of the same answer; they are returned again as they are and not rendered again,
 *   so that following a growing answer costs no more than its latest block
 */
export function renderBlocks(
  text: string,
  isEnded: boolean,
  known: readonly AnswerBlock[] = [],
  style: HtmlStyle = ANSWER_STYLE,
): readonly AnswerBlock[] {
  const blocks = [...known]
  let at = known.at(-1)?.upTo ?? 0
  let isPlain = known.at(-1)?.isRestPlain ?? false
  const headingsNow = (): OpenHeadings => blocks.at(-1)?.headings ?? []
  const lines = completeLines(text, at, isEnded)
  for (let isMore = !isPlain; isMore;) {
    const stretch = stretchFrom(text, lines, at)
    const isLast = stretch.endsAt === 'hostile line' || (stretch.endsAt === 'last line' && isEnded)
    const found = parseBlocks(text.slice(at, stretch.stop), isLast, { style, headings: headingsNow() })
    const start = at
    for (const block of found) if (!isFull(blocks)) blocks.push({ ...block, upTo: start + block.upTo })
    at = blocks.at(-1)?.upTo ?? 0
    const isStuck = stretch.endsAt === 'bound' && found.length === 0
    isPlain = isStuck || stretch.endsAt === 'hostile line' || isFull(blocks)
    isMore = !isPlain && stretch.endsAt === 'bound'
  }
  return isPlain ? [...blocks, ...plainBlocks(text, lines, at, { isEnded, headings: headingsNow() })] : blocks
}

const isFull = (blocks: readonly AnswerBlock[]): boolean =>
  blocks.length >= ANSWER_BLOCKS_MAX || (blocks.at(-1)?.upTo ?? 0) >= ANSWER_MARKDOWN_CHARS_MAX

interface Line {
  readonly start: number
  readonly end: number
}

/** The lines from `from` on that can no longer grow. A carriage return at the end may yet be half of a line end. */
function completeLines(text: string, from: number, isEnded: boolean): readonly Line[] {
  const lines: Line[] = []
  for (let start = from; start < text.length;) {
    LINE.lastIndex = start
    const end = start + (LINE.exec(text)?.[0].length ?? 0)
    if (!isEnded && end === text.length && text[end - 1] !== '\n') break
    lines.push({ start, end })
    start = end
  }
  return lines
}

/** The lines from `from` that are parsed in one go, and what ended them. */
interface Stretch {
  readonly stop: number
  readonly endsAt: 'last line' | 'bound' | 'hostile line'
}

function stretchFrom(text: string, lines: readonly Line[], from: number): Stretch {
  let stop = from
  for (const { start, end } of lines) {
    if (start < from) continue
    if (isHostile(text.slice(start, end))) return { stop, endsAt: 'hostile line' }
    if (end - from > ANSWER_BLOCK_CHARS_MAX) return { stop, endsAt: 'bound' }
    stop = end
  }
  return { stop, endsAt: 'last line' }
}

/** Whether the line alone could make parsing slow or its HTML large. */
function isHostile(line: string): boolean {
  if (line.length > ANSWER_BLOCK_CHARS_MAX || occurrences(line, '|') > CELLS_PER_LINE_MAX) return true
  const lead = LEAD.exec(line)?.[0] ?? ''
  const columns = lead.length + 3 * occurrences(lead, '\t')
  if (columns <= MARKERS_PER_LINE_MAX || RULE.test(line.trimEnd())) return false
  return columns > LEAD_COLUMNS_MAX || (lead.match(MARKER)?.length ?? 0) > MARKERS_PER_LINE_MAX
}

function occurrences(text: string, character: string): number {
  let count = 0
  for (let index = text.indexOf(character); index !== -1; index = text.indexOf(character, index + 1)) count += 1
  return count
}

/** The blocks of `source`, `upTo` counted from its start; the last one only when it can no longer grow or `isLast` says so. */
function parseBlocks(source: string, isLast: boolean, { style, headings }: Under): readonly AnswerBlock[] {
  const tokens: Token[] = []
  markdown.block.parse(source.replace(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD'), markdown, {}, tokens)
  const starts = lineStarts(source)
  const groups = topLevel(tokens)
  const ends = groups.map((_group, index) => trimmedEnd(source, startOf(groups[index + 1], starts) ?? source.length))
  const last = groups.at(-1)
  const isComplete = isLast || (last !== undefined && isClosed(last, source.slice(ends.at(-1))))
  let now = headings
  return groups.slice(0, isComplete ? groups.length : -1).map((group, index) => {
    const upTo = ends[index] ?? source.length
    const rendered = renderGroup(group, source.slice(ends[index - 1] ?? 0, upTo), { style, headings: now })
    now = rendered.headings
    return { ...rendered, upTo, isRestPlain: false }
  })
}

/** How blocks are written, and what they stand under. */
interface Under {
  readonly style: HtmlStyle
  readonly headings: OpenHeadings
}

/** Whether nothing that follows can belong to the block: `after` is what stands between it and the end of the whole lines. */
function isClosed([first]: readonly Token[], after: string): boolean {
  if (first?.type === 'heading_open' || first?.type === 'hr') return true
  return (first?.type === 'paragraph_open' || first?.type === 'table_open') && after !== ''
}

/** The end of the last line before `end` that is not blank, with its line end. */
function trimmedEnd(source: string, end: number): number {
  // Markdown's own blanks only: what else looks empty belongs to a paragraph.
  let said = end
  while (said > 0 && ' \t\r\n'.includes(source[said - 1] ?? '')) said -= 1
  return said + (/^[^\r\n]*(?:\r\n?|\n)?/.exec(source.slice(said, end))?.[0].length ?? 0)
}

/** Where each line starts; counts line ends as the parser does. */
function lineStarts(source: string): readonly number[] {
  const starts = [0]
  for (const match of source.matchAll(/\r\n?|\n/g)) starts.push(match.index + match[0].length)
  return starts
}

const startOf = (group: readonly Token[] | undefined, starts: readonly number[]): number | undefined =>
  starts[group?.[0]?.map?.[0] ?? Number.NaN]

/** The tokens of each top-level block. */
function topLevel(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const groups: Token[][] = []
  let open: Token[] | undefined
  for (const token of tokens) {
    if (open === undefined) {
      open = []
      groups.push(open)
    }
    open.push(token)
    if (token.level === 0 && token.nesting !== 1) open = undefined
  }
  return groups
}

function renderGroup(group: readonly Token[], source: string, { style, headings }: Under): Written {
  const plain = { html: plainHtml(source), headings }
  if (occurrences(source, '[') > BRACKETS_PER_BLOCK_MAX) return plain
  for (const token of group) {
    if (token.type === 'inline') {
      token.children = []
      markdown.inline.parse(token.content, markdown, {}, token.children)
    }
  }
  const rendered = renderTokens(group, style, headings)
  return rendered.html.length > source.length * GROWTH_MAX + GROWTH_FREE_CHARS ? plain : rendered
}

/** Whole lines of plain text, gathered so that there are few blocks however many lines. */
function plainBlocks(
  text: string,
  lines: readonly Line[],
  from: number,
  { isEnded, headings }: { readonly isEnded: boolean; readonly headings: OpenHeadings },
): readonly AnswerBlock[] {
  const blocks: AnswerBlock[] = []
  const add = (end: number): void => {
    blocks.push({ html: plainHtml(text.slice(start, end)), upTo: end, isRestPlain: true, headings })
    start = end
  }
  let start = from
  for (const line of lines) {
    const isLong = line.start - start >= ANSWER_PLAIN_BLOCK_CHARS
    if (isLong && text.slice(line.start, line.end).trim() !== '' && text.slice(start, line.start).trim() !== '') add(line.start)
  }
  if (isEnded && text.slice(start).trim() !== '') add(text.length)
  return blocks
}

/** One paragraph with the line breaks of the text; more than one empty line in a row is one. */
function plainHtml(source: string): string {
  const text = source
    .replace(/\r\n?/g, '\n')
    .trim()
    .replace(/\n[ \t]*(?:\n[ \t]*)+/g, '\n\n')
  return `<p class="govuk-body">${escapeHtml(text).replaceAll('\n', '<br>')}</p>`
}
